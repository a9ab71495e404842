//! What the operations answer, as far as pages show it.

use std::collections::BTreeMap;

use serde::Deserialize;
use time::OffsetDateTime;

use crate::person::Reader;

/// A campaign in the list of all.
#[derive(Deserialize)]
pub(crate) struct Overview {
    pub(crate) id: i64,
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) standing: Standing,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    pub(crate) figures: Option<ListedFigures>,
}

/// What there is to say of where a campaign stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Standing {
    pub(crate) state: String,
    pub(crate) imports_open: i64,
    pub(crate) launch_state: Option<String>,
}

/// Sums of a campaign.
#[derive(Deserialize)]
pub(crate) struct ListedFigures {
    pub(crate) addresses: u64,
    #[serde(flatten)]
    pub(crate) responses: Figures,
}

/// Mails, each counted once for each thing that happened to it.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
pub(crate) struct Figures {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) bounced: u64,
    pub(crate) complained: u64,
    pub(crate) opened_by_people: u64,
    pub(crate) clicked_by_people: u64,
    pub(crate) unsubscribed: u64,
}

/// A campaign.
#[derive(Deserialize)]
pub(crate) struct Campaign {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) state: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) ended_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) deleted_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) held_at: Option<OffsetDateTime>,
}

impl Campaign {
    /// Whether it takes imports and launches.
    pub(crate) fn is_open(&self) -> bool {
        self.state == "open"
    }
}

/// The report that is kept of a campaign.
#[derive(Deserialize)]
pub(crate) struct Report {
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) counted_at: Option<OffsetDateTime>,
    pub(crate) counting: bool,
    pub(crate) accounting: Option<Accounting>,
    pub(crate) responses: Option<Responses>,
    pub(crate) domains: Option<Domains>,
    pub(crate) bounces: Option<Vec<Bounces>>,
}

/// What became of every row and every address.
#[derive(Debug, Default, Clone, Deserialize)]
pub(crate) struct Accounting {
    pub(crate) rows: u64,
    pub(crate) imported: u64,
    pub(crate) rejected: u64,
    pub(crate) duplicates: u64,
    /// Below zero while rows of an import come in.
    pub(crate) unlaunched: i64,
    #[serde(default)]
    pub(crate) erased: u64,
    pub(crate) ledger: BTreeMap<String, u64>,
    pub(crate) delivered: u64,
    pub(crate) delivered_assumed: bool,
    pub(crate) balanced: bool,
}

impl Accounting {
    /// Mails in a state.
    pub(crate) fn mails(&self, state: &str) -> u64 {
        self.ledger.get(state).copied().unwrap_or(0)
    }
}

/// Responses in figures.
#[derive(Deserialize)]
pub(crate) struct Responses {
    pub(crate) totals: Figures,
    pub(crate) links: Vec<Link>,
    pub(crate) hours: Vec<Hour>,
    pub(crate) versions: Vec<Version>,
}

/// Clicks on one link.
#[derive(Deserialize)]
pub(crate) struct Link {
    pub(crate) template_version: i32,
    pub(crate) url: String,
    pub(crate) total: u64,
    pub(crate) human: u64,
    pub(crate) mails: u64,
}

/// Responses of one kind in one hour.
#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "as the operation names it")]
pub(crate) struct Hour {
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) hour: OffsetDateTime,
    pub(crate) kind: String,
    pub(crate) total: u64,
}

/// Mails of one version of the template.
#[derive(Deserialize)]
pub(crate) struct Version {
    pub(crate) template_version: i32,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// Mails by domain.
#[derive(Deserialize)]
pub(crate) struct Domains {
    pub(crate) domains: u64,
    pub(crate) items: Vec<Domain>,
}

/// Mails to one domain.
#[derive(Deserialize)]
pub(crate) struct Domain {
    pub(crate) domain: String,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// Mails that came back for one reason.
#[derive(Deserialize)]
pub(crate) struct Bounces {
    pub(crate) class: String,
    pub(crate) status: Option<String>,
    pub(crate) mails: u64,
}

/// A launch.
#[derive(Deserialize)]
pub(crate) struct Launch {
    pub(crate) id: i64,
    pub(crate) campaign: i64,
    pub(crate) state: String,
    pub(crate) template_version: i32,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) starts_at: Option<OffsetDateTime>,
    pub(crate) paced_minutes: Option<u32>,
    reason_code: Option<String>,
    reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) ended_at: Option<OffsetDateTime>,
}

impl Launch {
    /// Why it stands still or failed, in the reader's language.
    pub(crate) fn reason(&self, reader: &Reader) -> Option<String> {
        Some(reader.fault(self.reason_code.as_deref()?, self.reason.as_deref()?))
    }

    /// Whether it goes on or waits, so that something can be done about it.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state.as_str(), "scheduled" | "preparing" | "running" | "paused")
    }
}

/// An import.
#[derive(Deserialize)]
pub(crate) struct Import {
    pub(crate) id: i64,
    pub(crate) campaign: Option<i64>,
    pub(crate) file: String,
    pub(crate) state: String,
    pub(crate) bytes_total: u64,
    pub(crate) bytes_done: u64,
    pub(crate) rows: u64,
    pub(crate) imported: u64,
    pub(crate) rejected: u64,
    pub(crate) duplicates: u64,
    pub(crate) charset: Option<String>,
    pub(crate) delimiter: Option<String>,
    reason_code: Option<String>,
    reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) ended_at: Option<OffsetDateTime>,
}

impl Import {
    /// Why it was refused, or what else is to be said of it, in the reader's language.
    pub(crate) fn reason(&self, reader: &Reader) -> Option<String> {
        Some(reader.fault(self.reason_code.as_deref()?, self.reason.as_deref()?))
    }

    /// Whether it is at its end.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "finished" | "refused")
    }
}

/// The newest template.
#[derive(Default, Deserialize)]
pub(crate) struct Template {
    pub(crate) from_name: String,
    pub(crate) from_address: String,
    pub(crate) locale: String,
    pub(crate) subject: String,
    pub(crate) preheader: Option<String>,
    pub(crate) html: String,
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) files: Vec<TemplateFile>,
}

/// What every mail of a template carries.
#[derive(Deserialize)]
pub(crate) struct TemplateFile {
    pub(crate) name: String,
}

/// A mail as it would look.
#[derive(Deserialize)]
pub(crate) struct Preview {
    pub(crate) subject: String,
    pub(crate) html: String,
    pub(crate) text: String,
    pub(crate) line: i64,
}

/// A test mail.
#[derive(Deserialize)]
pub(crate) struct TestMail {
    pub(crate) template_version: i32,
    pub(crate) state: String,
    pub(crate) reply: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
}
