//! What is said of each problem.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use fault::{Code, Notice};
use serde::Serialize;
use serde_json::Value;

use super::markdown;
use operations::operations_of;

/// An operation, to be linked to.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Answering {
    id: String,
    summary: String,
}

/// One problem.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    code: &'static str,
    status: u16,
    title: &'static str,
    /// HTML: what differs each time is marked.
    words: String,
    /// HTML.
    advice: String,
    operations: Vec<Answering>,
    /// Whether every operation may answer it, so that a list of them says nothing.
    everywhere: bool,
}

/// The operations that may answer each code.
pub(super) fn operations_by_code(document: &Value) -> BTreeMap<&'static str, Vec<Answering>> {
    let mut all: BTreeMap<&'static str, Vec<Answering>> = BTreeMap::new();
    for (_, _, operation) in operations_of(document) {
        let text = |name: &str| operation[name].as_str().unwrap_or_default().to_owned();
        for code in codes_of(operation) {
            all.entry(code.slug())
                .or_default()
                .push(Answering { id: text("operationId"), summary: text("summary") });
        }
    }
    all
}

/// The codes that an operation may answer: those that a failure's description links to. One that links to none has those of its status.
pub(super) fn codes_of(operation: &Value) -> Vec<Code> {
    let mut found = Vec::new();
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        if status.starts_with('2') {
            continue;
        }
        let description = response["description"].as_str().unwrap_or_default();
        let linked = |code: &&Code| description.contains(&format!("/docs/problems/{code})"));
        let before = found.len();
        found.extend(Code::ALL.iter().filter(linked));
        if found.len() == before {
            found.extend(Code::ALL.iter().filter(|code| code.http_status().to_string() == *status));
        }
    }
    found
}

/// What a page says of a code.
pub(super) fn view(code: Code, by_code: &BTreeMap<&'static str, Vec<Answering>>) -> Problem {
    let operations = by_code.get(code.slug()).cloned().unwrap_or_default();
    let most = by_code.values().map(Vec::len).max().unwrap_or(0);
    Problem {
        code: code.slug(),
        status: code.http_status(),
        title: StatusCode::from_u16(code.http_status())
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default(),
        words: marked(&Notice::new(code).words()),
        advice: markdown::text(code.advice()),
        everywhere: !operations.is_empty() && operations.len() == most,
        operations,
    }
}

/// Words whose gaps, `{name}`, are marked as what differs. `{{ ... }}` is a template's own.
fn marked(words: &str) -> String {
    let escaped = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut html = String::with_capacity(escaped.len());
    let mut rest = escaped.as_str();
    while let Some((before, behind)) = rest.split_once('{') {
        html.push_str(before);
        let name = behind
            .split_once('}')
            .filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        match name {
            Some((name, after)) if !name.is_empty() => {
                html.extend(["<var>", name, "</var>"]);
                rest = after;
            }
            _ => {
                html.push('{');
                rest = behind;
            }
        }
    }
    html + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_marked() {
        for (words, expected) in [
            ("No campaign \"{campaign}\".", "No campaign \"<var>campaign</var>\"."),
            (
                "Put {{ unsubscribe_url }} into {part} < 3",
                "Put {{ unsubscribe_url }} into <var>part</var> &lt; 3",
            ),
            ("an open { brace", "an open { brace"),
        ] {
            assert_eq!(marked(words), expected);
        }
    }
}
