use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};

use super::way::{self, Crumb};
use crate::{assets, gate::FormToken, person::Reader};

/// What stands around every page.
pub(crate) struct Frame<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) title: &'a str,
}

/// Where a person who is logged in stands.
pub(crate) struct Place<'a> {
    /// Whose data it is. Operators are at home nowhere.
    pub(crate) tenant: Option<&'a str>,
    /// Who is logged in: the e-mail address.
    pub(crate) person: &'a str,
    /// What the person may look at, in this order.
    pub(crate) sections: &'a [Section],
    /// Which of them the page belongs to.
    pub(crate) section: Option<Section>,
    /// The pages above this one, the topmost first.
    pub(crate) above: &'a [Crumb<'a>],
    /// Of the form that logs out.
    pub(crate) token: &'a FormToken,
}

/// A part of the console, with pages of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Campaigns,
    Profiles,
    Files,
    Recipients,
    Retention,
    Users,
    ApiKeys,
    Audit,
    Tenants,
    Queues,
    Errors,
    Lifecycles,
}

impl Section {
    /// Where it begins.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Campaigns => "/campaigns",
            Self::Profiles => "/profiles",
            Self::Files => "/files",
            Self::Recipients => "/recipients",
            Self::Retention => "/retention",
            Self::Users => "/users",
            Self::ApiKeys => "/api-keys",
            Self::Audit => "/audit",
            Self::Tenants => "/tenants",
            Self::Queues => "/queues",
            Self::Errors => "/errors",
            Self::Lifecycles => "/lifecycles",
        }
    }

    /// Of its name in the catalogues.
    const fn key(self) -> &'static str {
        match self {
            Self::Campaigns => "section-campaigns",
            Self::Profiles => "section-profiles",
            Self::Files => "section-files",
            Self::Recipients => "section-recipients",
            Self::Retention => "section-retention",
            Self::Users => "section-users",
            Self::ApiKeys => "section-api-keys",
            Self::Audit => "section-audit",
            Self::Tenants => "section-tenants",
            Self::Queues => "section-queues",
            Self::Errors => "section-errors",
            Self::Lifecycles => "section-lifecycles",
        }
    }

    /// What it is called.
    pub(crate) fn name(self, reader: &Reader) -> String {
        reader.t(self.key())
    }
}

impl Frame<'_> {
    /// The page of somebody who is not logged in, with its status: one card.
    pub(crate) fn around(&self, status: StatusCode, content: &Markup) -> Response {
        let body = html! {
            body.outside {
                (self.skip())
                header.bar { (self.brand()) }
                main #content tabindex="-1" {
                    div.card {
                        h1 { (self.title) }
                        (content)
                    }
                }
                (self.foot())
            }
        };
        self.respond(status, &body)
    }

    /// The page of a person who is logged in, with its status, and what may be done beside its title: buttons, links, a badge.
    pub(crate) fn within(
        &self,
        place: &Place<'_>,
        status: StatusCode,
        actions: &Markup,
        content: &Markup,
    ) -> Response {
        let body = html! {
            body.inside {
                (self.skip())
                header.bar {
                    (self.brand())
                    @if let Some(tenant) = place.tenant { span.tenant { (tenant) } }
                    (self.account(place))
                }
                (self.sections(place))
                main #content tabindex="-1" {
                    @if !place.above.is_empty() { (way::crumbs(self.reader, place.above)) }
                    div.head {
                        h1 { (self.title) }
                        @if !actions.0.is_empty() { div.row { (actions) } }
                    }
                    (content)
                }
                (self.foot())
            }
        };
        self.respond(status, &body)
    }

    fn skip(&self) -> Markup {
        html! { a.skip href="#content" { (self.reader.t("skip-to-content")) } }
    }

    fn brand(&self) -> Markup {
        html! {
            a.brand href="/" {
                img src=(assets::icon()) alt="" width="26" height="26";
                span { (self.reader.t("console-name")) }
            }
        }
    }

    fn account(&self, place: &Place<'_>) -> Markup {
        let reader = self.reader;
        html! {
            details.account {
                summary { span { (place.person) } }
                div {
                    p.small.quiet { (reader.t("account-of")) " " strong { (place.person) } }
                    a href="/account" { (reader.t("account-settings")) }
                    a href="/account#sessions" { (reader.t("account-sessions")) }
                    form method="post" action="/logout" {
                        (place.token)
                        button type="submit" { (reader.t("account-logout")) }
                    }
                }
            }
        }
    }

    fn sections(&self, place: &Place<'_>) -> Markup {
        html! {
            nav.sections aria-label=(self.reader.t("sections")) {
                ul {
                    @for section in place.sections {
                        @let here = (place.section == Some(*section)).then_some("true");
                        li { a href=(section.path()) aria-current=[here] { (section.name(self.reader)) } }
                    }
                }
            }
        }
    }

    fn foot(&self) -> Markup {
        let reader = self.reader;
        html! {
            footer.foot {
                span { (reader.t("console-name")) }
                span { (reader.t_with("times-in-zone", &[("zone", reader.zone_name().into())])) }
            }
        }
    }

    fn respond(&self, status: StatusCode, body: &Markup) -> Response {
        let Self { reader, title } = self;
        let page = html! {
            (DOCTYPE)
            html lang=(reader.language.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " – " (reader.t("console-name")) }
                    link rel="stylesheet" href=(assets::style());
                    link rel="icon" href=(assets::icon()) type="image/svg+xml";
                    script src=(assets::script()) defer {}
                }
                (body)
            }
        };
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_LANGUAGE, reader.language.tag()),
            (header::VARY, "Accept-Language, Cookie"),
        ];
        (status, headers, page.into_string()).into_response()
    }
}
