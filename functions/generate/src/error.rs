use fault::{Disposition, Fault};

/// What can go wrong. What is wrong with a launch is written to the launch and is no error here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Postgres.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// A stored row.
    #[error(transparent)]
    Fields(#[from] store::fields::FieldsError),
    /// S3.
    #[error(transparent)]
    Exchange(#[from] exchange::Error),
    /// A queue or a secret.
    #[error(transparent)]
    Aws(#[from] runtime::AwsError),
    /// A spool object.
    #[error(transparent)]
    Spool(#[from] mail::SpoolError),
    /// The sender domain's keys.
    #[error(transparent)]
    Dkim(#[from] mail::DkimError),
    /// The base of our own URLs.
    #[error(transparent)]
    Link(#[from] mail::LinkError),
    /// The template or the sender of a running launch, which were checked at its start.
    #[error("the template of a running launch cannot be used any more")]
    Template,
    /// A secret of a sender domain is not what `admin` writes.
    #[error("the secret of a sender domain is not readable")]
    Secret,
    /// There is no such launch in this campaign.
    #[error("there is no such launch")]
    NoLaunch,
    /// An S3 notification, which nothing sends here.
    #[error("not a message for this queue")]
    NotOurs,
    /// The thread that rendered a slice panicked.
    #[error("rendering was cut off")]
    Rendering,
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
            Self::Dkim(error) => error.disposition(),
            Self::Link(error) => error.disposition(),
            Self::Fields(_) | Self::Template | Self::Secret | Self::NoLaunch | Self::NotOurs => {
                Disposition::Permanent
            }
            Self::Rendering => Disposition::RETRY,
        }
    }
}
