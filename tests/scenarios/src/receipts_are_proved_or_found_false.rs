//! Receipts of deletions hold, and whoever changes them is found out: by the chain, or where the whole of it was made anew by the anchors,
//! which nobody can change. The customer proves the same from a file.

use aws_sdk_s3::{
    operation::list_object_versions::ListObjectVersionsOutput,
    types::{ObjectLockMode, ObjectLockRetentionMode},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use testkit::{
    Stack, Tenant, own,
    tenant::{admin, invoke},
    wait,
};
use time::{Duration, OffsetDateTime};

use crate::everything_is_deleted_on_time::{sweep, sweep_event};

fn anchor_key(tenant: &Tenant, number: i64) -> String {
    format!("{}/{number:020}.json", tenant.id)
}

fn anchors(stack: &Stack) -> &str {
    &stack.deployment.buckets["anchors"]
}

pub(crate) async fn verify(tenant: &Tenant) -> Value {
    admin(&tenant.stack, json!({"command": "verify_receipts", "slug": tenant.slug})).await
}

async fn versions(tenant: &Tenant, key: &str) -> ListObjectVersionsOutput {
    let listing = tenant.aws.s3.list_object_versions().bucket(anchors(&tenant.stack)).prefix(key);
    listing.send().await.unwrap()
}

/// A receipt for each of so many files; the time of the last sweep.
pub(crate) async fn receipts(tenant: &Tenant, count: i64) -> OffsetDateTime {
    let mut now = OffsetDateTime::now_utc() + Duration::days(2);
    for number in 1..=count {
        tenant.put(&format!("{number}.csv"), "email\r\n").await;
        now += Duration::hours(1);
        // Once is enough, unless the schedule's own sweep has the tenant at that moment.
        wait::until(&format!("the anchor of receipt {number}"), async || {
            sweep(tenant, now).await;
            tenant.aws.get(anchors(&tenant.stack), &anchor_key(tenant, number)).await.map(|_| ())
        })
        .await;
    }
    now
}

/// The tenant's receipts as somebody with all rights may make them anew.
struct Forger {
    database: PgConnection,
    tenant: i64,
}

impl Forger {
    /// Keeps the true ones aside.
    async fn of(tenant: &Tenant) -> Self {
        let mut database = tenant.superuser().await;
        let keep = format!(
            "CREATE TEMP TABLE kept AS SELECT * FROM broadcast.receipts WHERE tenant_id = {}",
            tenant.id
        );
        sqlx::query(AssertSqlSafe(keep)).execute(&mut database).await.unwrap();
        Self { database, tenant: tenant.id }
    }

    /// Puts what the query makes of the true ones in their place.
    async fn put(&mut self, query: &str) {
        let tenant = self.tenant;
        let statements = format!(
            "BEGIN; DELETE FROM broadcast.receipts WHERE tenant_id = {tenant};
             INSERT INTO broadcast.receipts (tenant_id, number, at, what, ids, count, rule, previous, digest, backups_until) {query}; COMMIT"
        );
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut self.database).await.unwrap();
    }

    async fn restore(&mut self) {
        self.put("SELECT * FROM kept").await;
    }

    /// A whole chain that holds in itself, and claims one deletion more in this receipt.
    async fn make_anew(&mut self, altered: i64) {
        self.restore().await;
        let rows =
            sqlx::query("SELECT number, at, what, ids, count, rule, backups_until FROM kept ORDER BY number");
        let rows = rows.fetch_all(&mut self.database).await.unwrap();
        let mut previous = vec![0_u8; 32];
        for row in rows {
            let (number, at): (i64, OffsetDateTime) = (row.get("number"), row.get("at"));
            let (what, rule): (String, String) = (row.get("what"), row.get("rule"));
            let ids = row.get::<Vec<i64>, _>("ids").iter().map(i64::to_string).collect::<Vec<_>>().join(",");
            let count = row.get::<i64, _>("count") + i64::from(number == altered);
            let json = format!(
                r#"{{"tenant":{},"number":{number},"at_unix_microseconds":{},"what":"{what}","ids":[{ids}],"count":{count},"rule":"{rule}","backups_until_unix_microseconds":{}}}"#,
                self.tenant,
                at.unix_timestamp_nanos() / 1000,
                row.get::<OffsetDateTime, _>("backups_until").unix_timestamp_nanos() / 1000
            );
            previous = sqlx::query_scalar(
                "UPDATE broadcast.receipts SET count = $3, previous = $4, digest = sha256($4 || convert_to($5, 'UTF8'))
                 WHERE tenant_id = $1 AND number = $2 RETURNING digest",
            )
            .bind(self.tenant)
            .bind(number)
            .bind(count)
            .bind(&previous)
            .bind(json)
            .fetch_one(&mut self.database)
            .await
            .unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_them() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "receipts").await;
    let none = json!({"tenant": tenant.slug, "receipts": 0, "head": null, "anchored": 0, "holds": true, "broken": null});
    assert_eq!(verify(&tenant).await, none);
    receipts(&tenant, 4).await;
    let held = verify(&tenant).await;
    assert_eq!(
        (&held["receipts"], &held["anchored"], &held["holds"]),
        (&json!(4), &json!(4), &json!(true)),
        "{held}"
    );
    let anchor: Value =
        serde_json::from_slice(&tenant.aws.get(anchors(&stack), &anchor_key(&tenant, 4)).await.unwrap())
            .unwrap();
    assert_eq!(held["head"], json!({"number": 4, "digest": anchor["digest"]}));
    assert_eq!((&anchor["tenant"], &anchor["number"]), (&json!(tenant.id), &json!(4)));

    let mut forger = Forger::of(&tenant).await;
    for (deed, query, broken) in [
        (
            "altered",
            "SELECT tenant_id, number, at, what, ids, count + (number = 2)::int, rule, previous, digest, backups_until FROM kept",
            "receipt 2 was altered",
        ),
        ("removed", "SELECT * FROM kept WHERE number <> 2", "receipt 2 is missing"),
        (
            "swapped",
            "SELECT tenant_id, CASE number WHEN 2 THEN 3 WHEN 3 THEN 2 ELSE number END, at, what, ids, count, rule, previous, digest, backups_until FROM kept",
            "receipt 2 does not follow from the one before it",
        ),
        (
            "put in",
            "SELECT * FROM kept UNION ALL SELECT tenant_id, 0, at, what, ids, count, rule, previous, digest, backups_until FROM kept WHERE number = 1",
            "receipt 1 is missing",
        ),
        ("removed the newest", "SELECT * FROM kept WHERE number < 4", "receipt 4 is missing"),
        ("removed all", "SELECT * FROM kept WHERE false", "receipt 1 is missing"),
    ] {
        forger.put(query).await;
        let found = verify(&tenant).await;
        assert_eq!((&found["holds"], &found["broken"]), (&json!(false), &json!(broken)), "{deed}: {found}");
    }
    for altered in [1, 3, 4] {
        forger.make_anew(altered).await;
        let found = verify(&tenant).await;
        assert_eq!(found["broken"], format!("receipt {altered} was altered"), "made anew: {found}");
        assert_eq!(found["anchored"], altered - 1, "{found}");
    }

    // With a new version over the anchor, too, and with the true one out of sight.
    let digests = sqlx::query_scalar(
        "SELECT encode(digest, 'hex') FROM broadcast.receipts WHERE tenant_id = $1 AND number = 4",
    );
    let digest: String = digests.bind(tenant.id).fetch_one(&mut forger.database).await.unwrap();
    let mut false_one = anchor.clone();
    false_one["digest"] = json!(digest);
    let (key, s3) = (anchor_key(&tenant, 4), &tenant.aws.s3);
    tenant.aws.put(anchors(&stack), &key, false_one.to_string()).await;
    assert_eq!(verify(&tenant).await["broken"], "receipt 4 was altered");
    s3.delete_object().bucket(anchors(&stack)).key(&key).send().await.unwrap();
    assert_eq!(verify(&tenant).await["broken"], "receipt 4 was altered");

    // Nobody takes the true one away; the forger's own traces go.
    forger.restore().await;
    let clean = async |key: &str, present: usize, gone: usize| {
        let all = versions(&tenant, key).await;
        assert_eq!(all.versions().len(), present, "{key}");
        let deleted = async |version: Option<&str>| {
            let deletion = s3.delete_object().bucket(anchors(&stack)).key(key);
            deletion.set_version_id(version.map(str::to_owned)).send().await.is_ok()
        };
        let mut count = 0;
        for version in all.versions() {
            count += usize::from(deleted(version.version_id()).await);
        }
        assert_eq!(count, gone, "{key}");
        for mark in all.delete_markers() {
            assert!(deleted(mark.version_id()).await);
        }
    };
    clean(&key, 2, 1).await;
    let foreign = format!("{}/note.txt", tenant.id);
    tenant.aws.put(anchors(&stack), &foreign, "mine").await;
    let found = verify(&tenant).await;
    assert!(found["broken"].as_str().unwrap().contains(&foreign), "{found}");
    clean(&foreign, 1, 1).await;
    assert_eq!(verify(&tenant).await, held);

    let name = format!("{}.log", stack.deployment.functions["admin"]);
    let log = std::fs::read_to_string(stack.log_dir.join(name)).unwrap();
    let ours: Vec<&str> = log.lines().filter(|line| line.contains(&format!("\"{}\"", tenant.id))).collect();
    let told = |what: &str| ours.iter().any(|line| line.contains("\"ERROR\"") && line.contains(what));
    assert!(told("receipt 2 was altered") && told("an object is no anchor"), "{ours:?}");
    assert!(!log.contains(&foreign), "a key that somebody chose");

    // More than one listing has, and each is looked at.
    let first = tenant.aws.get(anchors(&stack), &anchor_key(&tenant, 1)).await.unwrap();
    for _ in 0..120 {
        tenant.aws.put(anchors(&stack), &anchor_key(&tenant, 1), first.clone()).await;
    }
    let many = verify(&tenant).await;
    assert_eq!((&many["holds"], &many["anchored"]), (&json!(true), &json!(124)), "{many}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anchor_is_put_once_and_locked_for_a_year() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "anchors").await;
    let now = receipts(&tenant, 1).await;
    let key = anchor_key(&tenant, 1);
    let s3 = &tenant.aws.s3;
    let object = s3.head_object().bucket(anchors(&stack)).key(&key).send().await.unwrap();
    assert_eq!(object.object_lock_mode, Some(ObjectLockMode::Compliance));
    let days = (object.object_lock_retain_until_date.unwrap().secs()
        - OffsetDateTime::now_utc().unix_timestamp())
        / 86_400;
    assert!((365..=366).contains(&days), "{days}");
    let sooner = aws_sdk_s3::types::ObjectLockRetention::builder()
        .mode(ObjectLockRetentionMode::Compliance)
        .retain_until_date(aws_sdk_s3::primitives::DateTime::from_secs(
            OffsetDateTime::now_utc().unix_timestamp() + 60,
        ))
        .build();
    let shortened =
        s3.put_object_retention().bucket(anchors(&stack)).key(&key).retention(sooner).send().await;
    assert!(shortened.is_err(), "the lock was shortened");

    // A sweep that put it and died before it could say so.
    let mut database = tenant.superuser().await;
    let forget = "UPDATE broadcast.tenants SET anchored_receipt = 0 WHERE id = $1";
    sqlx::query(forget).bind(tenant.id).execute(&mut database).await.unwrap();
    wait::until("the anchor to be known again", async || {
        sweep(&tenant, now).await;
        let known = sqlx::query_scalar("SELECT anchored_receipt FROM broadcast.tenants WHERE id = $1");
        let known: i64 = known.bind(tenant.id).fetch_one(&mut database).await.unwrap();
        (known == 1).then_some(())
    })
    .await;
    assert_eq!(versions(&tenant, &key).await.versions().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_anchored_is_anchored_later() {
    let main = Stack::from_env().unwrap();
    let bucket = testkit::unique("no-anchors");
    let stack = own::deploy_with(&main, "anchored", &["sweep"], &[("ANCHORS_BUCKET", bucket.clone())]).await;
    let tenant = Tenant::new(&stack, "anchored").await;
    tenant.put("list.csv", "email\r\n").await;
    let event = sweep_event(&tenant, OffsetDateTime::now_utc() + Duration::days(3));
    assert!(
        invoke(&stack, "sweep", &event).await.contains("\"itemIdentifier\":\"sweep\""),
        "a failure is seen"
    );
    // Everything else was done.
    assert_eq!(tenant.aws.keys(&tenant.bucket, "").await, Vec::<String>::new());
    let receipts = tenant.api("GET", "/v1/receipts", None).await.ok();
    assert_eq!(receipts["items"].as_array().unwrap().len(), 1, "{receipts}");

    let s3 = &tenant.aws.s3;
    s3.create_bucket().bucket(&bucket).object_lock_enabled_for_bucket(true).send().await.unwrap();
    assert_eq!(invoke(&stack, "sweep", &event).await, r#"{"batchItemFailures":[]}"#);
    assert_eq!(tenant.aws.keys(&bucket, "").await, [anchor_key(&tenant, 1)]);
    let all = admin(&stack, json!({"command": "verify_receipts"})).await;
    assert_eq!(all, json!({"holds": true, "tenants": [verify(&tenant).await]}));
    assert_eq!((&all["tenants"][0]["receipts"], &all["tenants"][0]["anchored"]), (&json!(1), &json!(1)));
    own::undeploy(&stack).await;
}
