//! Soft bounces that count no more.

use crate::{Error, Job};

/// Forgets those that are older than the tenant's own limit.
pub async fn forget(job: &Job<'_>) -> Result<(), Error> {
    let mut tx = job.tx().await?;
    sqlx::query(
        "DELETE FROM broadcast.soft_bounces s USING broadcast.tenants t
         WHERE t.id = $1 AND s.tenant_id = t.id AND s.at <= $2 - make_interval(days => t.soft_bounce_days)",
    )
    .bind(job.tenant.0)
    .bind(job.now)
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}
