//! What was so a moment ago still is, unless something changed: how that is told without asking S3 or the database again.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How long a tenant that had no unfinished upload is taken to have none, unless this process makes one. A look that came as much earlier
/// would have found no more, and whoever resumes needs longer than that to come back.
const QUIET_TIME: Duration = Duration::from_secs(1);

/// A point in time, and how much this process had changed by then.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub at: Instant,
    /// Changes of the tenant's files.
    files: u64,
    /// Changes of rows of unfinished uploads, everybody's.
    rows: u64,
}

impl Moment {
    pub fn now(files: u64, rows: &Rows) -> Self {
        Self { at: Instant::now(), files, rows: rows.changes() }
    }

    /// Whether this one is so soon after an earlier one, and nothing changed in between.
    pub fn is_within(self, time: Duration, earlier: Self) -> bool {
        (self.files, self.rows) == (earlier.files, earlier.rows) && self.at < earlier.at + time
    }

    /// Whether one change of a file is all that happened until then.
    pub fn and_one_file(self, later: Self) -> bool {
        (self.files + 1, self.rows) == (later.files, later.rows)
    }

    /// The change of a file that is accounted for.
    pub fn after_one_file(&mut self) {
        self.files += 1;
    }
}

#[cfg(test)]
impl Moment {
    /// So many changes and so much time after the beginning.
    pub fn of_test(files: u64, time: Duration) -> Self {
        static BEGINNING: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        Self { at: *BEGINNING.get_or_init(Instant::now) + time, files, rows: 0 }
    }
}

/// How often rows came to be, or got another name.
#[derive(Clone, Default)]
pub struct Rows {
    changes: Arc<AtomicU64>,
}

impl Rows {
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// To be said before and after: a look in between may or may not have seen the change.
    pub fn change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }
}

/// When a session last saw that its tenant has no unfinished upload.
#[derive(Clone, Default)]
pub struct Quiet {
    /// With the changes of rows by then.
    since: Arc<Mutex<Option<(Instant, u64)>>>,
}

impl Quiet {
    /// A look has found nothing; begun then, after so many changes.
    pub fn found_none(&self, begun: Instant, changes: u64) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Some((begun, changes));
    }

    /// Whether that can still be said, after so many changes.
    pub fn holds(&self, now: Instant, changes: u64) -> bool {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|(begun, then)| then == changes && now < begun + QUIET_TIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_quiet_for_a_moment_and_until_a_row_changes() {
        let (quiet, begun) = (Quiet::default(), Instant::now());
        assert!(!quiet.holds(begun, 0));
        quiet.found_none(begun, 3);
        for (after, changes, expected) in
            [(QUIET_TIME / 2, 3, true), (QUIET_TIME / 2, 4, false), (QUIET_TIME, 3, false)]
        {
            assert_eq!(quiet.holds(begun + after, changes), expected, "{after:?} {changes}");
        }
    }

    #[test]
    fn a_moment_is_the_same_while_nothing_changes() {
        let (rows, time) = (Rows::default(), Duration::from_secs(1));
        let first = Moment::now(7, &rows);
        let later = Moment { at: first.at + time / 2, ..first };
        assert!(later.is_within(time, first) && !later.is_within(time / 2, first));
        let changed = Moment { files: 8, ..later };
        assert!(!changed.is_within(time, first) && first.and_one_file(changed));
        rows.change();
        let after = Moment::now(8, &rows);
        assert!(!after.is_within(time, changed) && !first.and_one_file(after));
    }
}
