//! kill -9 of `export` at each step of its way: whatever stands in Exports afterwards, each response is in exactly one file that a manifest names.

use std::collections::{BTreeMap, BTreeSet};

use localstack::processes_of;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use testkit::{
    Stack, Tenant,
    csv::Plan,
    hold::{Hold, signal},
    own, wait,
};

const COLUMNS: [&str; 4] = ["response", "type", "address", "time"];
const KINDS: [&str; 6] = ["bounced", "clicked", "complained", "delivered", "opened", "unsubscribed"];

/// A campaign whose mails are sent, of a tenant that exports these columns.
pub(crate) async fn sent_campaign(stack: &Stack, name: &str, mails: usize, settings: Value) -> (Tenant, i64) {
    let mut all = json!({"export_columns": COLUMNS, "export_minutes": 1440});
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let tenant = Tenant::with(stack, name, all).await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: mails, ..Plan::default() };
    tenant.put("list.csv", plan.write()).await;
    tenant.control("list.csv", "spring", true).await;
    tenant.mailed(campaign, mails as u64).await;
    (tenant, campaign)
}

/// A statement for new responses, of three kinds, of the first three mails, as track would store them.
pub(crate) fn insert(campaign: i64, rows: usize) -> String {
    let schema = format!("campaign_{campaign}");
    format!(
        "INSERT INTO {schema}.responses (event_id, at, kind, class, mail_id, actor)
         SELECT gen_random_uuid(), now(), (ARRAY['opened', 'clicked', 'bounced'])[1 + n % 3], CASE n % 3 WHEN 2 THEN 'soft' END,
                1 + n % 3, 'human'
         FROM generate_series(1, {rows}) AS n"
    )
}

/// The ids of all responses that are stored.
pub(crate) async fn stored(tenant: &Tenant, campaign: i64) -> BTreeSet<String> {
    let ids: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT event_id::text FROM campaign_{campaign}.responses"
    )))
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap();
    ids.into_iter().collect()
}

/// How often each response's id stands in the files that the manifests name. Each file has as many rows as its manifest says.
pub(crate) async fn exported(tenant: &Tenant) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for key in tenant.aws.keys(&tenant.bucket, "Exports/").await {
        if !key.ends_with("-manifest.json") {
            continue;
        }
        let manifest: Value =
            serde_json::from_slice(&tenant.aws.get(&tenant.bucket, &key).await.unwrap()).unwrap();
        for file in manifest["files"].as_array().unwrap() {
            let key = format!("Exports/{}", file["name"].as_str().unwrap());
            let bytes = tenant.aws.get(&tenant.bucket, &key).await.unwrap();
            assert_eq!(file["size"], bytes.len(), "{key}");
            let mut reader = csv::Reader::from_reader(&*bytes);
            let ids: Vec<String> = reader.records().map(|record| record.unwrap()[0].to_owned()).collect();
            assert_eq!(file["rows"], ids.len(), "{key}");
            for id in ids {
                *times.entry(id).or_default() += 1;
            }
        }
    }
    times
}

/// Asks for an export and waits until every stored response is in one.
pub(crate) async fn all_exported(tenant: &Tenant, campaign: i64) {
    let waiting = format!(
        "SELECT count(*) FROM campaign_{campaign}.responses
         WHERE seq > (SELECT exported_seq FROM broadcast.campaigns WHERE id = {campaign})"
    );
    wait::until("everything to be exported", async || {
        tenant.api("POST", "/v1/exports", None).await.ok();
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(waiting.clone()))
            .fetch_one(&mut tenant.superuser().await)
            .await
            .unwrap();
        (count == 0).then_some(())
    })
    .await;
    let exported = exported(tenant).await;
    assert!(exported.values().all(|times| *times == 1), "a response is in two files");
    assert_eq!(exported.into_keys().collect::<BTreeSet<_>>(), stored(tenant, campaign).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_each_step() {
    // Functions of its own, so that nobody else's are killed.
    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "killexp", &["import", "generate", "send", "export"]).await;
    let (tenant, campaign) = sent_campaign(&stack, "killexp", 20, json!({})).await;
    let function = stack.deployment.functions["export"].clone();
    let schema = format!("campaign_{campaign}");
    let planned = async || {
        let base: Option<String> = sqlx::query_scalar(
            "SELECT files->>'base' FROM broadcast.exports WHERE campaign_id = $1 AND state = 'planned'",
        )
        .bind(campaign)
        .fetch_optional(&mut tenant.superuser().await)
        .await
        .unwrap();
        base
    };
    let keys = async || tenant.aws.keys(&tenant.bucket, "Exports/").await.len();

    for (step, lock, statement) in [
        (
            "before its bounds are fixed",
            format!("SELECT pg_advisory_xact_lock_shared({campaign})"),
            "SELECT pg_advisory_xact_lock(",
        ),
        ("before the first byte", format!("LOCK TABLE {schema}.ledger"), "COPY (SELECT"),
        (
            "before it is recorded",
            format!("SELECT FROM broadcast.campaigns WHERE id = {campaign} FOR NO KEY UPDATE"),
            "UPDATE broadcast.campaigns SET exported_seq",
        ),
        (
            "before the files are in the index",
            "LOCK TABLE broadcast.files".to_owned(),
            "INSERT INTO broadcast.files",
        ),
    ] {
        // First, for an export that was asked for before may still be on its way.
        let mut hold = Hold::new(&tenant, lock).await;
        let before = keys().await;
        sqlx::raw_sql(AssertSqlSafe(insert(campaign, 60)))
            .execute(&mut tenant.superuser().await)
            .await
            .unwrap();
        tenant
            .aws
            .send(
                &stack.deployment.queues["export"].url,
                &json!({"type": "tenant.v1", "tenant": tenant.id}).to_string(),
            )
            .await;
        hold.until_blocked(statement).await;
        let base = planned().await;
        assert_eq!(base.is_some(), step != "before its bounds are fixed", "{step}");
        let files = if step.starts_with("before it is") || step.contains("index") { 4 } else { 0 };
        assert_eq!(keys().await - before, files, "{step}: three kinds and a manifest");
        signal("KILL", &processes_of(&function));
        hold.release().await;
        // More comes before somebody goes on: it is the next export's.
        sqlx::raw_sql(AssertSqlSafe(insert(campaign, 7)))
            .execute(&mut tenant.superuser().await)
            .await
            .unwrap();
        all_exported(&tenant, campaign).await;
        if let Some(base) = base {
            let manifest =
                tenant.aws.get(&tenant.bucket, &format!("Exports/{base}-manifest.json")).await.unwrap();
            let manifest: Value = serde_json::from_slice(&manifest).unwrap();
            assert_eq!(manifest["rows"], 60, "{step}: the plan's own rows, under the plan's own names");
        }
    }

    // Between two files: the second one takes a while.
    sqlx::raw_sql(AssertSqlSafe(insert(campaign, 150_000)))
        .execute(&mut tenant.superuser().await)
        .await
        .unwrap();
    let before = keys().await;
    tenant.api("POST", "/v1/exports", None).await.ok();
    wait::until_closely("the first file", async || (keys().await > before).then_some(())).await;
    signal("KILL", &processes_of(&function));
    assert!(keys().await - before < 4, "it was not at its end");
    all_exported(&tenant, campaign).await;
    own::undeploy(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_rows_are_made_for_who_wants_them() {
    let stack = Stack::from_env().unwrap();
    let (tenant, campaign) = sent_campaign(&stack, "empty", 3, json!({"export_empty": true})).await;
    let manifests = async || {
        let keys = tenant.aws.keys(&tenant.bucket, "Exports/").await;
        keys.into_iter().filter(|key| key.ends_with("-manifest.json")).collect::<Vec<_>>()
    };
    wait::until("an export of nothing", async || {
        tenant.api("POST", "/v1/exports", None).await.ok();
        (!manifests().await.is_empty()).then_some(())
    })
    .await;
    let key = manifests().await.remove(0);
    let manifest: Value =
        serde_json::from_slice(&tenant.aws.get(&tenant.bucket, &key).await.unwrap()).unwrap();
    let kinds: Vec<_> = manifest["files"].as_array().unwrap().iter().map(|file| &file["kind"]).collect();
    assert_eq!(kinds, KINDS);
    assert_eq!(manifest["rows"], 0);
    for file in manifest["files"].as_array().unwrap() {
        let key = format!("Exports/{}", file["name"].as_str().unwrap());
        assert_eq!(tenant.aws.get(&tenant.bucket, &key).await.unwrap(), b"response,type,address,time\r\n");
    }
    // What comes later is in a file, once.
    sqlx::raw_sql(AssertSqlSafe(insert(campaign, 9))).execute(&mut tenant.superuser().await).await.unwrap();
    all_exported(&tenant, campaign).await;
}
