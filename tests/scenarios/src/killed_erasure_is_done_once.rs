//! kill -9 of sweep at each step of an erasure: the next run goes on from what it finds, the person is counted once, and the one receipt is as
//! that of a person whose erasure nobody disturbed.

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use testkit::{
    Stack, Tenant,
    exports::{insert, sent_campaign},
    hold::killed,
    own,
};
use time::OffsetDateTime;

use crate::{
    erased_person_is_nowhere::{erase, shown},
    everything_is_deleted_on_time::{sweep, sweep_event},
    launch_starts_at_its_time::Launches,
};

/// What is left of a person, and what was counted: rows of imports, mails that are known to be theirs, messages in the spool; the erasure's own rows
/// and mails.
type Left = (i64, i64, usize, i64, i64);

/// Nothing is done; the row and the message are gone; the mail is nobody's.
const NOTHING: Left = (1, 1, 1, 0, 0);
const ROW_GONE: Left = (0, 1, 0, 1, 0);
const MAIL_NOBODYS: Left = (0, 0, 0, 1, 1);

/// Where sweep is stopped, each behind the one before: a lock, the statement that waits for it, and what is left then.
fn steps(campaign: i64, import: i64, erasure: i64) -> [(String, &'static str, Left); 12] {
    let lock = |table: &str| format!("LOCK TABLE {table} IN SHARE MODE");
    let own = |table: &str| lock(&format!("campaign_{campaign}.{table}"));
    let person = format!("SELECT FROM broadcast.erasures WHERE id = {erasure} FOR UPDATE");
    let mails = format!("SELECT FROM campaign_{campaign}.ledger FOR UPDATE");
    let row = format!("SELECT FROM broadcast.campaigns WHERE id = {campaign} FOR UPDATE");
    [
        ("LOCK TABLE broadcast.erasures".to_owned(), "SELECT e.id", NOTHING),
        (row, "SELECT FROM broadcast.campaigns", NOTHING),
        (own("ledger"), "UPDATE ledger SET state = 'cancelled'", NOTHING),
        (own(&format!("recipients_{import}")), "DELETE FROM recipients_", NOTHING),
        (own("proof_recipients"), "DELETE FROM proof_recipients", NOTHING),
        (person.clone(), "UPDATE broadcast.erasures e SET rows", NOTHING),
        (own("responses"), "UPDATE responses SET diagnostic", ROW_GONE),
        (mails, "UPDATE ledger SET address_key", ROW_GONE),
        (person.clone(), "UPDATE broadcast.erasures e SET mails", ROW_GONE),
        (lock("broadcast.soft_bounces"), "DELETE FROM broadcast.soft_bounces", MAIL_NOBODYS),
        (person, "UPDATE broadcast.erasures SET address_key = NULL", MAIL_NOBODYS),
        (lock("broadcast.receipts"), "INSERT INTO broadcast.receipts", MAIL_NOBODYS),
    ]
}

async fn left(tenant: &Tenant, campaign: i64, import: i64, erasure: i64) -> Left {
    let statement = format!(
        "SELECT (SELECT count(*) FROM campaign_{campaign}.recipients_{import} r WHERE r.address_key = e.address_key),
                (SELECT count(*) FROM campaign_{campaign}.ledger l WHERE l.address_key = e.address_key), rows, mails
         FROM broadcast.erasures e WHERE id = $1"
    );
    let (rows, mails, rows_counted, mails_counted) = sqlx::query_as(AssertSqlSafe(statement))
        .bind(erasure)
        .fetch_one(&mut tenant.superuser().await)
        .await
        .unwrap();
    let spool = &tenant.stack.deployment.buckets["spool"];
    let messages = tenant.aws.keys(spool, &format!("{}/", tenant.id)).await.len();
    (rows, mails, messages, rows_counted, mails_counted)
}

/// How the erasure ended: what it counted, and what its receipts say.
async fn end(tenant: &Tenant, erasure: i64) -> Value {
    let told = shown(tenant, erasure).await;
    let receipts = tenant.api("GET", "/v1/receipts", None).await.ok();
    let ours = receipts["items"].as_array().unwrap().iter();
    let ours = ours.filter(|receipt| receipt["what"] == "person" && receipt["ids"] == json!([erasure]));
    let ours: Vec<_> = ours.map(|receipt| json!([receipt["count"], receipt["rule"]])).collect();
    json!({"done": !told["done_at"].is_null(), "rows": told["rows"], "mails": told["mails"], "receipts": ours})
}

#[tokio::test(flavor = "multi_thread")]
async fn at_each_step() {
    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "killera", &["import", "generate", "send", "sweep"]).await;
    let (tenant, campaign) = sent_campaign(&stack, "killera", 3, json!({})).await;
    let launches = Launches::of(&tenant, campaign);
    launches.until_ended(launches.newest().await, "done").await;
    let (schema, mut database) = (format!("campaign_{campaign}"), tenant.superuser().await);
    // What came back has words of the person's own server.
    let words =
        format!("{}; UPDATE {schema}.responses SET diagnostic = 'no such person'", insert(campaign, 6));
    sqlx::raw_sql(AssertSqlSafe(words)).execute(&mut database).await.unwrap();
    let import: i64 = sqlx::query_scalar("SELECT id FROM broadcast.imports WHERE campaign_id = $1")
        .bind(campaign)
        .fetch_one(&mut database)
        .await
        .unwrap();
    let before = tenant.accounting(campaign).await;
    let mails = tenant.mails();

    let killed_often = erase(&tenant, &mails[0].recipient).await;
    for (lock, statement, expected) in steps(campaign, import, killed_often) {
        killed(&tenant, ("sweep", &sweep_event(&tenant, OffsetDateTime::now_utc())), lock, statement).await;
        assert_eq!(left(&tenant, campaign, import, killed_often).await, expected, "{statement}");
        assert_eq!(end(&tenant, killed_often).await["receipts"], json!([]), "{statement}");
    }
    sweep(&tenant, OffsetDateTime::now_utc()).await;
    let undisturbed = erase(&tenant, &mails[1].recipient).await;
    sweep(&tenant, OffsetDateTime::now_utc()).await;

    let expected = json!({"done": true, "rows": 1, "mails": 1,
                          "receipts": [[2, "erasure asked for by the customer"]]});
    assert_eq!(end(&tenant, undisturbed).await, expected);
    assert_eq!(end(&tenant, killed_often).await, expected);
    let words = format!("SELECT count(*) FROM {schema}.responses WHERE diagnostic IS NOT NULL");
    let words: i64 = sqlx::query_scalar(AssertSqlSafe(words)).fetch_one(&mut database).await.unwrap();
    assert_eq!(words, 2, "those of the third person");
    let after = tenant.accounting(campaign).await;
    for sum in
        ["rows", "imported", "ledger.sent", "responses.opened", "responses.clicked", "responses.bounced"]
    {
        assert_eq!(after.number(sum), before.number(sum), "{sum}");
    }
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}
