use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use fault::{Disposition, Fault};
use maud::html;
use store::StoreError;

use crate::{look::Frame, operate::Refusal, person::Reader};

/// Why a page cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An operation refused what was asked for. Its words may quote the request, so the log has the code alone.
    #[error("refused: {}", .0.code)]
    Refused(Refusal),
    /// An operation failed, and has said so.
    #[error("an operation failed")]
    Unavailable,
    /// A document of ours is not as it must be.
    #[error("a document of ours is not as it must be")]
    Document,
}

impl From<sqlx::Error> for ConsoleError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Fault for ConsoleError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Store(error) => error.disposition(),
            Self::Refused(_) | Self::Document => Disposition::Permanent,
            Self::Unavailable => Disposition::RETRY,
        }
    }
}

/// The page for an address that leads nowhere.
pub(crate) async fn not_found(reader: Reader) -> Response {
    page(&reader, StatusCode::NOT_FOUND, "not-found")
}

fn page(reader: &Reader, status: StatusCode, words: &str) -> Response {
    let title = reader.t(&format!("{words}-title"));
    let content = html! { p { (reader.t(&format!("{words}-text"))) } };
    Frame { reader, title: &title }.around(status, &content)
}

impl IntoResponse for ConsoleError {
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "page failed");
        let mut response = page(&Reader::stranger(""), StatusCode::SERVICE_UNAVAILABLE, "unavailable");
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
        response
    }
}
