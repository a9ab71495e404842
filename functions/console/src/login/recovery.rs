//! For whoever has lost the phone: one of the codes on paper.

use std::sync::Arc;

use access::recovery;
use axum::{
    Form,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use maud::html;

use crate::{
    Console, ConsoleError,
    gate::{At, FormToken},
    look::Frame,
    notice,
    person::Reader,
    record,
    visitor::Visitor,
};

use super::{
    challenge::{self, Purpose},
    code::{self, Entered},
    password::problem,
    way::Way,
};

/// `GET /login/recovery`.
pub(crate) async fn ask(
    State(console): State<Arc<Console>>,
    At(now): At,
    reader: Reader,
    form_token: FormToken,
    headers: HeaderMap,
    Query(way): Query<Way>,
) -> Result<Response, ConsoleError> {
    let mut tx = console.store.pool().begin().await?;
    if challenge::find(&mut tx, Purpose::Login, &headers, now).await?.is_none() {
        return Ok(challenge::begin_again("ended"));
    }
    Ok(show(&reader, &form_token, &way, None))
}

fn show(reader: &Reader, form_token: &FormToken, way: &Way, wrong: Option<&str>) -> Response {
    let title = reader.t("recovery-title");
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let content = html! {
        p { (reader.t("recovery-why")) }
        (problem(wrong))
        form method="post" action="/login/recovery" {
            (form_token)
            @if let Some(next) = way.next() { input type="hidden" name="next" value=(next); }
            p {
                label for="code" { (reader.t("recovery-label")) }
                input #code type="text" name="code" autocomplete="off" autocapitalize="none" spellcheck="false" required maxlength="40"
                    aria-describedby=[wrong.map(|_| "problem")] autofocus;
            }
            p { button type="submit" { (reader.t("code-submit")) } }
        }
        p { a href="/login/code" { (reader.t("recovery-back")) } }
    };
    Frame { reader, title: &title }.around(status, &content)
}

/// `POST /login/recovery`.
pub(crate) async fn check(
    State(console): State<Arc<Console>>,
    At(now): At,
    reader: Reader,
    form_token: FormToken,
    visitor: Visitor,
    headers: HeaderMap,
    Form(form): Form<Entered>,
) -> Result<Response, ConsoleError> {
    let way = Way { next: form.next, ..Way::default() };
    let mut tx = console.store.pool().begin().await?;
    let Some(challenge) = challenge::find(&mut tx, Purpose::Login, &headers, now).await? else {
        return Ok(challenge::begin_again("ended"));
    };
    if let Some(refused) = code::spend(&console, &challenge, &reader, now).await? {
        return Ok(refused);
    }
    let taken = match recovery::hash(&console.master, challenge.user, &form.code) {
        // Of two logins with one code, one finds the row.
        Some(hash) => {
            sqlx::query("DELETE FROM broadcast.recovery_codes WHERE user_id = $1 AND code_hash = $2")
                .bind(challenge.user)
                .bind(&hash[..])
                .execute(&mut *tx)
                .await?
                .rows_affected()
        }
        None => 0,
    };
    if taken == 1 {
        notice::write(&mut tx, challenge.user, "recovery_code_used", Some(&visitor), now).await?;
        let login = (&headers, &visitor, &way);
        let done = challenge::complete(&console, tx, &challenge, login, ("recovery code", now)).await?;
        return Ok(done.unwrap_or_else(|| challenge::begin_again("ended")));
    }
    let is_over = challenge::note_wrong(&mut tx, &challenge, now).await?;
    let who = (challenge.tenant, Some(challenge.user));
    record::line(&mut tx, who, &visitor, "login", Some("recovery code"), "refused", now).await?;
    tx.commit().await?;
    if is_over {
        return Ok(challenge::begin_again("failed"));
    }
    Ok(show(&reader, &form_token, &way, Some(&reader.t("code-wrong"))))
}
