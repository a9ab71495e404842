use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fault::{Disposition, Fault};
use maud::html;
use runtime::AwsError;
use store::StoreError;
use time::OffsetDateTime;

use crate::{
    limits::TooMany,
    look::Frame,
    operate::Refusal,
    page::Page,
    person::{Person, Reader},
};

/// What a browser is told to wait after a failure of ours.
const RETRY_AFTER_SECONDS: u64 = 5;

/// Why a page cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An operation refused what was asked for. Its words may quote the request, so the log has the code alone.
    #[error("refused: {}", .0.code)]
    Refused(Refusal),
    /// The address leads nowhere.
    #[error("there is no such page")]
    NotFound,
    /// An operation failed, and has said so.
    #[error("an operation failed")]
    Unavailable,
    /// A document of ours is not as it must be.
    #[error("a document of ours is not as it must be")]
    Document,
    /// Queues and texts.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Secrets.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// What a user's row has sealed does not open.
    #[error(transparent)]
    Sealing(#[from] access::SealingError),
    /// Somebody tried too often.
    #[error("too many attempts")]
    TooMany(TooMany),
    /// A computation was cut off, or a handler stands where its request has not what it needs.
    #[error("a computation was cut off")]
    Cut,
}

impl From<TooMany> for ConsoleError {
    fn from(too_many: TooMany) -> Self {
        Self::TooMany(too_many)
    }
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
            Self::Unavailable => Disposition::RETRY,
            Self::Aws(error) => error.disposition(),
            Self::Access(error) => error.disposition(),
            Self::Refused(_)
            | Self::NotFound
            | Self::Document
            | Self::Sealing(_)
            | Self::TooMany(_)
            | Self::Cut => Disposition::Permanent,
        }
    }
}

/// The page for an address that leads nowhere.
pub(crate) async fn not_found(reader: Reader) -> Response {
    page(&reader, StatusCode::NOT_FOUND, "not-found")
}

/// The page for somebody whose role has no right to it.
pub(crate) fn forbidden(reader: &Reader) -> Response {
    page(reader, StatusCode::FORBIDDEN, "forbidden")
}

/// The page for a form that is not of this browser's session, or too old.
pub(crate) fn form_refused(reader: &Reader) -> Response {
    page(reader, StatusCode::FORBIDDEN, "form-refused")
}

/// A page that says one thing.
pub(crate) fn page(reader: &Reader, status: StatusCode, words: &str) -> Response {
    let title = reader.t(&format!("{words}-title"));
    let content = html! { p { (reader.t(&format!("{words}-text"))) } };
    Frame { reader, title: &title }.around(status, &content)
}

/// What a page says in place of what was asked for: made where the person's language is known.
#[derive(Clone)]
struct Failure {
    status: StatusCode,
    /// Of the page, in the catalogues.
    key: &'static str,
    /// What an operation refused.
    refusal: Option<Refusal>,
    /// Until when nothing more is tried.
    until: Option<OffsetDateTime>,
}

impl IntoResponse for ConsoleError {
    fn into_response(self) -> Response {
        let failure = |status, key| Failure { status, key, refusal: None, until: None };
        let failure = match self {
            Self::NotFound => failure(StatusCode::NOT_FOUND, "not-found"),
            Self::Refused(refusal) if refusal.status == 404 => failure(StatusCode::NOT_FOUND, "not-found"),
            Self::Refused(refusal) => {
                let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::CONFLICT);
                Failure { refusal: Some(refusal), ..failure(status, "refused") }
            }
            Self::TooMany(TooMany { words, until }) => {
                Failure { until: Some(until), ..failure(StatusCode::TOO_MANY_REQUESTS, words) }
            }
            Self::Unavailable => failure(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            error => {
                tracing::error!(%error, "page failed");
                failure(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            }
        };
        let mut response = failure.status.into_response();
        response.extensions_mut().insert(failure);
        response
    }
}

/// The page of a failure, for who looks. What the framework refuses by itself (an address or a form that cannot be read) has one, too.
pub(crate) fn in_words(
    mut response: Response,
    reader: &Reader,
    person: Option<&Person>,
    (is_look, now): (bool, OffsetDateTime),
) -> Response {
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let failure = match response.extensions_mut().remove::<Failure>() {
        Some(failure) => failure,
        None if response.status().is_client_error() && !is_page => {
            let (status, key) = if is_look {
                (StatusCode::NOT_FOUND, "not-found")
            } else {
                (StatusCode::BAD_REQUEST, "form-unreadable")
            };
            Failure { status, key, refusal: None, until: None }
        }
        None => return response,
    };
    let title = reader.t(&format!("{}-title", failure.key));
    let seconds = failure.until.map(|until| (until - now).whole_seconds().max(1).unsigned_abs());
    let minutes = seconds.map_or(0, |seconds| seconds.div_ceil(60));
    let text = failure.refusal.map_or_else(
        || {
            let values = [("minutes", i64::try_from(minutes).unwrap_or(i64::MAX).into())];
            reader.t_with(&format!("{}-text", failure.key), &values)
        },
        |refusal| refusal.words(reader),
    );
    let content = html! { p { (text) } };
    let mut page = match person {
        Some(person) => Page::new(person, None, &title).status(failure.status).show(&content),
        None => Frame { reader, title: &title }.around(failure.status, &content),
    };
    if failure.status == StatusCode::SERVICE_UNAVAILABLE {
        page.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    } else if let Some(seconds) = seconds {
        page.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    page
}
