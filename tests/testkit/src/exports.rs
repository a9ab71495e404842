//! What an export needs before it, and what stands in Exports after it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::{Stack, Tenant, csv::Plan, wait};

/// The columns of [`sent_campaign`]'s tenant. The first is a response's id.
pub const COLUMNS: [&str; 4] = ["response", "type", "address", "time"];

/// A campaign whose mails are sent, of a tenant that exports these columns.
pub async fn sent_campaign(stack: &Stack, name: &str, mails: usize, settings: Value) -> (Tenant, i64) {
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
pub fn insert(campaign: i64, rows: usize) -> String {
    let schema = format!("campaign_{campaign}");
    format!(
        "INSERT INTO {schema}.responses (event_id, at, kind, class, mail_id, actor)
         SELECT gen_random_uuid(), now(), (ARRAY['opened', 'clicked', 'bounced'])[1 + n % 3], CASE n % 3 WHEN 2 THEN 'soft' END,
                1 + n % 3, 'human'
         FROM generate_series(1, {rows}) AS n"
    )
}

/// The ids of all responses that are stored.
pub async fn stored(tenant: &Tenant, campaign: i64) -> BTreeSet<String> {
    let ids: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT event_id::text FROM campaign_{campaign}.responses"
    )))
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap();
    ids.into_iter().collect()
}

/// How often each response's id stands in the files that the manifests name. Each file has as many rows as its manifest says.
pub async fn exported(tenant: &Tenant) -> BTreeMap<String, usize> {
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
            let mut reader = ::csv::Reader::from_reader(&*bytes);
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
pub async fn all_exported(tenant: &Tenant, campaign: i64) {
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
