//! A paced launch sends each of its slices when it has its turn, and is put off by a pause. Of a large launch a few slices are under way at a
//! time, so that a small one of another tenant is not behind it.

use std::fmt::Write as _;

use sqlx::AssertSqlSafe;
use store::LaunchChange;
use testkit::{Stack, Tenant, own, wait};

use crate::{
    launch_starts_at_its_time::{Launches, imported, tick},
    launch_stops_where_it_stands::deployed,
};

/// Three slices.
const PACED: usize = 1_100;
/// Of the large launch.
const SLICES: i64 = 10;
/// As the stack sets it: see `localstack/src/start.rs`.
const IN_FLIGHT: i64 = 4;
const SMALL: usize = 50;

/// The large launch's slices that wait for their turn, and those under way.
async fn slices(tenant: &Tenant, campaign: i64) -> (i64, i64) {
    let statement = format!(
        "SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state IN ('generating', 'sending'))
         FROM campaign_{campaign}.slices"
    );
    sqlx::query_as(AssertSqlSafe(statement)).fetch_one(&mut tenant.superuser().await).await.unwrap()
}

/// Moves what waits of a launch, as if so much time had passed.
async fn pass(tenant: &Tenant, campaign: i64, minutes: i64) {
    let statement = format!(
        "UPDATE campaign_{campaign}.slices SET due_at = due_at - interval '{minutes} minutes' WHERE state = 'waiting'"
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut tenant.superuser().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn over_two_hours_with_a_pause() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "paced").await;
    let campaign = imported(&tenant, PACED).await;
    let launches = Launches::of(&tenant, campaign);
    let made = tenant
        .api(
            "POST",
            &format!("/v1/campaigns/{campaign}/launches"),
            Some(serde_json::json!({"paced_minutes": 120})),
        )
        .await
        .ok();
    let launch = contract::LaunchId(made["id"].as_i64().unwrap());
    let sent = async |count: usize| {
        wait::until(&format!("{count} mails to be sent"), async || {
            let sums = tenant.accounting(campaign).await;
            let there = (sums.number("ledger.sent"), sums.number("ledger.pending"));
            (there == (count as u64, (PACED - count) as u64) && sums.balanced()).then_some(())
        })
        .await;
    };
    // Each slice that was sent is closed a moment later.
    let waiting = async |count: i64| {
        let closed = |slices: &(i64, i64)| *slices == (count, 0);
        wait::until_so("slices that wait", async || slices(&tenant, campaign).await, closed).await;
    };
    sent(500).await;
    waiting(2).await;
    // The next one has its turn after an hour, whoever looks before.
    pass(&tenant, campaign, 50).await;
    tick(&stack).await;
    launches.nudge(launch).await;
    assert_eq!(slices(&tenant, campaign).await, (2, 0));

    // Half an hour of pause is none of its two hours.
    assert_eq!(launches.pause(launch).await, LaunchChange::Done);
    launches.set(launch, "paused_at = paused_at - interval '30 minutes'").await;
    assert_eq!(launches.resume(launch).await, LaunchChange::Done);
    pass(&tenant, campaign, 30).await;
    tick(&stack).await;
    assert_eq!(slices(&tenant, campaign).await, (2, 0));
    pass(&tenant, campaign, 11).await;
    tick(&stack).await;
    sent(1_000).await;
    waiting(1).await;
    pass(&tenant, campaign, 60).await;
    tick(&stack).await;
    sent(PACED).await;
    launches.until_ended(launch, "done").await;
    tenant.all_is_well(campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_one_does_not_hold_up_a_small_one() {
    let stack = deployed("fair").await;
    let (large, small) = (Tenant::new(&stack, "large").await, Tenant::new(&stack, "small").await);
    let few = imported(&small, SMALL).await;
    let many = large.campaign("spring").await;
    let mut csv = String::from("Kundennummer;E-Mail;Vorname;Nachname;Notiz\r\n");
    for number in 0..SLICES * store::slices::MAILS_MAX {
        // Each keeps a connection for two seconds, a slice all of its function's for more than a minute.
        write!(csv, "K{number};slow-{number}@{};Anna;Ander;\r\n", large.recipients_domain).unwrap();
    }
    large.put("list.csv", csv).await;
    large.control("list.csv", "spring", true).await;
    wait::until("the large launch to be under way", async || {
        (slices(&large, many).await.1 == IN_FLIGHT).then_some(())
    })
    .await;
    Launches::of(&small, few).schedule(None).await;
    small.mailed(few, SMALL as u64).await;
    let (waiting, under_way) = slices(&large, many).await;
    assert!(waiting > 0, "the small launch came after the large one");
    // Two that end at the same moment may take one more each.
    assert!(under_way <= 2 * IN_FLIGHT, "{under_way} slices are under way");
    let launches = Launches::of(&large, many);
    let launch = launches.newest().await;
    assert_eq!(launches.cancel(launch).await, LaunchChange::Done);
    launches.until_ended(launch, "cancelled").await;
    large.all_is_well(many).await;
    small.all_is_well(few).await;
    own::undeploy(&stack).await;
}
