//! What every request passes first: its key, and the key's limit.

use std::sync::Arc;

use access::ApiKey;
use axum::{
    extract::{MatchedPath, RawPathParams, Request, State},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use fault::Code;
use operations::{Identity, Operation, OperationError, note_refused, pass};
use runtime::ClientAddress;
use time::OffsetDateTime;

use crate::{
    Api,
    keyring::{Key, Rate, Refused},
};

/// A key's limit as `RateLimit-Policy` names it, and how long its window is (draft-ietf-httpapi-ratelimit-headers).
const RATE_WINDOW_SECONDS: u32 = 60;

/// Lets a request through to its operation, with who calls.
pub(crate) async fn gate(
    State(api): State<Arc<Api>>,
    path: Option<MatchedPath>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let now = OffsetDateTime::now_utc();
    let operation = path.and_then(|path| api.index.find(request.method(), path.as_str()));
    // A method that the path does not take: nobody needs a key to learn that.
    let Some(operation) = operation else { return next.run(request).await };
    let (parts, body) = request.into_parts();
    let (identity, rate) = match authenticate(&api, &parts, operation, now).await {
        Ok(passed) => passed,
        Err(error) => return error,
    };
    rated(pass(&api.services, identity, operation, now, (params, parts, body), next).await, rate)
}

/// Who calls, or the refusal.
async fn authenticate(
    api: &Api,
    parts: &Parts,
    operation: &Operation,
    now: OffsetDateTime,
) -> Result<(Identity, Rate), Response> {
    let source = parts.extensions.get::<ClientAddress>().map(|client| client.0);
    let presented = presented(&parts.headers).map_err(|code| OperationError::from(code).into_response())?;
    let identity = |key: &Key| Identity {
        tenant: key.tenant,
        bucket: key.bucket.as_str().into(),
        actor: format!("api key {}", key.prefix).into(),
        scopes: key.scopes.as_slice().into(),
        source,
        notes_looks: true,
    };
    let spent = api.keyring.spend(api.services.store.pool(), &presented, source, now).await;
    match spent.map_err(|error| OperationError::from(error).into_response())? {
        Ok((key, rate)) => Ok((identity(&key), rate)),
        Err(Refused { key, rate, notice }) => {
            // Who has the secret has made the request; what a stranger sends makes no lines.
            if let Some(key) = key {
                note_refused(&api.services, &identity(&key), operation, notice.code).await;
            }
            let response = OperationError::from(notice).into_response();
            Err(match rate {
                Some(rate) => rated(response, rate),
                None => response,
            })
        }
    }
}

/// The key that a request presents.
fn presented(headers: &HeaderMap) -> Result<ApiKey, Code> {
    let value = headers.get(header::AUTHORIZATION).ok_or(Code::KeyMissing)?;
    let (scheme, key) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Code::KeyMissing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Code::KeyMissing);
    }
    ApiKey::parse(key.trim()).ok_or(Code::KeyInvalid)
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

#[cfg(test)]
mod tests {
    use access::NewApiKey;

    use super::*;

    fn code(value: Option<&str>) -> Option<Code> {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        presented(&headers).err()
    }

    #[test]
    fn a_key_is_a_bearer_token() {
        let key = NewApiKey::generate().unwrap().text;
        assert_eq!(code(Some(&format!("Bearer {key}"))), None);
        assert_eq!(code(Some(&format!("bearer  {key} "))), None);
        assert_eq!(code(None), Some(Code::KeyMissing));
        assert_eq!(code(Some(&format!("Basic {key}"))), Some(Code::KeyMissing));
        assert_eq!(code(Some(&key)), Some(Code::KeyMissing));
        assert_eq!(code(Some("Bearer something")), Some(Code::KeyInvalid));
    }
}
