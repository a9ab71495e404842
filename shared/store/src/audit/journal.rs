//! Lines that wait for the database, which writes many as fast as one: nobody who transfers a thousand small files waits a thousand times
//! until a line is durable.
//!
//! Lines are written in their order by one task. While that fails they stay here and are tried again; once there are too many, nothing new
//! begins that would make more.

use std::{
    collections::VecDeque,
    slice,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::PgPool;

use time::OffsetDateTime;
use tokio::sync::watch;

use super::Line;
use crate::StoreError;

/// Lines that wait at most before nothing new begins: about 2 MB, and more than a busy process makes in the ten seconds after which a
/// connection to the database is given up. What is under way then still gets its lines.
const WAITING_LINES_MAX: u64 = 5_000;
/// Lines of one statement. Above some hundreds more save nothing.
const STATEMENT_LINES_MAX: usize = 500;
/// After the database failed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A line with what it refers to.
pub struct Entry {
    at: OffsetDateTime,
    tenant: Option<i64>,
    actor: String,
    action: String,
    subject: Option<String>,
    source: Option<String>,
    bytes: Option<i64>,
    result: String,
}

/// Where lines are written, all of a statement or none.
pub trait Table: Sync {
    /// Adds rows in this order.
    fn insert(&self, entries: &[Entry]) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// The lines of all sessions that are not written yet.
pub struct Journal {
    waiting_max: u64,
    retry_pause: Duration,
    waiting: Mutex<VecDeque<Entry>>,
    /// Lines that came, since the beginning.
    come: watch::Sender<u64>,
    /// Those that are done with.
    written: watch::Sender<u64>,
}

impl Default for Journal {
    fn default() -> Self {
        Self::with(WAITING_LINES_MAX, RETRY_PAUSE)
    }
}

impl Journal {
    /// An empty one. Lines are written as long as somebody [runs](Self::run) it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with other bounds.
    pub fn with(waiting_max: u64, retry_pause: Duration) -> Self {
        Self {
            waiting_max,
            retry_pause,
            waiting: Mutex::default(),
            come: watch::Sender::new(0),
            written: watch::Sender::new(0),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line, which will be written. Its time is now.
    pub fn push(&self, line: &Line<'_>) {
        let entry = Entry {
            at: OffsetDateTime::now_utc(),
            tenant: line.tenant.map(|tenant| tenant.0),
            actor: line.actor.to_owned(),
            action: line.action.to_owned(),
            subject: line.subject.map(ToOwned::to_owned),
            source: line.source.map(|source| source.to_string()),
            bytes: line.bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            result: line.result.to_owned(),
        };
        let mut waiting = self.waiting();
        waiting.push_back(entry);
        self.come.send_modify(|come| *come += 1);
    }

    /// Whether something new may begin.
    pub fn has_room(&self) -> bool {
        self.unwritten() < self.waiting_max
    }

    /// Lines that are not done with.
    pub fn unwritten(&self) -> u64 {
        let written = *self.written.borrow();
        self.come.borrow().saturating_sub(written)
    }

    /// Waits until all lines that came so far are done with.
    pub async fn settled(&self) {
        let come = *self.come.borrow();
        // The sender is ours, so the wait has no other end.
        let _ = self.written.subscribe().wait_for(|written| *written >= come).await;
    }

    /// Writes lines as they come, for ever.
    pub async fn run(&self, table: &impl Table) {
        loop {
            let entries = self.next().await;
            self.keep_all(table, &entries).await;
            self.written.send_modify(|written| *written += entries.len() as u64);
        }
    }

    /// The next lines, as soon as there is one.
    async fn next(&self) -> Vec<Entry> {
        let mut come = self.come.subscribe();
        loop {
            come.mark_unchanged();
            let entries: Vec<_> = {
                let mut waiting = self.waiting();
                let count = waiting.len().min(STATEMENT_LINES_MAX);
                waiting.drain(..count).collect()
            };
            if !entries.is_empty() {
                return entries;
            }
            // The sender is ours.
            let _ = come.changed().await;
        }
    }

    async fn keep_all(&self, table: &impl Table, entries: &[Entry]) {
        if self.keep(table, entries).await.is_ok() {
            return;
        }
        // One of them cannot be: its tenant was deleted meanwhile, or a text is none for the database. The others can.
        for entry in entries {
            if let Err(error) = self.keep(table, slice::from_ref(entry)).await {
                tracing::error!(tenant = entry.tenant, action = entry.action, %error, "an audit line is lost");
            }
        }
    }

    /// Writes lines, however long that takes. An error is for ever.
    async fn keep(&self, table: &impl Table, entries: &[Entry]) -> Result<(), StoreError> {
        loop {
            match table.insert(entries).await.map_err(StoreError::from) {
                Err(error) if !is_about_values(error.sqlstate().as_deref()) => {
                    tracing::error!(lines = entries.len(), %error, "lines of the audit wait for the database");
                    tokio::time::sleep(self.retry_pause).await;
                }
                result => return result,
            }
        }
    }
}

/// Whether the database would refuse the same again: classes 22 (data) and 23 (constraints).
fn is_about_values(sqlstate: Option<&str>) -> bool {
    sqlstate.is_some_and(|state| state.starts_with("22") || state.starts_with("23"))
}

impl Table for PgPool {
    async fn insert(&self, entries: &[Entry]) -> Result<(), sqlx::Error> {
        insert(self, entries, true).await
    }
}

/// Lines whose commit does not wait for the disk: they are there for everybody at once, and lost when the server's host dies within half a
/// second. For what changes nothing.
pub struct Unsynchronised(pub PgPool);

impl Table for Unsynchronised {
    async fn insert(&self, entries: &[Entry]) -> Result<(), sqlx::Error> {
        insert(&self.0, entries, false).await
    }
}

async fn insert(pool: &PgPool, entries: &[Entry], synchronised: bool) -> Result<(), sqlx::Error> {
    fn column<'a, T>(entries: &'a [Entry], of: impl Fn(&'a Entry) -> T) -> Vec<T> {
        entries.iter().map(of).collect()
    }
    // Numbers are given in the order of the rows. How the transaction commits is asked at its end, so a statement can say it for itself.
    sqlx::query(
        "INSERT INTO broadcast.audit (at, tenant_id, actor, action, subject, source, bytes, result)
         SELECT at, tenant_id, actor, action, subject, source, bytes, result
         FROM unnest($1::timestamptz[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[])
              WITH ORDINALITY AS line (at, tenant_id, actor, action, subject, source, bytes, result, number),
              (SELECT CASE WHEN NOT $9 THEN set_config('synchronous_commit', 'off', true) END OFFSET 0) AS commits
         ORDER BY number",
    )
    .bind(column(entries, |entry| entry.at))
    .bind(column(entries, |entry| entry.tenant))
    .bind(column(entries, |entry| entry.actor.as_str()))
    .bind(column(entries, |entry| entry.action.as_str()))
    .bind(column(entries, |entry| entry.subject.as_deref()))
    .bind(column(entries, |entry| entry.source.as_deref()))
    .bind(column(entries, |entry| entry.bytes))
    .bind(column(entries, |entry| entry.result.as_str()))
    .bind(synchronised)
    .execute(pool)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use futures_util::FutureExt;

    use super::*;

    fn push(journal: &Journal, result: &str) {
        let source = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let line = Line {
            tenant: None,
            actor: "sftp",
            action: "download",
            subject: None,
            source,
            bytes: Some(u64::MAX),
            result,
        };
        journal.push(&line);
    }

    #[tokio::test]
    async fn lines_are_taken_in_their_order_as_many_as_there_are() {
        let journal = Journal::new();
        assert!(journal.next().now_or_never().is_none());
        for number in 0..STATEMENT_LINES_MAX + 2 {
            push(&journal, &number.to_string());
        }
        let taken = [journal.next().await, journal.next().await];
        assert_eq!(taken[1].len(), 2);
        let results = taken.iter().flatten().map(|entry| entry.result.clone());
        assert!(results.eq((0..STATEMENT_LINES_MAX + 2).map(|number| number.to_string())));
        assert_eq!(taken[0][0].bytes, Some(i64::MAX));
        assert!(journal.next().now_or_never().is_none());
    }

    #[tokio::test]
    async fn what_is_taken_and_not_written_still_counts() {
        let journal = Journal::new();
        journal.settled().await;
        for _ in 0..WAITING_LINES_MAX {
            assert!(journal.has_room());
            push(&journal, "done");
        }
        let taken = journal.next().await;
        assert!(!journal.has_room() && journal.settled().now_or_never().is_none());
        journal.written.send_modify(|written| *written += taken.len() as u64);
        assert!(journal.has_room());
        assert_eq!(journal.unwritten(), WAITING_LINES_MAX - taken.len() as u64);
    }

    /// A database that answers so, one answer after the other, and at last without an error. It keeps what it takes.
    #[derive(Default)]
    struct Failing {
        answers: Mutex<VecDeque<Option<&'static str>>>,
        kept: Mutex<Vec<String>>,
        asked: watch::Sender<usize>,
    }

    impl Table for Failing {
        async fn insert(&self, entries: &[Entry]) -> Result<(), sqlx::Error> {
            self.asked.send_modify(|asked| *asked += 1);
            let answer = self.answers.lock().unwrap().pop_front();
            match answer {
                None => {}
                Some(None) => return Err(sqlx::Error::PoolTimedOut),
                Some(Some(code)) => return Err(sqlx::Error::Database(Box::new(Refused(code)))),
            }
            self.kept.lock().unwrap().extend(entries.iter().map(|entry| entry.result.clone()));
            Ok(())
        }
    }

    #[derive(Debug)]
    struct Refused(&'static str);

    impl std::fmt::Display for Refused {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Refused {}

    impl sqlx::error::DatabaseError for Refused {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> sqlx::error::ErrorKind {
            sqlx::error::ErrorKind::Other
        }
    }

    /// Runs until all lines are done with.
    async fn run_out(journal: &Journal, table: &Failing) {
        tokio::select! {
            () = journal.run(table) => {}
            () = journal.settled() => {}
        }
    }

    #[tokio::test]
    async fn lines_are_kept_and_written_when_the_database_answers_again() {
        for answers in [&[None][..], &[None, Some("57P01"), Some("42501"), None]] {
            let (journal, table) = (Journal::with(3, Duration::ZERO), Failing::default());
            table.answers.lock().unwrap().extend(answers);
            push(&journal, "first");
            push(&journal, "second");
            run_out(&journal, &table).await;
            assert_eq!(*table.kept.lock().unwrap(), ["first", "second"]);
            assert_eq!((*table.asked.borrow(), journal.unwritten()), (answers.len() + 1, 0));
        }
    }

    #[tokio::test]
    async fn above_its_bound_there_is_no_room_until_lines_are_written() {
        let (journal, table) = (Journal::with(2, Duration::from_hours(1)), Failing::default());
        table.answers.lock().unwrap().push_back(None);
        push(&journal, "first");
        assert!(journal.has_room());
        push(&journal, "second");
        // The database has failed, and is not asked again for an hour.
        let mut asked = table.asked.subscribe();
        tokio::select! {
            () = journal.run(&table) => {}
            _ = asked.wait_for(|asked| *asked > 0) => {}
        }
        assert!(!journal.has_room() && journal.settled().now_or_never().is_none());
        // What is under way has its lines all the same.
        push(&journal, "third");
        assert_eq!((journal.unwritten(), table.kept.lock().unwrap().len()), (3, 0));
    }

    #[tokio::test]
    async fn a_line_that_the_database_never_takes_does_not_hold_up_the_others() {
        let (journal, table) = (Journal::with(3, Duration::ZERO), Failing::default());
        // To all three at once, and twice to the first alone.
        let answers = [Some("23503"), None, Some("22021")];
        table.answers.lock().unwrap().extend(answers);
        for result in ["first", "second", "third"] {
            push(&journal, result);
        }
        run_out(&journal, &table).await;
        assert_eq!(*table.kept.lock().unwrap(), ["second", "third"]);
        assert!(journal.has_room());
    }

    #[test]
    fn only_values_are_refused_for_ever() {
        for (state, expected) in [
            (Some("23503"), true),
            (Some("22021"), true),
            (Some("42501"), false),
            (Some("57P01"), false),
            (None, false),
        ] {
            assert_eq!(is_about_values(state), expected, "{state:?}");
        }
    }
}
