//! Clients over HTTP/1.1 that each ask again as soon as they are answered, for a while.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

use crate::Result;

/// How many there are, each with a connection of its own.
const CLIENTS: u32 = 32;
/// What is measured, after as long as everything takes to be warm.
const SECONDS: Duration = Duration::from_secs(5);
const WARM_UP: Duration = Duration::from_secs(1);

/// What one client asks for.
pub struct Question {
    /// Of its URL.
    pub path: String,
    /// Beside `host`.
    pub headers: Vec<(&'static str, String)>,
    /// How a right answer's body looks; its status is 200.
    pub is_answer: fn(&[u8]) -> bool,
}

/// What all of them saw.
pub struct Seen {
    /// Answers.
    pub count: f64,
    /// Answers in a second.
    pub rate: f64,
    /// Of a hundred answers one took longer.
    pub p99_ms: f64,
    /// By how much the meter moved meanwhile.
    pub metered: f64,
}

/// Loads the server and measures.
pub async fn load(
    address: SocketAddr,
    question: impl Fn(u32) -> Question,
    meter: impl Fn() -> Result<f64>,
) -> Result<Seen> {
    let mut clients = JoinSet::new();
    let begun = Instant::now();
    let (from, to) = (begun + WARM_UP, begun + WARM_UP + SECONDS);
    for number in 0..CLIENTS {
        let question = question(number);
        clients.spawn(async move { ask(address, &question, from, to).await });
    }
    tokio::time::sleep_until(from.into()).await;
    let before = meter()?;
    tokio::time::sleep_until(to.into()).await;
    let metered = meter()? - before;
    let mut latencies = Vec::new();
    while let Some(client) = clients.join_next().await {
        latencies.extend(client??);
    }
    latencies.sort_unstable();
    let count = f64::from(u32::try_from(latencies.len())?);
    let p99 = latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default();
    Ok(Seen { count, rate: count / SECONDS.as_secs_f64(), p99_ms: p99.as_secs_f64() * 1e3, metered })
}

async fn ask(address: SocketAddr, question: &Question, from: Instant, to: Instant) -> Result<Vec<Duration>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut latencies = Vec::new();
    loop {
        let begun = Instant::now();
        if begun >= to {
            return Ok(latencies);
        }
        let mut request = Request::get(&question.path).header("host", "localhost");
        for (name, value) in &question.headers {
            request = request.header(*name, value);
        }
        let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK || !(question.is_answer)(&body) {
            return Err(format!("{}: {status}", question.path).into());
        }
        if begun >= from {
            latencies.push(begun.elapsed());
        }
    }
}
