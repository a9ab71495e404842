//! Cold starts: from the start of a function's process to its first question for work, beside a function that does nothing.
//!
//! Both are processes on this machine, in the page cache after the first run, which is left out. The Runtime API, Secrets Manager and the rest of
//! the cloud are this process, on loopback: what is measured is the binary, not the way to AWS.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use localstack::Stack;
use tokio::{process::Command, sync::mpsc, time::timeout};

use crate::{
    Result,
    api::MASTER_KEY,
    cloud::{Cloud, serve},
    comparison::{Comparison, median, rounded},
    database::Database,
    memory::peak_rss_mib,
};

/// All that Lambda runs. The gateway is a server and starts once.
const FUNCTIONS: [&str; 12] = [
    "admin", "api", "collect", "console", "count", "export", "generate", "import", "notify", "send", "sweep",
    "track",
];
const EMPTY: &str = "bench-empty";
/// Of each, in turns; odd, for the median.
const STARTS: usize = 21;
/// A function that has not asked by then does not work.
const PATIENCE: Duration = Duration::from_secs(20);
const NEXT: &str = "/2018-06-01/runtime/invocation/next";

/// Of every function.
pub async fn bench(stack: &Stack) -> Result<Vec<Comparison>> {
    let database = Database::create(stack, "coldstart").await?;
    let cloud = Cloud::default();
    cloud.put_secret("bench-secret", MASTER_KEY.to_owned());
    let endpoint = format!("http://{}", cloud.start().await?);
    let (asked, mut asks) = mpsc::unbounded_channel();
    let runtime = serve(move |request| {
        let asked = asked.clone();
        async move {
            if request.uri().path() == NEXT {
                let _ = asked.send(Instant::now());
                // There is no work.
                std::future::pending::<()>().await;
            }
            let mut answer = Response::new(Full::new(Bytes::new()));
            *answer.status_mut() = StatusCode::ACCEPTED;
            answer
        }
    })
    .await?;
    let folder = std::env::current_exe()?.parent().ok_or("the bench lies nowhere")?.to_owned();
    let start = Start { environment: environment(&database.url(stack), &endpoint, runtime), folder };
    let mut comparisons = Vec::new();
    for function in FUNCTIONS {
        let (mut ours, mut peer, mut peak) = (Vec::new(), Vec::new(), 0);
        for run in 0..=STARTS {
            let (one, memory) = start.of(function, &mut asks).await?;
            let (other, _) = start.of(EMPTY, &mut asks).await?;
            if run > 0 {
                ours.push(one);
                peer.push(other);
                peak = peak.max(memory);
            }
        }
        let (ours, peer) = (median(ours), median(peer));
        let (megabytes, empty) =
            (megabytes(&start.folder.join(function))?, megabytes(&start.folder.join(EMPTY))?);
        eprintln!("coldstart, {function}: {megabytes} MB; the empty one {empty} MB");
        comparisons.push(Comparison {
            bench: "coldstart",
            case: function,
            unit: "ms, median",
            ours: rounded(ours, 1),
            peer: rounded(peer, 1),
            peer_name: "an empty lambda_runtime",
            // Of times the shorter one is the better.
            ratio: rounded(peer / ours, 2),
            peak_rss_mib: peak,
        });
    }
    database.drop().await?;
    Ok(comparisons)
}

struct Start {
    environment: Vec<(&'static str, String)>,
    folder: PathBuf,
}

impl Start {
    /// Milliseconds until the first question, and the memory that it took, in MiB.
    async fn of(&self, binary: &str, asks: &mut mpsc::UnboundedReceiver<Instant>) -> Result<(f64, u64)> {
        let mut command = Command::new(self.folder.join(binary));
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("AWS_LAMBDA_FUNCTION_NAME", binary).stdout(Stdio::null()).kill_on_drop(true);
        let begun = Instant::now();
        let mut process = command.spawn()?;
        let asked = timeout(PATIENCE, asks.recv()).await.map_err(|_| format!("{binary} asks for no work"))?;
        let memory = peak_rss_mib(&process.id().ok_or("the function has ended")?.to_string())?;
        process.kill().await?;
        let milliseconds = asked.ok_or("nobody listens")?.duration_since(begun).as_secs_f64() * 1000.0;
        Ok((milliseconds, memory))
    }
}

/// All that any function asks for: what it does not use costs it nothing.
fn environment(database: &str, endpoint: &str, runtime: SocketAddr) -> Vec<(&'static str, String)> {
    let mut all: Vec<_> = [
        ("DATABASE_URL", database),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "bench"),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "bench"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
        ("DEPLOYMENT", "bench"),
        ("TENANT_ROLE_ARN", "arn:aws:iam::000000000000:role/bench"),
        ("IMPORT_QUEUE_ARN", "arn:aws:sqs:us-east-1:000000000000:bench-import"),
        ("MASTER_KEY_SECRET", "bench-secret"),
        ("RELAY_URL", "smtp://127.0.0.1:25"),
        ("PUBLIC_URL", "http://localhost"),
        ("API_URL", "http://localhost"),
        ("CONSOLE_URL", "http://localhost"),
        ("CONSOLE_FROM", "console@bench.example"),
        ("BOUNCE_DOMAIN", "bounces.example"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    all.push(("AWS_LAMBDA_RUNTIME_API", runtime.to_string()));
    for name in ["SPOOL_BUCKET", "REPORTS_BUCKET", "SETTINGS_BUCKET", "ANCHORS_BUCKET", "JOURNAL_BUCKET"] {
        all.push((name, "bench".to_owned()));
    }
    for name in [
        "IMPORT_QUEUE_URL",
        "GENERATE_QUEUE_URL",
        "SEND_QUEUE_URL",
        "TRACK_QUEUE_URL",
        "EXPORT_QUEUE_URL",
        "SWEEP_QUEUE_URL",
        "NOTIFY_QUEUE_URL",
        "COUNT_QUEUE_URL",
    ] {
        all.push((name, format!("{endpoint}/queue")));
    }
    all
}

#[allow(clippy::cast_precision_loss, reason = "binaries are far below 2^52 bytes")]
fn megabytes(binary: &Path) -> Result<f64> {
    Ok(rounded(std::fs::metadata(binary)?.len() as f64 / 1_000_000.0, 1))
}
