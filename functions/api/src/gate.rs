//! What every request passes: its key, the key's scope and limit, and the line in the audit.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    extract::{MatchedPath, RawPathParams, Request, State},
    http::{HeaderValue, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use fault::{Code, Notice};
use runtime::ClientAddress;
use store::audit::Line;
use time::OffsetDateTime;

use crate::{
    Api, ApiError, BODY_BYTES_MAX,
    caller::{Caller, actor, presented},
    keyring::{Rate, Refused},
    once::Once,
    operations::Operation,
};

/// How long an answer waits for its line in the audit. The line is written all the same when the database answers again.
const AUDIT_WAIT: Duration = Duration::from_secs(2);
/// The result of a request that was not refused.
const DONE: &str = "done";
/// A key's limit as `RateLimit-Policy` names it, and how long its window is (draft-ietf-httpapi-ratelimit-headers).
const RATE_WINDOW_SECONDS: u32 = 60;

/// Lets a request through to its operation, with who calls; says what became of it.
pub(crate) async fn gate(
    State(api): State<Arc<Api>>,
    path: Option<MatchedPath>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let now = OffsetDateTime::now_utc();
    let operation = path.and_then(|path| api.operations.find(request.method(), path.as_str()));
    // A method that the path does not take: nobody needs a key to learn that.
    let Some(operation) = operation else { return next.run(request).await };
    let (mut parts, body) = request.into_parts();
    let (caller, rate) = match authenticate(&api, &parts, operation, now).await {
        Ok(passed) => passed,
        Err(error) => return error,
    };
    let response = match admit(&caller, operation, &mut parts, body).await {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    let (subject, result) = (subject(&params, &response), result(&response));
    // What was noted and failed afterwards may have gone with its transaction.
    if result != DONE || !caller.noted.load(Ordering::Relaxed) {
        write(&api, &caller, subject.as_deref(), result).await;
    }
    rated(response, rate)
}

/// The caller, or the refusal.
async fn authenticate(
    api: &Api,
    parts: &Parts,
    operation: &Operation,
    now: OffsetDateTime,
) -> Result<(Caller, Rate), Response> {
    let source = parts.extensions.get::<ClientAddress>().map(|client| client.0);
    let key = presented(&parts.headers).map_err(|code| ApiError::from(code).into_response())?;
    let spent = api.keyring.spend(api.store.pool(), &key, source, now).await;
    match spent.map_err(IntoResponse::into_response)? {
        Ok((key, rate)) => {
            let caller = Caller {
                tenant: key.tenant,
                key,
                action: operation.id.clone(),
                source,
                now,
                once: None,
                noted: Arc::new(AtomicBool::new(false)),
            };
            Ok((caller, rate))
        }
        Err(Refused { key, rate, notice }) => {
            // Who has the secret has made the request; what a stranger sends makes no lines.
            if let Some(key) = key {
                let action = &operation.id;
                let (tenant, actor, result) = (Some(key.tenant), &actor(&key), notice.code.slug());
                api.journal.push(&Line { tenant, actor, action, subject: None, source, bytes: None, result });
                settle(api).await;
            }
            let response = ApiError::from(notice).into_response();
            Err(match rate {
                Some(rate) => rated(response, rate),
                None => response,
            })
        }
    }
}

/// Checks the scope and reads the body; the request as its operation gets it.
async fn admit(
    caller: &Caller,
    operation: &Operation,
    parts: &mut Parts,
    body: Body,
) -> Result<Request, ApiError> {
    if !caller.may(operation.scope) {
        return Err(Notice::new(Code::ScopeMissing).with("scope", operation.scope).into());
    }
    let too_large = || {
        let max = format!("{} MiB", BODY_BYTES_MAX / (1024 * 1024));
        ApiError::from(Notice::new(Code::BodyTooLarge).with("max", max))
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

/// Puts the line into the audit and waits until it stands there, together with those of other requests.
async fn write(api: &Api, caller: &Caller, subject: Option<&str>, result: &str) {
    api.journal.push(&Line {
        tenant: Some(caller.tenant),
        actor: &caller.actor(),
        action: &caller.action,
        subject,
        source: caller.source,
        bytes: None,
        result,
    });
    settle(api).await;
}

/// Waits for the lines that came so far, as long as the database answers.
async fn settle(api: &Api) {
    if tokio::time::timeout(AUDIT_WAIT, api.journal.settled()).await.is_err() {
        tracing::warn!(lines = api.journal.unwritten(), "lines of the audit are not written yet");
    }
}

/// With where the key stands.
fn rated(mut response: Response, rate: Rate) -> Response {
    let headers = response.headers_mut();
    let policy = format!("\"key\";q={};w={RATE_WINDOW_SECONDS}", rate.limit);
    let state = format!("\"key\";r={};t={}", rate.remaining, rate.reset);
    let values = [("ratelimit-policy", policy), ("ratelimit", state)];
    for (name, value) in values {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    if response.extensions().get::<Code>() == Some(&Code::RateLimited) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(rate.reset));
    }
    response
}
