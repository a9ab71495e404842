//! Another password, by whoever knows the one in use.

use std::sync::Arc;

use axum::{Form, extract::State, http::StatusCode, response::Response};
use serde::Deserialize;

use crate::{
    Console, ConsoleError, cookie,
    error::too_many,
    gate::At,
    limits::{CONFIRMATIONS_OF_USER, Spent},
    login::{hash, redirect, verify},
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

/// Whether somebody logged in knows the password; a page where they do not. A browser that was left open is not its owner.
pub(super) async fn confirm(
    console: &Console,
    person: &Person,
    password: String,
    now: time::OffsetDateTime,
) -> Result<Option<Response>, ConsoleError> {
    let whose = person.id.to_be_bytes();
    if let Spent::Refused { until } = CONFIRMATIONS_OF_USER.spend(console, &whose, now).await? {
        return Ok(Some(too_many(&person.reader, "login-limit", until, now)));
    }
    let stored =
        sqlx::query_scalar("SELECT password_hash FROM broadcast.users WHERE id = $1").bind(person.id);
    let stored: Option<String> = stored.fetch_one(console.store.pool()).await?;
    if verify(password, stored).await? {
        CONFIRMATIONS_OF_USER.forget(console, &whose).await?;
        return Ok(None);
    }
    let wrong = person.reader.t("change-wrong");
    page(console, person, now, StatusCode::UNPROCESSABLE_ENTITY, Some(&wrong)).await.map(Some)
}

/// `POST /account/password`. All sessions end with the old password; this browser gets a new one.
pub(super) async fn change(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Form(form): Form<Change>,
) -> Result<Response, ConsoleError> {
    if let Some(refused) = confirm(&console, &person, form.current, now).await? {
        return Ok(refused);
    }
    let hash = match hash(&console, person.id, form.new).await? {
        Ok(hash) => hash,
        Err(words) => {
            let wrong = person.reader.t(words);
            return page(&console, &person, now, StatusCode::UNPROCESSABLE_ENTITY, Some(&wrong)).await;
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
