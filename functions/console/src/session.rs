//! Sessions: who is logged in where. A session is a row; the browser holds its token, the row the token's digest.

use std::{sync::Arc, time::Duration};

use access::Token;
use axum::{extract::State, http::HeaderMap, response::Response};
use contract::TenantId;
use sqlx::{PgConnection, Row};
use store::StoreError;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError, cookie,
    gate::{At, FormToken},
    person::{Person, Reader},
    record,
    visitor::Visitor,
};

/// A session that does nothing for so long is over (ASVS 7.3.1).
pub(crate) const IDLE_MAX: Duration = Duration::from_mins(30);
/// Whatever it does, it is over after a day's work (ASVS 7.3.2).
pub(crate) const LIFETIME: Duration = Duration::from_hours(12);
/// That it did something is written down so often at most: a page with many parts is one.
const SEEN_EVERY: Duration = Duration::from_mins(1);

/// Of one user at once: a few browsers on a few machines. Another login ends the one that did nothing for the longest time.
pub(crate) const SESSIONS_MAX: i64 = 10;

/// Begins one, with a token that nobody knew before.
pub(crate) async fn begin(
    db: &mut PgConnection,
    user: i64,
    visitor: &Visitor,
    now: OffsetDateTime,
) -> Result<Token, ConsoleError> {
    let token = Token::generate()?;
    sqlx::query(
        "DELETE FROM broadcast.sessions WHERE id IN (SELECT id FROM broadcast.sessions WHERE user_id = $1 ORDER BY seen_at DESC, id DESC OFFSET $2)",
    )
    .bind(user)
    .bind(SESSIONS_MAX - 1)
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "INSERT INTO broadcast.sessions (user_id, token_hash, created_at, seen_at, ends_at, source, browser) VALUES ($1, $2, $3, $3, $4, $5, $6)",
    )
    .bind(user)
    .bind(&token.hash()[..])
    .bind(now)
    .bind(now + LIFETIME)
    .bind(visitor.source.map(|source| source.to_string()))
    .bind(&visitor.browser)
    .execute(db)
    .await?;
    Ok(token)
}

/// Another one in the place of somebody's, whose sessions end with a right that they came from. Its person has just proved the password.
pub(crate) async fn renew(
    db: &mut PgConnection,
    person: &Person,
    visitor: &Visitor,
    now: OffsetDateTime,
) -> Result<Token, ConsoleError> {
    sqlx::query("DELETE FROM broadcast.sessions WHERE id = $1")
        .bind(person.session)
        .execute(&mut *db)
        .await?;
    begin(db, person.id, visitor, now).await
}

/// Who is logged in by this token. `is_act`: a person did something, which keeps the session from being idle.
pub(crate) async fn find(
    console: &Console,
    token: &Token,
    is_act: bool,
    now: OffsetDateTime,
) -> Result<Option<Person>, ConsoleError> {
    let row = sqlx::query(
        "SELECT s.id AS session, s.seen_at, u.id, u.tenant_id, u.email, u.role, u.language, u.zone, t.name, t.bucket, broadcast.is_current() AS current
         FROM broadcast.sessions s JOIN broadcast.users u ON u.id = s.user_id LEFT JOIN broadcast.tenants t ON t.id = u.tenant_id
         WHERE s.token_hash = $1 AND s.ends_at > $2 AND s.seen_at > $3 AND u.disabled_at IS NULL AND (t.id IS NULL OR t.status = 'active')",
    )
    .bind(&token.hash()[..])
    .bind(now)
    .bind(now - IDLE_MAX)
    .fetch_optional(console.store.pool())
    .await?;
    let Some(row) = row else { return Ok(None) };
    must_be_current(row.get("current"))?;
    let session = row.get("session");
    if is_act && row.get::<OffsetDateTime, _>("seen_at") <= now - SEEN_EVERY {
        sqlx::query("UPDATE broadcast.sessions SET seen_at = greatest(seen_at, $2) WHERE id = $1")
            .bind(session)
            .bind(now)
            .execute(console.store.pool())
            .await?;
    }
    // The database checks that it is one of them.
    let Ok(role) = row.get::<&str, _>("role").parse() else { return Ok(None) };
    Ok(Some(Person {
        id: row.get("id"),
        session,
        tenant: row.get::<Option<i64>, _>("tenant_id").map(TenantId),
        tenant_name: row.get("name"),
        bucket: row.get("bucket"),
        email: row.get("email"),
        role,
        reader: Reader::of(row.get("language"), row.get("zone")),
        form_token: FormToken::of_session(&console.master, &token.hash()),
    }))
}

/// A copy of the database of an earlier time does not know yet which rights have ended: nobody enters by it until it does.
pub(crate) fn must_be_current(current: bool) -> Result<(), StoreError> {
    if current { Ok(()) } else { Err(StoreError::NotCurrent) }
}

/// Ends the one that a browser had before it logs in again.
pub(crate) async fn end_of(db: &mut PgConnection, headers: &HeaderMap) -> Result<(), StoreError> {
    let Some(token) = cookie::SESSION.read(headers) else { return Ok(()) };
    sqlx::query("DELETE FROM broadcast.sessions WHERE token_hash = $1")
        .bind(&token.hash()[..])
        .execute(db)
        .await?;
    Ok(())
}

/// `POST /logout`.
pub(crate) async fn log_out(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
) -> Result<Response, ConsoleError> {
    let mut tx = console.store.pool().begin().await?;
    sqlx::query("DELETE FROM broadcast.sessions WHERE id = $1")
        .bind(person.session)
        .execute(&mut *tx)
        .await?;
    record::of_person(&mut tx, &person, &visitor, "logout", None, now).await?;
    tx.commit().await?;
    let mut response = crate::login::redirect_saying("out");
    cookie::SESSION.clear(&mut response);
    Ok(response)
}
