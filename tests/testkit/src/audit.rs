//! The lines of `broadcast.audit`: who did what, with what result.

use std::net::Ipv4Addr;

use localstack::Stack;

use crate::Tenant;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Line {
    pub tenant_id: Option<i64>,
    pub actor: String,
    pub action: String,
    pub subject: Option<String>,
    pub bytes: Option<i64>,
    pub result: String,
}

/// All that came from one address, oldest first.
pub async fn from(stack: &Stack, source: Ipv4Addr) -> Vec<Line> {
    let url = &stack.superuser_database_url;
    let mut database = <sqlx::PgConnection as sqlx::Connection>::connect(url).await.unwrap();
    sqlx::query_as(
        "SELECT tenant_id, actor, action, subject, bytes, result FROM broadcast.audit WHERE source = $1 ORDER BY id",
    )
    .bind(source.to_string())
    .fetch_all(&mut database)
    .await
    .unwrap()
}

/// All of one tenant, oldest first.
pub async fn of(tenant: &Tenant) -> Vec<Line> {
    sqlx::query_as(
        "SELECT tenant_id, actor, action, subject, bytes, result FROM broadcast.audit WHERE tenant_id = $1 ORDER BY id",
    )
    .bind(tenant.id)
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap()
}

/// Waits for a line of this action about this key, and returns the newest: what a client hears may come before the line.
pub async fn newest(tenant: &Tenant, action: &str, key: &str) -> Line {
    crate::wait::until(&format!("an audit line of {action} {key}"), async || {
        let lines = of(tenant).await.into_iter();
        lines.rev().find(|line| line.action == action && line.subject.as_deref() == Some(key))
    })
    .await
}

/// Waits until one address has a line of this action whose result begins so.
pub async fn until(stack: &Stack, source: Ipv4Addr, action: &str, result: &str) -> Line {
    crate::wait::until(&format!("an audit line of {source}: {action} {result}"), async || {
        let lines = from(stack, source).await.into_iter();
        lines.rev().find(|line| line.action == action && line.result.starts_with(result))
    })
    .await
}
