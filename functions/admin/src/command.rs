//! The commands, as an operator writes them: `{"command": "create_tenant", "slug": "acme", ...}`. An unknown field is refused by its name.

use access::{Network, Scope};
use serde::Deserialize;
use serde_json::Value;
use time::{Date, OffsetDateTime};

use crate::{AdminError, Limit};

time::serde::format_description!(day, Date, "[year]-[month]-[day]");

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Bring the global schema and every campaign's schema up to date.
    Migrate {},
    /// Make a tenant with its role, bucket, secrets and keys, or finish one that was half made. Settings count for a new one only.
    CreateTenant(TenantSpec),
    /// Change the given settings of a tenant, its name or its status; add SSH keys.
    SetTenant(TenantSpec),
    /// Show a tenant.
    Tenant {
        /// Whose.
        slug: String,
    },
    /// Make a further API key; its secret goes to Secrets Manager.
    CreateApiKey {
        /// Whose.
        slug: String,
        /// What it may do.
        key: ApiKeySpec,
    },
    /// Show the API keys of a tenant, without their secrets.
    ApiKeys {
        /// Whose.
        slug: String,
    },
    /// End an API key, whoever made it.
    DeleteApiKey {
        /// Whose.
        slug: String,
        /// Its first part, as `api_keys` shows it.
        prefix: String,
    },
    /// Let an SSH key log in to the File Exchange.
    AddSshKey {
        /// Whose.
        slug: String,
        /// One line, as in `id_ed25519.pub`.
        public_key: String,
        /// RFC 3339; never when absent. Given again, it replaces the earlier one.
        #[serde(default, with = "time::serde::rfc3339::option")]
        expires_at: Option<OffsetDateTime>,
        /// Networks and addresses from which it may log in; from anywhere when empty. Given again, they replace the earlier ones.
        #[serde(default)]
        sources: Vec<String>,
    },
    /// An SSH key logs in no more; sessions that it has opened end within a minute.
    RemoveSshKey {
        /// Whose.
        slug: String,
        /// `SHA256:...`, as `tenant` and `ssh-keygen -l` show it.
        fingerprint: String,
    },
    /// Make a new password for the File Exchange; the old one is good no more.
    ResetSftpPassword {
        /// Whose.
        slug: String,
    },
    /// Register an OpenPGP certificate of the customer.
    AddPgpKey {
        /// Whose.
        slug: String,
        /// What it is for.
        purpose: KeyPurpose,
        /// ASCII armor.
        public_key: String,
    },
    /// Forget an OpenPGP certificate of the customer.
    RemovePgpKey {
        /// Whose.
        slug: String,
        /// What it was for.
        purpose: KeyPurpose,
        /// 40 or 64 upper-case hex digits.
        fingerprint: String,
    },
    /// Make the tenant a new OpenPGP key of its own; the older ones go on decrypting.
    RotatePgpKey {
        /// Whose.
        slug: String,
    },
    /// End one of the tenant's own older OpenPGP keys, and delete its secret.
    RetirePgpKey {
        /// Whose.
        slug: String,
        /// 40 upper-case hex digits.
        fingerprint: String,
    },
    /// Say how a tenant's files are read; the one named `default` is for those that name none.
    SetImportProfile {
        /// Whose.
        slug: String,
        /// What control files and import calls name it by.
        name: String,
        /// All of it: absent parts are detected or have their defaults.
        profile: contract::Profile,
    },
    /// Make the DKIM keys of a domain and tell which DNS records its owner has to publish.
    AddSenderDomain {
        /// Whose.
        slug: String,
        /// The domain of `From` addresses.
        domain: String,
    },
    /// Say by which rules opens and clicks of programs are told from people's.
    SetActorRules {
        /// All of them: `actor_rules` shows those in use.
        rules: Value,
    },
    /// Show the rules in use.
    ActorRules {},
    /// Go back to the rules of the release.
    ResetActorRules {},
    /// Prove the receipts of deletions: each chain, and every head of it that was anchored.
    VerifyReceipts {
        /// Whose; everybody's when absent.
        #[serde(default)]
        slug: Option<String>,
    },
    /// An operator attests that the tenant owns the domain: from then on it may send.
    ConfirmSenderDomain {
        /// The domain.
        domain: String,
        /// Who attests it.
        by: String,
    },
}

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
    /// Its name for logins and buckets: 3 to 30 small letters, digits and hyphens, beginning with a letter.
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
            ],
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
    /// Incoming, Finished, Invalids, Exports, campaign, campaign at most.
    pub hours: [Option<i32>; 6],
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn commands_parse() {
        for (command, expected) in [
            (json!({"command": "migrate"}), Command::Migrate {}),
            (json!({"command": "tenant", "slug": "acme"}), Command::Tenant { slug: "acme".to_owned() }),
            (
                json!({"command": "create_tenant", "slug": "acme", "name": "Acme", "ssh_keys": ["k"], "incoming_hours": 1}),
                Command::CreateTenant(TenantSpec {
                    slug: "acme".to_owned(),
                    name: Some("Acme".to_owned()),
                    ssh_keys: vec!["k".to_owned()],
                    incoming_hours: Some(1),
                    ..TenantSpec::default()
                }),
            ),
            (
                json!({"command": "add_pgp_key", "slug": "acme", "purpose": "signer", "public_key": "p"}),
                Command::AddPgpKey {
                    slug: "acme".to_owned(),
                    purpose: KeyPurpose::Signer,
                    public_key: "p".to_owned(),
                },
            ),
            (
                json!({"command": "create_api_key", "slug": "acme", "key": {"name": "crm", "scopes": ["campaigns:read"]}}),
                Command::CreateApiKey {
                    slug: "acme".to_owned(),
                    key: ApiKeySpec {
                        name: "crm".to_owned(),
                        scopes: vec!["campaigns:read".to_owned()],
                        ..ApiKeySpec::default()
                    },
                },
            ),
            (
                json!({"command": "retire_pgp_key", "slug": "acme", "fingerprint": "F"}),
                Command::RetirePgpKey { slug: "acme".to_owned(), fingerprint: "F".to_owned() },
            ),
            (json!({"command": "verify_receipts"}), Command::VerifyReceipts { slug: None }),
            (
                json!({"command": "set_tenant", "slug": "acme", "signature_required": true}),
                Command::SetTenant(TenantSpec {
                    slug: "acme".to_owned(),
                    signature_required: Some(true),
                    ..TenantSpec::default()
                }),
            ),
            (
                json!({"command": "add_ssh_key", "slug": "acme", "public_key": "p", "expires_at": "2027-01-01T00:00:00Z"}),
                Command::AddSshKey {
                    slug: "acme".to_owned(),
                    public_key: "p".to_owned(),
                    expires_at: Some(time::macros::datetime!(2027-01-01 00:00 UTC)),
                    sources: Vec::new(),
                },
            ),
            (
                json!({"command": "add_ssh_key", "slug": "acme", "public_key": "p", "sources": ["192.0.2.0/24"]}),
                Command::AddSshKey {
                    slug: "acme".to_owned(),
                    public_key: "p".to_owned(),
                    expires_at: None,
                    sources: vec!["192.0.2.0/24".to_owned()],
                },
            ),
        ] {
            assert_eq!(serde_json::from_value::<Command>(command.clone()).unwrap(), expected, "{command}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (command, name) in [
            (json!({"command": "drop_tenant"}), "drop_tenant"),
            (json!({"command": "migrate", "force": true}), "force"),
            (json!({"command": "create_tenant", "slug": "acme", "incoming_hour": 1}), "incoming_hour"),
            (json!({"command": "add_ssh_key", "slug": "acme", "public_key": "p", "comment": "c"}), "comment"),
            (json!({"command": "set_tenant", "slug": "acme", "status": "deleted"}), "deleted"),
        ] {
            let error = serde_json::from_value::<Command>(command.clone()).unwrap_err().to_string();
            assert!(error.contains(name), "{command}: {error}");
        }
    }
}
