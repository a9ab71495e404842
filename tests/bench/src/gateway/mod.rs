//! The gateway beside OpenSSH's own server and `rclone serve sftp`: the same client, the same files, the same disk or S3 server.

pub mod alone;
mod client;
mod server;
mod workplace;

pub use server::environment;

use std::fmt;

use localstack::Stack;

use self::{
    server::{Peer, Server},
    workplace::{TENANTS, Workplace, check_file, file_name, write_files},
};
use crate::{
    Result,
    comparison::{Comparison, median, rounded},
    s3::{self, Place},
};

const MIB: u64 = 1024 * 1024;
const MANY_SESSIONS: usize = 50;
/// Times that one run of a peer is begun: rclone's server refuses a file once in a while. The gateway's first failure ends the benchmark.
const PEER_ATTEMPTS_MAX: usize = 3;
/// What the gateway may hold for one upload.
const UPLOAD_MIB_MAX: f64 = 32.0;

/// Which way files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Up,
    Down,
}

impl Way {
    fn bench(self) -> &'static str {
        match self {
            Self::Up => "gateway-upload",
            Self::Down => "gateway-download",
        }
    }
}

/// What is sent or fetched.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    files: usize,
    bytes: u64,
    sessions: usize,
    /// The S3 server is over a folder, with all that its disk and its MD5 cost.
    on_disk: bool,
    peers: &'static [Peer],
    /// Each file counts, not each byte.
    by_file: bool,
}

const CASES: [Case; 4] = [
    Case {
        name: "1 GiB, S3 without a disk",
        files: 1,
        bytes: 1024 * MIB,
        sessions: 1,
        on_disk: false,
        peers: &[Peer::Gateway, Peer::Rclone, Peer::OpenSsh],
        by_file: false,
    },
    Case {
        name: "1 GiB, S3 over a folder",
        files: 1,
        bytes: 1024 * MIB,
        sessions: 1,
        on_disk: true,
        peers: &[Peer::Gateway, Peer::Rclone],
        by_file: false,
    },
    Case {
        name: "1,000 files of 10 KB",
        files: 1000,
        bytes: 10_000,
        sessions: 1,
        on_disk: false,
        peers: &[Peer::Gateway, Peer::Rclone, Peer::OpenSsh],
        by_file: true,
    },
    Case {
        name: "50 sessions at once, 20 MiB each",
        files: MANY_SESSIONS,
        bytes: 20 * MIB,
        sessions: MANY_SESSIONS,
        on_disk: false,
        peers: &[Peer::Gateway, Peer::Rclone, Peer::OpenSsh],
        by_file: false,
    },
];

impl Case {
    fn unit(&self) -> &'static str {
        if self.by_file { "files/s" } else { "MB/s" }
    }

    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn rate(&self, seconds: f64) -> f64 {
        let count =
            if self.by_file { self.files as f64 } else { (self.files as u64 * self.bytes) as f64 / 1e6 };
        count / seconds
    }

    /// How many tenants have something to fetch.
    fn tenants(&self) -> usize {
        if self.sessions > 1 { TENANTS } else { 1 }
    }
}

/// What one run of one side showed.
struct Seen {
    rate: f64,
    cpu_seconds: f64,
    idle_kib: u64,
    peak_kib: u64,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, cpu_seconds, idle_kib, peak_kib } = self;
        write!(f, "{rate:.1}, CPU {cpu_seconds:.2} s, memory {idle_kib} to {peak_kib} KiB")
    }
}

/// Runs all sides in turn, in the cases whose name contains `only`.
pub async fn bench(stack: &Stack, runs: usize, way: Way, only: &str) -> Result<Vec<Comparison>> {
    let place = Workplace::new(stack).await?;
    let mut comparisons = Vec::new();
    for case in CASES.iter().filter(|case| case.name.contains(only)) {
        let (mut seen, mut alone) = (vec![Vec::new(); case.peers.len()], Vec::new());
        let mut peak_kib = Vec::new();
        for run in 1..=runs {
            for (peer, rates) in case.peers.iter().zip(&mut seen) {
                let line = format!("{}, {}, run {run}: {}", way.bench(), case.name, peer.name());
                let (one, attempt) =
                    attempts(*peer, &line, || measure(stack, &place, case, way, *peer)).await?;
                let again = if attempt > 1 { format!(", at attempt {attempt}") } else { String::new() };
                eprintln!("{line} {one}{again}");
                rates.push(one.rate);
                if *peer == Peer::Gateway {
                    peak_kib.push((one.idle_kib, one.peak_kib));
                }
            }
            if case.files == 1 {
                let took = s3_alone(stack, &place, case).await?;
                alone.push(case.rate(if way == Way::Up { took.writing } else { took.reading }));
            }
        }
        let mut medians = seen.into_iter().map(median);
        let ours = medians.next().unwrap_or_default();
        let peak_rss_mib = peak_kib.iter().map(|(_, peak)| peak.div_ceil(1024)).max().unwrap_or_default();
        let mut compare = |peer: f64, peer_name: &'static str| {
            comparisons.push(Comparison {
                bench: way.bench(),
                case: case.name,
                unit: case.unit(),
                ours: rounded(ours, 0),
                peer: rounded(peer, 0),
                peer_name,
                ratio: rounded(ours / peer, 2),
                peak_rss_mib,
            });
        };
        for (peer, rate) in case.peers[1..].iter().zip(medians) {
            compare(rate, peer.name());
        }
        if !alone.is_empty() {
            compare(median(alone), "the S3 server alone");
        }
        if way == Way::Up {
            comparisons.push(memory(case, &peak_kib, peak_rss_mib));
        }
    }
    if way == Way::Up && only.is_empty() {
        idle_sessions(stack, &place).await?;
    }
    place.database.drop().await?;
    Ok(comparisons)
}

/// How much more the gateway holds while it takes uploads, for each of them.
#[allow(clippy::cast_precision_loss, reason = "KiB are far below 2^52")]
fn memory(case: &Case, kib: &[(u64, u64)], peak_rss_mib: u64) -> Comparison {
    let most = kib.iter().map(|(idle, peak)| peak.saturating_sub(*idle)).max().unwrap_or_default();
    let each = most as f64 / 1024.0 / case.sessions as f64;
    Comparison {
        bench: "gateway-upload",
        case: case.name,
        unit: "MiB for each upload",
        ours: rounded(each, 1),
        peer: UPLOAD_MIB_MAX,
        peer_name: "the limit",
        ratio: rounded(UPLOAD_MIB_MAX / each, 2),
        peak_rss_mib,
    }
}

/// What came of the first attempt that came to its end, and its number. Of the gateway there is one attempt.
async fn attempts<T>(peer: Peer, line: &str, mut run: impl AsyncFnMut() -> Result<T>) -> Result<(T, usize)> {
    let attempts_max = if peer == Peer::Gateway { 1 } else { PEER_ATTEMPTS_MAX };
    let mut attempt = 1;
    loop {
        match run().await {
            Ok(seen) => return Ok((seen, attempt)),
            Err(error) if attempt < attempts_max => eprintln!("{line} failed at attempt {attempt}: {error}"),
            Err(error) => return Err(error),
        }
        attempt += 1;
    }
}

async fn measure(stack: &Stack, place: &Workplace, case: &Case, way: Way, peer: Peer) -> Result<Seen> {
    let got = place.empty("got")?;
    let s3 = start_s3(place, case).await?;
    let disk = place.empty("disk/Incoming")?;
    if way == Way::Down {
        // Many sessions fetch the same file of their tenant.
        let files = if case.sessions > 1 { 1 } else { case.files };
        if peer == Peer::OpenSsh {
            write_files(&disk, files, case.bytes)?;
        } else {
            let work = alone::Work { tenants: case.tenants(), files, bytes: case.bytes };
            alone::run(stack, place, &s3.endpoint, work).await?;
        }
    }
    let server = Server::start(peer, stack, place, &s3.endpoint).await?;
    if way == Way::Up && peer == Peer::Rclone {
        client::batch(&server, place, 0, "-mkdir Incoming\n").await?;
    } else {
        client::batch(&server, place, 0, "pwd\n").await?;
    }
    let (idle_kib, _) = server.memory_kib()?;
    let cpu = server.cpu_seconds()?;
    let batches = batches(place, case, way, &server)?;
    let took = client::batches(&server, place, case.tenants(), &batches).await?;
    let cpu_seconds = server.cpu_seconds()? - cpu;
    let (_, peak_kib) = server.memory_kib()?;
    match way {
        Way::Up => check_sent(&server, place, case).await?,
        Way::Down => {
            for file in std::fs::read_dir(&got)? {
                check_file(&file?.path(), case.bytes)?;
            }
            if std::fs::read_dir(&got)?.count() != case.files {
                return Err("files are missing".into());
            }
        }
    }
    Ok(Seen { rate: case.rate(took.as_secs_f64()), cpu_seconds, idle_kib, peak_kib })
}

async fn start_s3(place: &Workplace, case: &Case) -> Result<s3::Server> {
    let objects = place.empty("objects")?;
    for tenant in 0..TENANTS {
        std::fs::create_dir(objects.join(workplace::bucket(tenant)))?;
    }
    let kind = if case.on_disk { Place::Folder(objects) } else { Place::Endless };
    s3::Server::start(&kind, &place.path("secrets")).await
}

/// A batch for each session.
fn batches(place: &Workplace, case: &Case, way: Way, server: &Server) -> Result<Vec<String>> {
    let (incoming, got) = (format!("{}Incoming", server.root), place.path("got"));
    let got = got.display();
    let sent = if way == Way::Up { place.files(case.files, case.bytes)? } else { place.path("sent") };
    let sent = sent.display();
    Ok(match (way, case.sessions) {
        (Way::Up, 1) => vec![format!("put {sent}/* {incoming}/\n")],
        (Way::Down, 1) => vec![format!("get {incoming}/* {got}/\n")],
        (Way::Up, many) => {
            (0..many).map(|n| format!("put {sent}/{0} {incoming}/{0}\n", file_name(n))).collect()
        }
        (Way::Down, many) => {
            (0..many).map(|n| format!("get {incoming}/{} {got}/{}\n", file_name(0), file_name(n))).collect()
        }
    })
}

/// Everything that was sent is there.
async fn check_sent(server: &Server, place: &Workplace, case: &Case) -> Result<()> {
    let mut sizes = Vec::new();
    let tenants = if server.peer == Peer::Gateway { case.tenants() } else { 1 };
    for tenant in 0..tenants {
        sizes.extend(client::sizes(server, place, tenant).await?);
    }
    if sizes != vec![case.bytes; case.files] {
        let words = format!("{} files of {} bytes", sizes.len(), sizes.iter().sum::<u64>());
        return Err(format!("{} has {words}", server.peer.name()).into());
    }
    let folder = match server.peer {
        Peer::OpenSsh => place.path("disk/Incoming"),
        Peer::Gateway | Peer::Rclone if case.on_disk => place.path("objects/bench/Incoming"),
        Peer::Gateway | Peer::Rclone => return Ok(()),
    };
    check_file(&folder.join(file_name(0)), case.bytes)
}

async fn s3_alone(stack: &Stack, place: &Workplace, case: &Case) -> Result<alone::Took> {
    let s3 = start_s3(place, case).await?;
    let work = alone::Work { tenants: 1, files: case.files, bytes: case.bytes };
    alone::run(stack, place, &s3.endpoint, work).await
}

/// What a session costs that does nothing.
async fn idle_sessions(stack: &Stack, place: &Workplace) -> Result<()> {
    let s3 = s3::Server::start(&Place::Endless, &place.path("secrets")).await?;
    let server = Server::start(Peer::Gateway, stack, place, &s3.endpoint).await?;
    client::batch(&server, place, 0, "pwd\n").await?;
    let (before, _) = server.memory_kib()?;
    let mut sessions = Vec::new();
    for session in 0..MANY_SESSIONS {
        sessions.push(client::idle(&server, place, session % TENANTS).await?);
    }
    let (with, _) = server.memory_kib()?;
    let each = with.saturating_sub(before) / MANY_SESSIONS as u64;
    eprintln!("gateway-upload, memory: idle {} MiB, and {each} KiB for each idle session", before / 1024);
    Ok(())
}
