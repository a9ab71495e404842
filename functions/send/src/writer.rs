//! Group commit: one task writes for all connections. Those that are in step with each other go into one statement, and whatever they ask for
//! while it writes into the next.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use contract::MailId;
use store::{CampaignSession, Store, StoreError};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    Place,
    handover::{CONNECTIONS, Clock},
    ledger,
    outcome::Outcome,
};

/// How long rows are taken before the launch's state is looked at again: a pause or a cancellation reaches every connection within it. Each
/// statement could look, at some cost for each mail.
const STATE_TRUSTED: Duration = Duration::from_secs(1);
/// How often a group is tried again that the database rolled back by itself (a deadlock with another invocation's group).
const ROLLBACKS_MAX: u32 = 3;
/// How long a group waits for a connection that came with the last one. Tokio's timers know milliseconds; a relay on the same network answers
/// before, and one that does not is not waited for again.
const LATE_AFTER: Duration = Duration::from_millis(1);
/// Between attempts to save outcomes while the database is away.
const RESCUE_PAUSE: Duration = Duration::from_millis(250);

/// What a connection asks for: its last mail's outcome recorded, its next mail's row taken, or both at once.
pub(crate) struct Step {
    pub outcome: Option<Outcome>,
    pub intent: Option<MailId>,
    answer: oneshot::Sender<Option<i16>>,
}

/// The connections' end of the writer.
#[derive(Clone)]
pub(crate) struct Steps(mpsc::Sender<Step>);

/// The writer can take no more rows: the connection ends. What it handed in is saved as far as possible.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

impl Steps {
    /// Records an outcome and takes a row. `Some`: the row is ours, durably, and this is the number of its attempt. `None`: it was not to
    /// be had, or none was asked for.
    pub async fn step(
        &self,
        outcome: Option<Outcome>,
        intent: Option<MailId>,
    ) -> Result<Option<i16>, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Step { outcome, intent, answer }).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }
}

/// Writes steps until all connections are gone.
pub(crate) struct Writer {
    pub store: Store,
    pub place: Place,
    pub clock: Clock,
    /// Until when outcomes are saved from a database that is away.
    pub until: Instant,
    /// Set when the launch does not run any more: no further row is taken.
    pub halted: Arc<AtomicBool>,
}

impl Writer {
    /// The channel between connections and writer. A connection has one step under way at most.
    pub fn channel() -> (Steps, mpsc::Receiver<Step>) {
        let (sender, receiver) = mpsc::channel(CONNECTIONS);
        (Steps(sender), receiver)
    }

    /// Runs to the end. After an error it grants nothing more and only saves outcomes.
    pub async fn run(self, steps: mpsc::Receiver<Step>) -> Result<(), StoreError> {
        let mut groups = Groups { steps, usual: 1 };
        let mut session = self.store.campaign_session(self.place.tenant, self.place.campaign).await?;
        let mut looked = None;
        while let Some(group) = groups.next().await {
            match self.write(&mut session, &group, &mut looked).await {
                Ok(granted) => answer(group, &granted),
                Err(error) => {
                    drop(session);
                    self.rescue(group, groups).await;
                    return Err(error);
                }
            }
        }
        session.end().await
    }

    async fn write(
        &self,
        session: &mut CampaignSession,
        group: &[Step],
        looked: &mut Option<Instant>,
    ) -> Result<HashMap<MailId, i16>, StoreError> {
        if looked.is_none_or(|at| at.elapsed() >= STATE_TRUSTED) && !self.halted.load(Ordering::Relaxed) {
            self.halted.store(!ledger::runs(session, self.place).await?, Ordering::Relaxed);
            *looked = Some(Instant::now());
        }
        let halted = self.halted.load(Ordering::Relaxed);
        let outcomes: Vec<&Outcome> = group.iter().filter_map(|step| step.outcome.as_ref()).collect();
        let mut intents: Vec<MailId> =
            group.iter().filter(|_| !halted).filter_map(|step| step.intent).collect();
        if outcomes.is_empty() && intents.is_empty() {
            return Ok(HashMap::new());
        }
        // Rows are locked in one order by everyone.
        intents.sort_unstable();
        let mut rollbacks = 0;
        loop {
            match ledger::step(session, self.place, &outcomes, &intents, self.clock.now()).await {
                Ok(granted) => return Ok(granted.into_iter().collect()),
                Err(error) if is_rollback(&error) && rollbacks < ROLLBACKS_MAX => rollbacks += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The database is away. Whether the last group was written is not known: outcomes may be written twice, rows are not taken again, and
    /// those that were taken without our knowing become `unknown` in time. Connections end, each at its next step.
    async fn rescue(&self, group: Vec<Step>, mut groups: Groups) {
        let mut outcomes: Vec<Outcome> = group.into_iter().filter_map(|step| step.outcome).collect();
        while let Some(group) = groups.next().await {
            outcomes.extend(group.into_iter().filter_map(|step| step.outcome));
        }
        while !outcomes.is_empty() && self.save(&outcomes).await.is_err() {
            if Instant::now() + RESCUE_PAUSE >= self.until {
                tracing::error!(outcomes = outcomes.len(), "outcomes are lost: the database is away");
                return;
            }
            tokio::time::sleep(RESCUE_PAUSE).await;
        }
    }

    async fn save(&self, outcomes: &[Outcome]) -> Result<(), StoreError> {
        let mut session = self.store.campaign_session(self.place.tenant, self.place.campaign).await?;
        let outcomes: Vec<&Outcome> = outcomes.iter().collect();
        ledger::step(&mut session, self.place, &outcomes, &[], self.clock.now()).await?;
        session.end().await
    }
}

/// Collects steps into groups. A commit waits for the disk, whatever it carries: so all connections that are in step with each other go into one.
struct Groups {
    steps: mpsc::Receiver<Step>,
    /// How many came together last.
    usual: usize,
}

impl Groups {
    /// The next steps: all that are waiting, and as many as came together last time unless one of them is late.
    async fn next(&mut self) -> Option<Vec<Step>> {
        let mut group = Vec::with_capacity(CONNECTIONS);
        self.steps.recv_many(&mut group, CONNECTIONS).await;
        let late = Instant::now() + LATE_AFTER;
        while (1..self.usual).contains(&group.len()) {
            match timeout_at(late, self.steps.recv_many(&mut group, CONNECTIONS)).await {
                Ok(1..) => {}
                // Late, or gone.
                Ok(0) | Err(_) => break,
            }
        }
        self.usual = group.len();
        (!group.is_empty()).then_some(group)
    }
}

fn answer(group: Vec<Step>, granted: &HashMap<MailId, i16>) {
    for step in group {
        let attempt = step.intent.and_then(|mail| granted.get(&mail).copied());
        // Whoever no longer waits was cut off; its row is settled when its time is over.
        let _ = step.answer.send(attempt);
    }
}

/// Class 40: the server rolled the statement back as a whole, and says so.
fn is_rollback(error: &StoreError) -> bool {
    error.sqlstate().is_some_and(|code| code.starts_with("40"))
}
