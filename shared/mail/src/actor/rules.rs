//! The document by which requests are judged: built in, or an operator's own.

use std::{fmt, time::Duration};

use access::Network;
use contract::Actor;
use fault::{Disposition, Fault};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::Index;

/// The one version that there is. A document of a later one is refused whole: nobody knows what it means.
const VERSION: u64 = 1;
/// Of agents, and of networks. Far more than are known, and a request looks at each network.
const ENTRIES_MAX: usize = 1_000;
/// Of a rule's agent or word, in bytes.
const TEXT_BYTES_MAX: usize = 200;
/// Of a note, in bytes.
const NOTE_BYTES_MAX: usize = 500;
/// After that everybody may have read their mail.
const SECONDS_MAX: u64 = 300;
/// Two links are the fewest that can be followed one after the other.
const LINKS: std::ops::RangeInclusive<usize> = 2..=100;
/// What is known at the time of the release.
const BUILT_IN: &str = include_str!("built_in.json");

/// Who is a proxy or a scanner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorRules {
    /// What track refines a judgment by.
    pub timing: Timing,
    pub(super) index: Index,
}

/// What only a program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// An open or a click this soon after the mail was sent.
    pub after_sending: Duration,
    /// So many different links of a mail are followed...
    pub links: usize,
    /// ...within this time.
    pub links_within: Duration,
}

/// What is wrong with a document, and with which entry of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorRulesError {
    /// Such as `agents[3]`; empty: the document.
    entry: String,
    words: String,
}

impl fmt::Display for ActorRulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entry, words } = self;
        write!(f, "{}{}: {words}", if entry.is_empty() { "the document" } else { "" }, entry)
    }
}

impl std::error::Error for ActorRulesError {}

impl Fault for ActorRulesError {
    fn disposition(&self) -> Disposition {
        Disposition::Permanent
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    agents: Vec<Value>,
    networks: Vec<Value>,
    timing: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentEntry {
    #[serde(default)]
    exact: Option<String>,
    #[serde(default)]
    contains: Option<String>,
    actor: Actor,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkEntry {
    network: String,
    actor: Actor,
    #[serde(default)]
    note: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimingEntry {
    after_sending_seconds: u64,
    links: usize,
    links_within_seconds: u64,
}

impl ActorRules {
    /// Those of the release.
    pub fn built_in() -> &'static str {
        BUILT_IN
    }

    /// Reads a document; see `functions/admin/README.md` for its form.
    pub fn from_json(document: &[u8]) -> Result<Self, ActorRulesError> {
        let mut document: Map<String, Value> =
            serde_json::from_slice(document).map_err(|error| wrong("", &error))?;
        // Before the fields: those of another version are others.
        if document.remove("version").and_then(|version| version.as_u64()) != Some(VERSION) {
            return Err(wrong("version", &format_args!("it must be {VERSION}")));
        }
        let Document { agents, networks, timing } = part("", Value::Object(document))?;
        let mut index = Index {
            exact: Vec::new(),
            words: Vec::new(),
            by_first: vec![Vec::new(); 256],
            networks: Vec::new(),
        };
        for (name, entry) in entries("agents", agents)? {
            add_agent(&mut index, &name, part(&name, entry)?)?;
        }
        for (name, entry) in entries("networks", networks)? {
            let NetworkEntry { network, actor, note } = part(&name, entry)?;
            check_note(&name, &note)?;
            let network: Network = network.parse().map_err(|error| wrong(&name, &error))?;
            index.networks.push((network, actor));
        }
        Ok(Self { timing: timing_of(part("timing", timing)?)?, index })
    }
}

impl Default for ActorRules {
    /// The built-in ones.
    fn default() -> Self {
        // A test reads them: what is compiled in is well.
        Self::from_json(BUILT_IN.as_bytes()).unwrap_or_else(|error| unreachable!("built_in.json: {error}"))
    }
}

fn add_agent(index: &mut Index, name: &str, entry: AgentEntry) -> Result<(), ActorRulesError> {
    let AgentEntry { exact, contains, actor, note } = entry;
    check_note(name, &note)?;
    let (text, exact) = match (exact, contains) {
        (Some(text), None) => (text, true),
        (None, Some(text)) => (text, false),
        _ => return Err(wrong(name, &"it has either `exact` or `contains`")),
    };
    let text = text.to_ascii_lowercase().into_bytes();
    let Some(first) = text.first().copied().filter(|_| text.len() <= TEXT_BYTES_MAX) else {
        return Err(wrong(name, &format_args!("an agent has 1 to {TEXT_BYTES_MAX} bytes")));
    };
    if text.trim_ascii().len() != text.len() || !text.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return Err(wrong(name, &"an agent is printable ASCII without a space at its ends"));
    }
    if exact {
        index.exact.push((text.into(), actor));
    } else {
        let number = u16::try_from(index.words.len()).map_err(|error| wrong(name, &error))?;
        index.by_first[usize::from(first)].push((number, text.get(1).copied()));
        index.words.push((text.into(), actor));
    }
    Ok(())
}

fn timing_of(entry: TimingEntry) -> Result<Timing, ActorRulesError> {
    let TimingEntry { after_sending_seconds, links, links_within_seconds } = entry;
    let seconds = |name, seconds| {
        if seconds > SECONDS_MAX {
            return Err(wrong(name, &format_args!("it is {SECONDS_MAX} at most")));
        }
        Ok(Duration::from_secs(seconds))
    };
    if !LINKS.contains(&links) {
        return Err(wrong("timing.links", &format_args!("it is {} to {}", LINKS.start(), LINKS.end())));
    }
    Ok(Timing {
        after_sending: seconds("timing.after_sending_seconds", after_sending_seconds)?,
        links,
        links_within: seconds("timing.links_within_seconds", links_within_seconds)?,
    })
}

fn entries(list: &str, values: Vec<Value>) -> Result<impl Iterator<Item = (String, Value)>, ActorRulesError> {
    if values.len() > ENTRIES_MAX {
        return Err(wrong(list, &format_args!("at most {ENTRIES_MAX} entries are possible")));
    }
    Ok(values.into_iter().enumerate().map(move |(number, value)| (format!("{list}[{number}]"), value)))
}

fn part<T: DeserializeOwned>(name: &str, value: Value) -> Result<T, ActorRulesError> {
    serde_json::from_value(value).map_err(|error| wrong(name, &error))
}

fn check_note(name: &str, note: &str) -> Result<(), ActorRulesError> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(wrong(name, &format_args!("a note has {NOTE_BYTES_MAX} bytes at most")));
    }
    Ok(())
}

fn wrong(entry: &str, words: &dyn fmt::Display) -> ActorRulesError {
    ActorRulesError { entry: entry.to_owned(), words: words.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_built_in_rules_are_well() {
        let rules = ActorRules::default();
        let timing =
            Timing { after_sending: Duration::from_secs(5), links: 3, links_within: Duration::from_secs(2) };
        assert_eq!(rules.timing, timing);
        assert!(rules.index.words.len() > 40 && rules.index.networks.len() == 5);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = || {
            json!({
                "version": 1,
                "agents": [{"exact": "A", "actor": "proxy"}, {"contains": "b", "actor": "human", "note": "n"}],
                "networks": [{"network": "2001:db8::/32", "actor": "scanner"}],
                "timing": {"after_sending_seconds": 0, "links": 2, "links_within_seconds": 300}
            })
        };
        let read = |document: &Value| {
            ActorRules::from_json(document.to_string().as_bytes()).map_err(|error| error.to_string())
        };
        assert!(read(&good()).is_ok());
        let many = Value::Array(vec![json!({"network": "::1", "actor": "proxy"}); ENTRIES_MAX + 1]);
        let table = [
            ("/version", json!(2), "version: it must be 1"),
            ("/agents", json!({}), "the document: invalid type: map, expected a sequence"),
            ("/agents/1", json!({"contain": "b", "actor": "human"}), "agents[1]: unknown field `contain`"),
            ("/agents/1", json!({"actor": "human"}), "agents[1]: it has either `exact` or `contains`"),
            ("/agents/0/contains", json!("x"), "agents[0]: it has either `exact` or `contains`"),
            ("/agents/0/exact", json!(""), "agents[0]: an agent has 1 to 200 bytes"),
            ("/agents/0/exact", json!("x".repeat(201)), "agents[0]: an agent has 1 to 200 bytes"),
            ("/agents/0/exact", json!("x "), "agents[0]: an agent is printable ASCII"),
            ("/agents/0/exact", json!("ü"), "agents[0]: an agent is printable ASCII"),
            ("/agents/0/actor", json!("robot"), "agents[0]: unknown variant `robot`"),
            ("/agents/0/note", json!("x".repeat(501)), "agents[0]: a note has 500 bytes at most"),
            ("/networks/0/network", json!("10.0.0.1/8"), "networks[0]: "),
            ("/networks/0/network", json!("example.com"), "networks[0]: "),
            ("/networks", many, "networks: at most 1000 entries are possible"),
            ("/timing/links", json!(1), "timing.links: it is 2 to 100"),
            ("/timing/links", json!("3"), "timing: invalid type: string"),
            ("/timing/after_sending_seconds", json!(301), "timing.after_sending_seconds: it is 300 at most"),
            ("/timing/links_within_seconds", json!(-1), "timing: invalid value"),
            ("/timing/rest", json!(1), "timing: unknown field `rest`"),
        ];
        for (at, value, expected) in table {
            let mut document = good();
            let (parent, name) = at.rsplit_once('/').unwrap();
            match document.pointer_mut(parent).unwrap() {
                Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
                parent => parent[name] = value,
            }
            let error = read(&document).unwrap_err();
            assert!(error.starts_with(expected), "{at}: {error}");
        }
        assert!(ActorRules::from_json(b"{").unwrap_err().to_string().starts_with("the document: EOF"));
    }
}
