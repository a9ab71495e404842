use std::sync::Arc;

use axum::{
    Form,
    extract::{Path, State},
    http::Method,
    response::{IntoResponse, Redirect, Response},
};
use maud::html;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{LOGINS, below_logins, logins::SshKey};
use crate::{
    Console, ConsoleError,
    look::{Button, Field, Kind, Problems, Submit, ask as question},
    member::Member,
    operate::{Asked, Listing},
    page::Asking,
};

const HERE: &str = "/files/logins/ssh-keys";

/// A key to be added.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct NewKey {
    public_key: String,
    sources: String,
    expires_at: String,
    once: String,
}

/// `GET /files/logins/ssh-keys`.
pub(super) async fn ask(member: Member) -> Response {
    show(&member, &NewKey::default(), &Problems::default())
}

fn show(member: &Member, wanted: &NewKey, problems: &Problems<'_>) -> Response {
    let reader = &member.person.reader;
    let texts = ["ssh-key", "ssh-key-hint", "sources", "sources-hint", "expires", "expires-hint", "ssh-add"]
        .map(|key| reader.t(key));
    let [key, key_hint, sources, sources_hint, expires, expires_hint, add] = &texts;
    let key = Field {
        value: &wanted.public_key,
        hint: Some(key_hint),
        ..Field::new("public_key", key, Kind::Area)
    };
    let sources = Field {
        value: &wanted.sources,
        hint: Some(sources_hint),
        required: false,
        ..Field::new("sources", sources, Kind::Text)
    };
    let expires = Field {
        value: &wanted.expires_at,
        hint: Some(expires_hint),
        required: false,
        ..Field::new("expires_at", expires, Kind::Moment)
    };
    let fields = html! {
        (member.once())
        (key.render(problems))
        (sources.render(problems))
        (expires.render(problems))
    };
    let asking = Asking { action: HERE, fields: &fields, submit: add, back: LOGINS };
    below_logins(member, add).ask(&asking, problems)
}

/// Networks as people list them.
pub(crate) fn listed(text: &str) -> Vec<&str> {
    text.split([',', ';', ' ', '\n', '\r', '\t']).filter(|part| !part.is_empty()).collect()
}

/// `POST /files/logins/ssh-keys`.
pub(super) async fn add(
    State(console): State<Arc<Console>>,
    member: Member,
    Form(wanted): Form<NewKey>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let mut document = Map::new();
    document.insert("public_key".to_owned(), json!(wanted.public_key.trim()));
    document.insert("sources".to_owned(), json!(listed(&wanted.sources)));
    if !wanted.expires_at.trim().is_empty() {
        let Some(end) = reader.moment(&wanted.expires_at) else {
            return Ok(show(&member, &wanted, &Problems::one("expires_at", reader.t("expires-wrong"))));
        };
        document.insert("expires_at".to_owned(), json!(end));
    }
    let asked = Asked::to(Method::POST, &member.identity, "/v1/ssh-keys");
    match console.operations.ask(asked.with(Value::Object(document)).once(&wanted.once)).await {
        Ok(_) => Ok(Redirect::to(LOGINS).into_response()),
        Err(ConsoleError::Refused(refusal)) if refusal.is_of_the_form() => {
            let field = refusal.field_among(["sources", "expires_at"]).unwrap_or("public_key");
            Ok(show(&member, &wanted, &Problems::one(field, refusal.words(reader))))
        }
        Err(error) => Err(error),
    }
}

/// `GET /files/logins/ssh-keys/{id}/remove`.
pub(super) async fn ask_remove(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let keys: Listing<SshKey> = console.operations.look(&member.identity, "/v1/ssh-keys").await?;
    let key = keys.items.into_iter().find(|key| key.id == id).ok_or(ConsoleError::NotFound)?;
    let what = html! { p { code.code { (key.fingerprint) } } p { (reader.t("ssh-remove-text")) } };
    let yes = Submit { text: &reader.t("remove"), weight: Button::DangerMain };
    let action = format!("{HERE}/{id}/remove");
    let content = question(reader, &action, &member.person.form_token, &what, yes, LOGINS);
    Ok(below_logins(&member, &reader.t("ssh-remove-title")).show(&content))
}

/// `POST /files/logins/ssh-keys/{id}/remove`.
pub(super) async fn remove(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    console.operations.ask(Asked::to(Method::DELETE, &member.identity, format!("/v1/ssh-keys/{id}"))).await?;
    Ok(Redirect::to(LOGINS).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_listed_in_any_way() {
        for (text, expected) in [
            ("", &[][..]),
            (" \n", &[]),
            ("192.0.2.0/24", &["192.0.2.0/24"]),
            ("192.0.2.1, 2001:db8::/32\r\n198.51.100.7", &["192.0.2.1", "2001:db8::/32", "198.51.100.7"]),
        ] {
            assert_eq!(listed(text), expected, "{text}");
        }
    }
}
