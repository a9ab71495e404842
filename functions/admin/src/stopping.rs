//! What stops when a tenant is suspended or its deletion begins: its launches, where they stand.

use contract::{CampaignId, LaunchId, TenantId};
use sqlx::PgConnection;
use store::StoreError;
use time::OffsetDateTime;

use crate::{Admin, AdminError};

/// Pauses every launch that is not over. Those that are made later for a tenant that is not active are made paused.
pub(crate) async fn stop_launches(
    admin: &Admin,
    db: &mut PgConnection,
    tenant: TenantId,
    now: OffsetDateTime,
) -> Result<(), AdminError> {
    let open: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT campaign_id, id FROM broadcast.launches
         WHERE tenant_id = $1 AND ended_at IS NULL AND state IN ('scheduled', 'preparing', 'running') ORDER BY id",
    )
    .bind(tenant.0)
    .fetch_all(db)
    .await?;
    for (campaign, launch) in open {
        let mut tx = match admin.store.campaign(tenant, CampaignId(campaign)).await {
            Ok(tx) => tx,
            // Deleted meanwhile.
            Err(StoreError::NoCampaign) => continue,
            Err(error) => return Err(error.into()),
        };
        store::pause_launch(&mut tx, LaunchId(launch), now).await?;
        tx.commit().await?;
    }
    Ok(())
}
