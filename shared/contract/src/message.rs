//! Queue messages: one tagged enum per queue. A message once written parses for ever: see `fixtures/`.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{CampaignId, ImportId, LaunchId, MailId, TenantId};

/// On the import queue, beside S3 notifications of tenants' buckets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ImportMessage {
    /// Run an import whose row stands in `broadcast.imports`.
    #[serde(rename = "import.v1")]
    Import {
        /// Whose import it is.
        tenant: TenantId,
        /// Which one.
        import: ImportId,
    },
}

/// On the generate queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum GenerateMessage {
    /// Make the launch's ledger rows and its slices.
    #[serde(rename = "launch.v1")]
    Launch {
        /// Whose launch it is.
        tenant: TenantId,
        /// Of which campaign.
        campaign: CampaignId,
        /// Which launch.
        launch: LaunchId,
    },
    /// Make the messages of one slice.
    #[serde(rename = "slice.v1")]
    Slice {
        /// Whose slice it is.
        tenant: TenantId,
        /// Of which campaign.
        campaign: CampaignId,
        /// Of which launch.
        launch: LaunchId,
        /// Number of the slice in its launch, from 0.
        slice: i32,
    },
}

/// On the send queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum SendMessage {
    /// Hand over what is due of one spooled slice.
    #[serde(rename = "slice.v1")]
    Slice {
        /// Whose slice it is.
        tenant: TenantId,
        /// Of which campaign.
        campaign: CampaignId,
        /// Of which launch.
        launch: LaunchId,
        /// Number of the slice in its launch, from 0.
        slice: i32,
    },
}

/// On the track queue, beside S3 notifications of the reports bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum TrackMessage {
    /// What a recipient did, as collect saw it.
    #[serde(rename = "response.v1")]
    Response {
        /// Made by collect: the same request is stored once, however often it is delivered.
        event: Uuid,
        /// When it happened.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        /// Whose mail it was.
        tenant: TenantId,
        /// Of which campaign.
        campaign: CampaignId,
        /// Which mail.
        mail: MailId,
        /// What was done.
        kind: ResponseKind,
        /// Number of the link in the template, from 0, for a click.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<i32>,
        /// Who did it, as far as the request shows.
        actor: Actor,
        /// Keyed digest of the address (32 hexadecimal digits), for an unsubscribe: it works when the mail's data is gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address_key: Option<String>,
    },
}

/// What comes back after a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseKind {
    /// A relay or the receiving side said that it was delivered.
    Delivered,
    /// It came back.
    Bounced,
    /// Its recipient marked it as spam.
    Complained,
    /// Its images were loaded.
    Opened,
    /// A link was followed.
    Clicked,
    /// Its recipient wants no more.
    Unsubscribed,
}

impl ResponseKind {
    /// As the database and the exports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
            Self::Opened => "opened",
            Self::Clicked => "clicked",
            Self::Unsubscribed => "unsubscribed",
        }
    }
}

/// Who made a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A person, as far as we can tell.
    Human,
    /// A mailbox provider's image proxy.
    Proxy,
    /// A security scanner that follows links.
    Scanner,
}

impl Actor {
    /// As the database and the exports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Proxy => "proxy",
            Self::Scanner => "scanner",
        }
    }
}

/// On the export queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ExportMessage {
    /// Export whatever is new in all campaigns of a tenant.
    #[serde(rename = "tenant.v1")]
    Tenant {
        /// Whose responses.
        tenant: TenantId,
    },
    /// The last export of a campaign, before its data is deleted.
    #[serde(rename = "final.v1")]
    Final {
        /// Whose responses.
        tenant: TenantId,
        /// Of which campaign.
        campaign: CampaignId,
    },
}

/// On the sweep queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum SweepMessage {
    /// Enforce one tenant's retention.
    #[serde(rename = "tenant.v1")]
    Tenant {
        /// Whose data.
        tenant: TenantId,
        /// The time that retention is measured against: the schedule event's own.
        #[serde(with = "time::serde::rfc3339")]
        now: OffsetDateTime,
    },
}

/// On the notify queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum NotifyMessage {
    /// Tell a tenant's webhooks what is due.
    #[serde(rename = "tenant.v1")]
    Tenant {
        /// Whose webhooks.
        tenant: TenantId,
    },
}

/// On the count queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum CountMessage {
    /// Count a campaign, and keep what was found.
    #[serde(rename = "campaign.v1")]
    Campaign {
        /// Whose campaign it is.
        tenant: TenantId,
        /// Which one.
        campaign: CampaignId,
    },
}

#[cfg(test)]
mod tests {
    use serde::{Serialize, de::DeserializeOwned};

    use super::*;

    /// Each line that was ever written must parse, and today's form must be written back the same.
    fn holds<T: Serialize + DeserializeOwned>(fixture: &str) {
        for line in fixture.lines().filter(|line| !line.is_empty()) {
            let message: T = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(serde_json::to_string(&message).unwrap(), line);
        }
    }

    #[test]
    fn every_message_ever_written_parses() {
        holds::<ImportMessage>(include_str!("../fixtures/import.jsonl"));
        holds::<GenerateMessage>(include_str!("../fixtures/generate.jsonl"));
        holds::<SendMessage>(include_str!("../fixtures/send.jsonl"));
        holds::<TrackMessage>(include_str!("../fixtures/track.jsonl"));
        holds::<ExportMessage>(include_str!("../fixtures/export.jsonl"));
        holds::<SweepMessage>(include_str!("../fixtures/sweep.jsonl"));
        holds::<NotifyMessage>(include_str!("../fixtures/notify.jsonl"));
        holds::<CountMessage>(include_str!("../fixtures/count.jsonl"));
    }
}
