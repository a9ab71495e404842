//! Questions to name servers, asked by all functions in the same way.
//!
//! Of the server that `DNS_SERVER` names, or of those that the system names; for exactly the name that was given, so nothing is appended
//! from a search list, and no file of hosts answers. Nothing is kept here: what an answer means, and whether it may be remembered, knows who
//! asked. Names are never logged.

use std::{net::SocketAddr, time::Duration};

pub use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{op::ResponseCode, rr::Name},
};

/// For one packet's answer; each is sent twice at most. Who asks several questions has a limit for all of them.
const PACKET_TIMEOUT: Duration = Duration::from_secs(2);
const RETRIES: usize = 1;

/// What a question for the records of one kind brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<R> {
    /// Some.
    Records(Vec<R>),
    /// The domain exists and has none of this kind.
    NoRecords,
    /// The domain does not exist.
    NoDomain,
    /// No answer, or one that says nothing about the domain.
    Failed,
}

impl<R> Reply<R> {
    /// Those that came; none whatever the reason.
    pub fn into_records(self) -> Vec<R> {
        match self {
            Self::Records(records) => records,
            Self::NoRecords | Self::NoDomain | Self::Failed => Vec::new(),
        }
    }
}

/// A reply, and for how long it holds where it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<R> {
    /// What came.
    pub reply: Reply<R>,
    /// The shortest of its records' lifetimes, or the one of there being none (RFC 2308, 5).
    pub holds: Option<Duration>,
}

impl<R> Answer<R> {
    const FAILED: Self = Self { reply: Reply::Failed, holds: None };
}

/// The name servers.
pub struct NameServers {
    /// None where the system names no server, and none is given.
    resolver: Option<TokioResolver>,
}

impl NameServers {
    /// The given one, or those that the system names.
    pub fn new(server: Option<SocketAddr>) -> Self {
        let resolver = resolver(server).ok();
        if resolver.is_none() {
            tracing::warn!("no name server is known: every question fails");
        }
        Self { resolver }
    }

    /// Whether anybody can be asked.
    pub fn are_known(&self) -> bool {
        self.resolver.is_some()
    }

    /// Asks for the records of one kind; of them come those that `wanted` makes something of.
    pub async fn ask<R>(
        &self,
        name: &str,
        kind: RecordType,
        wanted: impl Fn(&RData) -> Option<R>,
    ) -> Answer<R> {
        let (Some(resolver), Ok(mut name)) = (&self.resolver, Name::from_ascii(name)) else {
            return Answer::FAILED;
        };
        name.set_fqdn(true);
        match resolver.lookup(name, kind).await {
            Ok(found) => {
                let records: Vec<R> =
                    found.answers().iter().filter_map(|record| wanted(&record.data)).collect();
                let reply = if records.is_empty() { Reply::NoRecords } else { Reply::Records(records) };
                Answer { reply, holds: found.answers().iter().map(|record| record.ttl).min().map(seconds) }
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                let reply = match none.response_code {
                    ResponseCode::NoError => Reply::NoRecords,
                    ResponseCode::NXDomain => Reply::NoDomain,
                    _ => return Answer::FAILED,
                };
                Answer { reply, holds: none.negative_ttl.map(seconds) }
            }
            Err(_) => Answer::FAILED,
        }
    }
}

fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(ttl.into())
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
    options.cache_size = 0;
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn where_nobody_can_be_asked_a_question_fails() {
        let servers = NameServers::new(Some(SocketAddr::from(([127, 0, 0, 1], 53))));
        assert!(servers.are_known());
        // No names: they are sent to nobody.
        for name in ["no..name", &"a".repeat(64)] {
            let answer = servers.ask(name, RecordType::TXT, |data| Some(data.clone())).await;
            assert_eq!(answer, Answer::FAILED, "{name}");
        }
        let unknown = NameServers { resolver: None };
        assert!(!unknown.are_known());
        let answer = unknown.ask("example.org", RecordType::A, |_| Some(())).await;
        assert_eq!((answer.reply.into_records(), answer.holds), (Vec::new(), None));
    }
}
