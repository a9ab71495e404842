//! Whatever a relay answers, wherever it breaks off or stalls: each mail ends in exactly the state that follows from it, nobody is mailed twice,
//! the sums agree, and that every message of the queues comes twice changes nothing. A refusal has its class, and a hard one suppresses.

use std::collections::BTreeMap;

use serde_json::json;
use testkit::{Stack, Tenant, own, wait};

use crate::launch_starts_at_its_time::{Launches, tick};

/// What becomes of a recipient's mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    state: &'static str,
    class: Option<&'static str>,
    /// In the recipient's mailbox.
    mails: usize,
}

const SENT: End = End { state: "sent", class: None, mails: 1 };
const DEFERRED: End = End { state: "deferred", class: None, mails: 0 };

fn unknown(mails: usize) -> End {
    End { state: "unknown", class: None, mails }
}

fn refused(class: &'static str) -> End {
    End { state: "refused", class: Some(class), mails: 0 }
}

/// Local parts that choose what happens, and what must become of them while there is time left.
fn table() -> Vec<(String, End)> {
    let mut table = vec![
        ("anna".to_owned(), SENT),
        ("slow".to_owned(), SENT),
        // The dot was sent, and whether it arrived nobody said.
        ("drop-at-354".to_owned(), unknown(0)),
        ("drop-at-content".to_owned(), unknown(0)),
        ("drop-at-dot".to_owned(), unknown(0)),
        ("lose-at-dot".to_owned(), unknown(1)),
        ("stall-at-dot".to_owned(), unknown(0)),
    ];
    for step in ["rcpt", "data", "dot"] {
        for code in [421, 450, 451, 452] {
            table.push((format!("{step}-{code}"), DEFERRED));
            table.push((format!("once-{step}-{code}"), SENT));
        }
        for (code, class) in [(550, "hard"), (552, "soft"), (554, "block")] {
            table.push((format!("{step}-{code}"), refused(class)));
        }
    }
    for step in ["rcpt", "data"] {
        table.push((format!("drop-at-{step}"), DEFERRED));
        table.push((format!("once-drop-at-{step}"), SENT));
        table.push((format!("once-stall-at-{step}"), SENT));
    }
    table
}

async fn deployed(name: &str, variables: &[(&str, String)]) -> Stack {
    let main = Stack::from_env().unwrap();
    let relay = [("RELAY_URL", main.sink_url.clone())];
    let variables: Vec<_> = relay.into_iter().chain(variables.iter().cloned()).collect();
    own::deploy_with(&main, name, &["import", "generate", "send"], &variables).await
}

async fn launched(tenant: &Tenant, campaign: &str, locals: impl Iterator<Item = &str>) -> i64 {
    let id = tenant.campaign(campaign).await;
    let rows = locals.map(|local| format!("{local}@{},Jo,Doe,K1\n", tenant.recipients_domain));
    let csv = format!("email,vorname,nachname,kundennummer\n{}", rows.collect::<String>());
    tenant.put(&format!("{campaign}.csv"), csv).await;
    tenant.control(&format!("{campaign}.csv"), campaign, true).await;
    id
}

/// State, class and attempts of each recipient's mail, by local part.
async fn ledger(tenant: &Tenant, campaign: i64) -> BTreeMap<String, (String, Option<String>, i16)> {
    let imports = tenant.imports(campaign).await;
    let Some(import) = imports.first().map(|import| import["id"].clone()) else { return BTreeMap::new() };
    let rows: Vec<(String, String, Option<String>, i16)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT split_part(r.address, '@', 1), l.state, l.class, l.attempt
         FROM campaign_{campaign}.ledger l JOIN campaign_{campaign}.recipients_{import} r USING (line)"
    )))
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap();
    rows.into_iter().map(|(local, state, class, attempt)| (local, (state, class, attempt))).collect()
}

/// What waits is due, as if time had passed; and what the schedules make of it.
pub(crate) async fn make_due(stack: &Stack, tenant: &Tenant, campaign: i64) {
    // One transaction, so in the order in which everybody locks: first the slices, then their mails.
    let statement = format!(
        "UPDATE campaign_{campaign}.slices SET due_at = now() - interval '1 second' WHERE due_at IS NOT NULL;
         UPDATE campaign_{campaign}.ledger SET due_at = now() - interval '1 second' WHERE state = 'deferred'"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut tenant.superuser().await).await.unwrap();
    tick(stack).await;
}

/// Every message that there was, once more.
async fn again(launches: &Launches<'_>, tenant: &Tenant, campaign: i64) {
    let launch = launches.newest().await;
    launches.nudge(launch).await;
    let slice = json!({"type": "slice.v1", "tenant": tenant.id, "campaign": campaign, "launch": launch.0, "slice": 0});
    for queue in ["generate", "send"] {
        tenant.aws.send(&tenant.stack.deployment.queues[queue].url, &slice.to_string()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn and_no_other() {
    let stack = deployed("answers", &[]).await;
    let tenant = Tenant::new(&stack, "answers").await;
    let table = table();
    let campaign = launched(&tenant, "spring", table.iter().map(|(local, _)| local.as_str())).await;
    let launches = Launches::of(&tenant, campaign);
    wait::until("the launch", async || (!ledger(&tenant, campaign).await.is_empty()).then_some(())).await;

    wait::until_so(
        "every mail to be where it must",
        async || {
            again(&launches, &tenant, campaign).await;
            make_due(&stack, &tenant, campaign).await;
            let ledger = ledger(&tenant, campaign).await;
            let wrong = table.iter().filter_map(|(local, end)| {
                let (state, class, attempt) = &ledger[local];
                // What is never taken has been tried again.
                let fine = state == end.state
                    && class.as_deref() == end.class
                    && (end != &DEFERRED || *attempt >= 2);
                (!fine).then(|| format!("{local}: {state} {class:?} {attempt}"))
            });
            wrong.collect::<Vec<_>>()
        },
        Vec::is_empty,
    )
    .await;
    arrived_once(&tenant, &table);
    let suppressed: Vec<String> =
        sqlx::query_scalar("SELECT reason FROM broadcast.suppressions WHERE tenant_id = $1")
            .bind(tenant.id)
            .fetch_all(&mut tenant.superuser().await)
            .await
            .unwrap();
    assert_eq!(suppressed, ["bounced"; 3]);

    // Its time is over: what still waits is given up, and everything stands somewhere.
    launches.set(launches.newest().await, "created_at = now() - interval '2 days'").await;
    wait::until("the end", async || {
        make_due(&stack, &tenant, campaign).await;
        tenant.accounting(campaign).await.settled().then_some(())
    })
    .await;
    launches.until_ended(launches.newest().await, "done").await;
    let accounting = tenant.accounting(campaign).await;
    let count = |state: &str| table.iter().filter(|(_, end)| end.state == state).count() as u64;
    for (state, expected) in
        [("sent", count("sent")), ("expired", count("deferred")), ("refused", 9), ("unknown", 5)]
    {
        assert_eq!(accounting.number(&format!("ledger.{state}")), expected, "{state}: {accounting:?}");
    }
    for class in ["hard", "soft", "block"] {
        assert_eq!(accounting.number(&format!("refused.{class}")), 3, "{accounting:?}");
    }
    // Reports and exports show it as what comes back.
    assert_eq!((accounting.number("responses.bounced"), accounting.number("delivered")), (9, count("sent")));
    let report = tenant.api("GET", &format!("/v1/campaigns/{campaign}/responses"), None).await.ok();
    let kinds = report["kinds"].as_array().unwrap().iter();
    let kinds: Vec<_> = kinds.map(|kind| (kind["class"].as_str().unwrap(), kind["mails"].as_u64())).collect();
    assert_eq!(kinds, [("block", Some(3)), ("hard", Some(3)), ("soft", Some(3))]);
    arrived_once(&tenant, &table);
    tenant.all_is_well(campaign).await;

    // Who was refused for ever is not tried by another campaign, and the others are.
    let second = launched(&tenant, "summer", ["rcpt-550", "data-550", "dot-550", "berta"].into_iter()).await;
    let accounting = tenant.mailed(second, 4).await;
    assert_eq!((accounting.number("ledger.suppressed"), accounting.number("ledger.sent")), (3, 1));
    own::undeploy(&stack).await;
}

fn arrived_once(tenant: &Tenant, table: &[(String, End)]) {
    let mails = tenant.mails();
    let mut by_local: BTreeMap<&str, usize> = BTreeMap::new();
    for mail in &mails {
        *by_local.entry(mail.recipient.split('@').next().unwrap()).or_default() += 1;
    }
    for (local, end) in table {
        assert_eq!(by_local.get(local.as_str()).copied().unwrap_or_default(), end.mails, "{local}");
    }
    let mut ids: Vec<_> = mails.iter().map(|mail| mail.header("Message-ID").unwrap()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), mails.len(), "a mail was sent twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_its_sender_suppresses_nobody() {
    let stack = deployed("sender", &[("BOUNCE_DOMAIN", "mail-550.bounces.example".to_owned())]).await;
    let tenant = Tenant::new(&stack, "sender").await;
    let campaign = launched(&tenant, "spring", ["anna", "berta"].into_iter()).await;
    let accounting = tenant.mailed(campaign, 2).await;
    assert_eq!(
        (accounting.number("ledger.refused"), accounting.number("refused.block")),
        (2, 2),
        "{accounting:?}"
    );
    let suppressed: i64 =
        sqlx::query_scalar("SELECT count(*) FROM broadcast.suppressions WHERE tenant_id = $1")
            .bind(tenant.id)
            .fetch_one(&mut tenant.superuser().await)
            .await
            .unwrap();
    assert_eq!(suppressed, 0);
    own::undeploy(&stack).await;
}
