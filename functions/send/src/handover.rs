//! The connections: each takes a row, hands its mail over, and brings the outcome with its request for the next row.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use contract::MailId;
use mail::Spooled;
use store::{Store, StoreError};
use time::OffsetDateTime;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    Error, Place,
    dialogue::{Connection, Unreachable},
    ledger,
    outcome::{Outcome, State, decide},
    relay::Relay,
    writer::{Steps, Writer},
};

/// SMTP connections of one invocation, and so the most mails that a crash leaves in doubt. Ten keep a relay on the same network busy, and
/// make groups that one commit carries.
pub const CONNECTIONS: usize = 10;
/// A connection that breaks this often, without a mail between, is left.
const RECONNECTS_MAX: u32 = 3;

/// What the row says of a mail that the relay cannot take.
const BEYOND_ASCII: &str =
    "not sent: the address has letters beyond ASCII, and the relay takes no such addresses (SMTPUTF8)";

/// A clock that starts at a given time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    now: OffsetDateTime,
}

impl Clock {
    pub fn starting(now: OffsetDateTime) -> Self {
        Self { started: Instant::now(), now }
    }

    pub fn now(&self) -> OffsetDateTime {
        self.now + self.started.elapsed()
    }
}

/// The times of one invocation.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// When it began.
    pub now: OffsetDateTime,
    /// For how long new mails are begun.
    pub begin: Duration,
    /// For how long replies are waited for.
    pub wait: Duration,
    /// The end of all retries.
    pub expires_at: OffsetDateTime,
}

/// What became of a slice's mails in one invocation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Handed {
    /// Accepted by the relay.
    pub sent: usize,
    /// To be tried again later.
    pub deferred: usize,
    /// Refused for good.
    pub refused: usize,
    /// Refused for now, and the launch has no time left.
    pub expired: usize,
    /// The relay did not say whether it took them.
    pub unknown: usize,
    /// Taken by another invocation.
    pub skipped: usize,
    /// Not begun.
    pub left: usize,
    /// Connections that could not be opened, or broke too often.
    pub broken: usize,
    /// The launch was paused or cancelled meanwhile.
    pub halted: bool,
}

impl Handed {
    fn count(&mut self, state: State) {
        *match state {
            State::Sent => &mut self.sent,
            State::Deferred => &mut self.deferred,
            State::Refused => &mut self.refused,
            State::Expired => &mut self.expired,
            State::Unknown => &mut self.unknown,
        } += 1;
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.deferred += other.deferred;
        self.refused += other.refused;
        self.expired += other.expired;
        self.unknown += other.unknown;
        self.skipped += other.skipped;
        self.left += other.left;
        self.broken += other.broken;
    }
}

/// What all connections share.
struct Shared {
    relay: Arc<Relay>,
    mails: Vec<Spooled>,
    next: AtomicUsize,
    clock: Clock,
    begin: Instant,
    until: Instant,
    expires_at: OffsetDateTime,
    halted: Arc<AtomicBool>,
}

impl Shared {
    fn has_more(&self) -> bool {
        self.next.load(Ordering::Relaxed) < self.mails.len() && self.may_begin()
    }

    fn may_begin(&self) -> bool {
        !self.halted.load(Ordering::Relaxed) && Instant::now() < self.begin
    }

    fn take(&self) -> Option<&Spooled> {
        if !self.may_begin() {
            return None;
        }
        self.mails.get(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn left(&self) -> usize {
        self.mails.len().saturating_sub(self.next.load(Ordering::Relaxed))
    }
}

/// Hands over mails whose rows are `spooled`, over [`CONNECTIONS`] connections at most.
pub async fn hand_over(
    store: &Store,
    relay: &Arc<Relay>,
    place: Place,
    mails: Vec<Spooled>,
    limits: Limits,
) -> Result<Handed, Error> {
    let clock = Clock::starting(limits.now);
    let connections = mails.len().min(CONNECTIONS);
    let until = Instant::now() + limits.wait;
    let halted = Arc::new(AtomicBool::new(false));
    let shared = Arc::new(Shared {
        relay: relay.clone(),
        mails,
        next: AtomicUsize::new(0),
        clock,
        begin: Instant::now() + limits.begin,
        until,
        expires_at: limits.expires_at,
        halted: halted.clone(),
    });
    let (steps, receiver) = Writer::channel();
    let writer =
        Writer { store: store.clone(), place, clock, until, halted: halted.clone() };
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        workers.spawn(work(shared.clone(), steps.clone()));
    }
    drop(steps);
    // In this task, so that an invocation that is cut off cuts the writer off too.
    let written = writer.run(receiver).await;
    let mut handed = Handed::default();
    let mut beyond_relay = Vec::new();
    while let Some(done) = workers.join_next().await {
        let (one, beyond) = done.map_err(|_| Error::CutOff)?;
        handed.add(one);
        beyond_relay.extend(beyond);
    }
    written?;
    if !beyond_relay.is_empty() {
        let refused = refuse(store, place, &beyond_relay, clock.now()).await?;
        handed.refused += refused;
        handed.skipped += beyond_relay.len() - refused;
    }
    handed.left += shared.left();
    handed.halted = halted.load(Ordering::Relaxed);
    Ok(handed)
}

/// In one statement, once all connections are gone: an invocation that ends before leaves the rows as they are, for the next one.
async fn refuse(
    store: &Store,
    place: Place,
    mails: &[MailId],
    now: OffsetDateTime,
) -> Result<usize, StoreError> {
    let mut tx = store.campaign(place.tenant, place.campaign).await?;
    let refused = ledger::refuse(&mut tx, mails, BEYOND_ASCII, now).await?;
    tx.commit().await?;
    Ok(usize::try_from(refused).unwrap_or(mails.len()).min(mails.len()))
}

/// One connection's life; with the mails that its relay cannot take.
async fn work(shared: Arc<Shared>, steps: Steps) -> (Handed, Vec<MailId>) {
    let mut handed = Handed::default();
    let mut beyond_relay = Vec::new();
    let mut open: Option<Connection> = None;
    let mut outcome: Option<Outcome> = None;
    let mut breaks = 0;
    while shared.has_more() {
        // First the connection, then the row: a relay that is away takes no row into doubt.
        let connection = if open.is_some() { open.take() } else { connect(&shared).await };
        let Some(mut connection) = connection else {
            handed.broken += 1;
            break;
        };
        let Some(mail) = shared.take() else {
            open = Some(connection);
            break;
        };
        // Before its row is taken: what is not offered is never in doubt.
        if !connection.can_offer(mail) {
            beyond_relay.push(mail.mail);
            open = Some(connection);
            continue;
        }
        let attempt = match steps.step(outcome.take(), Some(mail.mail)).await {
            Ok(Some(attempt)) => attempt,
            Ok(None) => {
                *(if shared.halted.load(Ordering::Relaxed) {
                    &mut handed.left
                } else {
                    &mut handed.skipped
                }) += 1;
                open = Some(connection);
                continue;
            }
            Err(_) => break,
        };
        let heard = connection.deliver(mail, shared.until).await;
        let said = (heard.phase, &heard.answer);
        let addresses = [mail.to.as_str(), mail.from.as_str()];
        let done = decide(mail.mail, attempt, said, &addresses, shared.clock.now(), shared.expires_at);
        handed.count(done.state);
        if heard.reusable {
            (open, outcome, breaks) = (Some(connection), Some(done), 0);
            continue;
        }
        // Reconnecting may take long: what is known is recorded first. Where a connection broke with a mail in doubt, another one would
        // put another mail in doubt.
        let in_doubt = done.state == State::Unknown;
        if steps.step(Some(done), None).await.is_err() {
            break;
        }
        breaks += 1;
        if in_doubt || breaks == RECONNECTS_MAX {
            handed.broken += 1;
            break;
        }
    }
    if outcome.is_some() {
        // Whether it was saved or not, this connection is at its end.
        let _ = steps.step(outcome, None).await;
    }
    drop(steps);
    if let Some(connection) = open {
        connection.quit().await;
    }
    (handed, beyond_relay)
}

async fn connect(shared: &Shared) -> Option<Connection> {
    match Connection::open(&shared.relay, shared.begin).await {
        Ok(connection) => Some(connection),
        Err(Unreachable(reason)) => {
            tracing::warn!(reason, "no connection to the relay");
            None
        }
    }
}
