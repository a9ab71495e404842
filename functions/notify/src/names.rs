//! Asks name servers where a receiver is, at each attempt anew: nothing is kept, so nobody can be led elsewhere than was judged.

use std::net::{IpAddr, SocketAddr};

use runtime::dns::{NameServers, RData, RecordType};

/// The name servers.
pub struct Names(NameServers);

impl Names {
    /// Asks the given server, or those that the system names. Where there is none, webhooks reach receivers that are named by their
    /// address alone.
    pub fn new(server: Option<SocketAddr>) -> Self {
        Self(NameServers::new(server))
    }

    /// All addresses of a name, of both kinds; none where nobody answers.
    pub async fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let address = |data: &RData| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        };
        let ask = |kind| self.0.ask(name, kind, address);
        let (four, six) = tokio::join!(ask(RecordType::A), ask(RecordType::AAAA));
        // Functions on AWS mostly have IPv4 alone: those addresses are tried first.
        let mut addresses = four.reply.into_records();
        addresses.extend(six.reply.into_records());
        addresses
    }
}
