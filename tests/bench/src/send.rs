//! send: mails of 5 KB over ten connections into Postfix's smtp-sink, each with its two ledger writes in a durable Postgres, beside
//! Postfix's own smtp-source, which writes nothing down.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use contract::{CampaignId, LaunchId, MailId, spool_key};
use localstack::Stack;
use mail::{SpoolWriter, open_spool};
use send::{CONNECTIONS, Handed, Limits, Place, Relay, hand_over};
use time::OffsetDateTime;

use crate::{
    comparison::{Comparison, peak_rss_mib},
    database::Database,
};

const MAILS: usize = 50_000;
const MAIL_BYTES: usize = 5_120;
/// As generate makes them.
const SLICE_MAILS: usize = 500;
const RUNS: i64 = 3;
const SPOOL_KEY: [u8; 32] = [7; 32];
const SINK_DEADLINE: Duration = Duration::from_secs(10);

pub async fn run() -> Vec<Comparison> {
    let stack = Stack::from_env().unwrap();
    let database = Database::create(&stack, "send").await;
    let tx = database.campaign().await;
    let campaign = tx.campaign();
    tx.commit().await.unwrap();
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for run in 1..=RUNS {
        let place = Place { tenant: database.tenant, campaign, launch: LaunchId(run) };
        let objects = prepare(&database, place).await;
        let sink = Sink::start();
        peers.push(rate(|| smtp_source(sink.address)));
        drop(sink);
        let sink = Sink::start();
        let started = Instant::now();
        hand_all_over(&database, place, objects, sink.address).await;
        ours.push(per_second(started.elapsed()));
        assert_eq!(sent(&database, place).await, MAILS, "every mail is sent, and its row says so");
    }
    database.drop().await;
    let names = ["send", "5 KB, ten connections, with ledger", "messages/s", "smtp-source -d"];
    vec![Comparison::of(names, ours, peers, peak_rss_mib())]
}

/// The rows of a launch and its spool objects.
async fn prepare(database: &Database, place: Place) -> Vec<Vec<u8>> {
    let mut tx = database.store.campaign(place.tenant, place.campaign).await.unwrap();
    let ids: Vec<i64> = sqlx::query_scalar(
        "INSERT INTO ledger (launch_id, slice, import_id, line, address_key, state, due_at)
         SELECT $1, (line - 1) / $2, 1, line, substr(sha256(($1 || '/' || line)::bytea), 1, 16), 'spooled', now() + interval '15 minutes'
         FROM generate_series(1, $3) AS line ORDER BY line RETURNING id",
    )
    .bind(place.launch.0)
    .bind(i32::try_from(SLICE_MAILS).unwrap())
    .bind(i32::try_from(MAILS).unwrap())
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    sqlx::raw_sql("ANALYZE ledger").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let message = message();
    let seal = |(slice, ids): (usize, &[i64])| {
        let mut writer = SpoolWriter::new().unwrap();
        for id in ids {
            let to = format!("recipient{id}@example.org");
            assert!(writer.push(MailId(*id), "b-return-path@bounces.example", &to, &message).unwrap());
        }
        writer.seal(&SPOOL_KEY, 1, &name(place, slice)).unwrap()
    };
    ids.chunks(SLICE_MAILS).enumerate().map(seal).collect()
}

fn name(place: Place, slice: usize) -> String {
    spool_key(place.tenant, place.campaign, place.launch, i32::try_from(slice).unwrap())
}

fn message() -> Vec<u8> {
    let mut message = b"From: <news@example.com>\r\nSubject: A mail of 5 KB\r\n\r\n".to_vec();
    while message.len() < MAIL_BYTES {
        message.extend_from_slice(b"A line of seventy characters, as quoted-printable text has them all.\r\n");
    }
    message.truncate(MAIL_BYTES);
    message
}

async fn hand_all_over(database: &Database, place: Place, objects: Vec<Vec<u8>>, sink: SocketAddr) {
    let relay = Arc::new(Relay::parse(&format!("smtp://{sink}"), "bench.example").unwrap());
    for (slice, object) in objects.into_iter().enumerate() {
        let mails = open_spool(object, &name(place, slice), |_| SPOOL_KEY).unwrap();
        let now = OffsetDateTime::now_utc();
        let minute = Duration::from_mins(1);
        let limits = Limits { now, begin: minute, wait: minute, due_at: now + minute, expires_at: now + minute };
        let handed = hand_over(&database.store, &relay, place, mails, limits).await.unwrap();
        assert_eq!(handed, Handed { sent: SLICE_MAILS, ..Handed::default() });
    }
}

async fn sent(database: &Database, place: Place) -> usize {
    let campaign: CampaignId = place.campaign;
    let mut tx = database.store.campaign(place.tenant, campaign).await.unwrap();
    let sent: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM ledger WHERE launch_id = $1 AND state = 'sent' AND attempt = 1 AND due_at IS NULL",
    )
    .bind(place.launch.0)
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    usize::try_from(sent).unwrap()
}

/// The same number of mails of the same size, over as many connections, which are kept (`-d`).
fn smtp_source(sink: SocketAddr) {
    let (connections, bytes, mails) = (CONNECTIONS.to_string(), MAIL_BYTES.to_string(), MAILS.to_string());
    let status = Command::new("/usr/sbin/smtp-source")
        .args(["-d", "-s", &connections, "-l", &bytes, "-m", &mails])
        .args(["-f", "news@example.com", "-t", "recipient@example.org", &sink.to_string()])
        .status()
        .expect("smtp-source of Postfix");
    assert!(status.success());
}

fn rate(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    per_second(started.elapsed())
}

#[expect(clippy::cast_precision_loss, reason = "fifty thousand")]
fn per_second(elapsed: Duration) -> f64 {
    MAILS as f64 / elapsed.as_secs_f64()
}

/// Postfix's smtp-sink on a free port. Ends when it is dropped.
struct Sink {
    process: Child,
    address: SocketAddr,
}

impl Sink {
    fn start() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new("/usr/sbin/smtp-sink")
            .args([&address.to_string(), "1000"])
            .stdin(Stdio::null())
            .spawn()
            .expect("smtp-sink of Postfix");
        let sink = Self { process, address };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < SINK_DEADLINE, "smtp-sink does not listen");
            std::thread::yield_now();
        }
        sink
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
