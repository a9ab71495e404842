//! `scp -f`: files go out. What is sent is the content that stood there when it began, or the command ends with words.

use contract::Folder;
use exchange::{Download, TenantFiles};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Session, Stop, Words, command::Command, expand::expand, glob::unquoted, record::entry_line,
    wire::Response,
};
use crate::{
    gateway::Transfer,
    path::{Place, canonical, resolve},
    sftp::refusal::Refusal,
};

/// Attempts for one body: the first, and one more for each time that S3 closes it while the client takes its time.
const ATTEMPTS_MAX: u32 = 10;
/// The root has no name, and the protocol needs one.
const ROOT_NAME: &str = "broadcast";
const WITHOUT_R: Words = Words("This is a folder: copy it with -r.");
const NAME: Words = Words("The file has a name that cannot be sent.");
const END: &[u8] = b"E\n";

/// Sends what the paths name.
pub async fn run<S: AsyncRead + AsyncWrite + Unpin + Send>(
    session: &mut Session<S>,
    command: &Command,
) -> Result<(), Stop> {
    // A client that has nothing to say any more may still hear why it gets nothing.
    if session.wire.response().await == Ok(Response::Refused) {
        return Err(Stop::Gone);
    }
    let mut source = Source { session, recursive: command.recursive, times: command.times };
    for word in &command.paths {
        match expand(&source.session.files, word).await {
            Ok(paths) => {
                for path in paths {
                    source.path(&path).await?;
                }
            }
            Err(words) => source.refused(&unquoted(word), None, words).await?,
        }
    }
    Ok(())
}

pub struct Source<'a, S> {
    pub(super) session: &'a mut Session<S>,
    recursive: bool,
    times: bool,
}

/// A file that can be sent.
struct Ready {
    folder: Folder,
    name: String,
    body: Download,
    _transfer: Transfer,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Source<'_, S> {
    async fn path(&mut self, path: &str) -> Result<(), Stop> {
        let place = match resolve(path) {
            Ok(place) => place,
            Err(error) => return self.refused(path, None, error.into()).await,
        };
        let (folder, name) = match place {
            Place::Root => return self.root(path).await,
            Place::Folder(folder) => return self.folder(path, folder, "").await,
            Place::Key => return self.key(path).await,
            Place::Below(folder, name) => (folder, name),
        };
        if !path.ends_with('/') {
            match self.open(folder, &name, None).await {
                Ok(Some(ready)) => return self.send(ready).await,
                Ok(None) => {}
                Err(words) => return self.refused(path, Some(folder.key(&name)), words).await,
            }
        }
        match self.session.files.is_folder(folder, &name).await {
            Ok(true) => self.folder(path, folder, &name).await,
            Ok(false) => self.refused(path, Some(folder.key(&name)), Refusal::NO_FILE.into()).await,
            Err(error) => self.refused(path, Some(folder.key(&name)), error.into()).await,
        }
    }

    pub(super) async fn refused(
        &mut self,
        path: &str,
        key: Option<String>,
        words: Words,
    ) -> Result<(), Stop> {
        self.session.refused("download", key.as_deref(), words).await;
        self.session.warn(path, words.0).await
    }

    /// Opens a file, exactly this content of it if an `ETag` is given; `None` when there is no such file.
    async fn open(&mut self, folder: Folder, name: &str, etag: Option<&str>) -> Result<Option<Ready>, Words> {
        let transfer = self.session.transfer().await?;
        match self.session.files.read(folder, name, etag).await {
            Ok(body) => Ok(Some(Ready { folder, name: name.to_owned(), body, _transfer: transfer })),
            Err(exchange::Error::Missing) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn send(&mut self, ready: Ready) -> Result<(), Stop> {
        let key = ready.folder.key(&ready.name);
        let size = ready.body.meta().size;
        let mut sent = 0;
        let result = self.transfer(ready, &mut sent).await;
        let words = match &result {
            Ok(Response::Done) => "done",
            Ok(Response::Refused) => "refused by the client",
            Err(_) => "in part",
        };
        // An empty file is whole at once.
        let words = if sent < size && words == "done" { "in part" } else { words };
        self.session.audit("download", Some(&key), Some(sent), words);
        if result? == Response::Refused {
            self.session.failed = true;
        }
        Ok(())
    }

    async fn transfer(&mut self, mut ready: Ready, sent: &mut u64) -> Result<Response, Stop> {
        let meta = ready.body.meta().clone();
        let wire = &mut self.session.wire;
        if self.times {
            let modified = meta.modified.unix_timestamp();
            wire.send(format!("T{modified} 0 {modified} 0\n").as_bytes()).await?;
            if wire.response().await? == Response::Refused {
                return Ok(Response::Refused);
            }
        }
        let last = last_part(&ready.name);
        wire.send(entry_line('C', meta.size, last).as_bytes()).await?;
        if wire.response().await? == Response::Refused {
            return Ok(Response::Refused);
        }
        let mut attempt = 1;
        while *sent < meta.size {
            match ready.body.next().await {
                Ok(Some(chunk)) => {
                    wire.send(&chunk).await?;
                    *sent += chunk.len() as u64;
                    continue;
                }
                Err(exchange::Error::Unavailable { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                // The protocol cannot take a file back: a short one and an end are safer than one filled with zeros.
                Err(error) => return Err(broken(last, error)),
                Ok(None) => return Err(broken(last, exchange::Error::Interrupted)),
            }
            let files = &self.session.files;
            ready.body =
                again(files, &ready, &meta.etag, *sent, meta.size).await.map_err(|e| broken(last, e))?;
        }
        wire.send(&[0]).await?;
        Ok(wire.response().await?)
    }

    /// A folder of the customer's, or with an empty name one of the four.
    async fn folder(&mut self, path: &str, folder: Folder, name: &str) -> Result<(), Stop> {
        if !self.recursive {
            return self.refused(path, None, WITHOUT_R).await;
        }
        let last = if name.is_empty() { folder.name() } else { last_part(name) };
        if self.enter(last).await? {
            self.below(folder, name).await?;
            self.leave().await?;
        }
        Ok(())
    }

    async fn root(&mut self, path: &str) -> Result<(), Stop> {
        if !self.recursive {
            return self.refused(path, None, WITHOUT_R).await;
        }
        if self.enter(ROOT_NAME).await? {
            for folder in Folder::ALL {
                self.folder(path, folder, "").await?;
            }
            self.leave().await?;
        }
        Ok(())
    }

    /// Whether the client has entered the folder.
    async fn enter(&mut self, name: &str) -> Result<bool, Stop> {
        self.session.wire.send(entry_line('D', 0, name).as_bytes()).await?;
        let entered = self.session.wire.response().await? == Response::Done;
        self.session.failed |= !entered;
        Ok(entered)
    }

    async fn leave(&mut self) -> Result<(), Stop> {
        self.session.wire.send(END).await?;
        self.session.failed |= self.session.wire.response().await? == Response::Refused;
        Ok(())
    }

    /// Everything in a folder, from one listing in the order of keys: what a folder holds stands together in it, so memory does not grow with
    /// the depth.
    async fn below(&mut self, folder: Folder, path: &str) -> Result<(), Stop> {
        let mut listing = self.session.files.list_below(folder, path);
        let mut walk = Walk::default();
        loop {
            let page = match listing.next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) => return Err(broken(folder.name(), error)),
            };
            for entry in page.files {
                let (within, file) = entry.name.rsplit_once('/').unwrap_or(("", &entry.name));
                let whole =
                    if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) };
                if !is_sendable(folder, &whole) {
                    self.session.warn(&whole, NAME.0).await?;
                    continue;
                }
                if !self.walk(&mut walk, within).await? || file.is_empty() {
                    continue;
                }
                match self.open(folder, &whole, Some(&entry.meta.etag)).await {
                    Ok(Some(ready)) => self.send(ready).await?,
                    Ok(None) => {
                        self.refused(&whole, Some(folder.key(&whole)), Refusal::NO_FILE.into()).await?;
                    }
                    Err(words) => self.refused(&whole, Some(folder.key(&whole)), words).await?,
                }
            }
        }
        for _ in walk.entered {
            self.leave().await?;
        }
        Ok(())
    }

    /// Leaves and enters folders until `within` is the one; `false` when the client would not enter.
    async fn walk(&mut self, walk: &mut Walk, within: &str) -> Result<bool, Stop> {
        let parts: Vec<&str> = within.split('/').filter(|part| !part.is_empty()).collect();
        if walk.refused.as_ref().is_some_and(|refused| format!("{within}/").starts_with(refused)) {
            return Ok(false);
        }
        let common = walk.entered.iter().zip(&parts).take_while(|(entered, part)| entered == *part).count();
        while walk.entered.len() > common {
            walk.entered.pop();
            self.leave().await?;
        }
        for part in &parts[common..] {
            if !self.enter(part).await? {
                walk.refused = Some(format!("{}/", parts[..=walk.entered.len()].join("/")));
                return Ok(false);
            }
            walk.entered.push((*part).to_owned());
        }
        Ok(true)
    }
}

/// Where in a tree the client stands.
#[derive(Default)]
struct Walk {
    entered: Vec<String>,
    /// The last folder that it would not enter, with a slash at the end.
    refused: Option<String>,
}

/// The rest of a body that broke off.
async fn again(
    files: &TenantFiles,
    ready: &Ready,
    etag: &str,
    from: u64,
    size: u64,
) -> Result<Download, exchange::Error> {
    files.read_range(ready.folder, &ready.name, Some(etag), from, size - from).await
}

fn broken(name: &str, error: exchange::Error) -> Stop {
    Stop::Broken(format!("{}: {}", super::shown(name), Words::from(error).0))
}

fn last_part(name: &str) -> &str {
    name.trim_end_matches('/').rsplit('/').next().unwrap_or(name)
}

/// Whether a name is one that the jail would give: the protocol has no other.
fn is_sendable(folder: Folder, name: &str) -> bool {
    let path = format!("/{}", folder.key(name));
    canonical(&path).is_ok_and(|one| one == path.trim_end_matches('/'))
}
