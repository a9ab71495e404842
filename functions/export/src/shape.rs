//! From Postgres' CSV to the customer's: RFC 4180 (lines end in CR LF), times as RFC 3339 has them, and nothing that a spreadsheet would run.
//!
//! The database has quoted and joined the fields already, as fast as it reads them; here each row is looked through once and copied. Reading
//! and writing it by a CSV library would do both a second time.

use memchr::{memchr, memchr2};

use crate::columns::Column;

/// Where in a time the date ends.
const DATE_BYTES: usize = 10;
/// As Postgres writes UTC.
const UTC: &[u8] = b"+00";

/// What the database sent is no CSV of whole rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the database's rows are not in the form that was asked for")]
pub struct NotRows;

/// Shapes the rows of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    columns: Vec<Column>,
}

impl Shape {
    /// For files with these columns.
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec() }
    }

    /// The file's first line.
    pub fn header(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name()).collect();
        names.join(",") + "\r\n"
    }

    /// Appends whole rows to `out`; says how many.
    pub fn rows(&self, mut rows: &[u8], out: &mut Vec<u8>) -> Result<i64, NotRows> {
        let mut count = 0;
        while !rows.is_empty() {
            rows = self.row(rows, out).ok_or(NotRows)?;
            count += 1;
        }
        Ok(count)
    }

    /// One row; returns what is behind it. `None`: it has no end, or not as many fields as there are columns.
    fn row<'r>(&self, mut rest: &'r [u8], out: &mut Vec<u8>) -> Option<&'r [u8]> {
        let (last, others) = self.columns.split_last()?;
        for column in others {
            rest = field(*column, rest, out)?.strip_prefix(b",")?;
            out.push(b',');
        }
        rest = field(*last, rest, out)?.strip_prefix(b"\n")?;
        out.extend_from_slice(b"\r\n");
        Some(rest)
    }
}

/// Appends a field; returns what is behind it.
fn field<'r>(column: Column, rest: &'r [u8], out: &mut Vec<u8>) -> Option<&'r [u8]> {
    let quoted = rest.first()? == &b'"';
    let (field, rest) = rest.split_at(if quoted { quoted_end(rest)? } else { memchr2(b',', b'\n', rest)? });
    if column == Column::Time && !quoted {
        time(field, out);
    } else if quoted && field.len() > 2 {
        out.push(b'"');
        guarded(&field[1..], out);
    } else if !quoted {
        guarded(field, out);
    }
    // Quoted and empty: that is how Postgres tells an empty text from none. In the file both are nothing.
    Some(rest)
}

/// Behind the quote that ends a quoted field. One within is doubled.
fn quoted_end(field: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr(b'"', field.get(at..)?)? + 1;
        if field.get(at) != Some(&b'"') {
            return Some(at);
        }
        at += 1;
    }
}

/// A spreadsheet runs a cell that begins like a formula; with an apostrophe before it, it is text.
fn guarded(cell: &[u8], out: &mut Vec<u8>) {
    if matches!(cell.first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r')) {
        out.push(b'\'');
    }
    out.extend_from_slice(cell);
}

/// `2026-11-23 12:00:00.5+00` -> `2026-11-23T12:00:00.5Z`.
fn time(field: &[u8], out: &mut Vec<u8>) {
    match (field.split_at_checked(DATE_BYTES), field.strip_suffix(UTC)) {
        (Some((date, [b' ', ..])), Some(utc)) => {
            out.extend_from_slice(date);
            out.push(b'T');
            out.extend_from_slice(&utc[DATE_BYTES + 1..]);
            out.push(b'Z');
        }
        _ => out.extend_from_slice(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(columns: &[Column], rows: &str) -> Result<String, NotRows> {
        let mut out = Vec::new();
        Shape::new(columns).rows(rows.as_bytes(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_cell_that_begins_like_a_formula_is_guarded() {
        for (cell, expected) in [
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\"\r=1\"", "\"'\r=1\""),
            ("\"=A1,B1\"", "\"'=A1,B1\""),
            ("\"\"\"=1\"", "\"\"\"=1\""),
            ("a=1", "a=1"),
            ("'=1", "'=1"),
            ("", ""),
            ("\"\"", ""),
        ] {
            let columns = [Column::Address, Column::Actor];
            assert_eq!(shaped(&columns, &format!("{cell},x\n")).unwrap(), format!("{expected},x\r\n"));
        }
    }

    #[test]
    fn a_file_is_rfc_4180() {
        let columns = [Column::Time, Column::RecipientKey, Column::Address, Column::Link, Column::Diagnostic];
        let rows = "2026-11-23 12:00:00.5+00,K;1,\"\"\"a,b\"\"@example.com\",,\"550 5.1.1\r\nunknown\n\"\n\
                    2026-11-23 12:00:00+00,,,,\n";
        assert_eq!(
            shaped(&columns, rows).unwrap(),
            "2026-11-23T12:00:00.5Z,K;1,\"\"\"a,b\"\"@example.com\",,\"550 5.1.1\r\nunknown\n\"\r\n\
             2026-11-23T12:00:00Z,,,,\r\n"
        );
        assert_eq!(Shape::new(&columns).header(), "time,recipient_key,address,link,diagnostic\r\n");
    }

    #[test]
    fn what_is_no_row_is_refused() {
        let columns = [Column::Class, Column::Actor];
        for rows in ["a", "a,b", "a\n", "a,b,c\n", "\"a,b\n", "\"a\"x,b\n", "a,b\nc"] {
            assert_eq!(shaped(&columns, rows), Err(NotRows), "{rows:?}");
        }
        assert_eq!(shaped(&columns, "").unwrap(), "");
    }

    #[test]
    fn a_library_reads_what_was_written() {
        let columns = [Column::Address, Column::Diagnostic];
        let cells = ["plain", "with \"quotes\"", "a,b", "line\nbreak", "\r\n", "", "ü", "\""];
        let rows: Vec<(&str, &str)> =
            cells.iter().flat_map(|a| cells.iter().map(move |b| (*a, *b))).collect();
        // As Postgres quotes.
        let quoted = |cell: &str| {
            let quotes = cell.contains(['"', ',', '\n', '\r']) || cell.is_empty();
            if quotes { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
        };
        let lines: Vec<String> = rows.iter().map(|(a, b)| format!("{},{}\n", quoted(a), quoted(b))).collect();
        let shaped = shaped(&columns, &lines.concat()).unwrap();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(shaped.as_bytes());
        let read: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(read.len(), rows.len());
        for (record, (a, b)) in read.iter().zip(rows) {
            let guarded =
                |cell: &str| if cell.starts_with('\r') { format!("'{cell}") } else { cell.to_owned() };
            assert_eq!((record[0].to_owned(), record[1].to_owned()), (guarded(a), guarded(b)));
        }
    }
}
