//! Asks name servers where a receiver is, at each attempt anew: nothing is kept, so nobody can be led elsewhere than was judged.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::Name,
};

/// For one packet's answer; each is sent twice at most.
const PACKET_TIMEOUT: Duration = Duration::from_secs(2);
const RETRIES: usize = 1;

/// The name servers.
pub struct Names {
    /// None where the system names no server, and none is given.
    resolver: Option<TokioResolver>,
}

impl Names {
    /// Asks the given server, or those that the system names.
    pub fn new(server: Option<SocketAddr>) -> Self {
        let resolver = resolver(server).ok();
        if resolver.is_none() {
            tracing::warn!(
                "no name server is known: webhooks reach receivers that are named by their address alone"
            );
        }
        Self { resolver }
    }

    /// All addresses of a name, of both kinds; none where nobody answers.
    pub async fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let (Some(resolver), Ok(mut name)) = (&self.resolver, Name::from_ascii(name)) else {
            return Vec::new();
        };
        // Nothing is appended from the system's search list.
        name.set_fqdn(true);
        resolver.lookup_ip(name).await.map_or_else(|_| Vec::new(), |found| found.iter().collect())
    }
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
    // Functions on AWS mostly have IPv4 alone: those addresses are tried first.
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.cache_size = 0;
    builder.build()
}
