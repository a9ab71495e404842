//! What a campaign mails: edited, and looked at with a real recipient's fields, masked.

use std::sync::Arc;

use access::Scope;
use axum::{
    Form,
    extract::{Path, Query, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use super::{
    data::{Preview, Template},
    one::{self, View},
};
use crate::{
    Console, ConsoleError,
    look::{Button, Field, Kind, Notice, Problems, Section, Submit, form, link_button, notice, pairs},
    member::Member,
    operate::{Asked, Refusal},
    page::Page,
    person::Reader,
};

/// A mail in its frame: its styles may stand in it, and its pictures come from wherever it says, so none are loaded. Scripts, forms and the
/// rest of the console are out of its reach (`sandbox`: it has an origin of its own, and no right).
const PREVIEW_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'self'";

/// What was entered.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Entered {
    from_name: String,
    from_address: String,
    locale: String,
    subject: String,
    preheader: String,
    html: String,
    text: String,
    /// The version that was read.
    version: String,
}

impl Entered {
    fn of(template: Template, version: String) -> Self {
        let Template { from_name, from_address, locale, subject, preheader, html, text, .. } = template;
        let (preheader, text) = (preheader.unwrap_or_default(), text.unwrap_or_default());
        Self { from_name, from_address, locale, subject, preheader, html, text, version }
    }

    fn document(&self) -> serde_json::Value {
        // Browsers send every line's end as two signs.
        let lines = |text: &str| text.replace("\r\n", "\n");
        let maybe = |text: &str| Some(lines(text)).filter(|text| !text.trim().is_empty());
        json!({
            "from_name": self.from_name.trim(),
            "from_address": self.from_address.trim(),
            "locale": if self.locale.trim().is_empty() { "en" } else { self.locale.trim() },
            "subject": self.subject.trim(),
            "preheader": maybe(&self.preheader),
            "html": lines(&self.html),
            "text": maybe(&self.text),
        })
    }
}

/// The newest template with its version, where there is one.
async fn newest(
    console: &Console,
    member: &Member,
    id: i64,
) -> Result<Option<(Template, String)>, ConsoleError> {
    match console.operations.ask(Asked::get(&member.identity, format!("/v1/campaigns/{id}/template"))).await {
        Ok(answer) => {
            let version =
                answer.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default();
            Ok(Some((answer.read()?, version.to_owned())))
        }
        Err(ConsoleError::Refused(refusal)) if refusal.code == "template_missing" => Ok(None),
        Err(error) => Err(error),
    }
}

/// `GET /campaigns/{id}/template`.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    let (entered, files) = match newest(&console, &member, id).await? {
        Some((mut template, version)) => {
            let files = std::mem::take(&mut template.files).into_iter().map(|file| file.name).collect();
            (Entered::of(template, version), files)
        }
        None => (
            Entered { locale: member.person.reader.language.tag().to_owned(), ..Entered::default() },
            Vec::new(),
        ),
    };
    edit(&console, &member, id, &entered, &files, &Problems::default()).await
}

async fn edit(
    console: &Console,
    member: &Member,
    id: i64,
    entered: &Entered,
    files: &[String],
    problems: &Problems<'_>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let campaign = one::load(console, member, id).await?;
    let may = campaign.is_open() && member.may(Scope::CampaignsWrite) && files.is_empty();
    let content = html! {
        (problems.render(reader))
        @if !files.is_empty() {
            (notice(Notice::Info, &html! { p { (reader.t("template-files")) } ul { @for file in files { li { (file) } } } }))
        }
        (form(&format!("/campaigns/{id}/template"), &member.person.form_token, &html! {
            input type="hidden" name="version" value=(entered.version);
            (fields(reader, entered, problems))
            div.row {
                @if may { (Submit { text: &reader.t("template-save"), weight: Button::Main }.render()) }
            }
        }))
    };
    let actions = html! {
        @if !entered.version.is_empty() && member.may(Scope::RecipientsRead) {
            (link_button(&format!("/campaigns/{id}/preview"), &reader.t("template-preview"), Button::Plain))
        }
    };
    let mut response = one::page(member, &campaign, View::Template, actions, &content);
    if !problems.0.is_empty() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

fn fields(reader: &Reader, entered: &Entered, problems: &Problems<'_>) -> Markup {
    let kinds = [
        ("from_name", Kind::Text, &entered.from_name, false),
        ("from_address", Kind::Email, &entered.from_address, true),
        ("locale", Kind::Text, &entered.locale, true),
        ("subject", Kind::Text, &entered.subject, true),
        ("preheader", Kind::Text, &entered.preheader, false),
        ("html", Kind::Area, &entered.html, true),
        ("text", Kind::Area, &entered.text, false),
    ];
    html! {
        @for (name, kind, value, required) in kinds {
            @let (label, hint) = (reader.t(&format!("template-{name}")), reader.t(&format!("template-{name}-hint")));
            (Field { value, hint: Some(&hint), required, ..Field::new(name, &label, kind) }.render(problems))
        }
    }
}

/// `POST /campaigns/{id}/template`. What was entered is there again when something is wrong with it, with part, line and field.
pub(super) async fn save(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
    Form(entered): Form<Entered>,
) -> Result<Response, ConsoleError> {
    let asked = Asked::to(Method::PUT, &member.identity, format!("/v1/campaigns/{id}/template"))
        .with(entered.document());
    let asked = if entered.version.is_empty() { asked } else { asked.of_version(&entered.version) };
    match console.operations.ask(asked).await {
        Ok(_) => Ok(Redirect::to(&format!("/campaigns/{id}/template")).into_response()),
        Err(ConsoleError::Refused(refusal))
            if refusal.is_of_the_form() || refusal.code == "version_changed" =>
        {
            let problems = Problems::one(field_of(&refusal), refusal.words(&member.person.reader));
            edit(&console, &member, id, &entered, &[], &problems).await
        }
        Err(error) => Err(error),
    }
}

/// Which field a refusal is about, or which part of the mail.
fn field_of(refusal: &Refusal) -> &'static str {
    const FIELDS: [&str; 6] = ["from_name", "from_address", "locale", "subject", "preheader", "text"];
    if refusal.code == "sender_domain" {
        return "from_address";
    }
    let part = || {
        let part = refusal.gap("part")?;
        FIELDS.into_iter().find(|name| *name == part)
    };
    refusal.field_among(FIELDS).or_else(part).unwrap_or("html")
}

/// Whose row.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Row {
    line: Option<i64>,
}

async fn rendered(console: &Console, member: &Member, id: i64, row: &Row) -> Result<Preview, ConsoleError> {
    let asked = Asked::to(Method::POST, &member.identity, format!("/v1/campaigns/{id}/template/preview"));
    console.operations.ask(asked.with(json!({"line": row.line, "masked": true}))).await?.read()
}

/// `GET /campaigns/{id}/preview`.
pub(super) async fn preview(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
    Query(row): Query<Row>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let campaign = one::load(&console, &member, id).await?;
    let shown = rendered(&console, &member, id, &row).await;
    let line = row.line.map(|line| line.to_string()).unwrap_or_default();
    let choose = html! {
        form.row method="get" action={ "/campaigns/" (id) "/preview" } {
            label for="line" { (reader.t("preview-line")) }
            input #line.short type="number" name="line" min="1" value=(line);
            button.button type="submit" { (reader.t("preview-show")) }
        }
    };
    let content = match shown {
        Ok(mail) => html! {
            (notice(Notice::Info, &html! { p { (reader.t("preview-masked")) } }))
            (choose)
            (pairs(&[
                (&reader.t("preview-line"), html! { (mail.line) }),
                (&reader.t("template-subject"), html! { (mail.subject) }),
            ]))
            iframe.mail title=(reader.t("preview-frame")) src={ "/campaigns/" (id) "/preview/mail?line=" (mail.line) } sandbox="" {}
            h2 { (reader.t("template-text")) }
            pre.mail tabindex="0" { (mail.text) }
        },
        Err(ConsoleError::Refused(refusal)) if refusal.is_of_the_form() => html! {
            (notice(Notice::Error, &html! { p { (refusal.words(reader)) } }))
            (choose)
        },
        Err(error) => return Err(error),
    };
    let title = reader.t("template-preview");
    let page = Page::new(&member.person, Section::Campaigns, &title).under(Section::Campaigns);
    Ok(page.below(&campaign.name, format!("/campaigns/{id}")).show(&content))
}

/// `GET /campaigns/{id}/preview/mail`: the HTML part, for the frame.
pub(super) async fn mail(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
    Query(row): Query<Row>,
) -> Result<Response, ConsoleError> {
    let mail = rendered(&console, &member, id, &row).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PREVIEW_POLICY)),
    ];
    Ok((headers, mail.html).into_response())
}
