//! What a client does by name: look, list, remove, rename, make folders.

use bytes::Bytes;
use contract::Folder;
use exchange::Meta;
use russh_sftp::protocol::{Attrs, FileAttributes};
use tokio::time::Instant;

use super::{
    attributes,
    handles::{Looked, Open},
    level::Level,
    listing::{Entries, Unfinished},
    packet::{HANDLES_MAX, done},
    refusal::Refusal,
    session::{Answer, Session},
    writing::Writing,
};
use crate::{
    partial::Partial,
    path::{Place, canonical, resolve},
};

impl Session {
    pub(super) async fn stat(&mut self, id: u32, path: &str) -> Answer {
        let attrs = match resolve(path)? {
            Place::Root | Place::Folder(_) => attributes::of_folder(),
            Place::Key => return self.stat_key(id).await,
            Place::Below(folder, name) => self.attributes(folder, &name).await?,
        };
        Ok(Attrs { id, attrs }.into())
    }

    async fn attributes(&mut self, folder: Folder, name: &str) -> Result<FileAttributes, Refusal> {
        // Of the same moment as what the client has just read in a listing.
        if let Some(meta) = self.levels.file(folder, name, self.partials.now()) {
            return Ok(attributes::of_file(meta));
        }
        let (meta, body, partial) = if self.fetches {
            let (body, partial) = self.read(folder, name, false).await?;
            (body.as_ref().map(|body| body.meta().clone()), body, partial)
        } else {
            let (meta, partial) = self.look(folder, name).await?;
            (meta, None, partial)
        };
        match (meta, partial) {
            (_, Some(partial)) => {
                self.tell(name, partial.size);
                Ok(attributes::of_partial(partial.size, partial.updated_at))
            }
            (Some(meta), None) => {
                let (name, at) = (name.to_owned(), Instant::now());
                self.looked = Some(Looked { folder, name, at, body });
                Ok(attributes::of_file(&meta))
            }
            (None, None) => match self.own_upload(folder, name) {
                Some(writing) => Ok(attributes::of_upload(writing.written())),
                None if self.is_folder(folder, name).await? => Ok(attributes::of_folder()),
                None => Err(Refusal::NO_FILE),
            },
        }
    }

    /// What stands under a name, and the unfinished upload that hides it.
    pub(super) async fn look(
        &self,
        folder: Folder,
        name: &str,
    ) -> Result<(Option<Meta>, Option<Partial>), Refusal> {
        if folder != Folder::Incoming {
            return Ok((self.files.head(folder, name).await?, None));
        }
        let (meta, partial) = tokio::join!(self.files.head(folder, name), self.partials.find(name));
        let meta = meta?;
        let partial = self.unless_complete(partial?, meta.as_ref()).await?;
        Ok((meta, partial))
    }

    /// The unfinished upload of a name, unless it is what stands there.
    pub(super) async fn unless_complete(
        &self,
        partial: Option<Partial>,
        stands: Option<&Meta>,
    ) -> Result<Option<Partial>, Refusal> {
        if let (Some(meta), Some(partial)) = (stands, &partial)
            && self.partials.is_complete(partial, meta).await?
        {
            self.partials.heal(partial).await?;
            return Ok(None);
        }
        Ok(partial)
    }

    /// A small upload of this session that has no row yet: a client that has just made a file looks at it.
    fn own_upload(&self, folder: Folder, name: &str) -> Option<&Writing> {
        let mut open = self.open.values().filter(|_| folder == Folder::Incoming);
        open.find_map(|open| match open {
            Open::Writing(writing) if writing.name() == name => Some(&**writing),
            _ => None,
        })
    }

    /// Times and permissions are accepted and not stored, for the sake of clients that set them after each upload.
    pub(super) async fn setstat(&mut self, id: u32, path: &str, attrs: &FileAttributes) -> Answer {
        if attrs.size.is_some() {
            return Err(Refusal::SIZE);
        }
        self.stat(id, path).await.map(|_| done(id))
    }

    pub(super) async fn opendir(&mut self, id: u32, path: &str) -> Answer {
        if self.open.len() >= HANDLES_MAX {
            return Err(Refusal::TOO_MANY);
        }
        let (folder, name) = match resolve(path)? {
            Place::Root => {
                let key = self.key_file().await?;
                return Ok(self.keep(id, Open::Entries(Entries::root(key.as_ref()))));
            }
            Place::Key => return Err(Refusal::NO_FILE),
            Place::Folder(folder) => (folder, String::new()),
            Place::Below(folder, name) => (folder, name),
        };
        let level = Level::new(folder, &name, self.partials.now());
        let mut listing = self.files.list_level(folder, &name);
        let first = listing.next().await?.unwrap_or_default();
        let unfinished = self.unfinished(folder, &name).await?;
        let empty = first.files.is_empty() && first.folders.is_empty() && unfinished.is_empty();
        if empty && !name.is_empty() && self.files.head(folder, &marker(&name)).await?.is_none() {
            return Err(Refusal::NO_FILE);
        }
        Ok(self.keep(id, Open::Entries(Entries::level(first, listing, unfinished, level))))
    }

    /// Unfinished uploads below a folder.
    async fn unfinished(&self, folder: Folder, name: &str) -> Result<Unfinished, Refusal> {
        if folder != Folder::Incoming {
            return Ok(Unfinished::default());
        }
        let prefix = if name.is_empty() { String::new() } else { marker(name) };
        Ok(Unfinished::new(&prefix, self.partials.below(&prefix).await?))
    }

    pub(super) async fn remove(&mut self, id: u32, path: &str) -> Answer {
        let (folder, name) = file(path)?;
        let unfinished = folder == Folder::Incoming && self.partials.discard(&name).await?;
        if !self.files.delete(folder, &name, None).await? && !unfinished {
            return Err(self.no_file(folder, &name).await?);
        }
        self.audit("remove", &folder.key(&name), None, "done");
        Ok(done(id))
    }

    pub(super) async fn mkdir(&mut self, id: u32, path: &str) -> Answer {
        let (folder, name) = below(path)?;
        if !resolve_is_explicit(path) || folder != Folder::Incoming {
            return Err(Refusal::NOT_HERE);
        }
        let (meta, unfinished) = self.look(folder, &name).await?;
        if meta.is_some() || unfinished.is_some() || self.is_folder(folder, &name).await? {
            return Err(Refusal::TAKEN);
        }
        // S3 has no folders: an empty object whose name ends in a slash stands for one.
        self.files.put(folder, &marker(&name), Bytes::new()).await?;
        self.audit("mkdir", &folder.key(&name), None, "done");
        Ok(done(id))
    }

    pub(super) async fn rmdir(&mut self, id: u32, path: &str) -> Answer {
        let (folder, name) = below(path)?;
        let first = self.files.list_level(folder, &name).next().await?.unwrap_or_default();
        let unfinished = self.unfinished(folder, &name).await?;
        if !first.files.is_empty() || !first.folders.is_empty() || !unfinished.is_empty() {
            return Err(Refusal::NOT_EMPTY);
        }
        if !self.files.delete(folder, &marker(&name), None).await? {
            return Err(Refusal::NO_FILE);
        }
        self.audit("rmdir", &folder.key(&name), None, "done");
        Ok(done(id))
    }

    pub(super) async fn rename(&mut self, id: u32, old: &str, new: &str, replace: bool) -> Answer {
        let (from, to) = (file(old)?, file(new)?);
        if from.0 != Folder::Incoming || to.0 != Folder::Incoming {
            return Err(Refusal::NOT_HERE);
        }
        if self.is_folder(to.0, &to.1).await? {
            return Err(Refusal::TAKEN);
        }
        let (standing, target) = self.look(to.0, &to.1).await?;
        if from != to && !replace && (standing.is_some() || target.is_some()) {
            return Err(Refusal::TAKEN);
        }
        let unfinished = self.partials.find(&from.1).await?;
        let bytes = if unfinished.is_some() || self.own_upload(from.0, &from.1).is_some() {
            if from != to {
                self.rename_upload(&from.1, &to.1, standing).await?;
            }
            unfinished.map(|partial| partial.size)
        } else {
            let size = self.rename_file(&from, &to, replace).await?;
            if from != to && target.is_some() {
                self.partials.discard(&to.1).await?;
            }
            Some(size)
        };
        self.audit("rename", &to.0.key(&to.1), bytes, "done");
        Ok(done(id))
    }

    async fn rename_file(
        &self,
        from: &(Folder, String),
        to: &(Folder, String),
        replace: bool,
    ) -> Result<u64, Refusal> {
        let result = self.files.rename((from.0, &from.1), (to.0, &to.1), replace).await;
        if matches!(result, Err(exchange::Error::Missing)) && self.is_folder(from.0, &from.1).await? {
            return Err(Refusal::FOLDER_RENAME);
        }
        Ok(result?.size)
    }

    /// An unfinished upload goes on under its new name, also when it is being written. What stands there goes when it is complete.
    async fn rename_upload(&mut self, from: &str, to: &str, standing: Option<Meta>) -> Result<(), Refusal> {
        self.partials.discard(to).await?;
        let renamed = self.partials.rename(from, to).await?;
        let mut own = None;
        for open in self.open.values_mut() {
            if let Open::Writing(writing) = open
                && writing.name() == from
            {
                own = Some(writing);
            }
        }
        match own {
            Some(writing) if !writing.has_row() => writing.rename(to.to_owned(), standing).await,
            Some(writing) => {
                writing.was_renamed(to.to_owned());
                Ok(())
            }
            None if renamed => Ok(()),
            None => Err(Refusal::NO_FILE),
        }
    }

    /// Why there is no file: it may be a folder.
    pub(super) async fn no_file(&self, folder: Folder, name: &str) -> Result<Refusal, Refusal> {
        Ok(if self.is_folder(folder, name).await? { Refusal::IS_FOLDER } else { Refusal::NO_FILE })
    }

    /// A folder is what has a marker or something in it.
    async fn is_folder(&self, folder: Folder, name: &str) -> Result<bool, Refusal> {
        Ok(self.files.is_folder(folder, name).await? || !self.unfinished(folder, name).await?.is_empty())
    }
}

/// A path that must be a file's.
pub(super) fn file(path: &str) -> Result<(Folder, String), Refusal> {
    match resolve(path)? {
        // `scp list.csv host:Incomming/` must not make a file of the folder that was meant.
        Place::Below(..) if path.ends_with('/') => Err(Refusal::SLASH),
        Place::Root | Place::Folder(_) => Err(Refusal::IS_FOLDER),
        Place::Key => Err(Refusal::KEY),
        Place::Below(folder, name) => Ok((folder, name)),
    }
}

/// A path that must lie below one of the four folders.
fn below(path: &str) -> Result<(Folder, String), Refusal> {
    match resolve(path)? {
        Place::Root | Place::Folder(_) => Err(Refusal::FIXED),
        Place::Key => Err(Refusal::KEY),
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
