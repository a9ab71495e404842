//! A folder that is being listed, page by page.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use contract::Folder;
use exchange::{Listing, Page};
use russh_sftp::protocol::File;
use time::OffsetDateTime;

use super::{attributes, level::Level, refusal::Refusal};
use crate::key_file::KeyFile;

/// Entries of one answer: at the longest names, a hundred stay within the packet that clients accept.
const ENTRIES_MAX: usize = 100;

/// Unfinished uploads below a folder: S3 lists none of them.
#[derive(Default)]
pub struct Unfinished {
    files: BTreeMap<String, (u64, OffsetDateTime)>,
    /// Folders that have some in them.
    folders: BTreeSet<String>,
}

impl Unfinished {
    /// Of uploads whose names begin with the prefix: name, bytes, time of the last change.
    pub fn new(prefix: &str, uploads: Vec<(String, u64, OffsetDateTime)>) -> Self {
        let mut unfinished = Self::default();
        for (name, size, time) in uploads {
            let Some(name) = name.strip_prefix(prefix) else { continue };
            match name.split_once('/') {
                Some((folder, _)) => {
                    unfinished.folders.insert(folder.to_owned());
                }
                None => {
                    unfinished.files.insert(name.to_owned(), (size, time));
                }
            }
        }
        unfinished
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.folders.is_empty()
    }

    /// The entries that no page had.
    fn entries(self) -> impl Iterator<Item = File> {
        let files = self.files.into_iter();
        let files = files.map(|(name, (size, time))| File::new(name, attributes::of_partial(size, time)));
        self.folders.into_iter().map(attributes::folder_entry).chain(files)
    }
}

/// An open folder.
pub struct Entries {
    ready: VecDeque<File>,
    more: Option<(Listing, Unfinished)>,
    /// What the pages showed; nothing where unfinished uploads hide some of it.
    level: Option<Level>,
}

impl Entries {
    /// The four folders, and the key.
    pub fn root(key: Option<&KeyFile>) -> Self {
        let folders = Folder::ALL.into_iter().map(|folder| attributes::folder_entry(folder.name()));
        Self { ready: folders.chain(key.map(attributes::key_entry)).collect(), more: None, level: None }
    }

    /// A folder's level, of which the first page was read already.
    pub fn level(first: Page, more: Listing, unfinished: Unfinished, level: Level) -> Self {
        let level = unfinished.is_empty().then_some(level);
        let mut entries = Self { ready: VecDeque::new(), more: Some((more, unfinished)), level };
        entries.add(first);
        entries
    }

    /// What was seen of the level.
    pub fn seen(self) -> Option<Level> {
        self.level
    }

    fn add(&mut self, page: Page) {
        let Some((listing, unfinished)) = &mut self.more else { return };
        if let Some(level) = &mut self.level {
            level.add(&page);
            if listing.is_over() {
                level.end();
            }
        }
        for folder in page.folders {
            unfinished.folders.remove(&folder);
            self.ready.push_back(attributes::folder_entry(folder));
        }
        // An unfinished upload hides the file that it is to replace.
        let files = page.files.into_iter().filter(|file| !unfinished.files.contains_key(&file.name));
        self.ready.extend(files.map(|file| attributes::file_entry(file.name, &file.meta)));
    }

    pub async fn next(&mut self) -> Result<Vec<File>, Refusal> {
        while self.ready.is_empty() {
            let Some((listing, _)) = &mut self.more else { return Err(Refusal::END) };
            match listing.next().await? {
                Some(page) => self.add(page),
                None => self.ready.extend(self.more.take().into_iter().flat_map(|(_, left)| left.entries())),
            }
        }
        Ok(self.ready.drain(..self.ready.len().min(ENTRIES_MAX)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_uploads_show_at_their_level() {
        let at = OffsetDateTime::UNIX_EPOCH;
        let uploads = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 1, at)).collect();
        for (prefix, names, files, folders) in [
            ("", &["a", "b/c", "b/d/e"][..], &["a"][..], &["b"][..]),
            ("b/", &["b/c", "b/d/e"], &["c"], &["d"]),
            ("", &[], &[], &[]),
        ] {
            let unfinished = Unfinished::new(prefix, uploads(names));
            assert_eq!(unfinished.is_empty(), names.is_empty());
            assert!(unfinished.files.keys().eq(files.iter()), "{prefix} {names:?}");
            assert!(unfinished.folders.iter().eq(folders.iter()), "{prefix} {names:?}");
            assert_eq!(unfinished.entries().count(), files.len() + folders.len());
        }
    }
}
