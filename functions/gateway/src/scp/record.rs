//! The lines that a client sends between files. Pure.
//!
//! OpenSSH's `scp.c` is the protocol's only description. A line ends in a line feed: `C0644 12 name` a file of 12 bytes, `D0755 0 name` a
//! folder that is entered, `E` its end, `T<mtime> <usec> <atime> <usec>` times of the next one.

/// Longest line without its line feed: a name of 255 bytes, or the words of a client's error.
pub const LINE_BYTES_MAX: usize = 2048;
/// Octal digits of a mode.
const MODE_DIGITS: usize = 4;
/// Digits that an unsigned number of 64 bits has at most.
const NUMBER_DIGITS_MAX: usize = 20;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A file: so many bytes follow.
    File {
        /// Bytes.
        size: u64,
        /// One part of a path.
        name: &'a str,
    },
    /// A folder: what follows stands in it.
    Folder {
        /// One part of a path.
        name: &'a str,
    },
    /// The folder's end.
    End,
    /// Times, which nothing here stores.
    Times,
    /// The client could not read something, and goes on.
    Warning,
    /// The client ends.
    Fatal,
}

/// Why a line is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordError {
    /// The two sides no longer understand each other.
    Nonsense,
    /// A name that leads elsewhere, or none: no client of good will sends that.
    Name,
    /// Names are UTF-8.
    Encoding,
}

impl RecordError {
    /// What the customer is told.
    pub fn words(self) -> &'static str {
        match self {
            Self::Nonsense => "this is not the SCP protocol",
            Self::Name => "a name must be one part of a path",
            Self::Encoding => "names must be UTF-8",
        }
    }
}

/// Reads a line without its line feed.
pub fn parse(line: &[u8]) -> Result<Record<'_>, RecordError> {
    let (&kind, rest) = line.split_first().ok_or(RecordError::Nonsense)?;
    match kind {
        b'C' => entry(rest).map(|(size, name)| Record::File { size, name }),
        b'D' => entry(rest).map(|(_, name)| Record::Folder { name }),
        b'E' if rest.is_empty() => Ok(Record::End),
        b'T' if is_times(rest) => Ok(Record::Times),
        1 => Ok(Record::Warning),
        2 => Ok(Record::Fatal),
        _ => Err(RecordError::Nonsense),
    }
}

/// Writes the line of a file or, with `D`, of a folder, as [`parse`] reads it.
pub fn entry_line(kind: char, size: u64, name: &str) -> String {
    let mode = if kind == 'D' { "0755" } else { "0644" };
    format!("{kind}{mode} {size} {name}\n")
}

fn entry(rest: &[u8]) -> Result<(u64, &str), RecordError> {
    let (mode, rest) = rest.split_at_checked(MODE_DIGITS).ok_or(RecordError::Nonsense)?;
    let rest = rest.strip_prefix(b" ").ok_or(RecordError::Nonsense)?;
    let space = rest.iter().position(|byte| *byte == b' ').ok_or(RecordError::Nonsense)?;
    let size = number(&rest[..space]).ok_or(RecordError::Nonsense)?;
    if !mode.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
        return Err(RecordError::Nonsense);
    }
    let name = str::from_utf8(&rest[space + 1..]).map_err(|_| RecordError::Encoding)?;
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(RecordError::Name);
    }
    Ok((size, name))
}

fn is_times(rest: &[u8]) -> bool {
    // Times before 1970 are negative.
    let is_number = |digits: &[u8]| number(digits.strip_prefix(b"-").unwrap_or(digits)).is_some();
    let mut numbers = rest.split(|byte| *byte == b' ');
    numbers.by_ref().take(4).filter(|digits| is_number(digits)).count() == 4 && numbers.next().is_none()
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = digits.len() <= NUMBER_DIGITS_MAX && digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_clients_are_understood() {
        for (line, expected) in [
            ("C0644 12 x.csv", Record::File { size: 12, name: "x.csv" }),
            ("C0000 0  a b ", Record::File { size: 0, name: " a b " }),
            ("C7777 18446744073709551615 ü", Record::File { size: u64::MAX, name: "ü" }),
            ("C0644 1 ...", Record::File { size: 1, name: "..." }),
            ("C0644 1 a\\..\\b", Record::File { size: 1, name: "a\\..\\b" }),
            ("D0755 0 folder", Record::Folder { name: "folder" }),
            ("E", Record::End),
            ("T1183828267 0 1183828267 999999", Record::Times),
            ("T-1 0 -1 0", Record::Times),
            ("\x01scp: no such file", Record::Warning),
            ("\x02", Record::Fatal),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(expected), "{line}");
        }
        let line = entry_line('C', 7, "a b");
        assert_eq!(parse(line.trim_end().as_bytes()), Ok(Record::File { size: 7, name: "a b" }));
    }

    #[test]
    fn other_lines_are_refused() {
        for (line, error) in [
            (&b""[..], RecordError::Nonsense),
            (b"X0644 1 x", RecordError::Nonsense),
            (b"C", RecordError::Nonsense),
            (b"C064 1 x", RecordError::Nonsense),
            (b"C06441 x", RecordError::Nonsense),
            (b"C0648 1 x", RecordError::Nonsense),
            (b"C0644 -1 x", RecordError::Nonsense),
            (b"C0644 +1 x", RecordError::Nonsense),
            (b"C0644  x", RecordError::Nonsense),
            (b"C0644 18446744073709551616 x", RecordError::Nonsense),
            (b"C0644 000000000000000000001 x", RecordError::Nonsense),
            (b"C0644 1", RecordError::Nonsense),
            (b"C0644 1 ", RecordError::Name),
            (b"C0644 1 .", RecordError::Name),
            (b"D0755 0 ..", RecordError::Name),
            (b"C0644 1 a/b", RecordError::Name),
            (b"C0644 1 /", RecordError::Name),
            (b"C0644 1 a\0b", RecordError::Name),
            (b"C0644 1 \xff", RecordError::Encoding),
            (b"Ex", RecordError::Nonsense),
            (b"T1 2 3", RecordError::Nonsense),
            (b"T1 2 3 4 5", RecordError::Nonsense),
            (b"T1 2 3 x", RecordError::Nonsense),
            (b"T", RecordError::Nonsense),
        ] {
            assert_eq!(parse(line), Err(error), "{}", String::from_utf8_lossy(line));
        }
    }
}
