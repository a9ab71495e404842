//! Mails to users: here a row in the transaction of what it tells; `notify` sends it.

use sqlx::PgConnection;
use store::StoreError;
use time::OffsetDateTime;

use crate::visitor::Visitor;

/// Tells a user. `kind` is one of the table's.
pub(crate) async fn write(
    db: &mut PgConnection,
    user: i64,
    kind: &str,
    visitor: Option<&Visitor>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO broadcast.notices (user_id, kind, at, source, browser, due_at) VALUES ($1, $2, $3, $4, $5, $3)",
    )
    .bind(user)
    .bind(kind)
    .bind(now)
    .bind(visitor.and_then(|visitor| visitor.source).map(|source| source.to_string()))
    .bind(visitor.map(|visitor| visitor.browser.as_str()))
    .execute(db)
    .await?;
    Ok(())
}
