//! Events for a tenant's webhooks, written where they happen.

use contract::{TenantId, webhook::Event};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::StoreError;

/// Records an event for each enabled webhook of the tenant that wants to know; says whether there is one. In the transaction of the change
/// that it tells: who sees the change has been told, or will be. One statement, which writes nothing where there is no webhook; one that is
/// being deleted meanwhile is waited for, and does not fail the change.
///
/// After the commit a message on the queue `notify` makes it quick. Without one its schedule finds the row within a minute.
pub async fn announce(
    tx: &mut PgConnection,
    tenant: TenantId,
    event: &Event,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let id = Uuid::new_v4();
    let body = event.document(id, now).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let made = sqlx::query(
        "INSERT INTO broadcast.webhook_deliveries (tenant_id, webhook_id, event, type, body, created_at, due_at)
         SELECT tenant_id, id, $2, $3, $4, $5, $5 FROM broadcast.webhooks
         WHERE tenant_id = $1 AND disabled_at IS NULL AND ($3 = ANY(events) OR id = $6)
         FOR KEY SHARE",
    )
    .bind(tenant.0)
    .bind(id)
    .bind(event.name())
    .bind(body)
    .bind(now)
    .bind(event.webhook().map(|webhook| webhook.0))
    .execute(tx)
    .await?;
    Ok(made.rows_affected() > 0)
}
