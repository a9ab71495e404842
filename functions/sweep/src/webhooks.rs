//! What webhooks were told. It holds no personal data, so it is kept for looking at, and goes without a receipt.

use time::Duration;

use crate::{Error, Job};

/// How long an ended delivery can be looked at.
const ENDED_KEPT: Duration = Duration::days(7);
/// The longest that any is kept: `notify` gives up far earlier.
const KEPT_MAX: Duration = Duration::days(14);
/// In one run; the next run has the others.
const ROWS_MAX: i64 = 50_000;

/// Deletes deliveries that are over, and old.
pub async fn forget(job: &Job<'_>) -> Result<(), Error> {
    let mut tx = job.tx().await?;
    let deleted = sqlx::query(
        "DELETE FROM broadcast.webhook_deliveries
         WHERE id IN (SELECT id FROM broadcast.webhook_deliveries
                      WHERE tenant_id = $1 AND (ended_at <= $2 OR created_at <= $3) ORDER BY created_at LIMIT $4)",
    )
    .bind(job.tenant.0)
    .bind(job.now - ENDED_KEPT)
    .bind(job.now - KEPT_MAX)
    .bind(ROWS_MAX)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    if deleted.rows_affected() > 0 {
        tracing::info!(tenant = %job.tenant, count = deleted.rows_affected(), "deliveries to webhooks were forgotten");
    }
    Ok(())
}
