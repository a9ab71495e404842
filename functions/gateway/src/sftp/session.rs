//! One client's requests over one channel.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use bytes::Bytes;
use contract::Folder;
use exchange::TenantFiles;
use russh_sftp::protocol::{Attrs, Data, File, FileAttributes, Handle, Name, OpenFlags, Packet};

use super::{
    attributes,
    listing::Entries,
    packet::{HANDLES_MAX, LIMITS, POSIX_RENAME, done, limits, text, version},
    reading::Reading,
    refusal::Refusal,
    writing::{Way, Writing},
};
use crate::{
    audit,
    gateway::Gateway,
    login::Tenant,
    path::{Place, canonical, resolve},
};

enum Open {
    Reading(Reading),
    Writing(Writing),
    Entries(Entries),
}

/// What a channel has open, and whose it is.
pub struct Session {
    gateway: Arc<Gateway>,
    tenant: Tenant,
    source: IpAddr,
    files: TenantFiles,
    open: HashMap<String, Open>,
    opened: u64,
}

type Answer = Result<Packet, Refusal>;

impl Session {
    pub fn new(gateway: Arc<Gateway>, tenant: Tenant, source: IpAddr, files: TenantFiles) -> Self {
        Self { gateway, tenant, source, files, open: HashMap::new(), opened: 0 }
    }

    pub(super) async fn answer(&mut self, packet: Result<Packet, (u32, Refusal)>) -> Packet {
        let packet = match packet {
            Ok(packet) => packet,
            Err((id, refusal)) => return refusal.packet(id),
        };
        let id = packet.get_request_id();
        self.dispatch(id, packet).await.unwrap_or_else(|refusal| refusal.packet(id))
    }

    async fn dispatch(&mut self, id: u32, packet: Packet) -> Answer {
        match packet {
            Packet::Init(_) => Ok(version()),
            Packet::Open(request) => self.open(id, &request.filename, request.pflags).await,
            Packet::Close(request) => self.close(id, &request.handle).await,
            Packet::Read(request) => match self.open.get_mut(&request.handle) {
                Some(Open::Reading(reading)) => {
                    let data = reading.read(request.offset, request.len).await?;
                    Ok(Data { id, data }.into())
                }
                _ => Err(Refusal::BAD_HANDLE),
            },
            Packet::Write(request) => match self.open.get_mut(&request.handle) {
                Some(Open::Writing(writing)) => {
                    writing.write(request.offset, &request.data).await?;
                    Ok(done(id))
                }
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
            Packet::Extended(request) if request.request == POSIX_RENAME => {
                let mut data = Bytes::from(request.data);
                let (old, new) = (text(&mut data)?, text(&mut data)?);
                self.rename(id, &old, &new, true).await
            }
            Packet::Extended(request) if request.request == LIMITS => Ok(limits(id)),
            _ => Err(Refusal::UNKNOWN),
        }
    }

    fn keep(&mut self, id: u32, open: Open) -> Packet {
        self.opened += 1;
        let handle = self.opened.to_string();
        self.open.insert(handle.clone(), open);
        Handle { id, handle }.into()
    }

    async fn open(&mut self, id: u32, path: &str, flags: OpenFlags) -> Answer {
        let (folder, name) = file(path)?;
        if self.open.len() >= HANDLES_MAX {
            return Err(Refusal::TOO_MANY);
        }
        let transfer = self.gateway.transfer(self.tenant.id).ok_or(Refusal::TOO_MANY)?;
        if !flags.contains(OpenFlags::WRITE) {
            let Some(meta) = self.files.head(folder, &name).await? else {
                return Err(self.no_file(folder, &name).await?);
            };
            let reading = Reading::new(self.files.clone(), folder, name, meta, transfer);
            return Ok(self.keep(id, Open::Reading(reading)));
        }
        if folder != Folder::Incoming {
            return Err(Refusal::NOT_HERE);
        }
        let standing = self.files.head(folder, &name).await?;
        let way = Way::of(flags, standing.as_ref().map(|meta| meta.size))?;
        if self.is_folder(folder, &name).await? {
            return Err(Refusal::IS_FOLDER);
        }
        let upload = self.files.upload(folder, &name);
        let upload = if way == Way::New { upload.if_absent() } else { upload };
        Ok(self.keep(id, Open::Writing(Writing::new(upload, way, folder, name, transfer))))
    }

    async fn close(&mut self, id: u32, handle: &str) -> Answer {
        match self.open.remove(handle).ok_or(Refusal::BAD_HANDLE)? {
            Open::Entries(_) => {}
            Open::Reading(reading) => self.downloaded(&reading).await,
            Open::Writing(mut writing) => {
                let result = writing.close().await;
                let words = result.map_or_else(|refusal| refusal.words, |closed| closed.words());
                self.audit("upload", &writing.key(), Some(writing.written()), words).await;
                result?;
            }
        }
        Ok(done(id))
    }

    async fn downloaded(&self, reading: &Reading) {
        let (bytes, whole) = reading.delivered();
        self.audit("download", &reading.key(), Some(bytes), if whole { "done" } else { "in part" }).await;
    }

    async fn stat(&mut self, id: u32, path: &str) -> Answer {
        let attrs = match resolve(path)? {
            Place::Root | Place::Folder(_) => attributes::of_folder(),
            Place::Below(folder, name) => match self.files.head(folder, &name).await? {
                Some(meta) => attributes::of_file(&meta),
                None if self.is_folder(folder, &name).await? => attributes::of_folder(),
                None => return Err(Refusal::NO_FILE),
            },
        };
        Ok(Attrs { id, attrs }.into())
    }

    fn fstat(&mut self, id: u32, handle: &str) -> Answer {
        let attrs = match self.open.get(handle).ok_or(Refusal::BAD_HANDLE)? {
            Open::Reading(reading) => attributes::of_file(reading.meta()),
            Open::Writing(writing) => attributes::of_upload(writing.written()),
            Open::Entries(_) => attributes::of_folder(),
        };
        Ok(Attrs { id, attrs }.into())
    }

    /// Times and permissions are accepted and not stored, for the sake of clients that set them after each upload.
    async fn setstat(&mut self, id: u32, path: &str, attrs: &FileAttributes) -> Answer {
        if attrs.size.is_some() {
            return Err(Refusal::SIZE);
        }
        self.stat(id, path).await.map(|_| done(id))
    }

    fn fsetstat(&mut self, id: u32, handle: &str, attrs: &FileAttributes) -> Answer {
        match (self.open.get_mut(handle).ok_or(Refusal::BAD_HANDLE)?, attrs.size) {
            (Open::Writing(writing), Some(size)) => writing.set_size(size)?,
            (_, Some(_)) => return Err(Refusal::SIZE),
            (_, None) => {}
        }
        Ok(done(id))
    }

    async fn opendir(&mut self, id: u32, path: &str) -> Answer {
        if self.open.len() >= HANDLES_MAX {
            return Err(Refusal::TOO_MANY);
        }
        let (folder, name) = match resolve(path)? {
            Place::Root => return Ok(self.keep(id, Open::Entries(Entries::root()))),
            Place::Folder(folder) => (folder, String::new()),
            Place::Below(folder, name) => (folder, name),
        };
        let mut listing = self.files.list_level(folder, &name);
        let first = listing.next().await?.unwrap_or_default();
        let empty = first.files.is_empty() && first.folders.is_empty();
        if empty && !name.is_empty() && self.files.head(folder, &marker(&name)).await?.is_none() {
            return Err(Refusal::NO_FILE);
        }
        Ok(self.keep(id, Open::Entries(Entries::level(first, listing))))
    }

    async fn remove(&mut self, id: u32, path: &str) -> Answer {
        let (folder, name) = file(path)?;
        if !self.files.delete(folder, &name, None).await? {
            return Err(self.no_file(folder, &name).await?);
        }
        self.audit("remove", &folder.key(&name), None, "done").await;
        Ok(done(id))
    }

    async fn mkdir(&mut self, id: u32, path: &str) -> Answer {
        let (folder, name) = below(path)?;
        if !resolve_is_explicit(path) || folder != Folder::Incoming {
            return Err(Refusal::NOT_HERE);
        }
        if self.files.head(folder, &name).await?.is_some() || self.is_folder(folder, &name).await? {
            return Err(Refusal::TAKEN);
        }
        // S3 has no folders: an empty object whose name ends in a slash stands for one.
        self.files.put(folder, &marker(&name), Bytes::new()).await?;
        self.audit("mkdir", &folder.key(&name), None, "done").await;
        Ok(done(id))
    }

    async fn rmdir(&mut self, id: u32, path: &str) -> Answer {
        let (folder, name) = below(path)?;
        let first = self.files.list_level(folder, &name).next().await?.unwrap_or_default();
        if !first.files.is_empty() || !first.folders.is_empty() {
            return Err(Refusal::NOT_EMPTY);
        }
        if !self.files.delete(folder, &marker(&name), None).await? {
            return Err(Refusal::NO_FILE);
        }
        self.audit("rmdir", &folder.key(&name), None, "done").await;
        Ok(done(id))
    }

    async fn rename(&mut self, id: u32, old: &str, new: &str, replace: bool) -> Answer {
        let (from, to) = (file(old)?, file(new)?);
        if from.0 != Folder::Incoming || to.0 != Folder::Incoming {
            return Err(Refusal::NOT_HERE);
        }
        if self.is_folder(to.0, &to.1).await? {
            return Err(Refusal::TAKEN);
        }
        let result = self.files.rename((from.0, &from.1), (to.0, &to.1), replace).await;
        if matches!(result, Err(exchange::Error::Missing)) && self.is_folder(from.0, &from.1).await? {
            return Err(Refusal::FOLDER_RENAME);
        }
        let stored = result?;
        self.audit("rename", &to.0.key(&to.1), Some(stored.size), "done").await;
        Ok(done(id))
    }

    /// Why there is no file: it may be a folder.
    async fn no_file(&self, folder: Folder, name: &str) -> Result<Refusal, Refusal> {
        Ok(if self.is_folder(folder, name).await? { Refusal::IS_FOLDER } else { Refusal::NO_FILE })
    }

    /// A folder is what has a marker or something in it.
    async fn is_folder(&self, folder: Folder, name: &str) -> Result<bool, Refusal> {
        if self.files.head(folder, &marker(name)).await?.is_some() {
            return Ok(true);
        }
        let first = self.files.list_level(folder, name).next().await?.unwrap_or_default();
        Ok(!first.files.is_empty() || !first.folders.is_empty())
    }

    async fn audit(&self, action: &'static str, subject: &str, bytes: Option<u64>, result: &str) {
        let line = audit::Line {
            tenant: Some(self.tenant.id),
            actor: &self.tenant.actor,
            action,
            subject: Some(subject),
            source: self.source,
            bytes,
            result,
        };
        if let Err(error) = audit::write(self.gateway.pool(), &line).await {
            tracing::error!(tenant = self.tenant.id.0, action, %error, "an audit line is lost");
        }
    }

    /// The client went away: unfinished uploads leave nothing behind.
    pub(super) async fn end(mut self) {
        for (_, open) in std::mem::take(&mut self.open) {
            match open {
                Open::Entries(_) => {}
                Open::Reading(reading) => self.downloaded(&reading).await,
                Open::Writing(mut writing) => {
                    writing.abort().await;
                    self.audit("upload", &writing.key(), Some(writing.written()), "broken off").await;
                }
            }
        }
    }
}

/// A path that must be a file's.
fn file(path: &str) -> Result<(Folder, String), Refusal> {
    match resolve(path)? {
        Place::Root | Place::Folder(_) => Err(Refusal::IS_FOLDER),
        Place::Below(folder, name) => Ok((folder, name)),
    }
}

/// A path that must lie below one of the four folders.
fn below(path: &str) -> Result<(Folder, String), Refusal> {
    match resolve(path)? {
        Place::Root | Place::Folder(_) => Err(Refusal::FIXED),
        Place::Below(folder, name) => Ok((folder, name)),
    }
}

/// Whether the path names its folder; a bare name is taken as a file of Incoming, but makes no folder there.
fn resolve_is_explicit(path: &str) -> bool {
    canonical(path).is_ok_and(|path| path.matches('/').count() > 1)
}

fn marker(name: &str) -> String {
    format!("{name}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_makes_no_folder() {
        assert!(!resolve_is_explicit("/sub"));
        assert!(!resolve_is_explicit("sub"));
        assert!(resolve_is_explicit("Incoming/sub"));
    }
}
