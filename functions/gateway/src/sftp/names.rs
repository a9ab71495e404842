//! What a client does by name: look, list, remove, rename, make folders.

use bytes::Bytes;
use contract::Folder;
use russh_sftp::protocol::{Attrs, FileAttributes};

use super::{
    attributes,
    handles::Open,
    listing::Entries,
    packet::{HANDLES_MAX, done},
    refusal::Refusal,
    session::{Answer, Session},
};
use crate::path::{Place, canonical, resolve};

impl Session {
    pub(super) async fn stat(&mut self, id: u32, path: &str) -> Answer {
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

    pub(super) async fn remove(&mut self, id: u32, path: &str) -> Answer {
        let (folder, name) = file(path)?;
        if !self.files.delete(folder, &name, None).await? {
            return Err(self.no_file(folder, &name).await?);
        }
        self.audit("remove", &folder.key(&name), None, "done").await;
        Ok(done(id))
    }

    pub(super) async fn mkdir(&mut self, id: u32, path: &str) -> Answer {
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

    pub(super) async fn rmdir(&mut self, id: u32, path: &str) -> Answer {
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

    pub(super) async fn rename(&mut self, id: u32, old: &str, new: &str, replace: bool) -> Answer {
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
    pub(super) async fn no_file(&self, folder: Folder, name: &str) -> Result<Refusal, Refusal> {
        Ok(if self.is_folder(folder, name).await? { Refusal::IS_FOLDER } else { Refusal::NO_FILE })
    }

    /// A folder is what has a marker or something in it.
    pub(super) async fn is_folder(&self, folder: Folder, name: &str) -> Result<bool, Refusal> {
        if self.files.head(folder, &marker(name)).await?.is_some() {
            return Ok(true);
        }
        let first = self.files.list_level(folder, name).next().await?.unwrap_or_default();
        Ok(!first.files.is_empty() || !first.folders.is_empty())
    }
}

/// A path that must be a file's.
pub(super) fn file(path: &str) -> Result<(Folder, String), Refusal> {
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
