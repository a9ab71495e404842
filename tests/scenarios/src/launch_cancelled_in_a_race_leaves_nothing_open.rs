//! A launch is cancelled or paused at the worst moments: while its rows are written, while a slice of it is recorded. No row of a cancelled
//! launch stays open, and a paused one starts as if nothing had been. A large one is taken back in several steps.

use sqlx::AssertSqlSafe;
use store::LaunchChange;
use testkit::{
    Stack, Tenant,
    hold::{Hold, lock},
    wait,
};
use time::{Duration, OffsetDateTime};

use crate::launch_starts_at_its_time::{Launches, imported};

/// What a preparation does first, and waits for when somebody else has the campaign.
const PREPARES: &str = "SELECT 1 FROM broadcast.campaigns WHERE id = $1 AND state";
/// First half of the advisory lock of a preparation: see `generate`'s `PREPARE_LOCK`.
const PREPARE_LOCK: i64 = 0x4C41_554E;
/// First half of the advisory lock at which a slice of this test stops.
const GATE: i32 = 0x4741_5445;
/// More than a cancellation takes back before it answers.
const MANY: usize = 12_000;

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_prepared() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "prepare").await;
    let campaign = imported(&tenant, 20).await;
    let launches = Launches::of(&tenant, campaign);

    let mut hold = Hold::new(&tenant, lock::publishing(campaign).0).await;
    let launch = launches.schedule(None).await;
    hold.until_blocked(PREPARES).await;
    // At once, though the preparation goes on.
    assert_eq!(launches.cancel(launch).await, LaunchChange::Done);
    hold.release().await;
    launches.until_ended(launch, "cancelled").await;

    // The addresses are free for the next one, which is paused at the same moment.
    let mut hold = Hold::new(&tenant, lock::publishing(campaign).0).await;
    let launch = launches.schedule(None).await;
    hold.until_blocked(PREPARES).await;
    assert_eq!(launches.pause(launch).await, LaunchChange::Done);
    hold.release().await;
    wait::until("the preparation to be given up", async || {
        let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = $1";
        let mut database = tenant.superuser().await;
        let count: i64 = sqlx::query_scalar(locks).bind(PREPARE_LOCK).fetch_one(&mut database).await.unwrap();
        (count == 0).then_some(())
    })
    .await;
    assert_eq!(tenant.accounting(campaign).await.number("unlaunched"), 20);
    assert_eq!(launches.resume(launch).await, LaunchChange::Done);
    assert_eq!(tenant.mailed(campaign, 20).await.number("ledger.sent"), 20);
    launches.until_ended(launch, "done").await;
    tenant.all_is_well(campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_slice_is_recorded() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "record").await;
    let campaign = imported(&tenant, 20).await;
    let launches = Launches::of(&tenant, campaign);

    // The slice's object is written, and its first row is being marked: the whole slice is held.
    let gate = format!(
        "CREATE FUNCTION campaign_{campaign}.gate() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_advisory_xact_lock({GATE}, {campaign}); RETURN NEW; END $$;
         CREATE TRIGGER gate BEFORE UPDATE ON campaign_{campaign}.ledger FOR EACH ROW WHEN (NEW.state = 'spooled')
         EXECUTE FUNCTION campaign_{campaign}.gate()"
    );
    sqlx::raw_sql(AssertSqlSafe(gate)).execute(&mut tenant.superuser().await).await.unwrap();
    let mut hold = Hold::new(&tenant, format!("SELECT pg_advisory_xact_lock({GATE}, {campaign})")).await;
    let launch = launches.schedule(None).await;
    hold.until_blocked("UPDATE ledger SET state = 'spooled'").await;
    assert_eq!(launches.cancel(launch).await, LaunchChange::Done);
    assert_eq!((launches.mails_in("'cancelled'").await, launches.mails_in("'pending'").await), (0, 20));
    assert_eq!(launches.standing(launch).await.ended_at, None);
    hold.release().await;
    launches.until_ended(launch, "cancelled").await;
    assert_eq!(launches.mails_in("'cancelled'").await, 20);
    assert!(tenant.mails().is_empty());
    tenant.all_is_well(campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_large_it_is() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "large").await;
    let campaign = tenant.campaign("spring").await;
    let launches = Launches::of(&tenant, campaign);
    let launch = launches.schedule(Some(OffsetDateTime::now_utc() + Duration::hours(2))).await;
    assert_eq!(launches.pause(launch).await, LaunchChange::Done);
    // As if it had been prepared.
    let rows = format!(
        "INSERT INTO campaign_{campaign}.ledger (launch_id, slice, import_id, line, address_key, state)
         SELECT {launch}, (line - 1) / 500, 0, line, decode(lpad(to_hex(line), 32, '0'), 'hex'), 'pending'
         FROM generate_series(1, {MANY}) AS line;
         INSERT INTO campaign_{campaign}.slices (launch_id, slice, state, due_at)
         SELECT {launch}, slice, 'waiting', now() FROM generate_series(0, 23) AS slice"
    );
    sqlx::raw_sql(AssertSqlSafe(rows)).execute(&mut tenant.superuser().await).await.unwrap();
    launches.set(launch, "slices = 24").await;

    let mut tx = launches.tx().await;
    let now = OffsetDateTime::now_utc();
    assert_eq!(store::cancel_launch(&mut tx, launch, now).await.unwrap(), Some(LaunchChange::Done));
    // Before the commit: the schedule may come next.
    let taken_back = "SELECT count(*) FROM ledger WHERE state = 'cancelled'";
    let taken_back: i64 = sqlx::query_scalar(taken_back).fetch_one(&mut *tx).await.unwrap();
    assert_eq!(taken_back, 10_000);
    tx.commit().await.unwrap();
    launches.nudge(launch).await;
    launches.until_ended(launch, "cancelled").await;
    assert_eq!(launches.mails_in("'cancelled'").await, MANY);
}
