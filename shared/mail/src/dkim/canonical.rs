//! What is hashed (RFC 6376, 3.4): relaxed headers and the relaxed body. White space that mail servers change on the way does not count.

/// The name in small letters, the value unfolded, each run of white space one space, none at the ends. `field` is the whole field, without
/// the line end behind it.
pub(super) fn relaxed_header(field: &[u8], canonical: &mut Vec<u8>) {
    let colon = field.iter().position(|byte| *byte == b':').unwrap_or(field.len());
    let (name, value) = field.split_at(colon);
    canonical.extend(name.trim_ascii_end().iter().map(u8::to_ascii_lowercase));
    canonical.push(b':');
    let words = value.get(1..).unwrap_or_default().split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    for (number, word) in words.filter(|word| !word.is_empty()).enumerate() {
        if number > 0 {
            canonical.push(b' ');
        }
        canonical.extend_from_slice(word);
    }
}

/// Each run of white space within a line one space, none at its end; no empty lines at the end of the body, and a line end there unless it
/// is empty. In pieces, most of which are parts of the body itself.
pub(super) fn relaxed_body(body: &[u8], mut take: impl FnMut(&[u8])) {
    let mut rest = without_end(body);
    if rest.is_empty() {
        return;
    }
    while let Some(at) = uneven_space(rest) {
        take(&rest[..at]);
        // Something follows: there is none at the end.
        let behind = rest[at..].iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or_default();
        rest = &rest[at + behind..];
        if !rest.starts_with(b"\r\n") {
            take(b" ");
        }
    }
    take(rest);
    take(b"\r\n");
}

/// Without the white space and the line ends behind the last word.
fn without_end(body: &[u8]) -> &[u8] {
    let mut body = body;
    while let Some((last, rest)) = body.split_last() {
        body = match last {
            b' ' | b'\t' => rest,
            b'\n' if rest.ends_with(b"\r") => &rest[..rest.len() - 1],
            _ => break,
        };
    }
    body
}

/// The first white space that is not one space between two words; the last byte is none. Most bodies have little of it: whole blocks are passed over at once.
fn uneven_space(body: &[u8]) -> Option<usize> {
    const BLOCK: usize = 64;
    // Numbers, because a choice would keep the compiler from taking many at once. A space before any other control character is looked at in
    // vain, which costs less than telling them apart.
    let uneven =
        |byte: u8, next: u8| u8::from(byte == b'\t') | (u8::from(byte == b' ') & u8::from(next <= b' '));
    let behind = body.get(1..)?;
    let even =
        body.as_chunks::<BLOCK>().0.iter().zip(behind.as_chunks::<BLOCK>().0).take_while(|(bytes, nexts)| {
            bytes.iter().zip(*nexts).fold(0, |any, (byte, next)| any | uneven(*byte, *next)) == 0
        });
    let from = even.count() * BLOCK;
    let pairs = || body[from..].iter().zip(&behind[from..]);
    pairs().position(|(byte, next)| uneven(*byte, *next) != 0).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_relaxed() {
        for (field, expected) in [
            ("A: X", "a:X"),
            // The example of RFC 6376, 3.4.5.
            ("B : Y\t\r\n\tZ  ", "b:Y Z"),
            ("Subject:", "subject:"),
            ("Subject: \r\n ", "subject:"),
            ("SuBJect:a\r\n b\r\n\t c", "subject:a b c"),
            ("To: M\u{fc}ller: x", "to:M\u{fc}ller: x"),
        ] {
            let mut canonical = Vec::new();
            relaxed_header(field.as_bytes(), &mut canonical);
            assert_eq!(String::from_utf8(canonical).unwrap(), expected, "{field:?}");
        }
    }

    #[test]
    fn bodies_are_relaxed() {
        let long = "x".repeat(63);
        let at_block_end = (format!("{long}  y"), format!("{long} y\r\n"));
        let at_end = (format!("{long}\t"), format!("{long}\r\n"));
        for (body, expected) in [
            // The example of RFC 6376, 3.4.5.
            (" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"),
            ("", ""),
            ("\r\n", ""),
            ("\r\n\r\n", ""),
            (" \r\n\t\r\n", ""),
            ("a", "a\r\n"),
            ("a ", "a\r\n"),
            ("a \r\n", "a\r\n"),
            ("\r\na\r\n", "\r\na\r\n"),
            ("a\r\n \r\nb\t\tc", "a\r\n\r\nb c\r\n"),
            (at_block_end.0.as_str(), at_block_end.1.as_str()),
            (at_end.0.as_str(), at_end.1.as_str()),
        ] {
            let mut canonical = Vec::new();
            relaxed_body(body.as_bytes(), |piece| canonical.extend_from_slice(piece));
            assert_eq!(String::from_utf8(canonical).unwrap(), expected, "{body:?}");
        }
    }
}
