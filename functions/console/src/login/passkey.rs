//! A passkey in the place of a code. It counts as a code does: wrong ones end the login, and too many of them lock the account for a time.

use std::sync::Arc;

use axum::{Form, extract::State, http::HeaderMap, http::StatusCode, response::Response};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    Console, ConsoleError,
    gate::{At, FormToken},
    look::Frame,
    passkey::{self, Proof, Question},
    person::Reader,
    record,
    visitor::Visitor,
};

use super::{
    challenge::{self, Purpose},
    code, redirect,
    way::Way,
};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Answered {
    answer: String,
    next: String,
}

/// The way to it from the page that asks for a code. The script shows it where the browser can.
pub(super) fn offer(reader: &Reader, form_token: &FormToken, way: &Way) -> Markup {
    html! {
        form method="post" action="/login/passkey" data-passkeys hidden {
            (form_token)
            (hidden(way))
            p { button.button type="submit" { (reader.t("passkey-use")) } }
        }
    }
}

fn hidden(way: &Way) -> Markup {
    html! { @if let Some(next) = way.next() { input type="hidden" name="next" value=(next); } }
}

/// `POST /login/passkey`: asks for one. It is an action, since the question is written down.
pub(crate) async fn ask(
    State(console): State<Arc<Console>>,
    At(now): At,
    reader: Reader,
    form_token: FormToken,
    headers: HeaderMap,
    Form(form): Form<Answered>,
) -> Result<Response, ConsoleError> {
    let way = Way { next: form.next, ..Way::default() };
    let mut tx = console.store.pool().begin().await?;
    let Some(challenge) = challenge::find(&mut tx, Purpose::Login, &headers, now).await? else {
        return Ok(challenge::begin_again("ended"));
    };
    if !challenge.has_passkeys {
        return Ok(redirect("/login/code", way.next()));
    }
    let owner = (challenge.id, challenge.user);
    let Some(options) = passkey::ask_any(&console, &mut tx, owner, now).await? else {
        return Ok(redirect("/login/code", way.next()));
    };
    tx.commit().await?;
    let (title, back) = (reader.t("passkey-use-title"), reader.t("passkey-code-instead"));
    let question = Question {
        action: "/login/passkey/check",
        method: "get",
        options: &options,
        hidden: hidden(&way),
        back: ("/login/code", &back),
    };
    let content = question.render(&reader, &form_token)?;
    Ok(Frame { reader: &reader, title: &title }.around(StatusCode::OK, &content))
}

/// `POST /login/passkey/check`.
pub(crate) async fn check(
    State(console): State<Arc<Console>>,
    At(now): At,
    reader: Reader,
    form_token: FormToken,
    visitor: Visitor,
    headers: HeaderMap,
    Form(form): Form<Answered>,
) -> Result<Response, ConsoleError> {
    let way = Way { next: form.next, ..Way::default() };
    let mut tx = console.store.pool().begin().await?;
    let Some(challenge) = challenge::find(&mut tx, Purpose::Login, &headers, now).await? else {
        return Ok(challenge::begin_again("ended"));
    };
    if !challenge.has_passkeys {
        return Ok(redirect("/login/code", way.next()));
    }
    if let Some(refused) = code::spend(&console, &challenge, &reader, now).await? {
        return Ok(refused);
    }
    let owner = (challenge.id, challenge.user);
    let proof = passkey::prove(&console, &mut tx, owner, &form.answer, now).await?;
    if proof == Proof::Right {
        let login = (&headers, &visitor, &way);
        let done = challenge::complete(&console, tx, &challenge, login, ("passkey", now)).await?;
        return Ok(done.unwrap_or_else(|| challenge::begin_again("ended")));
    }
    let is_over = proof == Proof::Wrong && challenge::note_wrong(&mut tx, &challenge, now).await?;
    let who = (challenge.tenant, Some(challenge.user));
    record::line(&mut tx, who, &visitor, "login", Some("passkey"), "refused", now).await?;
    tx.commit().await?;
    if is_over {
        return Ok(challenge::begin_again("failed"));
    }
    let words = if proof == Proof::Over { "passkey-over" } else { "passkey-wrong" };
    Ok(code::show(&reader, &form_token, &challenge, &way, Some(&reader.t(words))))
}
