//! API keys, found by their prefix, and how many requests they have left in this minute.
//!
//! The count of a minute stands in the database, because instances of the function share nothing. An instance draws requests from it, one
//! at first and more while it is busy, and spends them by itself: a busy instance asks once for many requests, and the sum of all
//! instances never exceeds the limit.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use access::{ApiKey, Network, Scope};
use contract::TenantId;
use fault::{Code, Notice};
use sqlx::PgPool;
use store::StoreError;
use time::{Duration, OffsetDateTime};

/// How long a key is taken for what it was: so long a deleted key goes on, and a changed one is what it was.
const FRESH: Duration = Duration::seconds(5);
/// Of a key's limit an instance draws at most this share at once: what it does not spend is lost to the others for that minute.
const DRAW_SHARE: i32 = 20;
/// Keys that an instance remembers; beyond it forgets all and asks again.
const KEYS_MAX: usize = 1_000;

/// What the database knows of a key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) tenant: TenantId,
    pub(crate) bucket: String,
    /// Its public part, for the audit.
    pub(crate) prefix: String,
    pub(crate) scopes: Vec<Scope>,
    sources: Vec<Network>,
    secret_hash: Vec<u8>,
    expires_at: Option<OffsetDateTime>,
    active: bool,
    requests_per_minute: i32,
}

/// Where a key stands in its minute, for the response's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) limit: i32,
    pub(crate) remaining: i32,
    /// Seconds until the next minute begins.
    pub(crate) reset: i64,
}

/// A key that may not be used now: whose it is, where that is known and proved, and why.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) key: Option<Arc<Key>>,
    pub(crate) rate: Option<Rate>,
    pub(crate) notice: Notice,
}

/// A key with the requests that this instance has drawn for it.
struct Held {
    key: Arc<Key>,
    read_at: OffsetDateTime,
    minute: OffsetDateTime,
    drawn: i32,
    /// Of what was drawn.
    left: i32,
    /// That nobody has drawn yet, when this was.
    rest: i32,
}

/// The keys that this instance has seen lately.
#[derive(Default)]
pub(crate) struct Keyring {
    held: Mutex<HashMap<String, Held>>,
}

#[derive(sqlx::FromRow)]
struct Row {
    tenant_id: i64,
    bucket: String,
    active: bool,
    secret_hash: Vec<u8>,
    scopes: Vec<String>,
    sources: Option<Vec<String>>,
    expires_at: Option<OffsetDateTime>,
    requests_per_minute: i32,
    drawn: Option<i32>,
}

impl Keyring {
    /// Spends one request of a key. As the functions' own role: the tenant is what this finds out.
    pub(crate) async fn spend(
        &self,
        pool: &PgPool,
        presented: &ApiKey,
        source: Option<IpAddr>,
        now: OffsetDateTime,
    ) -> Result<Result<(Arc<Key>, Rate), Refused>, StoreError> {
        let draw = match self.spend_held(presented, now) {
            Spent::Held(key, rate) => return Ok(key.admit(source, now).map(|key| (key, rate))),
            Spent::Draw(draw) => draw,
        };
        let minute = minute(now);
        let Some(row) = fetch(pool, presented, (draw, minute), now).await? else {
            return Ok(Err(Refused::stranger()));
        };
        let drawn = row.drawn;
        let key = Arc::new(Key::from_row(row, presented.prefix()));
        if !presented.matches(&key.secret_hash) {
            return Ok(Err(Refused::stranger()));
        }
        let key = match key.admit(source, now) {
            Ok(key) => key,
            Err(refused) => return Ok(Err(refused)),
        };
        let rate = |remaining| Rate { limit: key.requests_per_minute, remaining, reset: until_next(now) };
        let (granted, rest) = granted(draw, drawn.unwrap_or(draw), key.requests_per_minute);
        if granted == 0 {
            let notice = Notice::new(Code::RateLimited).with("limit", key.requests_per_minute);
            let notice = notice.with("seconds", until_next(now));
            return Ok(Err(Refused { rate: Some(rate(0)), key: Some(key), notice }));
        }
        let mut held = self.held();
        if held.len() >= KEYS_MAX {
            held.clear();
        }
        // Requests that came at the same time have drawn as well.
        let others = held.get(presented.prefix()).filter(|entry| entry.minute == minute);
        let left = others.map_or(0, |entry| entry.left) + granted - 1;
        let entry = Held { key: key.clone(), read_at: now, minute, drawn: granted, left, rest };
        held.insert(presented.prefix().to_owned(), entry);
        Ok(Ok((key.clone(), rate(left + rest))))
    }

    /// From what was drawn before; or how many to draw now.
    fn spend_held(&self, presented: &ApiKey, now: OffsetDateTime) -> Spent {
        let mut held = self.held();
        let Some(entry) = held.get_mut(presented.prefix()) else { return Spent::Draw(1) };
        let known = entry.minute == minute(now) && now - entry.read_at < FRESH;
        if !known || !presented.matches(&entry.key.secret_hash) {
            return Spent::Draw(1);
        }
        if entry.left == 0 {
            let share = (entry.key.requests_per_minute / DRAW_SHARE).max(1);
            return Spent::Draw(entry.drawn.saturating_mul(2).min(share));
        }
        entry.left -= 1;
        let limit = entry.key.requests_per_minute;
        let rate = Rate { limit, remaining: entry.left + entry.rest, reset: until_next(now) };
        Spent::Held(entry.key.clone(), rate)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Spent {
    Held(Arc<Key>, Rate),
    Draw(i32),
}

impl Refused {
    /// Nobody knows whose key that is: it must not tell whether its prefix exists.
    fn stranger() -> Self {
        Self { key: None, rate: None, notice: Code::KeyInvalid.into() }
    }
}

impl Key {
    fn from_row(row: Row, prefix: &str) -> Self {
        Self {
            tenant: TenantId(row.tenant_id),
            bucket: row.bucket,
            prefix: prefix.to_owned(),
            // Names of scopes that are no more are no scopes; a network that cannot be read is one that nobody is in.
            scopes: row.scopes.iter().filter_map(|name| name.parse().ok()).collect(),
            sources: row.sources.iter().flatten().filter_map(|text| text.parse().ok()).collect(),
            secret_hash: row.secret_hash,
            expires_at: row.expires_at,
            active: row.active,
            requests_per_minute: row.requests_per_minute,
        }
    }

    /// Whether its holder may use it from there now.
    fn admit(self: Arc<Self>, source: Option<IpAddr>, now: OffsetDateTime) -> Result<Arc<Self>, Refused> {
        let from_there = self.sources.is_empty()
            || source.is_some_and(|source| self.sources.iter().any(|network| network.contains(source)));
        let code = if !self.active {
            Code::TenantSuspended
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Code::KeyExpired
        } else if !from_there {
            Code::KeyNetwork
        } else {
            return Ok(self);
        };
        Err(Refused { key: Some(self), rate: None, notice: code.into() })
    }
}

/// Reads a key and draws requests for it, in one statement. Nothing is drawn for a key that is not the stored one.
///
/// A minute never goes back: instances whose clocks differ draw from the later one's.
async fn fetch(
    pool: &PgPool,
    presented: &ApiKey,
    (draw, minute): (i32, OffsetDateTime),
    now: OffsetDateTime,
) -> Result<Option<Row>, StoreError> {
    Ok(sqlx::query_as(
        "WITH key AS (
             SELECT k.id, k.tenant_id, t.bucket, t.status = 'active' AS active, k.secret_hash, k.scopes, k.sources::text[] AS sources,
                    k.expires_at, k.requests_per_minute
             FROM broadcast.api_keys k JOIN broadcast.tenants t ON t.id = k.tenant_id WHERE k.prefix = $1),
         draw AS (
             UPDATE broadcast.api_keys k
             SET minute = greatest(k.minute, $4), drawn = CASE WHEN k.minute >= $4 THEN k.drawn ELSE 0 END + $3, last_used_at = $5
             FROM key WHERE k.id = key.id AND key.secret_hash = $2 AND key.active
             RETURNING k.drawn)
         SELECT key.*, (SELECT drawn FROM draw) AS drawn FROM key",
    )
    .bind(presented.prefix())
    .bind(presented.hash())
    .bind(draw)
    .bind(minute)
    .bind(now)
    .fetch_optional(pool)
    .await?)
}

/// Of `draw` requests, the last of `drawn` in this minute, those within the limit; and how many nobody has drawn yet.
fn granted(draw: i32, drawn: i32, limit: i32) -> (i32, i32) {
    let over = drawn.saturating_sub(limit).max(0);
    ((draw - over).max(0), limit.saturating_sub(drawn).max(0))
}

fn minute(now: OffsetDateTime) -> OffsetDateTime {
    now.truncate_to_minute()
}

fn until_next(now: OffsetDateTime) -> i64 {
    60 - i64::from(now.second())
}

#[cfg(test)]
mod tests {
    use access::NewApiKey;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-29 12:00:40 UTC);

    fn key(new: &NewApiKey, sources: &[&str], expires_at: Option<OffsetDateTime>) -> Arc<Key> {
        Arc::new(Key {
            tenant: TenantId(1),
            bucket: "b".to_owned(),
            prefix: new.prefix.clone(),
            scopes: vec![Scope::CampaignsRead],
            sources: sources.iter().map(|text| text.parse().unwrap()).collect(),
            secret_hash: new.hash.to_vec(),
            expires_at,
            active: true,
            requests_per_minute: 600,
        })
    }

    #[test]
    fn a_limit_is_drawn_to_its_end_and_not_further() {
        for (draw, drawn, limit, expected) in [
            (1, 1, 600, (1, 599)),
            (30, 600, 600, (30, 0)),
            (30, 610, 600, (20, 0)),
            (30, 630, 600, (0, 0)),
            (1, 700, 600, (0, 0)),
            (1, i32::MAX, 1, (0, 0)),
        ] {
            assert_eq!(granted(draw, drawn, limit), expected, "{draw} {drawn}");
        }
    }

    #[test]
    fn a_key_is_used_from_its_networks_until_it_expires() {
        let new = NewApiKey::generate().unwrap();
        let (inside, outside) = ("192.0.2.7".parse().ok(), "203.0.113.1".parse().ok());
        let second = Duration::SECOND;
        for (sources, source, expires_at, expected) in [
            (&[][..], None, None, None),
            (&["192.0.2.0/24"][..], inside, Some(NOW + second), None),
            (&["192.0.2.0/24"][..], outside, None, Some(Code::KeyNetwork)),
            (&["192.0.2.0/24"][..], None, None, Some(Code::KeyNetwork)),
            (&[][..], inside, Some(NOW), Some(Code::KeyExpired)),
        ] {
            let refused = key(&new, sources, expires_at).admit(source, NOW).err();
            assert_eq!(refused.map(|refused| refused.notice.code), expected, "{sources:?} {source:?}");
        }
        let suspended = Key { active: false, ..Arc::into_inner(key(&new, &[], None)).unwrap() };
        assert_eq!(Arc::new(suspended).admit(None, NOW).err().unwrap().notice.code, Code::TenantSuspended);
    }

    #[test]
    fn what_was_drawn_is_spent_while_it_is_fresh_and_of_this_minute() {
        let (new, other) = (NewApiKey::generate().unwrap(), NewApiKey::generate().unwrap());
        let presented = ApiKey::parse(&new.text).unwrap();
        let ring = Keyring::default();
        let hold = |left, drawn| {
            let held =
                Held { key: key(&new, &[], None), read_at: NOW, minute: minute(NOW), drawn, left, rest: 500 };
            ring.held().insert(new.prefix.clone(), held);
        };
        let spend = |at: OffsetDateTime| match ring.spend_held(&presented, at) {
            Spent::Held(_, rate) => Ok((rate.remaining, rate.reset)),
            Spent::Draw(draw) => Err(draw),
        };
        assert_eq!(spend(NOW), Err(1));
        hold(2, 4);
        assert_eq!(spend(NOW), Ok((501, 20)));
        assert_eq!(spend(NOW + Duration::seconds(4)), Ok((500, 16)));
        // More each time, up to a share of the limit.
        assert_eq!(spend(NOW + Duration::seconds(4)), Err(8));
        hold(0, 25);
        assert_eq!(spend(NOW), Err(30));
        hold(2, 4);
        assert_eq!(spend(NOW + FRESH), Err(1));
        hold(2, 4);
        assert_eq!(spend(NOW + Duration::seconds(20)), Err(1));
        // The same prefix with another secret is another key.
        hold(2, 4);
        let forged = format!("bk_{}_{}", new.prefix, &other.text[16..]);
        assert!(matches!(ring.spend_held(&ApiKey::parse(&forged).unwrap(), NOW), Spent::Draw(1)));
    }
}
