//! Which delimiter a file has, where the profile does not say.

/// The delimiters that are looked for; of two that are seen equally often the first wins.
pub const DELIMITERS: [u8; 4] = [b'\t', b';', b',', b'|'];

/// Whether the first line is there whole.
pub fn has_first_line(text: &[u8]) -> bool {
    first_line_end(text).is_some()
}

/// The delimiter seen most often in the first line that is not empty, outside quotation marks; a comma when there is none (one column).
pub fn detect_delimiter(text: &[u8]) -> u8 {
    let line = &text[..first_line_end(text).unwrap_or(text.len())];
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut quoted = false;
    for byte in line {
        quoted ^= *byte == b'"';
        if let (false, Some(at)) = (quoted, DELIMITERS.iter().position(|delimiter| delimiter == byte)) {
            counts[at] += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return b',';
    }
    counts.iter().position(|count| *count == most).map_or(b',', |at| DELIMITERS[at])
}

/// Where the first line that is not empty ends, its break outside quotation marks.
fn first_line_end(text: &[u8]) -> Option<usize> {
    let begin = text.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let mut quoted = false;
    for (at, byte) in text.iter().enumerate().skip(begin) {
        match byte {
            b'"' => quoted = !quoted,
            b'\r' | b'\n' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_tells_the_delimiter() {
        let table: [(&str, u8); 10] = [
            ("email,name\na;b;c;d", b','),
            ("email;name;city\n", b';'),
            ("email\tname", b'\t'),
            ("email|name\r\n", b'|'),
            ("\"a,b,c\";\"d,e\";f\n", b';'),
            ("\"a\n,,,,b\";c\n", b';'),
            ("\r\n\nemail;name\n", b';'),
            ("email\n", b','),
            ("", b','),
            ("a;b,c\n", b';'),
        ];
        for (text, delimiter) in table {
            assert_eq!(char::from(detect_delimiter(text.as_bytes())), char::from(delimiter), "{text:?}");
        }
    }
}
