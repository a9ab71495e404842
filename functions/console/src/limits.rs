//! What may be tried so often in a time. Functions share nothing, so the counts stand in Postgres; by whom stands there as an HMAC alone.

use std::time::Duration;

use access::Purpose;
use store::StoreError;
use time::OffsetDateTime;

use crate::{Console, ConsoleError};

/// So many attempts in a window, which begins with the first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    kind: &'static str,
    attempts_max: i32,
    window: Duration,
    /// Of what whoever tried too often is told, in the catalogues.
    words: &'static str,
}

/// Passwords for one e-mail address, whether anybody has it or not: enough for a person who is not sure any more, and a hundred years for a list.
pub(crate) const LOGINS_OF_USER: Limit =
    Limit { kind: "login of user", attempts_max: 10, window: Duration::from_mins(15), words: "login-limit" };
/// Passwords from one address: of a company whose people all begin at nine.
pub(crate) const LOGINS_OF_ADDRESS: Limit = Limit {
    kind: "login of address",
    attempts_max: 60,
    window: Duration::from_mins(15),
    words: "login-limit",
};
/// Codes for one user, over all logins whose password was right. Three end a login, so this is three logins and a try.
pub(crate) const CODES_OF_USER: Limit =
    Limit { kind: "code of user", attempts_max: 10, window: Duration::from_hours(1), words: "login-limit" };
/// Texts for one user.
pub(crate) const TEXTS_OF_USER: Limit =
    Limit { kind: "text of user", attempts_max: 5, window: Duration::from_hours(1), words: "text-limit" };
/// Texts to one number, whoever registers it.
pub(crate) const TEXTS_OF_PHONE: Limit =
    Limit { kind: "text of phone", attempts_max: 5, window: Duration::from_hours(1), words: "text-limit" };
/// Texts that one address causes.
pub(crate) const TEXTS_OF_ADDRESS: Limit =
    Limit { kind: "text of address", attempts_max: 30, window: Duration::from_hours(1), words: "text-limit" };
/// Links for one e-mail address: each is a mail to somebody who may not have asked.
pub(crate) const LINKS_OF_USER: Limit =
    Limit { kind: "link of user", attempts_max: 3, window: Duration::from_hours(1), words: "link-limit" };
/// Links that one address asks for.
pub(crate) const LINKS_OF_ADDRESS: Limit =
    Limit { kind: "link of address", attempts_max: 20, window: Duration::from_hours(1), words: "link-limit" };
/// The current password, asked of somebody logged in.
pub(crate) const CONFIRMATIONS_OF_USER: Limit = Limit {
    kind: "confirmation of user",
    attempts_max: 10,
    window: Duration::from_mins(15),
    words: "login-limit",
};

/// There were too many attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany {
    /// Of what there is to say, in the catalogues.
    pub(crate) words: &'static str,
    /// When the next one is possible.
    pub(crate) until: OffsetDateTime,
}

impl Limit {
    /// When the window ends, if this attempt was its last.
    fn judge(self, count: i32, until: OffsetDateTime) -> Result<Option<OffsetDateTime>, TooMany> {
        if count > self.attempts_max {
            return Err(self.too_many(until));
        }
        Ok((count == self.attempts_max).then_some(until))
    }

    /// What whoever has none left is told.
    pub(crate) const fn too_many(self, until: OffsetDateTime) -> TooMany {
        TooMany { words: self.words, until }
    }

    fn key(self, console: &Console, whose: &[u8]) -> [u8; access::KEY_BYTES] {
        console.master.tag(Purpose::Limits, &[self.kind.as_bytes(), whose])
    }

    /// Counts an attempt, in one statement: two at once are two. Says when the window ends if this was its last.
    pub(crate) async fn spend(
        self,
        console: &Console,
        whose: &[u8],
        now: OffsetDateTime,
    ) -> Result<Option<OffsetDateTime>, ConsoleError> {
        let (count, until) = sqlx::query_as(
            "INSERT INTO broadcast.attempts AS a (kind, key, ends_at, count) VALUES ($1, $2, $4, 1)
             ON CONFLICT (kind, key) DO UPDATE SET
                 count = CASE WHEN a.ends_at <= $3 THEN 1 ELSE least(a.count, $5) + 1 END,
                 ends_at = CASE WHEN a.ends_at <= $3 THEN $4 ELSE a.ends_at END
             RETURNING count, ends_at",
        )
        .bind(self.kind)
        .bind(&self.key(console, whose)[..])
        .bind(now)
        .bind(now + self.window)
        .bind(self.attempts_max)
        .fetch_one(console.store.pool())
        .await?;
        Ok(self.judge(count, until)?)
    }

    /// Forgets the attempts of somebody who has proved to be who they are.
    pub(crate) async fn forget(self, console: &Console, whose: &[u8]) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM broadcast.attempts WHERE kind = $1 AND key = $2")
            .bind(self.kind)
            .bind(&self.key(console, whose)[..])
            .execute(console.store.pool())
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_last_attempt_is_known() {
        let until = datetime!(2026-12-01 12:00 UTC);
        for (count, expected) in [
            (1, Ok(None)),
            (4, Ok(None)),
            (5, Ok(Some(until))),
            (6, Err(TooMany { words: "text-limit", until })),
        ] {
            assert_eq!(TEXTS_OF_USER.judge(count, until), expected, "{count}");
        }
    }
}
