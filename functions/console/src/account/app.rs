//! An authenticator app in the place of texts, where the tenant allows it.

use std::sync::Arc;

use access::{Totp, code::Code};
use axum::{Form, extract::State, response::Response};
use data_encoding::HEXLOWER;
use maud::{Markup, html};
use qrcode::{Color, QrCode};
use serde::Deserialize;

use crate::{
    Console, ConsoleError, cookie, error,
    gate::At,
    login::{code, redirect},
    look::{Button, Field, Problems, link_button},
    notice,
    page::{Asking, Page},
    person::Person,
    record, session, totp,
    visitor::Visitor,
};

use super::{
    Factors, current_password, page,
    password::{confirm, unconfirmed},
};

/// Around the squares, in squares (ISO/IEC 18004, 6.3.8).
const QUIET_ZONE: usize = 4;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Setup {
    current: String,
    code: String,
    sealed: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Confirmed {
    current: String,
}

/// `GET /account/app`: a new secret. It stands sealed in the form until its first code proves that the app has it.
pub(super) async fn offer(
    State(console): State<Arc<Console>>,
    person: Person,
) -> Result<Response, ConsoleError> {
    if !Factors::of(&console, &person).await?.may_set_up_app() {
        return Ok(error::forbidden(&person.reader));
    }
    show(&console, &person, &Totp::generate()?, &Problems::default())
}

fn show(
    console: &Console,
    person: &Person,
    new: &Totp,
    problems: &Problems<'_>,
) -> Result<Response, ConsoleError> {
    let reader = &person.reader;
    let [title, current, code, submit] =
        ["app-title", "change-current", "code-label", "app-submit"].map(|key| reader.t(key));
    let sealed = HEXLOWER.encode(&totp::seal(console, person.id, new)?);
    let fields = html! {
        p { (reader.t("app-how")) }
        (qr(&new.uri("Broadcast", &person.email), &reader.t("app-picture"))?)
        p { (reader.t("app-secret")) " " code { (new.base32()) } }
        input type="hidden" name="sealed" value=(sealed);
        (current_password("current", &current).render(problems))
        (Field { focus: false, ..code::field(&code) }.render(problems))
    };
    let asking = Asking { action: "/account/app", fields: &fields, submit: &submit, back: "/account" };
    Ok(Page::new(person, None, &title).ask(&asking, problems))
}

/// Dark on light in every theme: cameras want it so.
fn qr(text: &str, label: &str) -> Result<Markup, ConsoleError> {
    let code = QrCode::new(text).map_err(|_| ConsoleError::Cut)?;
    let (width, side) = (code.width(), code.width() + 2 * QUIET_ZONE);
    let dark = code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == Color::Dark);
    let squares =
        dark.map(|(at, _)| format!("M{} {}h1v1h-1z", at % width + QUIET_ZONE, at / width + QUIET_ZONE));
    let path: String = squares.collect();
    Ok(html! {
        svg.qr role="img" aria-label=(label) width="240" height="240" viewBox={ "0 0 " (side) " " (side) } shape-rendering="crispEdges" {
            rect width=(side) height=(side) fill="#fff" {}
            path d=(path) fill="#000" {}
        }
    })
}

/// `POST /account/app`.
pub(super) async fn set_up(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Form(form): Form<Setup>,
) -> Result<Response, ConsoleError> {
    if !Factors::of(&console, &person).await?.may_set_up_app() {
        return Ok(error::forbidden(&person.reader));
    }
    let sealed = HEXLOWER.decode(form.sealed.as_bytes()).ok();
    // What does not open is no form of ours, or one of another key.
    let Some(new) = sealed.and_then(|sealed| totp::open(&console, person.id, sealed).ok()) else {
        return Ok(redirect("/account/app", None));
    };
    if !confirm(&console, &person, form.current, now).await? {
        return show(&console, &person, &new, &unconfirmed(&person, "current"));
    }
    let step = Code::parse(&form.code).and_then(|code| new.step(code.digits(), None, now));
    let Some(step) = step else {
        return show(&console, &person, &new, &Problems::one("code", person.reader.t("code-wrong")));
    };
    let mut tx = console.store.pool().begin().await?;
    sqlx::query("UPDATE broadcast.users SET totp_sealed = $2, totp_since = $3, totp_step = $4 WHERE id = $1")
        .bind(person.id)
        .bind(totp::seal(&console, person.id, &new)?)
        .bind(now)
        .bind(step)
        .execute(&mut *tx)
        .await?;
    let token = session::renew(&mut tx, &person, &visitor, now).await?;
    notice::write(&mut tx, person.id, "new_totp", Some(&visitor), now).await?;
    record::of_person(&mut tx, &person, &visitor, "set_up_app", None, now).await?;
    tx.commit().await?;
    let mut response = redirect("/account", None);
    cookie::SESSION.set(&mut response, &token);
    Ok(response)
}

/// `POST /account/app/end`. All sessions end with it; this browser gets a new one.
pub(super) async fn end(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Form(form): Form<Confirmed>,
) -> Result<Response, ConsoleError> {
    if !confirm(&console, &person, form.current, now).await? {
        return page(&console, &person, now, &unconfirmed(&person, "app-current")).await;
    }
    let mut tx = console.store.pool().begin().await?;
    sqlx::query(
        "UPDATE broadcast.users SET totp_sealed = NULL, totp_since = NULL, totp_step = NULL WHERE id = $1",
    )
    .bind(person.id)
    .execute(&mut *tx)
    .await?;
    let token = session::renew(&mut tx, &person, &visitor, now).await?;
    notice::write(&mut tx, person.id, "totp_ended", Some(&visitor), now).await?;
    record::of_person(&mut tx, &person, &visitor, "end_app", None, now).await?;
    tx.commit().await?;
    let mut response = redirect("/account", None);
    cookie::SESSION.set(&mut response, &token);
    Ok(response)
}

/// `POST /account/recovery`: new recovery codes, shown this once.
pub(super) async fn recovery(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Form(form): Form<Confirmed>,
) -> Result<Response, ConsoleError> {
    if !confirm(&console, &person, form.current, now).await? {
        return page(&console, &person, now, &unconfirmed(&person, "recovery-current")).await;
    }
    if !Factors::of(&console, &person).await?.has_phone() {
        let wrong = Problems::one("recovery-current", person.reader.t("recovery-phone-first"));
        return page(&console, &person, now, &wrong).await;
    }
    let codes = access::recovery::generate()?;
    let mut tx = console.store.pool().begin().await?;
    sqlx::query("DELETE FROM broadcast.recovery_codes WHERE user_id = $1")
        .bind(person.id)
        .execute(&mut *tx)
        .await?;
    for code in &codes {
        let hash = access::recovery::hash(&console.master, person.id, code).ok_or(ConsoleError::Cut)?;
        sqlx::query("INSERT INTO broadcast.recovery_codes (user_id, code_hash) VALUES ($1, $2)")
            .bind(person.id)
            .bind(&hash[..])
            .execute(&mut *tx)
            .await?;
    }
    notice::write(&mut tx, person.id, "new_recovery_codes", Some(&visitor), now).await?;
    record::of_person(&mut tx, &person, &visitor, "make_recovery_codes", None, now).await?;
    tx.commit().await?;
    let (reader, title) = (&person.reader, person.reader.t("recovery-new-title"));
    let content = html! {
        section.card {
            p { (reader.t("recovery-new-how")) }
            ul.codes { @for code in &codes { li { code { (code) } } } }
            div.row { (link_button("/account", &reader.t("secret-kept"), Button::Main)) }
        }
    };
    Ok(Page::new(&person, None, &title).show(&content))
}
