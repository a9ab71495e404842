//! Import: a file in Incoming -> rows of its campaign.
//!
//! An import is a row of `broadcast.imports`. Its state says what is durable, and a delivery goes on from there, whatever happened to
//! the one before it. Each step either changes nothing when it is taken again, or is one transaction that names the lease:
//!
//! ```text
//! waiting     recorded (one per content of a file, however many events)
//!   | claim: lease until the invocation's end
//! running     1. table filled in one transaction that commits at the end; a later attempt drops it and begins anew
//!   |         2. report of rejected rows completed, under a name that only this import has
//!   |         3. publish: counts and state, with the campaign locked -- the rows are there
//! published   4. file to Finished (a copy made before a crash is recognised), index
//!   |         5. control file deleted, exactly the content that asked
//!   |         6. launch (one per import), message to generate
//! finished
//!
//! running     1. table dropped, reason and state
//! refusing    2. file to Invalids, index
//!   |         3. control file deleted
//!   |         4. report of the reason, unless one of rows is there
//! refused
//! ```
//!
//! A delivery that dies while it is `running` leaves its lease. The next one counts it, and above a limit refuses the import.
//!
//! Between 1 and 3 the table is committed and belongs to nobody: only `state` makes it seen. Its file is leased in the index, so that sweep
//! leaves it alone; an overwrite is another content, another `ETag`, another import.
#![forbid(unsafe_code)]

mod again;
mod arrival;
mod claim;
mod control;
#[cfg(test)]
mod customer;
mod domains;
mod error;
#[cfg(test)]
mod every_form;
mod extract;
mod fill;
mod index;
mod keys;
mod layers;
mod plan;
mod publish;
mod reading;
mod report;
mod settle;
mod verdict;

pub use domains::Resolver;
pub use error::Error;

use std::sync::Arc;

use access::MasterKey;
use claim::{Job, Stage};
use contract::{ImportId, ImportMessage, TenantId};
use exchange::Exchange;
use fault::{Code, Disposition, Fault, Notice};
use runtime::{Body, Clients, Delivery};
use store::Store;
use time::OffsetDateTime;

/// What every import needs.
#[derive(Clone)]
pub struct Import {
    /// The database.
    pub store: Store,
    /// The File Exchange.
    pub exchange: Exchange,
    /// Queues and secrets.
    pub clients: Clients,
    /// For digests of addresses.
    pub master_key: MasterKey,
    /// Name servers, and what they answered.
    pub resolver: Arc<Resolver>,
    /// The URL of generate's queue.
    pub generate_queue: String,
    /// The URL of notify's queue.
    pub notify_queue: String,
}

/// One message: an import to run, or objects that arrived.
pub async fn handle(function: Arc<Import>, delivery: Delivery<ImportMessage>) -> Result<(), Error> {
    let Delivery { body, message_id, now, deadline, .. } = delivery;
    let turn = Turn { message_id, now, deadline };
    let imports = match body {
        Body::Message(ImportMessage::Import { tenant, import }) => vec![(tenant, import)],
        Body::Objects(events) => {
            let mut imports = Vec::new();
            for event in &events {
                imports.extend(Box::pin(arrival::imports_of(&function, event)).await?);
            }
            imports
        }
    };
    for (tenant, import) in imports {
        run(&function, tenant, import, &turn).await?;
    }
    Ok(())
}

/// One delivery of a message.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The same on every delivery of the message.
    pub message_id: String,
    /// When this delivery began.
    pub now: OffsetDateTime,
    /// When the platform ends this invocation.
    pub deadline: OffsetDateTime,
}

/// Brings one import to its end, from wherever it stands. It is done with, too, when the delivery of another message is at it.
pub async fn run(function: &Import, tenant: TenantId, import: ImportId, turn: &Turn) -> Result<(), Error> {
    let Some(mut job) = claim::claim(&function.store, tenant, import, turn).await? else {
        return Ok(());
    };
    let ended = Box::pin(advance(function, &mut job)).await;
    if ended.is_err() {
        // The first error is the one that tells. A lease that stays ends by itself.
        let _ = claim::release(&function.store, &job).await;
    }
    ended
}

async fn advance(function: &Import, job: &mut Job) -> Result<(), Error> {
    if job.stage == Stage::Running {
        job.stage = match load(function, job).await.map_err(|error| (error.disposition(), error)) {
            Ok(()) => Stage::Published,
            Err((Disposition::Customer(notice), _)) => {
                tracing::info!(
                    tenant = job.tenant.0,
                    import = job.import.0,
                    code = notice.code.slug(),
                    "refused"
                );
                settle::refuse(function, job, &notice).await?;
                Stage::Refusing
            }
            Err((_, error)) => return Err(error),
        };
    }
    match job.stage {
        Stage::Refusing => settle::finish_refused(function, job).await,
        Stage::Running | Stage::Published => settle::finish_published(function, job).await,
    }
}

async fn load(function: &Import, job: &mut Job) -> Result<(), Error> {
    if job.deaths >= claim::DEATHS_MAX {
        tracing::error!(tenant = job.tenant.0, import = job.import.0, deaths = job.deaths, "given up");
        return Err(Error::Refused(Notice::new(Code::ImportBroken).with("times", job.deaths)));
    }
    let plan = plan::plan(function, job).await?;
    let campaign = plan.campaign;
    let table = fill::fill(function, job, plan).await?;
    let duplicates = publish::publish(function, job, campaign, &table).await?;
    tracing::info!(
        tenant = job.tenant.0,
        import = job.import.0,
        bytes = table.bytes,
        imported = table.imported,
        rejected = table.rejected,
        duplicates,
        "published"
    );
    if let Some(checked) = &table.checked {
        tracing::info!(
            tenant = job.tenant.0,
            import = job.import.0,
            asked = checked.asked,
            unknown = checked.unknown,
            stopped = checked.stopped,
            "domains were checked"
        );
    }
    Ok(())
}
