//! Another phone, by whoever knows the password and has the new one in hand.

use std::sync::Arc;

use access::code::{Code, Verdict};
use axum::{Form, extract::State, http::HeaderMap, response::Response};
use maud::html;
use serde::Deserialize;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError, cookie,
    gate::At,
    login::{
        challenge::{self, Challenge, Purpose},
        code,
        phone::judge,
        redirect,
    },
    look::Problems,
    notice,
    page::{Asking, Page},
    person::Person,
    phone::{self, Text},
    record, session,
    visitor::Visitor,
};

use super::{
    page,
    password::{confirm, unconfirmed},
};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Change {
    current: String,
    phone: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Entered {
    code: String,
}

/// `POST /account/phone`: sends a code to the new number. The old one stays until it comes back.
pub(super) async fn change(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Form(form): Form<Change>,
) -> Result<Response, ConsoleError> {
    if !confirm(&console, &person, form.current, now).await? {
        return page(&console, &person, now, &unconfirmed(&person, "phone-current")).await;
    }
    let countries: Option<Vec<String>> =
        sqlx::query_scalar("SELECT text_countries FROM broadcast.tenants WHERE id = $1")
            .bind(person.tenant.map(|tenant| tenant.0))
            .fetch_optional(console.store.pool())
            .await?;
    let number = match judge(&form.phone, countries.as_deref()) {
        Ok(number) => number,
        Err(words) => {
            return page(&console, &person, now, &Problems::one("phone", person.reader.t(words))).await;
        }
    };
    let (challenge, token) = challenge::begin(&console, Purpose::Phone, person.id, now).await?;
    let sealed = phone::seal(&console, person.id, &number)?;
    sqlx::query("UPDATE broadcast.challenges SET phone_sealed = $2, phone_ends = $3 WHERE id = $1")
        .bind(challenge)
        .bind(&sealed)
        .bind(number.ends())
        .execute(console.store.pool())
        .await?;
    let reader = &person.reader;
    let text = Text {
        challenge,
        user: person.id,
        tenant: person.tenant,
        wrong: 0,
        phone_sealed: sealed,
        reader,
        visitor: &visitor,
    };
    phone::send(&console, &text, now).await?;
    let mut response = redirect("/account/phone", None);
    cookie::CHALLENGE.set(&mut response, &token);
    Ok(response)
}

async fn find(
    tx: &mut sqlx::PgConnection,
    person: &Person,
    headers: &HeaderMap,
    now: OffsetDateTime,
) -> Result<Option<Challenge>, ConsoleError> {
    let found = challenge::find(tx, Purpose::Phone, headers, now).await?;
    Ok(found.filter(|challenge| challenge.user == person.id))
}

/// `GET /account/phone`.
pub(super) async fn ask(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    headers: HeaderMap,
) -> Result<Response, ConsoleError> {
    let mut tx = console.store.pool().begin().await?;
    Ok(match find(&mut tx, &person, &headers, now).await? {
        Some(challenge) => show(&person, &challenge, &Problems::default()),
        None => redirect("/account", None),
    })
}

fn show(person: &Person, challenge: &Challenge, problems: &Problems<'_>) -> Response {
    let (reader, ends) = (&person.reader, challenge.new_phone.as_ref().map_or("", |(_, ends)| ends));
    let [title, label, submit] = ["code-title", "code-label", "phone-change"].map(|key| reader.t(key));
    let fields = html! {
        p { (reader.t_with("code-sent", &[("ends", ends.into())])) }
        (code::field(&label).render(problems))
    };
    let asking = Asking { action: "/account/phone/code", fields: &fields, submit: &submit, back: "/account" };
    Page::new(person, None, &title).ask(&asking, problems)
}

/// `POST /account/phone/code`. All sessions end with the old number; this browser gets a new one.
pub(super) async fn check(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    headers: HeaderMap,
    Form(form): Form<Entered>,
) -> Result<Response, ConsoleError> {
    let mut tx = console.store.pool().begin().await?;
    let Some(challenge) = find(&mut tx, &person, &headers, now).await? else {
        return Ok(redirect("/account", None));
    };
    let again = |words| Ok(show(&person, &challenge, &Problems::one("code", words)));
    let (Some(code), Some(expected)) = (Code::parse(&form.code), &challenge.expected) else {
        return again(person.reader.t("code-malformed"));
    };
    code::spend(&console, &challenge, now).await?;
    let words = match expected.judge(&code.hash(&console.master, challenge.id), now) {
        Verdict::Right => return register(tx, (&person, &visitor), &challenge, now).await,
        Verdict::Expired => person.reader.t("code-expired"),
        Verdict::Wrong { ends_at } => code::wrong_text(&person.reader, ends_at, now),
        Verdict::Failed => person.reader.t("code-wrong"),
    };
    let is_over = challenge::note_wrong(&mut tx, &challenge, now).await?;
    tx.commit().await?;
    if is_over { Ok(redirect("/account", None)) } else { again(words) }
}

async fn register(
    mut tx: sqlx::PgTransaction<'_>,
    (person, visitor): (&Person, &Visitor),
    challenge: &Challenge,
    now: OffsetDateTime,
) -> Result<Response, ConsoleError> {
    let Some((sealed, ends)) = &challenge.new_phone else { return Err(ConsoleError::Cut) };
    // A trigger ends the sessions, and this challenge, which nobody uses again.
    sqlx::query("UPDATE broadcast.challenges SET used_at = $2 WHERE id = $1")
        .bind(challenge.id)
        .bind(now)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "UPDATE broadcast.users SET phone_sealed = $2, phone_ends = $3, phone_verified_at = $4 WHERE id = $1",
    )
    .bind(person.id)
    .bind(sealed)
    .bind(ends)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    let token = session::renew(&mut tx, person, visitor, now).await?;
    notice::write(&mut tx, person.id, "new_phone", Some(visitor), now).await?;
    record::of_person(&mut tx, person, visitor, "change_phone", None, now).await?;
    tx.commit().await?;
    let mut response = redirect("/account", None);
    cookie::SESSION.set(&mut response, &token);
    cookie::CHALLENGE.clear(&mut response);
    Ok(response)
}
