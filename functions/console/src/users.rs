//! The people of a tenant, for its administrators; operators, for operators. Nobody sees a password here, nor a whole phone number, nor changes their own
//! rights: the last administrator cannot lock out everybody.

mod change;

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use access::Role;
use axum::{
    Form, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use mail::Address;
use maud::{Markup, html};
use serde::Deserialize;
use sqlx::{PgConnection, PgTransaction, Row};
use store::TenantTx;
use time::OffsetDateTime;

use self::change::{Change, DISABLE, ENABLE, END_SESSIONS, RESET_PHONE};
use crate::{
    Console, ConsoleError,
    account::settings::languages,
    gate::At,
    login::redirect,
    look::{Button, Column, Field, Kind, Problems, Section, Submit, Table, Tone, badge, form, select},
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
        .route("/users/role", post(Change::set_role))
        .route("/users/disable", post(async |change: Change| change.make(&DISABLE, None).await))
        .route("/users/enable", post(async |change: Change| change.make(&ENABLE, None).await))
        .route("/users/unlock", post(Change::unlock))
        .route("/users/phone", post(async |change: Change| change.make(&RESET_PHONE, None).await))
        .route("/users/sessions", post(async |change: Change| change.make(&END_SESSIONS, None).await))
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

    const fn tone(&self) -> Tone {
        match self {
            Self { is_disabled: true, .. } => Tone::Bad,
            Self { is_locked: true, .. } => Tone::Warn,
            Self { last_login_at: None, .. } => Tone::Idle,
            _ => Tone::Good,
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
    page(&console, &person, now, &Invitation::default(), &Problems::default()).await
}

async fn page(
    console: &Console,
    person: &Person,
    now: OffsetDateTime,
    wanted: &Invitation,
    problems: &Problems<'_>,
) -> Result<Response, ConsoleError> {
    let mut tx = Tx::begin(console, person).await?;
    let users = load(&mut tx, person, now).await?;
    let reader = &person.reader;
    let [title, invite] = ["users-title", "users-invite"].map(|key| reader.t(key));
    let heads =
        ["email", "role", "state", "phone", "login", "do"].map(|head| reader.t(&format!("users-{head}")));
    let [email, role, state, phone, login, deeds] = &heads;
    let columns = [
        Column::text(email),
        Column::short(role),
        Column::short(state),
        Column::short(phone),
        Column::short(login),
        Column::actions(deeds),
    ];
    let rows = users.iter().map(|user| row(person, user)).collect();
    let content = html! {
        (problems.render(reader))
        (Table { caption: &title, caption_hidden: true, columns: &columns, rows, total: None }.render())
        section.card {
            h2 { (invite) }
            (invitation(person, wanted, problems))
        }
    };
    Ok(Page::new(person, Section::Users, &title).status(problems.status()).show(&content))
}

fn invitation(person: &Person, wanted: &Invitation, problems: &Problems<'_>) -> Markup {
    let reader = &person.reader;
    let [email, role, invite] = ["login-email", "users-role", "users-invite"].map(|key| reader.t(key));
    let roles: Vec<_> =
        Role::OF_TENANTS.iter().map(|role| (role.name(), reader.t(&format!("role-{role}")))).collect();
    let roles: Vec<_> = roles.iter().map(|(role, name)| (*role, name.as_str())).collect();
    let chosen = wanted.role.parse().unwrap_or(Role::Viewer).name();
    let language = Language::of(&wanted.language).unwrap_or(reader.language);
    let fields = html! {
        (Field { value: &wanted.email, ..Field::new("email", &email, Kind::Email) }.render(problems))
        @if person.tenant.is_some() { (select("role", &role, None, &roles, chosen, problems)) }
        (languages(reader, language))
        (Submit { text: &invite, weight: Button::Main }.render())
    };
    form("/users/invite", &person.form_token, &fields)
}

fn row(person: &Person, user: &User) -> Vec<Markup> {
    let reader = &person.reader;
    vec![
        html! { (user.email) },
        html! { (reader.t(&format!("role-{}", user.role))) },
        badge(user.tone(), &reader.t(user.state())),
        html! { @if let Some(ends) = &user.phone_ends { (reader.t_with("users-phone-ends", &[("ends", ends.as_str().into())])) } },
        html! { @if let Some(at) = user.last_login_at { (reader.time(at)) } },
        html! { @if user.id == person.id { (reader.t("users-self")) } @else { (deeds(person, user)) } },
    ]
}

/// What may be done to somebody: a form each.
fn deeds(person: &Person, user: &User) -> Markup {
    let reader = &person.reader;
    let deed = |action: &str, key: &str, fields: Markup| {
        let text = reader.t(key);
        html! {
            form.row method="post" action={ "/users/" (action) } {
                (person.form_token)
                input type="hidden" name="user" value=(user.id);
                (fields)
                button.button.slim type="submit" aria-label={ (text) ": " (user.email) } { (text) }
            }
        }
    };
    let none = || html! {};
    let label = reader.t_with("users-role-of", &[("email", user.email.as_str().into())]);
    let roles = || {
        html! {
            select name="role" aria-label=(label) {
                @for role in Role::OF_TENANTS { option value=(role) selected[*role == user.role] { (reader.t(&format!("role-{role}"))) } }
            }
        }
    };
    html! {
        details.more {
            summary aria-label={ (reader.t("users-do")) ": " (user.email) } { (reader.t("users-do")) }
            div.deeds {
                @if person.tenant.is_some() { (deed("role", "settings-submit", roles())) }
                @if user.is_disabled { (deed("enable", "users-enable", none())) } @else { (deed("disable", "users-disable", none())) }
                (deed("sessions", "users-end-sessions", none()))
                @if user.is_locked { (deed("unlock", "users-unlock", none())) }
                @if user.phone_ends.is_some() { (deed("phone", "users-reset-phone", none())) }
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
        let wrong = Problems::one("email", person.reader.t("users-malformed"));
        return page(&console, &person, now, &form, &wrong).await;
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
        let wrong = Problems::one("email", person.reader.t("users-taken"));
        return page(&console, &person, now, &form, &wrong).await;
    };
    notice::write(&mut tx, user, "invitation", None, now).await?;
    record::of_person(&mut tx, &person, &visitor, "invite_user", Some(&user.to_string()), now).await?;
    tx.commit().await?;
    Ok(redirect("/users", None))
}
