//! A tenant's rate holds for all functions together: whoever draws at once, from one bucket; whatever launches there are, no more goes out in
//! a minute than is in it, and everything goes out in the end.

use std::time::Instant;

use contract::TenantId;
use serde_json::json;
use store::{
    Store,
    pacing::{self, Drawn, Pace, Rate},
};
use testkit::{Stack, Tenant, csv::Plan, own, tenant::admin, wait};
use time::{Duration, OffsetDateTime};
use tokio::task::JoinSet;

use crate::launch_starts_at_its_time::{Launches, tick_at};

/// Of one of two campaigns.
const MAILS: usize = 20;
/// Ten in a minute.
const MAILS_PER_HOUR: i32 = 600;
const MAILS_PER_MINUTE: usize = 10;

fn rate(mails_per_hour: i32) -> Rate {
    let pace = Pace { mails_per_hour: Some(mails_per_hour), ..Pace::default() };
    pace.rate(OffsetDateTime::now_utc()).unwrap()
}

struct Draws {
    store: Store,
    tenant: TenantId,
    rate: Rate,
}

impl Draws {
    async fn draw(&self, wanted: usize, now: OffsetDateTime) -> Drawn {
        let mut tx = self.store.tenant(self.tenant).await.unwrap();
        let drawn = pacing::draw(&mut tx, self.tenant, self.rate, wanted, now).await.unwrap();
        tx.commit().await.unwrap();
        drawn
    }

    async fn give_back(&self, unused: usize) {
        let mut tx = self.store.tenant(self.tenant).await.unwrap();
        pacing::give_back(&mut tx, self.tenant, self.rate, unused).await.unwrap();
        tx.commit().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_draw_at_once_no_more_than_there_is() {
    const TASKS: u32 = 20;
    const SECONDS: i64 = 60;
    let stack = Stack::from_env().unwrap();
    let tenant = TenantId(Tenant::new(&stack, "draws").await.id);
    let start = OffsetDateTime::now_utc();
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let store = Store::connect_with(&stack.database_url, 1).unwrap();
        let draws = Draws { store, tenant, rate: rate(3_600) };
        tasks.spawn(async move {
            let mut granted = 0;
            // Each has a clock of its own: they are never at the same second.
            for second in 0..=SECONDS {
                granted += draws.draw(7, start + Duration::seconds(second)).await.granted;
            }
            granted
        });
    }
    let granted: usize = tasks.join_all().await.into_iter().sum();
    // A full bucket of a minute, and what flowed in during a minute.
    assert!((119..=120).contains(&granted), "{granted} were granted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_never_more_than_full() {
    let stack = Stack::from_env().unwrap();
    let tenant = TenantId(Tenant::new(&stack, "bucket").await.id);
    let store = Store::connect(&stack.database_url).unwrap();
    let draws = Draws { store, tenant, rate: rate(3_600) };
    let start = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
    let at = |seconds| start + Duration::seconds(seconds);

    assert_eq!(draws.draw(50, at(0)).await, Drawn { granted: 50, again_at: None });
    // What is left waits for its turn, and the next one behind it.
    assert_eq!(draws.draw(30, at(0)).await, Drawn { granted: 10, again_at: Some(at(20)) });
    assert_eq!(draws.draw(15, at(0)).await, Drawn { granted: 0, again_at: Some(at(35)) });
    // One that wants more than a bucket comes back when one has flowed in; nobody waits for longer than ten minutes.
    assert_eq!(draws.draw(500, at(0)).await, Drawn { granted: 0, again_at: Some(at(95)) });
    for _ in 0..20 {
        draws.draw(500, at(0)).await;
    }
    assert_eq!(draws.draw(1, at(0)).await, Drawn { granted: 0, again_at: Some(at(600)) });
    // A clock that went back grants nothing, and what it hid is not granted a second time.
    assert_eq!(draws.draw(20, at(20)).await.granted, 20);
    assert_eq!(draws.draw(20, at(-3_600)).await.granted, 0);
    assert_eq!(draws.draw(20, at(20)).await.granted, 0);
    assert_eq!(draws.draw(20, at(25)).await.granted, 5);
    // What comes back is there again, up to the bucket.
    draws.give_back(5).await;
    assert_eq!(draws.draw(20, at(25)).await.granted, 5);
    draws.give_back(1_000).await;
    assert_eq!(draws.draw(1_000, at(25)).await.granted, 60);
    assert_eq!(draws.draw(1_000, at(86_400)).await.granted, 60);
}

/// A campaign whose launch has begun.
async fn launched(tenant: &Tenant, name: &str) -> i64 {
    let campaign = tenant.campaign(name).await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: MAILS, ..Plan::default() };
    let file = format!("{name}.csv");
    tenant.put(&file, plan.write()).await;
    tenant.control(&file, name, true).await;
    campaign
}

/// What flowed in within a minute is there: the database's clock is moved, not the test's.
async fn a_minute_later(tenant: &Tenant) {
    sqlx::query("UPDATE broadcast.pacing SET refilled_at = refilled_at - interval '1 minute', promised_until = refilled_at WHERE tenant_id = $1")
        .bind(tenant.id)
        .execute(&mut tenant.superuser().await)
        .await
        .unwrap();
    tick_at(&tenant.stack, OffsetDateTime::now_utc() + Duration::minutes(12)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_launches_go_out_in_turns() {
    let main = Stack::from_env().unwrap();
    let relay = [("RELAY_URL", main.sink_url.clone())];
    let stack = own::deploy_with(&main, "pace", &["import", "generate", "send"], &relay).await;
    let tenant = Tenant::with(&stack, "pace", json!({"mails_per_hour": MAILS_PER_HOUR})).await;
    let begun = Instant::now();
    let campaigns = [launched(&tenant, "spring").await, launched(&tenant, "summer").await];
    let launches = campaigns.map(|campaign| Launches::of(&tenant, campaign));
    let sent = async || {
        launches[0].mails_in("'sent', 'sending'").await + launches[1].mails_in("'sent', 'sending'").await
    };
    let waiting = async || launches[0].mails_in("'spooled'").await + launches[1].mails_in("'spooled'").await;
    wait::until("both launches to be in the spool", async || {
        (sent().await >= MAILS_PER_MINUTE && sent().await + waiting().await == 2 * MAILS).then_some(())
    })
    .await;
    let mut minutes = 1;
    let steps = loop {
        let queue = &stack.deployment.queues["send"].url;
        let empty = |depth: &_| *depth == (0, 0);
        wait::until_so("the queue to be empty", async || tenant.aws.depth(queue).await, empty).await;
        let out = sent().await;
        // Ten a minute; the test's own time counts as well, a mail in six seconds.
        let flowed_in = usize::try_from(begun.elapsed().as_secs() / 6).unwrap() + 1;
        assert!(out <= minutes * MAILS_PER_MINUTE + flowed_in, "{out} are out after {minutes} minutes");
        if waiting().await == 0 {
            break minutes;
        }
        a_minute_later(&tenant).await;
        minutes += 1;
    };
    assert!((3..=5).contains(&steps), "it took {steps} minutes");
    for campaign in campaigns {
        let accounting = tenant.mailed(campaign, MAILS as u64).await;
        assert_eq!(accounting.number("ledger.sent"), MAILS as u64, "{accounting:?}");
        tenant.all_is_well(campaign).await;
    }
    wait::until("the mails", async || (tenant.mails().len() == 2 * MAILS).then_some(())).await;
    own::undeploy(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_is_told() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "warmup").await;
    let shown = async || tenant.api("GET", "/v1/sending-rate", None).await.ok();
    let set = async |settings: serde_json::Value| {
        let mut command = json!({"command": "set_tenant", "slug": tenant.slug});
        command.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        admin(&stack, command).await["settings"].clone()
    };
    let none =
        json!({"mails_per_hour_now": null, "mails_per_hour": null, "warm_up": null, "warm_up_from": null});
    assert_eq!(shown().await, none);
    let warm_up = json!({"mails_per_hour": 5_000, "warm_up": [1_000, 2_000], "warm_up_from": "2100-01-01"});
    let settings = set(warm_up).await;
    assert_eq!(settings["warm_up"], json!([1_000, 2_000]), "{settings}");
    assert_eq!(
        shown().await,
        json!({"mails_per_hour_now": 1_000, "mails_per_hour": 5_000, "warm_up": [1_000, 2_000], "warm_up_from": "2100-01-01"})
    );
    set(json!({"warm_up": []})).await;
    assert_eq!(shown().await["mails_per_hour_now"], 5_000);
    set(json!({"mails_per_hour": null})).await;
    assert_eq!(shown().await, none);
}
