//! Single people: what is held of one (GDPR, article 15), and its deletion (article 17). An address is typed into a form and stands in no
//! address of a page: those stand in logs and histories.

use std::{collections::BTreeMap, sync::Arc};

use access::Scope;
use axum::{
    Form, Router,
    extract::State,
    http::Method,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError,
    gate::At,
    look::{
        Button, Choice, Column, Field, Kind, Notice, Problems, Section, Submit, Table, Tone, badge, choices,
        form, notice, pairs,
    },
    member::Member,
    operate::{Asked, Listing},
    page::Page,
    person::Reader,
};

/// Erasures that the page shows.
const ERASURES: usize = 25;

/// The area's routes; who reaches each stands in the gate.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/recipients", get(show))
        .route("/recipients/access", post(access_to))
        .route("/recipients/erasure", post(erase))
}

#[derive(Deserialize)]
struct Erasure {
    id: i64,
    #[serde(with = "time::serde::rfc3339")]
    asked_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    done_at: Option<OffsetDateTime>,
    rows: u64,
    mails: u64,
    #[serde(with = "time::serde::rfc3339::option")]
    files_until: Option<OffsetDateTime>,
}

#[derive(Deserialize)]
struct Held {
    suppressed: Option<Suppressed>,
    campaigns: Vec<HeldCampaign>,
}

#[derive(Deserialize)]
struct Suppressed {
    reason: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

#[derive(Deserialize)]
struct HeldCampaign {
    campaign: i64,
    name: String,
    rows: Vec<HeldRow>,
    mail: Option<HeldMail>,
    proofs: Vec<HeldProof>,
}

#[derive(Deserialize)]
struct HeldRow {
    import: i64,
    line: i64,
    address: String,
    recipient_key: Option<String>,
    fields: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct HeldProof {
    address: String,
    fields: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct HeldMail {
    state: String,
    reply: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    changed_at: OffsetDateTime,
    responses: Vec<HeldResponse>,
}

#[derive(Deserialize)]
struct HeldResponse {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    kind: String,
    actor: String,
    diagnostic: Option<String>,
}

/// `GET /recipients`.
async fn show(
    State(console): State<Arc<Console>>,
    member: Member,
    At(now): At,
) -> Result<Response, ConsoleError> {
    page(&console, &member, now, "", &Problems::default()).await
}

async fn page(
    console: &Console,
    member: &Member,
    now: OffsetDateTime,
    address: &str,
    problems: &Problems<'_>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let erases = member.may(Scope::RecipientsErase);
    let erasures: Option<Listing<Erasure>> = if erases {
        Some(console.operations.look(&member.identity, format!("/v1/erasures?limit={ERASURES}")).await?)
    } else {
        None
    };
    let content = html! {
        (problems.render(reader))
        div.cards {
            section.card {
                h2 { (reader.t("access-title")) }
                p { (reader.t("access-text")) }
                (form("/recipients/access", &member.person.form_token, &html! {
                    (Field { value: address, ..Field::new("address", &reader.t("address"), Kind::Email) }.render(problems))
                    (Submit { text: &reader.t("access-show"), weight: Button::Main }.render())
                }))
            }
            @if erases { (erasure_form(member, problems)) }
        }
        @if let Some(erasures) = erasures {
            section.stack {
                h2 { (reader.t("erasures-title")) }
                @if erasures.items.is_empty() { p { (reader.t("erasures-none")) } } @else { (table(reader, &erasures.items, now)) }
            }
        }
    };
    Ok(Page::new(&member.person, Section::Recipients, &reader.t("section-recipients"))
        .status(problems.status())
        .show(&content))
}

/// It has a field of another name than the form beside it: no two have one id. The box is what a page of its own would ask, which would have the
/// address to carry.
fn erasure_form(member: &Member, problems: &Problems<'_>) -> Markup {
    let reader = &member.person.reader;
    let sure = reader.t("erasure-sure");
    let sure = [Choice { value: "yes", label: &sure, hint: None, chosen: false }];
    let fields = html! {
        (member.once())
        (Field::new("person", &reader.t("address"), Kind::Email).render(problems))
        (choices("sure", &reader.t("erasure-meant"), true, &sure, problems))
        (Submit { text: &reader.t("erasure-begin"), weight: Button::Danger }.render())
    };
    html! {
        section.card {
            h2 { (reader.t("erasure-title")) }
            p { (reader.t("erasure-text")) }
            (form("/recipients/erasure", &member.person.form_token, &fields))
        }
    }
}

fn table(reader: &Reader, erasures: &[Erasure], now: OffsetDateTime) -> Markup {
    let heads =
        ["erasure-number", "state", "erasure-asked", "erasure-rows", "erasure-mails", "erasure-files"]
            .map(|key| reader.t(key));
    let [number, state, asked, rows, mails, files] = &heads;
    let columns = [
        Column::short(number),
        Column::short(state),
        Column::short(asked),
        Column::number(rows),
        Column::number(mails),
        Column::short(files),
    ];
    let lines = erasures.iter().map(|erasure| {
        let state = match erasure.done_at {
            Some(_) => badge(Tone::Good, &reader.t("erasure-done")),
            None => badge(Tone::Busy, &reader.t("erasure-under-way")),
        };
        vec![
            html! { (erasure.id) },
            state,
            reader.relative(erasure.asked_at, now),
            html! { (reader.number(erasure.rows)) },
            html! { (reader.number(erasure.mails)) },
            html! { @if let Some(until) = erasure.files_until { (reader.time(until)) } @else { "–" } },
        ]
    });
    let caption = reader.t("erasures-title");
    Table { caption: &caption, caption_hidden: true, columns: &columns, rows: lines.collect(), total: None }
        .render()
}

/// Whose data is asked for.
#[derive(Deserialize)]
struct Wanted {
    address: String,
}

/// `POST /recipients/access`. Only looks, and so is no form's deed; a POST, because of the address.
async fn access_to(
    State(console): State<Arc<Console>>,
    member: Member,
    At(now): At,
    Form(wanted): Form<Wanted>,
) -> Result<Response, ConsoleError> {
    let address = wanted.address.trim();
    let asked = Asked::to(Method::POST, &member.identity, "/v1/recipients/access");
    let held: Held = match console.operations.ask(asked.with(json!({"address": address}))).await {
        Ok(answer) => answer.read()?,
        Err(ConsoleError::Refused(refusal)) if refusal.is_of_the_form() => {
            return page(
                &console,
                &member,
                now,
                address,
                &Problems::one("address", refusal.words(&member.person.reader)),
            )
            .await;
        }
        Err(error) => return Err(error),
    };
    let reader = &member.person.reader;
    let content = html! {
        p { (reader.t("held-of")) " " strong { (address) } }
        @if let Some(suppressed) = &held.suppressed {
            (notice(Notice::Info, &html! {
                p { (reader.t(&format!("suppressed-{}", suppressed.reason))) " " (reader.time(suppressed.created_at)) }
            }))
        }
        @if held.campaigns.is_empty() { p { (reader.t("held-nothing")) } }
        @for campaign in &held.campaigns { (held_by(reader, campaign)) }
        p.quiet { (reader.t("held-files")) }
    };
    let title = reader.t("access-title");
    Ok(Page::new(&member.person, Section::Recipients, &title).under(Section::Recipients).show(&content))
}

fn held_by(reader: &Reader, held: &HeldCampaign) -> Markup {
    html! {
        section.card {
            h2 { (reader.t("campaign")) " " a href={ "/campaigns/" (held.campaign) } { (held.name) } }
            @for row in &held.rows {
                h3 { (reader.t_with("held-row", &[("line", row.line.into()), ("import", row.import.into())])) }
                (values(reader, &row.address, row.recipient_key.as_deref(), &row.fields))
            }
            @for proof in &held.proofs {
                h3 { (reader.t("held-proof")) }
                (values(reader, &proof.address, None, &proof.fields))
            }
            @if let Some(mail) = &held.mail { (mailed(reader, mail)) }
        }
    }
}

fn values(reader: &Reader, address: &str, key: Option<&str>, fields: &BTreeMap<String, String>) -> Markup {
    let (address_name, key_name) = (reader.t("address"), reader.t("recipient-key"));
    let mut values = vec![(address_name.as_str(), html! { (address) })];
    values.extend(key.map(|key| (key_name.as_str(), html! { (key) })));
    values.extend(fields.iter().map(|(name, value)| (name.as_str(), html! { (value) })));
    pairs(&values)
}

fn mailed(reader: &Reader, mail: &HeldMail) -> Markup {
    let heads = ["when", "what", "by", "details"].map(|key| reader.t(key));
    let [when, what, by, details] = &heads;
    let columns = [Column::short(when), Column::text(what), Column::text(by), Column::text(details)];
    let responses = mail.responses.iter().map(|response| {
        vec![
            reader.time(response.at),
            html! { (response.kind) },
            html! { (response.actor) },
            html! { (response.diagnostic.as_deref().unwrap_or("–")) },
        ]
    });
    let caption = reader.t("held-responses");
    html! {
        h3 { (reader.t("held-mail")) }
        (pairs(&[
            (&reader.t("state"), html! { (reader.t(&format!("mail-{}", mail.state))) ", " (reader.time(mail.changed_at)) }),
            (&reader.t("test-mails-reply"), html! { (mail.reply.as_deref().unwrap_or("–")) }),
        ]))
        @if !mail.responses.is_empty() {
            (Table { caption: &caption, caption_hidden: false, columns: &columns, rows: responses.collect(), total: None }.render())
        }
    }
}

/// Who is to be erased.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Erased {
    person: String,
    sure: String,
    once: String,
}

/// `POST /recipients/erasure`.
async fn erase(
    State(console): State<Arc<Console>>,
    member: Member,
    At(now): At,
    Form(wanted): Form<Erased>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    if wanted.sure != "yes" {
        let problems = Problems::one("sure", reader.t("erasure-not-sure"));
        return page(&console, &member, now, "", &problems).await;
    }
    let asked = Asked::to(Method::POST, &member.identity, "/v1/recipients/erasure");
    match console
        .operations
        .ask(asked.with(json!({"address": wanted.person.trim()})).once(&wanted.once))
        .await
    {
        Ok(_) => Ok(Redirect::to("/recipients").into_response()),
        Err(ConsoleError::Refused(refusal)) if refusal.is_of_the_form() => {
            page(&console, &member, now, "", &Problems::one("person", refusal.words(&member.person.reader)))
                .await
        }
        Err(error) => Err(error),
    }
}
