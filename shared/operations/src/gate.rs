//! What every request passes behind its authentication: the scope, the body's size, and the line in the audit.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use access::Scope;
use axum::{
    body::{Body, to_bytes},
    extract::{MatchedPath, RawPathParams, Request, State},
    http::{Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use fault::{Code, Notice};
use store::audit::Line;
use time::OffsetDateTime;

use crate::{
    BODY_BYTES_MAX, Identity, Index, Operation, OperationError, Services, caller::Caller, description,
    once::Once,
};

/// How long an answer waits for its line in the audit. The line is written all the same when the database answers again.
const AUDIT_WAIT: Duration = Duration::from_secs(2);
/// The result of a request that was not refused.
const DONE: &str = "done";

/// Lets a request through to its operation, with who asks; says what became of it.
pub async fn pass(
    services: &Services,
    identity: Identity,
    operation: &Operation,
    now: OffsetDateTime,
    (params, mut parts, body): (RawPathParams, Parts, Body),
    next: Next,
) -> Response {
    let caller = Caller {
        tenant: identity.tenant,
        identity,
        action: operation.id.clone(),
        now,
        once: None,
        noted: Arc::new(AtomicBool::new(false)),
    };
    let is_noted = caller.identity.notes_looks || !parts.method.is_safe() || concerns_people(operation.scope);
    let response = match admit(&caller, operation, &mut parts, body).await {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    let (subject, result) = (subject(&params, &response), result(&response));
    // What was noted and failed afterwards may have gone with its transaction.
    if result != DONE || (is_noted && !caller.noted.load(Ordering::Relaxed)) {
        write(services, &caller.identity, &caller.action, subject.as_deref(), result).await;
    }
    response
}

/// Whether a look with this scope is one at people.
const fn concerns_people(scope: Scope) -> bool {
    matches!(scope, Scope::RecipientsRead | Scope::FilesRead | Scope::SuppressionsRead)
}

/// Notes that somebody who is known was refused before an operation was reached.
pub async fn note_refused(services: &Services, identity: &Identity, operation: &Operation, code: Code) {
    write(services, identity, &operation.id, None, code.slug()).await;
}

/// Checks the scope and reads the body; the request as its operation gets it.
async fn admit(
    caller: &Caller,
    operation: &Operation,
    parts: &mut Parts,
    body: Body,
) -> Result<Request, OperationError> {
    if !caller.may(operation.scope) {
        return Err(Notice::new(Code::ScopeMissing).with("scope", operation.scope).into());
    }
    let too_large = || {
        let max = format!("{} MiB", BODY_BYTES_MAX / (1024 * 1024));
        OperationError::from(Notice::new(Code::BodyTooLarge).with("max", max))
    };
    let body = to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| too_large())?;
    let mut caller = caller.clone();
    if parts.method == Method::POST {
        caller.once = Once::read(&parts.headers, "POST", parts.uri.path(), &body)?;
    }
    parts.extensions.insert(caller);
    Ok(Request::from_parts(parts.clone(), Body::from(body)))
}

/// What a request was about: what it made, or the ids in its path.
fn subject(params: &RawPathParams, response: &Response) -> Option<String> {
    let made = response.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
    let made = made.and_then(|place| place.rsplit('/').next()).map(str::to_owned);
    let named = || params.iter().map(|(_, value)| value).collect::<Vec<_>>().join("/");
    made.or_else(|| Some(named()).filter(|named| !named.is_empty()))
}

/// [`DONE`], or the code of the problem.
fn result(response: &Response) -> &'static str {
    response.extensions().get::<Code>().map_or(DONE, |code| code.slug())
}

/// Puts the line into the audit and waits until it stands there, together with those of other requests, as long as the database answers.
async fn write(services: &Services, identity: &Identity, action: &str, subject: Option<&str>, result: &str) {
    let journal = &services.journal;
    journal.push(&Line {
        tenant: Some(identity.tenant),
        actor: &identity.actor,
        action,
        subject,
        source: identity.source,
        bytes: None,
        result,
    });
    if tokio::time::timeout(AUDIT_WAIT, journal.settled()).await.is_err() {
        tracing::warn!(lines = journal.unwritten(), "lines of the audit are not written yet");
    }
}

/// The gate of requests that come with their [`Identity`].
pub(crate) struct Known {
    services: Arc<Services>,
    index: Index,
}

impl Known {
    pub(crate) fn new(services: Arc<Services>) -> Self {
        let description = serde_json::to_value(description()).unwrap_or_default();
        Self { services, index: Index::read(&description) }
    }
}

pub(crate) async fn known(
    State(known): State<Arc<Known>>,
    path: Option<MatchedPath>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let operation = path.and_then(|path| known.index.find(request.method(), path.as_str()));
    let (mut parts, body) = request.into_parts();
    let (Some(operation), Some(identity)) = (operation, parts.extensions.remove::<Identity>()) else {
        return OperationError::from(Code::NotFound).into_response();
    };
    let now = OffsetDateTime::now_utc();
    pass(&known.services, identity, operation, now, (params, parts, body), next).await
}
