//! A control file that comes twice, long after its file, malformed first, with its event lost, or beside the same call of the API: one import
//! for one file.

use serde_json::{Value, json};
use testkit::{
    Stack, Tenant,
    hold::{Hold, lock},
    wait,
};
use time::{Duration, OffsetDateTime};

use crate::everything_is_deleted_on_time::sweep;

const ROWS: u64 = 12;

async fn new(name: &str) -> (Tenant, i64) {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, name).await;
    let campaign = tenant.campaign("spring").await;
    (tenant, campaign)
}

/// Rows from number `first` on.
fn list(tenant: &Tenant, first: u64) -> String {
    let row = |n: u64| format!("kunde.{n}@{},Zoë,Nyman,K{n},\r\n", tenant.recipients_domain);
    let header = "email,vorname,nachname,kundennummer,notiz\r\n".to_owned();
    std::iter::once(header).chain((first..first + ROWS).map(row)).collect()
}

async fn keys(tenant: &Tenant) -> Vec<String> {
    let mut keys = tenant.aws.keys(&tenant.bucket, "").await;
    keys.sort();
    keys
}

/// Waits until so many imports are finished.
async fn finished(tenant: &Tenant, campaign: i64, count: usize) -> Vec<Value> {
    let all = |imports: &Vec<Value>| {
        imports.len() == count && imports.iter().all(|import| import["state"] == "finished")
    };
    wait::until_so("imports to be finished", async || tenant.imports(campaign).await, all).await
}

/// Waits until the index knows this content: its event was looked at.
async fn seen(tenant: &Tenant, name: &str, content: &str) {
    wait::until(&format!("{name} to be seen"), async || {
        let size = i64::try_from(content.len()).unwrap();
        let sql = "SELECT true FROM broadcast.files WHERE tenant_id = $1 AND name = $2 AND size = $3";
        let row = sqlx::query_scalar::<_, bool>(sql).bind(tenant.id).bind(name).bind(size);
        row.fetch_optional(&mut tenant.superuser().await).await.unwrap()
    })
    .await;
}

async fn launches(tenant: &Tenant, campaign: i64) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM broadcast.launches WHERE campaign_id = $1")
        .bind(campaign)
        .fetch_one(&mut tenant.superuser().await)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn twice_the_same() {
    let (tenant, campaign) = new("same").await;
    tenant.put("list.csv", list(&tenant, 0)).await;
    let (lock, statement) = lock::publishing(campaign);
    let mut hold = Hold::new(&tenant, lock).await;
    tenant.control("list.csv", "spring", true).await;
    hold.until_blocked(statement).await;
    tenant.control("list.csv", "spring", true).await;
    hold.release().await;
    finished(&tenant, campaign, 1).await;
    assert_eq!(tenant.mailed(campaign, ROWS).await.number("ledger.sent"), ROWS);
    assert_eq!(keys(&tenant).await, ["Finished/list.csv"]);
    // Once more when all is over: it waits for a file, as an early one does.
    tenant.control("list.csv", "spring", true).await;
    seen(&tenant, "list.csv.ctl", &json!({"campaign": "spring", "launch": true}).to_string()).await;
    assert_eq!(keys(&tenant).await, ["Finished/list.csv", "Incoming/list.csv.ctl"]);
    finished(&tenant, campaign, 1).await;
    assert_eq!(launches(&tenant, campaign).await, 1);
    tenant.all_is_well(campaign).await;
}

/// The first one counts. The other is nobody's until the next file of the name.
#[tokio::test(flavor = "multi_thread")]
async fn twice_with_another_content() {
    let (tenant, campaign) = new("other").await;
    tenant.put("list.csv", list(&tenant, 0)).await;
    let (lock, statement) = lock::publishing(campaign);
    let mut hold = Hold::new(&tenant, lock).await;
    tenant.control("list.csv", "spring", false).await;
    hold.until_blocked(statement).await;
    tenant.control("list.csv", "spring", true).await;
    hold.release().await;
    finished(&tenant, campaign, 1).await;
    seen(&tenant, "list.csv.ctl", &json!({"campaign": "spring", "launch": true}).to_string()).await;
    assert_eq!(keys(&tenant).await, ["Finished/list.csv", "Incoming/list.csv.ctl"]);
    assert_eq!((tenant.imports(campaign).await.len(), launches(&tenant, campaign).await), (1, 0));
    tenant.put("list.csv", list(&tenant, ROWS)).await;
    finished(&tenant, campaign, 2).await;
    let accounting = tenant.mailed(campaign, 2 * ROWS).await;
    assert_eq!((accounting.number("ledger.sent"), launches(&tenant, campaign).await), (2 * ROWS, 1));
    assert_eq!(keys(&tenant).await, ["Finished/list.1.csv", "Finished/list.csv"]);
    tenant.all_is_well(campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_and_then_corrected() {
    let (tenant, campaign) = new("correct").await;
    tenant.put("list.csv", list(&tenant, 0)).await;
    tenant.put("list.csv.ctl", r#"{"campaign": "spring", "lunch": true}"#).await;
    let refused = ["Incoming/list.csv", "Invalids/list.csv.ctl", "Invalids/list.csv.ctl.errors.csv"];
    wait::until("the control file to be refused", async || (keys(&tenant).await == refused).then_some(()))
        .await;
    let report = tenant.aws.get(&tenant.bucket, refused[2]).await.unwrap();
    let report = String::from_utf8(report).unwrap();
    assert!(report.contains("control_malformed") && report.contains("lunch"), "{report}");
    assert_eq!(tenant.imports(campaign).await.len(), 0);
    tenant.control("list.csv", "spring", true).await;
    finished(&tenant, campaign, 1).await;
    assert_eq!(tenant.mailed(campaign, ROWS).await.number("ledger.sent"), ROWS);
    assert_eq!(keys(&tenant).await, ["Finished/list.csv", refused[1], refused[2]]);
    tenant.all_is_well(campaign).await;
}

/// Neither event comes, for ten minutes.
#[tokio::test(flavor = "multi_thread")]
async fn when_its_event_is_lost() {
    let (tenant, campaign) = new("lost").await;
    tenant
        .aws
        .s3
        .put_bucket_notification_configuration()
        .bucket(&tenant.bucket)
        .notification_configuration(aws_sdk_s3::types::NotificationConfiguration::builder().build())
        .send()
        .await
        .unwrap();
    tenant.put("list.csv", list(&tenant, 0)).await;
    tenant.control("list.csv", "spring", true).await;
    let now = OffsetDateTime::now_utc();
    wait::until("sweep to find the files", async || {
        sweep(&tenant, now + Duration::minutes(9)).await;
        let files = tenant.api("GET", "/v1/files", None).await.ok();
        files.to_string().contains("list.csv.ctl").then_some(())
    })
    .await;
    sweep(&tenant, now + Duration::minutes(9)).await;
    assert_eq!(tenant.imports(campaign).await.len(), 0, "an event may be late");
    wait::until("sweep to send the event", async || {
        sweep(&tenant, now + Duration::minutes(11)).await;
        (tenant.imports(campaign).await.len() == 1).then_some(())
    })
    .await;
    finished(&tenant, campaign, 1).await;
    assert_eq!(tenant.mailed(campaign, ROWS).await.number("ledger.sent"), ROWS);
    assert_eq!(keys(&tenant).await, ["Finished/list.csv"]);
    tenant.all_is_well(campaign).await;
}

/// Hours after its file, and as a call of the API at the same moment, in whichever order they arrive.
#[tokio::test(flavor = "multi_thread")]
async fn beside_the_same_call_of_the_api() {
    let (tenant, campaign) = new("both").await;
    for round in 0..3 {
        let (file, rows) = (format!("list-{round}.csv"), list(&tenant, round * ROWS));
        tenant.put(&file, rows.clone()).await;
        seen(&tenant, &file, &rows).await;
        let call = json!({"file": file, "launch": true});
        let path = format!("/v1/campaigns/{campaign}/imports");
        let call = tenant.api("POST", &path, Some(call));
        let (answer, ()) = tokio::join!(call, tenant.control(&file, "spring", true));
        let imports = finished(&tenant, campaign, usize::try_from(round).unwrap() + 1).await;
        // The call comes to its file, or the file is gone by then: the control file was faster.
        let status = answer.status.as_u16();
        assert!(status == 202 || status == 404, "{}: {imports:?}", answer.text());
    }
    let accounting = tenant.mailed(campaign, 3 * ROWS).await;
    assert_eq!((accounting.number("ledger.sent"), launches(&tenant, campaign).await), (3 * ROWS, 3));
    wait::until("no control file to be left", async || {
        let keys = keys(&tenant).await;
        (keys == ["Finished/list-0.csv", "Finished/list-1.csv", "Finished/list-2.csv"]).then_some(())
    })
    .await;
    tenant.all_is_well(campaign).await;
}

/// The API asks; a control file comes beside the file while the import is under way.
#[tokio::test(flavor = "multi_thread")]
async fn after_the_call_of_the_api() {
    let (tenant, campaign) = new("after").await;
    tenant.put("list.csv", list(&tenant, 0)).await;
    let (lock, statement) = lock::publishing(campaign);
    let mut hold = Hold::new(&tenant, lock).await;
    let call = json!({"file": "list.csv", "launch": true});
    tenant.api("POST", &format!("/v1/campaigns/{campaign}/imports"), Some(call)).await.ok();
    hold.until_blocked(statement).await;
    tenant.control("list.csv", "spring", true).await;
    hold.release().await;
    finished(&tenant, campaign, 1).await;
    assert_eq!(tenant.mailed(campaign, ROWS).await.number("ledger.sent"), ROWS);
    assert_eq!(keys(&tenant).await, ["Finished/list.csv"]);
    assert_eq!(launches(&tenant, campaign).await, 1);
    tenant.all_is_well(campaign).await;
}
