//! A tenant that wants a file of each kind gets it, also where nothing came back.

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use testkit::{
    Stack,
    exports::{all_exported, insert, sent_campaign},
    wait,
};

const KINDS: [&str; 6] = ["bounced", "clicked", "complained", "delivered", "opened", "unsubscribed"];

#[tokio::test(flavor = "multi_thread")]
async fn of_every_kind() {
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
