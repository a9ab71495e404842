//! No table of recipients stays that belongs to no import. Nothing of ours leaves one: this one is made by hand.

use sqlx::AssertSqlSafe;
use testkit::{
    Stack, Tenant,
    hold::{Hold, lock},
    wait,
};
use time::{Duration, OffsetDateTime};

use crate::everything_is_deleted_on_time::sweep;

/// The tables of the campaign's imports.
async fn tables(tenant: &Tenant, campaign: i64) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT tablename::text FROM pg_tables WHERE schemaname = $1 AND tablename ~ '^recipients_' ORDER BY 1",
    )
    .bind(format!("campaign_{campaign}"))
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn and_the_others_stay() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "orphan").await;
    let campaign = tenant.campaign("spring").await;
    tenant.put("first.csv", "email\r\nanna@a.example\r\n").await;
    tenant.control("first.csv", "spring", false).await;
    wait::until("the first import", async || {
        (tenant.accounting(campaign).await.number("imported") == 1).then_some(())
    })
    .await;
    // The second one has its table, and nobody sees it yet.
    tenant.put("second.csv", "email\r\nbert@a.example\r\n").await;
    let (row, statement) = lock::publishing(campaign);
    let mut hold = Hold::new(&tenant, row).await;
    tenant.control("second.csv", "spring", false).await;
    hold.until_blocked(statement).await;
    let kept = tables(&tenant, campaign).await;
    assert_eq!(kept.len(), 2);
    let orphan = format!(
        "SET ROLE tenant_{}; CREATE TABLE campaign_{campaign}.recipients_999999999 (address text); RESET ROLE",
        tenant.id
    );
    sqlx::raw_sql(AssertSqlSafe(orphan)).execute(&mut tenant.superuser().await).await.unwrap();
    wait::until("the table of no import to be dropped", async || {
        // The day's look.
        sweep(&tenant, OffsetDateTime::now_utc() + Duration::hours(25)).await;
        (tables(&tenant, campaign).await == kept).then_some(())
    })
    .await;
    hold.release().await;
    wait::until("the second import", async || {
        (tenant.accounting(campaign).await.number("imported") == 2).then_some(())
    })
    .await;
    assert_eq!(tables(&tenant, campaign).await, kept);
    tenant.all_is_well(campaign).await;
}
