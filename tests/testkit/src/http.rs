//! A plain HTTP client: no cookies, no redirects followed.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, StatusCode, Uri};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.status, self.text()))
    }

    /// Panics when it is no success.
    pub fn ok_status(&self) {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
    }

    /// The body of a success; panics with the whole answer otherwise.
    pub fn ok(self) -> serde_json::Value {
        self.ok_status();
        if self.body.is_empty() { serde_json::Value::Null } else { self.json() }
    }
}

#[derive(Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Default for Http {
    fn default() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http() }
    }
}

impl Http {
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let (uri, host) = reached(url);
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(host) = host {
            request = request.header(hyper::header::HOST, host);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let answer =
            self.client.request(request).await.unwrap_or_else(|error| panic!("{method} {url}: {error:?}"));
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, url: &str, user_agent: &str) -> Answer {
        self.send("GET", url, &[("user-agent", user_agent)], "").await
    }
}

/// Where a URL is reached, and the `Host` to name there: names below `localhost`, which not every resolver knows, are loopback's (RFC 6761, 6.3).
fn reached(url: &str) -> (Uri, Option<String>) {
    let uri: Uri = url.parse().unwrap();
    let authority = uri.authority().unwrap();
    if !authority.host().ends_with(".localhost") {
        return (uri, None);
    }
    let local = format!("http://127.0.0.1:{}", authority.port_u16().unwrap());
    (url.replacen(&format!("http://{authority}"), &local, 1).parse().unwrap(), Some(authority.to_string()))
}
