//! The commands, as an operator writes them: `{"command": "create_tenant", "slug": "acme", ...}`. An unknown field is refused by its name.

use contract::CampaignId;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::{ApiKeySpec, KeyPurpose, TenantSpec};

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
    /// Delete a tenant with everything that it has. Given again it goes on, until it answers that the tenant is deleted.
    DeleteTenant {
        /// Its name.
        slug: String,
        /// Who orders it.
        by: String,
    },
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
    /// Keep a campaign beyond its lifetime, whatever asks for its deletion.
    HoldCampaign {
        /// Whose.
        slug: String,
        /// Its number.
        campaign: CampaignId,
        /// Why: 1 to 500 characters that stay on the record. No personal data.
        reason: String,
        /// Who orders it.
        by: String,
    },
    /// End a hold.
    ReleaseCampaign {
        /// Whose.
        slug: String,
        /// Its number.
        campaign: CampaignId,
        /// Who orders it.
        by: String,
    },
    /// Show a tenant's holds, also those that were released.
    Holds {
        /// Whose.
        slug: String,
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
    /// Say for how many days a backup of the database can be restored: receipts of deletions tell until when.
    SetBackupDays {
        /// 0 to 35.
        days: i32,
    },
    /// Show whether the database is the newest, and how far a restored one is.
    Database {},
    /// Let mails go out of a restored database.
    ReleaseMails {
        /// Who orders it.
        by: String,
    },
    /// Make a user of the console: of a tenant, or an operator. A mail brings a link by which the person chooses a password.
    CreateUser {
        /// Of which tenant; without it an operator.
        #[serde(default)]
        slug: Option<String>,
        /// Nobody else's.
        email: String,
        /// `admin`, `manager` or `viewer`; without it an operator.
        #[serde(default)]
        role: Option<String>,
        /// `en` or `de`; English when absent.
        #[serde(default)]
        language: Option<String>,
    },
    /// Show users of a tenant, or operators: their numbers, roles and states, and no address.
    Users {
        /// Of which tenant; operators when absent.
        #[serde(default)]
        slug: Option<String>,
    },
    /// Have a user register a phone again at the next login; sessions end.
    ResetPhone {
        /// Whose.
        email: String,
    },
    /// Open an account that too many wrong passwords or codes have locked.
    UnlockUser {
        /// Whose.
        email: String,
    },
    /// Keep a user out; sessions end.
    DisableUser {
        /// Whose.
        email: String,
    },
    /// Let a disabled user in again.
    EnableUser {
        /// Whose.
        email: String,
    },
    /// An operator attests that the tenant owns the domain: from then on it may send.
    ConfirmSenderDomain {
        /// The domain.
        domain: String,
        /// Who attests it.
        by: String,
    },
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
            (
                json!({"command": "create_user", "slug": "acme", "email": "ada@acme.example", "role": "admin"}),
                Command::CreateUser {
                    slug: Some("acme".to_owned()),
                    email: "ada@acme.example".to_owned(),
                    role: Some("admin".to_owned()),
                    language: None,
                },
            ),
            (json!({"command": "users"}), Command::Users { slug: None }),
            (json!({"command": "set_backup_days", "days": 7}), Command::SetBackupDays { days: 7 }),
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
