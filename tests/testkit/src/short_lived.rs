//! A cloud whose credentials do not live long: STS of its own in front of the stack's `LocalStack`, which would take any for ever.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, StatusCode, Uri, body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use localstack::Stack;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::net::TcpListener;

use crate::wait;

/// What is said of the credentials' end. Ours are renewed from three minutes to half of that before it: after five seconds at the latest.
const TOLD: Duration = Duration::from_secs(95);
/// The youngest that may be ended: by then whoever believes what was told has renewed them, with time to spare.
const RENEWED: Duration = Duration::from_secs(10);
/// Nothing has come for so long: no request is on its way with what is to be ended.
const QUIET: Duration = Duration::from_secs(5);
const ACCESS_KEY: &str = "SHORTLIVED";

#[derive(Default)]
struct Seen {
    /// Those that are taken.
    issued: HashMap<String, Instant>,
    /// How many there were.
    count: usize,
    last_request: Option<Instant>,
    refused: usize,
    /// Parts that came with each access key.
    parts: HashMap<String, usize>,
}

/// The running server.
#[derive(Clone)]
pub struct ShortLived {
    upstream: Arc<str>,
    client: Client<HttpConnector, Full<Bytes>>,
    seen: Arc<Mutex<Seen>>,
}

impl ShortLived {
    /// Serves on a loopback port until the test ends; its address as an endpoint.
    pub async fn start(stack: &Stack) -> (Self, String) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let cloud = Self {
            upstream: stack.endpoint.trim_start_matches("http://").into(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            seen: Arc::default(),
        };
        let serving = cloud.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let cloud = serving.clone();
                let service = service_fn(move |request| {
                    let cloud = cloud.clone();
                    async move { Ok::<_, Infallible>(cloud.answer(request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(socket), service));
            }
        });
        (cloud, format!("http://{address}"))
    }

    /// Waits until everything that was given out should have been renewed, and refuses it from then on: long before its told end.
    pub async fn end_all(&self) {
        wait::until("a time to end the credentials", async || {
            let mut seen = self.seen.lock().unwrap();
            let renewed = seen.issued.values().all(|issued| issued.elapsed() > RENEWED);
            let quiet = seen.last_request.is_none_or(|last| last.elapsed() > QUIET);
            (renewed && quiet).then(|| seen.issued.clear())
        })
        .await;
    }

    /// How many credentials parts of an upload came with, and how many requests came with those that had ended.
    pub fn used(&self) -> (usize, usize) {
        let seen = self.seen.lock().unwrap();
        (seen.parts.len(), seen.refused)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let header = |name: &str| {
            request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let authorization = header("authorization");
        if authorization.contains("/sts/") && request.method() == Method::POST {
            return self.assume_role();
        }
        let key = authorization.split_once("Credential=").and_then(|(_, rest)| rest.split_once('/'));
        let key = key.map(|(key, _)| key.to_owned()).unwrap_or_default();
        if key.starts_with(ACCESS_KEY) {
            let mut seen = self.seen.lock().unwrap();
            seen.last_request = Some(Instant::now());
            if !seen.issued.contains_key(&key) {
                seen.refused += 1;
                let words = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
                return respond(StatusCode::BAD_REQUEST, words);
            }
            if request.uri().query().is_some_and(|query| query.contains("partNumber=")) {
                *seen.parts.entry(key).or_default() += 1;
            }
        }
        self.forward(request).await
    }

    fn assume_role(&self) -> Response<Full<Bytes>> {
        let mut seen = self.seen.lock().unwrap();
        let key = format!("{ACCESS_KEY}{}", seen.count);
        seen.count += 1;
        seen.issued.insert(key.clone(), Instant::now());
        let end = (OffsetDateTime::now_utc() + TOLD).format(&Rfc3339).unwrap();
        let answer = format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser>\
             <Arn>arn:aws:sts::000000000000:assumed-role/tenant/short</Arn><AssumedRoleId>short:short</AssumedRoleId>\
             </AssumedRoleUser><Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
             <SessionToken>token</SessionToken><Expiration>{end}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        );
        respond(StatusCode::OK, answer)
    }

    async fn forward(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = format!("http://{}{path}", self.upstream).parse::<Uri>().unwrap();
        // The whole body is here: it goes on with its length.
        parts.headers.remove("transfer-encoding");
        let Ok(body) = body.collect().await else { return respond(StatusCode::BAD_REQUEST, "cut") };
        let request = Request::from_parts(parts, Full::new(body.to_bytes()));
        match self.client.request(request).await {
            Ok(answer) => {
                let (mut parts, body) = answer.into_parts();
                parts.headers.remove("transfer-encoding");
                let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                Response::from_parts(parts, Full::new(body))
            }
            Err(_) => respond(StatusCode::BAD_GATEWAY, "no answer"),
        }
    }
}

fn respond(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header("content-type", "text/xml")
        .body(Full::new(body.into()))
        .unwrap()
}
