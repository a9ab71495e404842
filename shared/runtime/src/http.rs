//! HTTP functions, behind function URLs.

use std::{net::IpAddr, sync::Arc, time::Instant};

use aws_lc_rs::constant_time;
use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, MatchedPath, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use fault::{Code, Disposition, Fault, Notice};
use lambda_http::{RequestExt, request::RequestContext, service_fn};
use serde_json::json;
use time::OffsetDateTime;
use tower::ServiceExt;

use crate::{
    Config,
    schedule::{deadline, guarded, name},
};

/// The address of the client, as the platform saw it: an extension of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// In the one form that limits and rules are by.
    fn of(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }
}

/// The largest request body, unless a route sets its own. Lambda itself takes six megabytes, base64 included.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// What a client is told to wait after a failure of ours.
const RETRY_AFTER_SECONDS: &str = "5";

/// The header by which a proxy of ours proves itself.
const EDGE_HEADER: &str = "x-edge-secret";
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Serves a router. A panic or an overrun answers 503 to that request alone. Where the configuration has an edge's secret, requests that did not come
/// through the edge are answered 403.
pub async fn serve_http(config: &Config, router: Router) -> Result<(), crate::Error> {
    let router = edge(router);
    let secret: Option<Arc<str>> = config.edge_secret().map(Into::into);
    lambda_http::run(service_fn(move |request: lambda_http::Request| {
        let (router, secret) = (router.clone(), secret.clone());
        async move {
            let deadline = request.lambda_context_ref().map_or_else(OffsetDateTime::now_utc, deadline);
            let Ok(client) = client(request.headers(), peer(&request), secret.as_deref()) else {
                return Ok(StatusCode::FORBIDDEN.into_response());
            };
            let mut request = request.map(Body::new);
            request.headers_mut().remove(EDGE_HEADER);
            if let Some(client) = client {
                request.extensions_mut().insert(client);
            }
            Ok::<_, std::convert::Infallible>(answer(router, request, deadline).await)
        }
    }))
    .await
}

/// Who asked the platform, from the event's own context.
fn peer(request: &lambda_http::Request) -> Option<IpAddr> {
    let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else { return None };
    context.http.source_ip.as_deref()?.parse().ok()
}

/// A request that went around the edge.
#[derive(Debug, PartialEq, Eq)]
struct Around;

/// Who asks: the platform's peer, never what a header says that the client could write. Behind an edge the peer is the edge itself, and the client is whom
/// the edge has written last into `X-Forwarded-For`; a platform that adds its own peer behind that does not change who it is.
fn client(
    headers: &HeaderMap,
    peer: Option<IpAddr>,
    secret: Option<&str>,
) -> Result<Option<ClientAddress>, Around> {
    let Some(secret) = secret else { return Ok(peer.map(ClientAddress::of)) };
    let shown = headers.get(EDGE_HEADER).map_or(&[][..], HeaderValue::as_bytes);
    constant_time::verify_slices_are_equal(shown, secret.as_bytes()).map_err(|_| Around)?;
    let written = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok());
    let mut forwarded: Vec<&str> = written.flat_map(|line| line.split(',')).map(str::trim).collect();
    if peer.is_some() && forwarded.last().and_then(|last| last.parse().ok()) == peer {
        forwarded.pop();
    }
    Ok(forwarded.last().and_then(|last| last.parse().ok()).map(ClientAddress::of))
}

fn edge(router: Router) -> Router {
    router.layer(from_fn(log)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

async fn answer(router: Router, request: Request, deadline: OffsetDateTime) -> Response {
    match guarded(router.oneshot(request), deadline).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(broken) => {
            tracing::error!(reason = broken.words(), "request failed");
            problem_of(&Code::Unavailable.into())
        }
    }
}

/// An error as a problem document (RFC 9457). What the client did wrong is told in the catalogue's words; everything else is logged here,
/// once, and answered as 503.
pub fn problem(error: &impl Fault) -> Response {
    match error.disposition() {
        Disposition::Customer(notice) => problem_of(&notice),
        disposition @ (Disposition::Retry { .. } | Disposition::Permanent) => {
            tracing::error!(disposition = name(&disposition), %error, "request failed");
            problem_of(&Code::Unavailable.into())
        }
    }
}

/// A notice as a problem document. Its `type` is the page of its code, relative to the API; the response carries the code as an extension.
pub fn problem_of(notice: &Notice) -> Response {
    let status = StatusCode::from_u16(notice.code.http_status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let body = json!({
        "type": format!("/docs/problems/{}", notice.code),
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": notice.words(),
        "code": notice.code.slug(),
    });
    let content = [(header::CONTENT_TYPE, "application/problem+json")];
    let mut response = (status, content, body.to_string()).into_response();
    response.extensions_mut().insert(notice.code);
    let headers = response.headers_mut();
    match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        _ => {}
    }
    response
}

/// One line a request: the route as it was written in the code, never the path, the query or a header, which hold tokens and names.
async fn log(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let status = response.status().as_u16();
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(%method, route, status, ms, "request");
    response
}

#[cfg(test)]
mod tests {
    use axum::{body::Bytes, routing::post};

    use super::*;

    fn router() -> Router {
        edge(
            Router::new()
                .route("/length", post(async |body: Bytes| body.len().to_string()))
                .route("/panic", post(async || -> StatusCode { panic!("on purpose") })),
        )
    }

    async fn status(path: &str, body: Vec<u8>) -> StatusCode {
        let request = Request::post(path).body(Body::from(body)).unwrap();
        answer(router(), request, OffsetDateTime::now_utc() + time::Duration::seconds(30)).await.status()
    }

    #[derive(Debug, thiserror::Error)]
    #[error("on purpose")]
    struct Wrong(Disposition);

    impl Fault for Wrong {
        fn disposition(&self) -> Disposition {
            self.0.clone()
        }
    }

    #[tokio::test]
    async fn a_client_reads_the_catalogue_and_nothing_else() {
        let notice = Notice::new(Code::CampaignUnknown).with("campaign", "spring");
        let response = problem(&Wrong(Disposition::Customer(notice)));
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&body).unwrap(),
            json!({"type": "/docs/problems/campaign_unknown", "title": "Not Found", "status": 404,
                   "detail": "There is no campaign \"spring\".", "code": "campaign_unknown"})
        );
        for disposition in [Disposition::RETRY, Disposition::Permanent] {
            let response = problem(&Wrong(disposition));
            assert_eq!(response.headers()[header::RETRY_AFTER], RETRY_AFTER_SECONDS);
            let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
            assert!(!String::from_utf8_lossy(&body).contains("purpose"));
        }
        let response = problem(&Wrong(Disposition::Customer(Code::KeyMissing.into())));
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }

    #[test]
    fn behind_an_edge_it_alone_says_who_asks() {
        const SECRET: &str = "a secret";
        let of = |shown: Option<&'static str>, forwarded: &[&'static str], peer: &str, secret| {
            let mut headers = HeaderMap::new();
            if let Some(value) = shown {
                headers.insert(EDGE_HEADER, HeaderValue::from_static(value));
            }
            for value in forwarded {
                headers.append(FORWARDED_FOR, HeaderValue::from_static(value));
            }
            let client = client(&headers, peer.parse().ok(), secret);
            client.map(|client| client.map(|ClientAddress(address)| address.to_string()))
        };
        let is = |address: &str| Ok(Some(address.to_owned()));
        // Without one, headers are anybody's words.
        assert_eq!(of(None, &["192.0.2.1"], "203.0.113.9", None), is("203.0.113.9"));
        assert_eq!(of(None, &[], "::ffff:203.0.113.9", None), is("203.0.113.9"));
        assert_eq!(of(None, &["192.0.2.1"], "", None), Ok(None));
        // With one, whoever goes around it is nobody.
        for shown in [None, Some(""), Some("a secre"), Some("a secret "), Some("another1")] {
            assert_eq!(of(shown, &["192.0.2.1"], "203.0.113.9", Some(SECRET)), Err(Around), "{shown:?}");
        }
        for (forwarded, expected) in [
            (&["192.0.2.1"][..], Some("192.0.2.1")),
            // What the client wrote stands before.
            (&["10.0.0.1, 192.0.2.1"], Some("192.0.2.1")),
            (&["10.0.0.1", "192.0.2.1"], Some("192.0.2.1")),
            (&["10.0.0.1, 192.0.2.1, 203.0.113.9"], Some("192.0.2.1")),
            (&["2001:db8::1"], Some("2001:db8::1")),
            (&["203.0.113.9"], None),
            (&["somebody"], None),
            (&[], None),
        ] {
            let found = of(Some(SECRET), forwarded, "203.0.113.9", Some(SECRET));
            assert_eq!(found, Ok(expected.map(str::to_owned)), "{forwarded:?}");
        }
    }

    #[tokio::test]
    async fn answers_within_the_limits() {
        assert_eq!(status("/length", vec![0; BODY_BYTES_MAX]).await, StatusCode::OK);
        assert_eq!(status("/length", vec![0; BODY_BYTES_MAX + 1]).await, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(status("/panic", Vec::new()).await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status("/nowhere", Vec::new()).await, StatusCode::NOT_FOUND);
    }
}
