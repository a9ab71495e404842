//! The database itself keeps tenants apart: with another tenant's role, a campaign's schema and its global rows are closed, whatever a
//! statement names.

use contract::{CampaignId, TenantId};
use sqlx::AssertSqlSafe;
use store::{Store, StoreError};
use testkit::{Stack, Tenant};

#[tokio::test(flavor = "multi_thread")]
async fn roles_and_rows_are_closed() {
    let stack = Stack::from_env().unwrap();
    let (a, b) = (Tenant::new(&stack, "rolea").await, Tenant::new(&stack, "roleb").await);
    let campaign = CampaignId(a.campaign("spring").await);
    let store = Store::connect(&stack.database_url).unwrap();

    let refused = store.campaign(TenantId(b.id), campaign).await;
    assert!(matches!(refused, Err(StoreError::NoCampaign)), "another tenant's campaign opens");

    let mut tx = store.tenant(TenantId(b.id)).await.unwrap();
    let named = format!("SELECT count(*) FROM {}.ledger", campaign.schema());
    let error = StoreError::from(sqlx::query(AssertSqlSafe(named)).execute(&mut *tx).await.unwrap_err());
    assert_eq!(error.sqlstate().as_deref(), Some("42501"), "{error}");
    drop(tx);

    for table in [
        "campaigns",
        "templates",
        "template_files",
        "files",
        "imports",
        "launches",
        "exports",
        "receipts",
        "pgp_keys",
        "ssh_keys",
        "api_keys",
        "answers",
        "webhooks",
        "webhook_deliveries",
    ] {
        let mut tx = store.tenant(TenantId(b.id)).await.unwrap();
        let foreign = format!("SELECT count(*) FROM broadcast.{table} WHERE tenant_id <> {}", b.id);
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(foreign)).fetch_one(&mut *tx).await.unwrap();
        assert_eq!(count, 0, "{table} shows foreign rows");
    }
    let mut tx = store.tenant(TenantId(b.id)).await.unwrap();
    let stolen = sqlx::query("INSERT INTO broadcast.campaigns (tenant_id, name) VALUES ($1, 'x')")
        .bind(a.id)
        .execute(&mut *tx)
        .await;
    assert!(stolen.is_err(), "a row for another tenant is taken");

    // The login itself, without a tenant's role, sees no campaign at all.
    let bare = sqlx::query("SELECT 1 FROM broadcast.campaigns").execute(store.pool()).await;
    assert!(bare.is_err());
    store.campaign(TenantId(a.id), campaign).await.unwrap();
}
