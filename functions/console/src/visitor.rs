//! From where a request comes: an address, and a kind of browser in a word or two. Neither proves anything.

use std::net::IpAddr;

use access::{MasterKey, Purpose};
use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use runtime::ClientAddress;

/// Of a user agent, so much is looked at.
const AGENT_BYTES_MAX: usize = 500;
/// What is told of by a browser of an IPv4 network of this size, and of an IPv6 one, is one place.
const NETWORK_V4_BYTES: usize = 3;
const NETWORK_V6_BYTES: usize = 6;
/// A customer's connection has so many bytes of an IPv6 address, and all other bytes for the asking.
const SUBSCRIBER_V6_BYTES: usize = 8;

/// Who sends a request.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) source: Option<IpAddr>,
    /// Such as `Firefox, Linux`.
    pub(crate) browser: String,
}

impl Visitor {
    /// By what attempts of an address are counted. Requests without one share a count.
    pub(crate) fn address_key(&self) -> Vec<u8> {
        match self.source {
            Some(IpAddr::V4(address)) => address.octets().to_vec(),
            Some(IpAddr::V6(address)) => address.octets()[..SUBSCRIBER_V6_BYTES].to_vec(),
            None => Vec::new(),
        }
    }

    /// By what a user's place is known again.
    pub(crate) fn place(&self, master: &MasterKey, user: i64) -> [u8; access::KEY_BYTES] {
        let network = match self.source {
            Some(IpAddr::V4(address)) => address.octets()[..NETWORK_V4_BYTES].to_vec(),
            Some(IpAddr::V6(address)) => address.octets()[..NETWORK_V6_BYTES].to_vec(),
            None => Vec::new(),
        };
        master.tag(Purpose::Limits, &[b"place", &user.to_be_bytes(), self.browser.as_bytes(), &network])
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let agent =
            parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let source = parts.extensions.get().map(|ClientAddress(address)| *address);
        Ok(Self { source, browser: browser(agent) })
    }
}

/// The kind of browser and of system, as far as the user agent says. Chromium's descendants name each other, so the order counts.
fn browser(agent: &str) -> String {
    const BROWSERS: [(&str, &str); 6] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    const SYSTEMS: [(&str, &str); 6] = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let agent: String = agent.chars().take(AGENT_BYTES_MAX).collect();
    let find = |table: &[(&str, &'static str)]| {
        table.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    let parts: Vec<_> = [find(&BROWSERS), find(&SYSTEMS)].into_iter().flatten().collect();
    if parts.is_empty() { "?".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_in_a_word_or_two() {
        for (agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge, Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
                "Chrome, Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari, iPhone",
            ),
            ("", "?"),
            ("<script>", "?"),
        ] {
            assert_eq!(browser(agent), expected);
        }
    }

    #[test]
    fn a_subscriber_is_one_address() {
        let of = |address: &str| {
            Visitor { source: Some(address.parse().unwrap()), browser: String::new() }.address_key()
        };
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::4"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
