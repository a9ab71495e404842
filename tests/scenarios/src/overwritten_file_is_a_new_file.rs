//! A file that is overwritten, removed or due for deletion while it is imported: the import ends whole with the content it began with, or is
//! refused in words; the file that took its place has its own import.

use serde_json::{Value, json};
use testkit::{
    Stack, Tenant,
    hold::{Hold, lock},
    wait,
};
use time::{Duration, OffsetDateTime};

use crate::everything_is_deleted_on_time::sweep;

const OLD: u64 = 30;
const NEW: u64 = 50;
/// A row's ballast where the copy has to last long enough to be met.
const BALLAST: usize = 500_000;

async fn new(name: &str) -> (Tenant, i64) {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, name).await;
    let campaign = tenant.campaign("spring").await;
    (tenant, campaign)
}

/// The new list has the old one's recipients, too.
fn list(tenant: &Tenant, rows: u64, ballast: usize) -> String {
    let ballast = "x".repeat(ballast);
    let domain = &tenant.recipients_domain;
    let row = |n: u64| format!("kunde.{n}@{domain},Zoë,Nyman,K{n},,{ballast}\r\n");
    let header = "email,vorname,nachname,kundennummer,notiz,ballast\r\n".to_owned();
    std::iter::once(header).chain((0..rows).map(row)).collect()
}

/// Waits until so many imports have come to an end; the older first.
async fn ended(tenant: &Tenant, campaign: i64, count: usize) -> Vec<Value> {
    let over = |import: &Value| import["state"] == "finished" || import["state"] == "refused";
    let all = |imports: &Vec<Value>| imports.len() == count && imports.iter().all(over);
    let ask = async || tenant.imports(campaign).await;
    let mut imports = wait::until_so(&format!("{count} imports to end"), ask, all).await;
    imports.reverse();
    imports
}

async fn keys(tenant: &Tenant) -> Vec<String> {
    let mut keys = tenant.aws.keys(&tenant.bucket, "").await;
    keys.sort();
    keys
}

/// How many tables of recipients the campaign has.
async fn tables(tenant: &Tenant, campaign: i64) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = $1 AND tablename ~ '^recipients_'")
        .bind(format!("campaign_{campaign}"))
        .fetch_one(&mut tenant.superuser().await)
        .await
        .unwrap()
}

/// Begins the import, and holds it at a lock.
async fn held(tenant: &Tenant, list: String, launch: bool, (lock, statement): (String, &str)) -> Hold {
    tenant.put("list.csv", list).await;
    let mut hold = Hold::new(tenant, lock).await;
    tenant.control("list.csv", "spring", launch).await;
    hold.until_blocked(statement).await;
    hold
}

fn is_refused(import: &Value, code: &str, words: &str) {
    assert_eq!((&import["state"], &import["reason_code"]), (&"refused".into(), &code.into()), "{import}");
    assert!(import["reason"].as_str().unwrap().contains(words), "{import}");
    assert_eq!(import["imported"], 0, "{import}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_it_is_overwritten_before_it_is_read() {
    let (tenant, campaign) = new("unread").await;
    let hold = held(&tenant, list(&tenant, OLD, 0), false, lock::finding_campaign(campaign)).await;
    tenant.put("list.csv", list(&tenant, NEW, 0)).await;
    hold.release().await;
    let imports = ended(&tenant, campaign, 2).await;
    is_refused(&imports[0], "file_changed", "nothing of the old one was imported");
    assert_eq!((&imports[1]["state"], &imports[1]["imported"]), (&"finished".into(), &NEW.into()));
    assert_eq!(keys(&tenant).await, ["Finished/list.csv", "Invalids/list.csv.errors.csv"]);
    assert_eq!(
        (tenant.accounting(campaign).await.number("imported"), tables(&tenant, campaign).await),
        (NEW, 1)
    );
    tenant.all_is_well(campaign).await;
}

/// The store behind `LocalStack` lets a read come to its end before it takes another content of the name.
#[tokio::test(flavor = "multi_thread")]
async fn when_it_is_overwritten_while_it_is_copied() {
    let (tenant, campaign) = new("copied").await;
    tenant.put("list.csv", list(&tenant, OLD, BALLAST)).await;
    let (lock, statement) = lock::publishing(campaign);
    let mut hold = Hold::new(&tenant, lock).await;
    tenant.control("list.csv", "spring", true).await;
    copy_is_under_way(&tenant).await;
    // Again with its control file, and that is the same as before.
    tenant.put("list.csv", list(&tenant, NEW, 0)).await;
    tenant.control("list.csv", "spring", true).await;
    hold.until_blocked(statement).await;
    assert_eq!(tenant.accounting(campaign).await.number("rows"), 0);
    hold.release().await;
    let imports = ended(&tenant, campaign, 2).await;
    let seen: Vec<_> =
        imports.iter().map(|import| (&import["state"], &import["imported"], &import["duplicates"])).collect();
    let finished = Value::from("finished");
    assert_eq!(seen, [(&finished, &OLD.into(), &0.into()), (&finished, &NEW.into(), &OLD.into())]);
    let content = tenant.aws.get(&tenant.bucket, "Finished/list.csv").await.unwrap();
    assert!(content == list(&tenant, NEW, 0).into_bytes(), "the old content is gone; the new one is moved");
    assert_eq!(keys(&tenant).await, ["Finished/list.csv"]);
    let accounting = tenant.mailed(campaign, OLD + NEW).await;
    assert_eq!((accounting.number("ledger.sent"), tables(&tenant, campaign).await), (NEW, 2));
    tenant.all_is_well(campaign).await;
}

/// Rows of it are on their way to the table.
async fn copy_is_under_way(tenant: &Tenant) {
    let mut database = tenant.superuser().await;
    wait::until_closely("the copy to be under way", async || {
        let copied: Option<i64> = sqlx::query_scalar(
            "SELECT bytes_processed FROM broadcast.imports AS i, pg_stat_progress_copy JOIN pg_stat_activity USING (pid)
             WHERE i.tenant_id = $1 AND starts_with(query, format('COPY recipients_%s (', i.id))",
        )
        .bind(tenant.id)
        .fetch_optional(&mut database)
        .await
        .unwrap();
        copied.filter(|copied| *copied > 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_it_is_removed_before_it_is_read() {
    let (tenant, campaign) = new("gone").await;
    let hold = held(&tenant, list(&tenant, OLD, 0), false, lock::finding_campaign(campaign)).await;
    remove(&tenant).await;
    hold.release().await;
    let imports = ended(&tenant, campaign, 1).await;
    is_refused(&imports[0], "file_missing", "is not in Incoming. Upload it first");
    assert_eq!(keys(&tenant).await, ["Invalids/list.csv.errors.csv"]);
    assert_eq!(tables(&tenant, campaign).await, 0);
    tenant.all_is_well(campaign).await;
}

/// S3 would go on to the end of what it has begun; the store behind `LocalStack` breaks off. Either is an end.
#[tokio::test(flavor = "multi_thread")]
async fn when_it_is_removed_while_it_is_copied() {
    let (tenant, campaign) = new("cut").await;
    tenant.put("list.csv", list(&tenant, OLD, BALLAST)).await;
    tenant.control("list.csv", "spring", false).await;
    copy_is_under_way(&tenant).await;
    remove(&tenant).await;
    let imports = ended(&tenant, campaign, 1).await;
    let published = i64::from(imports[0]["state"] == "finished");
    if published == 0 {
        is_refused(&imports[0], "file_missing", "is not in Incoming. Upload it first");
    }
    let accounting = tenant.accounting(campaign).await;
    assert_eq!(accounting.number("imported"), OLD * published.unsigned_abs(), "{imports:?}");
    assert_eq!(tables(&tenant, campaign).await, published);
    let left = keys(&tenant).await;
    assert!(left.iter().all(|key| key.starts_with("Invalids/")), "{left:?}");
    tenant.all_is_well(campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_it_is_removed_before_it_is_published() {
    let (tenant, campaign) = new("late").await;
    let hold = held(&tenant, list(&tenant, OLD, 0), false, lock::publishing(campaign)).await;
    remove(&tenant).await;
    hold.release().await;
    let imports = ended(&tenant, campaign, 1).await;
    assert_eq!((&imports[0]["state"], &imports[0]["imported"]), (&"finished".into(), &OLD.into()));
    assert_eq!(keys(&tenant).await, Vec::<String>::new());
    tenant.all_is_well(campaign).await;
}

async fn remove(tenant: &Tenant) {
    tenant.aws.s3.delete_object().bucket(&tenant.bucket).key("Incoming/list.csv").send().await.unwrap();
}

/// Its time in Incoming is over, and its import is not.
#[tokio::test(flavor = "multi_thread")]
async fn when_it_is_due_for_deletion() {
    let (tenant, campaign) = new("due").await;
    let hold = held(&tenant, list(&tenant, OLD, 0), true, lock::publishing(campaign)).await;
    tenant.put("forgotten.csv", "email\r\n").await;
    let later = OffsetDateTime::now_utc() + Duration::days(3);
    wait::until("what nobody imports to be deleted", async || {
        sweep(&tenant, later).await;
        (!keys(&tenant).await.contains(&"Incoming/forgotten.csv".to_owned())).then_some(())
    })
    .await;
    assert!(keys(&tenant).await.contains(&"Incoming/list.csv".to_owned()), "its import has a lease");
    hold.release().await;
    assert_eq!(tenant.mailed(campaign, OLD).await.number("ledger.sent"), OLD);
    ended(&tenant, campaign, 1).await;
    assert_eq!(keys(&tenant).await, ["Finished/list.csv"]);
    tenant.all_is_well(campaign).await;
}

/// The campaign's own end does not wait for the import beyond the hard limit: it ends with it, and is not begun for ever.
#[tokio::test(flavor = "multi_thread")]
async fn when_its_campaign_ends() {
    let (tenant, campaign) = new("ends").await;
    let hold = held(&tenant, list(&tenant, OLD, 0), false, lock::finding_campaign(campaign)).await;
    let import: i64 = sqlx::query_scalar("SELECT id FROM broadcast.imports WHERE tenant_id = $1")
        .bind(tenant.id)
        .fetch_one(&mut tenant.superuser().await)
        .await
        .unwrap();
    let table = format!("SELECT pg_advisory_xact_lock(hashtextextended('recipients_{import}', 0))");
    let mut table = Hold::new(&tenant, table).await;
    hold.release().await;
    table.until_blocked("SELECT pg_advisory_xact_lock").await;
    let later = OffsetDateTime::now_utc() + Duration::days(91);
    wait::until("the campaign to be deleted", async || {
        sweep(&tenant, later).await;
        (tenant.stack_schemas(&[campaign]).await == 0).then_some(())
    })
    .await;
    table.release().await;
    // The file is in nobody's hands any more: its lease ends, and its own time ends it.
    sqlx::query("UPDATE broadcast.files SET leased_until = now() WHERE tenant_id = $1")
        .bind(tenant.id)
        .execute(&mut tenant.superuser().await)
        .await
        .unwrap();
    wait::until("Incoming to be empty", async || {
        sweep(&tenant, later).await;
        keys(&tenant).await.iter().all(|key| !key.starts_with("Incoming/")).then_some(())
    })
    .await;
    let import = tenant.api("GET", &format!("/v1/imports/{import}"), None).await.ok();
    assert_eq!((&import["state"], &import["reason_code"]), (&"refused".into(), &json!("campaign_ended")));
    tenant.all_is_well(campaign).await;
}
