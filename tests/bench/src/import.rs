//! `import` beside `psql \copy`: the same bytes, the same server.
//!
//! Ours comes from S3, is checked row by row, gets digests of its addresses, is counted against itself, published, and its file moved:
//! from the claim to `finished`, in a process of its own. The peer's stands on the disk and becomes a table of text columns.

use std::{fmt::Write, path::Path, process::Stdio, time::Instant};

use access::MasterKey;
use contract::{ImportId, TenantId};
use exchange::Exchange;
use localstack::Stack;
use runtime::{Clients, Config};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection, PgPool};
use store::Store;
use time::{Duration, OffsetDateTime};
use tokio::process::Command;

use crate::{
    Result,
    cloud::Cloud,
    comparison::{Comparison, median, rounded},
};

const BUCKET: &str = "bench-tenant";
const FILE: &str = "recipients.csv";
const CAMPAIGN: &str = "bench";
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const HEADER: &str = "id,email,first_name,last_name,street,postcode,city,company,amount,since";
/// One row in so many has no valid address: reporting is part of the work.
const BAD_EVERY: u64 = 500;
/// One row in so many repeats the address of the row before: counting them is part of the work, too.
const REPEATED_EVERY: u64 = 400;
/// As long as the function may run.
const INVOCATION: Duration = Duration::minutes(15);

/// What the child tells.
#[derive(Serialize, Deserialize)]
struct Outcome {
    seconds: f64,
    peak_rss_mib: u64,
}

/// Runs both sides in turn.
pub async fn bench(stack: &Stack, runs: usize, rows: u64) -> Result<Vec<Comparison>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(FILE);
    let csv = make_csv(rows);
    std::fs::write(&path, &csv)?;
    let csv = bytes::Bytes::from(csv);

    let owner = PgPool::connect(&stack.admin_database_url).await?;
    store::migrate(&owner).await?;
    let (tenant, campaign) = make_campaign(&owner, stack).await?;
    let cloud = Cloud::default();
    let endpoint = format!("http://{}", cloud.start().await?);

    let (mut ours, mut peer, mut peak_rss_mib) = (Vec::new(), Vec::new(), 0);
    for run in 0..runs {
        checkpoint(stack).await?;
        cloud.clear();
        let etag = cloud.put(&format!("/{BUCKET}/Incoming/{FILE}"), csv.clone());
        let import = record_import(&owner, tenant, campaign, &etag, run).await?;
        let outcome = spawn_child(stack, &endpoint, tenant, import).await?;
        check(&owner, import, rows).await?;
        // The next run counts its duplicates against itself alone, as this one did.
        sqlx::query("UPDATE broadcast.imports SET state = 'refused' WHERE id = $1")
            .bind(import)
            .execute(&owner)
            .await?;
        drop_table(stack, campaign, import).await?;
        ours.push(per_second(rows, outcome.seconds));
        peak_rss_mib = peak_rss_mib.max(outcome.peak_rss_mib);

        checkpoint(stack).await?;
        peer.push(per_second(rows, psql_copy(stack, &path).await?));
        eprintln!("import, run {}: {:.0} rows/s, psql {:.0} rows/s", run + 1, ours[run], peer[run]);
    }
    let (ours, peer) = (median(ours), median(peer));
    Ok(vec![Comparison {
        bench: "import",
        case: "plain",
        unit: "rows/s",
        ours: rounded(ours, 0),
        peer: rounded(peer, 0),
        peer_name: "psql \\copy",
        ratio: rounded(ours / peer, 2),
        peak_rss_mib,
    }])
}

/// One import, as `main.rs` of the function sets it up; tells how long it took.
pub async fn child(tenant: i64, import: i64) -> Result<()> {
    let config = Config::from_env()?;
    let clients = Clients::new(&config).await;
    let function = import::Import {
        store: Store::connect(config.database_url()?)?,
        exchange: Exchange::new(&clients.sdk, config.tenant_role_arn()?, config.spool_bucket()?),
        master_key: MasterKey::from_base64(MASTER_KEY)?,
        generate_queue: String::new(),
        clients,
    };
    let now = OffsetDateTime::now_utc();
    let turn = import::Turn { message_id: "bench".to_owned(), now, deadline: now + INVOCATION };
    let begun = Instant::now();
    import::run(&function, TenantId(tenant), ImportId(import), &turn).await?;
    let outcome = Outcome { seconds: begun.elapsed().as_secs_f64(), peak_rss_mib: peak_rss_mib()? };
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

pub fn peak_rss_mib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib.div_ceil(1024))
}

async fn spawn_child(stack: &Stack, endpoint: &str, tenant: i64, import: i64) -> Result<Outcome> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--import-child").arg(tenant.to_string()).arg(import.to_string()).env_clear();
    command.envs([
        ("DATABASE_URL", stack.database_url.as_str()),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "bench"),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
        ("DEPLOYMENT", "bench"),
        ("SPOOL_BUCKET", "bench-spool"),
        ("TENANT_ROLE_ARN", "arn:aws:iam::000000000000:role/bench"),
    ]);
    let output = command.stderr(Stdio::inherit()).output().await?;
    if !output.status.success() {
        return Err("the import failed".into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// How long a row of the benchmark's file is on average.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn bytes_per_row(rows: u64) -> f64 {
    make_csv(rows).len() as f64 / rows as f64
}

/// The first so many bytes of such a file.
pub fn table_of(bytes: usize) -> Vec<u8> {
    let mut table = make_csv(bytes as u64 / 100);
    table.truncate(bytes);
    table
}

/// Ten columns, 110 bytes a row.
fn make_csv(rows: u64) -> Vec<u8> {
    let mut text = format!("{HEADER}\n");
    for n in 0..rows {
        let at = if n % BAD_EVERY == 7 { " at " } else { "@" };
        let who = if n % REPEATED_EVERY == 11 { n - 1 } else { n };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{n},recipient.{who:07}{at}mail{:02}.example.com,Anna-{:03},Mustermann,\"Long Street {:03}, left\",{:05},Springfield,Acme Ltd,{}.{:02},2026-{:02}-17",
            who % 97,
            n % 1000,
            n % 311,
            n % 99_999,
            n % 1000,
            n % 100,
            n % 12 + 1,
        );
    }
    text.into_bytes()
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
    let tx = tx.create_campaign(CAMPAIGN).await?;
    let campaign = tx.campaign().0;
    tx.commit().await?;
    Ok((tenant, campaign))
}

async fn record_import(owner: &PgPool, tenant: i64, campaign: i64, etag: &str, run: usize) -> Result<i64> {
    let uploaded_at = OffsetDateTime::now_utc() + Duration::seconds(i64::try_from(run)?);
    Ok(sqlx::query_scalar(
        "INSERT INTO broadcast.imports (tenant_id, campaign_id, call, file_name, etag, uploaded_at)
         VALUES ($1, $2, jsonb_build_object('campaign', $3), $4, $5, $6) RETURNING id",
    )
    .bind(tenant)
    .bind(campaign)
    .bind(CAMPAIGN)
    .bind(FILE)
    .bind(etag)
    .bind(uploaded_at)
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
    let bad = i64::try_from((0..rows).filter(|n| n % BAD_EVERY == 7).count())?;
    let repeated = i64::try_from((0..rows).filter(|n| n % REPEATED_EVERY == 11).count())?;
    let expected = ("finished".to_owned(), i64::try_from(rows)?, bad, repeated);
    if counts == expected {
        Ok(())
    } else {
        Err(format!("counted {counts:?} instead of {expected:?}").into())
    }
}

/// What one side wrote is not the other side's to flush.
async fn checkpoint(stack: &Stack) -> Result<()> {
    let mut connection = PgConnection::connect(&stack.superuser_database_url).await?;
    sqlx::raw_sql("CHECKPOINT").execute(&mut connection).await?;
    Ok(())
}

async fn drop_table(stack: &Stack, campaign: i64, import: i64) -> Result<()> {
    let mut connection = PgConnection::connect(&stack.superuser_database_url).await?;
    let statement = format!("DROP TABLE campaign_{campaign}.recipients_{import}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
    Ok(())
}

/// Seconds, the start of `psql` (some milliseconds) included.
async fn psql_copy(stack: &Stack, path: &Path) -> Result<f64> {
    let columns = HEADER.replace(',', " text, ");
    let psql = |command: String| {
        let mut psql = Command::new("psql");
        psql.env("PGOPTIONS", "-c client_min_messages=warning");
        psql.args(["-qX", "-v", "ON_ERROR_STOP=1", "-c"]).arg(command).arg(&stack.superuser_database_url);
        psql
    };
    let make = format!("DROP TABLE IF EXISTS peer; CREATE TABLE peer ({columns} text)");
    let mut seconds = 0.0;
    for command in [make, format!("\\copy peer FROM '{}' CSV HEADER", path.display())] {
        let begun = Instant::now();
        if !psql(command).status().await?.success() {
            return Err("psql failed".into());
        }
        seconds = begun.elapsed().as_secs_f64();
    }
    psql("DROP TABLE peer".to_owned()).status().await?;
    Ok(seconds)
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn per_second(rows: u64, seconds: f64) -> f64 {
    rows as f64 / seconds
}
