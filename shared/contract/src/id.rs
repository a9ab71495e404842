//! Typed ids. The only source of made SQL identifiers and of S3 key parts.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta] $name:ident;)*) => {$(
        #[$doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

id! {
    /// A customer's account.
    TenantId;
    /// A campaign; unique over all tenants.
    CampaignId;
    /// One import of one file into one campaign.
    ImportId;
    /// One start of a campaign's mailing.
    LaunchId;
    /// An upload into Incoming that is not complete.
    UploadId;
    /// One mail: a row of its campaign's ledger. Unique in its campaign only.
    MailId;
    /// One planned or written export file.
    ExportId;
    /// One file in the File Exchange's index.
    FileId;
    /// One address of a tenant's own that is told of events.
    WebhookId;
    /// One event for one webhook.
    WebhookDeliveryId;
}

impl TenantId {
    /// The Postgres role that owns the tenant's schemas and nothing else.
    pub fn role(self) -> String {
        format!("tenant_{}", self.0)
    }
}

impl CampaignId {
    /// The Postgres schema that belongs to the campaign alone.
    pub fn schema(self) -> String {
        format!("campaign_{}", self.0)
    }
}

impl ImportId {
    /// The table that this import made in its campaign's schema.
    pub fn table(self) -> String {
        format!("recipients_{}", self.0)
    }
}
