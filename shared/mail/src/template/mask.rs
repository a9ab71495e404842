//! A mail as it would look, without what it tells of its recipient.

use minijinja::{Error, Output, State, escape_formatter, value::Value};

/// Writes a value so that it is seen that and where something stands, and not what. Conditions and filters before it have seen the value itself.
pub(super) fn formatter(output: &mut Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    // What is marked as safe is ours; what is missing is told as ever.
    if value.is_safe() || value.is_undefined() {
        return escape_formatter(output, state, value);
    }
    escape_formatter(output, state, &Value::from(mask(&value.to_string())))
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
