//! What operators describe in commands: tenants and their settings, API keys, what a certificate is for.

use access::{Network, Scope};
use serde::Deserialize;
use time::{Date, OffsetDateTime};

use crate::{AdminError, Limit};

time::serde::format_description!(day, Date, "[year]-[month]-[day]");

/// An API key as an operator describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeySpec {
    /// For people: who uses it.
    #[serde(default)]
    pub name: String,
    /// All of them when empty.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// RFC 3339; never when absent.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// Networks and addresses from which it may come; from anywhere when empty.
    #[serde(default)]
    pub sources: Vec<String>,
    /// 3,000 when absent.
    #[serde(default)]
    pub requests_per_minute: Option<i32>,
}

impl ApiKeySpec {
    /// Refuses what could never be used.
    pub fn check(&self, now: OffsetDateTime) -> Result<(), AdminError> {
        if self.scopes.iter().any(|name| name.parse::<Scope>().is_err()) {
            return Err(AdminError::Scope);
        }
        for text in &self.sources {
            text.parse::<Network>()?;
        }
        let rate_is_possible = self.requests_per_minute.is_none_or(|rate| (1..=1_000_000).contains(&rate));
        if self.expires_at.is_some_and(|end| end <= now)
            || !rate_is_possible
            || self.name.chars().count() > 100
        {
            return Err(AdminError::ApiKey);
        }
        Ok(())
    }

    /// As the database spells them.
    pub fn scope_names(&self) -> Vec<String> {
        let all = Scope::ALL.iter().map(|scope| scope.name().to_owned());
        if self.scopes.is_empty() { all.collect() } else { self.scopes.clone() }
    }
}

/// A tenant as an operator describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantSpec {
    /// Its name for logins and buckets: 3 to 30 small letters, digits and hyphens, beginning with a letter; none of the common buckets' names.
    pub slug: String,
    /// Its name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// SSH public keys that may log in.
    #[serde(default)]
    pub ssh_keys: Vec<String>,
    /// Whether it may log in, import and send.
    #[serde(default)]
    pub status: Option<Status>,
    /// How long files stay in Incoming.
    #[serde(default)]
    pub incoming_hours: Option<i32>,
    /// How long files stay in Finished.
    #[serde(default)]
    pub finished_hours: Option<i32>,
    /// How long files stay in Invalids.
    #[serde(default)]
    pub invalids_hours: Option<i32>,
    /// How long files stay in Exports.
    #[serde(default)]
    pub exports_hours: Option<i32>,
    /// How long a campaign's data stays after its last launch ended.
    #[serde(default)]
    pub campaign_hours: Option<i32>,
    /// How long a campaign's data stays after its creation at most.
    #[serde(default)]
    pub campaign_hours_max: Option<i32>,
    /// How long people stay whom a cancelled launch did not mail; 0: as long as the campaign.
    #[serde(default)]
    pub cancelled_hours: Option<i32>,
    /// How long lines of the audit are kept.
    #[serde(default)]
    pub audit_days: Option<i32>,
    /// How often responses are exported.
    #[serde(default)]
    pub export_minutes: Option<i32>,
    /// Whether exports are encrypted to the tenant's recipient keys.
    #[serde(default)]
    pub encrypt_exports: Option<bool>,
    /// The columns of exports, in their order.
    #[serde(default)]
    pub export_columns: Option<Vec<String>>,
    /// Whether an export has a file for each kind of response, also where nothing of that kind came back.
    #[serde(default)]
    pub export_empty: Option<bool>,
    /// After so many soft bounces an address is mailed no more; 0: never.
    #[serde(default)]
    pub soft_bounces_max: Option<i32>,
    /// Within so many days.
    #[serde(default)]
    pub soft_bounce_days: Option<i32>,
    /// Whether a login to the File Exchange takes a key and the password, both.
    #[serde(default)]
    pub sftp_both: Option<bool>,
    /// Whether every file to be imported must be signed by one of the tenant's signer keys.
    #[serde(default)]
    pub signature_required: Option<bool>,
    /// Whether logins to the console take a second factor.
    #[serde(default)]
    pub second_factor: Option<bool>,
    /// Whether authenticator apps may take the place of texts.
    #[serde(default)]
    pub totp_allowed: Option<bool>,
    /// Whether passkeys may take the place of texts.
    #[serde(default)]
    pub passkeys_allowed: Option<bool>,
    /// Countries to which codes are sent (ISO 3166-1, two letters). The first is meant by numbers without a country's number.
    #[serde(default)]
    pub text_countries: Option<Vec<String>>,
    /// Codes that are sent in a day (UTC) at most.
    #[serde(default)]
    pub texts_per_day: Option<i32>,
    /// How many mails it hands over in an hour; `null`: as many as there are.
    #[serde(default)]
    pub mails_per_hour: Limit,
    /// Mails an hour for each day from `warm_up_from` on; an empty list ends the warm-up.
    #[serde(default)]
    pub warm_up: Option<Vec<i32>>,
    /// The day (UTC) of the warm-up's first limit.
    #[serde(default, with = "day::option")]
    pub warm_up_from: Option<Date>,
}

impl TenantSpec {
    /// The part that is columns of `broadcast.tenants`.
    pub fn settings(&self) -> Settings {
        Settings {
            status: self.status,
            hours: [
                self.incoming_hours,
                self.finished_hours,
                self.invalids_hours,
                self.exports_hours,
                self.campaign_hours,
                self.campaign_hours_max,
                self.cancelled_hours,
            ],
            audit_days: self.audit_days,
            second_factor: self.second_factor,
            totp_allowed: self.totp_allowed,
            passkeys_allowed: self.passkeys_allowed,
            text_countries: self.text_countries.clone(),
            texts_per_day: self.texts_per_day,
            export_minutes: self.export_minutes,
            encrypt_exports: self.encrypt_exports,
            export_columns: self.export_columns.clone(),
            export_empty: self.export_empty,
            soft_bounces_max: self.soft_bounces_max,
            soft_bounce_days: self.soft_bounce_days,
            sftp_both: self.sftp_both,
            signature_required: self.signature_required,
        }
    }
}

/// The settings that were given; the others stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether it may log in, import and send.
    pub status: Option<Status>,
    /// Incoming, Finished, Invalids, Exports, campaign, campaign at most, people of cancelled launches.
    pub hours: [Option<i32>; 7],
    /// How long lines of the audit are kept.
    pub audit_days: Option<i32>,
    /// Of logins to the console.
    pub second_factor: Option<bool>,
    /// Of logins to the console.
    pub totp_allowed: Option<bool>,
    /// Of logins to the console.
    pub passkeys_allowed: Option<bool>,
    /// ISO 3166-1.
    pub text_countries: Option<Vec<String>>,
    /// A day.
    pub texts_per_day: Option<i32>,
    /// How often responses are exported.
    pub export_minutes: Option<i32>,
    /// Whether exports are encrypted.
    pub encrypt_exports: Option<bool>,
    /// The columns of exports.
    pub export_columns: Option<Vec<String>>,
    /// Whether exports have files without rows.
    pub export_empty: Option<bool>,
    /// Soft bounces that suppress.
    pub soft_bounces_max: Option<i32>,
    /// Within so many days.
    pub soft_bounce_days: Option<i32>,
    /// Whether a login takes a key and the password.
    pub sftp_both: Option<bool>,
    /// Whether files must be signed.
    pub signature_required: Option<bool>,
}

/// Whether a tenant may do anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It may.
    Active,
    /// It may not, and its data stays until its time is up.
    Suspended,
}

impl Status {
    /// As the database spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

/// What a customer's certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPurpose {
    /// Exports are encrypted to it.
    Recipient,
    /// Uploads are signed with it.
    Signer,
}

impl KeyPurpose {
    /// As the database spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::Signer => "signer",
        }
    }
}
