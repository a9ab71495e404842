//! Another password, by whoever knows the one in use.

use std::sync::Arc;

use axum::{Form, extract::State, response::Response};
use serde::Deserialize;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError, cookie,
    gate::At,
    limits::CONFIRMATIONS_OF_USER,
    login::{hash, redirect, verify},
    look::Problems,
    notice,
    person::Person,
    record, session,
    visitor::Visitor,
};

use super::page;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Change {
    current: String,
    new: String,
}

/// Whether somebody logged in knows the password. A browser that was left open is not its owner.
pub(super) async fn confirm(
    console: &Console,
    person: &Person,
    password: String,
    now: OffsetDateTime,
) -> Result<bool, ConsoleError> {
    let whose = person.id.to_be_bytes();
    CONFIRMATIONS_OF_USER.spend(console, &whose, now).await?;
    let stored =
        sqlx::query_scalar("SELECT password_hash FROM broadcast.users WHERE id = $1").bind(person.id);
    let stored: Option<String> = stored.fetch_one(console.store.pool()).await?;
    let is_right = verify(password, stored).await?;
    if is_right {
        CONFIRMATIONS_OF_USER.forget(console, &whose).await?;
    }
    Ok(is_right)
}

/// What whoever does not know it reads, beside this field.
pub(super) fn unconfirmed<'a>(person: &Person, field: &'a str) -> Problems<'a> {
    Problems::one(field, person.reader.t("change-wrong"))
}

/// `POST /account/password`. All sessions end with the old password; this browser gets a new one.
pub(super) async fn change(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Form(form): Form<Change>,
) -> Result<Response, ConsoleError> {
    if !confirm(&console, &person, form.current, now).await? {
        return page(&console, &person, now, &unconfirmed(&person, "current")).await;
    }
    let hash = match hash(&console, person.id, form.new).await? {
        Ok(hash) => hash,
        Err(words) => {
            return page(&console, &person, now, &Problems::one("new", person.reader.t(words))).await;
        }
    };
    let mut tx = console.store.pool().begin().await?;
    // A trigger ends the sessions with it.
    sqlx::query("UPDATE broadcast.users SET password_hash = $2 WHERE id = $1")
        .bind(person.id)
        .bind(&hash)
        .execute(&mut *tx)
        .await?;
    // So does a link to choose one.
    sqlx::query("DELETE FROM broadcast.password_links WHERE user_id = $1")
        .bind(person.id)
        .execute(&mut *tx)
        .await?;
    let token = session::renew(&mut tx, &person, &visitor, now).await?;
    notice::write(&mut tx, person.id, "password_changed", Some(&visitor), now).await?;
    record::of_person(&mut tx, &person, &visitor, "change_password", None, now).await?;
    tx.commit().await?;
    let mut response = redirect("/account", None);
    cookie::SESSION.set(&mut response, &token);
    Ok(response)
}
