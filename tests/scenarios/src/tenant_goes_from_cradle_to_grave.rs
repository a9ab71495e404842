//! A tenant is made and deleted by commands that may be killed at any step: given again they go on, and in the end everything is there, or nothing
//! but the receipts.

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use testkit::{
    Stack, Tenant,
    aws::Aws,
    exports::insert,
    hold::killed,
    own,
    tenant::{admin, invoke},
    wait,
};
use time::{Duration, OffsetDateTime};

use crate::everything_is_deleted_on_time::{sweep, sweep_event};

async fn refused(stack: &Stack, command: &Value) -> String {
    let answer = localstack::invoke(stack, "admin", &command.to_string()).await.unwrap();
    assert!(answer.failed, "{command}: {}", answer.payload);
    answer.payload
}

/// Whether the bucket is as it must be.
async fn assert_closed(aws: &Aws, bucket: &str) {
    let policy = aws.s3.get_bucket_policy().bucket(bucket).send().await.unwrap().policy.unwrap();
    assert!(policy.contains("aws:SecureTransport") && policy.contains("Deny"), "{policy}");
    let public = aws.s3.get_public_access_block().bucket(bucket).send().await.unwrap();
    let public = public.public_access_block_configuration.unwrap();
    assert_eq!((public.block_public_acls, public.restrict_public_buckets), (Some(true), Some(true)));
    let encryption = aws.s3.get_bucket_encryption().bucket(bucket).send().await.unwrap();
    assert_eq!(encryption.server_side_encryption_configuration.unwrap().rules.len(), 1);
    let lifecycle = aws.s3.get_bucket_lifecycle_configuration().bucket(bucket).send().await.unwrap();
    assert!(lifecycle.rules().len() >= 4);
    assert_eq!(aws.s3.get_bucket_versioning().bucket(bucket).send().await.unwrap().status, None);
}

/// A file of some people.
fn list(tenant: &Tenant, names: &[&str]) -> String {
    let row = |name| format!("{name};{name}@{};Anna;Ander;\r\n", tenant.recipients_domain);
    format!(
        "Kundennummer;E-Mail;Vorname;Nachname;Notiz\r\n{}",
        names.iter().map(row).collect::<Vec<_>>().concat()
    )
}

/// A campaign whose mails are sent, and files.
async fn in_use(tenant: &Tenant) -> i64 {
    let campaign = tenant.campaign("spring").await;
    tenant.put("list.csv", list(tenant, &["ann", "bob", "cy"])).await;
    tenant.control("list.csv", "spring", true).await;
    tenant.mailed(campaign, 3).await;
    // What no export will ever hold, a file that nobody imports, and an object beside the folders.
    sqlx::raw_sql(AssertSqlSafe(insert(campaign, 3))).execute(&mut tenant.superuser().await).await.unwrap();
    tenant.put("forgotten.csv", "email\r\n").await;
    tenant.aws.put(&tenant.bucket, "elsewhere", "x").await;
    campaign
}

/// No bucket, secret, role, schema or row, but the receipts.
async fn assert_nothing_is_left(tenant: &Tenant, campaign: i64) {
    assert!(tenant.aws.s3.head_bucket().bucket(&tenant.bucket).send().await.is_err());
    let spool = &tenant.stack.deployment.buckets["spool"];
    assert_eq!(tenant.aws.keys(spool, &format!("{}/", tenant.id)).await, Vec::<String>::new());
    let secrets = tenant.aws.secrets.list_secrets().max_results(100).send().await.unwrap();
    let ours: Vec<_> = secrets
        .secret_list()
        .iter()
        .filter_map(|secret| secret.name())
        .filter(|name| name.contains(&tenant.slug))
        .collect();
    assert_eq!(ours, Vec::<&str>::new());
    let mut database = tenant.superuser().await;
    let (roles, schemas): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM pg_roles WHERE rolname = 'tenant_' || $1),
                (SELECT count(*) FROM pg_namespace WHERE nspname = 'campaign_' || $2)",
    )
    .bind(tenant.id)
    .bind(campaign)
    .fetch_one(&mut database)
    .await
    .unwrap();
    assert_eq!((roles, schemas), (0, 0));
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.columns WHERE table_schema = 'broadcast' AND column_name = 'tenant_id'",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    assert!(tables.len() > 15, "{tables:?}");
    // What the journal has yet to put outside of the database is no data of the tenant's.
    for table in tables.into_iter().filter(|table| table != "journal") {
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT count(*) FROM broadcast.{table} WHERE tenant_id = $1"
        )))
        .bind(tenant.id)
        .fetch_one(&mut database)
        .await
        .unwrap();
        assert_eq!(count > 0, table == "receipts", "{count} rows of {table}");
    }
    assert_each_receipt_is_there_once(tenant).await;
}

/// However often who deletes was killed. Of an object that was deleted just before a kill the receipt says that it was found gone.
async fn assert_each_receipt_is_there_once(tenant: &Tenant) {
    let receipts: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT what, rule, count FROM broadcast.receipts WHERE tenant_id = $1 AND what NOT IN ('hold', 'release') ORDER BY number",
    )
    .bind(tenant.id)
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap();
    let receipts: Vec<_> =
        receipts.iter().map(|(what, rule, count)| (what.as_str(), rule.as_str(), *count)).collect();
    let account = "deletion of the account";
    assert_eq!(
        receipts,
        [
            ("file_gone", account, 1),
            ("file", account, 1),
            ("spool", account, 1),
            ("recipients", account, 3),
            ("mails", account, 3),
            ("responses", "deletion of the account; 3 of them without an export", 3),
            ("tenant", "asked for by the operator", 1),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn made_in_spite_of_kills() {
    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "cradle", &[]).await;
    let other = Tenant::new(&stack, "other").await;
    for (step, (lock, statement)) in [
        ("LOCK TABLE broadcast.audit", "INSERT INTO broadcast.audit"),
        ("LOCK TABLE broadcast.pgp_keys", "SELECT"),
        ("LOCK TABLE broadcast.api_keys", "INSERT INTO broadcast.api_keys"),
        ("LOCK TABLE broadcast.ssh_keys", "INSERT INTO broadcast.ssh_keys"),
    ]
    .into_iter()
    .enumerate()
    {
        let slug = format!("made-{step}");
        let command = json!({"command": "create_tenant", "slug": slug, "name": "Made", "incoming_hours": 30,
                             "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4OAXY6SRXOXIRrIYdGYp1yx5vi5gQkzLHUTrwV8ZMy"]});
        killed(&other, ("admin", &command), lock, statement).await;
        let made = admin(&stack, command.clone()).await;
        assert_eq!(admin(&stack, command).await, made, "given again it changes nothing");
        assert_eq!((&made["settings"]["incoming_hours"], &made["status"]), (&json!(30), &json!("active")));
        assert_eq!(
            (made["ssh_keys"].as_array().unwrap().len(), made["pgp_keys"].as_array().unwrap().len()),
            (1, 1)
        );
        assert_closed(&other.aws, made["bucket"].as_str().unwrap()).await;
        let key = other.aws.secret(made["api_key_secret"].as_str().unwrap()).await;
        let campaigns = other.call(Some(&key), "GET", "/v1/campaigns", &[], None).await;
        assert_eq!(campaigns.ok()["items"], json!([]));
        assert!(!other.aws.secret(made["sftp_password_secret"].as_str().unwrap()).await.is_empty());
    }
    own::undeploy(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suspended_it_does_nothing() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "suspend").await;
    let campaign = tenant.campaign("spring").await;
    let later = OffsetDateTime::now_utc() + Duration::days(2);
    let later = later.format(&time::format_description::well_known::Rfc3339).unwrap();
    tenant.put("list.csv", list(&tenant, &["ann"])).await;
    tenant.control("list.csv", "spring", false).await;
    wait::until("the import", async || (tenant.accounting(campaign).await.number("rows") == 1).then_some(()))
        .await;
    let path = format!("/v1/campaigns/{campaign}/launches");
    let launch = tenant.api("POST", &path, Some(json!({"starts_at": later}))).await.ok();

    admin(&stack, json!({"command": "set_tenant", "slug": tenant.slug, "status": "suspended"})).await;
    wait::until("the key to be refused", async || {
        (tenant.api("GET", "/v1/campaigns", None).await.status == 403).then_some(())
    })
    .await;
    // A file that was there before is imported, and its launch waits.
    tenant.put("more.csv", list(&tenant, &["bob"])).await;
    tenant.control("more.csv", "spring", true).await;
    let states = async || -> Vec<String> {
        sqlx::query_scalar("SELECT state FROM broadcast.launches WHERE tenant_id = $1 ORDER BY id")
            .bind(tenant.id)
            .fetch_all(&mut tenant.superuser().await)
            .await
            .unwrap()
    };
    wait::until("the second launch", async || (states().await.len() == 2).then_some(())).await;
    assert_eq!(states().await, ["paused", "paused"]);

    admin(&stack, json!({"command": "set_tenant", "slug": tenant.slug, "status": "active"})).await;
    wait::until("the key to be taken", async || {
        (tenant.api("GET", "/v1/campaigns", None).await.status == 200).then_some(())
    })
    .await;
    let second: i64 = sqlx::query_scalar("SELECT max(id) FROM broadcast.launches WHERE tenant_id = $1")
        .bind(tenant.id)
        .fetch_one(&mut tenant.superuser().await)
        .await
        .unwrap();
    tenant.api("POST", &format!("/v1/launches/{second}/resume"), None).await.ok();
    tenant.api("POST", &format!("/v1/launches/{}/cancellation", launch["id"]), None).await.ok();
    assert_eq!(tenant.mailed(campaign, 2).await.number("ledger.sent"), 2);
    tenant.all_is_well(campaign).await;
}

/// Where sweep is stopped while it deletes all of a tenant, each behind the one before: a lock, and the statement that waits for it.
fn steps_of_sweep(campaign: i64) -> [(String, &'static str); 8] {
    let schema = format!("campaign_{campaign}");
    let row = format!("SELECT FROM broadcast.campaigns WHERE id = {campaign} FOR UPDATE");
    [
        // Objects of Incoming are gone, and their rows are not.
        ("LOCK TABLE broadcast.receipts IN SHARE MODE".to_owned(), "INSERT INTO broadcast.receipts"),
        // No file is left; the spool is full.
        ("LOCK TABLE broadcast.erasures".to_owned(), "SELECT e.id"),
        // The spool is empty.
        ("LOCK TABLE broadcast.holds".to_owned(), "SELECT c.id"),
        // Closing the campaign.
        (format!("SELECT pg_advisory_xact_lock_shared({campaign})"), "SELECT pg_advisory_xact_lock($1)"),
        (row.clone(), "UPDATE broadcast.campaigns SET state = 'deleting'"),
        // It is closed, and its recipients are dropped.
        (format!("LOCK TABLE {schema}.responses IN ACCESS SHARE MODE"), "SET LOCAL lock_timeout"),
        // Its tables are gone. Whoever makes one keeps the schema.
        (format!("CREATE TABLE {schema}.not_to_be ()"), "DROP SCHEMA"),
        // Its schema is gone, and nothing says so.
        (row, "UPDATE broadcast.campaigns SET state = 'deleted'"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_in_spite_of_kills() {
    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "grave", &["import", "generate", "send", "sweep"]).await;
    let other = Tenant::new(&stack, "other").await;
    let tenant = Tenant::new(&stack, "grave").await;
    let campaign = in_use(&tenant).await;
    let hold = json!({"command": "hold_campaign", "slug": tenant.slug, "campaign": campaign, "reason": "case 7", "by": "Counsel"});
    admin(&stack, hold.clone()).await;
    let delete = json!({"command": "delete_tenant", "slug": tenant.slug, "by": "Ada"});
    assert!(refused(&stack, &delete).await.contains("under a legal hold"));
    let release =
        json!({"command": "release_campaign", "slug": tenant.slug, "campaign": campaign, "by": "Counsel"});
    admin(&stack, release).await;

    for (lock, statement) in [
        ("LOCK TABLE broadcast.audit", "INSERT INTO broadcast.audit"),
        ("LOCK TABLE broadcast.launches", "SELECT campaign_id, id FROM broadcast.launches"),
        ("LOCK TABLE broadcast.uploads", "UPDATE broadcast.tenants SET status = 'ending'"),
    ] {
        killed(&other, ("admin", &delete), lock, statement).await;
    }
    let begun = admin(&stack, delete.clone()).await;
    assert_eq!((&begun["deleted"], &begun["left"]["campaigns"]), (&json!(false), &json!(1)));
    assert!(refused(&stack, &hold).await.contains("is being deleted"));
    let set = json!({"command": "set_tenant", "slug": tenant.slug, "status": "active"});
    assert!(refused(&stack, &set).await.contains("is being deleted"));
    for (lock, statement) in steps_of_sweep(campaign) {
        killed(&other, ("sweep", &sweep_event(&tenant, OffsetDateTime::now_utc())), lock, statement).await;
    }
    wait::until("everything to be swept", async || {
        sweep(&tenant, OffsetDateTime::now_utc()).await;
        let left: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM broadcast.campaigns WHERE tenant_id = $1 AND state <> 'deleted')
                    + (SELECT count(*) FROM broadcast.files WHERE tenant_id = $1)",
        )
        .bind(tenant.id)
        .fetch_one(&mut tenant.superuser().await)
        .await
        .unwrap();
        (left == 0).then_some(())
    })
    .await;
    for (lock, statement) in [
        ("LOCK TABLE broadcast.pgp_keys", "SELECT secret_name"),
        ("LOCK TABLE broadcast.deleted_tenants", "INSERT INTO broadcast.deleted_tenants"),
    ] {
        killed(&other, ("admin", &delete), lock, statement).await;
        // Whoever sweeps it between finds nothing to do, and no bucket to fail on.
        sweep(&tenant, OffsetDateTime::now_utc()).await;
    }
    let deleted = admin(&stack, delete.clone()).await;
    assert_eq!(
        (&deleted["deleted"], &deleted["id"], &deleted["deleted_by"]),
        (&json!(true), &json!(tenant.id), &json!("Ada"))
    );
    assert_eq!(admin(&stack, delete).await, deleted, "given again it changes nothing");

    assert_nothing_is_left(&tenant, campaign).await;
    // The name is free again.
    let again = json!({"command": "create_tenant", "slug": tenant.slug, "name": "Again"});
    assert!(admin(&stack, again).await["id"].as_i64().unwrap() > tenant.id);
    invoke(&stack, "admin", &json!({"command": "tenant", "slug": other.slug})).await;
    own::undeploy(&stack).await;
}

/// A tenant's bucket is named by its slug: it would be one of everybody's.
#[tokio::test]
async fn nobody_is_called_as_a_common_bucket() {
    let stack = Stack::from_env().unwrap();
    for slug in stack.deployment.buckets.keys() {
        let command = json!({"command": "create_tenant", "slug": slug, "name": "Nobody"});
        let said = refused(&stack, &command).await;
        assert!(said.contains("tenants_slug_common_check"), "{slug}: {said}");
    }
}
