//! `export` beside `psql \copy to`: half a million responses with their people and links, of two kinds, so into two files; and encrypted, beside
//! `psql | gpg -e`.
//!
//! Ours plans, writes to S3 (a server of the benchmarks' own), takes digests and records, in a process of its own; the peer runs the same joins
//! and writes to the disk.

use std::{path::Path, process::Stdio, sync::Arc, time::Instant};

use contract::{ExportMessage, TenantId};
use exchange::Exchange;
use export::Export;
use localstack::Stack;
use runtime::{Body, Clients, Config, Delivery};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, PgPool};
use store::Store;
use time::{Duration, OffsetDateTime};
use tokio::process::Command;

use crate::{
    Result,
    comparison::{Comparison, median, per_second, rounded},
    database::{Database, checkpoint},
    gateway::environment,
    memory::peak_rss_mib,
    openpgp::Gpg,
    processor::{Costs, Seconds, Server},
    s3::{self, Place},
};

/// As many as one export holds.
const RESPONSES: usize = 500_000;
/// One in so many is a click, the others are opens.
const CLICKED: i64 = 5;
const LINKS: i64 = 10;
const RECIPIENT: &str = "customer@bench.example";
/// The name of the tenant's own key in Secrets Manager: exports are signed.
const SECRET: &str = "bench-own";
/// As long as the function may run.
const INVOCATION: Duration = Duration::minutes(15);

/// What the child tells.
#[derive(Serialize, Deserialize)]
struct Outcome {
    seconds: f64,
    peak_rss_mib: u64,
}

/// Both sides in turn, plain and encrypted.
pub async fn bench(stack: &Stack, runs: usize) -> Result<(Vec<Comparison>, Vec<Costs>)> {
    // gpg's agent wants a short path.
    let folder = tempfile::Builder::new().prefix("exp").tempdir_in("/tmp")?;
    let gpg = Gpg { home: folder.path().to_owned() };
    let database = Database::create(stack, "export").await?;
    let owner = database.as_owner(stack).await?;
    prepare(&database, &owner).await?;
    keys(&database, &owner, &gpg).await?;
    let s3 = s3::Server::start(&Place::Endless, folder.path()).await?;
    let server = Server::of(stack).await?;
    let (mut comparisons, mut costs) = (Vec::new(), Vec::new());
    for (case, peer_name, encrypted) in
        [("plain", "psql \\copy", false), ("encrypted and signed", "psql | gpg -e", true)]
    {
        let (mut ours, mut peer, mut our_seconds, mut peer_seconds, mut peak) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), 0);
        for run in 1..=runs {
            reset(stack, &owner, &database, encrypted).await?;
            let before = Seconds::now(&server)?;
            let begun = Instant::now();
            copy(&database.owner_url(stack), &database, folder.path(), encrypted.then_some(&gpg)).await?;
            peer.push(per_second(RESPONSES, begun.elapsed().as_secs_f64()));
            peer_seconds.push(Seconds::now(&server)? - before);

            let before = Seconds::now(&server)?;
            let outcome = spawn(&database.url(stack), &s3.endpoint, database.tenant).await?;
            ours.push(per_second(RESPONSES, outcome.seconds));
            our_seconds.push(Seconds::now(&server)? - before);
            peak = peak.max(outcome.peak_rss_mib);
            check(&owner, &database).await?;
            eprintln!(
                "export, {case}, run {run}: {:.0} rows/s, {peer_name} {:.0}",
                ours[run - 1],
                peer[run - 1]
            );
        }
        let (ours, peer) = (median(ours), median(peer));
        comparisons.push(Comparison {
            bench: "export",
            case,
            unit: "rows/s",
            ours: rounded(ours, 0),
            peer: rounded(peer, 0),
            peer_name,
            ratio: rounded(ours / peer, 2),
            peak_rss_mib: peak,
        });
        costs.push(Costs {
            bench: "export",
            case,
            ours: Seconds::median(our_seconds),
            peer: Seconds::median(peer_seconds),
        });
    }
    gpg.end().await?;
    owner.close().await;
    database.drop().await?;
    Ok((comparisons, costs))
}

/// An import of as many people, a launch, a mail for each, and a response to each, in another order.
async fn prepare(database: &Database, owner: &PgPool) -> Result<()> {
    let (tenant, campaign) = (database.tenant, database.campaign);
    let schema = campaign.schema();
    let statements = [
        format!(
            "INSERT INTO broadcast.imports (tenant_id, campaign_id, state, call, file_name, etag, uploaded_at)
             VALUES ({tenant}, {campaign}, 'finished', '{{}}', 'list.csv', 'e', now())"
        ),
        format!(
            "WITH template AS (
                 INSERT INTO broadcast.templates (tenant_id, campaign_id, version, from_name, from_address, subject, html)
                 VALUES ({tenant}, {campaign}, 1, 'Bench', 'news@example.com', '', '') RETURNING id)
             INSERT INTO broadcast.launches (tenant_id, campaign_id, template_id, state, slices)
             SELECT {tenant}, {campaign}, id, 'done', 0 FROM template"
        ),
        format!(
            "INSERT INTO {schema}.links SELECT t.id, n, 'https://shop.example/offers/' || n || '?utm_source=mail'
             FROM broadcast.templates t, generate_series(0, {LINKS} - 1) AS n"
        ),
        format!(
            "CREATE TABLE {schema}.recipients_1 (line bigint NOT NULL, address text NOT NULL, address_key bytea NOT NULL,
                                                 recipient_key text, fields bytea NOT NULL)"
        ),
        format!(
            "INSERT INTO {schema}.recipients_1
             SELECT n, 'first.last' || n || '@mail' || n % 1000 || '.example', substr(sha256(n::text::bytea), 1, 16), 'K' || n,
                    sha256(n::text::bytea) FROM generate_series(1, {RESPONSES}) AS n"
        ),
        format!("CREATE INDEX recipients_1_line ON {schema}.recipients_1 (line)"),
        format!(
            "INSERT INTO {schema}.ledger (launch_id, slice, import_id, line, address_key, state)
             SELECT 1, n / 500, 1, n, substr(sha256(n::text::bytea), 1, 16), 'sent' FROM generate_series(1, {RESPONSES}) AS n"
        ),
        format!(
            "INSERT INTO {schema}.responses (event_id, at, kind, mail_id, link, actor)
             SELECT md5(n::text)::uuid, now() - n * interval '10 milliseconds',
                    CASE n % {CLICKED} WHEN 0 THEN 'clicked' ELSE 'opened' END, 1 + n * 7919::bigint % {RESPONSES},
                    CASE n % {CLICKED} WHEN 0 THEN n / {CLICKED} % {LINKS} END, 'human'
             FROM generate_series(1, {RESPONSES}) AS n"
        ),
        format!("GRANT SELECT ON {schema}.recipients_1 TO {}", tenant.role()),
        format!("VACUUM ANALYZE {schema}.recipients_1"),
        format!("VACUUM ANALYZE {schema}.ledger"),
        format!("VACUUM ANALYZE {schema}.responses"),
    ];
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(owner).await?;
    }
    Ok(())
}

/// The customer's key, to which exports are encrypted, and the tenant's own.
async fn keys(database: &Database, owner: &PgPool, gpg: &Gpg) -> Result<()> {
    let file = gpg.home.join("customer.asc");
    let args = |args: &[&str]| args.iter().map(|&arg| arg.to_owned()).collect::<Vec<String>>();
    gpg.run(&args(&["--quick-generate-key", RECIPIENT, "future-default", "default", "never"])).await?;
    gpg.run(&args(&["--armor", "--output", &file.display().to_string(), "--export", RECIPIENT])).await?;
    let pair =
        openpgp::generate("Tenant <tenant@bench.example>", OffsetDateTime::now_utc() - Duration::MINUTE)?;
    std::fs::write(gpg.home.join(SECRET), &pair.secret_armored)?;
    sqlx::query(
        "INSERT INTO broadcast.pgp_keys (tenant_id, purpose, fingerprint, public_key, secret_name)
         VALUES ($1, 'recipient', 'customer', $2, NULL), ($1, 'own', $3, $4, $5)",
    )
    .bind(database.tenant.0)
    .bind(std::fs::read_to_string(file)?)
    .bind(&pair.fingerprint)
    .bind(&pair.public_armored)
    .bind(SECRET)
    .execute(owner)
    .await?;
    Ok(())
}

/// As if nothing had been exported yet.
async fn reset(stack: &Stack, owner: &PgPool, database: &Database, encrypted: bool) -> Result<()> {
    let statements = format!(
        "DELETE FROM broadcast.exports; UPDATE broadcast.campaigns SET exported_seq = 0;
         UPDATE broadcast.tenants SET encrypt_exports = {encrypted} WHERE id = {}",
        database.tenant
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(owner).await?;
    checkpoint(stack).await
}

async fn copy(url: &str, database: &Database, folder: &Path, gpg: Option<&Gpg>) -> Result<()> {
    for kind in ["clicked", "opened"] {
        let query = format!(
            "SELECT r.at, r.kind, p.recipient_key, p.address, k.url, r.class, r.diagnostic, r.actor \
             FROM responses r JOIN ledger l ON l.id = r.mail_id LEFT JOIN recipients_1 p ON p.line = l.line \
             LEFT JOIN broadcast.launches launch ON launch.id = l.launch_id \
             LEFT JOIN links k ON k.template_id = launch.template_id AND k.number = r.link \
             WHERE r.kind = '{kind}' ORDER BY r.seq"
        );
        let file = folder.join(kind).display().to_string();
        let to = if gpg.is_some() { "pstdout".to_owned() } else { format!("'{file}'") };
        let mut psql = Command::new("psql");
        psql.env("PGOPTIONS", format!("-c search_path={}", database.campaign.schema()));
        psql.args(["-qX", "-v", "ON_ERROR_STOP=1", "-c", &format!("\\copy ({query}) TO {to} CSV HEADER")])
            .arg(url);
        let Some(gpg) = gpg else {
            if !psql.status().await?.success() {
                return Err("psql failed".into());
            }
            continue;
        };
        let mut psql = psql.stdout(Stdio::piped()).spawn()?;
        let rows: Stdio = psql.stdout.take().ok_or("no output")?.try_into()?;
        let args = ["--compress-algo", "none", "--output", &file, "-r", RECIPIENT, "--encrypt"];
        let encrypted =
            gpg.command(&args.map(str::to_owned)).stdin(rows).stdout(Stdio::null()).status().await?;
        if !psql.wait().await?.success() || !encrypted.success() {
            return Err("psql or gpg failed".into());
        }
    }
    Ok(())
}

async fn check(owner: &PgPool, database: &Database) -> Result<()> {
    let rows: Vec<i64> =
        sqlx::query_scalar("SELECT rows FROM broadcast.exports WHERE campaign_id = $1 AND state = 'written'")
            .bind(database.campaign.0)
            .fetch_all(owner)
            .await?;
    if rows == [i64::try_from(RESPONSES)?] { Ok(()) } else { Err(format!("exported {rows:?}").into()) }
}

async fn spawn(database_url: &str, endpoint: &str, tenant: TenantId) -> Result<Outcome> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--export-child", &tenant.to_string()]);
    environment(&mut command, database_url, endpoint);
    let output = command.stderr(Stdio::inherit()).output().await?;
    if !output.status.success() {
        return Err("the export failed".into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// One delivery, as `main.rs` of the function sets it up.
pub async fn child(tenant: i64) -> Result<()> {
    let config = Config::from_env()?;
    let clients = Clients::new(&config).await;
    let export = Arc::new(Export {
        store: Store::connect(config.database_url()?)?,
        exchange: Exchange::new(&clients.sdk, config.tenant_role_arn()?, config.spool_bucket()?),
        export_queue_url: String::new(),
        notify_queue_url: String::new(),
        clients,
    });
    let now = OffsetDateTime::now_utc();
    let delivery = Delivery {
        body: Body::Message(ExportMessage::Tenant { tenant: TenantId(tenant) }),
        message_id: "bench".to_owned(),
        receive_count: 1,
        now,
        deadline: now + INVOCATION,
    };
    let begun = Instant::now();
    export::handle(export, delivery).await?;
    let outcome = Outcome { seconds: begun.elapsed().as_secs_f64(), peak_rss_mib: peak_rss_mib("self")? };
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}
