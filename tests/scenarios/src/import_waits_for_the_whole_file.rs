//! A control file that comes first waits for its file; half a file is never imported; a file may come under another name first.

use serde_json::json;
use testkit::{
    Stack, Tenant,
    customer::{Customer, Running, must},
    wait,
};

const ROWS: u64 = 3000;

/// Some megabytes: long rows.
fn list(domain: &str) -> String {
    let note = "x".repeat(3000);
    let rows = (0..ROWS).map(|n| format!("kunde.{n}@{domain},{note}\r\n"));
    std::iter::once("email,note\r\n".to_owned()).chain(rows).collect()
}

/// Waits until the import has looked at the control file.
async fn control_was_seen(tenant: &Tenant) {
    wait::until("the control file to be seen", async || {
        let sql = "SELECT true FROM broadcast.files WHERE tenant_id = $1 AND name = 'list.csv.ctl'";
        let row = sqlx::query_scalar::<_, bool>(sql).bind(tenant.id);
        row.fetch_optional(&mut tenant.superuser().await).await.unwrap()
    })
    .await;
}

async fn imported(tenant: &Tenant, campaign: i64) {
    wait::until("the import", async || {
        let accounting = tenant.accounting(campaign).await;
        let refused = tenant.refused_imports(campaign).await;
        assert!(refused.is_empty(), "{refused:?}");
        (accounting.number("imported") == ROWS).then_some(())
    })
    .await;
    wait::until("the file to be moved", async || {
        let keys = tenant.aws.keys(&tenant.bucket, "").await;
        (keys == ["Finished/list.csv"]).then_some(())
    })
    .await;
}

async fn new(name: &str) -> (Tenant, Customer, i64) {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, name).await;
    let campaign = tenant.campaign("spring").await;
    let customer = Customer::of(&tenant);
    let list = list(&tenant.recipients_domain);
    customer.write("list.csv.ctl", json!({"campaign": "spring", "size": list.len()}).to_string());
    customer.write("list.csv", list);
    (tenant, customer, campaign)
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_control_file_comes_first() {
    let (tenant, customer, campaign) = new("ctlfirst").await;
    must(customer.sftp(&["put list.csv.ctl Incoming/"])).await;
    control_was_seen(&tenant).await;
    assert!(tenant.imports(campaign).await.is_empty());
    must(customer.sftp(&["put list.csv Incoming/"])).await;
    imported(&tenant, campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_upload_breaks_off() {
    Box::pin(breaks_off("half", &["Incoming/list.csv.ctl"], &[])).await;
}

/// The older file is not what the control file means.
#[tokio::test(flavor = "multi_thread")]
async fn when_the_upload_over_an_older_file_breaks_off() {
    let keys = ["Incoming/list.csv", "Incoming/list.csv.ctl"];
    Box::pin(breaks_off("older", &keys, &["put old.csv Incoming/list.csv"])).await;
}

async fn breaks_off(name: &str, keys: &[&str], before: &[&str]) {
    let (tenant, customer, campaign) = new(name).await;
    customer.write("old.csv", format!("email\r\nold@{}\r\n", tenant.recipients_domain));
    must(customer.sftp(before)).await;
    let put = customer.slow_sftp(20_000, &["put list.csv Incoming/"]);
    let mut put = Running::start(put);
    put.until_read(&customer.path("list.csv"), 4_500_000).await;
    put.kill().await;
    wait::until("the half file to be kept", async || {
        let sql = "SELECT true FROM broadcast.uploads WHERE tenant_id = $1 AND holder IS NULL";
        let row = sqlx::query_scalar::<_, bool>(sql).bind(tenant.id);
        row.fetch_optional(&mut tenant.superuser().await).await.unwrap()
    })
    .await;
    must(customer.sftp(&["put list.csv.ctl Incoming/"])).await;
    control_was_seen(&tenant).await;
    let listed = must(customer.sftp(&["ls -1 Incoming"])).await;
    assert!(listed.contains("Incoming/list.csv\n"), "the half file is not seen: {listed}");
    assert!(tenant.imports(campaign).await.is_empty());
    assert_eq!(tenant.aws.keys(&tenant.bucket, "").await, keys);
    must(customer.sftp(&["reput list.csv Incoming/list.csv"])).await;
    imported(&tenant, campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_it_comes_under_another_name() {
    let (tenant, customer, campaign) = new("tmpname").await;
    must(customer.sftp(&[
        "put list.csv Incoming/list.csv.tmp",
        "rename Incoming/list.csv.tmp Incoming/list.csv",
        "put list.csv.ctl Incoming/",
    ]))
    .await;
    imported(&tenant, campaign).await;
}
