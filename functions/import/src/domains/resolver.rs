//! Asks name servers, and remembers.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RData, RecordType},
    },
};
use moka::{Expiry, sync::Cache};
use tokio::time::timeout;

use super::decision::{self, Exchange, Reply};
use crate::reading::gate::Verdict;

/// Domains that are remembered: some megabytes. Most files have fewer.
const DOMAINS_MAX: u64 = 50_000;
/// The longest that an answer is kept, whatever its records say: a domain's owner mends it, and uploads again.
const KEPT_MAX: Duration = Duration::from_hours(1);
/// A negative answer that does not say for how long it holds (RFC 2308, 5), and one that is none (RFC 2308, 7.1, allows five minutes).
const KEPT_UNSTATED: Duration = Duration::from_mins(1);
/// For all questions about one domain together.
const DOMAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// For one packet's answer; each is sent twice at most.
const PACKET_TIMEOUT: Duration = Duration::from_secs(2);
const RETRIES: usize = 1;

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
    /// None where the system names no server, and none is given.
    asked: Option<TokioResolver>,
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
        let asked = resolver(server).ok();
        if asked.is_none() {
            tracing::warn!("no name server is known: no domain can be checked");
        }
        Self { asked, known: Cache::builder().max_capacity(DOMAINS_MAX).expire_after(Lifetime).build() }
    }

    /// Whether anybody can be asked.
    pub fn is_usable(&self) -> bool {
        self.asked.is_some()
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
        let (Some(resolver), Ok(mut name)) = (&self.asked, Name::from_ascii(domain)) else {
            return Answer::NONE;
        };
        // Nothing is appended from the system's search list.
        name.set_fqdn(true);
        timeout(DOMAIN_TIMEOUT, questions(resolver, name)).await.unwrap_or(Answer::NONE)
    }
}

async fn questions(resolver: &TokioResolver, name: Name) -> Answer {
    let exchange = |data: &RData| match data {
        RData::MX(mx) if mx.exchange.is_root() => Some(Exchange::Null),
        RData::MX(_) => Some(Exchange::Host),
        _ => None,
    };
    let address = |data: &RData| matches!(data, RData::A(_) | RData::AAAA(_)).then_some(());
    let (exchanges, mut kept) = question(resolver, name.clone(), RecordType::MX, exchange).await;
    if let Some(verdict) = decision::by_exchanges(&exchanges) {
        return Answer { verdict, kept };
    }
    let mut replies = Vec::new();
    for kind in [RecordType::A, RecordType::AAAA] {
        let (reply, holds) = question(resolver, name.clone(), kind, address).await;
        kept = kept.min(holds);
        let found = matches!(reply, Reply::Records(_));
        replies.push(reply);
        if found {
            break;
        }
    }
    Answer { verdict: decision::by_addresses(&replies), kept }
}

/// One question: what came, and for how long it holds.
async fn question<R>(
    resolver: &TokioResolver,
    name: Name,
    kind: RecordType,
    counts: impl Fn(&RData) -> Option<R>,
) -> (Reply<R>, Duration) {
    match resolver.lookup(name, kind).await {
        Ok(lookup) => {
            let records: Vec<R> = lookup.answers().iter().filter_map(|record| counts(&record.data)).collect();
            let seconds = lookup.answers().iter().map(|record| record.ttl).min();
            let kept = seconds.map_or(KEPT_UNSTATED, kept_for);
            (if records.is_empty() { Reply::NoRecords } else { Reply::Records(records) }, kept)
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            let kept = none.negative_ttl.map_or(KEPT_UNSTATED, kept_for);
            match none.response_code {
                ResponseCode::NoError => (Reply::NoRecords, kept),
                ResponseCode::NXDomain => (Reply::NoDomain, kept),
                _ => (Reply::Failed, KEPT_UNSTATED),
            }
        }
        Err(_) => (Reply::Failed, KEPT_UNSTATED),
    }
}

fn kept_for(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into()).min(KEPT_MAX)
}

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let mut builder = match server {
        None => TokioResolver::builder_tokio()?,
        Some(server) => {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            let server = NameServerConfig::new(server.ip(), true, connections.into());
            let config = ResolverConfig::from_name_servers(vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    options.timeout = PACKET_TIMEOUT;
    options.attempts = RETRIES;
    options.use_hosts_file = ResolveHosts::Never;
    // Verdicts are kept, not packets.
    options.cache_size = 0;
    builder.build()
}
