//! Audit lines of operators' commands.

use contract::TenantId;
use sqlx::PgConnection;

use crate::AdminError;

/// Notes what an operator did. `subject` names a key by its fingerprint or a domain, never a secret.
pub(crate) async fn note(
    db: &mut PgConnection,
    tenant: TenantId,
    action: &str,
    subject: Option<&str>,
) -> Result<(), AdminError> {
    note_by(db, tenant, "operator", action, subject).await
}

/// The same with the name of who did it.
pub(crate) async fn note_by(
    db: &mut PgConnection,
    tenant: TenantId,
    actor: &str,
    action: &str,
    subject: Option<&str>,
) -> Result<(), AdminError> {
    sqlx::query(
        "INSERT INTO broadcast.audit (tenant_id, actor, action, subject, result) VALUES ($1, $2, $3, $4, 'done')",
    )
    .bind(tenant.0)
    .bind(actor)
    .bind(action)
    .bind(subject)
    .execute(db)
    .await?;
    Ok(())
}

/// What an operator did that is about no tenant.
pub(crate) async fn note_of_all(db: &mut PgConnection, actor: &str, action: &str) -> Result<(), AdminError> {
    sqlx::query("INSERT INTO broadcast.audit (actor, action, result) VALUES ($1, $2, 'done')")
        .bind(actor)
        .bind(action)
        .execute(db)
        .await?;
    Ok(())
}

/// Who does something that stays on the record.
pub(crate) fn name_of(by: &str) -> Result<&str, AdminError> {
    Some(by.trim()).filter(|by| !by.is_empty()).ok_or(AdminError::ByMissing)
}
