//! Refusals in the audit. Strangers cause them, so their lines are bounded; logins and what customers do is always written.

use std::net::{IpAddr, Ipv6Addr};

use access::{Attempt, Limiter};
use contract::TenantId;
use sqlx::PgPool;
use store::audit;
use time::OffsetDateTime;

use super::WINDOW;
use crate::Error;

/// Lines for one address in the window: ten connections with all the keys of an agent.
const LINES_PER_ADDRESS_MAX: u32 = 100;
/// Lines in the window for all addresses: some 1.4 million a day, 300 MB, whoever attacks.
const LINES_MAX: u32 = 5_000;

/// Who was refused, and why.
pub struct Refused<'a> {
    pub tenant: Option<TenantId>,
    /// `sftp password`, `sftp key SHA256:...`, or `sftp` of what did not come so far. Never the name of an account that there is not: a
    /// person may have typed the password there.
    pub actor: &'a str,
    pub source: IpAddr,
    /// In words, for the operator and the customer.
    pub why: &'a str,
}

/// Writes refusals as long as there are not too many.
pub struct Refusals {
    pool: PgPool,
    by_address: Limiter,
    /// The line that says that there are more, once in the window.
    last: Limiter,
    all: Limiter,
}

#[derive(Debug, PartialEq, Eq)]
enum Room {
    Line,
    Last,
    None,
}

impl Refusals {
    pub fn new(pool: PgPool) -> Self {
        Self {
            pool,
            by_address: Limiter::new(LINES_PER_ADDRESS_MAX, WINDOW),
            last: Limiter::new(1, WINDOW),
            all: Limiter::new(LINES_MAX, WINDOW),
        }
    }

    pub async fn write(&self, refused: &Refused<'_>, now: OffsetDateTime) -> Result<(), Error> {
        let result = match self.room(refused.source, now) {
            Room::Line => format!("refused: {}", refused.why),
            Room::Last => "refused: more refusals of this address are not listed for some minutes".to_owned(),
            Room::None => {
                tracing::debug!("a refusal is not listed: there are too many");
                return Ok(());
            }
        };
        let line = audit::Line {
            tenant: refused.tenant,
            actor: refused.actor,
            action: "login",
            subject: None,
            source: Some(refused.source),
            bytes: None,
            result: &result,
        };
        Ok(audit::write(&self.pool, &line).await?)
    }

    fn room(&self, source: IpAddr, now: OffsetDateTime) -> Room {
        let allowed = |attempt| matches!(attempt, Attempt::Allowed);
        let source = network(source);
        let room = if allowed(self.by_address.attempt(source, now)) {
            Room::Line
        } else if allowed(self.last.attempt(source, now)) {
            Room::Last
        } else {
            return Room::None;
        };
        if allowed(self.all.attempt((), now)) { room } else { Room::None }
    }
}

/// Whom an address stands for in counts: a client has a whole /64 of IPv6 (RFC 6177).
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[tokio::test]
    async fn lines_are_bounded_by_address_and_in_all() {
        const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);
        let refusals = Refusals::new(PgPool::connect_lazy("postgres://none/none").unwrap());
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let rooms: Vec<_> = (0..LINES_PER_ADDRESS_MAX + 2).map(|_| refusals.room(one, NOW)).collect();
        let (lines, more) = rooms.split_at(LINES_PER_ADDRESS_MAX as usize);
        assert!(lines.iter().all(|room| *room == Room::Line));
        assert_eq!(more, [Room::Last, Room::None]);
        let of_others = (0..LINES_MAX * 2)
            .filter(|n| refusals.room(IpAddr::from((0x0a00_0000 + n).to_be_bytes()), NOW) == Room::Line)
            .count();
        assert_eq!(of_others, (LINES_MAX - LINES_PER_ADDRESS_MAX - 1) as usize);
        assert_eq!(refusals.room(one, NOW + WINDOW), Room::Line);
    }

    #[test]
    fn a_client_counts_by_its_network() {
        for (address, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            assert_eq!(network(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap());
        }
    }
}
