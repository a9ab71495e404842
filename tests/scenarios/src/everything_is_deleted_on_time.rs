//! Files go when their folder's time is up and not before; a campaign's data goes with its schema, its sums stay; and an unsubscribe still
//! works afterwards.

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use serde_json::json;
use testkit::{Stack, Tenant, csv::Plan, tenant::invoke, wait};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

/// Sweeps this tenant alone, as the schedule's message for it would: other scenarios keep their data.
pub(crate) async fn sweep(tenant: &Tenant, now: OffsetDateTime) {
    let body =
        json!({"type": "tenant.v1", "tenant": tenant.id, "now": now.format(&Rfc3339).unwrap()}).to_string();
    let record = json!({"messageId": "sweep", "receiptHandle": "sweep", "eventSource": "aws:sqs", "body": body,
                        "attributes": {"ApproximateReceiveCount": "1"}});
    let answer = invoke(&tenant.stack, "sweep", &json!({"Records": [record]})).await;
    assert_eq!(answer, r#"{"batchItemFailures":[]}"#);
}

/// Sweeps until the bucket holds these files. Once is enough, unless the schedule's own sweep has the tenant at that moment.
async fn swept_to(tenant: &Tenant, now: OffsetDateTime, expected: &[&str]) {
    wait::until(&format!("only {expected:?} to be left"), async || {
        sweep(tenant, now).await;
        (files(tenant).await == expected).then_some(())
    })
    .await;
}

async fn files(tenant: &Tenant) -> Vec<String> {
    let mut names = tenant.aws.keys(&tenant.bucket, "").await;
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn two_days_one_day_and_four_weeks() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "sweep").await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 12, bad: 1, ..Plan::default() };
    tenant.put("list.csv", plan.write()).await;
    tenant.control("list.csv", "spring", true).await;
    let before = tenant.mailed(campaign, 13).await;
    tenant.put("forgotten.csv", "email\r\n").await;
    let mails =
        wait::until("12 mails", async || Some(tenant.mails()).filter(|mails| mails.len() == 12)).await;
    wait::until("the forgotten file to be indexed", async || {
        let files = tenant.api("GET", "/v1/files", None).await.ok();
        files.to_string().contains("forgotten.csv").then_some(())
    })
    .await;

    let start = OffsetDateTime::now_utc();
    let spooled =
        async || tenant.aws.keys(&stack.deployment.buckets["spool"], &format!("{}/", tenant.id)).await.len();
    sweep(&tenant, start + Duration::minutes(10)).await;
    assert_eq!(spooled().await, 1);
    wait::until("the launch's messages to be deleted", async || {
        sweep(&tenant, start + Duration::minutes(20)).await;
        (spooled().await == 0).then_some(())
    })
    .await;
    let all = ["Finished/list.csv", "Incoming/forgotten.csv", "Invalids/list.csv.errors.csv"];
    let (early, late) = (Duration::minutes(-10), Duration::minutes(5));
    sweep(&tenant, start + Duration::days(1) + early).await;
    assert_eq!(files(&tenant).await, all);
    swept_to(&tenant, start + Duration::days(1) + late, &all[1..]).await;
    sweep(&tenant, start + Duration::days(2) + early).await;
    assert_eq!(files(&tenant).await, all[1..]);
    swept_to(&tenant, start + Duration::days(2) + late, &all[2..]).await;
    swept_to(&tenant, start + Duration::days(7) + late, &[]).await;

    sweep(&tenant, start + Duration::days(28) + early).await;
    assert_eq!(tenant.stack_schemas(&[campaign]).await, 1);
    let mut now = start + Duration::days(28) + late;
    wait::until("the campaign to be deleted", async || {
        sweep(&tenant, now).await;
        now += Duration::minutes(5);
        (tenant.stack_schemas(&[campaign]).await == 0).then_some(())
    })
    .await;
    assert_eq!(spooled().await, 0);
    let after = tenant.accounting(campaign).await;
    for sum in ["rows", "imported", "rejected", "ledger.sent"] {
        assert_eq!(after.number(sum), before.number(sum), "{sum} of the kept totals");
    }
    let receipts = tenant.api("GET", "/v1/receipts", None).await.ok();
    assert!(receipts["items"].as_array().unwrap().len() >= 4, "{receipts}");
    assert!(!receipts.to_string().contains("list.csv") && !receipts.to_string().contains('@'), "{receipts}");

    // Weeks after the data is gone, somebody follows the link of their mail.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    tenant
        .http
        .send("POST", &mails[0].one_click().unwrap(), &form, "List-Unsubscribe=One-Click")
        .await
        .ok_status();
    let mut database = tenant.superuser().await;
    wait::until("the suppression", async || {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM broadcast.suppressions WHERE tenant_id = $1")
                .bind(tenant.id)
                .fetch_one(&mut database)
                .await
                .unwrap();
        (count == 1).then_some(())
    })
    .await;
    let summer = tenant.campaign("summer").await;
    tenant.put("again.csv", plan.write()).await;
    tenant.control("again.csv", "summer", true).await;
    let accounting = tenant.mailed(summer, 13).await;
    assert_eq!((accounting.number("ledger.suppressed"), accounting.number("ledger.sent")), (1, 11));
    tenant.all_is_well(summer).await;
}

/// Ids of multipart uploads in the tenant's bucket.
async fn multiparts(tenant: &Tenant) -> Vec<String> {
    let answer = tenant.aws.s3.list_multipart_uploads().bucket(&tenant.bucket).send().await.unwrap();
    let mut ids: Vec<_> =
        answer.uploads.unwrap_or_default().into_iter().filter_map(|u| u.upload_id).collect();
    ids.sort();
    ids
}

/// Begins a multipart upload, as the gateway does.
async fn begin(tenant: &Tenant, name: &str) -> String {
    let request = tenant.aws.s3.create_multipart_upload().bucket(&tenant.bucket);
    let begun = request.key(format!("Incoming/{name}")).send().await.unwrap();
    begun.upload_id.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_upload_goes_two_days_after_its_last_bytes() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "unfinished").await;
    let spool = &stack.deployment.buckets["spool"];
    let start = OffsetDateTime::now_utc();
    let mut database = tenant.superuser().await;
    let mut tails = Vec::new();
    let mut kept = Vec::new();
    for (name, after) in [("old.csv", Duration::ZERO), ("resumed.csv", Duration::days(1))] {
        let upload_id = begin(&tenant, name).await;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO broadcast.uploads (tenant_id, name, begun_as, upload_id, size, tail_bytes, started_at, updated_at)
             VALUES ($1, $2 || '.renamed', $2, $3, 5, 5, $4, $4 + $5) RETURNING id",
        )
        .bind(tenant.id)
        .bind(name)
        .bind(&upload_id)
        .bind(start)
        .bind(sqlx::postgres::types::PgInterval::try_from(after).unwrap())
        .fetch_one(&mut database)
        .await
        .unwrap();
        let tail = format!("{}/uploads/{id}", tenant.id);
        tenant.aws.put(spool, &tail, "sealed").await;
        tails.push(tail);
        kept.push(upload_id);
    }
    // What a gateway leaves that is killed between S3 and the database.
    let lost = begin(&tenant, "lost.csv").await;
    let lost_tail = format!("{}/uploads/999999999", tenant.id);
    tenant.aws.put(spool, &lost_tail, "sealed").await;

    let state = async || {
        let mut there = tenant.aws.keys(spool, &format!("{}/uploads/", tenant.id)).await;
        there.sort();
        (multiparts(&tenant).await, there)
    };
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    let all = (
        sorted(vec![kept[0].clone(), kept[1].clone(), lost]),
        sorted(vec![tails[0].clone(), tails[1].clone(), lost_tail]),
    );
    sweep(&tenant, start + Duration::days(2) - Duration::minutes(10)).await;
    assert_eq!(state().await, all);
    for (days, expected) in [(2, (kept[1..].to_vec(), tails[1..].to_vec())), (3, (Vec::new(), Vec::new()))] {
        wait::until("unfinished uploads to be swept", async || {
            sweep(&tenant, start + Duration::days(days) + Duration::minutes(5)).await;
            (state().await == expected).then_some(())
        })
        .await;
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM broadcast.uploads WHERE tenant_id = $1")
        .bind(tenant.id)
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(rows, 0);
    let receipts = tenant.api("GET", "/v1/receipts", None).await.ok();
    let uploads: Vec<_> =
        receipts["items"].as_array().unwrap().iter().filter(|item| item["what"] == "upload").collect();
    let count: u64 = uploads.iter().map(|receipt| receipt["count"].as_u64().unwrap()).sum();
    assert_eq!(count, 4, "{uploads:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_line_goes_after_its_days_and_not_before() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::with(&stack, "audit", json!({"audit_days": 30})).await;
    let mut database = tenant.superuser().await;
    for days in [29, 31] {
        let made = sqlx::query(
            "INSERT INTO broadcast.audit (tenant_id, at, actor, action, result)
             VALUES ($1, now() - make_interval(days => $2), 'somebody', 'something', 'done')",
        );
        made.bind(tenant.id).bind(days).execute(&mut database).await.unwrap();
    }
    let old = async |database: &mut sqlx::PgConnection| -> i64 {
        let lines = "SELECT count(*) FROM broadcast.audit WHERE tenant_id = $1 AND actor = 'somebody'";
        sqlx::query_scalar(lines).bind(tenant.id).fetch_one(database).await.unwrap()
    };
    wait::until("the older line to go", async || {
        sweep(&tenant, OffsetDateTime::now_utc()).await;
        (old(&mut database).await == 1).then_some(())
    })
    .await;
    let receipts = tenant.api("GET", "/v1/receipts", None).await.ok();
    let receipt = &receipts["items"][0];
    assert_eq!((&receipt["what"], &receipt["rule"]), (&json!("audit"), &json!("audit lines 30 days")));
    // Nobody is allowed to delete one himself.
    let as_tenant = format!("SET ROLE tenant_{}; DELETE FROM broadcast.audit", tenant.id);
    let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(as_tenant)).execute(&mut database).await;
    assert!(refused.unwrap_err().to_string().contains("permission denied"));
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_go_with_their_folders_hours() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "versions").await;
    let versioned = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let request = tenant.aws.s3.put_bucket_versioning().bucket(&tenant.bucket);
    request.versioning_configuration(versioned).send().await.unwrap();
    // Overwritten, deleted by the customer, and untouched.
    for (name, bytes) in [("again.csv", "old"), ("again.csv", "new"), ("gone.csv", "x"), ("stays.csv", "x")] {
        tenant.put(name, bytes).await;
    }
    let gone = tenant.aws.s3.delete_object().bucket(&tenant.bucket).key("Incoming/gone.csv");
    gone.send().await.unwrap();
    let left = async || {
        let all = tenant.aws.s3.list_object_versions().bucket(&tenant.bucket).send().await.unwrap();
        (all.versions().len(), all.delete_markers().len())
    };
    let start = OffsetDateTime::now_utc();
    sweep(&tenant, start + Duration::days(2) - Duration::minutes(10)).await;
    assert_eq!(left().await, (4, 1));
    // What expires now leaves a marker and an old version, which go as well: at the latest when the marker is as old.
    let late = start + Duration::days(2) + Duration::minutes(5);
    wait::until("the old versions to go", async || {
        sweep(&tenant, late).await;
        (left().await.0 == 0).then_some(())
    })
    .await;
    let receipts = tenant.api("GET", "/v1/receipts", None).await.ok();
    let whats: Vec<_> = receipts["items"].as_array().unwrap().iter().map(|item| &item["what"]).collect();
    assert!(whats.contains(&&json!("version")), "{whats:?}");
}
