//! What is past its time while somebody works with it: a file that is overwritten, an upload whose session is open, an import with its lease,
//! an export that is being written. Sweep takes what is over and nothing else; whoever loses something is told, and whoever is left alone ends whole.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use testkit::{
    Stack, Tenant,
    customer::noise,
    exports::{exported, insert, sent_campaign, stored},
    gateway::Gateway,
    hold::{Hold, lock},
    own,
    packets::{Answer, flag, status},
    wait,
};
use time::{Duration, OffsetDateTime};
use tokio::task::JoinHandle;

use crate::everything_is_deleted_on_time::{sweep, sweep_event};

const KEY: &str = "Incoming/list.csv";
/// Two parts of an upload, and a bit.
const WHOLE: usize = 18_000_000;
/// One part, and a bit.
const HALF: usize = 9_000_000;
const PIECE: usize = 32 * 1024;
/// More than a session may have under way before it hears of the first part.
const HELD_MAX: usize = 60_000_000;

/// What stands in Incoming now is past its two days by then.
fn past_incoming() -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::days(2) + Duration::minutes(5)
}

/// Begins a sweep, which runs on beside the test.
fn begin_sweep(tenant: &Tenant, now: OffsetDateTime) -> JoinHandle<String> {
    let (stack, event) = (tenant.stack.clone(), sweep_event(tenant, now));
    tokio::spawn(async move { testkit::tenant::invoke(&stack, "sweep", &event).await })
}

async fn ended(sweep: JoinHandle<String>) {
    assert_eq!(sweep.await.unwrap(), r#"{"batchItemFailures":[]}"#);
}

/// What was deleted, and how much of it.
async fn receipts(tenant: &Tenant) -> Vec<(String, u64)> {
    let answer = tenant.api("GET", "/v1/receipts", None).await.ok();
    let receipt = |item: &Value| (item["what"].as_str().unwrap().to_owned(), item["count"].as_u64().unwrap());
    answer["items"].as_array().unwrap().iter().map(receipt).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_overwritten() {
    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "over", &["sweep"]).await;
    let tenant = Tenant::new(&stack, "over").await;
    let content = async || tenant.aws.get(&tenant.bucket, KEY).await;
    for (old, new) in
        [("email\r\nold@a.example\r\n", "email\r\nnew@a.example\r\n"), ("email\r\n", "email\r\n")]
    {
        let before = receipts(&tenant).await.len();
        tenant.put("list.csv", old).await;
        sweep(&tenant, OffsetDateTime::now_utc()).await;
        // It came two days ago.
        let age =
            "UPDATE broadcast.files SET arrived_at = arrived_at - interval '49 hours' WHERE tenant_id = $1";
        sqlx::query(age).bind(tenant.id).execute(&mut tenant.superuser().await).await.unwrap();
        // Incoming is listed; what is over is not looked for yet.
        let mut hold = Hold::new(&tenant, "LOCK TABLE broadcast.uploads").await;
        let under_way = begin_sweep(&tenant, OffsetDateTime::now_utc());
        hold.until_blocked("SELECT id, name, begun_as").await;
        tenant.put("list.csv", new).await;
        hold.release().await;
        ended(under_way).await;
        assert_eq!(content().await.as_deref(), Some(new.as_bytes()), "the new file is gone");
        let gone = [("file_gone".to_owned(), 1)];
        assert_eq!(receipts(&tenant).await[before..], gone, "the old one was gone when it was to be deleted");
        // Its own two days have begun with it.
        sweep(&tenant, OffsetDateTime::now_utc() + Duration::hours(47)).await;
        assert!(content().await.is_some(), "the new file went with the old one's time");
        sweep(&tenant, past_incoming()).await;
        assert_eq!(content().await, None);
    }
    own::undeploy(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_session_is_open() {
    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "open", &["sweep"]).await;
    let gateway = Gateway::start(&stack, &[]).await;
    let tenant = Tenant::new(&gateway.stack(&stack), "open").await;
    let multiparts = async || tenant.aws.is_uploading(&tenant.bucket, "").await;
    let rows = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM broadcast.uploads WHERE tenant_id = $1")
            .bind(tenant.id)
            .fetch_one(&mut tenant.superuser().await)
            .await
            .unwrap()
    };
    let (slow, again) = (tenant.ssh().await, tenant.ssh().await);
    let (mut slow, mut again) = (slow.sftp().await, again.sftp().await);
    let writing = slow.open(KEY, flag::WRITE | flag::CREATE | flag::TRUNCATE).await.handle();
    slow.write_all(&writing, 0, &noise(1, HALF)).await;
    wait::until("the first part", async || (rows().await == 1).then_some(())).await;

    // Sweep may take the upload over, and may not end its row yet.
    let keys = format!("SELECT FROM broadcast.uploads WHERE tenant_id = {} FOR KEY SHARE", tenant.id);
    let mut hold = Hold::new(&tenant, keys).await;
    let under_way = begin_sweep(&tenant, past_incoming());
    hold.until_blocked("DELETE FROM broadcast.uploads WHERE tenant_id = $1 AND id = ANY($2)").await;
    assert!(!multiparts().await, "its parts are gone");
    // Its session is told at one of its next parts, and not that anything were kept.
    let (mut offset, piece) = (HALF, vec![b'x'; PIECE]);
    while slow.write(&writing, offset as u64, &piece).await.code() == Some(status::OK) {
        offset += PIECE;
        assert!(offset < HELD_MAX, "the session writes on and on");
    }
    let told = slow.close(&writing).await;
    assert!(
        matches!(&told, Answer::Status(code, words) if *code != status::OK && !words.contains("kept")),
        "{told:?}"
    );
    assert_eq!(tenant.aws.get(&tenant.bucket, KEY).await, None);
    // He sends the file again, while sweep still has the old one's row.
    let whole = noise(2, WHOLE);
    let ((), ()) = tokio::join!(again.put(KEY, &whole), async {
        hold.until_blocked("DELETE FROM broadcast.uploads WHERE tenant_id = $1 AND id = $2").await;
        hold.release().await;
    });
    ended(under_way).await;
    sweep(&tenant, OffsetDateTime::now_utc()).await;
    assert!(tenant.aws.get(&tenant.bucket, KEY).await.as_ref() == Some(&whole), "the new file is not whole");
    let tails = tenant.aws.keys(&stack.deployment.buckets["spool"], &format!("{}/uploads/", tenant.id)).await;
    assert_eq!((rows().await, multiparts().await, tails), (0, false, Vec::new()));
    own::undeploy(&stack).await;
}

/// Waits until a statement that begins so waits for a lock of anybody.
async fn until_waiting(tenant: &Tenant, statement: &str) {
    let mut database = tenant.superuser().await;
    wait::until(&format!("{statement} to wait"), async || {
        let waiting: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND starts_with(query, $1))",
        )
        .bind(statement)
        .fetch_one(&mut database)
        .await
        .unwrap();
        waiting.then_some(())
    })
    .await;
}

/// After two days without a byte, and just when sweep has found that.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_goes_on() {
    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "goes", &["sweep"]).await;
    let gateway = Gateway::start(&stack, &[]).await;
    let tenant = Tenant::new(&gateway.stack(&stack), "goes").await;
    let ssh = tenant.ssh().await;
    let mut session = ssh.sftp().await;
    let whole = noise(3, WHOLE);
    let writing = session.open(KEY, flag::WRITE | flag::CREATE | flag::TRUNCATE).await.handle();
    session.write_all(&writing, 0, &whole[..HALF]).await;
    let age =
        "UPDATE broadcast.uploads SET updated_at = updated_at - interval '49 hours' WHERE tenant_id = $1";
    wait::until("the first part", async || {
        let aged = sqlx::query(age).bind(tenant.id).execute(&mut tenant.superuser().await).await.unwrap();
        (aged.rows_affected() == 1).then_some(())
    })
    .await;
    let row = format!("SELECT FROM broadcast.uploads WHERE tenant_id = {} FOR UPDATE", tenant.id);
    let hold = Hold::new(&tenant, row).await;
    tokio::join!(session.write_all(&writing, HALF as u64, &whole[HALF..]), async {
        until_waiting(&tenant, "UPDATE broadcast.uploads\n             SET begun_as").await;
        let under_way = begin_sweep(&tenant, OffsetDateTime::now_utc());
        until_waiting(&tenant, "UPDATE broadcast.uploads SET holder").await;
        // Whoever came first goes first.
        hold.release().await;
        ended(under_way).await;
    });
    session.close(&writing).await.done();
    assert!(tenant.aws.get(&tenant.bucket, KEY).await.as_ref() == Some(&whole), "the file is not whole");
    assert_eq!(receipts(&tenant).await, []);
    own::undeploy(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import() {
    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "lease", &["import", "generate", "send", "sweep"]).await;
    let tenant = Tenant::new(&stack, "lease").await;
    let campaign = tenant.campaign("spring").await;
    let row = |n: u64| format!("K{n};kunde.{n}@{};Zoë;Nyman;\r\n", tenant.recipients_domain);
    let rows = (0..30).map(row).collect::<Vec<_>>().concat();
    tenant.put("list.csv", format!("Kundennummer;E-Mail;Vorname;Nachname;Notiz\r\n{rows}")).await;
    let (row, statement) = lock::publishing(campaign);
    let mut hold = Hold::new(&tenant, row).await;
    tenant.control("list.csv", "spring", true).await;
    hold.until_blocked(statement).await;

    let keys = async || tenant.aws.keys(&tenant.bucket, "").await;
    sweep(&tenant, past_incoming()).await;
    assert_eq!(keys().await, [KEY], "it has a lease, and its control file none");
    let over =
        "UPDATE broadcast.files SET leased_until = now() WHERE tenant_id = $1 AND leased_until > now()";
    let over = sqlx::query(over).bind(tenant.id).execute(&mut tenant.superuser().await).await.unwrap();
    assert_eq!(over.rows_affected(), 1);
    sweep(&tenant, past_incoming()).await;
    assert_eq!(keys().await, Vec::<String>::new());
    assert_eq!(receipts(&tenant).await, [("file".to_owned(), 1), ("file".to_owned(), 1)]);
    // All of it had been read.
    hold.release().await;
    let accounting = tenant.mailed(campaign, 30).await;
    assert_eq!((accounting.number("imported"), accounting.number("ledger.sent")), (30, 30));
    assert_eq!(keys().await, Vec::<String>::new());
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export() {
    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "final", &["import", "generate", "send", "export", "sweep"]).await;
    let (tenant, campaign) = sent_campaign(&stack, "final", 20, json!({"campaign_hours": 12})).await;
    let mut database = tenant.superuser().await;
    let (schema, import): (String, i64) =
        sqlx::query_as("SELECT 'campaign_' || campaign_id, id FROM broadcast.imports WHERE campaign_id = $1")
            .bind(campaign)
            .fetch_one(&mut database)
            .await
            .unwrap();
    // The export has its bounds and waits for a table that its rows need and that nobody counts.
    sqlx::raw_sql(AssertSqlSafe(insert(campaign, 60))).execute(&mut database).await.unwrap();
    let mut hold = Hold::new(&tenant, format!("LOCK TABLE {schema}.recipients_{import}")).await;
    tenant.api("POST", "/v1/exports", None).await.ok();
    hold.until_blocked("COPY (SELECT").await;
    // More comes before the campaign is closed.
    sqlx::raw_sql(AssertSqlSafe(insert(campaign, 7))).execute(&mut database).await.unwrap();
    let all = stored(&tenant, campaign).await;
    assert_eq!(all.len(), 67);

    let end: OffsetDateTime =
        sqlx::query_scalar("SELECT ended_at + interval '12 hours' FROM broadcast.campaigns WHERE id = $1")
            .bind(campaign)
            .fetch_one(&mut database)
            .await
            .unwrap();
    let state =
        async || tenant.api("GET", &format!("/v1/campaigns/{campaign}"), None).await.ok()["state"].clone();
    for (minutes, expected) in
        [(-10, "open"), (-5, "deleting"), (0, "deleting"), (5, "deleting"), (50, "deleting")]
    {
        sweep(&tenant, end + Duration::minutes(minutes)).await;
        assert_eq!(state().await, expected, "{minutes} minutes after its end");
        assert_eq!(stored(&tenant, campaign).await, all, "{minutes} minutes after its end");
    }
    hold.release().await;
    wait::until("everything to be exported", async || {
        (exported(&tenant).await.len() == all.len()).then_some(())
    })
    .await;
    wait::until("the campaign to go", async || {
        sweep(&tenant, end + Duration::minutes(54)).await;
        (state().await == "deleted" && tenant.stack_schemas(&[campaign]).await == 0).then_some(())
    })
    .await;
    let exported = exported(&tenant).await;
    assert!(exported.values().all(|times| *times == 1), "a response is in two files");
    assert_eq!(exported.into_keys().collect::<BTreeSet<_>>(), all);
    let rule: String =
        sqlx::query_scalar("SELECT rule FROM broadcast.receipts WHERE tenant_id = $1 AND what = 'responses'")
            .bind(tenant.id)
            .fetch_one(&mut database)
            .await
            .unwrap();
    assert_eq!(rule, "12 hours after the last launch");
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}
