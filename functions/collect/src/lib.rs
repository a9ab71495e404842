//! Opens, clicks and unsubscribes: verifies the token, puts the response on the track queue, answers.
//!
//! No database on this path, so links work while everything behind it is down or deleted. When the queue is down, opens and clicks are
//! answered all the same and counted as lost; an unsubscribe is not confirmed before it is durable. What a request tells of its sender
//! (user agent, address) is judged here and goes no further.
#![forbid(unsafe_code)]

mod page;

use std::{sync::Arc, time::Duration};

use access::{MasterKey, Purpose};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use contract::{Actor, ResponseKind, TrackMessage};
use fault::{Disposition, Fault};
use mail::{Claim, Kind, TokenError};
use page::Language;
use runtime::{AwsError, Clients};
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::time::timeout;
use uuid::Uuid;

/// How long a reader waits for an image or a page because of us; a queue that is well takes ten milliseconds.
const RESPONSE_WAIT: Duration = Duration::from_secs(1);
/// An unsubscribe may take longer: it must not be lost. Still well within the function's own limit.
const UNSUBSCRIBE_WAIT: Duration = Duration::from_secs(4);
/// The body of RFC 8058 has 26 bytes, as multipart some two hundred.
const BODY_BYTES_MAX: usize = 8 * 1024;
/// One transparent pixel.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// What the function keeps between requests.
pub struct Collect {
    /// Derives every tenant's link keys.
    pub master: MasterKey,
    /// For the queue.
    pub clients: Clients,
    /// Where responses go.
    pub track_queue_url: String,
}

/// Why a response is not on the queue.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The queue refused it.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The queue did not answer in time. It may have the message all the same: track stores an event once.
    #[error("the track queue did not answer in time")]
    Timeout,
}

impl Fault for CollectError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Aws(error) => error.disposition(),
            Self::Timeout => Disposition::RETRY,
        }
    }
}

/// The routes.
pub fn router(collect: Collect) -> Router {
    Router::new()
        .route("/o/{token}", get(open))
        .route("/c/{token}", get(click))
        .route("/u/{token}", get(ask).post(unsubscribe))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .fallback(async || not_found())
        .with_state(Arc::new(collect))
}

type Token = Result<Path<String>, PathRejection>;

async fn open(
    State(collect): State<Arc<Collect>>,
    method: Method,
    headers: HeaderMap,
    token: Token,
) -> Response {
    let Ok(claim @ Claim { kind: Kind::Open, .. }) = collect.claim(&token) else { return not_found() };
    collect.record(&method, &headers, claim).await;
    ([(header::CONTENT_TYPE, "image/gif"), (header::CACHE_CONTROL, "no-store, private")], PIXEL)
        .into_response()
}

/// The final URL of a click, sealed with its token.
#[derive(Deserialize)]
struct Target {
    u: String,
}

async fn click(
    State(collect): State<Arc<Collect>>,
    method: Method,
    headers: HeaderMap,
    token: Token,
    target: Result<Query<Target>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let (Ok(Path(token)), Ok(Query(Target { u }))) = (token, target) else { return not_found() };
    let claim = mail::peek(&token).and_then(|token| token.verify_click(&collect.key(&token), &u));
    let (Ok(claim), Ok(location)) = (claim, HeaderValue::from_str(&u)) else { return not_found() };
    collect.record(&method, &headers, claim).await;
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store, private")),
        // Our URL must not reach the site behind it: whoever has it can make it count again.
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::FOUND, headers).into_response()
}

/// Scanners follow every link, so a GET asks and does nothing.
async fn ask(State(collect): State<Arc<Collect>>, headers: HeaderMap, token: Token) -> Response {
    match collect.claim(&token) {
        Ok(Claim { kind: Kind::Unsubscribe { .. }, .. }) => page::ask(language(&headers)),
        _ => not_found(),
    }
}

/// RFC 8058: the mailbox provider's one click, and our own page's button.
async fn unsubscribe(
    State(collect): State<Arc<Collect>>,
    headers: HeaderMap,
    token: Token,
    body: Bytes,
) -> Response {
    let Ok(claim @ Claim { kind: Kind::Unsubscribe { .. }, .. }) = collect.claim(&token) else {
        return not_found();
    };
    if !is_one_click(&body) {
        return (StatusCode::BAD_REQUEST, "The body must be List-Unsubscribe=One-Click.\n").into_response();
    }
    // Whatever made the request, a person wanted it: a form is not sent by following links.
    match collect.emit(claim, Actor::Human, UNSUBSCRIBE_WAIT).await {
        Ok(()) => page::done(language(&headers)),
        Err(error) => {
            tracing::error!(tenant = claim.tenant.0, %error, "unsubscribe not taken");
            page::unavailable(language(&headers))
        }
    }
}

impl Collect {
    fn key(&self, token: &mail::Unverified) -> [u8; 32] {
        self.master.derive(token.tenant(), Purpose::Links, token.key_id())
    }

    fn claim(&self, token: &Token) -> Result<Claim, TokenError> {
        let token = mail::peek(token.as_deref().map_err(|_| TokenError::Malformed)?)?;
        token.verify(&self.key(&token))
    }

    /// An open or a click. A HEAD looks at nothing, so it is none.
    async fn record(&self, method: &Method, headers: &HeaderMap, claim: Claim) {
        if method != Method::GET {
            return;
        }
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let actor = mail::judge(method.as_str(), agent);
        if let Err(error) = self.emit(claim, actor, RESPONSE_WAIT).await {
            tracing::warn!(responses_lost = 1, tenant = claim.tenant.0, %error, "response lost");
        }
    }

    async fn emit(&self, claim: Claim, actor: Actor, wait: Duration) -> Result<(), CollectError> {
        let Some(message) = message(claim, actor, Uuid::now_v7(), OffsetDateTime::now_utc()) else {
            return Ok(());
        };
        let sent = self.clients.send_json(&self.track_queue_url, claim.tenant, &message);
        Ok(timeout(wait, sent).await.map_err(|_| CollectError::Timeout)??)
    }
}

/// `None` for a return path, which no request has.
fn message(claim: Claim, actor: Actor, event: Uuid, at: OffsetDateTime) -> Option<TrackMessage> {
    let (kind, link, address_key) = match claim.kind {
        Kind::Open => (ResponseKind::Opened, None, None),
        Kind::Click { link } => (ResponseKind::Clicked, i32::try_from(link).ok(), None),
        Kind::Unsubscribe { address_key } => (ResponseKind::Unsubscribed, None, Some(address_key.to_hex())),
        Kind::Return => return None,
    };
    let Claim { tenant, campaign, mail, .. } = claim;
    Some(TrackMessage::Response { event, at, tenant, campaign, mail, kind, link, actor, address_key })
}

/// RFC 8058, 3.2: form data, urlencoded or multipart.
fn is_one_click(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body);
    let urlencoded = body.split('&').any(|pair| pair.trim() == "List-Unsubscribe=One-Click");
    let multipart =
        body.split_once("name=\"List-Unsubscribe\"").or_else(|| body.split_once("name=List-Unsubscribe"));
    let multipart = multipart.and_then(|(_, rest)| rest.split_once("\r\n\r\n"));
    urlencoded || multipart.is_some_and(|(_, value)| value.lines().next() == Some("One-Click"))
}

fn language(headers: &HeaderMap) -> Language {
    Language::of(
        headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default(),
    )
}

/// The same for every token that is not ours, whatever is wrong with it.
fn not_found() -> Response {
    (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, "no-store")], "Not found.\n").into_response()
}

#[cfg(test)]
mod tests;
