//! What is blank may be compared: `{% if title == "Dr." %}` must not fail for who has no title.
//!
//! The engine refuses to compare what is not there. So a name on either side of `==`, `!=`, `in` and `not in` gets `|default("")` behind it;
//! lines keep their numbers. What is shown, counted or calculated with stays as it is, and fails where it is blank.

use std::ops::Range;

use crate::html::expressions;

/// What comes behind a compared name.
const DEFAULT: &str = "|default(\"\")";
/// Words that are no names.
pub(super) const WORDS: [&str; 12] =
    ["if", "elif", "else", "and", "or", "not", "in", "is", "set", "for", "true", "false"];

/// The source with its comparisons made safe.
pub(super) fn of_blanks(source: &str) -> String {
    let mut written = String::with_capacity(source.len() + 256);
    let mut copied = 0;
    for range in expressions(source) {
        let tokens = tokens(source, range);
        for at in 0..tokens.len() {
            if let Some(end) = compared(source, &tokens, at) {
                written.push_str(&source[copied..end]);
                written.push_str(DEFAULT);
                copied = end;
            }
        }
    }
    written.push_str(&source[copied..]);
    written
}

/// The end of the name at this token, when it is compared with something.
fn compared(source: &str, tokens: &[Range<usize>], at: usize) -> Option<usize> {
    let text = |at: usize| tokens.get(at).map_or("", |token| &source[token.clone()]);
    if !is_name(text(at)) || WORDS.contains(&text(at)) {
        return None;
    }
    let before = at.checked_sub(1).map_or("", text);
    if matches!(before, "." | "|" | "is") || before == "not" && at >= 2 && text(at - 2) == "is" {
        return None;
    }
    let mut next = at + 1;
    while text(next) == "|" {
        if matches!(text(next + 1), "default" | "d") {
            return None;
        }
        next += 2;
        if text(next) == "(" {
            next = closing(source, tokens, next)? + 1;
        }
    }
    if matches!(text(next), "." | "[" | "(") {
        return None;
    }
    // The `in` of a loop is none that compares.
    let loops = text(0) == "for";
    let compares = |at: usize| match text(at) {
        "==" | "!=" => true,
        "in" => !loops,
        _ => false,
    };
    let behind = compares(next) || text(next) == "not" && compares(next + 1);
    let ahead = at.checked_sub(1).is_some_and(compares);
    (behind || ahead).then(|| tokens[at].end)
}

fn closing(source: &str, tokens: &[Range<usize>], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match &source[token.clone()] {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// Names, numbers, strings and signs.
pub(super) fn tokens(source: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let start = at;
        at += 1;
        match bytes[start] {
            byte if byte.is_ascii_whitespace() => continue,
            quote @ (b'"' | b'\'') => {
                while at < range.end && bytes[at] != quote {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
                at = (at + 1).min(range.end);
            }
            b'=' | b'!' | b'<' | b'>' if at < range.end && bytes[at] == b'=' => at += 1,
            byte if is_word(byte) => {
                while at < range.end && is_word(bytes[at]) {
                    at += 1;
                }
            }
            _ => {}
        }
        tokens.push(start..at);
    }
    tokens
}

/// Whether it is a name and no number, string or sign.
pub(super) fn is_name(token: &str) -> bool {
    token.bytes().next().is_some_and(|byte| is_word(byte) && !byte.is_ascii_digit())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compared_names_may_be_blank() {
        let table = [
            ("{% if a == 'x' %}", "{% if a|default(\"\") == 'x' %}"),
            ("{% elif 'x' != a and b %}", "{% elif 'x' != a|default(\"\") and b %}"),
            ("{{ 1 if a|lower == b else c }}", "{{ 1 if a|default(\"\")|lower == b|default(\"\") else c }}"),
            ("{% if a|replace('(', b) == ')' %}", "{% if a|default(\"\")|replace('(', b) == ')' %}"),
            (
                "{% if 'x' in a %}{% if a not in ['x'] %}",
                "{% if 'x' in a|default(\"\") %}{% if a|default(\"\") not in ['x'] %}",
            ),
            ("{% if not a == 'x' or a is defined %}", "{% if not a|default(\"\") == 'x' or a is defined %}"),
            ("{% set a = b == 'x' %}", "{% set a = b|default(\"\") == 'x' %}"),
            ("{%- if\na\n==\n'x' %}", "{%- if\na|default(\"\")\n==\n'x' %}"),
        ];
        for (source, expected) in table {
            assert_eq!(of_blanks(source), expected);
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for source in [
            "{{ a }} a == b {# a == b #}{% raw %}{{ a == b }}{% endraw %}",
            "{% for a in b %}{% if loop.index == 1 %}{{ a|d('x') == 'y' }}{% endfor %}",
            "{% if a %}{% if a is eq('x') %}{% if a > 1 and f(b) == 2 %}",
            "{{ 'a == b' }}{{ \"\\\" a ==\" }}{{ a.b == 1 }}{{ a[0] == 1 }}",
            "{% set a = 'x' %}{{ a|replace(b='==') }}{{ a",
        ] {
            assert_eq!(of_blanks(source), source);
        }
    }
}
