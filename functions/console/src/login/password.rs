//! The first step: e-mail address and password.

use std::sync::Arc;

use access::password::Verifier;
use axum::{
    Form,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use contract::TenantId;
use mail::Address;
use maud::{Markup, html};
use serde::Deserialize;
use sqlx::Row;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError, cookie,
    error::too_many,
    gate::{At, FormToken},
    limits::{LOGINS_OF_ADDRESS, LOGINS_OF_USER, Spent},
    look::Frame,
    person::Reader,
    phone::{self, Sent, Text},
    record, session,
    visitor::Visitor,
};

use super::{
    challenge::{self, Purpose},
    redirect,
    way::Way,
};

/// RFC 5321, 4.5.3.1.3, without the brackets.
const EMAIL_BYTES_MAX: usize = 254;

/// What the page may have to say.
const SAID: [&str; 4] = ["failed", "ended", "password", "out"];

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(crate) struct Login {
    email: String,
    password: String,
    next: String,
}

/// An address in the one form that logins are compared in.
pub(super) fn canonical(email: &str) -> String {
    if let Ok(address) = Address::parse(email) {
        return address.envelope().to_lowercase();
    }
    // It is nobody's, and is looked for all the same.
    let mut email = email.trim().to_lowercase();
    email.truncate(email.floor_char_boundary(EMAIL_BYTES_MAX));
    email
}

/// `GET /login`.
pub(crate) async fn ask(reader: Reader, form_token: FormToken, Query(way): Query<Way>) -> Response {
    let said = SAID.contains(&way.said.as_str()).then(|| reader.t(&format!("login-said-{}", way.said)));
    show(&reader, &form_token, &way, "", StatusCode::OK, said.as_deref(), None)
}

fn show(
    reader: &Reader,
    form_token: &FormToken,
    way: &Way,
    email: &str,
    status: StatusCode,
    said: Option<&str>,
    wrong: Option<&str>,
) -> Response {
    let title = reader.t("login-title");
    let content = html! {
        @if let Some(said) = said { p.note role="status" { (said) } }
        (problem(wrong))
        form method="post" action="/login" {
            (form_token)
            @if let Some(next) = way.next() { input type="hidden" name="next" value=(next); }
            p {
                label for="email" { (reader.t("login-email")) }
                input #email type="email" name="email" value=(email) autocomplete="username" required maxlength="254" spellcheck="false"
                    aria-describedby=[wrong.map(|_| "problem")] autofocus[wrong.is_none()];
            }
            p {
                label for="password" { (reader.t("login-password")) }
                input #password type="password" name="password" autocomplete="current-password" required maxlength="256"
                    aria-describedby=[wrong.map(|_| "problem")];
            }
            p { button type="submit" { (reader.t("login-submit")) } }
        }
        p { a href="/password" { (reader.t("login-forgotten")) } }
    };
    Frame { reader, title: &title }.around(status, &content)
}

/// What is wrong with a form, above it.
pub(crate) fn problem(words: Option<&str>) -> Markup {
    html! { @if let Some(words) = words { div #problem.problem role="alert" tabindex="-1" { p { (words) } } } }
}

struct User {
    id: i64,
    tenant: Option<TenantId>,
    hash: Option<String>,
    /// Whether the user and the tenant may log in at all.
    is_active: bool,
    locked_until: Option<OffsetDateTime>,
    needs_second_factor: bool,
    phone_sealed: Option<Vec<u8>>,
    /// An app or a passkey: a text goes when it is asked for.
    has_other_factor: bool,
    reader: Reader,
}

async fn find(console: &Console, email: &str) -> Result<Option<User>, ConsoleError> {
    let row = sqlx::query(
        "SELECT current, u.* FROM (SELECT broadcast.is_current() AS current) c LEFT JOIN (
             SELECT u.id, u.tenant_id, u.password_hash, u.locked_until, u.phone_sealed, u.language, u.zone,
                    u.disabled_at IS NULL AND (u.tenant_id IS NULL OR t.status = 'active') AS is_active,
                    u.tenant_id IS NULL OR t.second_factor AS needs_second_factor,
                    u.totp_sealed IS NOT NULL AND (u.tenant_id IS NULL OR t.totp_allowed)
                        OR (u.tenant_id IS NULL OR t.passkeys_allowed) AND EXISTS (SELECT FROM broadcast.passkeys p WHERE p.user_id = u.id) AS has_other_factor
             FROM broadcast.users u LEFT JOIN broadcast.tenants t ON t.id = u.tenant_id WHERE u.email = $1) u ON true",
    )
    .bind(email)
    .fetch_one(console.store.pool())
    .await?;
    session::must_be_current(row.get("current"))?;
    let Some(id) = row.get("id") else { return Ok(None) };
    Ok(Some(User {
        id,
        tenant: row.get::<Option<i64>, _>("tenant_id").map(TenantId),
        hash: row.get("password_hash"),
        is_active: row.get("is_active"),
        locked_until: row.get("locked_until"),
        needs_second_factor: row.get("needs_second_factor"),
        phone_sealed: row.get("phone_sealed"),
        has_other_factor: row.get("has_other_factor"),
        reader: Reader::of(row.get("language"), row.get("zone")),
    }))
}

/// Argon2 takes tens of milliseconds; it is the same work whether there is a hash or not.
pub(crate) async fn verify(password: String, hash: Option<String>) -> Result<bool, ConsoleError> {
    let verified =
        tokio::task::spawn_blocking(move || Verifier::default().verify(&password, hash.as_deref()));
    verified.await.map_err(|_| ConsoleError::Cut)
}

/// `POST /login`.
pub(crate) async fn check(
    State(console): State<Arc<Console>>,
    At(now): At,
    reader: Reader,
    form_token: FormToken,
    visitor: Visitor,
    headers: HeaderMap,
    Form(form): Form<Login>,
) -> Result<Response, ConsoleError> {
    let (way, email) = (Way { next: form.next, ..Way::default() }, canonical(&form.email));
    // Whoever is refused by the address locks no account any more.
    let by_address = LOGINS_OF_ADDRESS.spend(&console, &visitor.address_key(), now).await?;
    if let Spent::Refused { until } = by_address {
        return Ok(too_many(&reader, "login-limit", until, now));
    }
    let by_user = LOGINS_OF_USER.spend(&console, email.as_bytes(), now).await?;
    if let Spent::Refused { until } = by_user {
        return Ok(too_many(&reader, "login-limit", until, now));
    }
    let user = find(&console, &email).await?;
    let is_right = verify(form.password, user.as_ref().and_then(|user| user.hash.clone())).await?;
    let user = match user {
        Some(user) if is_right && user.is_active => user,
        other => {
            if let Spent::Allowed { last_until: Some(until) } = by_user {
                lock(&console, &email, &visitor, until, now).await?;
            }
            let who = other.map_or((None, None), |user| (user.tenant, Some(user.id)));
            let mut db = console.store.pool().acquire().await?;
            record::line(&mut db, who, &visitor, "login", Some("password"), "refused", now).await?;
            let wrong = reader.t("login-wrong");
            return Ok(show(
                &reader,
                &form_token,
                &way,
                &form.email,
                StatusCode::UNPROCESSABLE_ENTITY,
                None,
                Some(&wrong),
            ));
        }
    };
    // Told to nobody who has not the password.
    if let Some(until) = user.locked_until.filter(|until| *until > now) {
        return Ok(too_many(&reader, "login-limit", until, now));
    }
    go_on(&console, &user, &email, (&headers, &visitor, &way), now).await
}

/// From the password to the second factor, or to the session where there is none.
async fn go_on(
    console: &Arc<Console>,
    user: &User,
    email: &str,
    (headers, visitor, way): (&HeaderMap, &Visitor, &Way),
    now: OffsetDateTime,
) -> Result<Response, ConsoleError> {
    if !user.needs_second_factor {
        let mut tx = console.store.pool().begin().await?;
        let who = (user.tenant, user.id);
        let token = challenge::log_in(console, &mut tx, who, (headers, visitor), ("password", now)).await?;
        tx.commit().await?;
        LOGINS_OF_USER.forget(console, email.as_bytes()).await?;
        return Ok(challenge::logged_in(&token, way));
    }
    let (challenge, token) = challenge::begin(console, Purpose::Login, user.id, now).await?;
    let mut response = match &user.phone_sealed {
        None => redirect("/login/phone", way.next()),
        Some(_) if user.has_other_factor => redirect("/login/code", way.next()),
        Some(sealed) => {
            let text = Text {
                challenge,
                user: user.id,
                tenant: user.tenant,
                wrong: 0,
                phone_sealed: sealed.clone(),
                reader: &user.reader,
                visitor,
            };
            match phone::send(console, &text, now).await? {
                Sent::OnItsWay => redirect("/login/code", way.next()),
                Sent::TooMany(until) => return Ok(too_many(&user.reader, "text-limit", until, now)),
                Sent::DayFull(until) => return Ok(too_many(&user.reader, "text-day", until, now)),
            }
        }
    };
    cookie::CHALLENGE.set(&mut response, &token);
    Ok(response)
}

/// The last attempt of a window was wrong. The same statement for an address that nobody has.
async fn lock(
    console: &Console,
    email: &str,
    visitor: &Visitor,
    until: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<(), ConsoleError> {
    sqlx::query(
        "WITH locked AS (UPDATE broadcast.users SET locked_until = $2 WHERE email = $1 RETURNING id)
         INSERT INTO broadcast.notices (user_id, kind, at, source, browser, due_at) SELECT id, 'locked', $3, $4, $5, $3 FROM locked",
    )
    .bind(email)
    .bind(until)
    .bind(now)
    .bind(visitor.source.map(|source| source.to_string()))
    .bind(&visitor.browser)
    .execute(console.store.pool())
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        assert_eq!(canonical(" Ada@Example.ORG "), "ada@example.org");
        assert_eq!(canonical("ada@bücher.example"), "ada@xn--bcher-kva.example");
        assert_eq!(canonical(&"ä".repeat(200)).len(), 254);
    }
}
