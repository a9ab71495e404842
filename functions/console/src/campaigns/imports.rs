//! A campaign's imports: how far each is, what was wrong with rows, and how a file is imported.

use std::sync::Arc;

use access::Scope;
use axum::{
    Form,
    extract::{Path, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;

use super::{
    data::Import,
    one::{self, View},
    standing,
};
use crate::{
    Console, ConsoleError,
    gate::At,
    look::{
        Button, Choice, Column, Notice, Problems, Section, Submit, Table, choices, empty, form, live, notice,
        pairs, progress, select,
    },
    member::Member,
    operate::{Asked, Listing},
    page::Page,
    person::Reader,
};

/// Rejected rows that the page shows; the report in Invalids has all.
const REJECTED_SHOWN: usize = 10;
/// Files that can be chosen: the newest ones.
const FILES_SHOWN: usize = 100;

/// A file of the File Exchange.
#[derive(Deserialize)]
struct File {
    name: String,
}

/// A profile by its name.
#[derive(Deserialize)]
struct Profile {
    name: String,
}

/// A rejected row.
#[derive(Deserialize)]
struct Rejected {
    line: i64,
    column: String,
    code: String,
    reason: String,
}

/// What to import.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    file: String,
    profile: String,
    launch: String,
    once: String,
}

/// `GET /campaigns/{id}/imports`.
pub(super) async fn list(
    State(console): State<Arc<Console>>,
    member: Member,
    At(now): At,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    page(&console, &member, id, &Wanted::default(), &Problems::default(), now).await
}

async fn page(
    console: &Console,
    member: &Member,
    id: i64,
    wanted: &Wanted,
    problems: &Problems<'_>,
    now: OffsetDateTime,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let campaign = one::load(console, member, id).await?;
    let imports: Listing<Import> =
        console.operations.look(&member.identity, format!("/v1/campaigns/{id}/imports")).await?;
    let over = imports.items.iter().all(Import::is_over);
    let content = html! {
        (problems.render(reader))
        @if campaign.is_open() && member.may(Scope::ImportsWrite) { (choose(console, member, id, wanted, problems).await?) }
        (live("live", &format!("/campaigns/{id}/imports"), over, &html! {
            @if imports.items.is_empty() {
                (empty(&reader.t("imports-none-title"), &reader.t("imports-none-text"), &html! {}))
            } @else {
                (table(reader, &imports.items, now))
            }
        }))
    };
    let mut response = one::page(member, &campaign, View::Imports, html! {}, &content);
    if !problems.0.is_empty() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// The form that imports a file of Incoming.
async fn choose(
    console: &Console,
    member: &Member,
    id: i64,
    wanted: &Wanted,
    problems: &Problems<'_>,
) -> Result<Markup, ConsoleError> {
    let reader = &member.person.reader;
    let files: Listing<File> = console
        .operations
        .look(&member.identity, format!("/v1/files?folder=Incoming&limit={FILES_SHOWN}"))
        .await?;
    let profiles: Listing<Profile> = console.operations.look(&member.identity, "/v1/profiles").await?;
    let files: Vec<(&str, &str)> = files
        .items
        .iter()
        .filter(|file| file.name.strip_suffix(".ctl").is_none())
        .map(|file| (file.name.as_str(), file.name.as_str()))
        .collect();
    if files.is_empty() {
        return Ok(notice(Notice::Info, &html! { p { (reader.t("import-no-files")) } }));
    }
    let usual = reader.t("import-profile-usual");
    let named = profiles.items.iter().filter(|profile| profile.name != "default");
    let profiles: Vec<(&str, &str)> = std::iter::once(("", usual.as_str()))
        .chain(named.map(|profile| (profile.name.as_str(), profile.name.as_str())))
        .collect();
    let launch = reader.t("import-launch");
    let launch = [Choice { value: "yes", label: &launch, hint: None, chosen: wanted.launch == "yes" }];
    Ok(html! {
        details open[!problems.0.is_empty()] {
            summary { (reader.t("import-a-file")) }
            (form(&format!("/campaigns/{id}/imports"), &member.person.form_token, &html! {
                (member.once())
                (select("file", &reader.t("import-file"), None, &files, &wanted.file, problems))
                (select("profile", &reader.t("import-profile"), Some(&reader.t("import-profile-hint")), &profiles, &wanted.profile, problems))
                @if member.may(Scope::LaunchesWrite) { (choices("launch", &reader.t("import-then"), true, &launch, problems)) }
                (Submit { text: &reader.t("import-begin"), weight: Button::Main }.render())
            }))
        }
    })
}

/// Imports with their numbers.
pub(crate) fn table(reader: &Reader, imports: &[Import], now: OffsetDateTime) -> Markup {
    let heads = [
        "import-file",
        "state",
        "import-rows",
        "import-imported",
        "import-duplicates",
        "import-rejected",
        "created",
    ]
    .map(|key| reader.t(key));
    let columns = [
        Column::text(&heads[0]),
        Column::text(&heads[1]),
        Column::number(&heads[2]),
        Column::number(&heads[3]),
        Column::number(&heads[4]),
        Column::number(&heads[5]),
        Column::short(&heads[6]),
    ];
    let row = |import: &Import| {
        vec![
            html! { a.break href={ "/imports/" (import.id) } { (import.file) } },
            html! {
                (standing::import(reader, &import.state))
                @if let Some(reason) = import.reason(reader) { p.small { (reason) } }
            },
            html! { (reader.number(import.rows)) },
            html! { (reader.number(import.imported)) },
            html! { (reader.number(import.duplicates)) },
            html! { (reader.number(import.rejected)) },
            reader.relative(import.created_at, now),
        ]
    };
    let caption = reader.t("section-imports");
    Table {
        caption: &caption,
        caption_hidden: true,
        columns: &columns,
        rows: imports.iter().map(row).collect(),
        total: None,
    }
    .render()
}

/// `POST /campaigns/{id}/imports`.
pub(super) async fn begin(
    State(console): State<Arc<Console>>,
    member: Member,
    At(now): At,
    Path(id): Path<i64>,
    Form(wanted): Form<Wanted>,
) -> Result<Response, ConsoleError> {
    let mut document = json!({"file": wanted.file, "launch": wanted.launch == "yes"});
    if !wanted.profile.is_empty() {
        document["profile"] = json!(wanted.profile);
    }
    let asked = Asked::to(Method::POST, &member.identity, format!("/v1/campaigns/{id}/imports"));
    match console.operations.ask(asked.with(document).once(&wanted.once)).await {
        Ok(_) => Ok(Redirect::to(&format!("/campaigns/{id}/imports")).into_response()),
        Err(ConsoleError::Refused(refusal)) if refusal.is_of_the_form() => {
            let field = if refusal.code == "profile_unknown" { "profile" } else { "file" };
            page(
                &console,
                &member,
                id,
                &wanted,
                &Problems::one(field, refusal.words(&member.person.reader)),
                now,
            )
            .await
        }
        Err(error) => Err(error),
    }
}

/// `GET /imports/{id}`.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    member: Member,
    At(now): At,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let import: Import = console.operations.look(&member.identity, format!("/v1/imports/{id}")).await?;
    let rejected = rejected(&console, &member, &import).await?;
    let content = live(
        "live",
        &format!("/imports/{id}"),
        import.is_over(),
        &html! {
            p { (standing::import(reader, &import.state)) }
            @if let Some(reason) = import.reason(reader) { (notice(Notice::Error, &html! { p { (reason) } })) }
            @if !import.is_over() { (progress(reader, &reader.t("import-read"), import.bytes_done, import.bytes_total)) }
            (facts(reader, &import, now))
            (rejected)
        },
    );
    let page = Page::new(&member.person, Section::Campaigns, &import.file).under(Section::Campaigns);
    let page = match import.campaign {
        Some(campaign) => {
            let campaign = one::load(&console, &member, campaign).await?;
            page.below(&campaign.name, format!("/campaigns/{}", campaign.id))
                .below(&reader.t("view-imports"), format!("/campaigns/{}/imports", campaign.id))
        }
        None => page,
    };
    Ok(page.show(&content))
}

fn facts(reader: &Reader, import: &Import, now: OffsetDateTime) -> Markup {
    let mut facts: Vec<(String, Markup)> = Vec::new();
    for (key, count) in [
        ("import-rows", import.rows),
        ("import-imported", import.imported),
        ("import-duplicates", import.duplicates),
        ("import-rejected", import.rejected),
    ] {
        facts.push((reader.t(key), html! { (reader.number(count)) }));
    }
    facts.push((reader.t("import-size"), html! { (reader.bytes(import.bytes_total)) }));
    for (key, value) in [("import-charset", &import.charset), ("import-delimiter", &import.delimiter)] {
        if let Some(value) = value {
            facts.push((
                reader.t(key),
                html! { code { (if value == "\t" { "\\t" } else { value.as_str() }) } },
            ));
        }
    }
    facts.push((reader.t("created"), reader.relative(import.created_at, now)));
    if let Some(ended) = import.ended_at {
        facts.push((reader.t("import-ended"), reader.relative(ended, now)));
    }
    let facts: Vec<(&str, Markup)> =
        facts.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    pairs(&facts)
}

/// The first rows that were refused, each with its line and the reason; nothing of what stood there.
async fn rejected(console: &Console, member: &Member, import: &Import) -> Result<Markup, ConsoleError> {
    let reader = &member.person.reader;
    if !import.is_over()
        || !member.may(Scope::RecipientsRead)
        || (import.rejected == 0 && import.state == "finished")
    {
        return Ok(html! {});
    }
    let path = format!("/v1/imports/{}/errors?limit={REJECTED_SHOWN}", import.id);
    let listing: Listing<Rejected> = match console.operations.look(&member.identity, path).await {
        Ok(listing) => listing,
        Err(ConsoleError::Refused(refusal)) => return Ok(html! { p.quiet { (refusal.words(reader)) } }),
        Err(error) => return Err(error),
    };
    let heads = ["rejected-line", "rejected-column", "rejected-reason"].map(|key| reader.t(key));
    let columns = [Column::number(&heads[0]), Column::text(&heads[1]), Column::text(&heads[2])];
    let row = |row: &Rejected| {
        let line =
            if row.line == 0 { reader.t("rejected-file") } else { reader.number(row.line.unsigned_abs()) };
        vec![html! { (line) }, html! { (row.column) }, html! { (reader.fault(&row.code, &row.reason)) }]
    };
    let caption = reader.t("rejected-title");
    Ok(html! {
        h2 { (caption) }
        (Table { caption: &caption, caption_hidden: true, columns: &columns, rows: listing.items.iter().map(row).collect(), total: None }.render())
        @if listing.next.is_some() { p.quiet { (reader.t("rejected-more")) } }
    })
}
