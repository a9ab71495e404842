//! A response whose transaction commits late must not fall behind an export's watermark.

use contract::{CampaignId, TenantId};
use store::Store;
use testkit::{Stack, Tenant, csv::Plan, wait};

const INSERT: &str = "INSERT INTO responses (event_id, at, kind, mail_id, actor)
                      SELECT gen_random_uuid(), now(), 'opened', min(id), 'human' FROM ledger RETURNING seq";

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_in_exactly_one_file() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "late").await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 3, ..Plan::default() };
    tenant.put("list.csv", plan.write()).await;
    tenant.control("list.csv", "spring", true).await;
    tenant.mailed(campaign, 3).await;

    let store = Store::connect(&stack.database_url).unwrap();
    let open = async || {
        let mut tx = store.campaign(TenantId(tenant.id), CampaignId(campaign)).await.unwrap();
        tx.share_responses().await.unwrap();
        tx
    };
    // Three writers, as track is one. The first takes its number first and commits last.
    let mut late = open().await;
    let low: i64 = sqlx::query_scalar(INSERT).fetch_one(&mut *late).await.unwrap();
    let mut early = open().await;
    let high: i64 = sqlx::query_scalar(INSERT).fetch_one(&mut *early).await.unwrap();
    early.commit().await.unwrap();
    assert!(low < high);
    tenant.api("POST", "/v1/exports", None).await.ok();
    // The export has to wait for the late one: nothing is written while it is open.
    let waiting =
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid::bigint = $1";
    wait::until("the export to wait for the writer", async || {
        let count: i64 = sqlx::query_scalar(waiting)
            .bind(campaign)
            .fetch_one(&mut tenant.superuser().await)
            .await
            .unwrap();
        (count > 0).then_some(())
    })
    .await;
    assert!(tenant.aws.keys(&tenant.bucket, "Exports/").await.is_empty());
    late.commit().await.unwrap();
    let rows = async || {
        let mut rows = 0;
        for key in
            tenant.aws.keys(&tenant.bucket, "Exports/").await.into_iter().filter(|key| key.contains("opened"))
        {
            let csv = String::from_utf8(tenant.aws.get(&tenant.bucket, &key).await.unwrap()).unwrap();
            rows += csv.lines().count() - 1;
        }
        rows
    };
    wait::until("both in a file", async || (rows().await == 2).then_some(())).await;
    // A third, and another export: it is in one file more, the others are not repeated.
    let mut third = open().await;
    sqlx::query(INSERT).execute(&mut *third).await.unwrap();
    third.commit().await.unwrap();
    tenant.api("POST", "/v1/exports", None).await.ok();
    wait::until("the third in a file", async || (rows().await == 3).then_some(())).await;
}
