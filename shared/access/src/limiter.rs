use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use time::OffsetDateTime;

/// Most keys counted apart, some 3 MiB. Above it, new keys share one count: who floods us with keys shuts out only other newcomers.
pub const LIMITER_KEYS_MAX: usize = 65_536;

/// A full table is swept at most so often, since a sweep looks at all of it.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Counts attempts per key in a fixed window, in this process alone.
///
/// It stands before what is dear, such as a password hash. A key is a client's address or a user name; only a keyed hash of it is kept.
pub struct Limiter {
    attempts_max: u32,
    window: Duration,
    hasher: RandomState,
    counts: Mutex<Counts>,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It may go on.
    Allowed,
    /// There were too many.
    Refused {
        /// When the key's window ends.
        retry_after: Duration,
    },
}

struct Counts {
    keys: HashMap<u64, Window>,
    /// Of all keys that found no room.
    overflow: Window,
    swept_at: OffsetDateTime,
}

#[derive(Clone, Copy)]
struct Window {
    started_at: OffsetDateTime,
    attempts: u32,
}

impl Window {
    const NEVER: Self = Self { started_at: OffsetDateTime::UNIX_EPOCH, attempts: 0 };

    /// A clock that was set back far ends a window too: otherwise it would last until the clock has caught up. A little is nothing: of
    /// attempts at once, one that was begun earlier may be counted later.
    fn is_open(&self, now: OffsetDateTime, window: Duration) -> bool {
        (now - self.started_at).abs() < window
    }

    fn count(&mut self, now: OffsetDateTime, window: Duration, attempts_max: u32) -> Attempt {
        if !self.is_open(now, window) {
            *self = Self { started_at: now, attempts: 0 };
        }
        if self.attempts < attempts_max {
            self.attempts += 1;
            return Attempt::Allowed;
        }
        let elapsed = Duration::try_from(now - self.started_at).unwrap_or_default();
        Attempt::Refused { retry_after: window.saturating_sub(elapsed) }
    }
}

impl Limiter {
    /// Allows so many attempts per key in each window, which starts at the key's first attempt.
    pub fn new(attempts_max: u32, window: Duration) -> Self {
        let counts =
            Counts { keys: HashMap::new(), overflow: Window::NEVER, swept_at: OffsetDateTime::UNIX_EPOCH };
        Self { attempts_max, window, hasher: RandomState::new(), counts: Mutex::new(counts) }
    }

    /// Counts an attempt of a key.
    pub fn attempt(&self, key: impl Hash, now: OffsetDateTime) -> Attempt {
        let key = self.hasher.hash_one(key);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if !counts.keys.contains_key(&key) && counts.keys.len() >= LIMITER_KEYS_MAX {
            if (now - counts.swept_at).abs() >= SWEEP_INTERVAL {
                counts.keys.retain(|_, window| window.is_open(now, self.window));
                counts.swept_at = now;
            }
            if counts.keys.len() >= LIMITER_KEYS_MAX {
                return counts.overflow.count(now, self.window, self.attempts_max);
            }
        }
        counts.keys.entry(key).or_insert(Window::NEVER).count(now, self.window, self.attempts_max)
    }

    /// Whether a key may attempt something, without counting it: for what counts only when it fails.
    pub fn allows(&self, key: impl Hash, now: OffsetDateTime) -> bool {
        let key = self.hasher.hash_one(key);
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let full = counts.keys.len() >= LIMITER_KEYS_MAX;
        let window = counts.keys.get(&key).or(full.then_some(&counts.overflow));
        window.is_none_or(|window| !window.is_open(now, self.window) || window.attempts < self.attempts_max)
    }

    /// Takes an attempt back, after it succeeded. Others of the key still count: whoever has one right password tries no more others.
    pub fn take_back(&self, key: impl Hash) {
        let key = self.hasher.hash_one(key);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = counts.keys.get_mut(&key) {
            window.attempts = window.attempts.saturating_sub(1);
        }
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limiter({} in {:?})", self.attempts_max, self.window)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);
    const WINDOW: Duration = Duration::from_mins(1);

    fn refused(seconds: u64) -> Attempt {
        Attempt::Refused { retry_after: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_key_has_its_attempts_in_a_window() {
        let limiter = Limiter::new(2, WINDOW);
        for (key, seconds, expected) in [
            ("a", 0, Attempt::Allowed),
            ("a", 10, Attempt::Allowed),
            ("a", 20, refused(40)),
            ("b", 20, Attempt::Allowed),
            ("a", 59, refused(1)),
            ("a", 60, Attempt::Allowed),
            ("a", 61, Attempt::Allowed),
            ("a", 62, refused(58)),
            // The clock is set back.
            ("a", -3600, Attempt::Allowed),
        ] {
            let now = NOW + time::Duration::seconds(seconds);
            assert_eq!(limiter.attempt(key, now), expected, "{key} at {seconds}");
        }
    }

    #[test]
    fn success_is_taken_back() {
        let limiter = Limiter::new(1, WINDOW);
        assert_eq!(limiter.attempt(("a", 1), NOW), Attempt::Allowed);
        limiter.take_back(("a", 1));
        limiter.take_back(("a", 1));
        limiter.take_back(("a", 2));
        assert!(limiter.allows(("a", 1), NOW));
        assert_eq!(limiter.attempt(("a", 1), NOW), Attempt::Allowed);
        assert_eq!(limiter.attempt(("a", 1), NOW), refused(60));
        assert!(!limiter.allows(("a", 1), NOW));
        assert!(limiter.allows(("a", 1), NOW + WINDOW));
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_shuts_out_no_known_one() {
        let limiter = Limiter::new(2, WINDOW);
        for key in 0..LIMITER_KEYS_MAX {
            assert_eq!(limiter.attempt(key, NOW), Attempt::Allowed);
        }
        assert_eq!(limiter.attempt("new 1", NOW), Attempt::Allowed);
        assert_eq!(limiter.attempt("new 2", NOW), Attempt::Allowed);
        assert_eq!(limiter.attempt("new 3", NOW), refused(60));
        assert!(!limiter.allows("new 4", NOW) && limiter.allows(0_usize, NOW));
        assert_eq!(limiter.attempt(0_usize, NOW), Attempt::Allowed, "a known key keeps its own count");
        assert_eq!(limiter.counts.lock().unwrap().keys.len(), LIMITER_KEYS_MAX);

        let later = NOW + WINDOW;
        assert_eq!(limiter.attempt("new 3", later), Attempt::Allowed);
        assert_eq!(limiter.counts.lock().unwrap().keys.len(), 1, "what has ended is swept");
    }
}
