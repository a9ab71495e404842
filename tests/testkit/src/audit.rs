//! The lines of `broadcast.audit`: who did what, with what result. What a client hears may come before the line: each look is a wait.

use std::net::Ipv4Addr;

use localstack::Stack;

use crate::{Tenant, wait};

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

/// Waits until what came from one address, oldest first, is as expected.
pub async fn from(stack: &Stack, source: Ipv4Addr, expected: impl Fn(&[Line]) -> bool) -> Vec<Line> {
    let read = async || from_until_now(stack, source).await;
    wait::until_so(&format!("the audit lines of {source}"), read, |lines| expected(lines)).await
}

async fn from_until_now(stack: &Stack, source: Ipv4Addr) -> Vec<Line> {
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

/// Waits until what is there of one tenant, oldest first, is as expected.
pub async fn of(tenant: &Tenant, expected: impl Fn(&[Line]) -> bool) -> Vec<Line> {
    let read = async || of_until_now(tenant).await;
    wait::until_so(&format!("the audit lines of {}", tenant.slug), read, |lines| expected(lines)).await
}

async fn of_until_now(tenant: &Tenant) -> Vec<Line> {
    sqlx::query_as(
        "SELECT tenant_id, actor, action, subject, bytes, result FROM broadcast.audit WHERE tenant_id = $1 ORDER BY id",
    )
    .bind(tenant.id)
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap()
}

/// Waits until the newest line of this action about this key is as expected. An older one may be there from before, and is not it.
pub async fn newest(tenant: &Tenant, action: &str, key: &str, expected: impl Fn(&Line) -> bool) -> Line {
    let read = async || {
        let lines = of_until_now(tenant).await.into_iter();
        lines.rev().find(|line| line.action == action && line.subject.as_deref() == Some(key))
    };
    let is_it = |line: &Option<Line>| line.as_ref().is_some_and(&expected);
    wait::until_so(&format!("the audit line of {action} {key}"), read, is_it).await.expect("a line")
}

/// The same for one that tells of success, and of so many bytes where any went over.
pub async fn done(tenant: &Tenant, action: &str, key: &str, bytes: Option<usize>) -> Line {
    let bytes = bytes.map(|bytes| i64::try_from(bytes).unwrap());
    newest(tenant, action, key, |line| line.result == "done" && (bytes.is_none() || line.bytes == bytes))
        .await
}

/// Waits until one address has a line of this action whose result begins so; the newest of them.
pub async fn until(stack: &Stack, source: Ipv4Addr, action: &str, result: &str) -> Line {
    let is_it = |line: &Line| line.action == action && line.result.starts_with(result);
    let lines = from(stack, source, |lines| lines.iter().any(is_it)).await;
    lines.into_iter().rev().find(is_it).expect("a line")
}
