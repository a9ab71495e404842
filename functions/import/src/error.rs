//! What can go wrong in an import.

use std::time::Duration;

use fault::{Disposition, Fault, Notice};
use store::StoreError;

/// Why an import did not go on. No form of output shows a customer's word.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The customer has to mend something: the import ends as refused, and this never reaches the queue.
    #[error("the import is refused: {}", .0.code)]
    Refused(Notice),
    /// An earlier delivery of the same message may still be at this import.
    #[error("an earlier delivery has the lease of this import")]
    Leased {
        /// Until when, at the longest.
        after: Duration,
    },
    /// Another delivery took this import over: what this one did is not published.
    #[error("the lease of this import was lost")]
    LeaseLost,
    /// No tenant has the bucket that an event names.
    #[error("an event names a bucket that is no tenant's")]
    UnknownBucket,
    /// A message names an import that is not there.
    #[error("there is no such import")]
    UnknownImport,
    /// A row of ours is not what we write: the named column.
    #[error("a stored {0} is not readable")]
    Stored(&'static str),
    /// The thread that reads the file ended without a result.
    #[error("reading the file was broken off")]
    Broken,
    /// The report of rejected rows could not be written, where S3 is not to blame.
    #[error("the report could not be written")]
    Report,
    /// Postgres counted other rows than were sent.
    #[error("the copy has {stored} rows instead of {sent}")]
    RowCount {
        /// Rows given to the connection.
        sent: u64,
        /// Rows that arrived.
        stored: u64,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The File Exchange.
    #[error(transparent)]
    Exchange(#[from] exchange::Error),
    /// Queues and secrets.
    #[error(transparent)]
    Aws(#[from] runtime::AwsError),
    /// The encrypted file, or a key of ours.
    #[error(transparent)]
    OpenPgp(#[from] openpgp::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Error {
    /// The error of a failed read or write, whatever it was wrapped into on its way through parsers.
    pub(crate) fn from_io(error: std::io::Error) -> Self {
        match openpgp::Error::from_io(error) {
            openpgp::Error::Source(source) => match source.downcast::<exchange::Error>() {
                Ok(error) => Self::Exchange(error),
                Err(_) => Self::Broken,
            },
            error => Self::OpenPgp(error),
        }
    }
}

impl Fault for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Refused(notice) => Disposition::Customer(notice.clone()),
            Self::Leased { after } => Disposition::Retry { after: Some(*after) },
            Self::LeaseLost | Self::Broken | Self::Report | Self::RowCount { .. } => Disposition::RETRY,
            Self::UnknownBucket | Self::UnknownImport | Self::Stored(_) => Disposition::Permanent,
            Self::Store(error) => error.disposition(),
            Self::Exchange(error) => error.disposition(),
            Self::Aws(error) => error.disposition(),
            Self::OpenPgp(error) => error.disposition(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use fault::Code;

    use super::*;

    #[test]
    fn errors_keep_their_disposition_through_readers() {
        let wrapped = |error: exchange::Error| Error::from_io(io::Error::from(error)).disposition();
        assert_eq!(wrapped(exchange::Error::Changed), Disposition::Customer(Code::FileChanged.into()));
        assert_eq!(wrapped(exchange::Error::Interrupted), Disposition::RETRY);
        let damaged = Error::from_io(openpgp::Error::Damaged.into());
        assert_eq!(damaged.disposition(), Disposition::Customer(Code::PgpDamaged.into()));
        let below = io::Error::from(openpgp::Error::Source(exchange::Error::Changed.into()));
        assert_eq!(Error::from_io(below).disposition(), Disposition::Customer(Code::FileChanged.into()));
        assert_eq!(Error::from_io(io::ErrorKind::Other.into()).disposition(), Disposition::RETRY);
    }

    #[test]
    fn a_refusal_does_not_show_the_customers_words() {
        let error = Error::Refused(Notice::new(Code::CampaignUnknown).with("campaign", "secret plan"));
        assert_eq!(error.to_string(), "the import is refused: campaign_unknown");
    }
}
