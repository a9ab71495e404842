//! All that logs in, and all that encrypts and signs.

use std::sync::Arc;

use access::Scope;
use axum::{extract::State, response::Response};
use maud::{Markup, html};
use serde::Deserialize;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError,
    gate::At,
    look::{Button, Cell, Column, Section, Table, Tone, badge, link_button, pairs, secret},
    member::Member,
    operate::Listing,
    page::Page,
};

#[derive(Deserialize)]
struct Login {
    user: String,
    password: bool,
    both: bool,
}

#[derive(Deserialize)]
pub(super) struct SshKey {
    pub(super) id: i64,
    pub(super) fingerprint: String,
    algorithm: String,
    sources: Vec<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
}

#[derive(Deserialize)]
pub(super) struct PgpKey {
    pub(super) id: i64,
    pub(super) purpose: String,
    pub(super) fingerprint: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// Our own key, whole.
#[derive(Deserialize)]
struct OwnKey {
    public_key: String,
}

/// `GET /files/logins`.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    member: Member,
    At(now): At,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let (operations, identity) = (&console.operations, &member.identity);
    let login: Login = operations.look(identity, "/v1/sftp-password").await?;
    let ssh: Listing<SshKey> = operations.look(identity, "/v1/ssh-keys").await?;
    let pgp: Listing<PgpKey> = operations.look(identity, "/v1/pgp-keys").await?;
    let own: Option<OwnKey> = match operations.look(identity, "/v1/pgp-key").await {
        Ok(key) => Some(key),
        Err(ConsoleError::Refused(refusal)) if refusal.status == 404 => None,
        Err(error) => return Err(error),
    };
    let content = html! {
        p.lead { (reader.t("logins-text")) }
        (sftp(&member, &login))
        (ssh_keys(&member, &ssh.items, now))
        (pgp_keys(&member, &pgp.items, now))
        @if let Some(own) = own {
            section.card {
                h2 { (reader.t("pgp-own-title")) }
                p { (reader.t("pgp-own-text")) }
                details.more {
                    summary { (reader.t("pgp-own-show")) }
                    (secret(reader, "own-key", &own.public_key))
                }
            }
        }
    };
    let title = reader.t("logins-title");
    Ok(Page::new(&member.person, Section::Files, &title).under(Section::Files).show(&content))
}

fn sftp(member: &Member, login: &Login) -> Markup {
    let reader = &member.person.reader;
    let password = if login.password {
        badge(Tone::Good, &reader.t("password-set"))
    } else {
        badge(Tone::Idle, &reader.t("password-none"))
    };
    let demands = if login.both { "logins-both" } else { "logins-one" };
    html! {
        section.card {
            h2 { (reader.t("logins-sftp")) }
            (pairs(&[
                (&reader.t("logins-user"), html! { code { (login.user) } }),
                (&reader.t("password"), password),
                (&reader.t("logins-demands"), html! { (reader.t(demands)) }),
            ]))
            @if member.may(Scope::LoginsWrite) {
                div.row { (link_button("/files/logins/password", &reader.t("password-make"), Button::Plain)) }
            }
        }
    }
}

fn ssh_keys(member: &Member, keys: &[SshKey], now: OffsetDateTime) -> Markup {
    let reader = &member.person.reader;
    let writes = member.may(Scope::LoginsWrite);
    let heads =
        ["fingerprint", "algorithm", "sources", "added", "expires", "actions"].map(|key| reader.t(key));
    let [fingerprint, algorithm, sources, added, expires, actions] = &heads;
    let mut columns = vec![
        Column::text(fingerprint),
        Column::short(algorithm),
        Column::text(sources),
        Column::short(added),
        Column::short(expires),
    ];
    if writes {
        columns.push(Column { name: actions, cell: Cell::Actions });
    }
    let rows = keys.iter().map(|key| {
        let mut row = vec![
            html! { code.code { (key.fingerprint) } },
            html! { (key.algorithm) },
            html! { @if key.sources.is_empty() { (reader.t("anywhere")) } @else { (key.sources.join(", ")) } },
            html! { time { (reader.day(key.created_at)) } },
            match key.expires_at {
                None => html! { (reader.t("never")) },
                Some(end) if end <= now => badge(Tone::Bad, &reader.t("expired")),
                Some(end) => reader.relative(end, now),
            },
        ];
        if writes {
            let label = reader.t_with("remove-key", &[("key", key.fingerprint.as_str().into())]);
            let path = format!("/files/logins/ssh-keys/{}/remove", key.id);
            row.push(html! { a.button.slim.danger href=(path) aria-label=(label) { (reader.t("remove")) } });
        }
        row
    });
    let title = reader.t("ssh-title");
    html! {
        section.stack {
            div.head {
                h2 { (title) }
                @if writes { div.row { (link_button("/files/logins/ssh-keys", &reader.t("ssh-add"), Button::Plain)) } }
            }
            @if keys.is_empty() {
                p { (reader.t("ssh-none")) }
            } @else {
                (Table { caption: &title, caption_hidden: true, columns: &columns, rows: rows.collect(), total: None }.render())
            }
        }
    }
}

fn pgp_keys(member: &Member, keys: &[PgpKey], now: OffsetDateTime) -> Markup {
    let reader = &member.person.reader;
    let writes = member.may(Scope::LoginsWrite);
    let heads = ["fingerprint", "purpose", "added", "actions"].map(|key| reader.t(key));
    let [fingerprint, purpose, added, actions] = &heads;
    let mut columns = vec![Column::text(fingerprint), Column::text(purpose), Column::short(added)];
    if writes {
        columns.push(Column::actions(actions));
    }
    let rows = keys.iter().map(|key| {
        let mut row = vec![
            html! { code.code { (key.fingerprint) } },
            html! { (reader.t(&format!("pgp-{}", key.purpose))) },
            reader.relative(key.created_at, now),
        ];
        if writes {
            let label = reader.t_with("remove-key", &[("key", key.fingerprint.as_str().into())]);
            let path = format!("/files/logins/pgp-keys/{}/remove", key.id);
            // Ours is the operator's to retire.
            row.push(html! {
                @if key.purpose != "own" { a.button.slim.danger href=(path) aria-label=(label) { (reader.t("remove")) } }
            });
        }
        row
    });
    let title = reader.t("pgp-title");
    html! {
        section.stack {
            div.head {
                h2 { (title) }
                @if writes { div.row { (link_button("/files/logins/pgp-keys", &reader.t("pgp-add"), Button::Plain)) } }
            }
            @if keys.is_empty() {
                p { (reader.t("pgp-none")) }
            } @else {
                (Table { caption: &title, caption_hidden: true, columns: &columns, rows: rows.collect(), total: None }.render())
            }
        }
    }
}
