//! One campaign: what became of it so far, while it goes on.

use std::sync::Arc;

use access::Scope;
use axum::{
    extract::{Path, State},
    response::Response,
};
use maud::{Markup, html};
use time::OffsetDateTime;

use super::{
    data::{Campaign, Import, Launch, Report},
    report, standing,
};
use crate::{
    Console, ConsoleError,
    gate::At,
    look::{Button, Column, Notice, Section, Tab, Table, empty, link_button, live, notice, progress, tabs},
    member::Member,
    operate::Listing,
    page::Page,
    person::Reader,
};

/// Launches that the page shows: whoever has more looks at the API.
const LAUNCHES_MAX: usize = 20;

/// A page about a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Overview,
    Responses,
    Imports,
    Template,
    TestMails,
}

impl View {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Overview, "view-overview", ""),
        (Self::Responses, "view-responses", "/responses"),
        (Self::Imports, "view-imports", "/imports"),
        (Self::Template, "view-template", "/template"),
        (Self::TestMails, "view-test-mails", "/test-mails"),
    ];
}

/// A campaign's page: its name, the ways to its other pages, and what this one shows.
pub(super) fn page(
    member: &Member,
    campaign: &Campaign,
    view: View,
    actions: Markup,
    content: &Markup,
) -> Response {
    let reader = &member.person.reader;
    let names: Vec<String> = View::ALL.iter().map(|(_, key, _)| reader.t(key)).collect();
    let paths: Vec<String> =
        View::ALL.iter().map(|(.., rest)| format!("/campaigns/{}{rest}", campaign.id)).collect();
    let all = View::ALL.iter().zip(names.iter().zip(&paths));
    // Of what is deleted there is no template, and nobody to mail.
    let shown =
        all.filter(|((view, ..), _)| campaign.is_open() || matches!(view, View::Overview | View::Imports));
    let all: Vec<Tab<'_>> =
        shown.map(|((here, ..), (name, path))| Tab { name, path, here: *here == view }).collect();
    let content = html! {
        (tabs(&reader.t("campaign-views"), &all))
        (content)
    };
    Page::new(&member.person, Section::Campaigns, &campaign.name)
        .under(Section::Campaigns)
        .actions(actions)
        .show(&content)
}

/// Loads one.
pub(super) async fn load(console: &Console, member: &Member, id: i64) -> Result<Campaign, ConsoleError> {
    console.operations.look(&member.identity, format!("/v1/campaigns/{id}")).await
}

/// `GET /campaigns/{id}`.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    member: Member,
    At(now): At,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let campaign = load(&console, &member, id).await?;
    let launches: Listing<Launch> = console
        .operations
        .look(&member.identity, format!("/v1/campaigns/{id}/launches?limit={LAUNCHES_MAX}"))
        .await?;
    let imports: Listing<Import> =
        console.operations.look(&member.identity, format!("/v1/campaigns/{id}/imports?limit=5")).await?;
    let report: Report =
        console.operations.look(&member.identity, format!("/v1/campaigns/{id}/report")).await?;
    let busy = report.counting
        || launches
            .items
            .iter()
            .any(|launch| matches!(launch.state.as_str(), "scheduled" | "preparing" | "running"))
        || imports.items.iter().any(|import| !import.is_over());
    let content = html! {
        (life(reader, &campaign, now))
        (live("live", &format!("/campaigns/{id}"), !busy && !campaign.is_open(), &html! {
            (counted(reader, &report, now))
            (report::summary(reader, &report))
            @for import in imports.items.iter().filter(|import| !import.is_over()) {
                (progress(reader, &reader.t_with("importing-file", &[("file", import.file.as_str().into())]), import.bytes_done, import.bytes_total))
            }
            (self::launches(&member, &launches.items, now))
            @if let Some(accounting) = &report.accounting {
                @if accounting.rows == 0 {
                    (nobody_yet(&member, &campaign))
                } @else {
                    (report::funnel(reader, accounting))
                }
            }
            @if let Some(responses) = &report.responses {
                (report::hours(reader, responses))
            }
        }))
    };
    Ok(page(&member, &campaign, View::Overview, actions(&member, &campaign), &content))
}

fn actions(member: &Member, campaign: &Campaign) -> Markup {
    let reader = &member.person.reader;
    let path = format!("/campaigns/{}", campaign.id);
    html! {
        @if campaign.is_open() && member.may(Scope::LaunchesWrite) {
            (link_button(&format!("{path}/launch"), &reader.t("launch"), Button::Main))
        }
        @if campaign.is_open() && member.may(Scope::CampaignsWrite) {
            (link_button(&format!("{path}/delete"), &reader.t("campaign-delete"), Button::Danger))
        }
    }
}

/// How long there is something to see.
fn life(reader: &Reader, campaign: &Campaign, now: OffsetDateTime) -> Markup {
    html! {
        @if let Some(deleted) = campaign.deleted_at {
            (notice(Notice::Info, &html! { p { (reader.t("campaign-deleted-text")) " " (reader.relative(deleted, now)) } }))
        } @else if !campaign.is_open() {
            (notice(Notice::Info, &html! { p { (reader.t("campaign-deleting-text")) } }))
        }
        @if let Some(held) = campaign.held_at {
            (notice(Notice::Warning, &html! { p { (reader.t("campaign-held-text")) " " (reader.relative(held, now)) } }))
        }
        p.quiet {
            (reader.t("created")) ": " (reader.relative(campaign.created_at, now))
            @if let Some(ended) = campaign.ended_at { " · " (reader.t("last-launch-ended")) ": " (reader.relative(ended, now)) }
        }
    }
}

/// Of what moment the numbers are.
fn counted(reader: &Reader, report: &Report, now: OffsetDateTime) -> Markup {
    html! {
        p.quiet role="status" {
            @match (report.counted_at, report.counting) {
                (Some(at), false) => { (reader.t("counted")) " " (reader.relative(at, now)) },
                (Some(at), true) => { (reader.t("counted")) " " (reader.relative(at, now)) " · " (reader.t("counting-newer")) },
                (None, true) => (reader.t("counting-first")),
                (None, false) => {},
            }
        }
    }
}

/// A campaign without recipients: what comes next.
fn nobody_yet(member: &Member, campaign: &Campaign) -> Markup {
    let reader = &member.person.reader;
    let next = html! {
        @if campaign.is_open() && member.may(Scope::ImportsWrite) {
            (link_button(&format!("/campaigns/{}/imports", campaign.id), &reader.t("import-a-file"), Button::Plain))
        }
    };
    empty(&reader.t("recipients-none-title"), &reader.t("recipients-none-text"), &next)
}

fn launches(member: &Member, launches: &[Launch], now: OffsetDateTime) -> Markup {
    if launches.is_empty() {
        return html! {};
    }
    let reader = &member.person.reader;
    let heads = ["launch", "state", "launch-template", "launch-begun", "launch-ended", "actions"]
        .map(|key| reader.t(key));
    let columns = [
        Column::short(&heads[0]),
        Column::short(&heads[1]),
        Column::number(&heads[2]),
        Column::short(&heads[3]),
        Column::short(&heads[4]),
        Column::actions(&heads[5]),
    ];
    let row = |launch: &Launch| {
        vec![
            html! { (launch.id) },
            html! {
                (standing::launch(reader, &launch.state))
                @if let Some(reason) = launch.reason(reader) { p.small { (reason) } }
                @if let Some(minutes) = launch.paced_minutes {
                    p.small.quiet { (reader.t_with("launch-paced", &[("minutes", minutes.into())])) }
                }
            },
            html! { (launch.template_version) },
            reader.relative(launch.starts_at.unwrap_or(launch.created_at), now),
            launch.ended_at.map_or_else(|| html! { "–" }, |at| reader.relative(at, now)),
            launch_actions(member, launch),
        ]
    };
    let caption = reader.t("launches");
    html! {
        h2 { (caption) }
        (Table { caption: &caption, caption_hidden: true, columns: &columns, rows: launches.iter().map(row).collect(), total: None }.render())
    }
}

fn launch_actions(member: &Member, launch: &Launch) -> Markup {
    let reader = &member.person.reader;
    if !(launch.is_open() && member.may(Scope::LaunchesWrite)) {
        return html! {};
    }
    let path = format!("/campaigns/{}/launches/{}", launch.campaign, launch.id);
    let first = if launch.state == "paused" { "resume" } else { "pause" };
    html! {
        (link_button(&format!("{path}/{first}"), &reader.t(&format!("launch-{first}")), Button::Slim))
        " "
        (link_button(&format!("{path}/cancel"), &reader.t("launch-cancel"), Button::Slim))
    }
}

/// `GET /campaigns/{id}/responses`.
pub(super) async fn responses(
    State(console): State<Arc<Console>>,
    member: Member,
    At(now): At,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let campaign = load(&console, &member, id).await?;
    let report: Report =
        console.operations.look(&member.identity, format!("/v1/campaigns/{id}/report")).await?;
    let content = html! {
        (live("live", &format!("/campaigns/{id}/responses"), !campaign.is_open(), &html! {
            (counted(reader, &report, now))
            (report::summary(reader, &report))
            @if let Some(responses) = &report.responses {
                h2 { (reader.t("links-title")) }
                (report::links(reader, &responses.links))
            }
            @if let Some(bounces) = &report.bounces {
                (report::bounces(reader, bounces))
            }
            @if let Some(domains) = &report.domains {
                h2 { (reader.t("domains-title")) }
                (report::domains(reader, domains))
            }
            @if let Some(responses) = &report.responses {
                h2 { (reader.t("versions-title")) }
                (report::versions(reader, &responses.versions))
            }
        }))
    };
    Ok(page(&member, &campaign, View::Responses, html! {}, &content))
}
