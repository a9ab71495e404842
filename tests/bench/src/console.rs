//! The console's pages over a campaign of a million recipients: how long the slowest of twenty looks takes, and how large pages are. Beside them
//! the same figures counted at each look, as the API does where it is asked for what is true now. And what a login tells strangers by its time.
//!
//! The server is a process of its own, without Lambda before it; its figures were counted once, as the function `count` does.

use std::{sync::Arc, time::Instant};

use access::Token;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use localstack::Stack;
use sqlx::{AssertSqlSafe, PgPool};

use crate::{
    Result,
    api::{MASTER_KEY, Server},
    cloud::Cloud,
    comparison::{Comparison, rounded},
    database::Database,
    strangers,
};

const RECIPIENTS: i64 = 1_000_000;
/// Looks at each page; of the peer so many fewer that the run has an end.
const LOOKS: usize = 200;
const PEER_LOOKS: usize = 5;
/// What a page may weigh, in bytes: the goal that this is measured for.
const PAGE_BYTES_MAX: usize = 100 * 1000;
const EMAIL: &str = "ada@bench.example";

type Http = Client<HttpConnector, Empty<Bytes>>;

/// Each page, with what it is called and the operation that would count for it.
const PAGES: [(&str, &str, &str); 3] = [
    ("all campaigns", "/campaigns", "/v1/campaigns/1/accounting"),
    ("one campaign", "/campaigns/1", "/v1/campaigns/1/accounting"),
    ("responses", "/campaigns/1/responses", "/v1/campaigns/1/responses"),
];

/// All pages, each with its peer.
pub async fn bench(stack: &Stack) -> Result<Vec<Comparison>> {
    let database = Database::create(stack, "console").await?;
    let owner = database.as_owner(stack).await?;
    prepare(&database, &owner).await?;
    let (session, key) = (log_in(&database, &owner).await?, crate::api::key(&database, &owner).await?);
    let begun = Instant::now();
    operations::count_campaign(&database.store, database.tenant, database.campaign).await?;
    eprintln!("console: a campaign of {RECIPIENTS} is counted in {:.1} s", begun.elapsed().as_secs_f64());
    let cloud = Cloud::default();
    cloud.put_secret("bench-master-key", MASTER_KEY.to_owned());
    let endpoint = format!("http://{}", cloud.start().await?);
    let console = Server::start(stack, &database, &endpoint, "console").await?;
    let api = Server::start(stack, &database, &endpoint, "ours").await?;
    let http: Http = Client::builder(TokioExecutor::new()).build_http();
    let mut comparisons = Vec::new();
    for (case, page, counted) in PAGES {
        let cookie = format!("__Host-session={}", session.text());
        let (ours, bytes) =
            p95(&http, &format!("http://{}{page}", console.address), ("cookie", &cookie), LOOKS).await?;
        let bearer = format!("Bearer {key}");
        let (peer, _) =
            p95(&http, &format!("http://{}{counted}", api.address), ("authorization", &bearer), PEER_LOOKS)
                .await?;
        eprintln!("console, {case}: {bytes} bytes");
        if bytes > PAGE_BYTES_MAX {
            return Err(format!("{page} weighs {bytes} bytes").into());
        }
        comparisons.push(Comparison {
            bench: "console",
            case,
            unit: "ms, 95th percentile",
            ours: rounded(ours, 1),
            peer: rounded(peer, 0),
            peer_name: "counted at each look",
            // Of times the shorter one is the better.
            ratio: rounded(peer / ours, 0),
            peak_rss_mib: console.peak_rss_mib()?,
        });
    }
    comparisons.push(strangers::bench(&console, &owner, EMAIL).await?);
    drop((console, api));
    owner.close().await;
    database.drop().await?;
    Ok(comparisons)
}

/// Looks one after the other, the first one left out: of so many the slowest but one in twenty, in milliseconds; and the answer's size.
async fn p95(http: &Http, url: &str, (name, value): (&str, &str), looks: usize) -> Result<(f64, usize)> {
    let (mut times, mut bytes) = (Vec::with_capacity(looks), 0);
    for look in 0..=looks {
        let request = Request::get(url).header(name, value).body(Empty::new())?;
        let begun = Instant::now();
        let answer = http.request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status != 200 {
            return Err(format!("{url}: {status} {}", String::from_utf8_lossy(&body)).into());
        }
        if look > 0 {
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        bytes = body.len();
    }
    times.sort_by(f64::total_cmp);
    Ok((times[(times.len() * 95).div_ceil(100) - 1], bytes))
}

/// A million people in one import, a launch of two versions, a mail to each, and what came back: a fifth opened, a twentieth clicked, some bounced.
async fn prepare(database: &Database, owner: &PgPool) -> Result<()> {
    let (tenant, campaign) = (database.tenant, database.campaign);
    let schema = campaign.schema();
    let statements = [
        format!(
            "INSERT INTO broadcast.imports (tenant_id, campaign_id, state, call, file_name, etag, uploaded_at, rows, imported, ended_at)
             VALUES ({tenant}, {campaign}, 'finished', '{{}}', 'list.csv', 'e', now(), {RECIPIENTS}, {RECIPIENTS}, now())"
        ),
        format!(
            "WITH template AS (
                 INSERT INTO broadcast.templates (tenant_id, campaign_id, version, from_name, from_address, subject, html)
                 SELECT {tenant}, {campaign}, n, 'Bench', 'news@example.com', '', '' FROM generate_series(1, 2) AS n RETURNING id)
             INSERT INTO broadcast.launches (tenant_id, campaign_id, template_id, state, slices, ended_at)
             SELECT {tenant}, {campaign}, id, 'done', 0, now() FROM template ORDER BY id"
        ),
        format!(
            "INSERT INTO {schema}.links SELECT t.id, n, 'https://shop.example/offers/' || n || '?utm_source=mail'
             FROM broadcast.templates t, generate_series(0, 9) AS n"
        ),
        format!(
            "CREATE TABLE {schema}.recipients_1 (line bigint NOT NULL, address text NOT NULL, address_key bytea NOT NULL,
                                                 recipient_key text, fields bytea NOT NULL)"
        ),
        format!(
            "INSERT INTO {schema}.recipients_1
             SELECT n, 'first.last' || n || '@mail' || n % 1000 || '.example', substr(sha256(n::text::bytea), 1, 16), 'K' || n,
                    sha256(n::text::bytea) FROM generate_series(1, {RECIPIENTS}) AS n"
        ),
        format!(
            "INSERT INTO {schema}.ledger (launch_id, slice, import_id, line, address_key, state)
             SELECT 1 + n % 2, n / 500, 1, n, substr(sha256(n::text::bytea), 1, 16), 'sent' FROM generate_series(1, {RECIPIENTS}) AS n"
        ),
        format!(
            "INSERT INTO {schema}.responses (event_id, at, kind, class, mail_id, link, diagnostic, actor)
             SELECT md5(n::text)::uuid, now() - n * interval '1 second',
                    CASE WHEN n % 20 = 0 THEN 'clicked' WHEN n % 50 = 1 THEN 'bounced' ELSE 'opened' END,
                    CASE WHEN n % 20 <> 0 AND n % 50 = 1 THEN 'hard' END, 1 + n * 7919::bigint % {RECIPIENTS},
                    CASE WHEN n % 20 = 0 THEN n / 20 % 10 END, CASE WHEN n % 50 = 1 THEN '550 5.1.1 no such user' END, 'human'
             FROM generate_series(1, {RECIPIENTS} / 4) AS n"
        ),
        format!("ALTER TABLE {schema}.recipients_1 OWNER TO {}", tenant.role()),
        "VACUUM ANALYZE".to_owned(),
    ];
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(owner).await?;
    }
    Ok(())
}

/// A person of the tenant with a session.
async fn log_in(database: &Database, owner: &PgPool) -> Result<Token> {
    let token = Token::generate()?;
    sqlx::query(
        "WITH person AS (INSERT INTO broadcast.users (tenant_id, email, role, password_hash) VALUES ($1, $3, 'admin', $4) RETURNING id)
         INSERT INTO broadcast.sessions (user_id, token_hash, created_at, seen_at, ends_at, browser)
         SELECT id, $2, now(), now(), now() + interval '12 hours', 'bench' FROM person",
    )
    .bind(database.tenant.0)
    .bind(&token.hash()[..])
    .bind(EMAIL)
    .bind(access::password::hash("the password of the bench")?)
    .execute(owner)
    .await?;
    Ok(token)
}

/// The router of the server.
pub async fn router(config: &runtime::Config) -> Result<axum::Router> {
    Ok(console::router(Arc::new(console::Console::new(config).await?)))
}
