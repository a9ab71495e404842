//! A page of a person who is logged in: the frame around it says where it stands, and what the person may look at.

use access::Scope;
use axum::{http::StatusCode, response::Response};
use maud::{Markup, html};

use crate::{
    look::{Button, Crumb, Frame, Place, Problems, Section, Submit, form, link_button},
    person::Person,
};

/// One page.
pub(crate) struct Page<'a> {
    person: &'a Person,
    section: Option<Section>,
    title: &'a str,
    above: Vec<(String, String)>,
    status: StatusCode,
    actions: Markup,
}

/// What a page with one form asks for.
pub(crate) struct Asking<'a> {
    /// Where the form goes.
    pub(crate) action: &'a str,
    pub(crate) fields: &'a Markup,
    /// What its button says.
    pub(crate) submit: &'a str,
    /// Where the way back leads.
    pub(crate) back: &'a str,
}

impl<'a> Page<'a> {
    /// With its title, in a section.
    pub(crate) fn new(person: &'a Person, section: impl Into<Option<Section>>, title: &'a str) -> Self {
        Self {
            person,
            section: section.into(),
            title,
            above: Vec::new(),
            status: StatusCode::OK,
            actions: html! {},
        }
    }

    /// Below the section's first page.
    pub(crate) fn under(mut self, section: Section) -> Self {
        self.above.push((section.name(&self.person.reader), section.path().to_owned()));
        self
    }

    /// Below a page that has this address.
    pub(crate) fn below(mut self, name: &str, path: String) -> Self {
        self.above.push((name.to_owned(), path));
        self
    }

    /// With what may be done beside its title.
    pub(crate) fn actions(self, actions: Markup) -> Self {
        Self { actions, ..self }
    }

    /// With another status than that all is well.
    pub(crate) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// A page that is one form, with what is wrong with it.
    pub(crate) fn ask(self, asking: &Asking<'_>, problems: &Problems<'_>) -> Response {
        let Asking { action, fields, submit, back } = *asking;
        let reader = &self.person.reader;
        let fields = html! {
            (fields)
            div.row {
                (Submit { text: submit, weight: Button::Main }.render())
                (link_button(back, &reader.t("cancel"), Button::Plain))
            }
        };
        let content = html! {
            (problems.render(reader))
            section.card { (form(action, &self.person.form_token, &fields)) }
        };
        self.status(problems.status()).show(&content)
    }

    /// The whole of it.
    pub(crate) fn show(&self, content: &Markup) -> Response {
        let person = self.person;
        let above: Vec<Crumb<'_>> = self.above.iter().map(|(name, path)| Crumb { name, path }).collect();
        let place = Place {
            tenant: person.tenant_name.as_deref(),
            person: &person.email,
            sections: &sections(person),
            section: self.section,
            above: &above,
            token: &person.form_token,
        };
        let frame = Frame { reader: &person.reader, title: self.title };
        frame.within(&place, self.status, &self.actions, content)
    }
}

/// Where a person begins.
pub(crate) fn first(person: &Person) -> &'static str {
    sections(person).first().map_or("/account", |section| section.path())
}

/// What a person may look at.
fn sections(person: &Person) -> Vec<Section> {
    let operator = person.role == access::Role::Operator;
    let all: [(Section, bool); 12] = [
        (Section::Tenants, operator),
        (Section::Queues, operator),
        (Section::Errors, operator),
        (Section::Lifecycles, operator),
        (Section::Campaigns, person.may(Scope::CampaignsRead)),
        (Section::Profiles, person.may(Scope::CampaignsRead)),
        (Section::Files, person.may(Scope::CampaignsRead)),
        (Section::Recipients, person.may(Scope::RecipientsRead)),
        (Section::Retention, person.may(Scope::AccountRead)),
        (Section::Users, person.role.manages_users()),
        (Section::ApiKeys, person.may(Scope::KeysWrite)),
        (Section::Audit, person.may(Scope::AuditRead)),
    ];
    all.into_iter().filter(|(_, may)| *may).map(|(section, _)| section).collect()
}
