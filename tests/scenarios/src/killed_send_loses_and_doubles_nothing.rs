//! kill -9 of every running `send`, five times within one launch: nobody gets a mail twice, nobody is lost, and at most one mail per open
//! connection is in doubt each time.

use std::{collections::BTreeMap, process::Command};

use localstack::{processes_of, undeploy};
use testkit::{Stack, Tenant, csv::Plan, own, wait};

const RECIPIENTS: usize = 2000;
const KILLS: usize = 5;
/// Connections of one `send`: see `send::CONNECTIONS_MAX`.
const CONNECTIONS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn five_kills_in_one_launch() {
    // Queues and functions of its own, so that nobody else's `send` is killed; keys and spool are shared.
    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "kill", &["admin", "import", "generate", "send"]);
    let send = stack.deployment.functions["send"].clone();

    // The long tier does it again and again.
    let launches = if std::env::var_os("BROADCAST_LONG").is_some() { 10 } else { 1 };
    for _ in 0..launches {
        launch_and_kill(&stack, &send).await;
    }
    undeploy(&stack, &stack.deployment.prefix).unwrap();
}

async fn launch_and_kill(stack: &Stack, send: &str) {
    let tenant = Tenant::new(stack, "kill").await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: RECIPIENTS, ..Plan::default() };
    tenant.put("list.csv", plan.write()).await;
    tenant.control("list.csv", "spring", true).await;

    let mut instances = 0;
    for kill in 0..KILLS {
        let threshold = RECIPIENTS * kill / KILLS + 50;
        let killed = wait::until(&format!("{threshold} mails, and a running send to kill"), async || {
            let arrived = testkit::mailbox::count(stack, &tenant.recipients_domain);
            let running = processes_of(send);
            (arrived >= threshold && !running.is_empty()).then_some(running)
        })
        .await;
        instances += killed.len();
        let pids: Vec<String> = killed.iter().map(ToString::to_string).collect();
        // The shell's own: a bare system has no program of this name.
        Command::new("sh").args(["-c", "kill -9 \"$@\"", "kill"]).args(&pids).status().unwrap();
    }

    let accounting = wait::until("every mail to come to its end", async || {
        let accounting = tenant.accounting(campaign).await;
        (accounting.number("rows") == RECIPIENTS as u64 && accounting.settled()).then_some(accounting)
    })
    .await;
    let number = |state: &str| usize::try_from(accounting.number(state)).unwrap();
    let (arrived, unknown) = (number("ledger.sent"), number("ledger.unknown"));
    assert_eq!(arrived + unknown, RECIPIENTS, "{accounting:?}");
    assert!(unknown <= instances * CONNECTIONS, "{unknown} unknown after the end of {instances} instances");
    assert!(accounting.balanced());

    // Every row that says `sent` arrives; each further mail is one of those in doubt.
    let addresses: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT r.address FROM campaign_{campaign}.ledger l JOIN campaign_{campaign}.recipients_{import} r USING (line)
         WHERE l.state = 'sent'",
        import = tenant.imports(campaign).await[0]["id"]
    )))
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap();
    assert_eq!(addresses.len(), arrived);
    let by_recipient = async || {
        let mut by_recipient = BTreeMap::new();
        for mail in tenant.mails() {
            *by_recipient.entry(mail.recipient).or_insert(0) += 1;
        }
        by_recipient
    };
    wait::until_so(
        "mails that were sent and have not arrived",
        async || {
            let there = by_recipient().await;
            addresses.iter().filter(|address| !there.contains_key(*address)).count()
        },
        |lost| *lost == 0,
    )
    .await;
    let doubled: Vec<_> = by_recipient().await.into_iter().filter(|(_, count)| *count > 1).collect();
    assert!(doubled.is_empty(), "mailed twice: {doubled:?}");
    tenant.all_is_well(campaign).await;
}
