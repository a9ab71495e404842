//! send: from the spool to the SMTP relay, with the outcome of every mail in the ledger.
//!
//! Why a crash at any instruction doubles nothing, and leaves at most one doubt per open connection:
//!
//! - A mail goes out only after its row went from `spooled` to `sending`, in a committed transaction, for this connection. The change is
//!   conditional, so of two invocations with the same slice one gets the row and the other skips it.
//! - A row never goes back from `sending` by itself. Who holds it writes its outcome; if that one dies, the row stands past its slice's
//!   `sending_until` (the end of the invocation and some slack) and becomes `unknown`: counted, never mailed again without evidence or a
//!   person.
//! - A connection asks for its next row in the same write that records the outcome of its last one. So a connection has at most one row in
//!   `sending`, and a killed invocation leaves at most [`CONNECTIONS`] of them.
//! - Until the content is handed to the relay the mail is certainly not accepted: whatever breaks before makes it `deferred`. After that
//!   only a reply tells, and without one it is `unknown`.
//!
//! Rows are taken for a launch that runs: its state is looked at once a second. Who cancels a launch also takes its rows out of `spooled`, and
//! those are not to be had from that moment on.
//!
//! A database that is a copy of an earlier time does not know what went out since. So each minute it is compared with the journal (`watch`), and
//! where it is behind, or is yet to be compared, no launch of it runs.
//!
//! Nothing waits inside an invocation but for the relay's replies. What is to be tried later carries its time in `due_at`; the schedule
//! makes it `spooled` again when that has come, and puts its slice on the queue.
#![forbid(unsafe_code)]

mod connections;
mod dialogue;
mod due;
mod error;
mod handover;
mod ledger;
mod outcome;
mod pace;
mod refusals;
mod slice;
mod watch;
mod writer;

pub use connections::Connections;
pub use due::tick;
pub use error::Error;
pub use handover::{CONNECTIONS, Handed, Limits, hand_over};

use std::sync::Arc;

use access::MasterKey;
use contract::{CampaignId, LaunchId, SendMessage, TenantId};
use exchange::Exchange;
use runtime::{Body, Clients, Config, Delivery, Journal, Relay, RelayError};
use store::{Store, StoreError};

/// What the function works with, made once per process.
pub struct Send {
    store: Store,
    clients: Clients,
    exchange: Exchange,
    master: MasterKey,
    connections: Arc<Connections>,
    journal: Journal,
    queue: String,
    generate_queue: String,
    /// Of one launch.
    slices_in_flight: i64,
}

/// One launch of one campaign of one tenant.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Whose mails.
    pub tenant: TenantId,
    /// Of which campaign.
    pub campaign: CampaignId,
    /// Of which launch.
    pub launch: LaunchId,
}

impl Place {
    fn slice(self, slice: i32) -> SendMessage {
        let Self { tenant, campaign, launch } = self;
        SendMessage::Slice { tenant, campaign, launch, slice }
    }
}

impl Send {
    /// From the environment. Reads the master key.
    pub async fn new(config: &Config) -> Result<Self, runtime::Error> {
        let clients = Clients::new(config).await;
        let roots = config.relay_ca().map(std::fs::read).transpose().map_err(|_| RelayError::Tls)?;
        let relay = Relay::parse(config.relay_url()?, config.bounce_domain()?, roots.as_deref())?;
        Ok(Self {
            store: Store::connect(config.database_url()?)?,
            exchange: Exchange::new(&clients.sdk, config.tenant_role_arn()?, config.spool_bucket()?),
            master: clients.master_key(config.master_key_secret()?).await?,
            connections: Arc::new(Connections::new(relay)),
            journal: Journal::new(&clients, config.journal_bucket()?),
            queue: config.send_queue_url()?.to_owned(),
            generate_queue: config.generate_queue_url()?.to_owned(),
            slices_in_flight: config.slices_in_flight()?,
            clients,
        })
    }
}

/// Handles one message of the send queue.
pub async fn handle(send: Arc<Send>, delivery: Delivery<SendMessage>) -> Result<(), Error> {
    let Body::Message(message) = delivery.body else { return Err(Error::NotOurs) };
    let SendMessage::Slice { tenant, campaign, launch, slice } = message;
    let place = Place { tenant, campaign, launch };
    match Box::pin(slice::send(&send, place, slice, delivery.now, delivery.deadline)).await {
        Err(Error::Store(StoreError::NoCampaign)) => {
            tracing::info!(campaign = campaign.0, "dropped: the campaign is deleted");
            Ok(())
        }
        other => other,
    }
}
