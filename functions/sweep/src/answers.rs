//! Answers that the API keeps for repeated requests: after a day nobody repeats them, and the API itself takes them for gone.

use time::Duration;

use crate::{Error, Job};

/// As long as the API replays them.
const KEPT: Duration = Duration::hours(24);

/// Deletes the older ones. By the real clock: who moves the other one forward still repeats requests.
pub async fn expire(job: &Job<'_>) -> Result<(), Error> {
    let mut tx = job.tx().await?;
    sqlx::query("DELETE FROM broadcast.answers WHERE tenant_id = $1 AND created_at <= $2")
        .bind(job.tenant.0)
        .bind(job.real_now - KEPT)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}
