//! Half a login: the password is proved, the second factor is not. And the end of it, a session.

use std::time::Duration;

use access::{Token, code, code::Expected};
use axum::{http::HeaderMap, response::Response};
use contract::TenantId;
use sqlx::{PgConnection, Row};
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError, cookie,
    limits::{CODES_OF_USER, LOGINS_OF_USER},
    notice,
    person::Reader,
    phone::Text,
    record, session,
    visitor::Visitor,
};

use super::{guest::Guest, redirect, way::Way};

/// For registering a phone and a few codes. Nothing of it is worth more than the password.
const LIFETIME: Duration = Duration::from_mins(15);

/// One that is open.
pub(crate) struct Challenge {
    pub(crate) id: i64,
    pub(crate) user: i64,
    pub(crate) tenant: Option<TenantId>,
    pub(super) email: String,
    /// Wrong codes, over all of the challenge.
    pub(crate) wrong: i32,
    /// Of a text that was sent.
    pub(crate) expected: Option<Expected>,
    /// A number that the code registers.
    pub(crate) new_phone: Option<(Vec<u8>, String)>,
    /// The registered number.
    pub(super) phone: Option<(Vec<u8>, String)>,
    pub(super) totp: Option<(Vec<u8>, Option<i64>)>,
    /// Whether a passkey may take the place of a code.
    pub(super) has_passkeys: bool,
    pub(super) has_recovery_codes: bool,
    /// Where its texts may go; `None`: everywhere.
    pub(crate) countries: Option<Vec<String>>,
}

impl Challenge {
    /// Where the next text goes, and its last digits.
    pub(super) fn target(&self) -> Option<&(Vec<u8>, String)> {
        self.new_phone.as_ref().or(self.phone.as_ref())
    }

    /// A code of it for a number.
    pub(super) fn text<'a>(
        &self,
        phone_sealed: Vec<u8>,
        reader: &'a Reader,
        visitor: &'a Visitor,
    ) -> Text<'a> {
        Text {
            challenge: self.id,
            user: self.user,
            tenant: self.tenant,
            wrong: self.wrong,
            phone_sealed,
            reader,
            visitor,
        }
    }
}

/// What a challenge is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// A session.
    Login,
    /// Another number, of somebody logged in.
    Phone,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Phone => "phone",
        }
    }
}

/// Begins one for a user whose password was right.
pub(crate) async fn begin(
    console: &Console,
    purpose: Purpose,
    user: i64,
    now: OffsetDateTime,
) -> Result<(i64, Token), ConsoleError> {
    let token = Token::generate()?;
    let id = sqlx::query_scalar(
        "INSERT INTO broadcast.challenges (user_id, purpose, token_hash, created_at, ends_at) VALUES ($1, $5, $2, $3, $4) RETURNING id",
    )
    .bind(user)
    .bind(&token.hash()[..])
    .bind(now)
    .bind(now + LIFETIME)
    .bind(purpose.name())
    .fetch_one(console.store.pool())
    .await?;
    Ok((id, token))
}

/// The browser's open one, if there is one. Its row is locked to the end of the transaction: of two requests with one code, the second looks when
/// the first is through.
pub(crate) async fn find(
    db: &mut PgConnection,
    purpose: Purpose,
    headers: &HeaderMap,
    now: OffsetDateTime,
) -> Result<Option<Challenge>, ConsoleError> {
    let Some(token) = cookie::CHALLENGE.read(headers) else { return Ok(None) };
    let row = sqlx::query(
        "SELECT c.id, c.user_id, c.wrong, c.code_hash, c.code_ends_at, c.phone_sealed AS new_phone, c.phone_ends AS new_ends,
                u.tenant_id, u.email, u.phone_sealed, u.phone_ends, u.totp_step, t.text_countries,
                CASE WHEN u.tenant_id IS NULL OR t.totp_allowed THEN u.totp_sealed END AS totp_sealed,
                u.phone_sealed IS NOT NULL AND (u.tenant_id IS NULL OR t.passkeys_allowed)
                    AND EXISTS (SELECT FROM broadcast.passkeys p WHERE p.user_id = u.id) AS has_passkeys,
                EXISTS (SELECT FROM broadcast.recovery_codes r WHERE r.user_id = u.id) AS has_recovery_codes,
                broadcast.is_current() AS current
         FROM broadcast.challenges c JOIN broadcast.users u ON u.id = c.user_id LEFT JOIN broadcast.tenants t ON t.id = u.tenant_id
         WHERE c.token_hash = $1 AND c.purpose = $3 AND c.used_at IS NULL AND c.ends_at > $2
           AND u.disabled_at IS NULL AND (t.id IS NULL OR t.status = 'active')
         FOR UPDATE OF c",
    )
    .bind(&token.hash()[..])
    .bind(now)
    .bind(purpose.name())
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    session::must_be_current(row.get("current"))?;
    let wrong = row.get("wrong");
    let code: Option<(Vec<u8>, OffsetDateTime)> =
        row.get::<Option<Vec<u8>>, _>("code_hash").zip(row.get("code_ends_at"));
    let sealed = |sealed: &str, ends: &str| {
        row.get::<Option<Vec<u8>>, _>(sealed).zip(row.get::<Option<String>, _>(ends))
    };
    Ok(Some(Challenge {
        id: row.get("id"),
        user: row.get("user_id"),
        tenant: row.get::<Option<i64>, _>("tenant_id").map(TenantId),
        email: row.get("email"),
        wrong,
        expected: code.map(|(hash, ends_at)| Expected { hash, ends_at, wrong }),
        new_phone: sealed("new_phone", "new_ends"),
        phone: sealed("phone_sealed", "phone_ends"),
        totp: row.get::<Option<Vec<u8>>, _>("totp_sealed").map(|sealed| (sealed, row.get("totp_step"))),
        has_passkeys: row.get("has_passkeys"),
        has_recovery_codes: row.get("has_recovery_codes"),
        countries: row.get("text_countries"),
    }))
}

/// Writes down a wrong code. True when it was the last that the challenge takes: then it is over.
pub(crate) async fn note_wrong(
    db: &mut PgConnection,
    challenge: &Challenge,
    now: OffsetDateTime,
) -> Result<bool, ConsoleError> {
    let is_over = sqlx::query_scalar(
        "UPDATE broadcast.challenges SET wrong = wrong + 1, code_ends_at = code_ends_at - $2,
                used_at = CASE WHEN wrong + 1 >= $3 THEN $4::timestamptz END
         WHERE id = $1 RETURNING wrong >= $3",
    )
    .bind(challenge.id)
    .bind(code::WRONG_COST)
    .bind(code::WRONG_MAX)
    .bind(now)
    .fetch_one(db)
    .await?;
    Ok(is_over)
}

/// The second factor was wrong. True when that was the last try.
pub(super) async fn refuse(
    guest: &Guest,
    mut tx: sqlx::PgTransaction<'_>,
    challenge: &Challenge,
    factor: &str,
) -> Result<bool, ConsoleError> {
    let is_over = note_wrong(&mut tx, challenge, guest.now).await?;
    note_refused(guest, tx, challenge, factor).await?;
    Ok(is_over)
}

/// A line of the audit about a login that did not succeed, and the end of the transaction.
pub(super) async fn note_refused(
    guest: &Guest,
    mut tx: sqlx::PgTransaction<'_>,
    challenge: &Challenge,
    factor: &str,
) -> Result<(), ConsoleError> {
    let who = (challenge.tenant, Some(challenge.user));
    record::line(&mut tx, who, &guest.visitor, "login", Some(factor), "refused", guest.now).await?;
    Ok(tx.commit().await?)
}

/// The second factor is proved: the challenge is used, and a session begins. `None` where the challenge was used already.
pub(super) async fn complete(
    guest: &Guest,
    mut tx: sqlx::PgTransaction<'_>,
    challenge: &Challenge,
    way: &Way,
    factor: &str,
) -> Result<Option<Response>, ConsoleError> {
    let (console, now) = (&guest.console, guest.now);
    let update =
        sqlx::query("UPDATE broadcast.challenges SET used_at = $2 WHERE id = $1 AND used_at IS NULL")
            .bind(challenge.id)
            .bind(now)
            .execute(&mut *tx)
            .await?;
    if update.rows_affected() == 0 {
        return Ok(None);
    }
    if let Some((sealed, ends)) = challenge.new_phone.as_ref().filter(|_| factor == "text") {
        let registered = sqlx::query(
            "UPDATE broadcast.users SET phone_sealed = $2, phone_ends = $3, phone_verified_at = $4 WHERE id = $1 AND phone_sealed IS NULL",
        )
        .bind(challenge.user)
        .bind(sealed)
        .bind(ends)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        // Another login was faster: a registered number is not changed by a password alone.
        if registered.rows_affected() == 0 {
            return Ok(None);
        }
        notice::write(&mut tx, challenge.user, "new_phone", Some(&guest.visitor), now).await?;
    }
    let token = log_in(guest, &mut tx, (challenge.tenant, challenge.user), factor).await?;
    tx.commit().await?;
    // Behind the commit: whoever is logged in has proved that the attempts were their own.
    LOGINS_OF_USER.forget(console, challenge.email.as_bytes()).await?;
    CODES_OF_USER.forget(console, &challenge.user.to_be_bytes()).await?;
    Ok(Some(logged_in(&token, way)))
}

/// Begins a session, in the place of the one that the browser had.
pub(super) async fn log_in(
    guest: &Guest,
    db: &mut PgConnection,
    (tenant, user): (Option<TenantId>, i64),
    factor: &str,
) -> Result<Token, ConsoleError> {
    let (visitor, now) = (&guest.visitor, guest.now);
    session::end_of(db, &guest.headers).await?;
    let token = session::begin(db, user, visitor, now).await?;
    sqlx::query("UPDATE broadcast.users SET last_login_at = $2, locked_until = NULL WHERE id = $1")
        .bind(user)
        .bind(now)
        .execute(&mut *db)
        .await?;
    // The first place of all is nothing to be told of.
    let is_unknown: bool = sqlx::query_scalar(
        "WITH others AS (SELECT EXISTS (SELECT FROM broadcast.places WHERE user_id = $1) AS known),
              put AS (INSERT INTO broadcast.places (user_id, place, seen_at) VALUES ($1, $2, $3)
                      ON CONFLICT (user_id, place) DO UPDATE SET seen_at = excluded.seen_at RETURNING xmax = 0 AS is_new)
         SELECT known AND is_new FROM others, put",
    )
    .bind(user)
    .bind(&visitor.place(&guest.console.master, user)[..])
    .bind(now)
    .fetch_one(&mut *db)
    .await?;
    if is_unknown {
        notice::write(db, user, "new_login", Some(visitor), now).await?;
    }
    record::line(db, (tenant, Some(user)), visitor, "login", Some(factor), "done", now).await?;
    Ok(token)
}

/// The answer to a login: the new session's cookie, and none of those before it.
pub(super) fn logged_in(token: &Token, way: &Way) -> Response {
    let mut response = redirect(way.next().unwrap_or("/"), None);
    cookie::SESSION.set(&mut response, token);
    cookie::CHALLENGE.clear(&mut response);
    cookie::VISIT.clear(&mut response);
    response
}

/// A browser without an open challenge begins again.
pub(super) fn begin_again(said: &str) -> Response {
    let mut response = super::redirect_saying(said);
    cookie::CHALLENGE.clear(&mut response);
    response
}
