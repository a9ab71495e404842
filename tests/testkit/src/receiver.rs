//! A tenant's own HTTPS server, which is told of events, on a loopback address.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use localstack::Stack;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::certificate;

/// Of its certificate.
const NAMES: &str = "IP:127.0.0.1,IP:127.0.0.2,DNS:*.receiver.example";

/// What it answers.
#[derive(Debug, Clone)]
pub enum Answer {
    Status(u16),
    /// 302 to there.
    Redirect(String),
    /// Nothing, as long as the client waits.
    Hang,
}

/// A request that came, whole.
#[derive(Debug, Clone)]
pub struct Told {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Told {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("{name} in {:?}", self.headers)).to_str().unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{}: {error}", self.body))
    }
}

#[derive(Default)]
struct Shared {
    plan: Mutex<VecDeque<Answer>>,
    told: Mutex<Vec<Told>>,
    connections: AtomicUsize,
}

/// A server that runs until it is dropped.
pub struct Receiver {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// At this address, with a certificate of the stack's own root. Answers as planned, and from then on 200.
    pub async fn start(stack: &Stack, address: &str, plan: &[Answer]) -> Self {
        Self::with(Some(&stack.webhook_root), address, plan).await
    }

    /// With a certificate that nobody knows.
    pub async fn unknown(address: &str) -> Self {
        Self::with(None, address, &[]).await
    }

    async fn with(root: Option<&Path>, address: &str, plan: &[Answer]) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared =
            Arc::new(Shared { plan: Mutex::new(plan.iter().cloned().collect()), ..Shared::default() });
        let serving = tokio::spawn(serve(listener, certificate::acceptor(root, NAMES), Arc::clone(&shared)));
        Self { address, shared, serving }
    }

    /// Its address in a URL, by number.
    pub fn url(&self) -> String {
        format!("https://{}/hooks?of=acme", self.address)
    }

    /// All requests so far.
    pub fn told(&self) -> Vec<Told> {
        self.shared.told.lock().unwrap().clone()
    }

    /// All connections so far, those without a request too.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        shared.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(converse(stream, acceptor.clone(), Arc::clone(&shared)));
    }
}

/// A client that breaks off is the test's to see.
async fn converse(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(async |request| Ok::<_, Infallible>(answer(request, &shared).await));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let path = parts.uri.path_and_query().unwrap().to_string();
    shared.told.lock().unwrap().push(Told { path, headers: parts.headers, body });
    let planned = shared.plan.lock().unwrap().pop_front().unwrap_or(Answer::Status(200));
    let response = Response::builder();
    let response = match planned {
        Answer::Status(status) => response.status(status),
        Answer::Redirect(to) => response.status(302).header("location", to),
        Answer::Hang => std::future::pending().await,
    };
    response.body(Full::new(Bytes::from_static(b"thank you"))).unwrap()
}
