//! generate: from a launch to finished, signed messages in the spool.
//!
//! A launch writes one ledger row for each address over all published imports, in one transaction with its state; a slice renders its
//! rows into one spool object. Both may be delivered twice, at once, or die at any instruction:
//!
//! - The rows of a launch appear together with the state `running`, or not at all. A later delivery finds `running` and only emits. The
//!   launch's row is free until then: whoever pauses or cancels it meanwhile does not wait, and the preparation comes to nothing.
//! - Of a launch that does not run no slice is begun. One that is being made when the launch is cancelled may still record its rows; until
//!   they are taken back the launch has no end.
//! - A spool object is written once. Whoever comes second reads which mails are in it and marks those: a row becomes `spooled` only for an
//!   object that holds it. Rows that did not fit, or that another attempt left out, move to a new slice.
//! - What is emitted comes after what is committed. A message that is lost between the two is sent again by the schedule, which looks for
//!   slices whose `due_at` has passed.
//! - Proofs (seeds and test mails) are rows of a slice of their own, and are made and sent as any other.
//! - Of one launch a bounded number of slices is under way, from here to the relay; whoever ends one takes the next. So the millions of one
//!   tenant never stand in a queue before the hundreds of another, and a paced launch is one whose slices have their turn later.
#![forbid(unsafe_code)]

mod batch;
mod blank;
mod due;
mod error;
mod files;
mod keys;
mod launch;
mod proofs;
mod rows;
mod slice;

pub use batch::{Batch, BatchError, Made, Recipient, columns};
pub use due::tick;
pub use error::Error;

use std::sync::Arc;

use access::MasterKey;
use contract::{CampaignId, GenerateMessage, LaunchId, TenantId};
use exchange::Exchange;
use mail::{RelayProfile, Signatures};
use runtime::{Body, Clients, Config, Delivery};
use store::{CampaignTx, Store, StoreError, slices};
use time::{Duration, OffsetDateTime};

/// How long a slice waits for its message before the schedule sends another one. Longer than a queue's visibility timeout,
/// and pushed on with each, so that a long backlog is not multiplied.
const NUDGE: Duration = Duration::minutes(5);
/// The same for a slice in the spool, whose message is send's. Only the start: send's own schedule goes on from there.
const SPOOLED_NUDGE: Duration = Duration::minutes(15);

/// What the function works with, made once per process.
pub struct Generate {
    store: Store,
    clients: Clients,
    exchange: Exchange,
    master: MasterKey,
    keys: keys::KeyCache,
    queue: String,
    send_queue: String,
    public_url: String,
    bounce_domain: String,
    relay: RelayProfile,
    /// Of one launch.
    slices_in_flight: i64,
}

/// One launch of one campaign of one tenant.
#[derive(Debug, Clone, Copy)]
struct Place {
    tenant: TenantId,
    campaign: CampaignId,
    launch: LaunchId,
}

impl Place {
    fn slice(self, slice: i32) -> GenerateMessage {
        let Self { tenant, campaign, launch } = self;
        GenerateMessage::Slice { tenant, campaign, launch, slice }
    }
}

impl Generate {
    /// From the environment. Reads the master key.
    pub async fn new(config: &Config) -> Result<Self, runtime::Error> {
        let clients = Clients::new(config).await;
        let relay = match (config.relay_is_ses()?, config.ses_configuration_set()?) {
            (false, _) => RelayProfile::Postfix,
            (true, set) => RelayProfile::Ses { configuration_set: set.map(str::to_owned) },
        };
        let signatures = if config.dkim_ed25519_only()? { Signatures::Ed25519 } else { Signatures::Both };
        Ok(Self {
            store: Store::connect(config.database_url()?)?,
            exchange: Exchange::new(&clients.sdk, config.tenant_role_arn()?, config.spool_bucket()?),
            master: clients.master_key(config.master_key_secret()?).await?,
            keys: keys::KeyCache::new(signatures, relay.clone()),
            relay,
            queue: config.generate_queue_url()?.to_owned(),
            send_queue: config.send_queue_url()?.to_owned(),
            public_url: config.public_url()?.to_owned(),
            bounce_domain: config.bounce_domain()?.to_owned(),
            slices_in_flight: config.slices_in_flight()?,
            clients,
        })
    }

    /// Takes the launch's next slices; whoever commits then sends their messages.
    async fn take(&self, tx: &mut CampaignTx, place: Place, now: OffsetDateTime) -> Result<Vec<i32>, Error> {
        Ok(slices::take(tx, place.launch, self.slices_in_flight, now, now + NUDGE).await?)
    }

    /// Puts slices on the function's own queue.
    async fn emit(&self, place: Place, slices: &[i32]) -> Result<(), Error> {
        let messages: Vec<_> = slices.iter().map(|slice| place.slice(*slice)).collect();
        Ok(self.clients.send_batch(&self.queue, place.tenant, &messages).await?)
    }
}

/// Handles one message of the generate queue.
pub async fn handle(generate: Arc<Generate>, delivery: Delivery<GenerateMessage>) -> Result<(), Error> {
    let Body::Message(message) = delivery.body else { return Err(Error::NotOurs) };
    let (place, done) = match message {
        GenerateMessage::Launch { tenant, campaign, launch } => {
            let place = Place { tenant, campaign, launch };
            (place, Box::pin(launch::start(&generate, place, delivery.now)).await)
        }
        GenerateMessage::Slice { tenant, campaign, launch, slice } => {
            let place = Place { tenant, campaign, launch };
            (place, Box::pin(slice::generate(&generate, place, slice, delivery.now)).await)
        }
    };
    match done {
        Err(Error::Store(StoreError::NoCampaign)) => {
            tracing::info!(campaign = place.campaign.0, "dropped: the campaign is deleted");
            Ok(())
        }
        other => other,
    }
}
