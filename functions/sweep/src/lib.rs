//! Everything deleted on time, with proof.
//!
//! The schedule names the time (`now`) and puts one message per tenant on the queue. A tenant's steps follow each other, and each one is
//! done again from what it finds; a step that fails does not keep the later ones from their work:
//! 0. `doubts`: once, in a database that was restored from a backup; before that, `replay` for all tenants. Nothing else is begun before.
//! 1. `listing`, `uploads` and `lost`: the index of Incoming is repaired; rows of uploads that are over go; files whose event was lost,
//!    imports and launches that stand still go on.
//! 2. `listing`: once a day the index of the other folders.
//! 3. `files` and `versions`: what is past its folder's hours.
//! 4. `uploads`: unfinished uploads.
//! 5. `erasures`: people whom the customer wants erased.
//! 6. `spool` and `cancelled`: messages of launches that are over; people of cancelled ones.
//! 7. `campaigns`: what is past its lifetime, unless somebody holds it.
//! 8. `tables`: once a day, recipients that belong to no import.
//! 9. `answers`: what the API kept for repeated requests.
//! 10. `soft_bounces`, `webhooks` and `audit`: what counts no more, what was told long ago, and who did what long ago.
//! 11. `lifecycle`: the bucket's own rules are what the settings say; those of the common buckets with each tick.
//! 12. `anchors`: the newest receipt is anchored outside of the database.
//!
//! With each tick also `console`: sessions, codes, links and counts of attempts, of whoever they are.
//!
//! An object is deleted before its row and its receipt are written, so a receipt never claims what did not happen. A crash between
//! leaves the row, and the next run finds the object gone and says so.
#![forbid(unsafe_code)]

mod anchors;
mod answers;
mod audit;
mod campaigns;
mod cancelled;
mod console;
mod doubts;
mod erasures;
mod error;
mod files;
mod lifecycle;
mod lifetime;
mod listing;
mod lost;
mod replay;
mod soft_bounces;
mod spool;
mod tables;
mod uploads;
mod versions;
mod webhooks;

pub use error::Error;

use std::{sync::Arc, time::Duration};

use contract::{Folder, SweepMessage, TenantId};
use exchange::{Exchange, TenantFiles};
use runtime::{Body, Clients, Config, Delivery, Journal, Tick};
use sqlx::Row;
use store::{Store, StoreError, TenantTx};
use time::OffsetDateTime;
use tokio::time::Instant;

use lifetime::Settings;

/// Work that may be long is not begun with less time left than this; the next run goes on.
const BEGIN_SECONDS_MIN: Duration = Duration::from_secs(8);
/// How far the schedule's clock may be ahead of this machine's.
const CLOCK_AHEAD_MAX: time::Duration = time::Duration::minutes(2);
/// First half of the advisory lock that a tenant's sweep holds.
const SWEEP_LOCK: i32 = 0x5357_4550;

/// What the function works with, made once per process.
#[derive(Clone)]
pub struct Sweep {
    store: Store,
    exchange: Exchange,
    /// Queues; with the function's own credentials the settings of buckets.
    clients: Clients,
    /// For lost control files and imports.
    import_queue_url: String,
    /// For final exports.
    export_queue_url: String,
    /// Where tenants are put.
    own_queue_url: String,
    /// What a restored database has to do again.
    journal: Journal,
    anchors_bucket: String,
    spool_bucket: String,
    reports_bucket: String,
    journal_bucket: String,
    /// Whether a time in the future is obeyed: on a local stack alone. On AWS it would delete what is not due.
    clock_may_move: bool,
}

impl Sweep {
    /// From the environment.
    pub async fn new(config: &Config) -> Result<Self, runtime::Error> {
        let clients = Clients::new(config).await;
        let spool_bucket = config.spool_bucket()?;
        Ok(Self {
            store: Store::connect(config.database_url()?)?,
            exchange: Exchange::new(&clients.sdk, config.tenant_role_arn()?, spool_bucket),
            import_queue_url: config.import_queue_url()?.to_owned(),
            export_queue_url: config.export_queue_url()?.to_owned(),
            own_queue_url: config.sweep_queue_url()?.to_owned(),
            journal: Journal::new(&clients, config.journal_bucket()?),
            anchors_bucket: config.anchors_bucket()?.to_owned(),
            spool_bucket: spool_bucket.to_owned(),
            reports_bucket: config.reports_bucket()?.to_owned(),
            journal_bucket: config.journal_bucket()?.to_owned(),
            clock_may_move: config.endpoint_url().is_some(),
            clients,
        })
    }
}

/// One tenant's sweep.
struct Job<'a> {
    sweep: &'a Sweep,
    tenant: TenantId,
    bucket: String,
    settings: Settings,
    listed_at: Option<OffsetDateTime>,
    /// The database was restored, and this tenant's launches are yet to be compared with the spool.
    replay_due: bool,
    files: TenantFiles,
    /// What retention is measured against.
    now: OffsetDateTime,
    /// The real clock: for leases, and for what is recorded as having happened now.
    real_now: OffsetDateTime,
    deadline: Instant,
}

impl Job<'_> {
    async fn tx(&self) -> Result<TenantTx, Error> {
        Ok(self.sweep.store.tenant(self.tenant).await?)
    }

    /// Whether there is time to begin something.
    fn has_time(&self) -> bool {
        self.deadline.saturating_duration_since(Instant::now()) > BEGIN_SECONDS_MIN
    }
}

/// Every five minutes: one message per tenant, the longest unswept first.
pub async fn tick(sweep: Arc<Sweep>, tick: Tick) -> Result<(), Error> {
    if !replay::go_on(&sweep, tick).await? {
        tracing::warn!("the journal is being replayed: nothing is deleted before its end");
        return Ok(());
    }
    let tenants: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM broadcast.tenants WHERE status <> 'ending' ORDER BY swept_at, id")
            .fetch_all(sweep.store.pool())
            .await?;
    audit::forget_lines(&mut *sweep.store.pool().acquire().await?).await?;
    console::forget(sweep.store.pool(), OffsetDateTime::now_utc()).await?;
    let message =
        |tenant| (TenantId(tenant), SweepMessage::Tenant { tenant: TenantId(tenant), now: tick.now });
    let messages: Vec<_> = tenants.into_iter().map(message).collect();
    sweep.clients.send_to_tenants(&sweep.own_queue_url, &messages).await?;
    // Behind the tenants: none waits for it.
    lifecycle::restore_shared(&sweep, tick.now).await
}

/// Sweeps one tenant.
pub async fn handle(sweep: Arc<Sweep>, delivery: Delivery<SweepMessage>) -> Result<(), Error> {
    let Body::Message(SweepMessage::Tenant { tenant, now }) = delivery.body else {
        return Err(Error::Foreign);
    };
    if now > delivery.now + CLOCK_AHEAD_MAX && !sweep.clock_may_move {
        return Err(Error::Clock);
    }
    let current: bool =
        sqlx::query_scalar("SELECT broadcast.is_current()").fetch_one(sweep.store.pool()).await?;
    if !current {
        return Err(Error::Store(StoreError::NotCurrent));
    }
    // Held to the end, so that two sweeps of a tenant do not count each other's deletions as found gone.
    let mut guard = sweep.store.tenant(tenant).await?;
    let alone: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1, hashint8($2))")
        .bind(SWEEP_LOCK)
        .bind(tenant.0)
        .fetch_one(&mut *guard)
        .await?;
    if !alone {
        tracing::info!(%tenant, "another sweep of this tenant is under way");
        return Ok(());
    }
    let left = Duration::try_from(delivery.deadline - delivery.now).unwrap_or_default();
    let Some(job) = load(&sweep, &mut guard, tenant, (now, delivery.now), Instant::now() + left).await?
    else {
        return Ok(());
    };
    run(&job).await?;
    sqlx::query("UPDATE broadcast.tenants SET swept_at = greatest(swept_at, $2) WHERE id = $1")
        .bind(tenant.0)
        .bind(job.real_now.min(now))
        .execute(&mut *guard)
        .await?;
    Ok(guard.commit().await?)
}

async fn load<'a>(
    sweep: &'a Sweep,
    tx: &mut TenantTx,
    tenant: TenantId,
    (now, real_now): (OffsetDateTime, OffsetDateTime),
    deadline: Instant,
) -> Result<Option<Job<'a>>, Error> {
    let row = sqlx::query(
        "SELECT bucket, incoming_hours, finished_hours, invalids_hours, exports_hours, campaign_hours, campaign_hours_max, cancelled_hours,
                nullif(listed_at, '-infinity') AS listed_at, status = 'deleting' AS deleting, audit_days, replay_due
         FROM broadcast.tenants WHERE id = $1 AND status <> 'ending'",
    )
    .bind(tenant.0)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let settings = Settings {
        retention: exchange::Retention {
            incoming_hours: row.get("incoming_hours"),
            finished_hours: row.get("finished_hours"),
            invalids_hours: row.get("invalids_hours"),
            exports_hours: row.get("exports_hours"),
        },
        campaign_hours: row.get("campaign_hours"),
        campaign_hours_max: row.get("campaign_hours_max"),
        cancelled_hours: row.get("cancelled_hours"),
        deleting: row.get("deleting"),
        audit_days: row.get("audit_days"),
    };
    let bucket: String = row.get("bucket");
    let files = sweep.exchange.tenant(tenant, &bucket).await?;
    let (listed_at, replay_due) = (row.get("listed_at"), row.get("replay_due"));
    Ok(Some(Job { sweep, tenant, bucket, settings, listed_at, replay_due, files, now, real_now, deadline }))
}

/// All steps; the first error is returned, others are logged here.
async fn run(job: &Job<'_>) -> Result<(), Error> {
    doubts::settle(job).await?;
    let mut failed = None;
    let mut step = |name: &'static str, result: Result<(), Error>| {
        if let Err(error) = result {
            if failed.is_some() {
                tracing::warn!(tenant = %job.tenant, step = name, %error, "a further step failed");
            }
            failed.get_or_insert(error);
        }
    };
    step("incoming", listing::repair(job, Folder::Incoming).await);
    step("complete", uploads::heal(job).await);
    step("lost", lost::nudge(job).await);
    step("listing", listing::repair_daily(job).await);
    step("files", files::expire(job).await);
    step("versions", versions::expire(job).await);
    step("uploads", uploads::expire(job).await);
    step("erasures", erasures::go_on(job).await);
    step("spool", spool::empty(job).await);
    step("cancelled", cancelled::expire(job).await);
    step("campaigns", campaigns::end(job).await);
    step("tables", tables::drop_orphans(job).await);
    step("answers", answers::expire(job).await);
    step("soft bounces", soft_bounces::forget(job).await);
    step("webhooks", webhooks::forget(job).await);
    step("audit", audit::forget(job).await);
    step("lifecycle", lifecycle::restore(job).await);
    // Behind everything that writes receipts.
    step("anchors", anchors::put(job).await);
    failed.map_or(Ok(()), Err)
}
