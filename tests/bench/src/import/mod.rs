//! `import` beside `psql \copy`: the same bytes, the same server, fsync and `synchronous_commit` on.
//!
//! Ours comes from S3, is checked row by row, gets digests of its addresses, is counted against itself, published, and its file moved:
//! from the claim to `finished`, in a process of its own. The peer's stands on the disk and becomes a table of text columns. The same of the
//! file encrypted with OpenPGP, beside `gpg -d`, and packed with gzip, beside `gzip -d`; and once ten times as many rows, for the memory.

mod child;
mod peer;
mod table;

use std::path::{Path, PathBuf};

use contract::TenantId;
use localstack::Stack;
use sqlx::{Connection, PgConnection, PgPool};
use store::Store;
use time::{Duration, OffsetDateTime};

pub use child::child;
pub use table::Table;

use crate::{
    Result,
    cloud::{Cloud, Content},
    comparison::{Comparison, median, rounded},
    database::checkpoint,
    openpgp::Gpg,
    processor::{Costs, Seconds, Server},
};

const BUCKET: &str = "bench-tenant";
const FILE: &str = "recipients.csv";
const CAMPAIGN: &str = "bench";
/// The name of the tenant's OpenPGP key in Secrets Manager.
const SECRET: &str = "bench-pgp";
/// What the memory of so many times the rows is compared with.
const LONG: u64 = 10;
/// The case of a file as large as one import takes. It writes some thirty gigabytes: who wants it names it.
const LARGEST: &str = "largest";
/// So many rows are the 10 GiB that `import` takes of a plain file, less some megabytes.
const LARGEST_ROWS: u64 = 77_300_000;

/// Where everything is.
struct Place<'a> {
    stack: &'a Stack,
    owner: PgPool,
    server: Server,
    cloud: Cloud,
    endpoint: String,
    tenant: i64,
    campaign: i64,
    gpg: Gpg,
    rows: u64,
}

/// A file on both sides.
struct Case {
    name: &'static str,
    peer_name: &'static str,
    path: PathBuf,
    kind: Kind,
}

/// What a file is wrapped in.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Encrypted,
    Packed,
}

/// One run of one side.
struct Run {
    rate: f64,
    seconds: Seconds,
    peak_rss_mib: u64,
}

/// Runs both sides in turn; only the cases whose name contains `only`.
pub async fn bench(
    stack: &Stack,
    runs: usize,
    rows: u64,
    only: &str,
) -> Result<(Vec<Comparison>, Vec<Costs>)> {
    // gpg's agent wants a short path.
    let folder = tempfile::Builder::new().prefix("imp").tempdir_in("/tmp")?;
    let (place, cases) = prepare(stack, folder.path(), rows, only).await?;
    let (mut comparisons, mut costs, mut peak) = (Vec::new(), Vec::new(), 0);
    for case in &cases {
        let (mut ours, mut peer) = (Vec::new(), Vec::new());
        for run in 1..=runs {
            let content = Content::Whole(std::fs::read(&case.path)?.into());
            let one = place.ours(content, rows).await?;
            let other = place.peer(case).await?;
            eprintln!(
                "import, {}, run {run}: {:.0} rows/s {:?}; {} {:.0} rows/s {:?}",
                case.name, one.rate, one.seconds, case.peer_name, other.rate, other.seconds
            );
            ours.push(one);
            peer.push(other);
        }
        let peak_rss_mib = ours.iter().map(|run| run.peak_rss_mib).max().unwrap_or_default();
        peak = peak.max(peak_rss_mib);
        let seconds = |runs: &[Run]| Seconds::median(runs.iter().map(|run| run.seconds).collect());
        costs.push(Costs { bench: "import", case: case.name, ours: seconds(&ours), peer: seconds(&peer) });
        let rate = |runs: Vec<Run>| median(runs.into_iter().map(|run| run.rate).collect());
        let (ours, peer) = (rate(ours), rate(peer));
        comparisons.push(Comparison {
            bench: "import",
            case: case.name,
            unit: "rows/s",
            ours: rounded(ours, 0),
            peer: rounded(peer, 0),
            peer_name: case.peer_name,
            ratio: rounded(ours / peer, 2),
            peak_rss_mib,
        });
    }
    if "memory".contains(only) {
        comparisons.push(place.memory("memory, ten times as many rows", LONG * rows, peak).await?);
    }
    if only == LARGEST {
        comparisons.push(place.memory("the largest file, memory", LARGEST_ROWS, peak).await?);
    }
    place.gpg.end().await?;
    Ok((comparisons, costs))
}

async fn prepare<'a>(
    stack: &'a Stack,
    folder: &Path,
    rows: u64,
    only: &str,
) -> Result<(Place<'a>, Vec<Case>)> {
    let path = folder.join(FILE);
    std::fs::write(&path, Table::new(rows).whole())?;
    let owner = PgPool::connect(&stack.admin_database_url).await?;
    store::migrate(&owner).await?;
    let (tenant, campaign) = make_campaign(&owner, stack).await?;
    let cloud = Cloud::default();
    let gpg = Gpg { home: folder.to_owned() };
    let recipient = make_key(&owner, tenant, &cloud, &gpg).await?;
    let mut cases = Vec::new();
    if "pgp".contains(only) {
        let path = peer::encrypt(&gpg, &recipient, &path).await?;
        cases.push(Case { name: "pgp", peer_name: "gpg -d | psql \\copy", path, kind: Kind::Encrypted });
    }
    if "gzip".contains(only) {
        let path = peer::pack(&path).await?;
        cases.push(Case { name: "gzip", peer_name: "gzip -d | psql \\copy", path, kind: Kind::Packed });
    }
    if "plain".contains(only) {
        cases.insert(0, Case { name: "plain", peer_name: "psql \\copy", path, kind: Kind::Plain });
    }
    let endpoint = format!("http://{}", cloud.start().await?);
    let server = Server::of(stack).await?;
    Ok((Place { stack, owner, server, cloud, endpoint, tenant, campaign, gpg, rows }, cases))
}

/// The tenant's key pair: its private half where import finds it, and with gpg. Returns how gpg names it.
async fn make_key(owner: &PgPool, tenant: i64, cloud: &Cloud, gpg: &Gpg) -> Result<String> {
    let made = OffsetDateTime::now_utc() - Duration::MINUTE;
    let pair = ::openpgp::generate("Tenant <tenant@bench.example>", made)?;
    let secret = gpg.home.join("tenant.key");
    std::fs::write(&secret, &pair.secret_armored)?;
    gpg.run(&["--import".to_owned(), secret.display().to_string()]).await?;
    cloud.put_secret(SECRET, pair.secret_armored.clone());
    sqlx::query("DELETE FROM broadcast.pgp_keys WHERE tenant_id = $1").bind(tenant).execute(owner).await?;
    sqlx::query(
        "INSERT INTO broadcast.pgp_keys (tenant_id, purpose, fingerprint, public_key, secret_name)
         VALUES ($1, 'own', $2, $3, $4)",
    )
    .bind(tenant)
    .bind(&pair.fingerprint)
    .bind(&pair.public_armored)
    .bind(SECRET)
    .execute(owner)
    .await?;
    Ok(pair.fingerprint.clone())
}

impl Place<'_> {
    /// One import of a file.
    async fn ours(&self, content: Content, rows: u64) -> Result<Run> {
        checkpoint(self.stack).await?;
        self.cloud.clear();
        let etag = self.cloud.put(&format!("/{BUCKET}/Incoming/{FILE}"), content);
        let import = record_import(&self.owner, self.tenant, self.campaign, &etag).await?;
        let before = Seconds::now(&self.server)?;
        let outcome = child::spawn(self.stack, &self.endpoint, self.tenant, import).await?;
        let seconds = Seconds::now(&self.server)? - before;
        check(&self.owner, import, rows).await?;
        // The next run counts its duplicates against itself alone, as this one did.
        sqlx::query("UPDATE broadcast.imports SET state = 'refused' WHERE id = $1")
            .bind(import)
            .execute(&self.owner)
            .await?;
        drop_table(self.stack, self.campaign, import).await?;
        Ok(Run { rate: per_second(rows, outcome.seconds), seconds, peak_rss_mib: outcome.peak_rss_mib })
    }

    async fn peer(&self, case: &Case) -> Result<Run> {
        checkpoint(self.stack).await?;
        peer::make_table(self.stack).await?;
        let before = Seconds::now(&self.server)?;
        let seconds = match case.kind {
            Kind::Plain => peer::copy(self.stack, &case.path).await?,
            Kind::Encrypted => {
                peer::unwrap_and_copy(self.stack, peer::decrypt(&self.gpg, &case.path)).await?
            }
            Kind::Packed => peer::unwrap_and_copy(self.stack, peer::unpack(&case.path)).await?,
        };
        let run = Run {
            rate: per_second(self.rows, seconds),
            seconds: Seconds::now(&self.server)? - before,
            peak_rss_mib: 0,
        };
        peer::drop_table(self.stack).await?;
        Ok(run)
    }

    /// One import of a file so long that it is made while it is read. More memory for it than for the short one would be a leak.
    #[allow(clippy::cast_precision_loss, reason = "MiB are far below 2^52")]
    async fn memory(&self, case: &'static str, rows: u64, short: u64) -> Result<Comparison> {
        let short = if short > 0 {
            short
        } else {
            self.ours(Content::made(Table::new(self.rows)), self.rows).await?.peak_rss_mib
        };
        let run = self.ours(Content::made(Table::new(rows)), rows).await?;
        eprintln!("import, {rows} rows: {:.0} rows/s {:?}", run.rate, run.seconds);
        Ok(Comparison {
            bench: "import",
            case,
            unit: "MiB",
            ours: run.peak_rss_mib as f64,
            peer: short as f64,
            peer_name: "the usual file",
            ratio: rounded(run.peak_rss_mib as f64 / short as f64, 2),
            peak_rss_mib: run.peak_rss_mib,
        })
    }
}

/// How long a row of the benchmark's file is on average.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn bytes_per_row(rows: u64) -> f64 {
    Table::new(rows).bytes() as f64 / rows as f64
}

/// The first so many bytes of such a file.
pub fn table_of(bytes: usize) -> Vec<u8> {
    let mut table = Table::new(bytes as u64 / 100).whole();
    table.truncate(bytes);
    table
}

async fn make_campaign(owner: &PgPool, stack: &Stack) -> Result<(i64, i64)> {
    let tenant: i64 = sqlx::query_scalar(
        "INSERT INTO broadcast.tenants (slug, name, bucket) VALUES ('bench', 'bench', $1)
         ON CONFLICT (slug) DO UPDATE SET name = 'bench' RETURNING id",
    )
    .bind(BUCKET)
    .fetch_one(owner)
    .await?;
    let mut connection = owner.acquire().await?;
    store::roles::create(&mut connection, TenantId(tenant)).await?;
    let mut tx = Store::connect(&stack.database_url)?.tenant(TenantId(tenant)).await?;
    if let Some((campaign, _)) = tx.find_campaign(CAMPAIGN).await? {
        return Ok((tenant, campaign.0));
    }
    let campaign = tx.create_campaign(CAMPAIGN).await?;
    tx.commit().await?;
    Ok((tenant, campaign.0))
}

async fn record_import(owner: &PgPool, tenant: i64, campaign: i64, etag: &str) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "INSERT INTO broadcast.imports (tenant_id, campaign_id, call, file_name, etag, uploaded_at)
         VALUES ($1, $2, jsonb_build_object('campaign', $3), $4, $5, $6) RETURNING id",
    )
    .bind(tenant)
    .bind(campaign)
    .bind(CAMPAIGN)
    .bind(FILE)
    .bind(etag)
    .bind(OffsetDateTime::now_utc())
    .fetch_one(owner)
    .await?)
}

/// A fast import of something else would be no achievement.
async fn check(owner: &PgPool, import: i64, rows: u64) -> Result<()> {
    let counts: (String, i64, i64, i64) =
        sqlx::query_as("SELECT state, rows, rejected, duplicates FROM broadcast.imports WHERE id = $1")
            .bind(import)
            .fetch_one(owner)
            .await?;
    let (bad, repeated) = Table::new(rows).bad_and_repeated();
    let expected =
        ("finished".to_owned(), i64::try_from(rows)?, i64::try_from(bad)?, i64::try_from(repeated)?);
    if counts == expected {
        Ok(())
    } else {
        Err(format!("counted {counts:?} instead of {expected:?}").into())
    }
}

async fn drop_table(stack: &Stack, campaign: i64, import: i64) -> Result<()> {
    let mut connection = PgConnection::connect(&stack.superuser_database_url).await?;
    let statement = format!("DROP TABLE campaign_{campaign}.recipients_{import}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn per_second(rows: u64, seconds: f64) -> f64 {
    rows as f64 / seconds
}
