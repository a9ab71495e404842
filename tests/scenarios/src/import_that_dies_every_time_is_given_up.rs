//! An import is begun again after its function died, but not for ever; one that fails and says so may come again as often as it likes.

use std::path::Path;

use localstack::processes_of;
use testkit::{
    Stack, Tenant,
    hold::{Hold, lock, signal},
    own, wait,
};
use time::{Duration, OffsetDateTime};

use crate::everything_is_deleted_on_time::sweep;

/// See `import::claim::DEATHS_MAX`.
const DEATHS: i32 = 5;
/// Sweep looks after what has stood still for ten minutes.
const LATER: Duration = Duration::minutes(20);
const LIST: &str = "email\r\nanna@a.example\r\nbert@a.example\r\n";

/// State, deaths, and whether somebody has the lease.
async fn import(tenant: &Tenant) -> (String, i32, bool) {
    sqlx::query_as(
        "SELECT state, deaths, lease_until IS NOT NULL FROM broadcast.imports WHERE tenant_id = $1",
    )
    .bind(tenant.id)
    .fetch_one(&mut tenant.superuser().await)
    .await
    .unwrap()
}

async fn tables(tenant: &Tenant, campaign: i64) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT tablename::text FROM pg_tables WHERE schemaname = $1 AND tablename ~ '^recipients_'",
    )
    .bind(format!("campaign_{campaign}"))
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_five_deaths() {
    let stack = own::deploy(&Stack::from_env().unwrap(), "givenup", &["import", "sweep"]).await;
    let tenant = Tenant::new(&stack, "givenup").await;
    let campaign = tenant.campaign("spring").await;
    let function = stack.deployment.functions["import"].clone();
    let (rows, statement) = lock::publishing(campaign);
    let mut hold = Hold::new(&tenant, &*rows).await;
    tenant.put("list.csv", LIST).await;
    tenant.control("list.csv", "spring", false).await;
    hold.until_blocked(statement).await;
    for death in 0..DEATHS {
        assert_eq!(import(&tenant).await, ("running".to_owned(), death, true));
        assert_eq!(tables(&tenant, campaign).await.len(), 1, "the killed attempt has made its table");
        signal("KILL", &processes_of(&function));
        // The killed one's connection leaves first.
        hold.release().await;
        hold = Hold::new(&tenant, &*rows).await;
        // Its lease ends, and sweep comes.
        sqlx::query(
            "UPDATE broadcast.imports SET lease_until = now() - interval '1 second' WHERE tenant_id = $1",
        )
        .bind(tenant.id)
        .execute(&mut tenant.superuser().await)
        .await
        .unwrap();
        wait::until("sweep to restart the import", async || {
            sweep(&tenant, OffsetDateTime::now_utc() + LATER).await;
            let (state, deaths, _) = import(&tenant).await;
            let begun =
                if death + 1 < DEATHS { hold.blocked(statement).await > 0 } else { state == "refused" };
            (begun && deaths == death + 1).then_some(())
        })
        .await;
    }
    let imports = tenant.imports(campaign).await;
    let import = &imports[0];
    assert_eq!((imports.len(), &import["reason_code"]), (1, &"import_broken".into()), "{imports:?}");
    assert!(import["reason"].as_str().unwrap().contains("in smaller parts"), "{import}");
    assert_eq!(tables(&tenant, campaign).await, Vec::<String>::new());
    assert_eq!(tenant.accounting(campaign).await.number("imported"), 0);
    let mut keys = tenant.aws.keys(&tenant.bucket, "").await;
    keys.sort();
    assert_eq!(keys, ["Invalids/list.csv", "Invalids/list.csv.errors.csv"]);
    let report = tenant.aws.get(&tenant.bucket, "Invalids/list.csv.errors.csv").await.unwrap();
    assert!(String::from_utf8(report).unwrap().contains("import_broken"));
    the_alarm_has_its_line(
        &stack.log_dir.join(format!("{function}.log")),
        &tenant,
        &import["id"].to_string(),
    );
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}

/// One error, with ids alone.
fn the_alarm_has_its_line(log: &Path, tenant: &Tenant, import: &str) {
    let log = std::fs::read_to_string(log).unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("given up")).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in ["ERROR", &tenant.id.to_string(), import] {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
    assert!(!log.contains("list.csv") && !log.contains("a.example"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_says_so_is_no_death() {
    let stack = own::deploy(&Stack::from_env().unwrap(), "retried", &["import", "sweep"]).await;
    let tenant = Tenant::new(&stack, "retried").await;
    let campaign = tenant.campaign("spring").await;
    let (row, finding) = lock::finding_campaign(campaign);
    let mut campaign_row = Hold::new(&tenant, row).await;
    tenant.put("list.csv", LIST).await;
    tenant.control("list.csv", "spring", false).await;
    campaign_row.until_blocked(finding).await;
    // The import waits for its table's lock as long as it does for the connection of one that was killed.
    let table = "SELECT pg_advisory_xact_lock(hashtextextended('recipients_' || id, 0)) FROM broadcast.imports WHERE tenant_id";
    let mut table = Hold::new(&tenant, format!("{table} = {}", tenant.id)).await;
    campaign_row.release().await;
    table.until_blocked("SELECT pg_advisory_xact_lock").await;
    wait::until("the import to give its lease back", async || {
        (import(&tenant).await == ("running".to_owned(), 0, false)).then_some(())
    })
    .await;
    table.release().await;
    wait::until("the import to end", async || {
        sweep(&tenant, OffsetDateTime::now_utc() + LATER).await;
        (import(&tenant).await == ("finished".to_owned(), 0, false)).then_some(())
    })
    .await;
    assert_eq!(tenant.aws.keys(&tenant.bucket, "").await, ["Finished/list.csv"]);
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}
