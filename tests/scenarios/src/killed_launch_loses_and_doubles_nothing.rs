//! kill -9 of running `generate` and `send` at random moments of one launch: nobody gets a mail twice, nobody is lost, and at most one mail
//! per open connection is in doubt each time.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use localstack::processes_of;
use serde_json::json;
use sqlx::AssertSqlSafe;
use testkit::{Stack, Tenant, csv::Plan, own, random::Random, wait};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// SMTP connections of one `send`: see `send::CONNECTIONS`.
const CONNECTIONS: usize = 10;

/// How many get a mail, and how many processes are killed meanwhile.
struct Scale {
    recipients: usize,
    kills: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn at_random_moments() {
    let long = std::env::var_os("BROADCAST_LONG").is_some();
    let scale =
        if long { Scale { recipients: 20_000, kills: 100 } } else { Scale { recipients: 2_000, kills: 5 } };
    // Queues and functions of its own, so that nobody else's are killed.
    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "kill", &["import", "generate", "send"]).await;
    let tenant = Tenant::new(&stack, "kill").await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: scale.recipients, ..Plan::default() };
    tenant.put("list.csv", plan.write()).await;
    tenant.control("list.csv", "spring", true).await;

    let senders = kill(&tenant, campaign, &scale).await;
    let accounting = wait::until("every mail to come to its end", async || {
        // What a killed function had in hand is found by the schedule, if its message died too.
        tick(&stack).await;
        let accounting = tenant.accounting(campaign).await;
        (accounting.number("rows") == scale.recipients as u64 && accounting.settled()).then_some(accounting)
    })
    .await;
    let number = |state: &str| usize::try_from(accounting.number(state)).unwrap();
    let (sent, unknown) = (number("ledger.sent"), number("ledger.unknown"));
    eprintln!("{} kills, {senders} of them of send: {sent} sent, {unknown} unknown", scale.kills);
    assert_eq!(sent + unknown, scale.recipients, "{accounting:?}");
    assert!(unknown <= senders * CONNECTIONS, "{unknown} unknown after {senders} kills of send");
    assert!(accounting.balanced());
    nobody_is_lost_or_mailed_twice(&tenant, campaign, sent).await;
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}

/// Fires the schedules of generate and send. One may meet a process that was just killed and fail; the next one does not.
async fn tick(stack: &Stack) {
    let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap();
    for function in ["generate", "send"] {
        let _ = localstack::invoke(stack, function, &json!({ "time": now }).to_string()).await;
    }
}

/// Kills one running process after the other, each at a random moment of the launch; says how many of them were `send`.
async fn kill(tenant: &Tenant, campaign: i64, scale: &Scale) -> usize {
    let mut random = Random::from_env();
    // A mail counts once when it is made and once when it is handed over; the last ones are left in peace.
    let mut moments: Vec<usize> = (0..scale.kills).map(|_| random.below(scale.recipients * 9 / 5)).collect();
    moments.sort_unstable();
    let functions = ["generate", "send"].map(|name| tenant.stack.deployment.functions[name].clone());
    let mut senders = 0;
    for moment in moments {
        let what = format!("{moment} steps of the launch, and a process to kill");
        let (function, pid) = wait::until(&what, async || {
            if progress(tenant, campaign).await? < moment {
                return None;
            }
            let running: Vec<(usize, u32)> = (0..functions.len())
                .flat_map(|function| {
                    processes_of(&functions[function]).into_iter().map(move |pid| (function, pid))
                })
                .collect();
            (!running.is_empty()).then(|| running[random.below(running.len())])
        })
        .await;
        senders += usize::from(function == 1);
        // The shell's own: a bare system has no program of this name.
        Command::new("sh").args(["-c", "kill -9 \"$1\"", "kill", &pid.to_string()]).status().unwrap();
        tick(&tenant.stack).await;
    }
    senders
}

/// Mails made and mails handed over; `None` before there is a ledger to read.
async fn progress(tenant: &Tenant, campaign: i64) -> Option<usize> {
    let statement = format!(
        "SELECT count(*) FILTER (WHERE state <> 'pending') + count(*) FILTER (WHERE state NOT IN ('pending', 'spooled'))
         FROM campaign_{campaign}.ledger"
    );
    let steps: i64 =
        sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut tenant.superuser().await).await.ok()?;
    usize::try_from(steps).ok()
}

/// Every row that says `sent` arrives; each further mail is one of those in doubt.
async fn nobody_is_lost_or_mailed_twice(tenant: &Tenant, campaign: i64, sent: usize) {
    let addresses: BTreeSet<String> = sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT r.address FROM campaign_{campaign}.ledger l JOIN campaign_{campaign}.recipients_{import} r USING (line)
         WHERE l.state = 'sent'",
        import = tenant.imports(campaign).await[0]["id"]
    )))
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap()
    .into_iter()
    .collect();
    assert_eq!(addresses.len(), sent);
    let mails = wait::until("every mail that was sent to arrive", async || {
        if testkit::mailbox::count(&tenant.stack, &tenant.recipients_domain) < sent {
            return None;
        }
        let mails = tenant.mails();
        let there: BTreeSet<&str> = mails.iter().map(|mail| mail.recipient.as_str()).collect();
        addresses.iter().all(|address| there.contains(address.as_str())).then_some(mails)
    })
    .await;
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    for mail in &mails {
        *copies.entry(mail.header("Message-ID").unwrap()).or_default() += 1;
        *copies.entry(mail.recipient.clone()).or_default() += 1;
    }
    copies.retain(|_, count| *count > 1);
    assert!(copies.is_empty(), "mailed twice: {copies:?}");
}
