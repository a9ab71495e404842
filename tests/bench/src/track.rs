//! `track` beside `psql \copy`: the same responses into a table with the same indexes, fsync and `synchronous_commit` on.
//!
//! Ours comes in the batches in which SQS hands messages over; every hundredth message comes a second time. Each response is looked up with its
//! mail, judged, stored once. The peer's file has no row twice, and is one transaction.

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use contract::{Actor, MailId, ResponseKind};
use localstack::Stack;
use mail::ActorRules;
use sqlx::PgPool;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::process::Command;
use track::{Arrival, record};
use uuid::{Builder, Uuid};

use crate::{
    Result,
    comparison::{Comparison, median, per_second, rounded},
    database::{Database, checkpoint},
    memory::peak_rss_mib,
    processor::{Costs, Seconds, Server, own_seconds},
};

const RESPONSES: usize = 1_000_000;
const MAILS: i64 = 1_000_000;
/// The most that SQS hands to a function at once.
const BATCH: usize = 10_000;
/// One in so many comes again, with the next batch.
const REPEATED: usize = 100;
/// One of these is a click, the others are opens.
const KINDS: usize = 5;
const LINKS: usize = 10;
/// For the peer, which keeps nothing of ours.
const TABLE: &str = "peer_responses";

/// Runs both sides in turn.
pub async fn bench(stack: &Stack, runs: usize) -> Result<(Vec<Comparison>, Vec<Costs>)> {
    let server = Server::of(stack).await?;
    let database = Database::create(stack, "track").await?;
    let owner = database.as_owner(stack).await?;
    let begun = OffsetDateTime::now_utc();
    ledger(&owner, &database, begun).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("responses.csv");
    write_file(&database, &file, begun)?;
    let url = database.owner_url(stack);
    let (mut ours, mut peer, mut our_seconds, mut peer_seconds) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in 1..=runs {
        empty(stack, &owner, &database).await?;
        let before = Seconds::now(&server)?;
        let time = copy(&url, &database, &file).await?;
        peer_seconds.push(Seconds::now(&server)? - before);
        peer.push(per_second(RESPONSES, time.as_secs_f64()));

        empty(stack, &owner, &database).await?;
        let (before, own) = (Seconds::now(&server)?, own_seconds()?);
        let time = store_all(&database, begun).await?;
        let mut seconds = Seconds::now(&server)? - before;
        // Ours is this process, which has not ended.
        seconds.user += own_seconds()? - own;
        our_seconds.push(seconds);
        ours.push(per_second(RESPONSES, time.as_secs_f64()));
        check(&owner, &database).await?;
        eprintln!("track, run {run}: {:.0} responses/s, psql \\copy {:.0}", ours[run - 1], peer[run - 1]);
    }
    owner.close().await;
    database.drop().await?;
    let (ours, peer) = (median(ours), median(peer));
    let comparison = Comparison {
        bench: "track",
        case: "batches of 10,000, one in a hundred repeated",
        unit: "responses/s",
        ours: rounded(ours, 0),
        peer: rounded(peer, 0),
        peer_name: "psql \\copy",
        ratio: rounded(ours / peer, 2),
        peak_rss_mib: peak_rss_mib("self")?,
    };
    let costs = Costs {
        bench: "track",
        case: "a million responses",
        ours: Seconds::median(our_seconds),
        peer: Seconds::median(peer_seconds),
    };
    Ok((vec![comparison], vec![costs]))
}

/// A million mails that were sent an hour ago, and a table for the peer.
async fn ledger(owner: &PgPool, database: &Database, now: OffsetDateTime) -> Result<()> {
    let mut tx = database.store.campaign(database.tenant, database.campaign).await?;
    sqlx::query(
        "INSERT INTO ledger (launch_id, slice, import_id, line, address_key, state, changed_at)
         SELECT 1, line / 500, 1, line, substr(sha256(line::text::bytea), 1, 16), 'sent', $2 FROM generate_series(1, $1) AS line",
    )
    .bind(MAILS)
    .bind(now - Duration::from_hours(1))
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    let schema = database.campaign.schema();
    let prepare = format!(
        "CREATE TABLE {schema}.{TABLE} (LIKE {schema}.responses INCLUDING ALL); VACUUM ANALYZE {schema}.ledger"
    );
    for statement in prepare.split(';') {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(owner).await?;
    }
    Ok(())
}

async fn empty(stack: &Stack, owner: &PgPool, database: &Database) -> Result<()> {
    let schema = database.campaign.schema();
    let statement = format!("TRUNCATE {schema}.responses, {schema}.{TABLE} RESTART IDENTITY");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(owner).await?;
    checkpoint(stack).await
}

/// The response with this number: the same one each time.
fn arrival(database: &Database, number: usize, begun: OffsetDateTime) -> Arrival {
    // Spread over the mails as chance would, and over ids as collect makes them: by time, then at random.
    let mixed = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let at = begun - Duration::from_millis(((RESPONSES - number) / 10) as u64);
    let millis = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    let clicked = number.is_multiple_of(KINDS);
    let mut random = [0; 10];
    random[..8].copy_from_slice(&mixed.to_be_bytes());
    Arrival {
        event: event(millis, random),
        at,
        tenant: database.tenant,
        campaign: database.campaign,
        mail: MailId(1 + i64::try_from(mixed % MAILS.unsigned_abs()).unwrap_or_default()),
        kind: if clicked { ResponseKind::Clicked } else { ResponseKind::Opened },
        class: None,
        link: clicked.then(|| i32::try_from(number / KINDS % LINKS).unwrap_or_default()),
        diagnostic: None,
        actor: Some(if number.is_multiple_of(3) { Actor::Proxy } else { Actor::Human }),
        address_key: None,
    }
}

fn event(millis: u64, random: [u8; 10]) -> Uuid {
    Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

async fn store_all(database: &Database, begun: OffsetDateTime) -> Result<Duration> {
    let (timing, mut spent) = (ActorRules::default().timing, Duration::ZERO);
    for first in (0..RESPONSES).step_by(BATCH) {
        let again = (first.saturating_sub(BATCH)..first).step_by(REPEATED);
        let mut batch: Vec<Arrival> =
            again.chain(first..first + BATCH).map(|number| arrival(database, number, begun)).collect();
        let from = Instant::now();
        record(&database.store, database.tenant, database.campaign, &mut batch, &timing, begun).await?;
        spent += from.elapsed();
    }
    Ok(spent)
}

/// The same rows as the peer's file.
fn write_file(database: &Database, file: &Path, begun: OffsetDateTime) -> Result<()> {
    let mut text = String::new();
    for number in 0..RESPONSES {
        let Arrival { event, at, mail, kind, link, actor, .. } = arrival(database, number, begun);
        let link = link.map(|link| link.to_string()).unwrap_or_default();
        let actor = actor.map_or("system", Actor::name);
        writeln!(text, "{event},{},{},,{mail},{link},,{actor}", at.format(&Rfc3339)?, kind.name())?;
    }
    Ok(std::fs::write(file, text)?)
}

async fn copy(url: &str, database: &Database, file: &Path) -> Result<Duration> {
    let copy = format!(
        "\\copy {}.{TABLE} (event_id, at, kind, class, mail_id, link, diagnostic, actor) FROM '{}' CSV",
        database.campaign.schema(),
        file.display()
    );
    let begun = Instant::now();
    let psql =
        Command::new("psql").args(["-qX", "-v", "ON_ERROR_STOP=1", "-c", &copy]).arg(url).status().await?;
    if psql.success() { Ok(begun.elapsed()) } else { Err("psql failed".into()) }
}

async fn check(owner: &PgPool, database: &Database) -> Result<()> {
    let count = format!("SELECT count(*) FROM {}.responses", database.campaign.schema());
    let stored: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(owner).await?;
    if usize::try_from(stored)? == RESPONSES {
        Ok(())
    } else {
        Err(format!("{stored} responses are stored").into())
    }
}
