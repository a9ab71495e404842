//! For whoever has lost the phone: one of the codes on paper.

use access::recovery;
use axum::{Form, extract::Query, response::Response};
use maud::html;

use super::{
    challenge,
    code::{self, Entered},
    guest::{Guest, Step},
    way::Way,
};
use crate::{
    ConsoleError,
    look::{Button, Field, Kind, Problems},
    notice,
};

/// `GET /login/recovery`.
pub(crate) async fn ask(guest: Guest, Query(way): Query<Way>) -> Result<Response, ConsoleError> {
    if guest.challenge().await?.is_none() {
        return Ok(challenge::begin_again("ended"));
    }
    Ok(show(&guest, &way, &Problems::default()))
}

fn show(guest: &Guest, way: &Way, problems: &Problems<'_>) -> Response {
    let [why, label, back] =
        ["recovery-why", "recovery-label", "recovery-back"].map(|key| guest.reader.t(key));
    let step = Step {
        title: "recovery-title",
        above: html! { p { (why) } },
        action: "/login/recovery",
        fields: &[Field { focus: true, ..Field::new("code", &label, Kind::Text) }],
        submit: ("code-submit", Button::Main),
        below: html! { p { a href="/login/code" { (back) } } },
    };
    guest.show(&step, way, problems)
}

/// `POST /login/recovery`.
pub(crate) async fn check(guest: Guest, Form(form): Form<Entered>) -> Result<Response, ConsoleError> {
    let way = Way { next: form.next, ..Way::default() };
    let Guest { console, visitor, now, .. } = &guest;
    let Some((mut tx, challenge)) = guest.challenge().await? else {
        return Ok(challenge::begin_again("ended"));
    };
    code::spend(console, &challenge, *now).await?;
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
        notice::write(&mut tx, challenge.user, "recovery_code_used", Some(visitor), *now).await?;
        let done = challenge::complete(&guest, tx, &challenge, &way, "recovery code").await?;
        return Ok(done.unwrap_or_else(|| challenge::begin_again("ended")));
    }
    let is_over = challenge::refuse(&guest, tx, &challenge, "recovery code").await?;
    if is_over {
        return Ok(challenge::begin_again("failed"));
    }
    Ok(show(&guest, &way, &Problems::one("code", guest.reader.t("code-wrong"))))
}
