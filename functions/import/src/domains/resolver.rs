//! Asks name servers, and remembers.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use moka::{Expiry, sync::Cache};
use runtime::dns::{self, NameServers, RData, RecordType, Reply};
use tokio::time::timeout;

use super::decision::{self, Exchange};
use crate::reading::gate::Verdict;

/// Domains that are remembered: some megabytes. Most files have fewer.
const DOMAINS_MAX: u64 = 50_000;
/// The longest that an answer is kept, whatever its records say: a domain's owner mends it, and uploads again.
const KEPT_MAX: Duration = Duration::from_hours(1);
/// A negative answer that does not say for how long it holds (RFC 2308, 5), and one that is none (RFC 2308, 7.1, allows five minutes).
const KEPT_UNSTATED: Duration = Duration::from_mins(1);
/// For all questions about one domain together.
const DOMAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What is known of a domain, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    pub verdict: Verdict,
    kept: Duration,
}

impl Answer {
    /// Of a domain about which nobody answered.
    pub const NONE: Self = Self { verdict: Verdict::Unknown, kept: KEPT_UNSTATED };
}

/// The name servers, and their answers of a while.
pub struct Resolver {
    servers: NameServers,
    known: Cache<Box<str>, Answer>,
}

struct Lifetime;

impl Expiry<Box<str>, Answer> for Lifetime {
    fn expire_after_create(&self, _: &Box<str>, answer: &Answer, _: Instant) -> Option<Duration> {
        Some(answer.kept)
    }

    fn expire_after_update(
        &self,
        _: &Box<str>,
        answer: &Answer,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(answer.kept)
    }
}

impl Resolver {
    /// Asks the given server, or those that the system names.
    pub fn new(server: Option<SocketAddr>) -> Self {
        Self {
            servers: NameServers::new(server),
            known: Cache::builder().max_capacity(DOMAINS_MAX).expire_after(Lifetime).build(),
        }
    }

    /// Whether anybody can be asked.
    pub fn is_usable(&self) -> bool {
        self.servers.are_known()
    }

    /// What is remembered.
    pub fn known(&self, domain: &str) -> Option<Verdict> {
        self.known.get(domain).map(|answer| answer.verdict)
    }

    /// Remembers.
    pub fn learn(&self, domain: &str, answer: Answer) {
        self.known.insert(domain.into(), answer);
    }

    /// Asks the name servers.
    pub async fn ask(&self, domain: &str) -> Answer {
        timeout(DOMAIN_TIMEOUT, self.questions(domain)).await.unwrap_or(Answer::NONE)
    }

    async fn questions(&self, domain: &str) -> Answer {
        let exchange = |data: &RData| match data {
            RData::MX(mx) if mx.exchange.is_root() => Some(Exchange::Null),
            RData::MX(_) => Some(Exchange::Host),
            _ => None,
        };
        let address = |data: &RData| matches!(data, RData::A(_) | RData::AAAA(_)).then_some(());
        let exchanges = self.servers.ask(domain, RecordType::MX, exchange).await;
        let mut kept = kept_for(&exchanges);
        if let Some(verdict) = decision::by_exchanges(&exchanges.reply) {
            return Answer { verdict, kept };
        }
        let mut replies = Vec::new();
        for kind in [RecordType::A, RecordType::AAAA] {
            let answer = self.servers.ask(domain, kind, address).await;
            kept = kept.min(kept_for(&answer));
            let found = matches!(answer.reply, Reply::Records(_));
            replies.push(answer.reply);
            if found {
                break;
            }
        }
        Answer { verdict: decision::by_addresses(&replies), kept }
    }
}

fn kept_for<R>(answer: &dns::Answer<R>) -> Duration {
    answer.holds.map_or(KEPT_UNSTATED, |holds| holds.min(KEPT_MAX))
}
