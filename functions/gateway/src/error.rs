//! What keeps the gateway from running, or a connection from going on.

use fault::{Disposition, Fault};

/// The gateway's own errors. What a client does wrong is answered to it and is none.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The secret of the host keys does not hold what it should.
    #[error("the host keys: {0}")]
    HostKey(&'static str),
    /// The SSH protocol was broken, or the connection.
    #[error("SSH: {0}")]
    Ssh(#[from] russh::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// S3.
    #[error(transparent)]
    Exchange(#[from] exchange::Error),
    /// The tail of an unfinished upload could not be sealed, or is not what was sealed.
    #[error(transparent)]
    Sealing(#[from] access::SealingError),
    /// A task ended by itself.
    #[error("a task of the gateway broke off")]
    Task,
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Fault for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::HostKey(_) | Self::Sealing(_) => Disposition::Permanent,
            Self::Ssh(_) | Self::Task => Disposition::RETRY,
            Self::Store(error) => error.disposition(),
            Self::Exchange(error) => error.disposition(),
        }
    }
}
