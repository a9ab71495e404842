//! A file that is to be a copy of another: made by S3 when the client closes it, of the content that was opened.

use contract::Folder;

use super::{reading::Source, refusal::Refusal, writing::Writing};

/// A new file whose content is told.
pub struct Copying {
    from: Source,
    /// Nothing was written by it: it holds the name, and the right to a transfer.
    to: Box<Writing>,
}

impl Copying {
    pub fn new(from: Source, to: Box<Writing>) -> Self {
        Self { from, to }
    }

    pub fn key(&self) -> String {
        self.to.key()
    }

    /// Of which file.
    pub fn source_key(&self) -> String {
        self.from.folder.key(&self.from.name)
    }

    /// Bytes that it will have.
    pub fn size(&self) -> u64 {
        self.from.meta.size
    }

    pub async fn close(self) -> Result<(), Refusal> {
        let from = (self.from.folder, self.from.name.as_str());
        let to = (Folder::Incoming, self.to.name());
        let copied = self.to.files().copy_file(from, &self.from.meta.etag, to, !self.to.is_new()).await;
        match copied {
            Ok(_) => Ok(()),
            Err(exchange::Error::Missing | exchange::Error::Changed) => Err(Refusal::COPY_GONE),
            Err(error) => Err(error.into()),
        }
    }
}
