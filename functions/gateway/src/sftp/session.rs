//! One client's requests over one channel.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use exchange::TenantFiles;
use russh_sftp::protocol::{Data, File, Handle, Name, Packet};
use store::audit;

use super::{
    attempt::{ATTEMPTS_MAX, Attempt},
    handles::{Looked, Open},
    level::Levels,
    packet::{done, version},
    refusal::Refusal,
};
use crate::{gateway::Gateway, login::Tenant, partial::TenantPartials, path::canonical, standing::Standing};

/// Sizes that are remembered: a client asks, and then opens.
const TOLD_MAX: usize = 64;

/// What a channel has open, and whose it is.
pub struct Session {
    pub(super) gateway: Arc<Gateway>,
    pub(super) tenant: Tenant,
    pub(super) source: IpAddr,
    pub(super) files: TenantFiles,
    pub(super) partials: TenantPartials,
    pub(super) open: HashMap<String, Open>,
    pub(super) opened: u64,
    standing: Standing,
    /// Sizes of unfinished uploads that the client was told, by their names.
    pub(super) told: HashMap<String, u64>,
    pub(super) looked: Option<Looked>,
    pub(super) levels: Levels,
    /// The client looks at files and then reads them, one after the other: a look then is the request for the content.
    pub(super) fetches: bool,
    /// Lines of refusals so far.
    refused: u32,
}

/// What a request is answered with.
pub(super) type Answer = Result<Packet, Refusal>;

impl Session {
    pub fn new(gateway: Arc<Gateway>, tenant: Tenant, source: IpAddr, files: TenantFiles) -> Self {
        let partials = gateway.partials(&files);
        Self {
            gateway,
            tenant,
            source,
            files,
            partials,
            open: HashMap::new(),
            opened: 0,
            standing: Standing::new(),
            told: HashMap::new(),
            looked: None,
            levels: Levels::default(),
            fetches: false,
            refused: 0,
        }
    }

    pub(super) async fn answer(&mut self, packet: Result<Packet, (u32, Refusal)>) -> Packet {
        let packet = match packet {
            Ok(packet) => packet,
            Err((id, refusal)) => return refusal.packet(id),
        };
        let (id, attempt) = (packet.get_request_id(), Attempt::of(&packet));
        let answer = match self.may_go_on(&packet).await {
            Ok(()) => self.dispatch(id, packet).await,
            Err(refusal) => Err(refusal),
        };
        match answer {
            Ok(answer) => answer,
            Err(refusal) => {
                let attempt = attempt.or_else(|| Attempt::by_handle(refusal));
                self.refuse(attempt, refusal).await;
                refusal.packet(id)
            }
        }
    }

    /// Who reaches for what is not theirs is seen, as well as who mistypes.
    async fn refuse(&mut self, attempt: Option<Attempt>, refusal: Refusal) {
        let Some(attempt) = attempt.filter(|attempt| attempt.counts(refusal)) else { return };
        if !self.gateway.has_room().await {
            tracing::error!(tenant = self.tenant.id.0, "a refusal is not listed: too many lines wait");
            return;
        }
        self.refused = self.refused.saturating_add(1);
        if self.refused < ATTEMPTS_MAX {
            self.audit(attempt.action, &attempt.subject, None, &format!("refused: {}", refusal.words));
        } else if self.refused == ATTEMPTS_MAX {
            let words = "refused: more refusals of this channel are not listed";
            self.audit(attempt.action, &attempt.subject, None, words);
        }
    }

    /// Whether the login is still worth something; when it is not, what is open ends as if the client had gone. While the database does not
    /// answer, what is open goes on, and nothing begins for whose line there is no room.
    async fn may_go_on(&mut self, packet: &Packet) -> Result<(), Refusal> {
        // Which version is spoken is nobody's secret, and has no status for an answer.
        if matches!(packet, Packet::Init(_)) {
            return Ok(());
        }
        let goes_on = matches!(packet, Packet::Read(_) | Packet::Write(_) | Packet::Close(_));
        if !goes_on && !self.gateway.has_room().await {
            return Err(Refusal::UNAVAILABLE);
        }
        match self.standing.holds(&self.gateway, &self.tenant, self.source).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.end_all().await;
                Err(Refusal::LOGIN_OVER)
            }
            Err(_) if goes_on => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn dispatch(&mut self, id: u32, packet: Packet) -> Answer {
        let looked = self.looked.take();
        if !matches!(packet, Packet::Open(_)) && looked.is_some() {
            self.fetches = false;
        }
        match packet {
            Packet::Init(_) => Ok(version()),
            Packet::Open(request) => self.open(id, &request.filename, request.pflags, looked).await,
            Packet::Close(request) => self.close(id, &request.handle).await,
            Packet::Read(request) => match self.open.get_mut(&request.handle) {
                Some(Open::Reading(reading)) => {
                    let data = reading.read(request.offset, request.len).await?;
                    Ok(Data { id, data }.into())
                }
                Some(Open::Text(text)) => {
                    Ok(Data { id, data: text.read(request.offset, request.len)? }.into())
                }
                Some(Open::Writing(_) | Open::Copying(_)) => Err(Refusal::UPLOADING),
                _ => Err(Refusal::BAD_HANDLE),
            },
            Packet::Write(request) => match self.open.get_mut(&request.handle) {
                Some(Open::Writing(writing)) => {
                    writing.write(request.offset, &request.data).await?;
                    Ok(done(id))
                }
                Some(Open::Copying(_)) => Err(Refusal::COPY_PART),
                _ => Err(Refusal::BAD_HANDLE),
            },
            Packet::Stat(request) => self.stat(id, &request.path).await,
            Packet::Lstat(request) => self.stat(id, &request.path).await,
            Packet::Fstat(request) => self.fstat(id, &request.handle),
            Packet::SetStat(request) => self.setstat(id, &request.path, &request.attrs).await,
            Packet::FSetStat(request) => self.fsetstat(id, &request.handle, &request.attrs),
            Packet::OpenDir(request) => self.opendir(id, &request.path).await,
            Packet::ReadDir(request) => match self.open.get_mut(&request.handle) {
                Some(Open::Entries(entries)) => Ok(Name { id, files: entries.next().await? }.into()),
                _ => Err(Refusal::BAD_HANDLE),
            },
            Packet::RealPath(request) => {
                let files = vec![File::dummy(canonical(&request.path)?)];
                Ok(Name { id, files }.into())
            }
            Packet::Remove(request) => self.remove(id, &request.filename).await,
            Packet::MkDir(request) => self.mkdir(id, &request.path).await,
            Packet::RmDir(request) => self.rmdir(id, &request.path).await,
            Packet::Rename(request) => self.rename(id, &request.oldpath, &request.newpath, false).await,
            Packet::Extended(request) => self.extended(id, &request.request, request.data).await,
            Packet::Symlink(_) => Err(Refusal::LINKS),
            Packet::ReadLink(request) => self.readlink(&request.path).await,
            _ => Err(Refusal::UNKNOWN),
        }
    }

    /// Remembers what the client was told of an unfinished upload: it goes on from there.
    pub(super) fn tell(&mut self, name: &str, size: u64) {
        if self.told.len() >= TOLD_MAX {
            self.told.clear();
        }
        self.told.insert(name.to_owned(), size);
    }

    pub(super) fn keep(&mut self, id: u32, open: Open) -> Packet {
        self.opened += 1;
        let handle = self.opened.to_string();
        self.open.insert(handle.clone(), open);
        Handle { id, handle }.into()
    }

    pub(super) fn audit(&self, action: &'static str, subject: &str, bytes: Option<u64>, result: &str) {
        let line = audit::Line {
            tenant: Some(self.tenant.id),
            actor: &self.tenant.actor,
            action,
            subject: Some(subject),
            source: Some(self.source),
            bytes,
            result,
        };
        self.gateway.journal().push(&line);
    }

    /// Ends when the gateway stops: with a file open only when the time for that is over.
    pub(super) async fn must_end(&self) {
        let transfers = self.open.values().any(|open| !matches!(open, Open::Entries(_) | Open::Text(_)));
        self.gateway.must_end(transfers).await;
    }

    /// The client went away, or has to go.
    pub(super) async fn end(mut self) {
        self.end_all().await;
        self.gateway.lines_are_written().await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bytes::Bytes;
    use contract::TenantId;

    use super::*;
    use crate::gateway::tests::without_room;

    fn request(packet: impl Into<Packet>) -> Packet {
        // As it comes from a client, without its length.
        let mut bytes = Bytes::try_from(packet.into()).unwrap().split_off(4);
        Packet::try_from(&mut bytes).unwrap()
    }

    #[tokio::test]
    async fn nothing_begins_while_too_many_lines_of_the_audit_wait() {
        use russh_sftp::protocol::{Close, FileAttributes, Open, OpenFlags, Read, Remove, StatusCode};
        let gateway = Arc::new(without_room().await);
        let actor = "sftp password".to_owned();
        let tenant = Tenant { id: TenantId(1), bucket: "bucket-1".to_owned(), actor, key: None };
        let files = gateway.files(&tenant).await.unwrap();
        let mut session = Session::new(gateway, tenant, Ipv4Addr::LOCALHOST.into(), files);
        session.standing = Standing::looked_at();
        let (id, handle, path) = (1, "1".to_owned(), "Incoming/x".to_owned());
        let open = |pflags| Open { id, filename: path.clone(), pflags, attrs: FileAttributes::empty() };
        for (packet, expected) in [
            (request(open(OpenFlags::READ)), Refusal::UNAVAILABLE),
            (request(open(OpenFlags::WRITE | OpenFlags::CREATE)), Refusal::UNAVAILABLE),
            (request(Remove { id, filename: path.clone() }), Refusal::UNAVAILABLE),
            // What is under way goes on; here there is nothing.
            (request(Read { id, handle: handle.clone(), offset: 0, len: 1 }), Refusal::BAD_HANDLE),
            (request(Close { id, handle: handle.clone() }), Refusal::BAD_HANDLE),
        ] {
            let Packet::Status(status) = session.answer(Ok(packet)).await else { panic!("no status") };
            assert_eq!((status.status_code, &*status.error_message), (expected.code, expected.words));
            assert_ne!(status.status_code, StatusCode::Ok);
        }
    }
}
