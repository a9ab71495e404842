//! Codes that go as texts: six digits, one use, a time that shrinks with each wrong one.
//!
//! A challenge has one code at most, the newest. What is stored of it is an HMAC with the challenge's number, so a code counts for its challenge alone,
//! and who reads the database finds none by trying a million.

use std::{fmt, time::Duration};

use aws_lc_rs::constant_time;
use time::OffsetDateTime;

use crate::{Error, KEY_BYTES, MasterKey, Purpose, random};

/// How long a code is valid when nothing wrong is entered.
pub const LIFETIME: Duration = Duration::from_mins(5);
/// What each wrong code takes of that.
pub const WRONG_COST: Duration = Duration::from_mins(1);
/// The wrong code that ends the login: three tries of a million, whatever else is guessed.
pub const WRONG_MAX: i32 = 3;

/// Of a code.
pub const DIGITS: usize = 6;
const CODES: u32 = 1_000_000;

/// Six digits.
pub struct Code(String);

impl Code {
    /// A new one, each as likely as every other.
    pub fn generate() -> Result<Self, Error> {
        // The rest of 2^32 above the last whole million would make small codes likelier.
        const WHOLE: u32 = u32::MAX - u32::MAX % CODES;
        loop {
            let number = u32::from_be_bytes(random::bytes()?);
            if number < WHOLE {
                return Ok(Self(format!("{:06}", number % CODES)));
            }
        }
    }

    /// Reads what a person typed; spaces and hyphens are nothing.
    pub fn parse(typed: &str) -> Option<Self> {
        let digits: String = typed.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}')).collect();
        (digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(Self(digits))
    }

    /// For the text itself.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// What is stored of it with its challenge.
    pub fn hash(&self, master: &MasterKey, challenge: i64) -> [u8; KEY_BYTES] {
        master.tag(Purpose::Codes, &[&challenge.to_be_bytes(), self.0.as_bytes()])
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

/// What a challenge says of its code.
#[derive(Clone)]
pub struct Expected {
    /// Of the newest code.
    pub hash: Vec<u8>,
    /// When that is valid no more, as wrong ones have shortened it.
    pub ends_at: OffsetDateTime,
    /// How many wrong ones there were, over all codes of the challenge.
    pub wrong: i32,
}

/// What becomes of an entered code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one.
    Right,
    /// It is not; the right one is valid until then.
    Wrong {
        /// May be over already.
        ends_at: OffsetDateTime,
    },
    /// It is not, and that was the last try.
    Failed,
    /// Too late, whether it was the one or not: a new one may be asked for.
    Expired,
}

impl Expected {
    /// A new code's, with the wrong ones before it.
    pub fn new(hash: [u8; KEY_BYTES], wrong: i32, now: OffsetDateTime) -> Self {
        Self { hash: hash.to_vec(), ends_at: now + LIFETIME, wrong }
    }

    /// Judges an entered code by its hash.
    pub fn judge(&self, entered: &[u8; KEY_BYTES], now: OffsetDateTime) -> Verdict {
        if self.wrong >= WRONG_MAX {
            return Verdict::Failed;
        }
        if now >= self.ends_at {
            return Verdict::Expired;
        }
        if constant_time::verify_slices_are_equal(&self.hash, entered).is_ok() {
            return Verdict::Right;
        }
        if self.wrong + 1 >= WRONG_MAX {
            Verdict::Failed
        } else {
            Verdict::Wrong { ends_at: self.ends_at - WRONG_COST }
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-12-01 12:00 UTC);
    const RIGHT: [u8; KEY_BYTES] = [1; KEY_BYTES];
    const WRONG: [u8; KEY_BYTES] = [2; KEY_BYTES];

    fn at(seconds: i64) -> OffsetDateTime {
        NOW + time::Duration::seconds(seconds)
    }

    #[test]
    fn the_time_shrinks_and_the_third_wrong_one_is_the_end() {
        let wrong = |seconds| Verdict::Wrong { ends_at: at(seconds) };
        // Wrong ones so far, when the code ends, when something is entered, what, and what comes of it.
        for (before, ends, seconds, entered, expected) in [
            (0, 300, 0, RIGHT, Verdict::Right),
            (0, 300, 299, RIGHT, Verdict::Right),
            (0, 300, 300, RIGHT, Verdict::Expired),
            (0, 300, 300, WRONG, Verdict::Expired),
            (0, 300, 10, WRONG, wrong(240)),
            (1, 240, 239, RIGHT, Verdict::Right),
            (1, 240, 240, RIGHT, Verdict::Expired),
            (1, 240, 20, WRONG, wrong(180)),
            (2, 180, 179, RIGHT, Verdict::Right),
            (2, 180, 180, RIGHT, Verdict::Expired),
            (2, 180, 30, WRONG, Verdict::Failed),
            (3, 180, 30, RIGHT, Verdict::Failed),
            // Near its end a wrong one ends it at once.
            (0, 300, 250, WRONG, wrong(240)),
            (1, 240, 250, RIGHT, Verdict::Expired),
        ] {
            let expected_code = Expected { hash: RIGHT.to_vec(), ends_at: at(ends), wrong: before };
            assert_eq!(expected_code.judge(&entered, at(seconds)), expected, "{before} {ends} {seconds}");
        }
    }

    #[test]
    fn a_new_code_has_its_whole_time_and_the_wrong_ones_of_before() {
        let code = Expected::new(RIGHT, 2, NOW);
        assert_eq!((code.ends_at, code.judge(&WRONG, NOW)), (at(300), Verdict::Failed));
    }

    #[test]
    fn codes_are_read_as_people_type_them() {
        for (typed, expected) in [
            ("012345", Some("012345")),
            (" 012 345\u{a0}", Some("012345")),
            ("012-345", Some("012345")),
            ("12345", None),
            ("0123456", None),
            ("01234a", None),
            ("٠١٢٣٤٥", None),
            ("", None),
        ] {
            assert_eq!(Code::parse(typed).map(|code| code.0).as_deref(), expected, "{typed}");
        }
    }

    #[test]
    fn codes_are_of_their_challenge_and_shown_nowhere() {
        let master = MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let code = Code::generate().unwrap();
        assert_eq!(Code::parse(code.digits()).unwrap().hash(&master, 7), code.hash(&master, 7));
        assert_ne!(code.hash(&master, 7), code.hash(&master, 8));
        assert_eq!(format!("{code:?}"), "Code(..)");
        let codes: std::collections::BTreeSet<_> = (0..50).map(|_| Code::generate().unwrap().0).collect();
        assert!(codes.len() > 45, "{codes:?}");
    }
}
