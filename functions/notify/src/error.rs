use fault::{Disposition, Fault};
use runtime::AwsError;
use store::StoreError;

/// What can go wrong. What a receiver does is an outcome, and no error here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A queue or a secret.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// A notification of a bucket, which nobody sends here.
    #[error("the message is none of this queue")]
    Foreign,
    /// No token could be made.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// A mail could not be written.
    #[error("a mail could not be written")]
    Unwritten,
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
            Self::Aws(error) => error.disposition(),
            Self::Access(error) => error.disposition(),
            Self::Foreign | Self::Unwritten => Disposition::Permanent,
        }
    }
}
