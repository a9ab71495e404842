//! Whom a mail is from and in which language it is written, for a page that has no database: a text that is sealed with an unsubscribe token.

use crate::template::one_line;

/// Of the sender's name in it. In a URL each may take three characters, and List-Unsubscribe is one line: with this it stays below 500 octets.
const SENDER_BYTES_MAX: usize = 96;
/// Of a language tag, as templates have it.
const LANGUAGE_BYTES_MAX: usize = 35;

/// `{language}.{sender}`, taken apart. Links of older mails have none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imprint<'a> {
    /// The mail's (BCP 47); empty: not known.
    pub language: &'a str,
    /// The tenant's name; empty: not known.
    pub sender: &'a str,
}

impl<'a> Imprint<'a> {
    /// Reads it. To be believed only after it was verified with its token.
    pub fn read(text: &'a str) -> Self {
        let (language, sender) = text.split_once('.').unwrap_or_default();
        Self { language, sender }
    }
}

/// One line, of bounded length.
pub(crate) fn write(sender: &str, language: &str) -> String {
    let language = if language.len() > LANGUAGE_BYTES_MAX || language.contains('.') { "" } else { language };
    let mut sender = one_line(sender);
    if sender.len() > SENDER_BYTES_MAX {
        // Room for the sign that something is missing.
        let end = sender.floor_char_boundary(SENDER_BYTES_MAX - '…'.len_utf8());
        sender.truncate(end);
        sender.push('…');
    }
    format!("{language}.{sender}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let long = "ä".repeat(60);
        let cut = format!("{}…", "ä".repeat(46));
        for (sender, language, read) in [
            ("Acme", "de", ("de", "Acme")),
            ("St. Pölten e. V.", "de-AT", ("de-AT", "St. Pölten e. V.")),
            ("A\r\nB\tC ", "en", ("en", "A B C")),
            ("", "en", ("en", "")),
            (&long, "en", ("en", cut.as_str())),
        ] {
            let text = write(sender, language);
            assert!(text.len() <= LANGUAGE_BYTES_MAX + 1 + SENDER_BYTES_MAX, "{text}");
            let Imprint { language, sender } = Imprint::read(&text);
            assert_eq!((language, sender), read);
        }
        assert_eq!(Imprint::read(""), Imprint::default());
    }
}
