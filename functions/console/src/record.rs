//! Lines of the audit: what a person did at the console, written in the transaction that does it. Users stand there by their numbers.

use contract::TenantId;
use sqlx::PgConnection;
use store::StoreError;
use time::OffsetDateTime;

use crate::{person::Person, visitor::Visitor};

/// A line of somebody logged in.
pub(crate) async fn of_person(
    db: &mut PgConnection,
    person: &Person,
    visitor: &Visitor,
    action: &str,
    subject: Option<&str>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    line(db, (person.tenant, Some(person.id)), visitor, action, subject, "done", now).await
}

/// A line of a login: `None` where nobody has the address.
pub(crate) async fn line(
    db: &mut PgConnection,
    (tenant, user): (Option<TenantId>, Option<i64>),
    visitor: &Visitor,
    action: &str,
    subject: Option<&str>,
    result: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let actor = user.map_or_else(|| "unknown user".to_owned(), |user| format!("user {user}"));
    sqlx::query(
        "INSERT INTO broadcast.audit (tenant_id, at, actor, action, subject, source, result) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(tenant.map(|tenant| tenant.0))
    .bind(now)
    .bind(actor)
    .bind(action)
    .bind(subject)
    .bind(visitor.source.map(|source| source.to_string()))
    .bind(result)
    .execute(db)
    .await?;
    Ok(())
}
