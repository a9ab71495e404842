//! What a folder and a campaign hold is there five minutes before its time is up, and gone five minutes after: for a tenant with our settings, and
//! for one with its own. Each deletion has its receipt; a campaign's sums stay.

use std::collections::BTreeSet;

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use testkit::{
    Stack, Tenant,
    csv::Plan,
    exports::{COLUMNS, all_exported, insert},
    own,
    tenant::{Accounting, invoke},
    wait,
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::receipts_are_proved_or_found_false::verify;

/// The schedule's message for this tenant, as an event of its queue.
pub(crate) fn sweep_event(tenant: &Tenant, now: OffsetDateTime) -> Value {
    let body =
        json!({"type": "tenant.v1", "tenant": tenant.id, "now": now.format(&Rfc3339).unwrap()}).to_string();
    json!({"Records": [{"messageId": "sweep", "receiptHandle": "sweep", "eventSource": "aws:sqs", "body": body,
                        "attributes": {"ApproximateReceiveCount": "1"}}]})
}

/// Sweeps this tenant alone, as the schedule's message for it would: other scenarios keep their data.
pub(crate) async fn sweep(tenant: &Tenant, now: OffsetDateTime) {
    let answer = invoke(&tenant.stack, "sweep", &sweep_event(tenant, now)).await;
    assert_eq!(answer, r#"{"batchItemFailures":[]}"#);
}

/// From one run of the schedule to the next.
const RUN: Duration = Duration::minutes(5);
/// Before anything is over: a file in each folder, and a campaign with its people and its messages.
const ALL: &str = "Exports Finished Incoming Invalids people schema spool";
/// The other tenant's own: hours, and for the campaign two days.
const INCOMING: i64 = 1;
const FINISHED: i64 = 3;
const INVALIDS: i64 = 5;
const EXPORTS: i64 = 7;
const CAMPAIGN: i64 = 48;

/// When something goes, counted from when all of it came; what is left then of a tenant with our settings, and of the other one.
const LADDER: [(Duration, &str, &str); 11] = [
    (Duration::ZERO, ALL, ALL),
    (
        Duration::minutes(15),
        "Exports Finished Incoming Invalids people schema",
        "Exports Finished Incoming Invalids people schema",
    ),
    (
        Duration::hours(1),
        "Exports Finished Incoming Invalids people schema",
        "Exports Finished Invalids people schema",
    ),
    (
        Duration::hours(3),
        "Exports Finished Incoming Invalids people schema",
        "Exports Invalids people schema",
    ),
    (Duration::hours(5), "Exports Finished Incoming Invalids people schema", "Exports people schema"),
    (Duration::hours(7), "Exports Finished Incoming Invalids people schema", "people schema"),
    (Duration::days(1), "Exports Incoming Invalids people schema", "people schema"),
    (Duration::days(2), "Exports Invalids people schema", ""),
    (Duration::days(7), "Exports people schema", ""),
    (Duration::days(14), "people schema", ""),
    (Duration::days(28), "", ""),
];

/// A tenant with all that goes, and the moment at which all of it came.
struct Filled {
    tenant: Tenant,
    campaign: i64,
    sums: Accounting,
}

impl Filled {
    async fn new(stack: &Stack, mut settings: Value) -> Self {
        settings["export_columns"] = json!(COLUMNS);
        let tenant = Tenant::with(stack, "ladder", settings).await;
        let campaign = tenant.campaign("spring").await;
        let plan = Plan { domain: tenant.recipients_domain.clone(), good: 12, bad: 1, ..Plan::default() };
        tenant.put("list.csv", plan.write()).await;
        tenant.control("list.csv", "spring", true).await;
        tenant.mailed(campaign, 13).await;
        let responses = AssertSqlSafe(insert(campaign, 3));
        sqlx::raw_sql(responses).execute(&mut tenant.superuser().await).await.unwrap();
        all_exported(&tenant, campaign).await;
        tenant.put("forgotten.csv", "email\r\n").await;
        let sums = tenant.accounting(campaign).await;
        Self { tenant, campaign, sums }
    }

    /// Moves what came earlier to this moment. How long it took to come says nothing.
    async fn all_came_at(&self, start: OffsetDateTime) {
        // Indexes the folders, so that each file has a row whose time can be moved.
        sweep(&self.tenant, start).await;
        let mut database = self.tenant.superuser().await;
        for (columns, expected) in [
            ("files SET arrived_at = $2", 7),
            ("launches SET ended_at = $2", 1),
            ("campaigns SET created_at = $2, ended_at = $2", 1),
        ] {
            let statement = AssertSqlSafe(format!("UPDATE broadcast.{columns} WHERE tenant_id = $1"));
            let moved = sqlx::query(statement).bind(self.tenant.id).bind(start).execute(&mut database).await;
            assert_eq!(moved.unwrap().rows_affected(), expected, "{columns}");
        }
    }

    /// What is there of it.
    async fn left(&self) -> String {
        let Self { tenant, campaign, .. } = self;
        let keys = tenant.aws.keys(&tenant.bucket, "").await;
        let mut left: BTreeSet<&str> = keys.iter().map(|key| key.split('/').next().unwrap()).collect();
        let spool = &tenant.stack.deployment.buckets["spool"];
        if !tenant.aws.keys(spool, &format!("{}/", tenant.id)).await.is_empty() {
            left.insert("spool");
        }
        let (schema, people): (bool, bool) = sqlx::query_as(
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1),
                    EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename ~ '^recipients_')",
        )
        .bind(format!("campaign_{campaign}"))
        .fetch_one(&mut tenant.superuser().await)
        .await
        .unwrap();
        left.extend(schema.then_some("schema"));
        left.extend(people.then_some("people"));
        left.into_iter().collect::<Vec<_>>().join(" ")
    }

    /// What was expected before is there to the last run before the time, and what is expected then after the next, or the one behind it.
    async fn steps(&self, start: OffsetDateTime, time: Duration, before: &str, after: &str) {
        sweep(&self.tenant, start + time - RUN).await;
        assert_eq!(self.left().await, before, "five minutes before {time}");
        sweep(&self.tenant, start + time + RUN).await;
        if self.left().await != after {
            sweep(&self.tenant, start + time + 2 * RUN).await;
        }
        assert_eq!(self.left().await, after, "after {time}");
    }

    /// Each thing has its receipt, of the time at which it went, and of nobody.
    async fn is_proved(&self, start: OffsetDateTime, expected: &[(Duration, &str, i64, &str)]) {
        let receipts = self.tenant.api("GET", "/v1/receipts", None).await.ok();
        assert!(!receipts.to_string().contains("list.csv") && !receipts.to_string().contains('@'));
        let receipts = receipts["items"].as_array().unwrap();
        let found: Vec<_> = receipts
            .iter()
            .zip(expected)
            .map(|(receipt, (time, ..))| {
                let at = OffsetDateTime::parse(receipt["at"].as_str().unwrap(), &Rfc3339).unwrap();
                let late = at - start - *time;
                assert!((RUN..=2 * RUN).contains(&late), "{receipt} came after {late}");
                let text = |field: &str| receipt[field].as_str().unwrap();
                (*time, text("what"), receipt["count"].as_i64().unwrap(), text("rule"))
            })
            .collect();
        assert_eq!((receipts.len(), found.as_slice()), (expected.len(), expected), "{receipts:?}");
        let proof = verify(&self.tenant).await;
        assert_eq!((&proof["holds"], &proof["receipts"]), (&json!(true), &json!(expected.len())), "{proof}");
        let after = self.tenant.accounting(self.campaign).await;
        for sum in ["rows", "imported", "rejected", "ledger.sent", "responses.opened"] {
            assert_eq!(after.number(sum), self.sums.number(sum), "{sum} of the kept totals");
        }
        self.tenant.all_is_well(self.campaign).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_minutes_before_and_after_each_time() {
    // Of its own, because here nobody else sweeps: each run is one of the test's.
    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "ladder", &["import", "generate", "send", "export", "sweep"]).await;
    let own_hours = json!({"incoming_hours": INCOMING, "finished_hours": FINISHED, "invalids_hours": INVALIDS,
                           "exports_hours": EXPORTS, "campaign_hours": CAMPAIGN});
    let (ours, other) =
        tokio::join!(Box::pin(Filled::new(&stack, json!({}))), Box::pin(Filled::new(&stack, own_hours)));
    // The database keeps no more than microseconds.
    let start = OffsetDateTime::now_utc().truncate_to_microsecond();
    tokio::join!(ours.all_came_at(start), other.all_came_at(start));
    assert_eq!((ours.left().await, other.left().await), (ALL.to_owned(), ALL.to_owned()));
    for steps in LADDER.windows(2) {
        let ((_, ours_before, other_before), (time, ours_after, other_after)) = (steps[0], steps[1]);
        tokio::join!(
            ours.steps(start, time, ours_before, ours_after),
            other.steps(start, time, other_before, other_after)
        );
    }

    let (days, hours) = (Duration::days, Duration::hours);
    let launch = (Duration::minutes(15), "spool", 1, "15 minutes after the launch");
    ours.is_proved(
        start,
        &[
            launch,
            (days(1), "file", 1, "Finished 24 hours"),
            (days(2), "file", 1, "Incoming 48 hours"),
            (days(7), "file", 1, "Invalids 168 hours"),
            (days(14), "file", 4, "Exports 336 hours"),
            (days(28), "recipients", 12, "672 hours after the last launch"),
            (days(28), "mails", 12, "672 hours after the last launch"),
            (days(28), "responses", 3, "672 hours after the last launch"),
        ],
    )
    .await;
    other
        .is_proved(
            start,
            &[
                launch,
                (hours(INCOMING), "file", 1, "Incoming 1 hours"),
                (hours(FINISHED), "file", 1, "Finished 3 hours"),
                (hours(INVALIDS), "file", 1, "Invalids 5 hours"),
                (hours(EXPORTS), "file", 4, "Exports 7 hours"),
                (hours(CAMPAIGN), "recipients", 12, "48 hours after the last launch"),
                (hours(CAMPAIGN), "mails", 12, "48 hours after the last launch"),
                (hours(CAMPAIGN), "responses", 3, "48 hours after the last launch"),
            ],
        )
        .await;
    own::undeploy(&stack).await;
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

/// What the console keeps of logins is no tenant's alone: each tick of the schedule takes what is over.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_of_logins_goes_with_the_next_tick() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "logins").await;
    let mut database = tenant.superuser().await;
    let statement = "WITH u AS (INSERT INTO broadcast.users (tenant_id, email, role) VALUES ($1, $2, 'viewer') RETURNING id),
        age AS (SELECT * FROM (VALUES (1, interval '1 minute'), (2, interval '-1 minute')) AS v (n, left_over)),
        a AS (INSERT INTO broadcast.sessions (user_id, token_hash, created_at, seen_at, ends_at, browser)
              SELECT id, sha256(($2 || n)::bytea), now(), now(), now() + left_over, '?' FROM u, age),
        b AS (INSERT INTO broadcast.sessions (user_id, token_hash, created_at, seen_at, ends_at, browser)
              SELECT id, sha256(($2 || 'idle' || n)::bytea), now(), now() - interval '30 minutes' + left_over, now() + interval '1 hour', '?' FROM u, age),
        c AS (INSERT INTO broadcast.challenges (user_id, purpose, token_hash, created_at, ends_at)
              SELECT id, 'login', sha256(($2 || n)::bytea), now(), now() + left_over FROM u, age),
        d AS (INSERT INTO broadcast.attempts (kind, key, ends_at, count) SELECT $2, sha256(n::text::bytea), now() + left_over, 1 FROM age),
        e AS (INSERT INTO broadcast.password_links (notice_id, user_id, token_hash, ends_at)
              SELECT -id * 10 - n, id, sha256(($2 || n)::bytea), now() + left_over FROM u, age),
        f AS (INSERT INTO broadcast.texts (tenant_id, day, count) SELECT $1, (now() AT TIME ZONE 'UTC')::date - 2 * n + 2, 1 FROM age),
        g AS (INSERT INTO broadcast.places (user_id, place, seen_at)
              SELECT id, sha256(n::text::bytea), now() - interval '90 days' + left_over FROM u, age),
        h AS (INSERT INTO broadcast.notices (user_id, kind, at, due_at)
              SELECT id, 'locked', now() - interval '3 days' + left_over, now() + interval '1 day' FROM u, age)
        SELECT id FROM u";
    let mark = testkit::unique("logins");
    let user: i64 =
        sqlx::query_scalar(statement).bind(tenant.id).bind(&mark).fetch_one(&mut database).await.unwrap();
    // Of the two sessions that stay.
    let asked = "INSERT INTO broadcast.ceremonies (session_id, state, ends_at)
        SELECT id, '{}', now() + (row_number() OVER () * 2 - 3) * interval '1 minute' FROM broadcast.sessions
        WHERE user_id = $1 AND ends_at > now() AND seen_at > now() - interval '30 minutes'";
    assert_eq!(sqlx::query(asked).bind(user).execute(&mut database).await.unwrap().rows_affected(), 2);
    let counts = "SELECT ARRAY[(SELECT count(*) FROM broadcast.sessions WHERE user_id = $1), (SELECT count(*) FROM broadcast.challenges WHERE user_id = $1),
        (SELECT count(*) FROM broadcast.attempts WHERE kind = $2), (SELECT count(*) FROM broadcast.password_links WHERE user_id = $1),
        (SELECT count(*) FROM broadcast.texts WHERE tenant_id = $3), (SELECT count(*) FROM broadcast.places WHERE user_id = $1),
        (SELECT count(*) FROM broadcast.notices WHERE user_id = $1),
        (SELECT count(*) FROM broadcast.ceremonies c JOIN broadcast.sessions s ON s.id = c.session_id WHERE s.user_id = $1)]";
    let mut left = async || -> Vec<i64> {
        let counts = sqlx::query_scalar(counts).bind(user).bind(&mark).bind(tenant.id);
        counts.fetch_one(&mut database).await.unwrap()
    };
    let event = json!({"time": OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).unwrap()});
    testkit::tenant::invoke(&stack, "sweep", &event).await;
    assert_eq!(left().await, [2, 1, 1, 1, 1, 1, 1, 1]);
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
