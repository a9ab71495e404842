//! The few plain HTTP requests of the driver and its sink, all to loopback.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// A whole answer.
pub(crate) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Fetches `http://<authority><path>`; an error in words.
pub(crate) async fn get(authority: &str, path: &str, patience: Duration) -> Result<Answer, String> {
    send(Method::GET, authority, path, &[], Bytes::new(), patience).await
}

/// Posts `body`.
pub(crate) async fn post(
    authority: &str,
    path: &str,
    headers: &[(&str, String)],
    body: Bytes,
    patience: Duration,
) -> Result<Answer, String> {
    send(Method::POST, authority, path, headers, body, patience).await
}

/// Puts `body`.
pub(crate) async fn put(
    authority: &str,
    path: &str,
    headers: &[(&str, String)],
    body: Bytes,
    patience: Duration,
) -> Result<Answer, String> {
    send(Method::PUT, authority, path, headers, body, patience).await
}

async fn send(
    method: Method,
    authority: &str,
    path: &str,
    headers: &[(&str, String)],
    body: Bytes,
    patience: Duration,
) -> Result<Answer, String> {
    let mut request = Request::builder().method(method).uri(format!("http://{authority}{path}"));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
    let exchange = async {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request).await.map_err(|error| describe(&error))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    };
    let timed = tokio::time::timeout(patience, exchange).await;
    timed.unwrap_or_else(|_| Err(format!("no answer within {} s", patience.as_secs())))
}

/// The client's own words are only "client error (Connect)": the reason stands below.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
