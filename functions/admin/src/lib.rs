//! What an operator does: migrations, tenants, their keys and their sender domains.
//!
//! Logs in as the owner of the global schema, whom row-level security does not bind. No secret comes in or goes out: it makes secrets,
//! puts them into Secrets Manager and answers their names. Every command may be given again, also after a crash in its middle.
#![forbid(unsafe_code)]

mod actors;
mod anchors;
mod audit;
mod backups;
mod bucket;
mod command;
mod domain;
mod ending;
mod error;
mod hold;
mod key;
mod login;
mod migrate;
mod pacing;
mod pgp;
mod profile;
mod receipts;
mod secret;
mod show;
mod spec;
mod stopping;
mod tenant;
mod user;

pub use command::Command;
pub use error::AdminError;
pub use pacing::Limit;
pub use spec::{ApiKeySpec, KeyPurpose, Settings, Status, TenantSpec};

use std::sync::Arc;

use runtime::Clients;
use serde_json::Value;
use store::Store;
use time::OffsetDateTime;

/// What the function works with.
pub struct Admin {
    /// As `broadcast_owner`.
    pub store: Store,
    /// With the operator's rights over buckets and secrets.
    pub clients: Clients,
    /// What names of buckets and secrets begin with.
    pub deployment: String,
    /// The bucket of settings.
    pub settings_bucket: String,
    /// The bucket of anchors.
    pub anchors_bucket: String,
    /// Where tenants' buckets send their notifications.
    pub import_queue_arn: String,
    /// The secret of the master key, by which attempts of users are found.
    pub master_key_secret: String,
}

/// Runs one command.
pub async fn handle(admin: Arc<Admin>, command: Command, now: OffsetDateTime) -> Result<Value, AdminError> {
    match command {
        Command::Migrate {} => migrate::run(&admin).await,
        Command::CreateTenant(spec) => tenant::create(&admin, &spec, now).await,
        Command::SetTenant(spec) => tenant::set(&admin, &spec, now).await,
        Command::DeleteTenant { slug, by } => ending::delete(&admin, &slug, &by, now).await,
        Command::Tenant { slug } => show::tenant(&admin, &slug).await,
        Command::CreateApiKey { slug, key } => key::create(&admin, &slug, &key, now).await,
        Command::ApiKeys { slug } => key::list(&admin, &slug).await,
        Command::DeleteApiKey { slug, prefix } => key::delete(&admin, &slug, &prefix).await,
        Command::AddSshKey { slug, public_key, expires_at, sources } => {
            login::add_key(&admin, &slug, &public_key, expires_at, &sources).await
        }
        Command::RemoveSshKey { slug, fingerprint } => login::remove_key(&admin, &slug, &fingerprint).await,
        Command::ResetSftpPassword { slug } => login::reset_password(&admin, &slug).await,
        Command::AddPgpKey { slug, purpose, public_key } => {
            pgp::add(&admin, &slug, purpose, &public_key, now).await
        }
        Command::RemovePgpKey { slug, purpose, fingerprint } => {
            pgp::remove(&admin, &slug, purpose, &fingerprint).await
        }
        Command::RotatePgpKey { slug } => pgp::rotate(&admin, &slug, now).await,
        Command::RetirePgpKey { slug, fingerprint } => pgp::retire(&admin, &slug, &fingerprint).await,
        Command::SetImportProfile { slug, name, profile } => {
            profile::set(&admin, &slug, &name, &profile).await
        }
        Command::AddSenderDomain { slug, domain } => domain::add(&admin, &slug, &domain, now).await,
        Command::SetActorRules { rules } => actors::set(&admin, &rules).await,
        Command::ActorRules {} => actors::show(&admin).await,
        Command::ResetActorRules {} => actors::reset(&admin).await,
        Command::HoldCampaign { slug, campaign, reason, by } => {
            hold::hold(&admin, &slug, campaign, (&reason, &by), now).await
        }
        Command::ReleaseCampaign { slug, campaign, by } => {
            hold::release(&admin, &slug, campaign, &by, now).await
        }
        Command::Holds { slug } => hold::show(&admin, &slug).await,
        Command::VerifyReceipts { slug } => receipts::verify(&admin, slug.as_deref()).await,
        Command::SetBackupDays { days } => backups::set_days(&admin, days).await,
        Command::Database {} => backups::show(&admin).await,
        Command::ReleaseMails { by } => backups::release_mails(&admin, &by).await,
        Command::CreateUser { slug, email, role, language } => {
            let who = user::NewUser { slug, email, role, language };
            user::create(&admin, &who, now).await
        }
        Command::Users { slug } => user::list(&admin, slug.as_deref()).await,
        Command::ResetPhone { email } => user::reset_phone(&admin, &email, now).await,
        Command::UnlockUser { email } => user::unlock(&admin, &email).await,
        Command::DisableUser { email } => user::disable(&admin, &email, now).await,
        Command::EnableUser { email } => user::enable(&admin, &email).await,
        Command::ConfirmSenderDomain { domain, by } => domain::confirm(&admin, &domain, &by, now).await,
    }
}
