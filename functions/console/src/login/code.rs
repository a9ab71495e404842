//! The second step: a code, from a text or an authenticator app.

use access::code::{self, Code, Verdict};
use axum::{Form, extract::Query, response::Response};
use maud::html;
use serde::Deserialize;
use time::OffsetDateTime;

use super::{
    challenge::{self, Challenge},
    guest::{Guest, Step},
    passkey, redirect,
    way::Way,
};
use crate::{
    Console, ConsoleError,
    limits::{CODES_OF_USER, TooMany},
    look::{Button, Field, Kind, Problems},
    person::Reader,
    phone, totp,
};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Entered {
    pub(super) code: String,
    pub(super) next: String,
}

/// `GET /login/code`.
pub(crate) async fn ask(guest: Guest, Query(way): Query<Way>) -> Result<Response, ConsoleError> {
    let Some((_, challenge)) = guest.challenge().await? else { return Ok(challenge::begin_again("ended")) };
    if challenge.target().is_none() {
        return Ok(redirect("/login/phone", way.next()));
    }
    Ok(show(&guest, &challenge, &way, &Problems::default()))
}

pub(super) fn show(guest: &Guest, challenge: &Challenge, way: &Way, problems: &Problems<'_>) -> Response {
    let reader = &guest.reader;
    // No text went out: whoever has neither asks for one.
    let by_app = challenge.expected.is_none() && challenge.totp.is_some();
    let by_passkey = challenge.expected.is_none() && !by_app && challenge.has_passkeys;
    let what_to_do = match challenge.target() {
        _ if by_app => reader.t("code-app"),
        _ if by_passkey => reader.t("code-passkey"),
        Some((_, ends)) => reader.t_with("code-sent", &[("ends", ends.as_str().into())]),
        None => String::new(),
    };
    let label = reader.t("code-label");
    let another_text = |key| guest.form("/login/code/text", way, &html! {}, (key, Button::Plain));
    let above = html! {
        p { (what_to_do) }
        @if challenge.has_passkeys { (passkey::offer(guest, way)) }
    };
    let below = html! {
        @if !by_passkey { (another_text(if by_app { "code-text-instead" } else { "code-again" })) }
        @if challenge.phone.is_none() { p { a href="/login/phone" { (reader.t("code-other-phone")) } } }
        @if challenge.has_recovery_codes { p { a href="/login/recovery" { (reader.t("code-recovery")) } } }
    };
    let code = Step {
        title: "code-title",
        above,
        action: "/login/code",
        fields: &[field(&label)],
        submit: ("code-submit", Button::Main),
        below,
    };
    let step = if by_passkey {
        Step {
            title: "passkey-use-title",
            action: "/login/code/text",
            fields: &[],
            submit: ("code-text-instead", Button::Plain),
            ..code
        }
    } else {
        code
    };
    guest.show(&step, way, problems)
}

/// The field for a code from a text or an app.
pub(crate) fn field(label: &str) -> Field<'_> {
    Field {
        autocomplete: "one-time-code",
        focus: true,
        ..Field::new("code", label, Kind::Digits(code::DIGITS))
    }
}

/// `POST /login/code`.
pub(crate) async fn check(guest: Guest, Form(form): Form<Entered>) -> Result<Response, ConsoleError> {
    let way = Way { next: form.next, ..Way::default() };
    let (reader, now) = (&guest.reader, guest.now);
    let Some((mut tx, challenge)) = guest.challenge().await? else {
        return Ok(challenge::begin_again("ended"));
    };
    let again = |words| Ok(show(&guest, &challenge, &way, &Problems::one("code", words)));
    let Some(code) = Code::parse(&form.code) else { return again(reader.t("code-malformed")) };
    spend(&guest.console, &challenge, now).await?;
    let (verdict, factor) = judge(&guest.console, &mut tx, &challenge, &code, now).await?;
    let words = match verdict {
        Verdict::Right => {
            let done = challenge::complete(&guest, tx, &challenge, &way, factor).await?;
            return Ok(done.unwrap_or_else(|| challenge::begin_again("ended")));
        }
        // Nobody guesses at a code that is over.
        Verdict::Expired => {
            challenge::note_refused(&guest, tx, &challenge, factor).await?;
            return again(reader.t("code-expired"));
        }
        Verdict::Wrong { ends_at } if challenge.expected.is_some() => wrong_text(reader, ends_at, now),
        Verdict::Wrong { .. } | Verdict::Failed => reader.t("code-wrong"),
    };
    if challenge::refuse(&guest, tx, &challenge, factor).await? {
        return Ok(challenge::begin_again("failed"));
    }
    again(words)
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
    now: OffsetDateTime,
) -> Result<(), ConsoleError> {
    let spent = CODES_OF_USER.spend(console, &challenge.user.to_be_bytes(), now).await;
    if let Err(ConsoleError::TooMany(TooMany { until, .. })) = spent {
        sqlx::query(
            "WITH locked AS (UPDATE broadcast.users SET locked_until = $2 WHERE id = $1 AND locked_until IS DISTINCT FROM $2 RETURNING id)
             INSERT INTO broadcast.notices (user_id, kind, at, due_at) SELECT id, 'locked', $3, $3 FROM locked",
        )
        .bind(challenge.user)
        .bind(until)
        .bind(now)
        .execute(console.store.pool())
        .await?;
    }
    spent.map(drop)
}

/// `POST /login/code/text`: a new code, or a text instead of the app.
pub(crate) async fn text(guest: Guest, Form(form): Form<Entered>) -> Result<Response, ConsoleError> {
    let way = Way { next: form.next, ..Way::default() };
    let Some((tx, challenge)) = guest.challenge().await? else { return Ok(challenge::begin_again("ended")) };
    tx.rollback().await?;
    let Some((sealed, _)) = challenge.target() else { return Ok(redirect("/login/phone", way.next())) };
    let text = challenge.text(sealed.clone(), &guest.reader, &guest.visitor);
    phone::send(&guest.console, &text, guest.now).await?;
    Ok(redirect("/login/code", way.next()))
}
