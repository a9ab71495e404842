//! Which delimiter a file has, where the profile does not say.

use csv_core::{ReadRecordResult, ReaderBuilder};

/// The delimiters that are looked for; of two that fit equally well the first wins.
pub const DELIMITERS: [u8; 4] = [b'\t', b';', b',', b'|'];
/// What the delimiter is told by.
pub const SAMPLE_BYTES: usize = 64 << 10;

/// Excel's first line, which names the delimiter and is no row.
const SEPARATOR: &[u8] = b"sep=";

/// Whether the first line is there whole.
pub fn has_first_line(text: &[u8]) -> bool {
    let Some(begin) = text.iter().position(|byte| !matches!(byte, b'\r' | b'\n')) else { return false };
    let mut quoted = false;
    text[begin..].iter().any(|byte| {
        quoted ^= *byte == b'"';
        !quoted && matches!(byte, b'\r' | b'\n')
    })
}

/// The line `sep=;` that Excel writes and reads: its length without the line break, and the delimiter where it names one.
pub fn separator_line(text: &[u8]) -> Option<(usize, Option<u8>)> {
    let length = text.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(text.len());
    let line = &text[..length];
    let line = line.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(line);
    let (head, delimiter) = line.split_at_checked(SEPARATOR.len())?;
    if !head.eq_ignore_ascii_case(SEPARATOR) || delimiter.len() > 1 {
        return None;
    }
    Some((length, delimiter.first().copied().filter(|byte| DELIMITERS.contains(byte))))
}

/// The delimiter by which the most rows have as many fields as the header, and the header as many as can be; a comma when there is none (one
/// column). A sample that is not all of the file may end within a row.
pub fn detect_delimiter(sample: &[u8], is_all: bool) -> u8 {
    let mut best = (0, 1, b',');
    for delimiter in DELIMITERS {
        let widths = widths(sample, is_all, delimiter);
        let Some((header, rows)) = widths.split_first().filter(|(header, _)| **header > 1) else { continue };
        // In thousandths: quotation marks that a wrong delimiter hides make one row into several.
        let agreeing = 1_000 * rows.iter().filter(|width| *width == header).count() / rows.len().max(1);
        if best.1 == 1 || (agreeing, *header) > (best.0, best.1) {
            best = (agreeing, *header, delimiter);
        }
    }
    best.2
}

/// How many fields each record has.
fn widths(sample: &[u8], is_all: bool, delimiter: u8) -> Vec<usize> {
    let mut parser = ReaderBuilder::new().delimiter(delimiter).build();
    let mut row = vec![0; sample.len()];
    let mut ends = [0; 256];
    let mut widths = Vec::new();
    let (mut rest, mut width) = (sample, 0);
    loop {
        // Nothing, as input, is the end of the file.
        let ended = rest.is_empty();
        if ended && !is_all && !widths.is_empty() {
            return widths;
        }
        let (result, read, _, count) = parser.read_record(rest, &mut row, &mut ends);
        rest = &rest[read..];
        width += count;
        match result {
            ReadRecordResult::Record => widths.push(std::mem::take(&mut width)),
            ReadRecordResult::End => return widths,
            ReadRecordResult::InputEmpty
            | ReadRecordResult::OutputFull
            | ReadRecordResult::OutputEndsFull => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_tell_the_delimiter() {
        let table: [(&str, u8); 15] = [
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
            // Commas within names.
            ("name, first;email\nAnna;a@b.example\nCarl;c@d.example\n", b';'),
            ("email;notes, remarks, other\na@b.example;x\n", b';'),
            ("\"e-mail, private\"\na@b.example\n", b','),
            ("email,name;title\na@b.example,Anna\n", b','),
            ("email|a;b;c\nx|1\ny|2\n", b'|'),
        ];
        for (text, delimiter) in table {
            let detected = detect_delimiter(text.as_bytes(), true);
            assert_eq!(char::from(detected), char::from(delimiter), "{text:?}");
        }
    }

    #[test]
    fn a_sample_may_end_anywhere() {
        let rows = "a@b.example;\"Anna, B.\nx\"\nc@d.example;Carl, D.\n";
        let text = format!("email;name, first\n{}", rows.repeat(3));
        for length in 18 + rows.len()..text.len() {
            assert_eq!(detect_delimiter(&text.as_bytes()[..length], false), b';', "{length}");
        }
    }

    /// A text, and of its line `sep=` the length and the delimiter.
    type SeparatorCase<'a> = (&'a str, Option<(usize, Option<u8>)>);

    #[test]
    fn excels_first_line_is_known() {
        let table: [SeparatorCase<'_>; 9] = [
            ("sep=;\r\nemail;name\r\n", Some((5, Some(b';')))),
            ("SEP=\t\nemail", Some((5, Some(b'\t')))),
            ("\"sep=,\"\nemail", Some((7, Some(b',')))),
            ("sep=|", Some((5, Some(b'|')))),
            ("sep=:\nemail:name", Some((5, None))),
            ("sep=\nemail", Some((4, None))),
            ("sep=;;\nemail", None),
            ("separator;email\n", None),
            ("email;name\n", None),
        ];
        for (text, expected) in table {
            assert_eq!(separator_line(text.as_bytes()), expected, "{text:?}");
        }
    }
}
