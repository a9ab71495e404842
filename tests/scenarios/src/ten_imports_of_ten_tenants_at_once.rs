//! Ten tenants import at the same moment: each into its own schema, none waits for another, and all sums agree.

use std::sync::Arc;

use serde_json::json;
use sqlx::AssertSqlSafe;
use testkit::{
    Stack, Tenant,
    hold::{Hold, lock},
    own,
    tenant::invoke,
    wait,
};

const TENANTS: usize = 10;

/// The first tenant has ten rows, the second twenty, so that nobody's number is another's.
fn rows(number: usize) -> u64 {
    (number as u64 + 1) * 10
}

fn list(tenant: &Tenant, number: usize) -> String {
    let row = |n: u64| format!("kunde.{n}@{},Zoë,Nyman,K{n},\r\n", tenant.recipients_domain);
    let header = "email,vorname,nachname,kundennummer,notiz\r\nnobody,,,,\r\n".to_owned();
    std::iter::once(header).chain((0..rows(number)).map(row)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn none_waits_for_another() {
    // LocalStack runs one batch of a queue at a time. So the function has no queue here: its ten instances are invoked with the event each.
    let main = Stack::from_env().unwrap();
    let stack = Arc::new(own::deploy(&main, "ten", &["import", "generate", "send"]).await);
    let mut tenants = Vec::new();
    for number in 0..TENANTS {
        let tenant = Tenant::new(&stack, "ten").await;
        let campaign = tenant.campaign("spring").await;
        let silent = aws_sdk_s3::types::NotificationConfiguration::builder().build();
        let request = tenant.aws.s3.put_bucket_notification_configuration().bucket(&tenant.bucket);
        request.notification_configuration(silent).send().await.unwrap();
        tenant.put("list.csv", list(&tenant, number)).await;
        tenant.control("list.csv", "spring", true).await;
        tenants.push((tenant, campaign));
    }
    // Each is held just before it publishes, until all are there.
    let mut holds = Vec::new();
    for (tenant, campaign) in &tenants {
        holds.push((Hold::new(tenant, lock::publishing(*campaign).0).await, lock::publishing(*campaign).1));
    }
    let mut under_way = Vec::new();
    for (tenant, _) in &tenants {
        let body = json!({"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": tenant.bucket},
                          "object": {"key": "Incoming/list.csv.ctl"}}}]});
        let record = json!({"messageId": tenant.slug, "receiptHandle": "ten", "eventSource": "aws:sqs",
                            "body": body.to_string(), "attributes": {"ApproximateReceiveCount": "1"}});
        let stack = Arc::clone(&stack);
        under_way
            .push(tokio::spawn(async move { invoke(&stack, "import", &json!({"Records": [record]})).await }));
    }
    for (hold, statement) in &mut holds {
        hold.until_blocked(statement).await;
    }
    // The last may go first.
    for ((hold, _), under_way) in holds.into_iter().zip(under_way).rev() {
        hold.release().await;
        assert_eq!(under_way.await.unwrap(), r#"{"batchItemFailures":[]}"#);
    }
    for (number, (tenant, campaign)) in tenants.iter().enumerate() {
        let accounting = tenant.mailed(*campaign, rows(number) + 1).await;
        let sums = ["imported", "rejected", "ledger.sent"].map(|sum| accounting.number(sum));
        assert_eq!(sums, [rows(number), 1, rows(number)], "{accounting:?}");
        has_its_own_rows(tenant, *campaign, number).await;
        let mut keys = tenant.aws.keys(&tenant.bucket, "").await;
        keys.sort();
        assert_eq!(keys, ["Finished/list.csv", "Invalids/list.csv.errors.csv"]);
        wait::until("every mail", async || (tenant.mails().len() as u64 == rows(number)).then_some(())).await;
        tenant.all_is_well(*campaign).await;
    }
    own::undeploy(&stack).await;
}

/// One table in its schema, with its own addresses alone.
async fn has_its_own_rows(tenant: &Tenant, campaign: i64, number: usize) {
    let mut database = tenant.superuser().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT tablename::text FROM pg_tables WHERE schemaname = $1 AND tablename ~ '^recipients_' AND tableowner = $2",
    )
    .bind(format!("campaign_{campaign}"))
    .bind(format!("tenant_{}", tenant.id))
    .fetch_all(&mut database)
    .await
    .unwrap();
    assert_eq!(tables.len(), 1, "{tables:?}");
    let statement = format!(
        "SELECT count(*), count(*) FILTER (WHERE address LIKE '%@' || $1) FROM campaign_{campaign}.{}",
        tables[0]
    );
    let counted: (i64, i64) = sqlx::query_as(AssertSqlSafe(statement))
        .bind(&tenant.recipients_domain)
        .fetch_one(&mut database)
        .await
        .unwrap();
    let rows = i64::try_from(rows(number)).unwrap();
    assert_eq!(counted, (rows, rows));
}
