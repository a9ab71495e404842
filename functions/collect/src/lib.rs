//! Opens, clicks and unsubscribes: verifies the token, puts the response on the track queue, answers.
//!
//! No database on this path, so links work while everything behind it is down or deleted. When the queue is down, opens and clicks are
//! answered all the same and counted as lost; an unsubscribe is not confirmed before it is durable. What a request tells of its sender
//! (user agent, address) is judged here, by rules that an operator can change, and goes no further.
#![forbid(unsafe_code)]

mod answer;
mod page;
mod words;

pub use answer::{Answer, Visit};

use std::{sync::Arc, time::Duration};

use access::MasterKey;
use axum::{
    RequestPartsExt, Router,
    extract::{
        Path, Query, Request, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use contract::{Actor, TrackMessage};
use fault::{Disposition, Fault};
use mail::ActorRules;
use runtime::{AwsError, ClientAddress, Clients, Document};
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::time::timeout;

use answer::{is_one_click, message, not_found};

/// How long a reader waits for an image or a page because of us; a queue that is well takes ten milliseconds.
const RESPONSE_WAIT: Duration = Duration::from_secs(1);
/// An unsubscribe may take longer: it must not be lost. Still well within the function's own limit.
const UNSUBSCRIBE_WAIT: Duration = Duration::from_secs(4);
/// The body of RFC 8058 has 26 bytes, as multipart some two hundred.
const BODY_BYTES_MAX: usize = 8 * 1024;

/// What the function keeps between requests.
pub struct Collect {
    /// Derives every tenant's link keys.
    pub master: MasterKey,
    /// Who is a program.
    pub rules: Document<ActorRules>,
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
        .fallback(async || not_found())
        .with_state(Arc::new(collect))
}

type Token = Result<Path<String>, PathRejection>;
type Sealed<T> = Result<Query<T>, QueryRejection>;

async fn open(State(collect): State<Arc<Collect>>, request: Request) -> Response {
    let answer = answer_open(&collect.master, &*collect.rules.current().await, request).await;
    collect.record(answer).await
}

async fn click(State(collect): State<Arc<Collect>>, request: Request) -> Response {
    let answer = answer_click(&collect.master, &*collect.rules.current().await, request).await;
    collect.record(answer).await
}

/// What an open's request comes to. Nothing is sent yet.
pub async fn answer_open(master: &MasterKey, rules: &ActorRules, request: Request) -> Answer {
    let (mut parts, _) = request.into_parts();
    let token = parts.extract().await;
    visit(&parts, &token, "").open(master, rules)
}

/// The final URL of a click, sealed with its token.
#[derive(Deserialize)]
struct Target {
    u: String,
}

/// What a click's request comes to. Nothing is sent yet.
pub async fn answer_click(master: &MasterKey, rules: &ActorRules, request: Request) -> Answer {
    let (mut parts, _) = request.into_parts();
    let token = parts.extract().await;
    let target: Sealed<Target> = parts.extract().await;
    let url = target.as_ref().map_or("", |Query(target)| &target.u);
    visit(&parts, &token, url).click(master, rules)
}

/// The imprint of an unsubscribe, sealed with its token. Links of older mails have none.
#[derive(Deserialize)]
struct Signed {
    #[serde(default)]
    s: String,
}

/// Scanners follow every link, so a GET asks and does nothing.
async fn ask(State(collect): State<Arc<Collect>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let token = parts.extract().await;
    let signed: Sealed<Signed> = parts.extract().await;
    let imprint = signed.as_ref().map_or("", |Query(signed)| &signed.s);
    let found = visit(&parts, &token, imprint).unsubscribe(&collect.master);
    found.map_or_else(not_found, |(_, page)| page.ask())
}

/// RFC 8058: the mailbox provider's one click, and our own page's button.
async fn unsubscribe(State(collect): State<Arc<Collect>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let token = parts.extract().await;
    let signed: Sealed<Signed> = parts.extract().await;
    let imprint = signed.as_ref().map_or("", |Query(signed)| &signed.s);
    let visit = visit(&parts, &token, imprint);
    let Some((claim, page)) = visit.unsubscribe(&collect.master) else { return not_found() };
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await;
    if !body.is_ok_and(|body| is_one_click(&body)) {
        return (StatusCode::BAD_REQUEST, "The body must be List-Unsubscribe=One-Click.\n").into_response();
    }
    // Whatever made the request, a person wanted it: a form is not sent by following links.
    let Some(message) = message(claim, Actor::Human, visit.at) else { return not_found() };
    match collect.emit(&message, UNSUBSCRIBE_WAIT).await {
        Ok(()) => page.done(),
        Err(error) => {
            tracing::error!(tenant = claim.tenant.0, %error, "unsubscribe not taken");
            page.unavailable()
        }
    }
}

fn visit<'r>(parts: &'r Parts, token: &'r Token, sealed: &'r str) -> Visit<'r> {
    Visit {
        method: &parts.method,
        headers: &parts.headers,
        address: parts.extensions.get().map(|ClientAddress(address)| *address),
        token: token.as_ref().map_or("", |Path(token)| token),
        sealed,
        at: OffsetDateTime::now_utc(),
    }
}

impl Collect {
    /// An open or a click is answered whether it could be recorded or not.
    async fn record(&self, Answer { response, message }: Answer) -> Response {
        if let Some(message) = message
            && let Err(error) = self.emit(&message, RESPONSE_WAIT).await
        {
            let TrackMessage::Response { tenant, .. } = message;
            tracing::warn!(responses_lost = 1, tenant = tenant.0, %error, "response lost");
        }
        response
    }

    async fn emit(&self, message: &TrackMessage, wait: Duration) -> Result<(), CollectError> {
        let TrackMessage::Response { tenant, .. } = message;
        let sent = self.clients.send_json(&self.track_queue_url, *tenant, message);
        Ok(timeout(wait, sent).await.map_err(|_| CollectError::Timeout)??)
    }
}

#[cfg(test)]
mod tests;
