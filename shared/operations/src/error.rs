use axum::response::{IntoResponse, Response};
use fault::{Code, Disposition, Fault, Notice};
use store::StoreError;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The client's doing. What it reads may quote the request, so the log has the code alone.
    #[error("refused: {}", .0.code)]
    Refused(Notice),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// S3.
    #[error(transparent)]
    Exchange(#[from] exchange::Error),
    /// Queues.
    #[error(transparent)]
    Aws(#[from] runtime::AwsError),
    /// The template.
    #[error(transparent)]
    Template(#[from] mail::TemplateError),
    /// The fields of a stored recipient.
    #[error(transparent)]
    Fields(#[from] store::fields::FieldsError),
    /// A kept answer could not be sealed or opened.
    #[error(transparent)]
    Sealing(#[from] access::SealingError),
    /// A new secret could not be made.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// A key that was handed in.
    #[error(transparent)]
    OpenPgp(#[from] openpgp::Error),
    /// A document of ours cannot be written, or a stored one not be read.
    #[error("a document of ours is not as it must be")]
    Document,
    /// A computation was cut off.
    #[error("a computation was cut off")]
    Cut,
}

impl From<Code> for OperationError {
    fn from(code: Code) -> Self {
        Self::Refused(code.into())
    }
}

impl From<Notice> for OperationError {
    fn from(notice: Notice) -> Self {
        Self::Refused(notice)
    }
}

impl From<sqlx::Error> for OperationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Fault for OperationError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Refused(notice) => Disposition::Customer(notice.clone()),
            Self::Store(error) => error.disposition(),
            Self::Exchange(error) => error.disposition(),
            Self::Aws(error) => error.disposition(),
            Self::Template(error) => error.disposition(),
            Self::Sealing(_) | Self::Fields(_) | Self::Document => Disposition::Permanent,
            Self::Access(error) => error.disposition(),
            Self::OpenPgp(error) => error.disposition(),
            Self::Cut => Disposition::RETRY,
        }
    }
}

impl IntoResponse for OperationError {
    fn into_response(self) -> Response {
        runtime::problem(&self)
    }
}
