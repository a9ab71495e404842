//! Collect beside nginx: an open's request, answered with a transparent pixel of 43 bytes.
//!
//! Each server is a process with one thread on the first processor; the clients are this process, on the second one. nginx's `empty_gif`
//! looks at nothing. Our handler alone verifies the token, judges who asks, makes the message as JSON and answers; what it does not do is send
//! it. The whole function does, to a queue of the benchmark's own, which takes everything.

use std::{
    convert::Infallible,
    hint::black_box,
    net::SocketAddr,
    path::Path as FilePath,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use access::{MasterKey, Purpose};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use collect::{Answer, Collect};
use contract::{ACTOR_RULES_KEY, CampaignId, MailId, TenantId};
use hyper::{Request, server, service::service_fn};
use hyper_util::rt::TokioIo;
use mail::{ActorRules, Links};
use runtime::{ClientAddress, Clients, Document};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};
use tower::ServiceExt;

use crate::{
    Result,
    comparison::{Comparison, median, rounded},
    load::{Question, load},
    memory::peak_rss_mib,
    processor::seconds_of,
};

const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TENANT: TenantId = TenantId(1_234);
const CAMPAIGN: CampaignId = CampaignId(56_789);
const KEY_ID: u8 = 1;
const BASE: &str = "http://c.example";
/// An agent as long as most.
const HEADERS: [(&str, &str); 3] = [
    (
        "user-agent",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    ),
    ("accept", "image/webp,image/avif,image/*;q=0.8,*/*;q=0.5"),
    ("accept-language", "de-DE,de;q=0.9"),
];
const START_MAX: Duration = Duration::from_secs(10);
const SERVERS_PROCESSOR: &str = "0";
const CLIENTS_PROCESSOR: &str = "1";

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Alone,
    Whole,
    Nginx,
}

/// What one server did.
struct Run {
    rate: f64,
    p99_ms: f64,
    /// Of the server's processor.
    micros: f64,
    peak_rss_mib: u64,
}

/// A server in a process of its own, ended with this.
struct Server {
    address: SocketAddr,
    child: Child,
    #[expect(dead_code, reason = "the files go with it")]
    folder: TempDir,
}

/// Runs the three in turn.
pub async fn bench(runs: usize) -> Result<Vec<Comparison>> {
    pin_clients().await?;
    let queue = format!("http://{}", serve_queue().await?);
    let (mut alone, mut whole, mut nginx) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=runs {
        for (side, all) in [(Side::Nginx, &mut nginx), (Side::Alone, &mut alone), (Side::Whole, &mut whole)] {
            let one = measure(side, &queue).await?;
            eprintln!(
                "collect, {side:?}, run {run}: {:.0} requests/s, p99 {:.2} ms, {:.1} µs of processor each",
                one.rate, one.p99_ms, one.micros
            );
            all.push(one);
        }
    }
    let comparison = |case, unit, ours: &[Run], of: fn(&Run) -> f64, digits| {
        let peak_rss_mib = ours.iter().map(|run| run.peak_rss_mib).max().unwrap_or_default();
        let [ours, peer] = [ours, &nginx].map(|runs| median(runs.iter().map(of).collect()));
        // Of times the shorter one is the better.
        let ratio = rounded(if unit == "requests/s" { ours / peer } else { peer / ours }, 2);
        let (ours, peer) = (rounded(ours, digits), rounded(peer, digits));
        Comparison {
            bench: "collect",
            case,
            unit,
            ours,
            peer,
            peer_name: "nginx's empty_gif",
            ratio,
            peak_rss_mib,
        }
    };
    Ok(vec![
        comparison("the handler alone, processor time", "µs", &alone, |run| run.micros, 1),
        comparison("the handler alone", "requests/s", &alone, |run| run.rate, 0),
        comparison("the handler alone, 99th percentile", "ms", &alone, |run| run.p99_ms, 2),
        comparison("with the queue call, processor time", "µs", &whole, |run| run.micros, 1),
        comparison("with the queue call", "requests/s", &whole, |run| run.rate, 0),
        comparison("with the queue call, 99th percentile", "ms", &whole, |run| run.p99_ms, 2),
    ])
}

async fn measure(side: Side, queue: &str) -> Result<Run> {
    let server = match side {
        Side::Nginx => Server::nginx().await?,
        Side::Alone => Server::ours("alone", queue).await?,
        Side::Whole => Server::ours("whole", queue).await?,
    };
    let pid = server.child.id().ok_or("the server has ended")?.to_string();
    let master = MasterKey::from_base64(MASTER_KEY)?;
    let key = master.derive(TENANT, Purpose::Links, KEY_ID);
    let links = Links::new(BASE, "b.example", TENANT, CAMPAIGN, KEY_ID, &key)?;
    let question = |number: u32| Question {
        path: links.open(MailId(1_000_000 + i64::from(number))).replacen(BASE, "", 1),
        headers: HEADERS.map(|(name, value)| (name, value.to_owned())).to_vec(),
        is_answer: |body| body.starts_with(b"GIF89a"),
    };
    let seen = load(server.address, question, || seconds_of(&pid)).await?;
    let micros = seen.metered * 1e6 / seen.count;
    Ok(Run { rate: seen.rate, p99_ms: seen.p99_ms, micros, peak_rss_mib: peak_rss_mib(&pid)? })
}

/// This process, with all threads that it has and will have.
async fn pin_clients() -> Result<()> {
    let pid = std::process::id().to_string();
    let mut taskset = Command::new("taskset");
    taskset.args(["--all-tasks", "--pid", "--cpu-list", CLIENTS_PROCESSOR, &pid]).stdout(Stdio::null());
    if taskset.status().await?.success() { Ok(()) } else { Err("taskset failed".into()) }
}

/// A program on the servers' processor.
fn pinned(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", SERVERS_PROCESSOR]).arg(program).stdin(Stdio::null()).kill_on_drop(true);
    command
}

impl Server {
    async fn ours(side: &str, queue: &str) -> Result<Self> {
        let mut command = pinned(std::env::current_exe()?);
        command.args(["--collect-child", side]).env_clear().envs([
            ("PATH", "/usr/bin:/bin"),
            ("AWS_ENDPOINT_URL", queue),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("DEPLOYMENT", "bench"),
        ]);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let line = BufReader::new(stdout).lines().next_line().await?.ok_or("the server did not start")?;
        Ok(Self { address: line.parse()?, child, folder: tempfile::tempdir()? })
    }

    /// One process, no log, connections that stay.
    async fn nginx() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let path = folder.path().join("nginx.conf");
        std::fs::write(&path, nginx_conf(folder.path(), address))?;
        let mut command = pinned("/usr/sbin/nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(&path).args(["-e", "stderr"]);
        let child = command.spawn()?;
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if begun.elapsed() > START_MAX {
                return Err("nginx does not listen".into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Self { address, child, folder })
    }
}

fn nginx_conf(folder: &FilePath, address: SocketAddr) -> String {
    let folder = folder.display();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = kinds.map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n")).concat();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr error;\nevents {{ worker_connections 256; }}\n\
         http {{\n    access_log off;\n    keepalive_requests 100000000;\n{temporary}    server {{\n        listen {address};\n        \
         location /o/ {{ empty_gif; }}\n    }}\n}}\n"
    )
}

/// Serves one side until it is killed, on this thread alone.
pub fn child(side: &str) -> Result<()> {
    let local = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    local.block_on(async {
        let master = MasterKey::from_base64(MASTER_KEY)?;
        let router = if side == "whole" { whole(master).await? } else { alone(master) };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?);
        serve(listener, router).await
    })
}

/// As plain as HTTP can be: on Lambda it is the platform that speaks it.
async fn serve(listener: TcpListener, router: Router) -> Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let router = router.clone();
        let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ClientAddress(peer.ip()));
            let answer = router.clone().oneshot(request);
            async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
        });
        let connection = server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

async fn whole(master: MasterKey) -> Result<Router> {
    let clients = Clients::new(&runtime::Config::from_env()?).await;
    let (built_in, read) = (ActorRules::default(), ActorRules::from_json);
    let rules = Document::open(&clients, "bench-settings", ACTOR_RULES_KEY, built_in, read).await;
    let track_queue_url = format!("{}/000000000000/track", std::env::var("AWS_ENDPOINT_URL")?);
    Ok(collect::router(Collect { master, rules, clients, track_queue_url }))
}

/// What the function does before it sends.
fn alone(master: MasterKey) -> Router {
    let state = Arc::new((master, ActorRules::default()));
    Router::new().route("/o/{token}", get(open)).with_state(state)
}

async fn open(
    State(state): State<Arc<(MasterKey, ActorRules)>>,
    request: axum::extract::Request,
) -> Response {
    let Answer { response, message } = collect::answer_open(&state.0, &state.1, request).await;
    black_box(message.map(|message| serde_json::to_string(&message)));
    response
}

/// An SQS that takes everything, and an S3 without any object.
async fn serve_queue() -> Result<SocketAddr> {
    let taken = async || Json(serde_json::json!({"MessageId": "1", "MD5OfMessageBody": "0"})).into_response();
    let none = async || (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>");
    let router = Router::new().route("/", any(taken)).fallback(none);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, router));
    Ok(address)
}
