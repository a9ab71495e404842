//! Attributes and names as SFTP version 3 shows them.

use exchange::Meta;
use russh_sftp::protocol::{File, FileAttributes};
use time::OffsetDateTime;

use crate::{key_file::KeyFile, path::KEY_NAME};

const FOLDER_MODE: u32 = 0o040_755;
const FILE_MODE: u32 = 0o100_644;
const KEY_MODE: u32 = 0o100_444;

/// A folder has neither a size nor a time.
pub fn of_folder() -> FileAttributes {
    FileAttributes { permissions: Some(FOLDER_MODE), uid: Some(0), gid: Some(0), ..FileAttributes::empty() }
}

/// A file's size and time; permissions and owners mean nothing here.
pub fn of_file(meta: &Meta) -> FileAttributes {
    of_partial(meta.size, meta.modified)
}

/// The same of a file that is not complete: what there is of it.
pub fn of_partial(size: u64, modified: OffsetDateTime) -> FileAttributes {
    // Version 3 counts seconds in 32 bits, unsigned: good until 2106.
    let modified = u32::try_from(modified.unix_timestamp()).unwrap_or_default();
    FileAttributes {
        size: Some(size),
        permissions: Some(FILE_MODE),
        uid: Some(0),
        gid: Some(0),
        atime: Some(modified),
        mtime: Some(modified),
        ..FileAttributes::empty()
    }
}

/// A file that is still being written.
pub fn of_upload(written: u64) -> FileAttributes {
    FileAttributes { size: Some(written), permissions: Some(FILE_MODE), ..FileAttributes::empty() }
}

pub fn of_key(key: &KeyFile) -> FileAttributes {
    FileAttributes { permissions: Some(KEY_MODE), ..of_partial(key.text.len() as u64, key.made_at) }
}

/// An entry of a listing.
pub fn key_entry(key: &KeyFile) -> File {
    File::new(KEY_NAME, of_key(key))
}

/// An entry of a listing.
pub fn folder_entry(name: impl Into<String>) -> File {
    File::new(name, of_folder())
}

/// An entry of a listing.
pub fn file_entry(name: String, meta: &Meta) -> File {
    File::new(name, of_file(meta))
}
