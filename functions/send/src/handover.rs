//! The connections: each takes a row, hands its mail over, and brings the outcome with its request for the next row.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use contract::MailId;
use futures_util::{StreamExt, future::join, stream::FuturesUnordered};
use mail::Spooled;
use store::{Store, StoreError};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::{
    Error, Place,
    connections::Connections,
    dialogue::{Connection, Unreachable},
    ledger,
    outcome::{Outcome, Phase, State, decide},
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
    /// Mails that the relay was offered.
    pub(crate) fn attempts(&self) -> usize {
        self.sent + self.deferred + self.refused + self.expired + self.unknown
    }

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
    connections: Arc<Connections>,
    mails: Vec<Spooled>,
    next: AtomicUsize,
    clock: Clock,
    begin: Instant,
    until: Instant,
    expires_at: OffsetDateTime,
    halted: Arc<AtomicBool>,
}

impl Shared {
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
    connections: &Arc<Connections>,
    place: Place,
    mails: Vec<Spooled>,
    limits: Limits,
) -> Result<Handed, Error> {
    let clock = Clock::starting(limits.now);
    let workers_max = mails.len().min(CONNECTIONS);
    let until = Instant::now() + limits.wait;
    let halted = Arc::new(AtomicBool::new(false));
    let shared = Shared {
        connections: connections.clone(),
        mails,
        next: AtomicUsize::new(0),
        clock,
        begin: Instant::now() + limits.begin,
        until,
        expires_at: limits.expires_at,
        halted: halted.clone(),
    };
    let (steps, receiver) = Writer::channel();
    let writer = Writer { store: store.clone(), place, clock, until, halted: halted.clone() };
    // All in this task: an invocation that is cut off cuts them all off. It is no slower than a task for each, and needs less memory.
    let workers: FuturesUnordered<_> = (0..workers_max).map(|_| work(&shared, steps.clone())).collect();
    drop(steps);
    let (written, done) = join(writer.run(receiver), workers.collect::<Vec<_>>()).await;
    let mut handed = Handed::default();
    let mut beyond_relay = Vec::new();
    for (one, beyond) in done {
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
async fn work(shared: &Shared, steps: Steps) -> (Handed, Vec<MailId>) {
    let mut worker = Worker { shared, handed: Handed::default(), beyond_relay: Vec::new() };
    let (open, outcome) = worker.run(&steps).await;
    if outcome.is_some() {
        // Whether it was saved or not, this connection is at its end.
        let _ = steps.step(outcome, None).await;
    }
    drop(steps);
    if let Some(connection) = open.filter(|connection| !connection.is_bound()) {
        shared.connections.put(connection);
    }
    (worker.handed, worker.beyond_relay)
}

struct Worker<'s> {
    shared: &'s Shared,
    handed: Handed,
    beyond_relay: Vec<MailId>,
}

impl<'s> Worker<'s> {
    /// Hands over mails until none is left or none may be begun; returns its connection, and the last outcome, which is not recorded yet.
    async fn run(&mut self, steps: &Steps) -> (Option<Connection>, Option<Outcome>) {
        let shared = self.shared;
        let mut open: Option<Connection> = None;
        let mut outcome: Option<Outcome> = None;
        // Chosen for this connection, and perhaps offered; its row is not taken.
        let mut chosen: Option<&'s Spooled> = None;
        let mut breaks = 0;
        while shared.may_begin() && (chosen.is_some() || shared.left() > 0) {
            // First the connection, then the row: a relay that is away takes no row into doubt.
            let connection = if open.is_some() { open.take() } else { connect(shared).await };
            let Some(mut connection) = connection else {
                self.handed.broken += 1;
                break;
            };
            let Some(mail) = chosen.take().or_else(|| self.choose(&connection)) else {
                open = Some(connection);
                break;
            };
            let attempt = match steps.step(outcome.take(), Some(mail.mail)).await {
                Ok(Some(attempt)) => attempt,
                Ok(None) => {
                    let halted = shared.halted.load(Ordering::Relaxed);
                    *(if halted { &mut self.handed.left } else { &mut self.handed.skipped }) += 1;
                    // A relay that has an offer waits for its content; there is no way back but the end.
                    open = Some(connection).filter(|connection| !connection.is_bound());
                    continue;
                }
                Err(_) => break,
            };
            chosen = self.choose(&connection);
            let mut heard = connection.deliver(mail, chosen, shared.until).await;
            if heard.phase != Phase::Content && !heard.reusable && connection.was_used() {
                // What ended was the old connection, which says nothing of this mail.
                if let Ok(fresh) = shared.connections.open(shared.until).await {
                    connection = fresh;
                    heard = connection.deliver(mail, chosen, shared.until).await;
                }
            }
            let said = (heard.phase, &heard.answer);
            let addresses = [mail.to.as_str(), mail.from.as_str()];
            let done = decide(mail.mail, attempt, said, &addresses, shared.clock.now(), shared.expires_at);
            self.handed.count(done.state);
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
                self.handed.broken += 1;
                break;
            }
        }
        self.handed.left += usize::from(chosen.is_some());
        (open, outcome)
    }

    /// The next mail that may be begun and that the connection can offer. What it cannot is put aside before its row is taken: what is not offered
    /// is never in doubt.
    fn choose(&mut self, connection: &Connection) -> Option<&'s Spooled> {
        loop {
            let mail = self.shared.take()?;
            if connection.can_offer(mail) {
                return Some(mail);
            }
            self.beyond_relay.push(mail.mail);
        }
    }
}

async fn connect(shared: &Shared) -> Option<Connection> {
    match shared.connections.take(shared.begin).await {
        Ok(connection) => Some(connection),
        Err(Unreachable(reason)) => {
            tracing::warn!(reason, "no connection to the relay");
            None
        }
    }
}
