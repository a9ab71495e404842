//! Takes addresses out of what other servers say.

use crate::address::is_atext;

/// What stands where an address stood.
const HIDDEN: &str = "<address>";
/// Shorter local parts hide too many other words.
const LOCAL_PART_BYTES_MIN: usize = 3;

/// Replaces everything that looks like an address, and the local parts of the given addresses where they stand as words of their own.
/// White space folds to single spaces, control characters go.
pub fn redact(text: &str, addresses: &[&str]) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let text = without_addresses(&words.collect::<Vec<_>>().join(" "));
    addresses.iter().fold(text, |text, address| {
        let local =
            address.trim_matches(['<', '>', '"', ' ']).rsplit_once('@').map_or(*address, |(local, _)| local);
        without_word(&text, local.trim_matches('"'))
    })
}

/// An `@`, or what stands for one in some servers' words, with what belongs to it on both sides.
fn without_addresses(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut written = String::with_capacity(text.len());
    let mut copied = 0;
    let mut search = 0;
    while let Some(found) = text[search..].find('@') {
        let at = search + found;
        let start = local_start(bytes, at).max(copied);
        let mut end = at + 1;
        while end < bytes.len()
            && (bytes[end].is_ascii_alphanumeric()
                || b".-_[]:".contains(&bytes[end])
                || !bytes[end].is_ascii())
        {
            end += 1;
        }
        while end > at + 1 && matches!(bytes[end - 1], b'.' | b':' | b'-') {
            end -= 1;
        }
        if start < at && end > at + 1 {
            let angled = start > copied && bytes[start - 1] == b'<' && bytes.get(end) == Some(&b'>');
            let (start, end) = if angled { (start - 1, end + 1) } else { (start, end) };
            written.push_str(&text[copied..start]);
            written.push_str(HIDDEN);
            copied = end;
        }
        search = end.max(at + 1);
    }
    written.push_str(&text[copied..]);
    written
}

fn local_start(bytes: &[u8], at: usize) -> usize {
    if at > 0 && bytes[at - 1] == b'"' {
        return bytes[..at - 1].iter().rposition(|byte| *byte == b'"').unwrap_or(at);
    }
    // With a backslash: letters beyond ASCII as RFC 6533, 3 spells them, `m\\x{FC}ller`.
    let is_local = |byte: &u8| matches!(byte, b'.' | b'\\') || is_atext(*byte) || !byte.is_ascii();
    bytes[..at].iter().rposition(|byte| !is_local(byte)).map_or(0, |before| before + 1)
}

fn without_word(text: &str, word: &str) -> String {
    if word.len() < LOCAL_PART_BYTES_MIN {
        return text.to_owned();
    }
    let word: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let mut written = String::with_capacity(text.len());
    let mut copied = 0;
    for (at, _) in text.char_indices() {
        if at < copied || text[..at].ends_with(is_part) {
            continue;
        }
        let Some(length) = begins_with(&text[at..], &word) else { continue };
        let end = at + length;
        if text[end..].starts_with(is_part) {
            continue;
        }
        written.push_str(&text[copied..at]);
        written.push_str(HIDDEN);
        copied = end;
    }
    written.push_str(&text[copied..]);
    written
}

/// In how many bytes the text begins with the word, which is in lower case, whatever its own case.
fn begins_with(text: &str, word: &[char]) -> Option<usize> {
    let mut rest = word;
    for (at, c) in text.char_indices() {
        for lower in c.to_lowercase() {
            rest = rest.strip_prefix(&[lower])?;
        }
        if rest.is_empty() {
            return Some(at + c.len_utf8());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hidden() {
        let anna: &[&str] = &["Anna.Muster@example.com"];
        let ivan: &[&str] = &["иван@example.com", "Jörg.Müller@example.com"];
        let table: [(&str, &[&str], &str); 12] = [
            ("550 5.1.1 <anna@example.com>: unknown", &[], "550 5.1.1 <address>: unknown"),
            ("to=anna.x+y@sub.example.com, and b@c.example.", &[], "<address>, and <address>."),
            ("\"anna muster\"@example.com gone", &[], "<address> gone"),
            ("müller@müller.example gone", &[], "<address> gone"),
            ("mail to anna@[127.0.0.1]:25 failed", &[], "mail to <address> failed"),
            ("550 user ANNA.MUSTER unknown (anna.muster)", anna, "550 user <address> unknown (<address>)"),
            ("banna.muster anna.musterx", anna, "banna.muster anna.musterx"),
            ("two\r\n  lines\t@ home", &[], "two lines @ home"),
            ("550 al is ok", &["al@example.com"], "550 al is ok"),
            ("550 user ИВАН (jörg.müller, иванов)", ivan, "550 user <address> (<address>, иванов)"),
            ("m\\x{FC}ller@example.com gone", &[], "<address> gone"),
            ("utf-8;用户@例子.example: no", &[], "utf-8;<address>: no"),
        ];
        for (text, addresses, redacted) in table {
            assert_eq!(redact(text, addresses), redacted, "{text}");
        }
    }
}
