//! A file that is being uploaded: it appears when the client closes it, whole, or never.

use contract::Folder;
use exchange::Upload;
use russh_sftp::protocol::OpenFlags;

use super::refusal::Refusal;
use crate::gateway::Transfer;

/// What an upload does to what stands under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Nothing stands there, and nothing may when the upload ends.
    New,
    /// Whatever stands there goes.
    Replace,
    /// A file of this many bytes stands there, and the client has not said that it goes: it must be written over whole, or cut to what was
    /// written. `scp` does the latter.
    Over(u64),
}

impl Way {
    /// Judges the flags of an open for writing over a file of `standing` bytes, if there is one.
    pub fn of(flags: OpenFlags, standing: Option<u64>) -> Result<Self, Refusal> {
        let Some(size) = standing else {
            return if flags.contains(OpenFlags::CREATE) { Ok(Self::New) } else { Err(Refusal::NO_FILE) };
        };
        if flags.contains(OpenFlags::EXCLUDE) {
            Err(Refusal::TAKEN)
        } else if flags.contains(OpenFlags::TRUNCATE) {
            Ok(Self::Replace)
        } else if flags.intersects(OpenFlags::APPEND | OpenFlags::READ) {
            Err(Refusal::IN_PLACE)
        } else {
            Ok(Self::Over(size))
        }
    }

    /// How an upload of `written` bytes ends; `cut`: the client has set the size to that.
    fn end(self, written: u64, cut: bool) -> Result<Closed, Refusal> {
        match self {
            Self::Over(size) if written < size && !cut => {
                if written == 0 {
                    Ok(Closed::Unchanged)
                } else {
                    Err(Refusal::IN_PLACE)
                }
            }
            Self::New | Self::Replace | Self::Over(_) => Ok(Closed::Stored),
        }
    }
}

/// What closing has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The file is there.
    Stored,
    /// Opened and closed again: what stands there stays.
    Unchanged,
}

impl Closed {
    pub fn words(self) -> &'static str {
        match self {
            Self::Stored => "done",
            Self::Unchanged => "unchanged",
        }
    }
}

/// An open upload. Its first failure is its last word: closing it then stores nothing.
pub struct Writing {
    upload: Option<Upload>,
    way: Way,
    written: u64,
    cut: bool,
    folder: Folder,
    name: String,
    _transfer: Transfer,
}

impl Writing {
    pub fn new(upload: Upload, way: Way, folder: Folder, name: String, transfer: Transfer) -> Self {
        Self { upload: Some(upload), way, written: 0, cut: false, folder, name, _transfer: transfer }
    }

    pub fn written(&self) -> u64 {
        self.written
    }

    pub fn key(&self) -> String {
        self.folder.key(&self.name)
    }

    pub async fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Refusal> {
        let Some(upload) = self.upload.as_mut() else { return Err(Refusal::BROKEN) };
        let result = if offset == self.written {
            upload.write(bytes).await.map_err(Refusal::from)
        } else {
            Err(Refusal::ORDER)
        };
        match result {
            Ok(()) => self.written += bytes.len() as u64,
            Err(_) => self.abort().await,
        }
        result
    }

    /// The client may set the size to what it has written, and to nothing else.
    pub fn set_size(&mut self, size: u64) -> Result<(), Refusal> {
        if size != self.written {
            return Err(Refusal::SIZE);
        }
        self.cut = true;
        Ok(())
    }

    pub async fn close(&mut self) -> Result<Closed, Refusal> {
        let end = self.way.end(self.written, self.cut);
        if end != Ok(Closed::Stored) {
            self.abort().await;
            return end;
        }
        let upload = self.upload.take().ok_or(Refusal::BROKEN)?;
        upload.complete().await?;
        Ok(Closed::Stored)
    }

    pub async fn abort(&mut self) {
        if let Some(upload) = self.upload.take() {
            upload.abort().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: OpenFlags = OpenFlags::WRITE;
    const CREATE: OpenFlags = OpenFlags::CREATE;
    const TRUNCATE: OpenFlags = OpenFlags::TRUNCATE;

    #[test]
    fn flags_tell_what_happens_to_the_file_that_stands_there() {
        for (flags, standing, expected) in [
            (WRITE | CREATE | TRUNCATE, None, Ok(Way::New)),
            (WRITE | CREATE | TRUNCATE, Some(5), Ok(Way::Replace)),
            (WRITE | CREATE | TRUNCATE | OpenFlags::EXCLUDE, Some(5), Err(Refusal::TAKEN)),
            (WRITE | CREATE | OpenFlags::EXCLUDE, None, Ok(Way::New)),
            (WRITE | CREATE, Some(5), Ok(Way::Over(5))),
            (WRITE | CREATE | OpenFlags::APPEND, None, Ok(Way::New)),
            (WRITE | CREATE | OpenFlags::APPEND, Some(5), Err(Refusal::IN_PLACE)),
            (WRITE | OpenFlags::READ, Some(5), Err(Refusal::IN_PLACE)),
            (WRITE | OpenFlags::READ | CREATE | TRUNCATE, Some(5), Ok(Way::Replace)),
            (WRITE | TRUNCATE, None, Err(Refusal::NO_FILE)),
        ] {
            assert_eq!(Way::of(flags, standing), expected, "{flags:?} {standing:?}");
        }
    }

    #[test]
    fn a_file_that_was_not_given_up_must_be_written_over_whole() {
        for (way, written, cut, expected) in [
            (Way::New, 0, false, Ok(Closed::Stored)),
            (Way::Replace, 0, false, Ok(Closed::Stored)),
            (Way::Over(5), 5, false, Ok(Closed::Stored)),
            (Way::Over(5), 3, true, Ok(Closed::Stored)),
            (Way::Over(5), 0, true, Ok(Closed::Stored)),
            (Way::Over(5), 3, false, Err(Refusal::IN_PLACE)),
            (Way::Over(5), 0, false, Ok(Closed::Unchanged)),
            (Way::Over(0), 0, false, Ok(Closed::Stored)),
        ] {
            assert_eq!(way.end(written, cut), expected, "{way:?} {written} {cut}");
        }
    }
}
