//! One folder of 100,000 files, of which some are over, beside a listing of it.

use localstack::Stack;
use store::receipts::{self, Verifier};
use time::{Duration, OffsetDateTime};

use super::{Figure, Site, Work, ensure};
use crate::{
    Result,
    comparison::{Comparison, rounded},
    database::checkpoint,
};

const FILES: usize = 100_000;
/// How many are over, in words, and whether the peer runs, too. The first one is what a run costs anyway.
const CASES: [(usize, &str, bool); 4] = [
    (0, "nothing of 100,000 files is over", true),
    (1_000, "1,000 of 100,000 files are over", true),
    (2_000, "2,000 of 100,000 files are over", false),
    (4_000, "4,000 of 100,000 files are over", false),
];
/// The tenant's bucket, see [`crate::database::Database`], and a folder that keeps its files for a day.
const BUCKET: &str = "bench";
const PREFIX: &str = "Finished/";
const KEPT: Duration = Duration::hours(24);
/// Of what is over, and of what is not.
const OLD: Duration = Duration::hours(25);
const FRESH: Duration = Duration::hours(1);
/// More than a run writes.
const RECEIPTS_MAX: i64 = 1_000;

/// Ours and the peer in turn.
pub async fn bench(stack: &Stack, runs: usize) -> Result<(Vec<Comparison>, Vec<Figure>)> {
    let site = Site::create(stack, "sweep_folder").await?;
    let (mut comparisons, mut figures) = (Vec::new(), Vec::<Figure>::new());
    for (expired, case, compared) in CASES {
        let (mut ours, mut peer) = (Vec::new(), Vec::new());
        for run in 1..=runs {
            if compared {
                put_objects(&site, expired);
                peer.push(site.time(&[list()]).await?);
                check_objects(&site, expired)?;
            }
            put_files(&site, expired).await?;
            ours.push(site.time(&[sweep(&site)]).await?);
            check(&site, expired).await?;
            let listing =
                peer.last().map_or(String::new(), |peer| format!(", a listing {:.3} s", peer.seconds));
            eprintln!("sweep, {case}, run {run}: {:.3} s{listing}", ours[run - 1].seconds);
        }
        put_files(&site, expired).await?;
        let counted = site.count(&[sweep(&site)]).await?;
        check(&site, expired).await?;
        let mut figure = Figure::of(case, ours, counted);
        if let Some(idle) = figures.first() {
            figure = figure.for_each("file that is over", expired, Some(idle));
        }
        let peer = if compared {
            put_objects(&site, expired);
            Some(Figure::of(format!("{case}, by a listing"), peer, site.count(&[list()]).await?))
        } else {
            None
        };
        comparisons.extend(peer.iter().flat_map(|peer| compare(case, &figure, peer)));
        figures.push(figure);
        figures.extend(peer);
    }
    figures.push(daily(&site, runs).await?);
    site.end().await?;
    Ok((comparisons, figures))
}

/// Nothing is over, and it is time for the listing by which the index is repaired once a day.
async fn daily(site: &Site<'_>, runs: usize) -> Result<Figure> {
    let due = async || -> Result<()> {
        put_files(site, 0).await?;
        let forget = "UPDATE broadcast.tenants SET listed_at = '-infinity'";
        sqlx::raw_sql(forget).execute(&site.owner).await?;
        Ok(())
    };
    let mut ours = Vec::new();
    for _ in 0..runs {
        due().await?;
        ours.push(site.time(&[sweep(site)]).await?);
        check(site, 0).await?;
    }
    due().await?;
    let counted = site.count(&[sweep(site)]).await?;
    Ok(Figure::of("nothing of 100,000 files is over, with the day's listing", ours, counted))
}

fn sweep(site: &Site<'_>) -> Work {
    Work::Sweep { tenants: vec![site.database.tenant.0] }
}

fn list() -> Work {
    let cutoff = (OffsetDateTime::now_utc() - KEPT).unix_timestamp();
    Work::List { bucket: BUCKET.to_owned(), prefix: PREFIX.to_owned(), cutoff }
}

/// Of time and of requests the fewer are the better.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn compare(case: &'static str, ours: &Figure, peer: &Figure) -> [Comparison; 2] {
    let comparison = |unit, of: fn(&Figure) -> f64| Comparison {
        bench: "sweep",
        case,
        unit,
        ours: rounded(of(ours), 1),
        peer: rounded(of(peer), 1),
        peer_name: "a listing of the folder",
        ratio: rounded(of(peer) / of(ours), 2),
        peak_rss_mib: ours.peak_rss_mib,
    };
    [
        comparison("ms", |figure| figure.seconds * 1e3),
        comparison("S3 requests", |figure| figure.s3_requests as f64),
    ]
}

/// Those that are over stand among the others, wherever their names are.
fn is_over(number: usize, expired: usize) -> bool {
    expired > 0 && number.is_multiple_of(FILES / expired)
}

fn put_objects(site: &Site<'_>, expired: usize) {
    let now = OffsetDateTime::now_utc();
    site.cloud.clear();
    for number in 0..FILES {
        let age = if is_over(number, expired) { OLD } else { FRESH };
        let path = format!("{BUCKET}/{PREFIX}recipients-{number:06}.csv");
        site.cloud.put(path, format!("{number:032x}"), now - age);
    }
}

/// The objects and their index.
async fn put_files(site: &Site<'_>, expired: usize) -> Result<()> {
    put_objects(site, expired);
    for statement in [
        "TRUNCATE broadcast.files, broadcast.receipts",
        "UPDATE broadcast.tenants SET listed_at = now(), anchored_receipt = 0",
    ] {
        sqlx::raw_sql(statement).execute(&site.owner).await?;
    }
    sqlx::query(
        "INSERT INTO broadcast.files (tenant_id, folder, name, etag, size, arrived_at)
         SELECT $1, 'Finished', 'recipients-' || lpad(n::text, 6, '0') || '.csv', lpad(to_hex(n), 32, '0'), 1,
                now() - CASE WHEN n % $3 = 0 THEN $4 ELSE $5 END * interval '1 second'
         FROM generate_series(0, $2 - 1) AS n",
    )
    .bind(site.database.tenant.0)
    .bind(i32::try_from(FILES)?)
    // None is a multiple of more than there are, but the first, which is put right below.
    .bind(i32::try_from(FILES.checked_div(expired).unwrap_or(FILES))?)
    .bind(OLD.whole_seconds())
    .bind(FRESH.whole_seconds())
    .execute(&site.owner)
    .await?;
    if expired == 0 {
        let first = "UPDATE broadcast.files SET arrived_at = now() WHERE name = 'recipients-000000.csv'";
        sqlx::raw_sql(first).execute(&site.owner).await?;
    }
    sqlx::raw_sql("VACUUM ANALYZE broadcast.files").execute(&site.owner).await?;
    checkpoint(site.stack).await
}

/// Exactly what was over is gone.
fn check_objects(site: &Site<'_>, expired: usize) -> Result<()> {
    let (count, oldest) = site.cloud.remaining(&format!("{BUCKET}/{PREFIX}"));
    let fresh = oldest.is_some_and(|oldest| oldest > OffsetDateTime::now_utc() - KEPT);
    ensure(count == FILES - expired && fresh, || format!("{count} objects are left"))
}

/// The index says so, too, and so do receipts, whose chain holds and is anchored.
async fn check(site: &Site<'_>, expired: usize) -> Result<()> {
    check_objects(site, expired)?;
    let (left, old): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE arrived_at <= now() - interval '1 day') FROM broadcast.files",
    )
    .fetch_one(&site.owner)
    .await?;
    ensure(usize::try_from(left)? == FILES - expired && old == 0, || format!("{left} rows are left"))?;
    let tenant = site.database.tenant;
    let receipts = receipts::read(&mut *site.owner.acquire().await?, tenant, 0, RECEIPTS_MAX).await?;
    let mut chain = Verifier::new(tenant);
    for receipt in &receipts {
        chain.receipt(receipt).map_err(|broken| broken.to_string())?;
    }
    let only_files = receipts.iter().all(|receipt| receipt.what == "file");
    let told: i64 = receipts.iter().map(|receipt| receipt.count).sum();
    ensure(only_files && usize::try_from(told)? == expired, || format!("receipts tell of {told}"))?;
    let anchored: i64 = sqlx::query_scalar("SELECT anchored_receipt FROM broadcast.tenants WHERE id = $1")
        .bind(tenant.0)
        .fetch_one(&site.owner)
        .await?;
    ensure(anchored == chain.number(), || format!("receipt {anchored} is anchored"))
}
