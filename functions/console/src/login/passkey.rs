//! A passkey in the place of a code. It counts as a code does: wrong ones end the login, and too many of them lock the account for a time.

use axum::{Form, http::StatusCode, response::Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::{challenge, code, guest::Guest, redirect, way::Way};
use crate::{
    ConsoleError,
    look::{Button, Frame, Problems},
    passkey::{self, Proof, Question},
};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Answered {
    answer: String,
    next: String,
}

/// The way to it from the page that asks for a code. The script shows it where the browser can.
pub(super) fn offer(guest: &Guest, way: &Way) -> Markup {
    let form = guest.form("/login/passkey", way, &html! {}, ("passkey-use", Button::Main));
    html! { div #field-passkey tabindex="-1" data-passkeys hidden { (form) } }
}

/// `POST /login/passkey`: asks for one. It is an action, since the question is written down.
pub(crate) async fn ask(guest: Guest, Form(form): Form<Answered>) -> Result<Response, ConsoleError> {
    let way = Way { next: form.next, ..Way::default() };
    let Guest { console, reader, now, .. } = &guest;
    let Some((mut tx, challenge)) = guest.challenge().await? else {
        return Ok(challenge::begin_again("ended"));
    };
    if !challenge.has_passkeys {
        return Ok(redirect("/login/code", way.next()));
    }
    let owner = (challenge.id, challenge.user);
    let Some(options) = passkey::ask_any(console, &mut tx, owner, *now).await? else {
        return Ok(redirect("/login/code", way.next()));
    };
    tx.commit().await?;
    let question = Question {
        action: "/login/passkey/check",
        method: "get",
        options: &options,
        hidden: html! { (way) },
        back: ("/login/code", &reader.t("passkey-code-instead")),
    };
    let content = question.render(reader, &guest.form_token)?;
    Ok(Frame { reader, title: &reader.t("passkey-use-title") }.around(StatusCode::OK, &content))
}

/// `POST /login/passkey/check`.
pub(crate) async fn check(guest: Guest, Form(form): Form<Answered>) -> Result<Response, ConsoleError> {
    let way = Way { next: form.next, ..Way::default() };
    let Some((mut tx, challenge)) = guest.challenge().await? else {
        return Ok(challenge::begin_again("ended"));
    };
    if !challenge.has_passkeys {
        return Ok(redirect("/login/code", way.next()));
    }
    code::spend(&guest.console, &challenge, guest.now).await?;
    let owner = (challenge.id, challenge.user);
    let words = match passkey::prove(&guest.console, &mut tx, owner, &form.answer, guest.now).await? {
        Proof::Right => {
            let done = challenge::complete(&guest, tx, &challenge, &way, "passkey").await?;
            return Ok(done.unwrap_or_else(|| challenge::begin_again("ended")));
        }
        Proof::Over => {
            challenge::note_refused(&guest, tx, &challenge, "passkey").await?;
            "passkey-over"
        }
        Proof::Wrong => {
            if challenge::refuse(&guest, tx, &challenge, "passkey").await? {
                return Ok(challenge::begin_again("failed"));
            }
            "passkey-wrong"
        }
    };
    Ok(code::show(&guest, &challenge, &way, &Problems::one("passkey", guest.reader.t(words))))
}
