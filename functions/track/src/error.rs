use fault::{Disposition, Fault};
use runtime::AwsError;
use store::StoreError;

/// What can go wrong with one message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The reports bucket.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The body of a report broke off while it was read.
    #[error("a report could not be read to its end")]
    Body,
    /// Firehose's buffer is set too large, or somebody else writes there.
    #[error("an object of events is larger than {} bytes", mail::EVENTS_BYTES_MAX)]
    TooManyEvents,
    /// What is left is for the next delivery.
    #[error("the invocation ends before the report could be read")]
    OutOfTime,
    /// A notification of another bucket: something is wired wrongly.
    #[error("a notification names a bucket that is not the reports bucket")]
    ForeignBucket,
    /// A response that only a report can tell, or with parts that do not belong together.
    #[error("a response is not one that collect makes")]
    NotFromCollect,
    /// The transaction that held this response failed.
    #[error("not stored: {0}")]
    Group(String),
}

impl Fault for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Store(error) => error.disposition(),
            Self::Aws(error) => error.disposition(),
            Self::Body | Self::OutOfTime | Self::Group(_) => Disposition::RETRY,
            Self::ForeignBucket | Self::NotFromCollect | Self::TooManyEvents => Disposition::Permanent,
        }
    }
}
