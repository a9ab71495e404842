//! Postgres: the pool, the migrations, and the only doors to a tenant's and a campaign's data.
//!
//! Owns connections, roles and schemas. Never sees S3, a queue, a message or a key. SQL stands beside its use in the functions;
//! here is only what several of them share.
//!
//! A [`TenantTx`] has taken the tenant's role with `SET LOCAL ROLE`: global rows are then under row-level security, and the schemas of
//! other tenants are closed, whatever a statement names. A [`CampaignTx`] also has the campaign's schema as its search path, so that
//! statements over `ledger`, `responses`, `links` are constant text.
#![forbid(unsafe_code)]

mod accounting;
pub mod audit;
mod campaign;
mod copy;
mod error;
pub mod fields;
mod launch;
pub mod pacing;
mod pgp;
mod read;
pub mod receipts;
pub mod recipients;
pub mod roles;
mod session;
pub mod slices;
mod soft_bounces;
mod tx;
mod webhook;

pub use accounting::Accounting;
pub use campaign::{CampaignState, CreateCampaignError, bucket_of, schema_exists};
pub use copy::BinaryRows;
pub use error::StoreError;
pub use launch::{
    LaunchChange, LaunchState, Plan, Scheduled, UNCOMPARED, cancel_launch, cancel_mails, finish_launch,
    pause_launch, preparing_launches, restart_lifetime, resume_launch, schedule_launch,
};
pub use pgp::{PgpKey, pgp_keys};
pub use read::{Readers, Reading};
pub use session::CampaignSession;
pub use soft_bounces::{SoftBounce, note_soft_bounces};
pub use tx::{CampaignTx, TenantTx};
pub use webhook::announce;

use std::time::Duration;

use contract::{CampaignId, TenantId};
use sqlx::{Connection, PgPool, migrate::Migrator, postgres::PgPoolOptions};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Connections of one function instance. A function works on one message at a time and needs few; Postgres has a few hundred for all.
const CONNECTIONS_MAX: u32 = 4;
/// How long to wait for a connection before the message goes back to its queue.
const ACQUIRE_SECONDS_MAX: u64 = 10;
/// How long a connection that answered is taken for one that works: a database that fails over takes longer.
const TRUSTED_TIME: Duration = Duration::from_secs(1);

/// The database, as the login role of the functions.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// A lazy pool: the first statement connects.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_with(url, CONNECTIONS_MAX)
    }

    /// The same with another number of connections.
    pub fn connect_with(url: &str, connections_max: u32) -> Result<Self, StoreError> {
        let options = pool_options(connections_max);
        Ok(Self { pool: options.connect_lazy(url)? })
    }

    /// The same for a process that is never frozen, as functions are between two messages: a connection that was in use a moment ago is not
    /// asked whether it still works, which is a round trip for each statement.
    pub fn connect_awake(url: &str, connections_max: u32) -> Result<Self, StoreError> {
        let options = pool_options(connections_max).test_before_acquire(false);
        let options = options.before_acquire(|connection, seen| {
            Box::pin(async move {
                if seen.idle_for > TRUSTED_TIME {
                    connection.ping().await?;
                }
                Ok(true)
            })
        });
        Ok(Self { pool: options.connect_lazy(url)? })
    }

    /// The login role itself, for the few reads over all tenants that the migrations grant to it.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Begins a transaction as the tenant's role.
    pub async fn tenant(&self, tenant: TenantId) -> Result<TenantTx, StoreError> {
        TenantTx::begin(&self.pool, tenant).await
    }

    /// Begins a transaction as the tenant's role, in the campaign's schema.
    pub async fn campaign(&self, tenant: TenantId, campaign: CampaignId) -> Result<CampaignTx, StoreError> {
        CampaignTx::begin(&self.pool, tenant, campaign).await
    }
}

fn pool_options(connections_max: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(Duration::from_secs(ACQUIRE_SECONDS_MAX))
}

/// Brings the global schema up to date. Runs as `broadcast_owner`.
pub async fn migrate(owner: &PgPool) -> Result<(), StoreError> {
    MIGRATIONS.run(owner).await.map_err(StoreError::Migrate)
}
