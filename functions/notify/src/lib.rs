//! Events, from the database to the receivers that tenants named.
//!
//! A row of `broadcast.webhook_deliveries` is one event for one webhook, written in the transaction of the change that it tells. Here it is
//! sent until a receiver takes it, or until nobody has taken it for about two days:
//!
//! - Before an attempt its row's `due_at` is moved beyond the attempt's end and the attempt is counted, committed. So two invocations
//!   never make the same attempt, and one that dies leaves a row that is due again soon.
//! - What is sent is the row's own document, the same at each attempt, signed with the time of the attempt.
//! - The outcome is written by each attempt as it ends. One that is lost with its invocation is made again: receivers get an event at
//!   least once, and know it by its id.
//!
//! Where a request goes is a tenant's word, so it goes by TLS alone, to an address that is public (see `access::may_be_told`), and follows nothing that
//! a receiver answers. Of an answer only the status counts. Addresses of receivers may hold secrets of theirs: they are never logged.
//!
//! Users of the console are told by mail, see `notices`.
#![forbid(unsafe_code)]

mod deliveries;
mod error;
mod names;
mod notices;
mod outcome;
mod post;

pub use error::Error;

use std::{sync::Arc, time::Duration};

use access::{MasterKey, SealingError, WebhookSecret};
use contract::{NotifyMessage, TenantId};
use futures_util::{StreamExt, stream::FuturesUnordered};
use runtime::{Body, Clients, Config, Delivery, Relay, RelayError, Tick};
use store::Store;
use time::OffsetDateTime;
use tokio::time::Instant;

use deliveries::Due;
use names::Names;
use outcome::{Outcome, Problem};
use post::{Client, Post};

/// Attempts under way at once, for one tenant. Some may hang for their whole time; the others are over in a moment.
const AT_ONCE_MAX: usize = 8;
/// Attempts are not begun with less time left than this: one may take its whole time, and is written down after it.
const BEGIN_SECONDS_MIN: Duration = post::TOTAL_SECONDS_MAX.saturating_add(Duration::from_secs(3));

/// What the function works with, made once per process.
pub struct Notify {
    store: Store,
    clients: Clients,
    master: MasterKey,
    client: Client,
    queue: String,
    /// To users of the console.
    post: notices::Post,
}

impl Notify {
    /// From the environment. Reads the master key.
    pub async fn new(config: &Config) -> Result<Self, runtime::Error> {
        let clients = Clients::new(config).await;
        let more_roots =
            config.webhook_ca().map(std::fs::read).transpose().map_err(|_| post::ClientError::Roots)?;
        let relay_roots = config.relay_ca().map(std::fs::read).transpose().map_err(|_| RelayError::Tls)?;
        let names = Names::new(config.dns_server()?);
        Ok(Self {
            store: Store::connect(config.database_url()?)?,
            master: clients.master_key(config.master_key_secret()?).await?,
            client: Client::new(names, config.webhook_networks()?, more_roots.as_deref())?,
            queue: config.notify_queue_url()?.to_owned(),
            post: notices::Post {
                relay: Relay::parse(config.relay_url()?, config.bounce_domain()?, relay_roots.as_deref())?,
                from: config.console_from()?.parse()?,
                console_url: config.console_url()?.to_owned(),
            },
            clients,
        })
    }
}

/// One delivery of a message.
struct Turn {
    tenant: TenantId,
    now: OffsetDateTime,
    begun: Instant,
    deadline: Instant,
}

impl Turn {
    /// What the clock says meanwhile: attempts take seconds.
    fn now(&self) -> OffsetDateTime {
        self.now + self.begun.elapsed()
    }

    /// Whether there is time to begin something.
    fn has_time(&self) -> bool {
        self.deadline.saturating_duration_since(Instant::now()) >= BEGIN_SECONDS_MIN
    }
}

/// Every minute: one message for each tenant with something due, and what is to be mailed to users.
pub async fn tick(notify: Arc<Notify>, tick: Tick) -> Result<(), Error> {
    let woken = wake(&notify, tick).await;
    // Neither waits for the other to be well.
    woken.and(notices::send_due(&notify.post, &notify.store, tick).await)
}

async fn wake(notify: &Notify, tick: Tick) -> Result<(), Error> {
    let tenants = deliveries::tenants(&notify.store, tick.now).await?;
    let messages: Vec<_> =
        tenants.into_iter().map(|tenant| (tenant, NotifyMessage::Tenant { tenant })).collect();
    Ok(notify.clients.send_to_tenants(&notify.queue, &messages).await?)
}

/// Makes the attempts that are due for a tenant.
pub async fn handle(notify: Arc<Notify>, delivery: Delivery<NotifyMessage>) -> Result<(), Error> {
    let Body::Message(NotifyMessage::Tenant { tenant }) = delivery.body else { return Err(Error::Foreign) };
    let begun = Instant::now();
    let left = Duration::try_from(delivery.deadline - delivery.now).unwrap_or_default();
    let turn = Turn { tenant, now: delivery.now, begun, deadline: begun + left };
    while turn.has_time() {
        let due = deliveries::claim(&notify.store, tenant, turn.now(), AT_ONCE_MAX).await?;
        if due.is_empty() {
            return Ok(());
        }
        attempt_all(&notify, &turn, due).await?;
    }
    // Whether anything is left sees who gets it.
    Ok(notify.clients.send_json(&notify.queue, tenant, &NotifyMessage::Tenant { tenant }).await?)
}

/// Each is written down as it ends. One that cannot be does not hold up the others.
async fn attempt_all(notify: &Notify, turn: &Turn, due: Vec<Due>) -> Result<(), Error> {
    let now = turn.now();
    let attempts = due.into_iter().map(|due| async move {
        let outcome = attempt(notify, turn.tenant, &due, now).await;
        (due, outcome)
    });
    let mut attempts: FuturesUnordered<_> = attempts.collect();
    let mut first = Ok(());
    while let Some((due, outcome)) = attempts.next().await {
        tracing::info!(
            tenant = turn.tenant.0,
            webhook = due.webhook.0,
            delivery = due.id.0,
            attempt = due.attempts,
            status = outcome.status,
            problem = outcome.problem.map(Problem::slug),
            "attempted"
        );
        first = first.and(deliveries::record(&notify.store, turn.tenant, &due, &outcome, turn.now()).await);
    }
    Ok(first?)
}

async fn attempt(notify: &Notify, tenant: TenantId, due: &Due, now: OffsetDateTime) -> Outcome {
    let answer = match signatures(notify, tenant, due, now) {
        Ok(signatures) => {
            let (id, timestamp) = (due.event.to_string(), now.unix_timestamp());
            notify.client.post(&Post { url: &due.url, id, timestamp, signatures, body: &due.body }).await
        }
        Err(error) => {
            tracing::error!(%tenant, webhook = due.webhook.0, %error, "the secret of a webhook is not usable");
            Err(Problem::Secret)
        }
    };
    outcome::of(answer, due.attempts, due.id)
}

/// One for each secret that is valid, with spaces between them.
fn signatures(
    notify: &Notify,
    tenant: TenantId,
    due: &Due,
    now: OffsetDateTime,
) -> Result<String, SealingError> {
    let id = due.event.to_string();
    let signed = due.secrets.iter().map(|sealed| {
        let secret = WebhookSecret::open(sealed.clone(), &notify.master, tenant)?;
        Ok(secret.sign(&id, now.unix_timestamp(), &due.body))
    });
    Ok(signed.collect::<Result<Vec<_>, _>>()?.join(" "))
}
