//! A gateway that dies between the completion of an upload in S3 and the end of its row leaves a row that hides the whole file and holds its
//! import back. Sweep ends such a row, without anybody asking for the file, and leaves uploads alone that can go on.

use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use testkit::{
    Stack, Tenant,
    customer::{Customer, Running, must},
    gateway::Gateway,
    wait,
};
use time::{Duration, OffsetDateTime};

use crate::everything_is_deleted_on_time::sweep;

/// Where the gateway is held, for one tenant.
const GATE: i32 = 0x4845_4c44;

fn list(domain: &str, rows: usize) -> String {
    let note = "x".repeat(3000);
    let rows = (0..rows).map(|n| format!("kunde.{n}@{domain},{note}\r\n"));
    std::iter::once("email,note\r\n".to_owned()).chain(rows).collect()
}

/// From now on the tenant's rows cannot be deleted until the gate opens.
async fn close_gate(tenant: &Tenant) -> PgConnection {
    let id = tenant.id;
    let mut gate = tenant.superuser().await;
    for sql in [
        format!("SELECT pg_advisory_lock({GATE}, {id})"),
        format!(
            "CREATE FUNCTION broadcast.gate_{id}() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_advisory_xact_lock({GATE}, {id}); RETURN OLD; END $$"
        ),
        format!(
            "CREATE TRIGGER gate_{id} BEFORE DELETE ON broadcast.uploads FOR EACH ROW
             WHEN (OLD.tenant_id = {id}) EXECUTE FUNCTION broadcast.gate_{id}()"
        ),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut gate).await.unwrap();
    }
    gate
}

async fn open_gate(tenant: &Tenant, mut gate: PgConnection) {
    let id = tenant.id;
    for sql in [
        format!("SELECT pg_advisory_unlock({GATE}, {id})"),
        format!("DROP FUNCTION broadcast.gate_{id}() CASCADE"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut gate).await.unwrap();
    }
}

/// Uploads to a gateway that is killed when the object is there and the row has not ended.
async fn upload_and_die(tenant: &Tenant, name: &str, list: &str, line: &str) {
    let mut gateway = Gateway::start(&tenant.stack, &[]).await;
    let customer = Customer::at(tenant, &gateway.address);
    customer.write(name, list);
    let gate = close_gate(tenant).await;
    let put = Running::start(customer.sftp(&[line]));
    let key = format!("Incoming/{name}");
    wait::until("the object", async || tenant.aws.get(&tenant.bucket, &key).await).await;
    gateway.signal("KILL").await;
    gateway.ended().await;
    assert!(!put.end().await.success());
    open_gate(tenant, gate).await;
}

async fn rows(tenant: &Tenant) -> Vec<(String, i64)> {
    sqlx::query_as("SELECT name, size FROM broadcast.uploads WHERE tenant_id = $1 ORDER BY name")
        .bind(tenant.id)
        .fetch_all(&mut tenant.superuser().await)
        .await
        .unwrap()
}

/// Breaks an upload off after so many bytes, and waits until it is put away.
async fn break_off(tenant: &Tenant, customer: &Customer, name: &str, bytes: u64) {
    let put = customer.slow_sftp(24_000, &[&format!("put {name} Incoming/")]);
    let mut put = Running::start(put);
    put.until_read(&customer.path(name), bytes).await;
    put.kill().await;
    wait::until("the half file to be kept", async || {
        let sql = "SELECT true FROM broadcast.uploads WHERE tenant_id = $1 AND name = $2 AND holder IS NULL";
        let row = sqlx::query_scalar::<_, bool>(sql).bind(tenant.id).bind(name);
        row.fetch_optional(&mut tenant.superuser().await).await.unwrap()
    })
    .await;
}

/// The names in Incoming that the customer sees, with their sizes.
async fn sizes(customer: &Customer) -> Vec<String> {
    let listed = must(customer.sftp(&["ls -ln Incoming"])).await;
    let fields = |line: &str| line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let files = listed.lines().map(fields).filter(|fields| fields.len() > 8);
    files.map(|fields| format!("{} {}", fields[8], fields[4])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_gateway_was_killed() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "lying").await;
    let campaign = tenant.campaign("spring").await;
    let customer = Customer::of(&tenant);
    let (large, small) = (list(&tenant.recipients_domain, 4000), list(&tenant.recipients_domain, 1000));
    // Two that can go on, and stay.
    customer.write("half.csv", &large);
    customer.write("quarter.csv", &small);
    customer.write("small.csv", &small);
    break_off(&tenant, &customer, "half.csv", 8_900_000).await;
    break_off(&tenant, &customer, "quarter.csv", 1_500_000).await;
    break_off(&tenant, &customer, "small.csv", 1_500_000).await;
    let kept = rows(&tenant).await;
    upload_and_die(&tenant, "small.csv", &small, "reput small.csv Incoming/small.csv").await;
    upload_and_die(&tenant, "list.csv", &large, "put list.csv Incoming/").await;
    let left = rows(&tenant).await;
    assert_eq!(
        left.iter().map(|row| row.0.as_str()).collect::<Vec<_>>(),
        ["half.csv", "list.csv", "quarter.csv", "small.csv"]
    );
    let seen = sizes(&customer).await;
    for (name, size) in &left {
        assert!(seen.contains(&format!("Incoming/{name} {size}")), "{seen:?}");
    }

    // AWS dates a file back to the begin of its upload, and this server to its end: as on AWS, then.
    sqlx::query("UPDATE broadcast.uploads SET started_at = now() WHERE tenant_id = $1 AND name = 'list.csv'")
        .bind(tenant.id)
        .execute(&mut tenant.superuser().await)
        .await
        .unwrap();
    customer.write("list.csv.ctl", json!({"campaign": "spring", "size": large.len()}).to_string());
    must(customer.sftp(&["put list.csv.ctl Incoming/"])).await;
    wait::until("the control file to be seen", async || {
        let sql = "SELECT true FROM broadcast.files WHERE tenant_id = $1 AND name = 'list.csv.ctl'";
        let row = sqlx::query_scalar::<_, bool>(sql).bind(tenant.id);
        row.fetch_optional(&mut tenant.superuser().await).await.unwrap()
    })
    .await;
    assert!(tenant.imports(campaign).await.is_empty());
    // A gateway may still be at work.
    sweep(&tenant, OffsetDateTime::now_utc() + Duration::minutes(5)).await;
    assert_eq!(rows(&tenant).await, left);
    wait::until("the import", async || {
        sweep(&tenant, OffsetDateTime::now_utc() + Duration::minutes(15)).await;
        (tenant.accounting(campaign).await.number("imported") == 4000).then_some(())
    })
    .await;
    assert_eq!(rows(&tenant).await, kept[..2]);
    let seen = sizes(&customer).await;
    assert!(seen.contains(&format!("Incoming/small.csv {}", small.len())), "{seen:?}");
    for name in ["half.csv", "quarter.csv"] {
        must(customer.sftp(&[&format!("reput {name} Incoming/{name}")])).await;
    }
    assert!(tenant.aws.get(&tenant.bucket, "Incoming/half.csv").await.unwrap() == large.as_bytes());
    assert!(tenant.aws.get(&tenant.bucket, "Incoming/quarter.csv").await.unwrap() == small.as_bytes());
    tenant.all_is_well(campaign).await;
}
