//! Launches: begun, paused, resumed, cancelled; and the end of a campaign. Each is asked about on a page of its own first.

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

use super::{
    data::{Accounting, Launch, Report},
    one,
};
use crate::{
    Console, ConsoleError,
    look::{
        Button, Choice, Field, Kind, Notice, Problems, Section, Submit, ask, choices, form, link_button,
        notice,
    },
    member::Member,
    operate::Asked,
    page::Page,
};

/// A week, as the operation has it.
const PACED_MINUTES_MAX: u64 = 7 * 24 * 60;

/// How a launch is wanted.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct NewLaunch {
    when: String,
    starts_at: String,
    paced_minutes: String,
    once: String,
}

/// `GET /campaigns/{id}/launch`.
pub(super) async fn form_of(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    let wanted = NewLaunch { when: "now".to_owned(), ..NewLaunch::default() };
    page(&console, &member, id, &wanted, &Problems::default()).await
}

async fn page(
    console: &Console,
    member: &Member,
    id: i64,
    wanted: &NewLaunch,
    problems: &Problems<'_>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let campaign = one::load(console, member, id).await?;
    let report: Report =
        console.operations.look(&member.identity, format!("/v1/campaigns/{id}/report")).await?;
    let (now, later, at, pace, pace_hint, at_hint) = (
        reader.t("launch-now"),
        reader.t("launch-later"),
        reader.t("launch-at"),
        reader.t("launch-pace"),
        reader.t("launch-pace-hint"),
        reader.t_with("launch-at-hint", &[("zone", reader.zone_name().into())]),
    );
    let when = [
        Choice { value: "now", label: &now, hint: None, chosen: wanted.when != "later" },
        Choice { value: "later", label: &later, hint: None, chosen: wanted.when == "later" },
    ];
    let starts_at = Field {
        value: &wanted.starts_at,
        hint: Some(&at_hint),
        required: false,
        ..Field::new("starts_at", &at, Kind::Moment)
    };
    let paced = Field {
        value: &wanted.paced_minutes,
        hint: Some(&pace_hint),
        required: false,
        ..Field::new("paced_minutes", &pace, Kind::Number { min: 1, max: PACED_MINUTES_MAX })
    };
    let content = html! {
        (problems.render(reader))
        @if let Some(accounting) = &report.accounting { (whom(reader, accounting)) }
        (form(&format!("/campaigns/{id}/launch"), &member.person.form_token, &html! {
            (member.once())
            (choices("when", &reader.t("launch-when"), false, &when, problems))
            (starts_at.render(problems))
            (paced.render(problems))
            div.row {
                (Submit { text: &reader.t("launch"), weight: Button::Main }.render())
                (link_button(&format!("/campaigns/{id}/test-mails"), &reader.t("view-test-mails"), Button::Plain))
                (link_button(&format!("/campaigns/{id}"), &reader.t("cancel"), Button::Plain))
            }
        }))
    };
    let title = reader.t("launch-title");
    let shown = Page::new(&member.person, Section::Campaigns, &title).under(Section::Campaigns);
    Ok(shown.below(&campaign.name, format!("/campaigns/{id}")).status(problems.status()).show(&content))
}

/// Whom it mails, as far as that is known.
fn whom(reader: &crate::person::Reader, accounting: &Accounting) -> maud::Markup {
    let again = ["cancelled", "expired", "failed"].iter().map(|state| accounting.mails(state)).sum::<u64>();
    let people = u64::try_from(accounting.unlaunched).unwrap_or(0) + again;
    notice(
        if people == 0 { Notice::Warning } else { Notice::Info },
        &html! { p { (reader.counted("launch-people", people)) } },
    )
}

/// `POST /campaigns/{id}/launch`.
pub(super) async fn launch(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
    Form(wanted): Form<NewLaunch>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let mut document = Map::new();
    if wanted.when == "later" {
        let Some(at) = reader.moment(&wanted.starts_at) else {
            let problems = Problems::one("starts_at", reader.t("launch-at-wrong"));
            return page(&console, &member, id, &wanted, &problems).await;
        };
        document.insert("starts_at".to_owned(), json!(at));
    }
    if !wanted.paced_minutes.trim().is_empty() {
        let Ok(minutes) = wanted.paced_minutes.trim().parse::<i32>() else {
            let problems = Problems::one("paced_minutes", reader.t("launch-pace-wrong"));
            return page(&console, &member, id, &wanted, &problems).await;
        };
        document.insert("paced_minutes".to_owned(), json!(minutes));
    }
    let asked = Asked::to(Method::POST, &member.identity, format!("/v1/campaigns/{id}/launches"));
    match console.operations.ask(asked.with(Value::Object(document)).once(&wanted.once)).await {
        Ok(_) => Ok(back(id)),
        Err(ConsoleError::Refused(refusal)) if refusal.is_of_the_form() => {
            let field = refusal.field_among(["paced_minutes"]).unwrap_or("when");
            page(&console, &member, id, &wanted, &Problems::one(field, refusal.words(reader))).await
        }
        Err(error) => Err(error),
    }
}

fn back(campaign: i64) -> Response {
    Redirect::to(&format!("/campaigns/{campaign}")).into_response()
}

/// What may be done about a launch: the path's last part, the operation's, and whether it can be taken back.
const DEEDS: [(&str, &str, Button); 3] = [
    ("pause", "pause", Button::Main),
    ("resume", "resume", Button::Main),
    ("cancel", "cancellation", Button::DangerMain),
];

fn deed(name: &str) -> Result<(&'static str, &'static str, Button), ConsoleError> {
    DEEDS.into_iter().find(|(known, ..)| *known == name).ok_or(ConsoleError::NotFound)
}

/// `GET /campaigns/{id}/launches/{launch}/{deed}`.
pub(super) async fn ask_deed(
    State(console): State<Arc<Console>>,
    member: Member,
    Path((id, launch, name)): Path<(i64, i64, String)>,
) -> Result<Response, ConsoleError> {
    let (name, _, weight) = deed(&name)?;
    let reader = &member.person.reader;
    let campaign = one::load(&console, &member, id).await?;
    let launch: Launch = console.operations.look(&member.identity, format!("/v1/launches/{launch}")).await?;
    let what = html! { p { (reader.t(&format!("launch-{name}-text"))) } };
    let yes = Submit { text: &reader.t(&format!("launch-{name}")), weight };
    let action = format!("/campaigns/{id}/launches/{}/{name}", launch.id);
    let content = ask(reader, &action, &member.person.form_token, &what, yes, &format!("/campaigns/{id}"));
    let title = reader.t(&format!("launch-{name}-title"));
    let page = Page::new(&member.person, Section::Campaigns, &title).under(Section::Campaigns);
    Ok(page.below(&campaign.name, format!("/campaigns/{id}")).show(&content))
}

/// `POST /campaigns/{id}/launches/{launch}/{deed}`. Done twice it is done once: what is paused is paused.
pub(super) async fn do_deed(
    State(console): State<Arc<Console>>,
    member: Member,
    Path((id, launch, name)): Path<(i64, i64, String)>,
) -> Result<Response, ConsoleError> {
    let (_, operation, _) = deed(&name)?;
    console
        .operations
        .ask(Asked::to(Method::POST, &member.identity, format!("/v1/launches/{launch}/{operation}")))
        .await?;
    Ok(back(id))
}

/// `GET /campaigns/{id}/delete`.
pub(super) async fn ask_delete(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let campaign = one::load(&console, &member, id).await?;
    let what = html! { p { (reader.t("campaign-delete-text")) } };
    let yes = Submit { text: &reader.t("campaign-delete"), weight: Button::DangerMain };
    let path = format!("/campaigns/{id}");
    let content = ask(reader, &format!("{path}/delete"), &member.person.form_token, &what, yes, &path);
    let title = reader.t("campaign-delete-title");
    Ok(Page::new(&member.person, Section::Campaigns, &title)
        .under(Section::Campaigns)
        .below(&campaign.name, path)
        .show(&content))
}

/// `POST /campaigns/{id}/delete`.
pub(super) async fn delete(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    console
        .operations
        .ask(Asked::to(Method::POST, &member.identity, format!("/v1/campaigns/{id}/deletion")))
        .await?;
    Ok(back(id))
}
