//! The lines that tell who did what.

use crate::Tenant;

/// One line of `broadcast.audit`.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Line {
    pub actor: String,
    pub action: String,
    pub subject: Option<String>,
    pub bytes: Option<i64>,
    pub result: String,
}

/// All of one tenant, oldest first.
pub async fn lines(tenant: &Tenant) -> Vec<Line> {
    sqlx::query_as(
        "SELECT actor, action, subject, bytes, result FROM broadcast.audit WHERE tenant_id = $1 ORDER BY id",
    )
    .bind(tenant.id)
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap()
}

/// Waits for a line of this action about this key, and returns the newest: what a client hears may come before the line.
pub async fn of(tenant: &Tenant, action: &str, key: &str) -> Line {
    crate::wait::until(&format!("an audit line of {action} {key}"), async || {
        let lines = lines(tenant).await.into_iter();
        lines.rev().find(|line| line.action == action && line.subject.as_deref() == Some(key))
    })
    .await
}
