//! A thousand campaigns of one tenant end at once, thousands of tables are dropped, and other tenants import and send meanwhile: nobody waits for
//! a lock longer than sweep itself would.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use contract::TenantId;
use sqlx::{Connection, PgConnection};
use store::Store;
use testkit::{Stack, Tenant, csv::Plan, hold::Hold, own, wait};
use time::OffsetDateTime;
use tokio::task::JoinSet;

use crate::everything_is_deleted_on_time::sweep;

/// In the long tier; else so many that the others get some work done meanwhile.
const CAMPAIGNS_LONG: u32 = 1000;
const CAMPAIGNS: u32 = 30;
/// Campaigns that are made at once.
const MAKERS: u32 = 4;
/// Mails of each campaign of the others.
const MAILS: usize = 20;
/// Sweep gives up after five seconds what it waits for; whoever waits for sweep waits no longer either. The rest is the busy machine's.
const WAIT_MAX: Duration = Duration::from_secs(5 + 1);
/// How often is looked. What waits shorter is no wait that matters.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The long tier's for all of it, on a machine with much else to do.
const DEADLINE: Duration = Duration::from_mins(20);

/// Makes campaigns with schema and tables, as the API does, in fewer calls than its keys may make in a minute.
async fn make(tenant: &Tenant, count: u32) {
    let store = Store::connect_with(&tenant.stack.database_url, MAKERS).unwrap();
    let id = TenantId(tenant.id);
    let mut makers = JoinSet::new();
    for maker in 0..MAKERS {
        let store = store.clone();
        makers.spawn(async move {
            for number in (maker..count).step_by(MAKERS as usize) {
                let mut tx = store.tenant(id).await.unwrap();
                tx.create_campaign(&format!("spring {number}")).await.unwrap();
                tx.commit().await.unwrap();
            }
        });
    }
    makers.join_all().await;
}

/// Looks for waits until it is told to end: the longest, and the statement that waited.
async fn longest_wait(stack: Stack, over: Arc<AtomicBool>) -> (Duration, String) {
    let mut database = PgConnection::connect(&stack.superuser_database_url).await.unwrap();
    let mut longest = (Duration::ZERO, String::new());
    let mut look = tokio::time::interval(LOOK_EVERY);
    while !over.load(Ordering::Relaxed) {
        look.tick().await;
        let waiting: Option<(f64, String)> = sqlx::query_as(
            "SELECT extract(epoch FROM clock_timestamp() - l.waitstart)::float8, a.query
             FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
             WHERE NOT l.granted AND l.waitstart IS NOT NULL AND a.datname = current_database() ORDER BY l.waitstart LIMIT 1",
        )
        .fetch_optional(&mut database)
        .await
        .unwrap();
        if let Some((seconds, statement)) = waiting {
            let waited = Duration::from_secs_f64(seconds.max(0.0));
            if waited > longest.0 {
                longest = (waited, statement);
            }
        }
    }
    longest
}

/// Imports and sends one campaign behind the other until it is told to end; how long each took.
async fn works(tenant: &Tenant, over: &AtomicBool) -> Vec<Duration> {
    let mut took = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let name = format!("week {}", took.len());
        let campaign = tenant.campaign(&name).await;
        let plan = Plan { domain: tenant.recipients_domain.clone(), good: MAILS, ..Plan::default() };
        tenant.put(&format!("{name}.csv"), plan.write()).await;
        tenant.control(&format!("{name}.csv"), &name, true).await;
        let accounting = tenant.mailed(campaign, MAILS as u64).await;
        assert_eq!(accounting.number("ledger.sent"), MAILS as u64, "{accounting:?}");
        tenant.all_is_well(campaign).await;
        took.push(begun.elapsed());
    }
    took
}

/// Schemas that are there, tables in them, campaigns that are not said to be deleted.
async fn left(tenant: &Tenant) -> (i64, i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM pg_namespace WHERE nspowner = r.oid), (SELECT count(*) FROM pg_class WHERE relowner = r.oid AND relkind = 'r'),
                (SELECT count(*) FROM broadcast.campaigns WHERE tenant_id = $1 AND state <> 'deleted')
         FROM pg_roles AS r WHERE rolname = 'tenant_' || $1",
    )
    .bind(tenant.id)
    .fetch_one(&mut tenant.superuser().await)
    .await
    .unwrap()
}

/// A wait of a quarter of a second is seen, or the scenario would prove nothing.
async fn waits_are_seen(tenant: &Tenant) {
    let over = Arc::new(AtomicBool::new(false));
    let waits = tokio::spawn(longest_wait(tenant.stack.clone(), Arc::clone(&over)));
    let hold = Hold::new(tenant, "LOCK TABLE broadcast.receipts").await;
    let wait = "SET lock_timeout = '250ms'; LOCK TABLE broadcast.receipts";
    let refused = sqlx::raw_sql(wait).execute(&mut tenant.superuser().await).await;
    assert!(refused.unwrap_err().to_string().contains("lock timeout"));
    hold.release().await;
    over.store(true, Ordering::Relaxed);
    let (longest, statement) = waits.await.unwrap();
    assert!(longest > Duration::from_millis(100) && statement == wait, "{longest:?}: {statement}");
}

#[tokio::test(flavor = "multi_thread")]
async fn longer_than_sweep_would() {
    let campaigns = if std::env::var_os("BROADCAST_LONG").is_some() { CAMPAIGNS_LONG } else { CAMPAIGNS };
    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "thousand", &["import", "generate", "send", "sweep"]).await;
    let tenant = Tenant::new(&stack, "thousand").await;
    make(&tenant, campaigns).await;
    let (schemas, tables, open) = left(&tenant).await;
    let made = i64::from(campaigns);
    assert!(
        (schemas, open) == (made, made) && tables >= 5 * made,
        "{schemas} schemas, {tables} tables, {open} open"
    );

    waits_are_seen(&tenant).await;
    let over = Arc::new(AtomicBool::new(false));
    let waits = tokio::spawn(longest_wait(stack.clone(), Arc::clone(&over)));
    let (one, two) = (Tenant::new(&stack, "one").await, Tenant::new(&stack, "two").await);
    let now = OffsetDateTime::now_utc() + time::Duration::days(28) + time::Duration::minutes(5);
    let going = async {
        let begun = Instant::now();
        wait::until_within(DEADLINE, "the campaigns to go", async || {
            sweep(&tenant, now).await;
            (left(&tenant).await == (0, 0, 0)).then_some(())
        })
        .await;
        over.store(true, Ordering::Relaxed);
        begun.elapsed()
    };
    let (went, mut took, others) =
        tokio::join!(Box::pin(going), Box::pin(works(&one, &over)), Box::pin(works(&two, &over)));
    took.extend(others);
    let (longest, statement) = waits.await.unwrap();
    let slowest = took.iter().max().unwrap();
    println!(
        "{campaigns} campaigns with {tables} tables went in {went:.1?}; meanwhile {} campaigns were mailed, the slowest in {slowest:.1?}; \
         the longest wait for a lock: {longest:.3?} ({statement})",
        took.len()
    );
    assert!(longest <= WAIT_MAX, "{longest:?} for a lock: {statement}");

    let receipts: Vec<(String, i64)> = sqlx::query_as(
        "SELECT what, count(DISTINCT ids) FROM broadcast.receipts WHERE tenant_id = $1 GROUP BY what HAVING count(*) = count(DISTINCT ids)
         ORDER BY what",
    )
    .bind(tenant.id)
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap();
    let each = |what: &str| (what.to_owned(), made);
    assert_eq!(receipts, ["mails", "recipients", "responses"].map(each), "one for each campaign");
    own::undeploy(&stack).await;
}
