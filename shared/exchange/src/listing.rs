//! Listings, page by page.

use std::fmt;

use contract::Folder;

use crate::{Error, Meta, TenantFiles, error::from_sdk, files::meta};

/// Of a listing that looks for one name: enough for the names beside it that begin as it does, such as its control file.
const STANDS_KEYS: i32 = 10;

/// A file in a listing.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name below the listed place.
    pub name: String,
    /// What S3 says of it.
    pub meta: Meta,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// Up to 1,000 entries.
#[derive(Default)]
pub struct Page {
    /// Files, in the order of their keys.
    pub files: Vec<Entry>,
    /// Names of the folders below the listed place, without slash.
    pub folders: Vec<String>,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("files", &self.files.len())
            .field("folders", &self.folders.len())
            .finish()
    }
}

/// A listing under way.
pub struct Listing {
    files: TenantFiles,
    prefix: String,
    level: bool,
    next: Next,
}

enum Next {
    First,
    After(String),
    End,
}

impl TenantFiles {
    /// Every file of a folder, whatever folders below it stands in. Markers of empty folders are entries whose name ends in a slash.
    pub fn list(&self, folder: Folder) -> Listing {
        Listing { files: self.clone(), prefix: folder.key(""), level: false, next: Next::First }
    }

    /// One level: what stands directly in `path` below the folder; "" is the folder itself.
    pub fn list_level(&self, folder: Folder, path: &str) -> Listing {
        let mut prefix = folder.key(path);
        if !prefix.ends_with('/') {
            prefix.push('/');
        }
        Listing { files: self.clone(), prefix, level: true, next: Next::First }
    }

    /// Every file below `path` of the folder, at any depth, in the order of their keys. Markers of empty folders are entries whose name
    /// ends in a slash; `path`'s own is none.
    pub fn list_below(&self, folder: Folder, path: &str) -> Listing {
        Listing { level: false, ..self.list_level(folder, path) }
    }

    /// What stands under a name, and whether the name is a folder's, too. One request, unless many names begin with this one.
    pub async fn look_at(&self, folder: Folder, name: &str) -> Result<(Option<Meta>, bool), Error> {
        let key = folder.key(name);
        let request = self.client().list_objects_v2().bucket(self.bucket()).prefix(&key);
        let answer = request.max_keys(STANDS_KEYS).send().await.map_err(from_sdk("ListObjectsV2"))?;
        let found = answer.contents();
        // The name itself comes before all that are longer.
        let file = found.first().filter(|object| object.key() == Some(&key));
        let file = file.map(|object| meta(object.e_tag(), object.size(), object.last_modified()));
        let below = format!("{key}/");
        let last = found.last().and_then(|object| object.key()).unwrap_or_default();
        let is_folder = if found.iter().any(|object| object.key().is_some_and(|key| key.starts_with(&below)))
        {
            true
        } else {
            // What a longer listing would show could stand in it.
            answer.is_truncated() == Some(true)
                && last < below.as_str()
                && self.is_folder(folder, name).await?
        };
        Ok((file, is_folder))
    }

    /// Whether `path` is a folder: has a marker, or something in it. One request.
    pub async fn is_folder(&self, folder: Folder, path: &str) -> Result<bool, Error> {
        let request = self.client().list_objects_v2().bucket(self.bucket());
        let answer = request.prefix(format!("{}/", folder.key(path))).max_keys(1).send().await;
        Ok(!answer.map_err(from_sdk("ListObjectsV2"))?.contents().is_empty())
    }
}

impl Listing {
    /// Whether the last page was read.
    pub fn is_over(&self) -> bool {
        matches!(self.next, Next::End)
    }

    /// The next page, `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<Page>, Error> {
        let token = match std::mem::replace(&mut self.next, Next::End) {
            Next::First => None,
            Next::After(token) => Some(token),
            Next::End => return Ok(None),
        };
        let answer = self
            .files
            .client()
            .list_objects_v2()
            .bucket(self.files.bucket())
            .prefix(&self.prefix)
            .set_delimiter(self.level.then(|| "/".to_owned()))
            .set_continuation_token(token)
            .send()
            .await
            .map_err(from_sdk("ListObjectsV2"))?;
        let below =
            |key: &str| key.strip_prefix(&self.prefix).filter(|name| !name.is_empty()).map(ToOwned::to_owned);
        let files = answer.contents().iter().filter_map(|object| {
            let name = below(object.key()?)?;
            Some(Entry { name, meta: meta(object.e_tag(), object.size(), object.last_modified()) })
        });
        let folders = answer
            .common_prefixes()
            .iter()
            .filter_map(|folder| below(folder.prefix()?).map(|name| name.trim_end_matches('/').to_owned()));
        let page = Page { files: files.collect(), folders: folders.collect() };
        if let Some(token) = answer.next_continuation_token() {
            self.next = Next::After(token.to_owned());
        }
        Ok(Some(page))
    }
}
