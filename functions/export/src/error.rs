use fault::{Disposition, Fault};
use runtime::AwsError;
use store::StoreError;

use crate::shape::NotRows;

/// What can go wrong with an export.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The File Exchange.
    #[error(transparent)]
    Exchange(#[from] exchange::Error),
    /// Queues and secrets.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// A key of the tenant, or the encryption itself.
    #[error(transparent)]
    OpenPgp(#[from] openpgp::Error),
    /// A file could not be written; what it says names no file.
    #[error("a file could not be written: {0}")]
    Write(#[from] std::io::Error),
    /// The database's own form of CSV.
    #[error(transparent)]
    NotRows(#[from] NotRows),
    /// One side of a file's writing ended early.
    #[error("the writing of a file was broken off")]
    Interrupted,
    /// The plan of an export in the database is not one that this version writes.
    #[error("the plan of an export is not readable")]
    Plan,
    /// A plan is of encrypted files, and no key is usable any more.
    #[error("no key to which the export could be encrypted is usable")]
    NoKey,
    /// What is left is for the next invocation.
    #[error("the invocation ends before the export does")]
    OutOfTime,
    /// A notification of a bucket, which nobody sends here.
    #[error("the message is none of this queue")]
    Foreign,
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Fault for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Store(error) => error.disposition(),
            Self::Exchange(error) => error.disposition(),
            Self::Aws(error) => error.disposition(),
            Self::Write(error) => exchange::error_in(error).map_or(Disposition::RETRY, Fault::disposition),
            Self::OpenPgp(openpgp::Error::Sink(error)) => {
                exchange::error_in(error).map_or(Disposition::RETRY, Fault::disposition)
            }
            Self::Interrupted | Self::OutOfTime => Disposition::RETRY,
            Self::OpenPgp(_) | Self::NotRows(_) | Self::Plan | Self::NoKey | Self::Foreign => {
                Disposition::Permanent
            }
        }
    }
}
