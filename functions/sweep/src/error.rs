use fault::{Disposition, Fault};
use runtime::AwsError;
use store::StoreError;

/// What can go wrong while a tenant is swept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The File Exchange or the spool.
    #[error(transparent)]
    Exchange(#[from] exchange::Error),
    /// Queues, and the bucket's own settings.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The message's time lies ahead of the clock: what it would delete is not yet due.
    #[error("the message's time lies in the future")]
    Clock,
    /// An object of the journal has a line that is no JSON.
    #[error("the object {0} of the journal cannot be read")]
    Journal(i64),
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
            Self::Clock | Self::Journal(_) | Self::Foreign => Disposition::Permanent,
        }
    }
}
