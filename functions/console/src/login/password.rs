//! The first step: e-mail address and password.

use access::password::Verifier;
use axum::{Form, extract::Query, response::Response};
use contract::TenantId;
use mail::Address;
use maud::html;
use serde::Deserialize;
use sqlx::Row;
use time::OffsetDateTime;

use super::{
    challenge::{self, Purpose},
    guest::{Guest, Step},
    redirect,
    way::Way,
};
use crate::{
    Console, ConsoleError, cookie,
    limits::{LOGINS_OF_ADDRESS, LOGINS_OF_USER},
    look::{Button, Field, Kind, Notice, Problems, notice},
    person::Reader,
    phone::{self, Text},
    record, session,
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
pub(crate) async fn ask(guest: Guest, Query(way): Query<Way>) -> Response {
    show(&guest, &way, "", &Problems::default())
}

fn show(guest: &Guest, way: &Way, typed: &str, problems: &Problems<'_>) -> Response {
    let reader = &guest.reader;
    let said = SAID.contains(&way.said.as_str()).then(|| reader.t(&format!("login-said-{}", way.said)));
    let [email, password, forgotten] =
        ["login-email", "login-password", "login-forgotten"].map(|key| reader.t(key));
    let fields = [
        Field {
            value: typed,
            autocomplete: "username",
            focus: true,
            ..Field::new("email", &email, Kind::Email)
        },
        Field { autocomplete: "current-password", ..Field::new("password", &password, Kind::Password) },
    ];
    let step = Step {
        title: "login-title",
        above: html! { @if let Some(said) = said { (notice(Notice::Info, &html! { p { (said) } })) } },
        action: "/login",
        fields: &fields,
        submit: ("login-submit", Button::Main),
        below: html! { p { a href="/password" { (forgotten) } } },
    };
    guest.show(&step, way, problems)
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
pub(crate) async fn check(guest: Guest, Form(form): Form<Login>) -> Result<Response, ConsoleError> {
    let Guest { console, visitor, now, .. } = &guest;
    let (way, email) = (Way { next: form.next, ..Way::default() }, canonical(&form.email));
    // Whoever is refused by the address locks no account any more.
    LOGINS_OF_ADDRESS.spend(console, &visitor.address_key(), *now).await?;
    let last_until = LOGINS_OF_USER.spend(console, email.as_bytes(), *now).await?;
    let user = find(console, &email).await?;
    let is_right = verify(form.password, user.as_ref().and_then(|user| user.hash.clone())).await?;
    let user = match user {
        Some(user) if is_right && user.is_active => user,
        other => {
            if let Some(until) = last_until {
                lock(&guest, &email, until).await?;
            }
            let who = other.map_or((None, None), |user| (user.tenant, Some(user.id)));
            let mut db = console.store.pool().acquire().await?;
            record::line(&mut db, who, visitor, "login", Some("password"), "refused", *now).await?;
            let wrong = Problems::one("email", guest.reader.t("login-wrong"));
            return Ok(show(&guest, &way, &form.email, &wrong));
        }
    };
    // Told to nobody who has not the password.
    if let Some(until) = user.locked_until.filter(|until| until > now) {
        return Err(LOGINS_OF_USER.too_many(until).into());
    }
    go_on(&guest, &user, &email, &way).await
}

/// From the password to the second factor, or to the session where there is none.
async fn go_on(guest: &Guest, user: &User, email: &str, way: &Way) -> Result<Response, ConsoleError> {
    let Guest { console, visitor, now, .. } = guest;
    if !user.needs_second_factor {
        let mut tx = console.store.pool().begin().await?;
        let token = challenge::log_in(guest, &mut tx, (user.tenant, user.id), "password").await?;
        tx.commit().await?;
        LOGINS_OF_USER.forget(console, email.as_bytes()).await?;
        return Ok(challenge::logged_in(&token, way));
    }
    let (challenge, token) = challenge::begin(console, Purpose::Login, user.id, *now).await?;
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
            phone::send(console, &text, *now).await?;
            redirect("/login/code", way.next())
        }
    };
    cookie::CHALLENGE.set(&mut response, &token);
    Ok(response)
}

/// The last attempt of a window was wrong. The same statement for an address that nobody has.
async fn lock(guest: &Guest, email: &str, until: OffsetDateTime) -> Result<(), ConsoleError> {
    let Guest { console, visitor, now, .. } = guest;
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
