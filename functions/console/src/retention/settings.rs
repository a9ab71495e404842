use std::sync::Arc;

use axum::{
    Form,
    extract::State,
    http::Method,
    response::{IntoResponse, Redirect, Response},
};
use maud::html;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Settings;
use crate::{
    Console, ConsoleError,
    look::{Field, Kind, Notice, Problems, Section, notice},
    member::Member,
    operate::Asked,
    page::{Asking, Page},
};

const HERE: &str = "/retention/settings";
/// A year, as the operation has it.
const HOURS_MAX: u64 = 8760;

/// The times as they are typed.
#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "as the settings are named everywhere")]
pub(super) struct Times {
    incoming_hours: String,
    finished_hours: String,
    invalids_hours: String,
    exports_hours: String,
    campaign_hours: String,
    cancelled_hours: String,
}

impl Times {
    fn of(settings: &Settings) -> Self {
        Self {
            incoming_hours: settings.incoming_hours.to_string(),
            finished_hours: settings.finished_hours.to_string(),
            invalids_hours: settings.invalids_hours.to_string(),
            exports_hours: settings.exports_hours.to_string(),
            campaign_hours: settings.campaign_hours.to_string(),
            cancelled_hours: settings.cancelled_hours.to_string(),
        }
    }

    /// Field, label's key (or the folder itself), value, and the least that is possible.
    fn fields(&self) -> [(&'static str, &'static str, &str, u64); 6] {
        [
            ("incoming_hours", "Incoming", &self.incoming_hours, 1),
            ("finished_hours", "Finished", &self.finished_hours, 1),
            ("invalids_hours", "Invalids", &self.invalids_hours, 1),
            ("exports_hours", "Exports", &self.exports_hours, 1),
            ("campaign_hours", "retention-campaign", &self.campaign_hours, 1),
            ("cancelled_hours", "retention-cancelled", &self.cancelled_hours, 0),
        ]
    }
}

/// `GET /retention/settings`.
pub(super) async fn ask(
    State(console): State<Arc<Console>>,
    member: Member,
) -> Result<Response, ConsoleError> {
    let settings: Settings = console.operations.look(&member.identity, "/v1/retention").await?;
    Ok(show(&member, &Times::of(&settings), &Problems::default()))
}

fn show(member: &Member, times: &Times, problems: &Problems<'_>) -> Response {
    let reader = &member.person.reader;
    let bounds = |min: u64| [("min", reader.number(min).into()), ("max", reader.number(HOURS_MAX).into())];
    let fields = times.fields().map(|(name, label, value, min)| {
        let label = if label.starts_with("retention") { reader.t(label) } else { label.to_owned() };
        let hint =
            reader.t_with(if min == 0 { "retention-hours-zero" } else { "retention-hours" }, &bounds(min));
        let kind = Kind::Number { min, max: HOURS_MAX };
        Field { value, hint: Some(&hint), ..Field::new(name, &label, kind) }.render(problems)
    });
    let fields = html! {
        (notice(Notice::Warning, &html! { p { (reader.t("retention-change-text")) } }))
        @for field in &fields { (field) }
    };
    let [title, submit] = ["retention-change", "retention-save"].map(|key| reader.t(key));
    let asking = Asking { action: HERE, fields: &fields, submit: &submit, back: "/retention" };
    Page::new(&member.person, Section::Retention, &title).under(Section::Retention).ask(&asking, problems)
}

/// `POST /retention/settings`.
pub(super) async fn change(
    State(console): State<Arc<Console>>,
    member: Member,
    Form(times): Form<Times>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let mut document = Map::new();
    let mut problems = Vec::new();
    for (name, _, value, _) in times.fields() {
        match value.trim().parse::<i32>() {
            Ok(hours) => drop(document.insert(name.to_owned(), json!(hours))),
            Err(_) => problems.push((name, reader.t("retention-hours-wrong"))),
        }
    }
    if !problems.is_empty() {
        return Ok(show(&member, &times, &Problems(problems)));
    }
    let asked = Asked::to(Method::PATCH, &member.identity, "/v1/retention").with(Value::Object(document));
    match console.operations.ask(asked).await {
        Ok(_) => Ok(Redirect::to("/retention").into_response()),
        Err(ConsoleError::Refused(refusal)) if refusal.is_of_the_form() => {
            let field =
                refusal.field_among(times.fields().map(|(name, ..)| name)).unwrap_or("incoming_hours");
            Ok(show(&member, &times, &Problems::one(field, refusal.words(reader))))
        }
        Err(error) => Err(error),
    }
}
