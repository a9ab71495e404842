//! A mail as it would look, without what it tells of its recipient.

use minijinja::{Error, Output, State, escape_formatter, value::Value};

use super::prepare::{PIXEL, PREHEADER, UNSUBSCRIBE};

/// Writes a value so that it is seen that and where something stands, and not what. Conditions and filters before it have seen the value itself.
pub(super) fn formatter(
    output: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    // What is missing is told as ever.
    if value.is_undefined() || is_ours(state, value) {
        return escape_formatter(output, state, value);
    }
    escape_formatter(output, state, &Value::from(mask(&value.to_string())))
}

/// Links, the pixel, and the preheader, whose own values were masked when it was rendered. That a value is marked as safe says nothing: every
/// template may do that.
fn is_ours(state: &State<'_, '_>, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    let is = |name| state.lookup(name).is_some_and(|ours: Value| ours.as_str() == Some(text));
    let unsubscribe = state.lookup(UNSUBSCRIBE);
    let base = unsubscribe.as_ref().and_then(|url| Some(url.as_str()?.split_once("/u/")?.0));
    let is_click =
        base.is_some_and(|base| text.strip_prefix(base).is_some_and(|rest| rest.starts_with("/c/")));
    is_click || [UNSUBSCRIBE, PIXEL, PREHEADER].into_iter().any(is)
}

/// The first letter of each word stays, and what is neither letter nor digit.
fn mask(text: &str) -> String {
    let mut within = false;
    text.chars()
        .map(|c| {
            let (first, letter) = (!within, c.is_alphabetic());
            within = letter || c.is_numeric();
            match c {
                _ if letter && first => c,
                _ if within => '•',
                _ => c,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_letters_stay() {
        for (text, expected) in [
            ("Jürgen Müller-Lüdenscheidt", "J••••• M•••••-L•••••••••••"),
            ("9 March 2026", "• M•••• ••••"),
            ("1,234.50", "•,•••.••"),
            ("ann.b@example.org", "a••.b@e••••••.o••"),
            ("f", "f"),
            ("李雷", "李•"),
            ("", ""),
        ] {
            assert_eq!(mask(text), expected, "{text}");
        }
    }
}
