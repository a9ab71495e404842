//! Open files: what a client does by handle.

use std::time::Duration;

use contract::Folder;
use exchange::{Download, Meta};
use russh_sftp::protocol::{Attrs, FileAttributes, OpenFlags};
use tokio::time::Instant;

use super::{
    attributes,
    copying::Copying,
    level::Level,
    listing::Entries,
    names::file,
    packet::{HANDLES_MAX, done},
    reading::Reading,
    refusal::Refusal,
    session::{Answer, Session},
    text::Text,
    way::{Closed, Start, Way},
    writing::{Opened, Writing},
};
use crate::{
    gateway::Transfer,
    partial::Partial,
    path::{Place, resolve},
};

/// How long a look is good for the open that follows it: an upload of the same name that another session has begun in between is then not
/// told of. What is read is the whole file all the same.
const LOOKED_TIME_MAX: Duration = Duration::from_secs(1);

/// What a client asks for that puts a file, whatever stands there.
const ANEW: OpenFlags = OpenFlags::CREATE.union(OpenFlags::TRUNCATE);

/// A whole file that the last request has looked at: most clients look, and then open.
pub struct Looked {
    pub folder: Folder,
    pub name: String,
    pub at: Instant,
    /// Its content, where the client is expected to ask for it next.
    pub body: Option<Download>,
}

/// What stands behind a handle.
pub enum Open {
    Reading(Reading),
    Writing(Box<Writing>),
    Entries(Entries),
    Text(Text),
    Copying(Copying),
}

impl Session {
    pub(super) async fn open(
        &mut self,
        id: u32,
        path: &str,
        flags: OpenFlags,
        looked: Option<Looked>,
    ) -> Answer {
        if resolve(path)? == Place::Key {
            return self.open_key(id, flags).await;
        }
        let (folder, name) = file(path)?;
        if self.open.len() >= HANDLES_MAX {
            return Err(Refusal::TOO_MANY);
        }
        let transfer = self.gateway.transfer(self.tenant.id).ok_or(Refusal::TOO_MANY)?;
        let open = if flags.contains(OpenFlags::WRITE) {
            if folder != Folder::Incoming {
                return Err(Refusal::NOT_HERE);
            }
            Open::Writing(Box::new(Box::pin(self.open_to_write(name, flags, transfer)).await?))
        } else {
            let looked = looked.filter(|looked| {
                looked.folder == folder && looked.name == name && looked.at.elapsed() < LOOKED_TIME_MAX
            });
            Open::Reading(self.open_to_read(folder, name, looked, transfer).await?)
        };
        Ok(self.keep(id, open))
    }

    async fn open_to_read(
        &mut self,
        folder: Folder,
        name: String,
        looked: Option<Looked>,
        transfer: Transfer,
    ) -> Result<Reading, Refusal> {
        self.fetches = looked.is_some();
        let (body, unfinished) = match looked {
            Some(Looked { body: Some(body), .. }) => (Some(body), None),
            looked => {
                let listed = self.levels.file(folder, &name, self.partials.now()).is_some();
                self.read(folder, &name, looked.is_some() || listed).await?
            }
        };
        match (body, unfinished) {
            (_, Some(_)) => Err(Refusal::UPLOADING),
            (Some(body), None) => Ok(Reading::new(self.files.clone(), folder, name, body, transfer)),
            (None, None) => Err(self.no_file(folder, &name).await?),
        }
    }

    /// The content of what stands under a name, and the unfinished upload that hides it, unless it is known to be whole.
    pub(super) async fn read(
        &self,
        folder: Folder,
        name: &str,
        is_whole: bool,
    ) -> Result<(Option<Download>, Option<Partial>), Refusal> {
        let unfinished = async {
            if is_whole || folder != Folder::Incoming { Ok(None) } else { self.partials.find(name).await }
        };
        let (body, unfinished) = tokio::join!(self.files.read(folder, name, None), unfinished);
        let body = match body {
            Ok(body) => Some(body),
            Err(exchange::Error::Missing) => None,
            Err(error) => return Err(error.into()),
        };
        let unfinished = self.unless_complete(unfinished?, body.as_ref().map(Download::meta)).await?;
        Ok((body, unfinished))
    }

    async fn open_to_write(
        &mut self,
        name: String,
        flags: OpenFlags,
        transfer: Transfer,
    ) -> Result<Writing, Refusal> {
        // Before the look: an earlier session that goes away meanwhile is either waited for, or knows that it is not the last.
        let writer = self.partials.writer(&name);
        let known = if flags.contains(ANEW) && !flags.contains(OpenFlags::EXCLUDE) {
            self.known(Folder::Incoming, &name).await?
        } else {
            None
        };
        let stands = async {
            match known {
                Some(known) => Ok(known),
                None => self.files.look_at(Folder::Incoming, &name).await,
            }
        };
        let (stands, unfinished) = tokio::join!(stands, self.partials.find(&name));
        let (standing, is_folder) = stands?;
        let unfinished = self.unless_complete(unfinished?, standing.as_ref()).await?;
        let (way, start) = Way::of(flags, standing.as_ref().map(|meta| meta.size), unfinished.is_some())?;
        if is_folder {
            return Err(Refusal::IS_FOLDER);
        }
        let mut opened = Opened { way, append: flags.contains(OpenFlags::APPEND), standing };
        match start {
            Start::Anew => {
                if unfinished.is_some() {
                    self.partials.discard(&name).await?;
                }
                Ok(Writing::begin(self.partials.clone(), writer, name, opened, transfer))
            }
            Start::Resume => {
                let mut claimed = self.partials.claim(&name).await?.ok_or(Refusal::TAKEN_OVER)?;
                let floor = claimed.size;
                // The client goes on from the size that it was told.
                if self.told.remove(&name).is_some_and(|size| claimed.go_back(size)) {
                    opened.way.floor = floor;
                }
                let writing =
                    Writing::resume(self.partials.clone(), writer, &claimed, opened, transfer).await?;
                if writing.is_none() {
                    self.partials.heal(&claimed).await?;
                }
                writing.ok_or(Refusal::NOT_KEPT)
            }
        }
    }

    /// What stands under a name, from a listing of its level, where that is known or worth asking for.
    async fn known(&mut self, folder: Folder, name: &str) -> Result<Option<(Option<Meta>, bool)>, Refusal> {
        let now = self.partials.now();
        let known = self.levels.look(folder, name, now);
        if known.is_some() || !self.levels.is_worth_a_listing(now) {
            return Ok(known);
        }
        let path = name.rsplit_once('/').map_or("", |(path, _)| path);
        let mut level = Level::new(folder, path, now);
        let mut listing = self.files.list_level(folder, path);
        let page = listing.next().await?;
        let level = listing.is_over().then(|| {
            level.add(&page.unwrap_or_default());
            level.end();
            level
        });
        self.levels.listed(level, now);
        Ok(self.levels.look(folder, name, self.partials.now()))
    }

    pub(super) async fn close(&mut self, id: u32, handle: &str) -> Answer {
        match self.open.remove(handle).ok_or(Refusal::BAD_HANDLE)? {
            Open::Entries(entries) => entries.seen().into_iter().for_each(|level| self.levels.keep(level)),
            Open::Text(_) => {}
            Open::Copying(copying) => self.copied(copying).await?,
            Open::Reading(reading) => self.downloaded(&reading),
            Open::Writing(mut writing) => {
                let (bytes, before) = (writing.written(), self.partials.now());
                let result = writing.close().await;
                if result == Ok(Closed::Stored) {
                    self.levels.stored(Folder::Incoming, writing.name(), before, self.partials.now());
                }
                let words = result.map_or_else(|refusal| refusal.words, |closed| closed.words());
                self.audit("upload", &writing.key(), Some(bytes), words);
                result?;
            }
        }
        Ok(done(id))
    }

    /// The client went away, or has to go: unfinished uploads are put aside.
    pub(super) async fn end_all(&mut self) {
        let mut open = std::mem::take(&mut self.open);
        for open in open.values_mut() {
            if let Open::Writing(writing) = open {
                writing.leave();
            }
        }
        for (_, open) in open {
            match open {
                Open::Entries(_) | Open::Text(_) => {}
                Open::Copying(copying) => self.audit("copy", &copying.key(), None, "broken off"),
                Open::Reading(reading) => self.downloaded(&reading),
                Open::Writing(mut writing) => {
                    let bytes = writing.written();
                    let words = match writing.put_aside().await {
                        Some(kept) => format!("broken off, {kept} bytes kept"),
                        None => "broken off, nothing kept".to_owned(),
                    };
                    self.audit("upload", &writing.key(), Some(bytes), &words);
                }
            }
        }
    }

    async fn copied(&self, copying: Copying) -> Result<(), Refusal> {
        let (key, source, bytes) = (copying.key(), copying.source_key(), copying.size());
        let result = Box::pin(copying.close()).await;
        let words = result.map_or_else(|refusal| refusal.words, |()| "done");
        self.audit("copy", &key, Some(bytes), &format!("{words} (of {source})"));
        result
    }

    pub(super) fn downloaded(&self, reading: &Reading) {
        let (bytes, whole) = reading.delivered();
        if bytes == 0 && reading.copied {
            return;
        }
        self.audit("download", &reading.key(), Some(bytes), if whole { "done" } else { "in part" });
    }

    pub(super) fn fstat(&mut self, id: u32, handle: &str) -> Answer {
        let attrs = match self.open.get(handle).ok_or(Refusal::BAD_HANDLE)? {
            Open::Reading(reading) => attributes::of_file(reading.meta()),
            Open::Writing(writing) => attributes::of_upload(writing.written()),
            Open::Entries(_) => attributes::of_folder(),
            Open::Text(text) => text.attributes(),
            Open::Copying(copying) => attributes::of_upload(copying.size()),
        };
        Ok(Attrs { id, attrs }.into())
    }

    pub(super) fn fsetstat(&mut self, id: u32, handle: &str, attrs: &FileAttributes) -> Answer {
        match (self.open.get_mut(handle).ok_or(Refusal::BAD_HANDLE)?, attrs.size) {
            (Open::Writing(writing), Some(size)) => writing.set_size(size)?,
            (Open::Copying(copying), Some(size)) if size == copying.size() => {}
            (_, Some(_)) => return Err(Refusal::SIZE),
            (_, None) => {}
        }
        Ok(done(id))
    }
}
