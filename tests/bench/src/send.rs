//! `send` beside Postfix's own `smtp-source`: mails of 5 KB over ten connections into `smtp-sink`.
//!
//! Ours opens sealed spool objects and writes each mail's intent and outcome into a durable ledger; the peer writes nothing down and keeps
//! its connections (`-d`).

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use contract::{LaunchId, MailId, spool_key};
use localstack::Stack;
use mail::{SpoolWriter, open_spool};
use runtime::Relay;
use send::{CONNECTIONS, Connections, Handed, Limits, Place, hand_over};
use time::OffsetDateTime;
use tokio::process::Command;

use crate::{
    Result,
    comparison::{Comparison, median, per_second, rounded},
    database::Database,
    memory::peak_rss_mib,
    sink::Sink,
};

const MAIL_BYTES: usize = 5_120;
/// As generate makes them.
const SLICE_MAILS: usize = 500;
const SPOOL_KEY: [u8; 32] = [7; 32];

/// Runs both sides in turn.
pub async fn bench(stack: &Stack, runs: usize, mails: usize) -> Result<Vec<Comparison>> {
    let database = Database::create(stack, "send").await?;
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let launch = launch(&database).await?;
        let place = Place { tenant: database.tenant, campaign: database.campaign, launch };
        let objects = prepare(&database, place, mails).await?;

        let sink = Sink::start().await?;
        let begun = Instant::now();
        smtp_source(sink.address, mails).await?;
        peer.push(per_second(mails, begun.elapsed().as_secs_f64()));
        drop(sink);

        let sink = Sink::start().await?;
        let begun = Instant::now();
        hand_all_over(&database, place, objects, sink.address).await?;
        ours.push(per_second(mails, begun.elapsed().as_secs_f64()));
        check(&database, place, mails).await?;
        eprintln!("send, run {}: {:.0} messages/s, smtp-source {:.0}", run + 1, ours[run], peer[run]);
    }
    database.drop().await?;
    let (ours, peer) = (median(ours), median(peer));
    Ok(vec![Comparison {
        bench: "send",
        case: "5 KB, ten connections, with ledger",
        unit: "messages/s",
        ours: rounded(ours, 0),
        peer: rounded(peer, 0),
        peer_name: "smtp-source -d",
        ratio: rounded(ours / peer, 2),
        peak_rss_mib: peak_rss_mib("self")?,
    }])
}

/// A running launch.
async fn launch(database: &Database) -> Result<LaunchId> {
    let mut tx = database.store.campaign(database.tenant, database.campaign).await?;
    let launch = sqlx::query_scalar(
        "WITH template AS (
             INSERT INTO broadcast.templates (tenant_id, campaign_id, version, from_name, from_address, subject, html)
             SELECT $1, $2, count(*) + 1, 'Bench', 'news@example.com', '', '' FROM broadcast.templates WHERE campaign_id = $2
             RETURNING id)
         INSERT INTO broadcast.launches (tenant_id, campaign_id, template_id, state, slices)
         SELECT $1, $2, id, 'running', 0 FROM template RETURNING id",
    )
    .bind(database.tenant.0)
    .bind(database.campaign.0)
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(LaunchId(launch))
}

/// The rows of a launch and its spool objects.
async fn prepare(database: &Database, place: Place, mails: usize) -> Result<Vec<Vec<u8>>> {
    let mut tx = database.store.campaign(place.tenant, place.campaign).await?;
    let ids: Vec<i64> = sqlx::query_scalar(
        "INSERT INTO ledger (launch_id, slice, import_id, line, address_key, state)
         SELECT $1, (line - 1) / $2, 1, line, substr(sha256(($1 || '/' || line)::bytea), 1, 16), 'spooled'
         FROM generate_series(1, $3) AS line ORDER BY line RETURNING id",
    )
    .bind(place.launch.0)
    .bind(i32::try_from(SLICE_MAILS)?)
    .bind(i32::try_from(mails)?)
    .fetch_all(&mut *tx)
    .await?;
    sqlx::raw_sql("ANALYZE ledger").execute(&mut *tx).await?;
    tx.commit().await?;
    let message = message();
    let mut objects = Vec::new();
    for (slice, ids) in ids.chunks(SLICE_MAILS).enumerate() {
        let mut writer = SpoolWriter::new()?;
        for id in ids {
            let to = format!("recipient{id}@example.org");
            writer.push(MailId(*id), "b-return-path@bounces.example", &to, &[&message])?;
        }
        objects.push(writer.seal(&SPOOL_KEY, 1, &name(place, slice)?)?);
    }
    Ok(objects)
}

fn name(place: Place, slice: usize) -> Result<String> {
    Ok(spool_key(place.tenant, place.campaign, place.launch, i32::try_from(slice)?))
}

fn message() -> Vec<u8> {
    let mut message = b"From: <news@example.com>\r\nSubject: A mail of 5 KB\r\n\r\n".to_vec();
    while message.len() < MAIL_BYTES {
        message
            .extend_from_slice(b"A line of seventy characters, as quoted-printable text has them all.\r\n");
    }
    message.truncate(MAIL_BYTES);
    message
}

/// As one invocation after another.
async fn hand_all_over(
    database: &Database,
    place: Place,
    objects: Vec<Vec<u8>>,
    sink: SocketAddr,
) -> Result<()> {
    let relay = Relay::parse(&format!("smtp://{sink}"), "bench.example", None)?;
    let connections = Arc::new(Connections::new(relay));
    for (slice, object) in objects.into_iter().enumerate() {
        let mails = open_spool(object, &name(place, slice)?, |_| SPOOL_KEY)?;
        let all = Handed { sent: mails.len(), ..Handed::default() };
        let now = OffsetDateTime::now_utc();
        let minute = Duration::from_mins(1);
        let limits = Limits { now, begin: minute, wait: minute, expires_at: now + minute };
        let handed = hand_over(&database.store, &connections, place, mails, limits).await?;
        if handed != all {
            return Err(format!("slice {slice}: {handed:?}").into());
        }
    }
    Ok(())
}

/// Fast sending that is not written down would be no achievement.
async fn check(database: &Database, place: Place, mails: usize) -> Result<()> {
    let mut tx = database.store.campaign(place.tenant, place.campaign).await?;
    let sent: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM ledger WHERE launch_id = $1 AND state = 'sent' AND attempt = 1 AND due_at IS NULL",
    )
    .bind(place.launch.0)
    .fetch_one(&mut *tx)
    .await?;
    if usize::try_from(sent)? == mails {
        Ok(())
    } else {
        Err(format!("{sent} of {mails} rows are sent").into())
    }
}

/// The same number of mails of the same size over as many connections.
async fn smtp_source(sink: SocketAddr, mails: usize) -> Result<()> {
    let (connections, bytes, mails) = (CONNECTIONS.to_string(), MAIL_BYTES.to_string(), mails.to_string());
    let status = Command::new("/usr/sbin/smtp-source")
        .args(["-d", "-s", &connections, "-l", &bytes, "-m", &mails])
        .args(["-f", "news@example.com", "-t", "recipient@example.org", &sink.to_string()])
        .status()
        .await?;
    if status.success() { Ok(()) } else { Err("smtp-source failed".into()) }
}
