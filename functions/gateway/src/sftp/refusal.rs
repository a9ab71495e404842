//! What a client is told when a request cannot be done: a status of SFTP version 3, and words for the person before it.

use exchange::Error;
use russh_sftp::protocol::{Packet, StatusCode};

use crate::path::PathError;

/// An answer other than success.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refusal {
    /// The protocol's code.
    pub code: StatusCode,
    /// Shown by most clients.
    pub words: &'static str,
}

impl Refusal {
    pub const END: Self = Self::new(StatusCode::Eof, "End of file");
    pub const NO_FILE: Self = Self::new(StatusCode::NoSuchFile, "There is no such file or folder.");
    pub const IS_FOLDER: Self = Self::new(StatusCode::Failure, "This is a folder.");
    pub const SLASH: Self =
        Self::new(StatusCode::NoSuchFile, "A name that ends in a slash is a folder's, and no file's.");
    pub const TAKEN: Self = Self::new(StatusCode::Failure, "A file or folder with this name exists.");
    pub const NOT_HERE: Self =
        Self::new(StatusCode::PermissionDenied, "Files and folders are put into Incoming alone.");
    pub const FIXED: Self =
        Self::new(StatusCode::PermissionDenied, "The four folders themselves cannot be changed.");
    pub const IN_PLACE: Self = Self::new(
        StatusCode::OpUnsupported,
        "A finished file cannot be appended to or changed in part, and it is as it was: upload it whole.",
    );
    pub const UPLOADING: Self = Self::new(
        StatusCode::Failure,
        "This file is still being uploaded: it can be read when its upload is complete.",
    );
    pub const ORDER: Self = Self::new(
        StatusCode::Failure,
        "The pieces of the file come too far out of order. Turn off parallel writing in your client.",
    );
    pub const SETTLED: Self = Self::new(
        StatusCode::Failure,
        "This part of the file is stored already and cannot be changed: go on at the size that the file has, or upload it again.",
    );
    pub const GAP: Self = Self::new(
        StatusCode::Failure,
        "A piece in the middle of the file is missing. What comes before it is kept: continue the upload there.",
    );
    pub const TAKEN_OVER: Self =
        Self::new(StatusCode::Failure, "Another session writes this file now, or has removed it.");
    pub const NOT_KEPT: Self = Self::new(
        StatusCode::Failure,
        "What was kept of this upload is gone, or complete by now: look at the file's size, then try again.",
    );
    pub const TOO_MANY_UNFINISHED: Self = Self::new(
        StatusCode::Failure,
        "There are 1000 unfinished uploads, the most that are kept. Finish or remove some.",
    );
    pub const KEPT: Self = Self::new(
        StatusCode::Failure,
        "The upload could not be completed at the moment. What was sent is kept: continue it a little later.",
    );
    pub const FIRST_NAME_TAKEN: Self = Self::new(
        StatusCode::Failure,
        "The upload was begun under another name, which another file has now. Remove or rename that file, then continue.",
    );
    pub const NAME_LATER: Self = Self::new(
        StatusCode::Failure,
        "The upload is complete, but still under the name that it was begun with: rename it once more.",
    );
    pub const BROKEN: Self = Self::new(StatusCode::Failure, "The upload has failed before.");
    pub const SIZE: Self = Self::new(StatusCode::OpUnsupported, "A file's size cannot be set.");
    pub const NOT_EMPTY: Self = Self::new(StatusCode::Failure, "The folder is not empty.");
    pub const FOLDER_RENAME: Self = Self::new(StatusCode::OpUnsupported, "Folders cannot be renamed.");
    pub const LINKS: Self =
        Self::new(StatusCode::OpUnsupported, "There are no links here, and none can be made.");
    pub const NO_LINK: Self = Self::new(StatusCode::Failure, "This is no link: there are none here.");
    pub const COPY_PART: Self = Self::new(
        StatusCode::OpUnsupported,
        "A copy is made of a whole file, into a new one that is opened for nothing else.",
    );
    pub const COPY_GONE: Self =
        Self::new(StatusCode::Failure, "The file was removed or overwritten before it could be copied.");
    pub const KEY: Self = Self::new(
        StatusCode::PermissionDenied,
        "broadcast-key.asc is the public key of your account: it can be read, and nothing else.",
    );
    pub const LOGIN_OVER: Self = Self::new(
        StatusCode::PermissionDenied,
        "Your login is no longer valid: the account was closed, or the key was removed or has expired.",
    );
    pub const UNKNOWN: Self = Self::new(StatusCode::OpUnsupported, "This is not supported here.");
    pub const BAD_HANDLE: Self = Self::new(StatusCode::Failure, "There is no such open file.");
    pub const BAD_MESSAGE: Self = Self::new(StatusCode::BadMessage, "This is no request of SFTP version 3.");
    pub const TOO_MANY: Self =
        Self::new(StatusCode::Failure, "Too many files are open. Close one, or try again a little later.");
    pub const UNAVAILABLE: Self = Self::new(
        StatusCode::Failure,
        "The File Exchange is not available at the moment. Try again a little later.",
    );
    pub const TOO_LARGE: Self =
        Self::new(StatusCode::Failure, "The file is larger than 256 GiB, the most that can be stored.");
    const CHANGED: Self =
        Self::new(StatusCode::Failure, "The file was overwritten meanwhile. Open it again.");

    const fn new(code: StatusCode, words: &'static str) -> Self {
        Self { code, words }
    }

    pub fn packet(self, id: u32) -> Packet {
        Packet::status(id, self.code, self.words, "en")
    }
}

impl From<PathError> for Refusal {
    fn from(error: PathError) -> Self {
        match error {
            PathError::TooLong => Self::new(
                StatusCode::Failure,
                "The name is too long: 255 bytes for each part, 990 bytes in all.",
            ),
            PathError::Character => {
                Self::new(StatusCode::Failure, "The name is not UTF-8, or has a control character.")
            }
            PathError::Elsewhere => Self::new(
                StatusCode::NoSuchFile,
                "There are four folders: Exports, Finished, Incoming and Invalids.",
            ),
        }
    }
}

impl From<crate::Error> for Refusal {
    fn from(error: crate::Error) -> Self {
        match error {
            crate::Error::Exchange(error) => error.into(),
            error => {
                tracing::warn!(%error, "a client's request failed");
                Self::UNAVAILABLE
            }
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Missing => Self::NO_FILE,
            Error::Changed => Self::CHANGED,
            Error::Exists => Self::TAKEN,
            Error::TooLarge { .. } => Self::TOO_LARGE,
            Error::Interrupted => Self::BROKEN,
            Error::BucketName
            | Error::Lifetime
            | Error::NamesTaken
            | Error::Refused { .. }
            | Error::Unavailable { .. } => {
                // The client sees no reason, so the operator must.
                tracing::warn!(%error, "S3 failed a client's request");
                Self::UNAVAILABLE
            }
        }
    }
}
