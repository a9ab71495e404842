//! Who made a request, judged by how it was made, what it says of itself and where it comes from. Track refines it by timing.

mod rules;

pub use rules::{ActorRules, ActorRulesError, Timing};

use std::net::IpAddr;

use access::Network;
use contract::Actor;

/// Of a user agent, in bytes. What stands behind is looked at no more.
const AGENT_BYTES_MAX: usize = 1_024;

/// What a request tells of who made it. Goes no further than the judgment: `Debug` hides it.
#[derive(Clone, Copy)]
pub struct Caller<'r> {
    /// `GET` and the like.
    pub method: &'r str,
    /// The header `User-Agent`; empty without one.
    pub user_agent: &'r str,
    /// Whether the request says that nobody has asked for it yet, see [`is_speculative`].
    pub speculative: bool,
    /// Where it comes from, if that is known.
    pub address: Option<IpAddr>,
}

impl std::fmt::Debug for Caller<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Caller(..)")
    }
}

/// Whether the value of `Sec-Purpose`, `Purpose`, `X-Purpose` or `X-Moz` says that a program fetches ahead of a person.
pub fn is_speculative(value: &str) -> bool {
    ["prefetch", "preview", "prerender"].iter().any(|word| {
        value.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
    })
}

/// The rules as they are asked: letters folded, words by their first byte.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Index {
    exact: Vec<(Box<[u8]>, Actor)>,
    /// In the document's order; the first one counts.
    words: Vec<(Box<[u8]>, Actor)>,
    /// For each byte the numbers of the words that begin with it, and the byte behind it if there is one.
    by_first: Vec<Vec<(u16, Option<u8>)>>,
    networks: Vec<(Network, Actor)>,
}

impl Index {
    fn agent(&self, agent: &[u8]) -> Option<Actor> {
        let exact = self.exact.iter().find(|(known, _)| **known == *agent).map(|(_, actor)| *actor);
        exact.or_else(|| self.word(agent))
    }

    /// One walk over the agent, whatever the number of rules.
    fn word(&self, agent: &[u8]) -> Option<Actor> {
        let mut best = u16::MAX;
        for (at, first) in agent.iter().enumerate() {
            let rest = &agent[at..];
            for (number, second) in &self.by_first[usize::from(*first)] {
                // Ascending: behind it none is better.
                if *number >= best {
                    break;
                }
                // Most are told by their second letter.
                let may_be = second.is_none() || *second == rest.get(1).copied();
                if may_be && rest.starts_with(&self.words[usize::from(*number)].0) {
                    best = *number;
                }
            }
        }
        self.words.get(usize::from(best)).map(|(_, actor)| *actor)
    }

    fn network(&self, address: IpAddr) -> Option<Actor> {
        self.networks.iter().find(|(network, _)| network.contains(address)).map(|(_, actor)| *actor)
    }
}

impl ActorRules {
    /// Judges a request. A program is what asks for a head alone, fetches ahead or says nothing of itself. Otherwise agent and network are
    /// looked up, and where they disagree the one counts that is further from a person.
    pub fn judge(&self, caller: &Caller<'_>) -> Actor {
        let mut folded = [0; AGENT_BYTES_MAX];
        let agent = fold(caller.user_agent, &mut folded);
        if caller.speculative || agent.is_empty() || !matches!(caller.method, "GET" | "POST") {
            return Actor::Scanner;
        }
        let agent = self.index.agent(agent);
        let network = caller.address.and_then(|address| self.index.network(address));
        match (agent, network) {
            (Some(Actor::Scanner), _) | (_, Some(Actor::Scanner)) => Actor::Scanner,
            (Some(Actor::Proxy), _) | (_, Some(Actor::Proxy)) => Actor::Proxy,
            _ => Actor::Human,
        }
    }
}

/// In small letters, without white space around it.
fn fold<'b>(agent: &str, buffer: &'b mut [u8; AGENT_BYTES_MAX]) -> &'b [u8] {
    let agent = agent.trim().as_bytes();
    let length = agent.len().min(AGENT_BYTES_MAX);
    let folded = &mut buffer[..length];
    folded.copy_from_slice(&agent[..length]);
    folded.make_ascii_lowercase();
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

    fn caller(user_agent: &str) -> Caller<'_> {
        Caller { method: "GET", user_agent, speculative: false, address: None }
    }

    #[test]
    fn agents_are_judged() {
        let rules = ActorRules::default();
        let table = [
            (FIREFOX, Actor::Human),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
                Actor::Human,
            ),
            ("Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Microsoft Outlook 16.0)", Actor::Human),
            // A telephone with an unlucky name.
            (
                "Mozilla/5.0 (Linux; Android 14; CUBOT X90) Chrome/140.0.0.0 Mobile Safari/537.36",
                Actor::Human,
            ),
            ("", Actor::Scanner),
            (" ", Actor::Scanner),
            (" mozilla/5.0 ", Actor::Proxy),
            ("Mozilla/4.0", Actor::Scanner),
            (
                "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
                Actor::Proxy,
            ),
            ("YahooMailProxy; https://help.yahoo.com/", Actor::Proxy),
            ("Mozilla/5.0 (compatible; Googlebot/2.1)", Actor::Scanner),
            ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/120.0", Actor::Scanner),
            ("python-requests/2.32", Actor::Scanner),
            ("bot", Actor::Scanner),
        ];
        for (agent, actor) in table {
            assert_eq!(rules.judge(&caller(agent)), actor, "{agent}");
        }
        let long = format!("{}bot", "x".repeat(AGENT_BYTES_MAX));
        assert_eq!(rules.judge(&caller(&long)), Actor::Human);
    }

    #[test]
    fn how_a_request_is_made_counts() {
        let rules = ActorRules::default();
        for (method, speculative, actor) in [
            ("GET", false, Actor::Human),
            ("POST", false, Actor::Human),
            ("HEAD", false, Actor::Scanner),
            ("OPTIONS", false, Actor::Scanner),
            ("GET", true, Actor::Scanner),
        ] {
            let caller = Caller { method, speculative, ..caller(FIREFOX) };
            assert_eq!(rules.judge(&caller), actor, "{method} {speculative}");
        }
        for (value, expected) in [
            ("prefetch", true),
            ("Prefetch;Prerender", true),
            ("prefetch;anonymous-client-ip", true),
            ("preview", true),
            ("PRERENDER", true),
            ("", false),
            ("fetch", false),
            ("pre", false),
        ] {
            assert_eq!(is_speculative(value), expected, "{value}");
        }
    }

    #[test]
    fn where_a_request_comes_from_counts() {
        let rules = ActorRules::default();
        let google = "Mozilla/5.0 (via ggpht.com GoogleImageProxy)";
        for (address, agent, actor) in [
            ("192.0.2.1", FIREFOX, Actor::Human),
            ("17.58.0.1", FIREFOX, Actor::Proxy),
            ("::ffff:17.58.0.1", FIREFOX, Actor::Proxy),
            ("18.0.0.0", FIREFOX, Actor::Human),
            ("40.94.31.1", FIREFOX, Actor::Human),
            ("40.92.1.1", FIREFOX, Actor::Scanner),
            ("52.103.255.255", FIREFOX, Actor::Scanner),
            ("104.47.11.1", google, Actor::Scanner),
            ("17.58.0.1", "curl/8.5", Actor::Scanner),
            ("2001:db8::1", FIREFOX, Actor::Human),
        ] {
            let caller = Caller { address: Some(address.parse().unwrap()), ..caller(agent) };
            assert_eq!(rules.judge(&caller), actor, "{address} {agent}");
        }
    }

    #[test]
    fn the_first_word_of_the_document_counts() {
        let rules = |words: [(&str, &str); 2]| {
            let agents =
                words.map(|(word, actor)| format!(r#"{{"contains": "{word}", "actor": "{actor}"}}"#));
            let document = format!(
                r#"{{"version": 1, "agents": [{}], "networks": [],
                    "timing": {{"after_sending_seconds": 5, "links": 3, "links_within_seconds": 2}}}}"#,
                agents.join(",")
            );
            ActorRules::from_json(document.as_bytes()).unwrap()
        };
        let agent = "A scanner behind a Proxy";
        assert_eq!(rules([("proxy", "proxy"), ("SCANNER", "scanner")]).judge(&caller(agent)), Actor::Proxy);
        assert_eq!(rules([("scanner", "scanner"), ("proxy", "proxy")]).judge(&caller(agent)), Actor::Scanner);
    }

    #[test]
    fn nothing_of_a_caller_is_shown() {
        assert_eq!(format!("{:?}", caller("x")), "Caller(..)");
    }
}
