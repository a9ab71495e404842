//! A launch that is paused in the middle stops within seconds, and goes on when it is resumed, with every mail once. One that is cancelled mails
//! nobody any more, and its sums agree. A paused one holds its campaign's regular end up, and ends with it at the hard limit.

use std::{collections::BTreeMap, fmt::Write as _};

use contract::LaunchId;
use store::LaunchChange;
use testkit::{Stack, Tenant, mailbox, own, wait};
use time::{Duration, OffsetDateTime};

use crate::{
    everything_is_deleted_on_time::sweep,
    launch_starts_at_its_time::{Launches, imported, tick},
};

/// Two seconds each, over ten connections: long enough to be stopped in the middle.
pub(crate) const SLOW: usize = 100;
/// In the sink before the launch is stopped.
const BEFORE: usize = 15;
/// What may still be begun after a pause: one mail on each of ten connections, in the second until the state is looked at.
const BEGUN_MAX: usize = 10;

const BEGUN: &str = "'sent', 'sending'";

/// Functions and queues of its own, whose send talks to the sink itself.
pub(crate) async fn deployed(name: &str) -> Stack {
    let main = Stack::from_env().unwrap();
    let relay = [("RELAY_URL", main.sink_url.clone())];
    own::deploy_with(&main, name, &["import", "generate", "send"], &relay).await
}

/// A running launch to slow recipients and `others`, some of whose mails have arrived.
pub(crate) async fn in_the_middle(tenant: &Tenant, others: &[String]) -> (i64, LaunchId) {
    let campaign = tenant.campaign("spring").await;
    let mut csv = String::from("Kundennummer;E-Mail;Vorname;Nachname;Notiz\r\n");
    let locals = others.iter().cloned().chain((0..SLOW).map(|n| format!("slow-{n}")));
    for (number, local) in locals.enumerate() {
        write!(csv, "K{number};{local}@{};Anna;Ander;\r\n", tenant.recipients_domain).unwrap();
    }
    tenant.put("list.csv", csv).await;
    tenant.control("list.csv", "spring", true).await;
    wait::until("some mails", async || (arrived(tenant) >= BEFORE).then_some(())).await;
    (campaign, Launches::of(tenant, campaign).newest().await)
}

fn arrived(tenant: &Tenant) -> usize {
    mailbox::count(&tenant.stack, &tenant.recipients_domain)
}

/// Waits until nobody works on anything of this deployment, whatever its schedules find.
async fn at_rest(stack: &Stack, tenant: &Tenant) {
    tick(stack).await;
    for name in ["generate", "send"] {
        let queue = &stack.deployment.queues[name].url;
        wait::until_so(
            "the queue to be empty",
            async || tenant.aws.depth(queue).await,
            |depth| *depth == (0, 0),
        )
        .await;
    }
}

fn twice(tenant: &Tenant) -> Vec<(String, usize)> {
    let mut by_recipient = BTreeMap::new();
    for mail in tenant.mails() {
        *by_recipient.entry(mail.recipient).or_insert(0) += 1;
    }
    by_recipient.into_iter().filter(|(_, count)| *count > 1).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_and_resumed() {
    let stack = deployed("pause").await;
    let tenant = Tenant::new(&stack, "pause").await;
    let (campaign, launch) = in_the_middle(&tenant, &[]).await;
    let launches = Launches::of(&tenant, campaign);

    assert_eq!(launches.pause(launch).await, LaunchChange::Done);
    let begun_before = launches.mails_in(BEGUN).await;
    let begun = std::time::Instant::now();
    wait::until("nothing to be under way", async || {
        (launches.mails_in("'sending'").await == 0).then_some(())
    })
    .await;
    let stopped = begun.elapsed();
    assert!(stopped.as_secs() < 8, "stopped after {stopped:?}");
    let sent = launches.mails_in("'sent'").await;
    eprintln!("paused with {begun_before} mails begun, {sent} sent in the end, stopped after {stopped:?}");
    assert!(sent < SLOW && sent <= begun_before + BEGUN_MAX, "{sent} sent, {begun_before} begun before");

    // Neither messages nor schedules move it, and its mails do not grow old.
    launches.set(launch, "created_at = now() - interval '3 days'").await;
    launches.nudge(launch).await;
    at_rest(&stack, &tenant).await;
    assert_eq!((arrived(&tenant), launches.mails_in("'sent'").await), (sent, sent));
    assert_eq!(launches.standing(launch).await.state, "paused");

    assert_eq!(launches.resume(launch).await, LaunchChange::Done);
    let accounting = tenant.mailed(campaign, SLOW as u64).await;
    assert_eq!(accounting.number("ledger.sent"), SLOW as u64, "{accounting:?}");
    launches.until_ended(launch, "done").await;
    assert_eq!((arrived(&tenant), twice(&tenant)), (SLOW, vec![]));
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled() {
    let stack = deployed("cancel").await;
    let tenant = Tenant::new(&stack, "cancel").await;
    // Of the first there are some to whom it would be tried again.
    let others: Vec<_> = (0..5).map(|n| format!("tempfail-always-{n}")).collect();
    let (campaign, launch) = in_the_middle(&tenant, &others).await;
    let launches = Launches::of(&tenant, campaign);
    assert!(launches.mails_in("'deferred'").await > 0);

    assert_eq!(launches.cancel(launch).await, LaunchChange::Done);
    let begun_before = launches.mails_in(BEGUN).await;
    assert_eq!(launches.cancel(launch).await, LaunchChange::Already);
    assert!(matches!(launches.resume(launch).await, LaunchChange::NotPossible(_)));
    launches.until_ended(launch, "cancelled").await;
    let accounting = tenant.accounting(campaign).await;
    let number = |state: &str| usize::try_from(accounting.number(&format!("ledger.{state}"))).unwrap();
    let (sent, cancelled) = (number("sent"), number("cancelled"));
    eprintln!("cancelled with {begun_before} mails begun, {sent} sent in the end");
    assert_eq!(sent + cancelled, SLOW + others.len(), "{accounting:?}");
    // Those that were under way come to their end; none is begun.
    assert!(sent <= begun_before, "{sent} sent, {begun_before} begun before");
    assert!(accounting.settled() && cancelled > others.len());

    launches.nudge(launch).await;
    at_rest(&stack, &tenant).await;
    assert_eq!((arrived(&tenant), twice(&tenant)), (sent, vec![]));
    // The campaign's lifetime is counted from here.
    let campaign_row = tenant.api("GET", &format!("/v1/campaigns/{campaign}"), None).await.ok();
    assert!(!campaign_row["ended_at"].is_null(), "{campaign_row}");
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_one_ends_with_its_campaign() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "hard").await;
    let campaign = imported(&tenant, 3).await;
    let launches = Launches::of(&tenant, campaign);
    let (start, minutes) = (OffsetDateTime::now_utc(), Duration::minutes);
    let launch = launches.schedule(Some(start + Duration::hours(2))).await;
    assert_eq!(launches.pause(launch).await, LaunchChange::Done);
    // As if it had been prepared.
    let import = &tenant.imports(campaign).await[0]["id"];
    let rows = format!(
        "INSERT INTO campaign_{campaign}.ledger (launch_id, slice, import_id, line, address_key, state)
         SELECT {launch}, 0, {import}, line, address_key, 'pending' FROM campaign_{campaign}.recipients_{import};
         INSERT INTO campaign_{campaign}.slices (launch_id, slice, state, due_at) VALUES ({launch}, 0, 'waiting', now());
         UPDATE broadcast.launches SET slices = 1 WHERE id = {launch}"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&mut tenant.superuser().await).await.unwrap();

    let swept_to = async |now: OffsetDateTime, state: &str| {
        wait::until(&format!("the launch to be {state}"), async || {
            sweep(&tenant, now).await;
            (launches.standing(launch).await.state == state).then_some(())
        })
        .await;
        tenant.accounting(campaign).await
    };
    let held = swept_to(start + Duration::days(28) + minutes(5), "paused").await;
    assert_eq!((held.number("ledger.pending"), held.0["closed_at"].is_null()), (3, true), "{held:?}");
    let mut now = start + Duration::days(90) - minutes(4);
    let closed = swept_to(now, "cancelled").await;
    assert_eq!((closed.number("ledger.cancelled"), closed.balanced()), (3, true), "{closed:?}");
    assert!(!closed.0["closed_at"].is_null(), "{closed:?}");
    wait::until("the campaign to be deleted", async || {
        now += minutes(5);
        sweep(&tenant, now).await;
        (tenant.stack_schemas(&[campaign]).await == 0).then_some(())
    })
    .await;
    assert_eq!(tenant.accounting(campaign).await.number("ledger.cancelled"), 3);
}
