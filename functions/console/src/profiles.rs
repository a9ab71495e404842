//! Import profiles: how a customer's files are read. A sample can be looked at as it would be read; it stays in the browser.

use std::{collections::BTreeMap, sync::Arc};

use access::Scope;
use axum::{
    Form, Router,
    extract::{Path, State},
    http::{Method, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use contract::Profile;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use crate::{
    Console, ConsoleError,
    look::{
        Button, Choice, Column, Field, Kind, Problems, Section, Submit, Table, ask, choices, empty, form,
        link_button, select,
    },
    member::Member,
    operate::{Asked, Listing},
    page::Page,
    person::Reader,
};

/// What the form calls each delimiter.
const DELIMITERS: [(&str, char); 4] = [("tab", '\t'), ("comma", ','), ("semicolon", ';'), ("pipe", '|')];
/// Charsets of files that people have; another one of a profile that was made over the API stays.
const CHARSETS: [&str; 6] = ["utf-8", "windows-1252", "iso-8859-15", "windows-1250", "utf-16le", "utf-16be"];

/// The area's routes; who reaches each stands in the gate.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/profiles", get(list))
        .route("/profiles/new", get(new).post(make))
        .route("/profiles/{name}", get(show).post(save))
        .route("/profiles/{name}/delete", get(ask_delete).post(delete))
}

#[derive(Deserialize)]
struct Named {
    name: String,
    profile: Profile,
}

/// What was entered.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Entered {
    name: String,
    delimiter: String,
    charset: String,
    header: String,
    address_column: String,
    key_column: String,
    mapping: String,
    pgp_required: String,
    bad_rows_max_percent: String,
    check_domains: String,
    /// The version that was read; empty for a new one.
    version: String,
}

impl Entered {
    fn of(name: String, profile: &Profile, version: String) -> Self {
        let delimiter = DELIMITERS.iter().find(|(_, sign)| Some(*sign) == profile.delimiter);
        let yes = |set: Option<bool>| if set == Some(true) { "yes" } else { "" }.to_owned();
        let mapping: Vec<String> =
            profile.mapping.iter().map(|(from, to)| format!("{from} = {to}")).collect();
        Self {
            name,
            delimiter: delimiter.map_or("", |(name, _)| name).to_owned(),
            charset: profile.charset.clone().unwrap_or_default(),
            header: if profile.header == Some(false) { "false" } else { "true" }.to_owned(),
            address_column: profile.address_column.clone().unwrap_or_default(),
            key_column: profile.key_column.clone().unwrap_or_default(),
            mapping: mapping.join("\n"),
            pgp_required: yes(profile.pgp_required),
            bad_rows_max_percent: profile
                .bad_rows_max_percent
                .map(|percent| percent.to_string())
                .unwrap_or_default(),
            check_domains: yes(profile.check_domains),
            version,
        }
    }

    /// The profile, or which field is not one, and why.
    fn profile(&self, reader: &Reader) -> Result<Profile, (&'static str, String)> {
        let maybe = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let mut mapping = BTreeMap::new();
        for line in self.mapping.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let pair = line.split_once('=').map(|(from, to)| (from.trim(), to.trim()));
            let Some((from, to)) = pair.filter(|(from, to)| !from.is_empty() && !to.is_empty()) else {
                let words = reader.t_with("profile-mapping-wrong", &[("line", line.into())]);
                return Err(("mapping", words));
            };
            mapping.insert(from.to_owned(), to.to_owned());
        }
        let percent = match self.bad_rows_max_percent.trim() {
            "" => None,
            text => {
                Some(text.parse().map_err(|_| ("bad_rows_max_percent", reader.t("profile-bad-rows-wrong")))?)
            }
        };
        let delimiter = DELIMITERS.iter().find(|(name, _)| *name == self.delimiter);
        Ok(Profile {
            delimiter: delimiter.map(|(_, sign)| *sign),
            charset: maybe(&self.charset),
            header: (self.header == "false").then_some(false),
            address_column: maybe(&self.address_column),
            key_column: maybe(&self.key_column),
            mapping,
            pgp_required: (self.pgp_required == "yes").then_some(true),
            bad_rows_max_percent: percent,
            check_domains: (self.check_domains == "yes").then_some(true),
        })
    }
}

/// `GET /profiles`.
async fn list(State(console): State<Arc<Console>>, member: Member) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let listing: Listing<Named> = console.operations.look(&member.identity, "/v1/profiles").await?;
    let title = reader.t("section-profiles");
    let new = html! {
        @if member.may(Scope::CampaignsWrite) { (link_button("/profiles/new", &reader.t("profiles-new"), Button::Main)) }
    };
    let heads =
        ["profile-name", "profile-delimiter", "profile-charset", "profile-key"].map(|key| reader.t(key));
    let columns = [
        Column::short(&heads[0]),
        Column::short(&heads[1]),
        Column::short(&heads[2]),
        Column::text(&heads[3]),
    ];
    let detected = reader.t("profile-detected");
    let row = |named: &Named| {
        let profile = &named.profile;
        let delimiter = DELIMITERS.iter().find(|(_, sign)| Some(*sign) == profile.delimiter);
        vec![
            html! { a href={ "/profiles/" (named.name) } { (named.name) } },
            html! { (delimiter.map_or_else(|| detected.clone(), |(name, _)| reader.t(&format!("delimiter-{name}")))) },
            html! { (profile.charset.as_deref().unwrap_or(&detected)) },
            html! { (profile.key_column.as_deref().unwrap_or("–")) },
        ]
    };
    let rows: Vec<_> = listing.items.iter().map(row).collect();
    let content = if rows.is_empty() {
        empty(&reader.t("profiles-none-title"), &reader.t("profiles-none-text"), &html! {})
    } else {
        Table { caption: &title, caption_hidden: true, columns: &columns, rows, total: None }.render()
    };
    Ok(Page::new(&member.person, Section::Profiles, &title).actions(new).show(&content))
}

/// `GET /profiles/new`.
async fn new(member: Member) -> Response {
    let entered = Entered { header: "true".to_owned(), ..Entered::default() };
    edit(&member, &entered, &Problems::default())
}

/// `GET /profiles/{name}`.
async fn show(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(name): Path<String>,
) -> Result<Response, ConsoleError> {
    let answer = console.operations.ask(Asked::get(&member.identity, path(&name))).await?;
    let version =
        answer.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default().to_owned();
    Ok(edit(&member, &Entered::of(name, &answer.read()?, version), &Problems::default()))
}

/// The operation's path. A name that is typed may have any letters.
fn path(name: &str) -> String {
    let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("/v1/profiles/{}", name.replace('+', "%20"))
}

fn edit(member: &Member, entered: &Entered, problems: &Problems<'_>) -> Response {
    let reader = &member.person.reader;
    let is_new = entered.version.is_empty();
    let action = if is_new { "/profiles/new".to_owned() } else { format!("/profiles/{}", entered.name) };
    let may = member.may(Scope::CampaignsWrite);
    let content = html! {
        (problems.render(reader))
        (form(&action, &member.person.form_token, &html! {
            input type="hidden" name="version" value=(entered.version);
            (fields(reader, entered, problems))
            (sample(reader))
            @if may { div.row { (Submit { text: &reader.t("profile-save"), weight: Button::Main }.render()) } }
        }))
    };
    let remove = html! {
        @if may && !is_new {
            (link_button(&format!("/profiles/{}/delete", entered.name), &reader.t("profile-delete"), Button::Danger))
        }
    };
    let title = if is_new { reader.t("profiles-new") } else { entered.name.clone() };
    Page::new(&member.person, Section::Profiles, &title)
        .under(Section::Profiles)
        .actions(remove)
        .status(problems.status())
        .show(&content)
}

fn fields(reader: &Reader, entered: &Entered, problems: &Problems<'_>) -> Markup {
    let field = |name: &'static str, kind, value: &str, required| {
        let (label, hint) = (reader.t(&format!("profile-{name}")), reader.t(&format!("profile-{name}-hint")));
        Field { value, hint: Some(&hint), required, ..Field::new(name, &label, kind) }.render(problems)
    };
    let detected = reader.t("profile-detected");
    let delimiters = DELIMITERS.map(|(name, _)| (name, reader.t(&format!("delimiter-{name}"))));
    let delimiters: Vec<(&str, &str)> = std::iter::once(("", detected.as_str()))
        .chain(delimiters.iter().map(|(name, text)| (*name, text.as_str())))
        .collect();
    let other =
        Some(entered.charset.as_str()).filter(|charset| !charset.is_empty() && !CHARSETS.contains(charset));
    let charsets = CHARSETS.into_iter().chain(other).map(|charset| (charset, charset));
    let charsets: Vec<(&str, &str)> = std::iter::once(("", detected.as_str())).chain(charsets).collect();
    let (names, recipient) = (reader.t("profile-header-names"), reader.t("profile-header-recipient"));
    let (pgp, domains) = (reader.t("profile-pgp_required"), reader.t("profile-check_domains"));
    let (pgp_hint, domains_hint) =
        (reader.t("profile-pgp_required-hint"), reader.t("profile-check_domains-hint"));
    let yes =
        |label, hint, set: &str| [Choice { value: "yes", label, hint: Some(hint), chosen: set == "yes" }];
    html! {
        @if entered.version.is_empty() { (field("name", Kind::Text, &entered.name, true)) } @else {
            input type="hidden" name="name" value=(entered.name);
        }
        (select("delimiter", &reader.t("profile-delimiter"), None, &delimiters, &entered.delimiter, problems))
        (select("charset", &reader.t("profile-charset"), None, &charsets, &entered.charset, problems))
        (select("header", &reader.t("profile-header"), None, &[("true", &names), ("false", &recipient)], &entered.header, problems))
        (field("address_column", Kind::Text, &entered.address_column, false))
        (field("key_column", Kind::Text, &entered.key_column, false))
        (field("mapping", Kind::Area, &entered.mapping, false))
        (field("bad_rows_max_percent", Kind::Number { min: 0, max: 100 }, &entered.bad_rows_max_percent, false))
        (choices("pgp_required", &reader.t("profile-encryption"), true, &yes(&pgp, &pgp_hint, &entered.pgp_required), problems))
        (choices("check_domains", &reader.t("profile-domains"), true, &yes(&domains, &domains_hint, &entered.check_domains), problems))
    }
}

/// A file of which the browser shows how it would be read. Nothing of it is sent.
fn sample(reader: &Reader) -> Markup {
    let (label, hint) = (reader.t("profile-sample"), reader.t("profile-sample-hint"));
    html! {
        (Field { hint: Some(&hint), required: false, ..Field::new("sample", &label, Kind::File) }.render(&Problems::default()))
        div data-csv-preview data-caption=(reader.t("profile-preview")) data-unreadable=(reader.t("profile-unreadable")) role="status" {}
    }
}

/// `POST /profiles/new`. One that is there already stays as it is.
async fn make(
    State(console): State<Arc<Console>>,
    member: Member,
    Form(entered): Form<Entered>,
) -> Result<Response, ConsoleError> {
    let name = entered.name.trim().to_owned();
    if console.operations.ask(Asked::get(&member.identity, path(&name))).await.is_ok() {
        let words = member.person.reader.t("profile-name-taken");
        return Ok(edit(&member, &entered, &Problems::one("name", words)));
    }
    keep(&console, &member, &name, &entered).await
}

/// `POST /profiles/{name}`.
async fn save(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(name): Path<String>,
    Form(entered): Form<Entered>,
) -> Result<Response, ConsoleError> {
    keep(&console, &member, &name, &entered).await
}

async fn keep(
    console: &Console,
    member: &Member,
    name: &str,
    entered: &Entered,
) -> Result<Response, ConsoleError> {
    let profile = match entered.profile(&member.person.reader) {
        Ok(profile) => profile,
        Err(problem) => return Ok(edit(member, entered, &Problems(vec![problem]))),
    };
    let asked = Asked::to(Method::PUT, &member.identity, path(name)).with(json!(profile));
    let asked = if entered.version.is_empty() { asked } else { asked.of_version(&entered.version) };
    match console.operations.ask(asked).await {
        Ok(_) => Ok(Redirect::to("/profiles").into_response()),
        Err(ConsoleError::Refused(refusal))
            if refusal.is_of_the_form() || refusal.code == "version_changed" =>
        {
            let field =
                refusal.field_among(["charset", "bad_rows_max_percent", "delimiter"]).unwrap_or("name");
            Ok(edit(member, entered, &Problems::one(field, refusal.words(&member.person.reader))))
        }
        Err(error) => Err(error),
    }
}

/// `GET /profiles/{name}/delete`.
async fn ask_delete(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(name): Path<String>,
) -> Result<Response, ConsoleError> {
    console.operations.ask(Asked::get(&member.identity, path(&name))).await?;
    let reader = &member.person.reader;
    let what = html! { p { (reader.t("profile-delete-text")) } };
    let yes = Submit { text: &reader.t("profile-delete"), weight: Button::DangerMain };
    let back = format!("/profiles/{name}");
    let content = ask(reader, &format!("{back}/delete"), &member.person.form_token, &what, yes, &back);
    let title = reader.t("profile-delete-title");
    Ok(Page::new(&member.person, Section::Profiles, &title)
        .under(Section::Profiles)
        .below(&name, back)
        .show(&content))
}

/// `POST /profiles/{name}/delete`.
async fn delete(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(name): Path<String>,
) -> Result<Response, ConsoleError> {
    console.operations.ask(Asked::to(Method::DELETE, &member.identity, path(&name))).await?;
    Ok(Redirect::to("/profiles").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_entered_is_a_profile_and_back() {
        let profile = Profile {
            delimiter: Some(';'),
            charset: Some("windows-1252".to_owned()),
            header: Some(false),
            key_column: Some("1".to_owned()),
            mapping: BTreeMap::from([("2".to_owned(), "email".to_owned())]),
            pgp_required: Some(true),
            bad_rows_max_percent: Some(5),
            ..Profile::default()
        };
        let reader = Reader::stranger("en");
        for profile in [profile, Profile::default()] {
            let entered = Entered::of("crm".to_owned(), &profile, "\"1\"".to_owned());
            assert_eq!(entered.profile(&reader).unwrap(), profile);
        }
        for (mapping, percent, field) in
            [("no equals sign", "", "mapping"), ("= x", "", "mapping"), ("", "x", "bad_rows_max_percent")]
        {
            let entered = Entered {
                mapping: mapping.to_owned(),
                bad_rows_max_percent: percent.to_owned(),
                ..Entered::default()
            };
            assert_eq!(entered.profile(&reader).unwrap_err().0, field);
        }
    }
}
