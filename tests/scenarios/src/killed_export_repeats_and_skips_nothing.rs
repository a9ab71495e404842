//! kill -9 of `export` at each step of its way: whatever stands in Exports afterwards, each response is in exactly one file that a manifest names.

use localstack::processes_of;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use testkit::{
    Stack,
    exports::{all_exported, insert, sent_campaign},
    hold::{Hold, signal},
    own, wait,
};

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

    // In the midst of its files: one is so long that its upload has begun.
    sqlx::raw_sql(AssertSqlSafe(insert(campaign, 300_000)))
        .execute(&mut tenant.superuser().await)
        .await
        .unwrap();
    let before = keys().await;
    tenant.api("POST", "/v1/exports", None).await.ok();
    wait::until_closely("an upload under way", async || {
        tenant.aws.is_uploading(&tenant.bucket, "Exports/").await.then_some(())
    })
    .await;
    signal("KILL", &processes_of(&function));
    assert!(keys().await - before < 4, "it was not at its end");
    all_exported(&tenant, campaign).await;
    own::undeploy(&stack).await;
}
