//! What S3 can answer, and what is to be done about it. No error holds a key.

use std::{error::Error as StdError, io};

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use fault::{Code, Disposition, Fault};

/// Why a request for a file failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such object (any more).
    #[error("the object is not there")]
    Missing,
    /// Another content stands under the name than the `ETag` says.
    #[error("the object was overwritten")]
    Changed,
    /// The name is taken, and must not be overwritten.
    #[error("the name is taken")]
    Exists,
    /// More bytes than allowed.
    #[error("more than {max} bytes")]
    TooLarge {
        /// The limit in bytes.
        max: u64,
    },
    /// A bucket name that cannot stand in a policy.
    #[error("the bucket's name is not one that S3 allows")]
    BucketName,
    /// A link that would be valid for longer than S3 allows.
    #[error("a link is valid for a week at most")]
    Lifetime,
    /// Every name that a moved file may get is taken.
    #[error("all numbered names of the file are taken")]
    NamesTaken,
    /// An earlier part of this upload failed already, or the side that reads or writes it has gone.
    #[error("the transfer was broken off")]
    Interrupted,
    /// S3 understood and refused: it would do so again.
    #[error("S3 refused {operation}: {status} {code}")]
    Refused {
        /// The request.
        operation: &'static str,
        /// The HTTP status.
        status: u16,
        /// S3's error code.
        code: String,
    },
    /// S3 or the way to it failed: the same request may succeed later.
    #[error("S3 did not answer {operation}: {reason}")]
    Unavailable {
        /// The request.
        operation: &'static str,
        /// A status with S3's code, or which part of the way failed.
        reason: String,
    },
}

impl Fault for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Unavailable { .. } | Self::Interrupted => Disposition::RETRY,
            Self::Changed => Disposition::Customer(Code::FileChanged.into()),
            Self::Missing
            | Self::Exists
            | Self::TooLarge { .. }
            | Self::BucketName
            | Self::Lifetime
            | Self::NamesTaken
            | Self::Refused { .. } => Disposition::Permanent,
        }
    }
}

/// The typed error inside one that came through `std::io` and whatever parser stood above it.
pub fn error_in<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut current: Option<&'a (dyn StdError + 'static)> = Some(error);
    while let Some(error) = current {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        // `source` of an io::Error is the source of what it wraps; what it wraps is behind `get_ref`.
        current = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Codes of 4xx answers that a later request may not get: the session ran out, or S3 waits for another request on the same key.
const TRANSIENT_CODES: [&str; 7] = [
    "ConditionalRequestConflict",
    "ExpiredToken",
    "NoSuchUpload",
    "OperationAborted",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "SlowDown",
];

/// For `map_err`: an SDK error of the named operation.
pub(crate) fn from_sdk<E>(operation: &'static str) -> impl FnOnce(SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata,
{
    move |error| match &error {
        SdkError::ServiceError(context) => {
            let code = context.err().code().unwrap_or_default();
            classify(operation, context.raw().status().as_u16(), code)
        }
        SdkError::ResponseError(context) => {
            let reason = format!("{} with an unreadable answer", context.raw().status().as_u16());
            Error::Unavailable { operation, reason }
        }
        // The credentials are had while a request is built: STS may be the one that did not answer.
        SdkError::ConstructionFailure(_) => unavailable(operation, "no request or no credentials"),
        SdkError::TimeoutError(_) => unavailable(operation, "timeout"),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => unavailable(operation, "timeout"),
        SdkError::DispatchFailure(failure) if failure.is_io() => unavailable(operation, "no connection"),
        _ => unavailable(operation, "not sent"),
    }
}

fn unavailable(operation: &'static str, reason: &str) -> Error {
    Error::Unavailable { operation, reason: reason.to_owned() }
}

fn classify(operation: &'static str, status: u16, code: &str) -> Error {
    match status {
        _ if TRANSIENT_CODES.contains(&code) => {
            Error::Unavailable { operation, reason: format!("{status} {code}") }
        }
        // HEAD answers have no body and so no code.
        404 if code.is_empty() || code == "NoSuchKey" || code == "NotFound" => Error::Missing,
        412 => Error::Changed,
        429 | 500..=599 => Error::Unavailable { operation, reason: format!("{status} {code}") },
        _ => Error::Refused { operation, status, code: code.to_owned() },
    }
}

/// A body that broke off while it was read.
pub(crate) fn broken_body() -> Error {
    unavailable("GetObject", "the body broke off")
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Missing => io::ErrorKind::NotFound,
            Error::Exists => io::ErrorKind::AlreadyExists,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_classified() {
        let class = |status, code| classify("GetObject", status, code);
        assert!(matches!(class(404, "NoSuchKey"), Error::Missing));
        assert!(matches!(class(404, ""), Error::Missing));
        assert!(matches!(class(404, "NoSuchBucket"), Error::Refused { .. }));
        assert!(matches!(class(412, "PreconditionFailed"), Error::Changed));
        assert!(matches!(class(403, "AccessDenied"), Error::Refused { .. }));
        for (status, code) in [(400, "ExpiredToken"), (503, "SlowDown"), (500, ""), (409, "OperationAborted")]
        {
            assert!(matches!(class(status, code).disposition(), Disposition::Retry { .. }), "{code}");
        }
    }

    #[test]
    fn an_error_is_found_through_io_errors() {
        let wrapped = io::Error::other(io::Error::from(Error::Changed));
        assert!(matches!(error_in(&wrapped), Some(Error::Changed)));
        assert!(error_in(&io::Error::other("something else")).is_none());
    }
}
