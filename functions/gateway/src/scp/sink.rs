//! `scp -t`: files come in. Each appears when the client says that it was whole, or never.

use bytes::Bytes;
use contract::Folder;
use exchange::Upload;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Session, Stop, Words,
    command::Command,
    expand::expand,
    glob::unquoted,
    record::{self, Record, RecordError},
    wire::{Gone, Response},
};
use crate::{
    gateway::Transfer,
    path::{Place, canonical, resolve},
    sftp::refusal::Refusal,
};

/// Bytes of a failed file that are read and dropped so that the next one can follow. The protocol has no way to stop a client; a file of many
/// gigabytes ends the command instead.
const DROPPED_BYTES_MAX: u64 = 64 * 1024 * 1024;
const NOT_WHOLE: Words = Words("The file could not be read to its end, so nothing of it was stored.");
const NO_FOLDER: Words = Words("There is no such folder.");
const ONE_TARGET: Words = Words("There is more than one target.");
/// The answer that lets the client go on.
const DONE: &[u8] = &[0];

/// Where files go: the target, or a folder that the client has entered.
struct Level {
    /// The path in its one form, "" for the root.
    path: String,
    /// Otherwise it is the name of what comes.
    is_folder: bool,
    /// The target ends in a slash.
    slash: bool,
    /// Something stands in it that makes it a folder.
    filled: bool,
}

impl Level {
    fn of(path: &str, is_folder: bool) -> Result<Self, Words> {
        let path = canonical(path)?.trim_end_matches('/').to_owned();
        Ok(Self { path, is_folder, slash: false, filled: true })
    }

    fn place(&self, name: &str) -> Result<Place, Words> {
        let path = if self.is_folder { &format!("{}/{name}", self.path) } else { &self.path };
        Ok(resolve(path)?)
    }
}

/// Takes in what the client sends.
pub async fn run<S: AsyncRead + AsyncWrite + Unpin + Send>(
    session: &mut Session<S>,
    command: &Command,
) -> Result<(), Stop> {
    let target = match target(session, command).await {
        Ok(target) => target,
        Err(words) => {
            session.refused("upload", None, words).await;
            return session.warn(&unquoted(&command.paths[0]), words.0).await;
        }
    };
    session.wire.send(DONE).await?;
    let mut sink = Sink { session, recursive: command.recursive, levels: vec![target] };
    while let Some(line) = sink.session.wire.line().await? {
        match record::parse(&line) {
            Ok(Record::File { size, name }) => sink.file(size, name).await?,
            Ok(Record::Folder { name }) => sink.enter(name).await?,
            Ok(Record::End) => {
                if sink.leave().await? {
                    return Ok(());
                }
            }
            Ok(Record::Times) => sink.session.wire.send(DONE).await?,
            // The client has told its user.
            Ok(Record::Warning) => sink.session.failed = true,
            Ok(Record::Fatal) => return Err(Stop::Gone),
            Err(error @ RecordError::Encoding) => sink.session.warn("a file", error.words()).await?,
            Err(error) => return sink.session.fatal(error.words()).await,
        }
    }
    if sink.levels.len() > 1 { Err(Stop::Gone) } else { Ok(()) }
}

async fn target<S: AsyncRead + AsyncWrite + Unpin + Send>(
    session: &Session<S>,
    command: &Command,
) -> Result<Level, Words> {
    let paths = expand(&session.files, &command.paths[0]).await?;
    let [path] = paths.as_slice() else { return Err(ONE_TARGET) };
    let mut level = match resolve(path)? {
        Place::Root | Place::Folder(_) => Level::of(path, true)?,
        Place::Key => return Err(Refusal::KEY.into()),
        // A bare name is one in Incoming, and what stands below it, too.
        Place::Below(folder, name) => {
            let is_folder = session.files.is_folder(folder, &name).await?;
            Level::of(&format!("/{}", folder.key(&name)), is_folder)?
        }
    };
    level.slash = path.ends_with('/');
    if command.into_folder && !level.is_folder {
        return Err(NO_FOLDER);
    }
    Ok(level)
}

struct Sink<'a, S> {
    session: &'a mut Session<S>,
    recursive: bool,
    /// The target first, then the folders that were entered.
    levels: Vec<Level>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Sink<'_, S> {
    fn place(&self, name: &str) -> Result<Place, Words> {
        let Some(level) = self.levels.last() else { return Err(NO_FOLDER) };
        level.place(name)
    }

    async fn file(&mut self, size: u64, name: &str) -> Result<(), Stop> {
        let place = self.place(name);
        let subject = match &place {
            Ok(Place::Below(folder, name)) => Some(folder.key(name)),
            _ => None,
        };
        let result = match place {
            Ok(place) => self.open(size, place).await,
            Err(words) => Err(words),
        };
        let (file, transfer) = match result {
            Ok(ready) => ready,
            Err(words) => {
                self.session.refused("upload", subject.as_deref(), words).await;
                return self.session.warn(name, words.0).await;
            }
        };
        self.session.wire.send(DONE).await?;
        let mut body = Body { left: size, file };
        let result = self.receive(&mut body).await;
        let words = match &result {
            Ok(Ok(())) => "done",
            Ok(Err(words)) => words.0,
            Err(_) => "broken off",
        };
        self.session.audit("upload", subject.as_deref(), Some(size - body.left), words);
        drop(transfer);
        match result? {
            Ok(()) => {
                self.levels.iter_mut().for_each(|level| level.filled = true);
                Ok(self.session.wire.send(DONE).await?)
            }
            Err(words) if body.left > 0 => Err(Stop::Broken(format!("{}: {}", super::shown(name), words.0))),
            Err(words) => self.session.warn(name, words.0).await,
        }
    }

    /// Whether a file may be put there: judged before the client sends a byte of it.
    async fn open(&mut self, size: u64, place: Place) -> Result<(String, Transfer), Words> {
        let name = match place {
            Place::Below(Folder::Incoming, name) => name,
            Place::Below(..) => return Err(Refusal::NOT_HERE.into()),
            Place::Key => return Err(Refusal::KEY.into()),
            _ => return Err(Refusal::IS_FOLDER.into()),
        };
        if self.levels.last().is_some_and(|level| level.slash && !level.is_folder) {
            return Err(NO_FOLDER);
        }
        if size > Upload::BYTES_MAX {
            return Err(exchange::Error::TooLarge { max: Upload::BYTES_MAX }.into());
        }
        if self.session.files.is_folder(Folder::Incoming, &name).await? {
            return Err(Refusal::IS_FOLDER.into());
        }
        Ok((name, self.session.transfer().await?))
    }

    /// Takes a body in and stores it; the inner error is one that the client has not heard of. What is left of a body that failed is dropped,
    /// as far as that is worth it.
    async fn receive(&mut self, body: &mut Body) -> Result<Result<(), Words>, Gone> {
        let wire = &mut self.session.wire;
        let mut upload = self.session.files.upload(Folder::Incoming, &body.file);
        let mut failure = None;
        while body.left > 0 {
            let chunk = wire.body(body.left).await?;
            body.left -= chunk.len() as u64;
            if failure.is_some() {
                continue;
            }
            if let Err(error) = upload.write(&chunk).await {
                let words = Words::from(error);
                if body.left > DROPPED_BYTES_MAX {
                    upload.abort().await;
                    return Ok(Err(words));
                }
                failure = Some(words);
            }
        }
        let said = wire.response().await?;
        if let (None, Response::Done) = (failure, said) {
            return Ok(match upload.complete().await {
                Ok(_) => self.supersede(&body.file).await,
                Err(error) => Err(error.into()),
            });
        }
        upload.abort().await;
        Ok(Err(failure.unwrap_or(NOT_WHOLE)))
    }

    /// An unfinished upload of the same name would hide the whole one.
    async fn supersede(&self, name: &str) -> Result<(), Words> {
        let partials = self.session.gateway.partials(&self.session.files);
        partials.discard(name).await.map(|_| ()).map_err(|error| {
            tracing::warn!(%error, "an unfinished upload could not be dropped");
            Refusal::UNAVAILABLE.into()
        })
    }

    async fn enter(&mut self, name: &str) -> Result<(), Stop> {
        if !self.recursive {
            return self.session.fatal("a folder came without -r").await;
        }
        match self.folder(name).await {
            Ok(level) => {
                self.levels.push(level);
                Ok(self.session.wire.send(DONE).await?)
            }
            // The client leaves it out.
            Err(words) => self.session.warn(name, words.0).await,
        }
    }

    async fn folder(&self, name: &str) -> Result<Level, Words> {
        match self.place(name)? {
            Place::Folder(Folder::Incoming) => Level::of(Folder::Incoming.name(), true),
            Place::Below(Folder::Incoming, name) => {
                if self.session.files.head(Folder::Incoming, &name).await?.is_some() {
                    return Err(Refusal::TAKEN.into());
                }
                // S3 has no folders: it is one as soon as something stands in it.
                Ok(Level { filled: false, ..Level::of(&format!("/{}", Folder::Incoming.key(&name)), true)? })
            }
            _ => Err(Refusal::NOT_HERE.into()),
        }
    }

    /// Leaves a folder; `true` when it was the target itself.
    async fn leave(&mut self) -> Result<bool, Stop> {
        let level = self.levels.pop();
        let ended = self.levels.is_empty();
        if let Some(level) = level.filter(|level| !level.filled) {
            if let Err(words) = self.mark(&level).await {
                self.session.warn(&level.path, words.0).await?;
                return Ok(ended);
            }
            self.levels.iter_mut().for_each(|level| level.filled = true);
        }
        self.session.wire.send(DONE).await?;
        Ok(ended)
    }

    /// An empty folder is an empty object whose name ends in a slash.
    async fn mark(&self, level: &Level) -> Result<(), Words> {
        let Place::Below(folder, name) = resolve(&level.path)? else { return Ok(()) };
        if !self.session.files.is_folder(folder, &name).await? {
            self.session.files.put(folder, &format!("{name}/"), Bytes::new()).await?;
            self.session.audit("mkdir", Some(&folder.key(&name)), None, "done");
        }
        Ok(())
    }
}

/// A file that is coming in.
struct Body {
    /// Bytes that have not come yet.
    left: u64,
    /// Its name below Incoming.
    file: String,
}
