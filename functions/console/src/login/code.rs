//! The second step: a code, from a text or an authenticator app.

use std::sync::Arc;

use access::code::{Code, Verdict};
use axum::{
    Form,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use maud::html;
use serde::Deserialize;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError,
    error::too_many,
    gate::{At, FormToken},
    limits::{CODES_OF_USER, Spent},
    look::Frame,
    person::Reader,
    phone::{self, Sent, Text},
    record, totp,
    visitor::Visitor,
};

use super::{
    challenge::{self, Challenge, Purpose},
    passkey,
    password::problem,
    redirect,
    way::Way,
};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Entered {
    pub(super) code: String,
    pub(super) next: String,
}

/// `GET /login/code`.
pub(crate) async fn ask(
    State(console): State<Arc<Console>>,
    At(now): At,
    reader: Reader,
    form_token: FormToken,
    headers: HeaderMap,
    Query(way): Query<Way>,
) -> Result<Response, ConsoleError> {
    let mut tx = console.store.pool().begin().await?;
    let Some(challenge) = challenge::find(&mut tx, Purpose::Login, &headers, now).await? else {
        return Ok(challenge::begin_again("ended"));
    };
    if challenge.target().is_none() {
        return Ok(redirect("/login/phone", way.next()));
    }
    Ok(show(&reader, &form_token, &challenge, &way, None))
}

pub(super) fn show(
    reader: &Reader,
    form_token: &FormToken,
    challenge: &Challenge,
    way: &Way,
    wrong: Option<&str>,
) -> Response {
    let title = reader.t("code-title");
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let ends = challenge.target().map_or("", |(_, ends)| ends);
    let by_app = challenge.expected.is_none() && challenge.totp.is_some();
    // No text went out: whoever has no script or no passkey at hand asks for one.
    let by_passkey = challenge.expected.is_none() && !by_app && challenge.has_passkeys;
    let next = html! { @if let Some(next) = way.next() { input type="hidden" name="next" value=(next); } };
    let content = html! {
        @if by_app { p { (reader.t("code-app")) } }
        @else if by_passkey { p { (reader.t("code-passkey")) } }
        @else { p { (reader.t_with("code-sent", &[("ends", ends.into())])) } }
        (problem(wrong))
        @if challenge.has_passkeys { (passkey::offer(reader, form_token, way)) }
        @if !by_passkey { form method="post" action="/login/code" {
            (form_token) (next)
            p {
                label for="code" { (reader.t("code-label")) }
                input #code type="text" name="code" autocomplete="one-time-code" inputmode="numeric" required maxlength="12"
                    aria-describedby=[wrong.map(|_| "problem")] autofocus;
            }
            p { button type="submit" { (reader.t("code-submit")) } }
        } }
        form method="post" action="/login/code/text" {
            (form_token) (next)
            p { button.quiet type="submit" { (reader.t(if by_app || by_passkey { "code-text-instead" } else { "code-again" })) } }
        }
        @if challenge.phone.is_none() { p { a href="/login/phone" { (reader.t("code-other-phone")) } } }
        @if challenge.has_recovery_codes { p { a href="/login/recovery" { (reader.t("code-recovery")) } } }
    };
    Frame { reader, title: &title }.around(status, &content)
}

/// `POST /login/code`.
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
    let Some(code) = Code::parse(&form.code) else {
        return Ok(show(&reader, &form_token, &challenge, &way, Some(&reader.t("code-malformed"))));
    };
    if let Some(refused) = spend(&console, &challenge, &reader, now).await? {
        return Ok(refused);
    }
    let (verdict, factor) = judge(&console, &mut tx, &challenge, &code, now).await?;
    let words = match verdict {
        Verdict::Right => {
            let login = (&headers, &visitor, &way);
            let done = challenge::complete(&console, tx, &challenge, login, (factor, now)).await?;
            return Ok(done.unwrap_or_else(|| challenge::begin_again("ended")));
        }
        Verdict::Expired => reader.t("code-expired"),
        Verdict::Wrong { ends_at } if challenge.expected.is_some() => wrong_text(&reader, ends_at, now),
        Verdict::Wrong { .. } | Verdict::Failed => reader.t("code-wrong"),
    };
    let is_over = verdict != Verdict::Expired && challenge::note_wrong(&mut tx, &challenge, now).await?;
    let who = (challenge.tenant, Some(challenge.user));
    record::line(&mut tx, who, &visitor, "login", Some(factor), "refused", now).await?;
    tx.commit().await?;
    if is_over {
        return Ok(challenge::begin_again("failed"));
    }
    Ok(show(&reader, &form_token, &challenge, &way, Some(&words)))
}

pub(crate) fn wrong_text(reader: &Reader, ends_at: OffsetDateTime, now: OffsetDateTime) -> String {
    let seconds = (ends_at - now).whole_seconds();
    if seconds <= 0 {
        return reader.t("code-wrong-over");
    }
    let minutes = seconds.unsigned_abs().div_ceil(60);
    reader.t_with("code-wrong-left", &[("minutes", i64::try_from(minutes).unwrap_or(i64::MAX).into())])
}

/// A text's code where one was sent, an app's otherwise; and which it was.
async fn judge(
    console: &Console,
    tx: &mut sqlx::PgConnection,
    challenge: &Challenge,
    code: &Code,
    now: OffsetDateTime,
) -> Result<(Verdict, &'static str), ConsoleError> {
    if let Some(expected) = &challenge.expected {
        return Ok((expected.judge(&code.hash(&console.master, challenge.id), now), "text"));
    }
    let Some((sealed, last_used)) = &challenge.totp else { return Ok((Verdict::Expired, "text")) };
    let step = totp::open(console, challenge.user, sealed.clone())?.step(code.digits(), *last_used, now);
    let is_right = match step {
        // Two logins with one code: the second finds the step used.
        Some(step) => totp::use_step(tx, challenge.user, step).await?,
        None => false,
    };
    Ok((if is_right { Verdict::Right } else { Verdict::Wrong { ends_at: now } }, "app"))
}

/// Counts a code of the user, over all logins. The last one locks the account for the rest of the time.
pub(crate) async fn spend(
    console: &Console,
    challenge: &Challenge,
    reader: &Reader,
    now: OffsetDateTime,
) -> Result<Option<Response>, ConsoleError> {
    match CODES_OF_USER.spend(console, &challenge.user.to_be_bytes(), now).await? {
        Spent::Allowed { .. } => Ok(None),
        Spent::Refused { until } => {
            sqlx::query(
                "WITH locked AS (UPDATE broadcast.users SET locked_until = $2 WHERE id = $1 AND locked_until IS DISTINCT FROM $2 RETURNING id)
                 INSERT INTO broadcast.notices (user_id, kind, at, due_at) SELECT id, 'locked', $3, $3 FROM locked",
            )
            .bind(challenge.user)
            .bind(until)
            .bind(now)
            .execute(console.store.pool())
            .await?;
            Ok(Some(too_many(reader, "login-limit", until, now)))
        }
    }
}

/// `POST /login/code/text`: a new code, or a text instead of the app.
pub(crate) async fn text(
    State(console): State<Arc<Console>>,
    At(now): At,
    reader: Reader,
    visitor: Visitor,
    headers: HeaderMap,
    Form(form): Form<Entered>,
) -> Result<Response, ConsoleError> {
    let way = Way { next: form.next, ..Way::default() };
    let mut tx = console.store.pool().begin().await?;
    let Some(challenge) = challenge::find(&mut tx, Purpose::Login, &headers, now).await? else {
        return Ok(challenge::begin_again("ended"));
    };
    tx.rollback().await?;
    let Some((sealed, _)) = challenge.target() else { return Ok(redirect("/login/phone", way.next())) };
    let text = Text {
        challenge: challenge.id,
        user: challenge.user,
        tenant: challenge.tenant,
        wrong: challenge.wrong,
        phone_sealed: sealed.clone(),
        reader: &reader,
        visitor: &visitor,
    };
    Ok(match phone::send(&console, &text, now).await? {
        Sent::OnItsWay => redirect("/login/code", way.next()),
        Sent::TooMany(until) => too_many(&reader, "text-limit", until, now),
        Sent::DayFull(until) => too_many(&reader, "text-day", until, now),
    })
}
