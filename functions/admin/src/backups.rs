//! Backups of the database, and the way back into operation after one was restored.

use serde_json::{Value, json};

use crate::{Admin, AdminError, audit};

/// What `database`, `set_backup_days` and `release_mails` answer.
const SHOW: &str =
    "SELECT jsonb_build_object('backup_days', backup_days, 'compared', compared IS NOT DISTINCT FROM broadcast.incarnation(),
            'restored_at', restored_at, 'restored_to', restored_to, 'replayed_at', replayed_at,
            'tenants_left', (SELECT count(*) FROM broadcast.tenants WHERE replay_due),
            'tenants_to_delete', (SELECT coalesce(jsonb_agg(slug ORDER BY slug), '[]') FROM broadcast.tenants WHERE status IN ('deleting', 'ending')),
            'launches_stopped', (SELECT count(*) FROM broadcast.launches WHERE reason_code IN ('launch_restored', 'launch_lost')))
     FROM broadcast.database";

/// Whether the database is the newest, and how far a restored one is.
pub(crate) async fn show(admin: &Admin) -> Result<Value, AdminError> {
    Ok(sqlx::query_scalar(SHOW).fetch_one(admin.store.pool()).await?)
}

/// Says how long backups of the database can be restored. Receipts name the time from then on; those that were written stay as they are.
pub(crate) async fn set_days(admin: &Admin, days: i32) -> Result<Value, AdminError> {
    sqlx::query("UPDATE broadcast.database SET backup_days = $1")
        .bind(days)
        .execute(admin.store.pool())
        .await?;
    show(admin).await
}

/// Lets mails go out of a restored database. Before that everything must be done again that happened since.
pub(crate) async fn release_mails(admin: &Admin, by: &str) -> Result<Value, AdminError> {
    let by = audit::name_of(by)?;
    let mut tx = admin.store.pool().begin().await?;
    let released = sqlx::query(
        "UPDATE broadcast.database SET restored_at = NULL, restored_to = NULL, replay_from = NULL, replay_to = NULL, replayed_at = NULL
         WHERE replayed_at IS NOT NULL AND NOT EXISTS (SELECT FROM broadcast.tenants WHERE replay_due)",
    )
    .execute(&mut *tx)
    .await?;
    if released.rows_affected() == 1 {
        audit::note_of_all(&mut tx, by, "release_mails").await?;
    }
    tx.commit().await?;
    let mut answer = show(admin).await?;
    answer["released"] = json!(answer["restored_at"].is_null());
    Ok(answer)
}
