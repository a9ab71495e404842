//! One line of an export, and how it is written so that a spreadsheet only shows it.

use std::{borrow::Cow, io::Write};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The columns, in their order.
pub const HEADER: [&str; 8] =
    ["time", "type", "recipient_key", "address", "link", "class", "diagnostic", "actor"];

/// A response with what the customer knows its recipient by. Personal data: it has no `Debug`.
pub struct Row {
    /// When it happened.
    pub at: OffsetDateTime,
    /// `delivered`, `bounced`, ...
    pub kind: String,
    /// The customer's own key, from the import.
    pub recipient_key: Option<String>,
    /// The address as imported; none when the person was erased.
    pub address: Option<String>,
    /// Of a click: the link as the template has it.
    pub link: Option<String>,
    /// Of a bounce.
    pub class: Option<String>,
    /// Of a bounce.
    pub diagnostic: Option<String>,
    /// `human`, `proxy`, `scanner` or `system`.
    pub actor: String,
}

impl Row {
    /// Writes the line: RFC 4180, times in UTC.
    pub fn write<W: Write>(&self, writer: &mut csv::Writer<W>) -> csv::Result<()> {
        let at = self.at.to_offset(time::UtcOffset::UTC).format(&Rfc3339).unwrap_or_default();
        let text =
            |value: &Option<String>| -> String { guard(value.as_deref().unwrap_or_default()).into_owned() };
        writer.write_record([
            &at,
            &self.kind,
            &text(&self.recipient_key),
            &text(&self.address),
            &text(&self.link),
            &text(&self.class),
            &text(&self.diagnostic),
            &self.actor,
        ])
    }
}

/// A CSV writer as RFC 4180 wants it, with the header written.
pub fn writer<W: Write>(sink: W) -> csv::Result<csv::Writer<W>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(sink);
    writer.write_record(HEADER)?;
    Ok(writer)
}

/// A spreadsheet runs a cell that begins like a formula; with an apostrophe before it, it is text.
fn guard(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_cell_that_begins_like_a_formula_is_guarded() {
        for (cell, expected) in [
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("a=1", "a=1"),
            ("'=1", "'=1"),
            ("", ""),
        ] {
            assert_eq!(guard(cell), expected);
        }
    }

    #[test]
    fn a_file_is_rfc_4180() {
        let mut csv = writer(Vec::new()).unwrap();
        let row = Row {
            at: datetime!(2026-11-23 13:00:00.5 +1),
            kind: "bounced".into(),
            recipient_key: Some("K;1".into()),
            address: Some("\"a,b\"@example.com".into()),
            link: None,
            class: Some("hard".into()),
            diagnostic: Some("550 5.1.1\r\nunknown".into()),
            actor: "system".into(),
        };
        row.write(&mut csv).unwrap();
        let text = String::from_utf8(csv.into_inner().unwrap()).unwrap();
        assert_eq!(
            text,
            "time,type,recipient_key,address,link,class,diagnostic,actor\r\n\
             2026-11-23T12:00:00.5Z,bounced,K;1,\"\"\"a,b\"\"@example.com\",,hard,\"550 5.1.1\r\nunknown\",system\r\n"
        );
    }
}
