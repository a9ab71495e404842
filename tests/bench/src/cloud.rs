//! As much of S3, STS and Secrets Manager as one import meets, from memory and as fast as a socket: what is measured is the function, not its cloud.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as HttpBody, Frame, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{Result, import::Table, s3::ASSUMED_ROLE};

const LAST_MODIFIED: &str = "Mon, 23 Nov 2026 12:00:00 GMT";
const NO_SUCH_KEY: &str = "<Error><Code>NoSuchKey</Code></Error>";

/// Serves on a loopback port until the process ends.
pub async fn serve<A, F, B>(answer: A) -> Result<SocketAddr>
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: HttpBody<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answered = answer(request);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            let _ = socket.set_nodelay(true);
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    Ok(address)
}

/// Objects by path, `/bucket/key`.
#[derive(Clone, Default)]
pub struct Cloud {
    objects: Arc<Mutex<HashMap<String, Object>>>,
    secrets: Arc<Mutex<HashMap<String, String>>>,
}

/// What an object holds.
#[derive(Clone)]
pub enum Content {
    /// In memory.
    Whole(Bytes),
    /// Made while it is sent.
    Made { table: Table, bytes: usize },
}

impl Content {
    /// Of a table that is too long for the memory.
    pub fn made(table: Table) -> Self {
        Self::Made { bytes: table.bytes(), table }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Made { bytes, .. } => *bytes,
        }
    }

    fn body(self) -> Body {
        match self {
            Self::Whole(bytes) => Full::new(bytes).boxed_unsync(),
            Self::Made { table, .. } => {
                StreamBody::new(stream::iter(table.map(|piece| Ok(Frame::data(piece))))).boxed_unsync()
            }
        }
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

#[derive(Clone)]
struct Object {
    content: Content,
    source: Option<String>,
}

impl Object {
    fn etag(&self) -> String {
        format!("\"{:x}\"", self.content.bytes())
    }
}

impl Cloud {
    /// Serves until the process ends.
    pub async fn start(&self) -> Result<SocketAddr> {
        let cloud = self.clone();
        serve(move |request| {
            let cloud = cloud.clone();
            async move { cloud.answer(request).await }
        })
        .await
    }

    /// Puts an object; its `ETag`, without quotes.
    pub fn put(&self, path: &str, content: Content) -> String {
        let object = Object { content, source: None };
        let etag = object.etag().trim_matches('"').to_owned();
        self.with(|objects| objects.insert(path.to_owned(), object));
        etag
    }

    /// Puts a secret.
    pub fn put_secret(&self, name: &str, secret: String) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), secret);
    }

    /// Forgets all objects.
    pub fn clear(&self) {
        self.with(HashMap::clear);
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, Object>) -> T) -> T {
        work(&mut self.objects.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let text =
            |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (copied, source) = (text("x-amz-copy-source"), text("x-amz-meta-broadcast-source"));
        let query = request.uri().query().unwrap_or_default();
        if request.method() != Method::GET && (query.contains("uploads") || query.contains("uploadId=")) {
            return self.copy_by_parts(path, copied.as_deref(), query.contains("uploadId="), source);
        }
        match (request.method().clone(), copied) {
            (Method::GET | Method::HEAD, _) => self.get(&path),
            (Method::PUT, Some(from)) => {
                self.copy(&format!("/{}", from.trim_start_matches('/')), path, source)
            }
            (Method::PUT, None) => {
                let content = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
                let etag = self.put(&path, Content::Whole(content.unwrap_or_default()));
                respond(Response::builder().header(header::ETAG, format!("\"{etag}\"")), Bytes::new())
            }
            (Method::DELETE, _) => {
                self.with(|objects| objects.remove(&path));
                respond(Response::builder().status(StatusCode::NO_CONTENT), Bytes::new())
            }
            (Method::POST, _) if text("x-amz-target").is_some() => self.secret(request).await,
            (Method::POST, _) if path == "/" => {
                respond(Response::builder().header(header::CONTENT_TYPE, "text/xml"), ASSUMED_ROLE.into())
            }
            _ => respond(Response::builder().status(StatusCode::NOT_IMPLEMENTED), Bytes::new()),
        }
    }

    async fn secret(&self, request: Request<Incoming>) -> Response<Body> {
        let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
        let asked: Value = serde_json::from_slice(&body.unwrap_or_default()).unwrap_or_default();
        let name = asked["SecretId"].as_str().unwrap_or_default();
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = Response::builder().header(header::CONTENT_TYPE, "application/x-amz-json-1.1");
        match secrets.get(name) {
            Some(secret) => respond(answer, json!({ "SecretString": secret }).to_string().into()),
            None => respond(answer.status(StatusCode::BAD_REQUEST), Bytes::new()),
        }
    }

    fn get(&self, path: &str) -> Response<Body> {
        let Some(object) = self.with(|objects| objects.get(path).cloned()) else {
            return respond(Response::builder().status(StatusCode::NOT_FOUND), NO_SUCH_KEY.into());
        };
        let mut answer = Response::builder()
            .header(header::ETAG, object.etag())
            .header(header::CONTENT_LENGTH, object.content.bytes())
            .header(header::LAST_MODIFIED, LAST_MODIFIED);
        if let Some(source) = object.source {
            answer = answer.header("x-amz-meta-broadcast-source", source);
        }
        answer.body(object.content.body()).unwrap_or_default()
    }

    /// A copy of what is too large for one request. Every part stands for the whole, until it is complete under another name.
    fn copy_by_parts(
        &self,
        path: String,
        from: Option<&str>,
        begun: bool,
        source: Option<String>,
    ) -> Response<Body> {
        let pending = format!("{path}?parts");
        let xml = match from {
            None if !begun => {
                self.with(|objects| {
                    objects.insert(pending, Object { content: Content::Whole(Bytes::new()), source })
                });
                "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
                    .to_owned()
            }
            None => {
                let complete = self.with(|objects| {
                    let object = objects.remove(&pending)?;
                    objects.insert(path, object.clone());
                    Some(object)
                });
                let etag = complete.map(|object| object.etag()).unwrap_or_default();
                format!("<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>")
            }
            Some(from) => {
                self.with(|objects| {
                    let content = objects.get(&format!("/{}", from.trim_start_matches('/')))?.content.clone();
                    objects.get_mut(&pending)?.content = content;
                    Some(())
                });
                "<CopyPartResult><ETag>\"part\"</ETag></CopyPartResult>".to_owned()
            }
        };
        respond(Response::builder(), xml.into())
    }

    fn copy(&self, from: &str, to: String, source: Option<String>) -> Response<Body> {
        let Some(object) = self.with(|objects| objects.get(from).cloned()) else {
            return respond(Response::builder().status(StatusCode::NOT_FOUND), NO_SUCH_KEY.into());
        };
        let xml = format!("<CopyObjectResult><ETag>{}</ETag></CopyObjectResult>", object.etag());
        self.with(|objects| objects.insert(to, Object { source, ..object }));
        respond(Response::builder(), xml.into())
    }
}

fn respond(answer: hyper::http::response::Builder, body: Bytes) -> Response<Body> {
    answer.body(Full::new(body).boxed_unsync()).unwrap_or_default()
}
