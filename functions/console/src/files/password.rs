use std::sync::Arc;

use axum::{Form, extract::State, http::Method, response::Response};
use maud::html;
use serde::Deserialize;

use super::{LOGINS, below_logins};
use crate::{
    Console, ConsoleError,
    look::{Button, Notice, Submit, form, link_button, notice, pairs, secret},
    member::Member,
    operate::Asked,
};

/// The form's number.
#[derive(Deserialize)]
pub(super) struct Once {
    once: String,
}

#[derive(Deserialize)]
struct Made {
    user: String,
    password: String,
}

/// `GET /files/logins/password`.
pub(super) async fn ask(member: Member) -> Response {
    let reader = &member.person.reader;
    let buttons = html! {
        (member.once())
        div.row {
            (Submit { text: &reader.t("password-make"), weight: Button::DangerMain }.render())
            (link_button(LOGINS, &reader.t("cancel"), Button::Plain))
        }
    };
    let content = html! {
        section.card {
            p { (reader.t("password-make-text")) }
            (form("/files/logins/password", &member.person.form_token, &buttons))
        }
    };
    let title = reader.t("password-make-title");
    below_logins(&member, &title).show(&content)
}

/// `POST /files/logins/password`: the one page that shows it. Sent again, the form shows the same password and makes no other.
pub(super) async fn make(
    State(console): State<Arc<Console>>,
    member: Member,
    Form(Once { once }): Form<Once>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let asked = Asked::to(Method::POST, &member.identity, "/v1/sftp-password").once(&once);
    let made: Made = console.operations.ask(asked).await?.read()?;
    let content = html! {
        (notice(Notice::Success, &html! { p { (reader.t("password-made-text")) } }))
        section.card {
            (pairs(&[(&reader.t("logins-user"), html! { code { (made.user) } })]))
            (secret(reader, "password", &made.password))
            div.row { (link_button(LOGINS, &reader.t("secret-kept"), Button::Main)) }
        }
    };
    let title = reader.t("password-made-title");
    Ok(below_logins(&member, &title).show(&content))
}
