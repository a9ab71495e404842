//! A database that was restored from a backup mails nobody until a person lets it, and then nobody twice. Who unsubscribed or was erased since, what was
//! held, and what was deleted, stays so; and the chain of receipts is whole.

use std::collections::BTreeSet;

use contract::LaunchId;
use serde_json::{Value, json};
use testkit::{
    Stack, Tenant, mailbox, own,
    tenant::{admin, invoke},
    wait,
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    everything_is_deleted_on_time::sweep,
    launch_starts_at_its_time::{Launches, tick},
};

/// Of the large launch: in its first slice, which fills up with slow ones; and in its second one, whose turn comes later.
const FAST: usize = 380;
const SLOW: usize = 120;
const LATER: usize = 20;
/// Of the small launch, all slow.
const SMALL: usize = 30;

/// Imports a list; `locals` are the parts of its addresses before the `@`.
async fn imported(tenant: &Tenant, name: &str, locals: impl Iterator<Item = String>) -> i64 {
    let campaign = tenant.campaign(name).await;
    let row = |(number, local): (usize, String)| {
        format!("K{number};{local}@{};Anna;Ander;\r\n", tenant.recipients_domain)
    };
    let rows: String = locals.enumerate().map(row).collect();
    tenant.put(&format!("{name}.csv"), format!("Kundennummer;E-Mail;Vorname;Nachname;Notiz\r\n{rows}")).await;
    tenant.control(&format!("{name}.csv"), name, false).await;
    wait::until("the import", async || {
        tenant.imports(campaign).await.first().filter(|import| import["state"] == "finished").map(|_| ())
    })
    .await;
    campaign
}

async fn launch(tenant: &Tenant, campaign: i64, body: Value) -> LaunchId {
    let path = format!("/v1/campaigns/{campaign}/launches");
    LaunchId(tenant.api("POST", &path, Some(body)).await.ok()["id"].as_i64().unwrap())
}

fn arrived(tenant: &Tenant) -> usize {
    mailbox::count(&tenant.stack, &tenant.recipients_domain)
}

async fn until_arrived(tenant: &Tenant, count: usize) {
    wait::until(&format!("{count} mails"), async || (arrived(tenant) >= count).then_some(())).await;
}

async fn suppressed(tenant: &Tenant, address: &str) -> bool {
    let body = json!({"address": address});
    tenant.api("POST", "/v1/suppressions/check", Some(body)).await.ok()["suppressed"] == true
}

/// What the schedule does for all tenants.
async fn sweep_all(stack: &Stack) {
    let event = json!({"time": OffsetDateTime::now_utc().format(&Rfc3339).unwrap()});
    invoke(stack, "sweep", &event).await;
}

/// What happens after the backup, and must not be forgotten.
struct Since {
    unsubscribed: String,
    erased: String,
    held: i64,
    deleted: i64,
    /// Of the API.
    ended_key: String,
}

impl Since {
    async fn happen(tenant: &Tenant, held: i64, deleted: i64, ended_key: String) -> Self {
        let address = |local: &str| format!("{local}@{}", tenant.recipients_domain);
        let (unsubscribed, erased) = (address("later-3"), address("later-5"));
        tenant.api("POST", "/v1/suppressions", Some(json!({"address": unsubscribed}))).await.ok_status();
        let erase = tenant.api("POST", "/v1/recipients/erasure", Some(json!({"address": erased}))).await;
        erase.ok_status();
        let command = json!({"command": "hold_campaign", "slug": tenant.slug, "campaign": held, "reason": "a dispute", "by": "Mo"});
        admin(&tenant.stack, command).await;
        tenant.api("POST", &format!("/v1/campaigns/{deleted}/deletion"), None).await.ok_status();
        let keys = tenant.api("GET", "/v1/keys", None).await.ok();
        let newest = keys["items"].as_array().unwrap().last().unwrap()["id"].clone();
        tenant.api("DELETE", &format!("/v1/keys/{newest}"), None).await.ok_status();
        Self { unsubscribed, erased, held, deleted, ended_key }
    }

    async fn is_so(&self, tenant: &Tenant) {
        assert!(suppressed(tenant, &self.unsubscribed).await && suppressed(tenant, &self.erased).await);
        let erasures = tenant.api("GET", "/v1/erasures", None).await.ok();
        let erasures = erasures["items"].as_array().unwrap();
        assert!(erasures.len() == 1 && !erasures[0]["done_at"].is_null(), "{erasures:?}");
        let campaign = async |id: i64| tenant.api("GET", &format!("/v1/campaigns/{id}"), None).await.ok();
        // Known for some seconds to whoever saw it before.
        let status =
            async || tenant.call(Some(&self.ended_key), "GET", "/v1/campaigns", &[], None).await.status;
        wait::until_so("the deleted key to be refused", status, |status| *status == 401).await;
        assert!(!campaign(self.held).await["held_at"].is_null());
        assert_eq!(campaign(self.deleted).await["state"], "deleted");
        assert_eq!(tenant.stack_schemas(&[self.deleted]).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn until_a_person_lets_it() {
    let main = Stack::from_env().unwrap();
    let relay = [("RELAY_URL", main.sink_url.clone())];
    let functions = ["import", "generate", "send", "export", "sweep"];
    let stack = own::deploy_with(&main, "restore", &functions, &relay).await;
    let tenant = Tenant::new(&stack, "restore").await;
    let slow = |count| (0..count).map(move |n| format!("slow-{n}"));
    let fast = (0..FAST).map(|n| format!("fast-{n}")).chain(slow(SLOW));
    let large = imported(&tenant, "large", fast.chain((0..LATER).map(|n| format!("later-{n}")))).await;
    let small = imported(&tenant, "small", (0..SMALL).map(|n| format!("slow-small-{n}"))).await;
    let planned = imported(&tenant, "planned", (0..3).map(|n| format!("planned-{n}"))).await;
    let (held, deleted) = (tenant.campaign("held").await, tenant.campaign("deleted").await);
    let key = tenant.key(&["campaigns:read"]).await;
    let planned_launch =
        Launches::of(&tenant, planned).schedule(Some(OffsetDateTime::now_utc() + Duration::hours(3))).await;
    let large_launch = launch(&tenant, large, json!({"paced_minutes": 120})).await;
    until_arrived(&tenant, FAST + 5).await;
    let small_launch = launch(&tenant, small, json!({})).await;
    wait::until("the small launch to be under way", async || {
        (Launches::of(&tenant, small).mails_in("'spooled', 'sending', 'sent'").await > 0).then_some(())
    })
    .await;

    let backup = own::back_up(&stack);
    // Meanwhile the first slice goes out; the small launch and the planned one come to their end, and their spool is emptied.
    Launches::of(&tenant, planned).set(planned_launch, "starts_at = now()").await;
    wait::until("all but the later ones", async || {
        tick(&stack).await;
        (arrived(&tenant) == FAST + SLOW + SMALL + 3).then_some(())
    })
    .await;
    Launches::of(&tenant, small).until_ended(small_launch, "done").await;
    Launches::of(&tenant, planned).until_ended(planned_launch, "done").await;
    let since = Since::happen(&tenant, held, deleted, key).await;
    wait::until("the deletions", async || {
        sweep(&tenant, OffsetDateTime::now_utc() + Duration::minutes(20)).await;
        let campaign = tenant.api("GET", &format!("/v1/campaigns/{deleted}"), None).await.ok();
        (campaign["state"] == "deleted" && spooled(&tenant).await == 1).then_some(())
    })
    .await;
    // The journal is put each minute.
    tick(&stack).await;
    since.is_so(&tenant).await;
    let proved = admin(&stack, json!({"command": "verify_receipts", "slug": tenant.slug})).await;
    assert_eq!(proved["holds"], true, "{proved}");

    own::restore(&stack, &backup).await;
    // The copy takes launches for running. Nobody has looked at it yet, and nothing goes out.
    assert_eq!(Launches::of(&tenant, large).standing(large_launch).await.state, "running");
    let doubtful = Launches::of(&tenant, large).mails_in("'spooled', 'sending'").await;
    let doubtful_small = Launches::of(&tenant, small).mails_in("'pending', 'spooled', 'sending'").await;
    assert!(doubtful > 0 && doubtful_small > 0, "{doubtful} {doubtful_small}");
    let database = admin(&stack, json!({"command": "database"})).await;
    assert_eq!((&database["compared"], &database["restored_at"]), (&json!(false), &Value::Null));
    for (campaign, launch) in [(large, large_launch), (small, small_launch)] {
        Launches::of(&tenant, campaign).nudge(launch).await;
    }
    tick(&stack).await;
    let database = admin(&stack, json!({"command": "database"})).await;
    assert!(database["compared"] == true && !database["restored_at"].is_null(), "{database}");
    let release = json!({"command": "release_mails", "by": "Mo"});
    assert_eq!(admin(&stack, release.clone()).await["released"], false, "before it is brought up to date");

    until_up_to_date(&tenant, deleted).await;
    since.is_so(&tenant).await;
    let again = admin(&stack, json!({"command": "verify_receipts", "slug": tenant.slug})).await;
    assert!(again["holds"] == true && again["receipts"].as_i64() >= proved["receipts"].as_i64(), "{again}");
    for (campaign, launch, state, code, unknown) in [
        (large, large_launch, "paused", "launch_restored", doubtful),
        (small, small_launch, "paused", "launch_restored", doubtful_small),
        (planned, planned_launch, "cancelled", "launch_lost", 0),
    ] {
        let launches = Launches::of(&tenant, campaign);
        let standing = launches.standing(launch).await;
        assert_eq!((standing.state.as_str(), standing.reason_code.as_deref()), (state, Some(code)));
        assert_eq!(launches.mails_in("'unknown'").await, unknown, "{campaign}");
    }

    // Who resumes a launch before the operator lets mails go out waits, too.
    for (campaign, launch) in [(large, large_launch), (small, small_launch)] {
        Launches::of(&tenant, campaign).resume(launch).await;
    }
    turn_comes(&tenant, large).await;
    tick(&stack).await;
    at_rest(&tenant).await;
    assert_eq!(arrived(&tenant), FAST + SLOW + SMALL + 3);
    assert_eq!(admin(&stack, release).await["released"], true);
    wait::until("the later ones", async || {
        tick(&stack).await;
        (arrived(&tenant) == FAST + SLOW + SMALL + 3 + LATER - 2).then_some(())
    })
    .await;
    Launches::of(&tenant, large).until_ended(large_launch, "done").await;
    Launches::of(&tenant, small).until_ended(small_launch, "done").await;
    let recipients: BTreeSet<String> = tenant.mails().into_iter().map(|mail| mail.recipient).collect();
    assert_eq!(recipients.len(), arrived(&tenant), "nobody twice");
    assert!(!recipients.contains(&since.unsubscribed) && !recipients.contains(&since.erased));
    for campaign in [large, small] {
        assert!(tenant.accounting(campaign).await.balanced());
    }
    own::undeploy(&stack).await;
}

/// Until the journal is replayed, and what is due after that is done.
async fn until_up_to_date(tenant: &Tenant, deleted: i64) {
    wait::until("the journal to be replayed, and what is due to be deleted", async || {
        sweep_all(&tenant.stack).await;
        let database = admin(&tenant.stack, json!({"command": "database"})).await;
        let campaign = tenant.api("GET", &format!("/v1/campaigns/{deleted}"), None).await.ok();
        (database["tenants_left"] == 0 && campaign["state"] == "deleted").then_some(())
    })
    .await;
    wait::until("the erasure", async || {
        sweep(tenant, OffsetDateTime::now_utc()).await;
        let erasures = tenant.api("GET", "/v1/erasures", None).await.ok();
        (!erasures["items"][0]["done_at"].is_null()).then_some(())
    })
    .await;
}

async fn spooled(tenant: &Tenant) -> usize {
    let bucket = &tenant.stack.deployment.buckets["spool"];
    tenant.aws.keys(bucket, &format!("{}/", tenant.id)).await.len()
}

/// Moves what waits for its turn, as if the time had passed.
async fn turn_comes(tenant: &Tenant, campaign: i64) {
    let statement = format!("UPDATE campaign_{campaign}.slices SET due_at = now() WHERE state = 'waiting'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut tenant.superuser().await).await.unwrap();
}

/// Waits until nobody works on anything of the deployment.
async fn at_rest(tenant: &Tenant) {
    for name in ["generate", "send"] {
        let queue = &tenant.stack.deployment.queues[name].url;
        let empty = |depth: &(u64, u64)| *depth == (0, 0);
        wait::until_so("the queue to be empty", async || tenant.aws.depth(queue).await, empty).await;
    }
}
