use fault::{Disposition, Fault};

/// What can go wrong. What a relay says about a mail is that mail's outcome and no error here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Postgres.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// S3.
    #[error(transparent)]
    Exchange(#[from] exchange::Error),
    /// A queue.
    #[error(transparent)]
    Aws(#[from] runtime::AwsError),
    /// A spool object.
    #[error(transparent)]
    Spool(#[from] mail::SpoolError),
    /// There is no such launch in this campaign.
    #[error("there is no such launch")]
    NoLaunch,
    /// Rows are spooled that the slice's object does not hold.
    #[error("{rows} spooled rows of the slice are not in its object")]
    Incomplete {
        /// How many.
        rows: usize,
    },
    /// An S3 notification, which nothing sends here.
    #[error("not a message for this queue")]
    NotOurs,
    /// A task of ours panicked.
    #[error("sending was cut off")]
    CutOff,
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
            Self::Spool(error) => error.disposition(),
            Self::NoLaunch | Self::Incomplete { .. } | Self::NotOurs => Disposition::Permanent,
            Self::CutOff => Disposition::RETRY,
        }
    }
}
