//! The API beside a bare axum handler: reading one campaign of ten thousand, and a page of a hundred imports.
//!
//! Both are processes of their own, serve plain HTTP on loopback and ask the same database over as many connections. The bare one runs the
//! statement as a login that sees everything, and answers its rows. Ours knows the key, its scope and its limit, takes the tenant's role,
//! and has the audit's line durable before it answers.

use std::{net::SocketAddr, process::Stdio, sync::Arc};

use access::{NewApiKey, Scope};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use localstack::Stack;
use serde_json::Value;
use sqlx::PgPool;
use store::Store;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

use crate::{
    Result,
    cloud::Cloud,
    comparison::{Comparison, median, rounded},
    database::Database,
    load::{Question, Seen, load},
    memory::peak_rss_mib,
};

pub const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const CAMPAIGNS: i64 = 10_000;
const IMPORTS: i64 = 100;
/// Connections to the database, of either side: as many as an instance of the function has.
const CONNECTIONS: u32 = 4;

/// A server in a process of its own, ended with this.
pub struct Server {
    pub address: SocketAddr,
    child: Child,
}

/// Runs both sides in turn.
pub async fn bench(stack: &Stack, runs: usize) -> Result<Vec<Comparison>> {
    let database = Database::create(stack, "api").await?;
    let key = prepare(stack, &database).await?;
    let cloud = Cloud::default();
    cloud.put_secret("bench-master-key", MASTER_KEY.to_owned());
    let endpoint = format!("http://{}", cloud.start().await?);
    let mut comparisons = Vec::new();
    for (case, p99_case, path) in [
        ("one campaign", "one campaign, 99th percentile", "/campaigns/5000"),
        ("a page of imports", "a page of imports, 99th percentile", "/campaigns/5000/imports"),
    ] {
        let (mut ours, mut bare, mut peak) = (Vec::new(), Vec::new(), 0);
        for run in 1..=runs {
            let server = Server::start(stack, &database, &endpoint, "bare").await?;
            bare.push(ask(&server, path, &key).await?);
            drop(server);
            let server = Server::start(stack, &database, &endpoint, "ours").await?;
            ours.push(ask(&server, &format!("/v1{path}"), &key).await?);
            peak = peak.max(server.peak_rss_mib()?);
            drop(server);
            let (one, other) = (&ours[run - 1], &bare[run - 1]);
            eprintln!(
                "api, {case}, run {run}: {:.0} requests/s, p99 {:.1} ms; bare {:.0} requests/s, p99 {:.1} ms",
                one.rate, one.p99_ms, other.rate, other.p99_ms
            );
        }
        let rate = |runs: &[Seen]| median(runs.iter().map(|run| run.rate).collect());
        let p99 = |runs: &[Seen]| median(runs.iter().map(|run| run.p99_ms).collect());
        let (ours_p99, bare_p99, ours, bare) = (p99(&ours), p99(&bare), rate(&ours), rate(&bare));
        // Of times the shorter one is the better.
        for (case, unit, ours, peer, digits, ratio) in [
            (case, "requests/s", ours, bare, 0, ours / bare),
            (p99_case, "ms", ours_p99, bare_p99, 1, bare_p99 / ours_p99),
        ] {
            comparisons.push(Comparison {
                bench: "api",
                case,
                unit,
                ours: rounded(ours, digits),
                peer: rounded(peer, digits),
                peer_name: "a bare axum handler",
                ratio: rounded(ratio, 2),
                peak_rss_mib: peak,
            });
        }
    }
    database.drop().await?;
    Ok(comparisons)
}

/// Campaigns, imports and a key without a limit that is felt; the key.
async fn prepare(stack: &Stack, database: &Database) -> Result<String> {
    let owner = database.as_owner(stack).await?;
    let key = key(database, &owner).await?;
    sqlx::query("INSERT INTO broadcast.campaigns (tenant_id, name) SELECT $1, 'campaign ' || n FROM generate_series(2, $2) AS n")
        .bind(database.tenant.0)
        .bind(CAMPAIGNS)
        .execute(&owner)
        .await?;
    sqlx::query(
        "INSERT INTO broadcast.imports (tenant_id, campaign_id, call, file_name, etag, uploaded_at, state, rows, imported, charset, delimiter, ended_at)
         SELECT $1, c.id, '{}', 'recipients-' || c.id || '-' || n || '.csv', 'e', now(), 'finished', 1000, 990, 'UTF-8', ';', now()
         FROM broadcast.campaigns c, generate_series(1, CASE c.id WHEN 5000 THEN $2 ELSE 2 END) AS n",
    )
    .bind(database.tenant.0)
    .bind(IMPORTS)
    .execute(&owner)
    .await?;
    sqlx::raw_sql("VACUUM ANALYZE").execute(&owner).await?;
    owner.close().await;
    Ok(key)
}

/// A key without a limit that is felt.
pub async fn key(database: &Database, owner: &PgPool) -> Result<String> {
    let key = NewApiKey::generate()?;
    sqlx::query(
        "INSERT INTO broadcast.api_keys (tenant_id, prefix, secret_hash, scopes, requests_per_minute) VALUES ($1, $2, $3, $4, 1000000)",
    )
    .bind(database.tenant.0)
    .bind(&key.prefix)
    .bind(key.hash.as_slice())
    .bind(Scope::ALL.iter().map(|scope| scope.name()).collect::<Vec<_>>())
    .execute(owner)
    .await?;
    Ok(key.text)
}

/// No meter: both sides keep the whole machine busy.
async fn ask(server: &Server, path: &str, key: &str) -> Result<Seen> {
    let question = |_| Question {
        path: path.to_owned(),
        headers: vec![("authorization", format!("Bearer {key}"))],
        is_answer: |body| body.len() >= 100,
    };
    load(server.address, question, || Ok(0.0)).await
}

impl Server {
    pub async fn start(stack: &Stack, database: &Database, endpoint: &str, side: &str) -> Result<Self> {
        // The bare one sees everything without a tenant's role.
        let url = if side == "bare" { database.owner_url(stack) } else { database.url(stack) };
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--api-child").arg(side).env_clear().envs([
            ("DATABASE_URL", url.as_str()),
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("DEPLOYMENT", "bench"),
            ("SPOOL_BUCKET", "bench-spool"),
            ("TENANT_ROLE_ARN", "arn:aws:iam::000000000000:role/bench"),
            ("MASTER_KEY_SECRET", "bench-master-key"),
            ("IMPORT_QUEUE_URL", "none"),
            ("GENERATE_QUEUE_URL", "none"),
            ("EXPORT_QUEUE_URL", "none"),
            ("NOTIFY_QUEUE_URL", "none"),
            ("COUNT_QUEUE_URL", "none"),
            ("SEND_QUEUE_URL", "none"),
            ("TRACK_QUEUE_URL", "none"),
            ("SWEEP_QUEUE_URL", "none"),
            ("CONSOLE_URL", "http://localhost"),
        ]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true).spawn()?;
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let line = BufReader::new(stdout).lines().next_line().await?.ok_or("the server did not start")?;
        Ok(Self { address: line.parse()?, child })
    }

    pub fn peak_rss_mib(&self) -> Result<u64> {
        peak_rss_mib(&self.child.id().ok_or("the server has ended")?.to_string())
    }
}

/// Serves one side until it is killed.
pub async fn child(side: &str) -> Result<()> {
    let config = runtime::Config::from_env()?;
    let router = match side {
        "ours" => api::router(Arc::new(api::Api::new(&config).await?)),
        "console" => crate::console::router(&config).await?,
        _ => bare(Store::connect_with(config.database_url()?, CONNECTIONS)?.pool().clone()),
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?);
    axum::serve(
        axum::serve::ListenerExt::tap_io(listener, |stream| {
            let _ = stream.set_nodelay(true);
        }),
        router,
    )
    .await?;
    Ok(())
}

/// The same rows as ours answers, as they come from the database.
fn bare(pool: PgPool) -> Router {
    Router::new()
        .route("/campaigns/{id}", get(campaign))
        .route("/campaigns/{id}/imports", get(imports))
        .with_state(pool)
}

type Answer = std::result::Result<Json<Value>, axum::http::StatusCode>;

async fn campaign(State(pool): State<PgPool>, Path(id): Path<i64>) -> Answer {
    let row: std::result::Result<Campaign, _> = sqlx::query_as(
        "SELECT id, name, state, created_at, ended_at, deleted_at, version, totals FROM broadcast.campaigns WHERE id = $1",
    )
    .bind(id)
    .fetch_one(&pool)
    .await;
    row.map(|row| Json(serde_json::json!(row))).map_err(|_| axum::http::StatusCode::INTERNAL_SERVER_ERROR)
}

#[derive(sqlx::FromRow, serde::Serialize)]
struct Campaign {
    id: i64,
    name: String,
    state: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: time::OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<time::OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    deleted_at: Option<time::OffsetDateTime>,
}

#[derive(sqlx::FromRow, serde::Serialize)]
struct Import {
    id: i64,
    campaign_id: Option<i64>,
    file_name: String,
    state: String,
    bytes_total: i64,
    bytes_done: i64,
    rows: i64,
    imported: i64,
    rejected: i64,
    duplicates: i64,
    charset: Option<String>,
    delimiter: Option<String>,
    reason_code: Option<String>,
    reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: time::OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<time::OffsetDateTime>,
}

async fn imports(State(pool): State<PgPool>, Path(campaign): Path<i64>) -> Answer {
    let rows: std::result::Result<Vec<Import>, _> = sqlx::query_as(
        "SELECT id, campaign_id, file_name, state, bytes_total, bytes_done, rows, imported, rejected, duplicates,
                charset, delimiter, reason_code, reason, created_at, ended_at, cardinality(header) AS columns
         FROM broadcast.imports WHERE campaign_id = $1 AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
    )
    .bind(campaign)
    .bind(None::<i64>)
    .bind(100_i64)
    .fetch_all(&pool)
    .await;
    rows.map(|rows| Json(serde_json::json!({"items": rows})))
        .map_err(|_| axum::http::StatusCode::INTERNAL_SERVER_ERROR)
}
