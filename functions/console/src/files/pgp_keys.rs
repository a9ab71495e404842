use std::sync::Arc;

use axum::{
    Form,
    extract::{Path, State},
    http::Method,
    response::{IntoResponse, Redirect, Response},
};
use maud::html;
use serde::Deserialize;
use serde_json::json;

use super::{LOGINS, below_logins, logins::PgpKey};
use crate::{
    Console, ConsoleError,
    look::{Button, Choice, Field, Kind, Problems, Submit, ask as question, choices},
    member::Member,
    operate::{Asked, Listing},
    page::Asking,
};

const HERE: &str = "/files/logins/pgp-keys";
/// For what a key is handed in.
const PURPOSES: [&str; 2] = ["recipient", "signer"];

/// A key to be added.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct NewKey {
    purpose: String,
    public_key: String,
    once: String,
}

/// `GET /files/logins/pgp-keys`.
pub(super) async fn ask(member: Member) -> Response {
    show(&member, &NewKey { purpose: PURPOSES[0].to_owned(), ..NewKey::default() }, &Problems::default())
}

fn show(member: &Member, wanted: &NewKey, problems: &Problems<'_>) -> Response {
    let reader = &member.person.reader;
    let texts = ["pgp-key", "pgp-key-hint", "pgp-add"].map(|key| reader.t(key));
    let [key, key_hint, add] = &texts;
    let purposes = PURPOSES.map(|purpose| (purpose, reader.t(&format!("pgp-{purpose}"))));
    let purposes = purposes.each_ref().map(|(value, label)| Choice {
        value,
        label,
        hint: None,
        chosen: wanted.purpose == *value,
    });
    let key = Field {
        value: &wanted.public_key,
        hint: Some(key_hint),
        ..Field::new("public_key", key, Kind::Area)
    };
    let fields = html! {
        (member.once())
        (choices("purpose", &reader.t("purpose"), false, &purposes, problems))
        (key.render(problems))
    };
    let asking = Asking { action: HERE, fields: &fields, submit: add, back: LOGINS };
    below_logins(member, add).ask(&asking, problems)
}

/// `POST /files/logins/pgp-keys`.
pub(super) async fn add(
    State(console): State<Arc<Console>>,
    member: Member,
    Form(wanted): Form<NewKey>,
) -> Result<Response, ConsoleError> {
    let document = json!({"purpose": wanted.purpose, "public_key": wanted.public_key});
    let asked = Asked::to(Method::POST, &member.identity, "/v1/pgp-keys");
    match console.operations.ask(asked.with(document).once(&wanted.once)).await {
        Ok(_) => Ok(Redirect::to(LOGINS).into_response()),
        Err(ConsoleError::Refused(refusal)) if refusal.is_of_the_form() => {
            let field = if PURPOSES.contains(&wanted.purpose.as_str()) { "public_key" } else { "purpose" };
            Ok(show(&member, &wanted, &Problems::one(field, refusal.words(&member.person.reader))))
        }
        Err(error) => Err(error),
    }
}

/// `GET /files/logins/pgp-keys/{id}/remove`.
pub(super) async fn ask_remove(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let keys: Listing<PgpKey> = console.operations.look(&member.identity, "/v1/pgp-keys").await?;
    let key = keys
        .items
        .into_iter()
        .find(|key| key.id == id && key.purpose != "own")
        .ok_or(ConsoleError::NotFound)?;
    let what = html! {
        p { code.code { (key.fingerprint) } }
        p { (reader.t(&format!("pgp-{}-remove-text", key.purpose))) }
    };
    let yes = Submit { text: &reader.t("remove"), weight: Button::DangerMain };
    let content =
        question(reader, &format!("{HERE}/{id}/remove"), &member.person.form_token, &what, yes, LOGINS);
    Ok(below_logins(&member, &reader.t("pgp-remove-title")).show(&content))
}

/// `POST /files/logins/pgp-keys/{id}/remove`.
pub(super) async fn remove(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    console.operations.ask(Asked::to(Method::DELETE, &member.identity, format!("/v1/pgp-keys/{id}"))).await?;
    Ok(Redirect::to(LOGINS).into_response())
}
