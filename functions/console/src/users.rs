//! The people of a tenant, for its administrators; operators, for operators. Nobody sees a password here, nor a whole phone number, nor changes their own
//! rights: the last administrator cannot lock out everybody.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use access::Role;
use axum::{
    Form, Router,
    extract::State,
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use fluent_bundle::FluentValue;
use mail::Address;
use maud::{Markup, html};
use serde::Deserialize;
use sqlx::{PgConnection, PgTransaction, Row};
use store::TenantTx;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError,
    gate::At,
    limits::{CODES_OF_USER, LOGINS_OF_USER},
    login::{problem, redirect},
    look::Section,
    notice,
    page::Page,
    person::Person,
    record,
    visitor::Visitor,
    words::Language,
};

/// On the page. Tenants have a few dozen people.
const USERS_MAX: i64 = 1000;

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/users", get(show))
        .route("/users/invite", post(invite))
        .route("/users/role", post(set_role))
        .route("/users/disable", post(disable))
        .route("/users/enable", post(enable))
        .route("/users/unlock", post(unlock))
        .route("/users/phone", post(reset_phone))
        .route("/users/sessions", post(end_sessions))
}

/// A transaction that sees a tenant's people as the tenant; or operators.
enum Tx {
    Tenant(TenantTx),
    Operators(PgTransaction<'static>),
}

impl Tx {
    async fn begin(console: &Console, person: &Person) -> Result<Self, ConsoleError> {
        Ok(match person.tenant {
            Some(tenant) => Self::Tenant(console.store.tenant(tenant).await?),
            None => Self::Operators(console.store.pool().begin().await?),
        })
    }

    async fn commit(self) -> Result<(), ConsoleError> {
        match self {
            Self::Tenant(tx) => Ok(tx.commit().await?),
            Self::Operators(tx) => Ok(tx.commit().await?),
        }
    }
}

impl Deref for Tx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Self::Tenant(tx) => tx,
            Self::Operators(tx) => tx,
        }
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Self::Tenant(tx) => tx,
            Self::Operators(tx) => tx,
        }
    }
}

struct User {
    id: i64,
    email: String,
    role: Role,
    phone_ends: Option<String>,
    last_login_at: Option<OffsetDateTime>,
    is_disabled: bool,
    is_locked: bool,
}

impl User {
    /// The end of a key of the catalogue.
    const fn state(&self) -> &'static str {
        match self {
            Self { is_disabled: true, .. } => "users-is-disabled",
            Self { is_locked: true, .. } => "users-is-locked",
            Self { last_login_at: None, .. } => "users-is-invited",
            _ => "users-is-active",
        }
    }
}

async fn load(tx: &mut Tx, person: &Person, now: OffsetDateTime) -> Result<Vec<User>, ConsoleError> {
    let rows = sqlx::query(
        "SELECT id, email, role, phone_ends, last_login_at, disabled_at IS NOT NULL AS is_disabled, coalesce(locked_until > $2, false) AS is_locked
         FROM broadcast.users WHERE tenant_id IS NOT DISTINCT FROM $1 ORDER BY email LIMIT $3",
    )
    .bind(person.tenant.map(|tenant| tenant.0))
    .bind(now)
    .bind(USERS_MAX)
    .fetch_all(&mut **tx)
    .await?;
    let users = rows.into_iter().filter_map(|row| {
        Some(User {
            id: row.get("id"),
            email: row.get("email"),
            // The database checks that it is one of them.
            role: row.get::<&str, _>("role").parse().ok()?,
            phone_ends: row.get("phone_ends"),
            last_login_at: row.get("last_login_at"),
            is_disabled: row.get("is_disabled"),
            is_locked: row.get("is_locked"),
        })
    });
    Ok(users.collect())
}

/// `GET /users`.
async fn show(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
) -> Result<Response, ConsoleError> {
    page(&console, &person, now, None).await
}

async fn page(
    console: &Console,
    person: &Person,
    now: OffsetDateTime,
    wrong: Option<&str>,
) -> Result<Response, ConsoleError> {
    let mut tx = Tx::begin(console, person).await?;
    let users = load(&mut tx, person, now).await?;
    let (reader, title) = (&person.reader, person.reader.t("users-title"));
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let content = html! {
        (problem(wrong))
        div.scroll role="region" aria-label=(title) tabindex="0" { table {
            thead { tr {
                @for head in ["email", "role", "state", "phone", "login", "do"] { th scope="col" { (reader.t(&format!("users-{head}"))) } }
            } }
            tbody { @for user in &users { (row(person, user)) } }
        } }
        h2 { (reader.t("users-invite")) }
        form method="post" action="/users/invite" {
            (person.form_token)
            p {
                label for="email" { (reader.t("login-email")) }
                input #email type="email" name="email" autocomplete="off" required maxlength="254" spellcheck="false"
                    aria-describedby=[wrong.map(|_| "problem")];
            }
            @if person.tenant.is_some() {
                p { label for="role" { (reader.t("users-role")) } (roles(person, "role", Role::Viewer)) }
            }
            p {
                label for="language" { (reader.t("settings-language")) }
                select #language name="language" {
                    @for language in Language::ALL {
                        option value=(language.tag()) lang=(language.tag()) selected[language == reader.language] { (language.text("language-name")) }
                    }
                }
            }
            p { button type="submit" { (reader.t("users-invite")) } }
        }
    };
    Ok(Page::new(person, Section::Users, &title).status(status).show(&content))
}

fn roles(person: &Person, id: &str, chosen: Role) -> Markup {
    html! {
        select id=(id) name="role" {
            @for role in Role::OF_TENANTS { option value=(role) selected[*role == chosen] { (person.reader.t(&format!("role-{role}"))) } }
        }
    }
}

fn row(person: &Person, user: &User) -> Markup {
    let reader = &person.reader;
    let email = [("email", FluentValue::from(user.email.as_str()))];
    let button = |action: &str, key: &str| {
        html! {
            form method="post" action={ "/users/" (action) } {
                (person.form_token)
                input type="hidden" name="user" value=(user.id);
                button.quiet type="submit" aria-label=(format!("{}: {}", reader.t(key), user.email)) { (reader.t(key)) }
            }
        }
    };
    let is_self = user.id == person.id;
    html! {
        tr {
            th scope="row" { (user.email) }
            td { (reader.t(&format!("role-{}", user.role))) }
            td { (reader.t(user.state())) }
            td { @if let Some(ends) = &user.phone_ends { (reader.t_with("users-phone-ends", &[("ends", ends.as_str().into())])) } }
            td { @if let Some(at) = user.last_login_at { (reader.time(at)) } }
            td {
                @if is_self { (reader.t("users-self")) }
                @else {
                    @if person.tenant.is_some() {
                        form method="post" action="/users/role" {
                            (person.form_token)
                            input type="hidden" name="user" value=(user.id);
                            label.hidden for={ "role-" (user.id) } { (reader.t_with("users-role-of", &email)) }
                            (roles(person, &format!("role-{}", user.id), user.role))
                            button.quiet type="submit" { (reader.t("settings-submit")) }
                        }
                    }
                    @if user.is_disabled { (button("enable", "users-enable")) } @else { (button("disable", "users-disable")) }
                    (button("sessions", "users-end-sessions"))
                    @if user.is_locked { (button("unlock", "users-unlock")) }
                    @if user.phone_ends.is_some() { (button("phone", "users-reset-phone")) }
                }
            }
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Invitation {
    email: String,
    role: String,
    language: String,
}

/// `POST /users/invite`. An address that somebody has already cannot be invited, whoever that is.
async fn invite(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Form(form): Form<Invitation>,
) -> Result<Response, ConsoleError> {
    let role = if person.tenant.is_some() {
        form.role.parse().ok().filter(|role| Role::OF_TENANTS.contains(role))
    } else {
        Some(Role::Operator)
    };
    let address = Address::parse(&form.email).ok().filter(|address| !address.is_beyond_ascii());
    let (Some(role), Some(address)) = (role, address) else {
        return page(&console, &person, now, Some(&person.reader.t("users-malformed"))).await;
    };
    let language = Language::of(&form.language).unwrap_or(person.reader.language);
    let mut tx = Tx::begin(&console, &person).await?;
    // Operators are made without naming a tenant, which is all that the role of functions may do.
    let statement = match person.tenant {
        Some(_) => {
            "INSERT INTO broadcast.users (tenant_id, email, role, language, zone) VALUES ($5, $1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING id"
        }
        None => {
            "INSERT INTO broadcast.users (email, role, language, zone) SELECT $1, $2, $3, $4 WHERE $5::bigint IS NULL ON CONFLICT DO NOTHING RETURNING id"
        }
    };
    let made: Option<i64> = sqlx::query_scalar(statement)
        .bind(address.envelope().to_lowercase())
        .bind(role.name())
        .bind(language.tag())
        .bind(person.reader.zone.iana_name().unwrap_or("UTC"))
        .bind(person.tenant.map(|tenant| tenant.0))
        .fetch_optional(&mut *tx)
        .await?;
    let Some(user) = made else {
        drop(tx);
        return page(&console, &person, now, Some(&person.reader.t("users-taken"))).await;
    };
    notice::write(&mut tx, user, "invitation", None, now).await?;
    record::of_person(&mut tx, &person, &visitor, "invite_user", Some(&user.to_string()), now).await?;
    tx.commit().await?;
    Ok(redirect("/users", None))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Chosen {
    user: i64,
    role: String,
}

/// What is done to somebody else of the same tenant, or to another operator: `$1` is the user's number, `$2` the tenant's or none. What is not theirs to change, or
/// is so already, is left as it is.
async fn change(
    console: &Console,
    (person, visitor): (&Person, &Visitor),
    user: i64,
    (action, told): (&str, Option<&str>),
    (statement, value): (&'static str, Option<&str>),
    now: OffsetDateTime,
) -> Result<Response, ConsoleError> {
    if user == person.id {
        return page(console, person, now, Some(&person.reader.t("users-not-yourself"))).await;
    }
    let mut tx = Tx::begin(console, person).await?;
    let query =
        sqlx::query(statement).bind(user).bind(person.tenant.map(|tenant| tenant.0)).bind(now).bind(value);
    if query.execute(&mut *tx).await?.rows_affected() > 0 {
        if let Some(kind) = told {
            notice::write(&mut tx, user, kind, None, now).await?;
        }
        record::of_person(&mut tx, person, visitor, action, Some(&user.to_string()), now).await?;
    }
    tx.commit().await?;
    Ok(redirect("/users", None))
}

/// `POST /users/role`.
async fn set_role(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Form(form): Form<Chosen>,
) -> Result<Response, ConsoleError> {
    let role = form.role.parse().ok().filter(|role: &Role| Role::OF_TENANTS.contains(role));
    let Some(role) = role.filter(|_| person.tenant.is_some()) else {
        return page(&console, &person, now, Some(&person.reader.t("users-malformed"))).await;
    };
    let statement = "UPDATE broadcast.users SET role = $4 WHERE id = $1 AND tenant_id = $2 AND role <> $4 AND $3::timestamptz IS NOT NULL";
    let how = (statement, Some(role.name()));
    change(&console, (&person, &visitor), form.user, ("set_role", None), how, now).await
}

/// `POST /users/disable`.
async fn disable(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Form(form): Form<Chosen>,
) -> Result<Response, ConsoleError> {
    let statement = "UPDATE broadcast.users SET disabled_at = $3
                     WHERE id = $1 AND tenant_id IS NOT DISTINCT FROM $2 AND disabled_at IS NULL AND $4::text IS NULL";
    change(&console, (&person, &visitor), form.user, ("disable_user", None), (statement, None), now).await
}

/// `POST /users/enable`.
async fn enable(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Form(form): Form<Chosen>,
) -> Result<Response, ConsoleError> {
    let statement = "UPDATE broadcast.users SET disabled_at = NULL
                     WHERE id = $1 AND tenant_id IS NOT DISTINCT FROM $2 AND disabled_at <= $3 AND $4::text IS NULL";
    change(&console, (&person, &visitor), form.user, ("enable_user", None), (statement, None), now).await
}

/// `POST /users/phone`: the next login registers one again. A trigger ends the sessions.
async fn reset_phone(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Form(form): Form<Chosen>,
) -> Result<Response, ConsoleError> {
    let statement = "UPDATE broadcast.users SET phone_sealed = NULL, phone_ends = NULL, phone_verified_at = NULL
                     WHERE id = $1 AND tenant_id IS NOT DISTINCT FROM $2 AND phone_verified_at <= $3 AND $4::text IS NULL";
    let how = (statement, None);
    change(&console, (&person, &visitor), form.user, ("reset_phone", Some("phone_reset")), how, now).await
}

/// `POST /users/sessions`: somebody is logged out everywhere.
async fn end_sessions(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Form(form): Form<Chosen>,
) -> Result<Response, ConsoleError> {
    let statement = "DELETE FROM broadcast.sessions WHERE user_id IN (SELECT id FROM broadcast.users WHERE id = $1 AND tenant_id IS NOT DISTINCT FROM $2)
                     AND created_at <= $3 AND $4::text IS NULL";
    change(&console, (&person, &visitor), form.user, ("end_sessions", None), (statement, None), now).await
}

/// `POST /users/unlock`: ends a lock, and forgets what led to it.
async fn unlock(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Form(form): Form<Chosen>,
) -> Result<Response, ConsoleError> {
    let statement = "UPDATE broadcast.users SET locked_until = NULL
                     WHERE id = $1 AND tenant_id IS NOT DISTINCT FROM $2 AND locked_until > $3 AND $4::text IS NULL";
    let mut tx = Tx::begin(&console, &person).await?;
    let email: Option<String> = sqlx::query_scalar(
        "SELECT email FROM broadcast.users WHERE id = $1 AND tenant_id IS NOT DISTINCT FROM $2",
    )
    .bind(form.user)
    .bind(person.tenant.map(|tenant| tenant.0))
    .fetch_optional(&mut *tx)
    .await?;
    drop(tx);
    // Nobody of another tenant's.
    if let Some(email) = email.filter(|_| form.user != person.id) {
        LOGINS_OF_USER.forget(&console, email.as_bytes()).await?;
        CODES_OF_USER.forget(&console, &form.user.to_be_bytes()).await?;
    }
    change(&console, (&person, &visitor), form.user, ("unlock_user", None), (statement, None), now).await
}
