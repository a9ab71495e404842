//! What came back, as files in the customer's Exports.
//!
//! Of each campaign with something new: plan (`plan`: bounds and names, committed), write (`write`: one CSV `file` per kind of response,
//! then the manifest), record. The plan's row stays locked from the first byte to the record, which is one transaction: the export is
//! written, the campaign's watermark stands at its upper bound, the files are in the index. A crash before that leaves a plan, and
//! whoever comes next writes the same rows under the same names again. So a response is in exactly one file.
#![forbid(unsafe_code)]

mod columns;
mod error;
mod file;
mod keys;
mod plan;
mod record;
mod shape;
mod write;

pub use error::Error;

use std::{sync::Arc, time::Duration};

use contract::{CampaignId, ExportMessage, NotifyMessage, TenantId};
use exchange::{Exchange, TenantFiles};
use runtime::{Body, Clients, Delivery, Tick};
use sqlx::Row;
use store::{Store, StoreError};
use time::OffsetDateTime;
use tokio::time::Instant;

use columns::Column;
use keys::Keys;
use plan::Goal;

/// An export is not begun with less time left than this; it would most likely be cut off and begun again.
const BEGIN_SECONDS_MIN: Duration = Duration::from_secs(10);
/// Postgres's name for a table that is not there: the campaign is being deleted.
const UNDEFINED_TABLE: &str = "42P01";

/// What the function works with.
#[derive(Clone)]
pub struct Export {
    /// The database.
    pub store: Store,
    /// The tenants' buckets.
    pub exchange: Exchange,
    /// Queues and secrets.
    pub clients: Clients,
    /// Where due tenants are put.
    pub export_queue_url: String,
    /// Where tenants are put whose webhooks are to be told.
    pub notify_queue_url: String,
}

/// What all exports of one delivery share.
struct Job {
    tenant: TenantId,
    files: TenantFiles,
    settings: plan::Settings,
    keys: Option<Arc<Keys>>,
    now: OffsetDateTime,
    deadline: Instant,
}

/// Every minute: one message for each tenant whose interval is over.
pub async fn tick(export: Arc<Export>, tick: Tick) -> Result<(), Error> {
    let due: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM broadcast.tenants
         WHERE status NOT IN ('deleting', 'ending') AND exported_at + make_interval(mins => export_minutes) <= $1 ORDER BY exported_at",
    )
    .bind(tick.now)
    .fetch_all(export.store.pool())
    .await?;
    let message = |tenant| (TenantId(tenant), ExportMessage::Tenant { tenant: TenantId(tenant) });
    let messages: Vec<_> = due.into_iter().map(message).collect();
    Ok(export.clients.send_to_tenants(&export.export_queue_url, &messages).await?)
}

/// Exports a tenant's campaigns, or one campaign for the last time.
pub async fn handle(export: Arc<Export>, delivery: Delivery<ExportMessage>) -> Result<(), Error> {
    let Body::Message(message) = delivery.body else { return Err(Error::Foreign) };
    let (tenant, campaigns) = match message {
        ExportMessage::Tenant { tenant } => (tenant, begin(&export, tenant, delivery.now).await?),
        ExportMessage::Final { tenant, campaign } => (tenant, vec![campaign]),
    };
    let left = Duration::try_from(delivery.deadline - delivery.now).unwrap_or_default();
    let Some(job) = prepare(&export, tenant, delivery.now, Instant::now() + left).await? else {
        tracing::error!(%tenant, "exports are to be encrypted, and no key of a recipient is usable: nothing was exported");
        return Ok(());
    };
    for campaign in campaigns {
        export_campaign(&export, &job, campaign).await?;
    }
    Ok(())
}

/// The tenant's open campaigns. Its interval starts anew here and not at the end: what fails is tried again by its queue, not by a new
/// message each minute.
async fn begin(
    export: &Export,
    tenant: TenantId,
    now: OffsetDateTime,
) -> Result<Vec<CampaignId>, StoreError> {
    let mut tx = export.store.tenant(tenant).await?;
    sqlx::query("UPDATE broadcast.tenants SET exported_at = greatest(exported_at, $2) WHERE id = $1")
        .bind(tenant.0)
        .bind(now)
        .execute(&mut *tx)
        .await?;
    let campaigns: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM broadcast.campaigns WHERE tenant_id = $1 AND state = 'open' ORDER BY id",
    )
    .bind(tenant.0)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(campaigns.into_iter().map(CampaignId).collect())
}

/// `None`: the tenant wants encrypted files and has no key for them. Plaintext is no substitute.
async fn prepare(
    export: &Export,
    tenant: TenantId,
    now: OffsetDateTime,
    deadline: Instant,
) -> Result<Option<Job>, Error> {
    let mut tx = export.store.tenant(tenant).await?;
    let row = sqlx::query(
        "SELECT bucket, encrypt_exports, export_empty, export_columns FROM broadcast.tenants WHERE id = $1",
    )
    .bind(tenant.0)
    .fetch_one(&mut *tx)
    .await?;
    let bucket: String = row.get(0);
    let columns: Vec<String> = row.get(3);
    let settings = plan::Settings {
        encrypted: row.get(1),
        empty: row.get(2),
        columns: columns.iter().filter_map(|name| Column::parse(name)).collect(),
    };
    let keys = keys::load(tx, &export.clients, now).await?.map(Arc::new);
    if settings.encrypted && keys.is_none() {
        return Ok(None);
    }
    let files = export.exchange.tenant(tenant, &bucket).await?;
    Ok(Some(Job { tenant, files, settings, keys, now, deadline }))
}

/// Exports what can be seen now, in as many files as it takes. A campaign whose data is gone, or going, has nothing.
async fn export_campaign(export: &Export, job: &Job, campaign: CampaignId) -> Result<(), Error> {
    match export_to_goal(export, job, campaign).await {
        Err(Error::Store(StoreError::NoCampaign)) => Ok(()),
        Err(Error::Store(error)) if error.sqlstate().as_deref() == Some(UNDEFINED_TABLE) => Ok(()),
        ended => ended,
    }
}

async fn export_to_goal(export: &Export, job: &Job, campaign: CampaignId) -> Result<(), Error> {
    let mut tx = export.store.campaign(job.tenant, campaign).await?;
    let goal = plan::goal(&mut tx, &job.settings).await?;
    tx.commit().await?;
    let Some(goal) = goal else { return Ok(()) };
    loop {
        if job.deadline.saturating_duration_since(Instant::now()) < BEGIN_SECONDS_MIN {
            return Err(Error::OutOfTime);
        }
        if !export_once(export, job, campaign, goal).await? || goal == Goal::Empty {
            return Ok(());
        }
    }
}

/// Plans, writes and records one export; says whether there was one.
async fn export_once(export: &Export, job: &Job, campaign: CampaignId, goal: Goal) -> Result<bool, Error> {
    let tx = export.store.campaign(job.tenant, campaign).await?;
    if !plan::make(tx, goal, &job.settings, job.now).await? {
        return Ok(false);
    }
    let mut tx = export.store.campaign(job.tenant, campaign).await?;
    let Some(mut plan) = plan::take(&mut tx).await? else { return Ok(true) };
    // Who switched encryption on since the plan was made gets no plaintext any more.
    plan.bundle.encrypted |= job.settings.encrypted;
    let keys = if plan.bundle.encrypted { Some(job.keys.as_ref().ok_or(Error::NoKey)?) } else { None };
    let written = write::write(&mut tx, &job.files, keys, &plan, job.now).await?;
    if record::record(tx, &job.files, plan, written, job.now).await? {
        let message = NotifyMessage::Tenant { tenant: job.tenant };
        export.clients.nudge(&export.notify_queue_url, job.tenant, &message).await;
    }
    Ok(true)
}
