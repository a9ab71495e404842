//! What a tenant's webhooks are told: ids, states, counts and times. Never an address, a file name, a campaign's name or a reason's words.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{CampaignId, ExportId, ImportId, LaunchId, WebhookId};

/// Something that a tenant's own systems may want to know. Fields are added, never renamed or taken away: integrators parse this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// An import came to its end.
    #[serde(rename = "import.ended")]
    ImportEnded(ImportEnded),
    /// A launch came to its end.
    #[serde(rename = "launch.ended")]
    LaunchEnded(LaunchEnded),
    /// Files of an export stand in Exports, the manifest too.
    #[serde(rename = "export.ready")]
    ExportReady(ExportReady),
    /// Somebody wants to see whether a webhook works. It goes to this one alone.
    #[serde(rename = "webhook.test")]
    Test(Test),
}

/// Of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportEnded {
    /// Which one.
    pub import: ImportId,
    /// Into which campaign; an import that is refused early has none.
    pub campaign: Option<CampaignId>,
    /// How it ended.
    pub state: ImportEnd,
    /// Why it was refused, or what the customer has to know of one that was not: a code of the catalogue.
    pub reason_code: Option<String>,
    /// Rows of the file; none of a refused one.
    pub rows: i64,
    /// Rows that are recipients now.
    pub imported: i64,
    /// Rows that are in the error report.
    pub rejected: i64,
    /// Imported rows whose address was there before.
    pub duplicates: i64,
}

/// How an import ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportEnd {
    /// Its rows are there, its file stands in Finished.
    Finished,
    /// Nothing of it is there, its file stands in Invalids.
    Refused,
}

impl ImportEnd {
    /// As the database spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Refused => "refused",
        }
    }
}

/// Of a launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchEnded {
    /// Which one.
    pub launch: LaunchId,
    /// Of which campaign.
    pub campaign: CampaignId,
    /// How it ended.
    pub state: LaunchEnd,
    /// Why it failed: a code of the catalogue.
    pub reason_code: Option<String>,
}

/// How a launch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaunchEnd {
    /// Each of its mails came to its end.
    Done,
    /// It never began.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

/// Of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportReady {
    /// Which one: the manifest names it.
    pub export: ExportId,
    /// Of which campaign.
    pub campaign: CampaignId,
    /// Responses in all its files.
    pub rows: i64,
}

/// Of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// Which one is tested.
    pub webhook: WebhookId,
}

/// What is signed and sent.
#[derive(Serialize)]
struct Document<'a, D> {
    id: Uuid,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    data: &'a D,
}

impl Event {
    /// As webhooks name what they want.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ImportEnded(_) => "import.ended",
            Self::LaunchEnded(_) => "launch.ended",
            Self::ExportReady(_) => "export.ready",
            Self::Test(_) => "webhook.test",
        }
    }

    /// The one webhook that it is for; without one, all that want its type.
    pub fn webhook(&self) -> Option<WebhookId> {
        match self {
            Self::Test(test) => Some(test.webhook),
            Self::ImportEnded(_) | Self::LaunchEnded(_) | Self::ExportReady(_) => None,
        }
    }

    /// The document that receivers get, byte for byte, at each attempt.
    pub fn document(&self, id: Uuid, at: OffsetDateTime) -> Result<String, serde_json::Error> {
        let kind = self.name();
        match self {
            Self::ImportEnded(data) => serde_json::to_string(&Document { id, kind, at, data }),
            Self::LaunchEnded(data) => serde_json::to_string(&Document { id, kind, at, data }),
            Self::ExportReady(data) => serde_json::to_string(&Document { id, kind, at, data }),
            Self::Test(data) => serde_json::to_string(&Document { id, kind, at, data }),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    /// One line of the fixture for each, in this order.
    fn events() -> [Event; 6] {
        let (campaign, launch) = (CampaignId(2), LaunchId(5));
        let launched = |state, reason: Option<&str>| {
            let reason_code = reason.map(str::to_owned);
            Event::LaunchEnded(LaunchEnded { launch, campaign, state, reason_code })
        };
        [
            Event::ImportEnded(ImportEnded {
                import: ImportId(7),
                campaign: Some(campaign),
                state: ImportEnd::Finished,
                reason_code: None,
                rows: 100,
                imported: 98,
                rejected: 2,
                duplicates: 1,
            }),
            Event::ImportEnded(ImportEnded {
                import: ImportId(8),
                campaign: None,
                state: ImportEnd::Refused,
                reason_code: Some("campaign_unknown".to_owned()),
                rows: 0,
                imported: 0,
                rejected: 0,
                duplicates: 0,
            }),
            launched(LaunchEnd::Done, None),
            launched(LaunchEnd::Failed, Some("sender_domain")),
            Event::ExportReady(ExportReady { export: ExportId(3), campaign, rows: 41 }),
            Event::Test(Test { webhook: WebhookId(9) }),
        ]
    }

    #[test]
    fn integrators_get_these_documents() {
        let id = Uuid::from_u128(0x0192_8f3a_1b2c_4d3e_8f40_5162_7384_95a6);
        let at = datetime!(2026-11-23 12:00:01.5 UTC);
        let documents = events().map(|event| event.document(id, at).unwrap());
        let expected: Vec<_> = include_str!("../fixtures/webhook.jsonl").lines().collect();
        assert_eq!(documents.as_slice(), expected);
        for (document, event) in documents.iter().zip(events()) {
            assert_eq!(serde_json::from_str::<Event>(document).unwrap(), event, "a document is its event");
        }
    }

    #[test]
    fn states_are_those_of_the_database() {
        for end in [ImportEnd::Finished, ImportEnd::Refused] {
            assert_eq!(serde_json::to_value(end).unwrap(), end.name());
        }
        assert_eq!(serde_json::to_value(LaunchEnd::Cancelled).unwrap(), "cancelled");
    }
}
