//! HTTP functions, behind function URLs.

use std::time::Instant;

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, MatchedPath, Request},
    http::{StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use fault::{Code, Notice};
use lambda_http::{RequestExt, service_fn};
use time::OffsetDateTime;
use tower::ServiceExt;

use crate::schedule::{deadline, guarded};

/// The largest request body, unless a route sets its own. Lambda itself takes six megabytes, base64 included.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// What a client is told to wait after a failure of ours.
const RETRY_AFTER_SECONDS: &str = "5";

/// Serves a router. A panic or an overrun answers 503 to that request alone.
pub async fn serve_http(router: Router) -> Result<(), crate::Error> {
    let router = edge(router);
    lambda_http::run(service_fn(move |request: lambda_http::Request| {
        let router = router.clone();
        async move {
            let deadline = request.lambda_context_ref().map_or_else(OffsetDateTime::now_utc, deadline);
            Ok::<_, std::convert::Infallible>(answer(router, request.map(Body::new), deadline).await)
        }
    }))
    .await
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
            let headers = [(header::RETRY_AFTER, RETRY_AFTER_SECONDS)];
            (StatusCode::SERVICE_UNAVAILABLE, headers, Notice::new(Code::Unavailable).words()).into_response()
        }
    }
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

    #[tokio::test]
    async fn answers_within_the_limits() {
        assert_eq!(status("/length", vec![0; BODY_BYTES_MAX]).await, StatusCode::OK);
        assert_eq!(status("/length", vec![0; BODY_BYTES_MAX + 1]).await, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(status("/panic", Vec::new()).await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status("/nowhere", Vec::new()).await, StatusCode::NOT_FOUND);
    }
}
