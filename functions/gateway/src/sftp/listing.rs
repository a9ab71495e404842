//! A folder that is being listed, page by page.

use std::collections::VecDeque;

use contract::Folder;
use exchange::{Listing, Page};
use russh_sftp::protocol::File;

use super::{attributes, refusal::Refusal};

/// Entries of one answer: at the longest names, a hundred stay within the packet that clients accept.
const ENTRIES_MAX: usize = 100;

/// An open folder.
pub struct Entries {
    ready: VecDeque<File>,
    more: Option<Listing>,
}

impl Entries {
    /// The four folders.
    pub fn root() -> Self {
        let ready = Folder::ALL.into_iter().map(|folder| attributes::folder_entry(folder.name())).collect();
        Self { ready, more: None }
    }

    /// A folder's level, of which the first page was read already.
    pub fn level(first: Page, more: Listing) -> Self {
        let mut entries = Self { ready: VecDeque::new(), more: Some(more) };
        entries.add(first);
        entries
    }

    fn add(&mut self, page: Page) {
        self.ready.extend(page.folders.into_iter().map(attributes::folder_entry));
        self.ready.extend(page.files.into_iter().map(|file| attributes::file_entry(file.name, &file.meta)));
    }

    pub async fn next(&mut self) -> Result<Vec<File>, Refusal> {
        while self.ready.is_empty() {
            let Some(listing) = &mut self.more else { return Err(Refusal::END) };
            match listing.next().await? {
                Some(page) => self.add(page),
                None => self.more = None,
            }
        }
        Ok(self.ready.drain(..self.ready.len().min(ENTRIES_MAX)).collect())
    }
}
