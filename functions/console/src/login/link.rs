//! Passwords are chosen by a link that comes by mail: the first one, and whenever one is forgotten.

use access::Token;
use axum::{Form, extract::Path, http::StatusCode, response::Response};
use contract::TenantId;
use maud::html;
use serde::Deserialize;
use time::OffsetDateTime;

use super::{
    guest::{Guest, Step},
    password::canonical,
    redirect_saying,
    way::Way,
};
use crate::{
    Console, ConsoleError,
    error::page,
    limits::{LINKS_OF_ADDRESS, LINKS_OF_USER},
    look::{Button, Field, Kind, Problems},
    notice, record, session,
};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Forgotten {
    email: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chosen {
    password: String,
}

/// `GET /password`.
pub(crate) async fn ask(guest: Guest) -> Response {
    let [why, label] = ["forgotten-why", "login-email"].map(|key| guest.reader.t(key));
    let email = Field { autocomplete: "username", focus: true, ..Field::new("email", &label, Kind::Email) };
    let step = Step {
        title: "forgotten-title",
        above: html! { p { (why) } },
        action: "/password",
        fields: &[email],
        submit: ("forgotten-submit", Button::Main),
        below: html! {},
    };
    guest.show(&step, &Way::default(), &Problems::default())
}

/// `POST /password`. The answer and the work are the same whether somebody has the address or not; the mail is another function's.
pub(crate) async fn mail(guest: Guest, Form(form): Form<Forgotten>) -> Result<Response, ConsoleError> {
    let Guest { console, visitor, now, .. } = &guest;
    let email = canonical(&form.email);
    LINKS_OF_ADDRESS.spend(console, &visitor.address_key(), *now).await?;
    LINKS_OF_USER.spend(console, email.as_bytes(), *now).await?;
    sqlx::query(
        "INSERT INTO broadcast.notices (user_id, kind, at, source, browser, due_at)
         SELECT u.id, 'password_link', $2, $3, $4, $2 FROM broadcast.users u LEFT JOIN broadcast.tenants t ON t.id = u.tenant_id
         WHERE u.email = $1 AND u.disabled_at IS NULL AND (t.id IS NULL OR t.status = 'active')",
    )
    .bind(&email)
    .bind(now)
    .bind(visitor.source.map(|source| source.to_string()))
    .bind(&visitor.browser)
    .execute(console.store.pool())
    .await?;
    Ok(page(&guest.reader, StatusCode::OK, "link-mailed"))
}

/// Whose link this is, if it is one.
async fn owner(
    console: &Console,
    text: &str,
    now: OffsetDateTime,
) -> Result<Option<(Token, i64)>, ConsoleError> {
    let Some(token) = Token::parse(text) else { return Ok(None) };
    let found: Option<(bool, i64)> = sqlx::query_as(
        "SELECT broadcast.is_current(), l.user_id FROM broadcast.password_links l JOIN broadcast.users u ON u.id = l.user_id
         WHERE l.token_hash = $1 AND l.ends_at > $2 AND u.disabled_at IS NULL",
    )
    .bind(&token.hash()[..])
    .bind(now)
    .fetch_optional(console.store.pool())
    .await?;
    let Some((current, user)) = found else { return Ok(None) };
    session::must_be_current(current)?;
    Ok(Some((token, user)))
}

/// `GET /password/{token}`. Looking uses nothing up: programs look at links of mails.
pub(crate) async fn choose(guest: Guest, Path(text): Path<String>) -> Result<Response, ConsoleError> {
    Ok(match owner(&guest.console, &text, guest.now).await? {
        Some((token, _)) => show(&guest, &token, &Problems::default()),
        None => page(&guest.reader, StatusCode::NOT_FOUND, "link-over"),
    })
}

fn show(guest: &Guest, token: &Token, problems: &Problems<'_>) -> Response {
    let [label, hint] = ["choose-label", "choose-hint"].map(|key| guest.reader.t(key));
    let password = Field {
        hint: Some(&hint),
        autocomplete: "new-password",
        focus: true,
        ..Field::new("password", &label, Kind::Password)
    };
    let step = Step {
        title: "choose-title",
        above: html! {},
        action: &format!("/password/{}", token.text()),
        fields: &[password],
        submit: ("choose-submit", Button::Main),
        below: html! {},
    };
    guest.show(&step, &Way::default(), problems)
}

/// What passwords for us begin with.
const WORDS: [&str; 5] = ["broadcast", "console", "mailing", "newsletter", "campaign"];

/// The hash of a password that a user chose; or the key of what is wrong with it.
pub(crate) async fn hash(
    console: &Console,
    user: i64,
    password: String,
) -> Result<Result<String, &'static str>, ConsoleError> {
    let (email, name, slug): (String, Option<String>, Option<String>) = sqlx::query_as(
        "SELECT u.email, t.name, t.slug FROM broadcast.users u LEFT JOIN broadcast.tenants t ON t.id = u.tenant_id WHERE u.id = $1",
    )
    .bind(user)
    .fetch_one(console.store.pool())
    .await?;
    let hashed = tokio::task::spawn_blocking(move || {
        let known = [Some(email), name, slug];
        let known = known.iter().flatten().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
        let words: Vec<&str> = WORDS.into_iter().chain(known).filter(|word| word.len() > 2).collect();
        match access::password::hash(&password) {
            Ok(_) if access::password::is_easy(&password, &words) => Ok(Err("choose-easy")),
            Ok(hash) => Ok(Ok(hash)),
            Err(access::Error::PasswordLength) => Ok(Err("choose-length")),
            Err(error) => Err(error),
        }
    });
    Ok(hashed.await.map_err(|_| ConsoleError::Cut)??)
}

/// `POST /password/{token}`.
pub(crate) async fn set(
    guest: Guest,
    Path(text): Path<String>,
    Form(form): Form<Chosen>,
) -> Result<Response, ConsoleError> {
    let Guest { console, reader, visitor, now, .. } = &guest;
    let over = || page(reader, StatusCode::NOT_FOUND, "link-over");
    let Some((token, user)) = owner(console, &text, *now).await? else { return Ok(over()) };
    let hash = match hash(console, user, form.password).await? {
        Ok(hash) => hash,
        Err(words) => return Ok(show(&guest, &token, &Problems::one("password", reader.t(words)))),
    };
    let mut tx = console.store.pool().begin().await?;
    // Of two requests with one link, one finds the row.
    let deleted = sqlx::query("DELETE FROM broadcast.password_links WHERE token_hash = $1 AND ends_at > $2")
        .bind(&token.hash()[..])
        .bind(now)
        .execute(&mut *tx)
        .await?;
    if deleted.rows_affected() == 0 {
        return Ok(over());
    }
    // Whoever has an older mail has no more than the newest one gave.
    sqlx::query("DELETE FROM broadcast.password_links WHERE user_id = $1")
        .bind(user)
        .execute(&mut *tx)
        .await?;
    let (tenant, is_first): (Option<i64>, bool) = sqlx::query_as(
        "UPDATE broadcast.users u SET password_hash = $2 FROM broadcast.users old WHERE u.id = $1 AND old.id = u.id
         RETURNING u.tenant_id, old.password_hash IS NULL",
    )
    .bind(user)
    .bind(&hash)
    .fetch_one(&mut *tx)
    .await?;
    if !is_first {
        notice::write(&mut tx, user, "password_changed", Some(visitor), *now).await?;
    }
    let who = (tenant.map(TenantId), Some(user));
    record::line(&mut tx, who, visitor, "choose_password", None, "done", *now).await?;
    tx.commit().await?;
    Ok(redirect_saying("password"))
}
