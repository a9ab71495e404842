//! Migrations of the global schema and of every campaign's.

use contract::{CampaignId, TenantId};
use serde_json::{Value, json};
use store::StoreError;

use crate::{Admin, AdminError};

/// Campaigns are brought up to date one by one, each in its own transaction: a crash leaves each either old or new, and the command is
/// given again.
pub(crate) async fn run(admin: &Admin) -> Result<Value, AdminError> {
    store::migrate(admin.store.pool()).await?;
    let campaigns: Vec<(i64, i64)> =
        sqlx::query_as("SELECT tenant_id, id FROM broadcast.campaigns WHERE state <> 'deleted' ORDER BY id")
            .fetch_all(admin.store.pool())
            .await?;
    let mut current = 0;
    for (tenant, campaign) in campaigns {
        match admin.store.campaign(TenantId(tenant), CampaignId(campaign)).await {
            Ok(mut tx) => {
                tx.migrate().await?;
                tx.commit().await?;
                current += 1;
            }
            // Its lifetime ended in the meantime.
            Err(StoreError::NoCampaign) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(json!({"campaigns": current}))
}
