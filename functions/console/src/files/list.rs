use std::sync::Arc;

use access::Scope;
use axum::{
    extract::{Path, Query, State},
    http::Method,
    response::{IntoResponse, Redirect, Response},
};
use contract::Folder;
use maud::{Markup, html};
use serde::Deserialize;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError,
    gate::At,
    look::{Button, Column, Pages, Section, Tab, Table, empty, link_button, tabs},
    member::Member,
    operate::{Asked, Listing},
    page::Page,
    person::Reader,
};

/// As a file goes through them, and then what comes back.
const FOLDERS: [Folder; 4] = [Folder::Incoming, Folder::Finished, Folder::Invalids, Folder::Exports];
/// Files of one page.
const PAGE_ITEMS: usize = 50;

/// Which part of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    folder: String,
    after: Option<i64>,
}

#[derive(Deserialize)]
struct File {
    id: i64,
    name: String,
    size: u64,
    #[serde(with = "time::serde::rfc3339")]
    arrived_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

#[derive(Deserialize)]
struct Link {
    url: String,
}

/// `GET /files`: one folder.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    member: Member,
    At(now): At,
    Query(wanted): Query<Wanted>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let folder: Folder = if wanted.folder.is_empty() {
        Folder::Incoming
    } else {
        wanted.folder.parse().map_err(|()| ConsoleError::NotFound)?
    };
    let after = wanted.after.map(|after| format!("&after={after}")).unwrap_or_default();
    let query = format!("/v1/files?folder={folder}&limit={PAGE_ITEMS}{after}");
    let listing: Listing<File> = console.operations.look(&member.identity, query).await?;
    let logins = html! {
        @if member.may(Scope::AccountRead) {
            (link_button("/files/logins", &reader.t("logins-title"), Button::Plain))
        }
    };
    let older = listing.next.map(|after| format!("/files?folder={folder}&after={after}"));
    let newer = wanted.after.map(|_| format!("/files?folder={folder}"));
    let content = html! {
        (folders(reader, folder))
        p.lead { (reader.t(&format!("folder-{}-text", key(folder)))) }
        @if listing.items.is_empty() {
            (empty(&reader.t("files-none-title"), &reader.t(&format!("folder-{}-none", key(folder))), &html! {}))
        } @else {
            (table(&member, folder, &listing.items, now))
        }
        (Pages { newer: newer.as_deref(), older: older.as_deref() }.render(reader))
    };
    Ok(Page::new(&member.person, Section::Files, &reader.t("section-files")).actions(logins).show(&content))
}

/// Of its texts in the catalogues.
fn key(folder: Folder) -> &'static str {
    match folder {
        Folder::Incoming => "incoming",
        Folder::Finished => "finished",
        Folder::Invalids => "invalids",
        Folder::Exports => "exports",
    }
}

fn folders(reader: &Reader, here: Folder) -> Markup {
    let paths = FOLDERS.map(|folder| (folder, format!("/files?folder={folder}")));
    // Their names are those that SFTP shows, in every language.
    let folders: Vec<_> =
        paths.iter().map(|(folder, path)| Tab { name: folder.name(), path, here: *folder == here }).collect();
    tabs(&reader.t("folders"), &folders)
}

fn table(member: &Member, folder: Folder, files: &[File], now: OffsetDateTime) -> Markup {
    let reader = &member.person.reader;
    let may_download = member.may(Scope::FilesRead);
    let heads = ["file", "size", "arrived", "goes", "actions"].map(|key| reader.t(key));
    let [file, size, arrived, goes, actions] = &heads;
    let mut columns =
        vec![Column::text(file), Column::number(size), Column::short(arrived), Column::short(goes)];
    if may_download {
        columns.push(Column::actions(actions));
    }
    let rows = files.iter().map(|file| {
        let mut row = vec![
            html! { (file.name) },
            html! { (reader.bytes(file.size)) },
            reader.relative(file.arrived_at, now),
            reader.relative(file.expires_at, now),
        ];
        if may_download {
            let label = reader.t_with("download-file", &[("file", file.name.as_str().into())]);
            let path = format!("/files/{}/download", file.id);
            row.push(html! { a.button.slim href=(path) aria-label=(label) { (reader.t("download")) } });
        }
        row
    });
    let caption = reader.t_with("files-in", &[("folder", folder.name().into())]);
    Table { caption: &caption, caption_hidden: true, columns: &columns, rows: rows.collect(), total: None }
        .render()
}

/// `GET /files/{id}/download`: the storage itself hands it out, whatever its size. A link, because a form may lead to nobody but us.
pub(super) async fn download(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    let asked = Asked::to(Method::POST, &member.identity, format!("/v1/files/{id}/link"));
    let link: Link = console.operations.ask(asked).await?.read()?;
    Ok(Redirect::to(&link.url).into_response())
}
