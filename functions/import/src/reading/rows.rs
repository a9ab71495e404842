//! Text -> rows of a recipients table, and a report of what is none.

use std::{
    cell::Cell,
    io::{self, Read, Write},
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use contract::Profile;
use encoding_rs::{Encoding, UTF_8};
use fault::{Code, Notice};
use mail::DigestKey;

use super::{
    blanks::Blanks,
    charset::Text,
    columns::{self, Columns},
    copy::CopyRows,
    gate::{Domains, Gate},
    records::{Content, ROW_BYTES_MAX, ReadError, Record, Records},
    repeats::Repeats,
    report::Report,
    row::{self, Added, Problem, begin},
};

/// How often the counter of rows is brought up to date, in rows.
const PROGRESS_ROWS: u64 = 1_024;

/// How a file is read.
pub struct Terms<'a> {
    /// The customer's settings.
    pub profile: &'a Profile,
    /// The profile's delimiter, checked.
    pub delimiter: Option<u8>,
    /// The profile's charset, found.
    pub charset: Option<&'static Encoding>,
    /// The tenant's key for digests of addresses.
    pub digest_key: &'a DigestKey,
}

/// What a file held.
pub struct Rows {
    /// Its columns.
    pub columns: Columns,
    /// Rows that were given away.
    pub imported: u64,
    /// Rows that are in the report.
    pub rejected: u64,
    /// Of the imported ones, those of whose domain the name servers did not say whether it takes mail, where they were asked.
    pub unknown: u64,
    /// Which addresses stand in several rows.
    pub repeats: Repeats,
    /// Which columns are blank in imported rows.
    pub blanks: Blanks,
    /// The charset's name after WHATWG, given or detected; UTF-8 when everything is ASCII.
    pub charset: &'static str,
    /// Given or detected.
    pub delimiter: u8,
}

/// Why reading ended before the end.
#[derive(Debug)]
pub enum Stop {
    /// The customer has to mend the file.
    Refused(Notice),
    /// The source of the text failed.
    Source(io::Error),
    /// The report could not be written.
    Report(io::Error),
    /// Nobody takes the rows any more.
    Closed,
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Source(error) => Self::Source(error),
            ReadError::Separator => Self::Refused(Code::FileDelimiter.into()),
            ReadError::OpenQuote { line } => Self::Refused(Notice::new(Code::FileQuote).with("line", line)),
        }
    }
}

/// Reads all rows. `domains` is asked about addresses, where it is there; `send` takes chunks of the copy and says whether it wants more;
/// `rows_done` counts rows, roughly, meanwhile.
pub fn read_rows<R: Read, W: Write, F: FnOnce() -> io::Result<W>>(
    source: R,
    terms: &Terms<'_>,
    domains: Option<&mut dyn Domains>,
    report: &mut Report<W, F>,
    rows_done: &AtomicU64,
    send: impl FnMut(Bytes) -> bool,
) -> Result<Rows, Stop> {
    let found = Cell::new(UTF_8);
    let text = Text::new(source, terms.charset, &found).map_err(Stop::Source)?;
    let mut records = Records::new(text, terms.delimiter)?;
    let delimiter = records.delimiter();
    let (digest_key, found) = (terms.digest_key, &found);
    let mut taker =
        Taker { digest_key, found, report, rows_done, send, made: Vec::new(), copy: CopyRows::default() };
    let mut gate = domains.map(Gate::new);
    let mut looked = Vec::new();
    let mut table: Option<Rows> = None;
    while let Some(record) = records.next()? {
        let table = if let Some(table) = &mut table {
            table
        } else {
            let columns = first_record(&record, terms.profile, found.get().name())?;
            let table = table.insert(Rows::new(columns, found.get().name(), delimiter));
            if terms.profile.header.unwrap_or(true) {
                continue;
            }
            table
        };
        let Some(gate) = &mut gate else {
            taker.take(table, &record, false)?;
            continue;
        };
        let good = row::read(&record, &table.columns, "", &mut looked).ok().flatten();
        let domain = good.as_ref().map(|good| good.address.domain());
        gate.pass(&record, domain, |record, refused| taker.take(table, record, refused))?;
    }
    let mut table = table.ok_or_else(|| Stop::Refused(Code::FileEmpty.into()))?;
    if let Some(gate) = gate {
        table.unknown = gate.finish(|record, refused| taker.take(&mut table, record, refused))?;
    }
    table.charset = found.get().name();
    if records.source().is_doubtful() {
        let notice = Notice::new(Code::FileCharsetUnclear).with("charset", table.charset);
        return Err(Stop::Refused(notice));
    }
    taker.finish(table)
}

impl Rows {
    fn new(columns: Columns, charset: &'static str, delimiter: u8) -> Self {
        let (repeats, blanks) = (Repeats::default(), Blanks::new(columns.names.len()));
        Self { columns, imported: 0, rejected: 0, unknown: 0, repeats, blanks, charset, delimiter }
    }
}

/// Takes records in their order into copy or report.
struct Taker<'t, W: Write, F, S> {
    digest_key: &'t DigestKey,
    found: &'t Cell<&'static Encoding>,
    report: &'t mut Report<W, F>,
    rows_done: &'t AtomicU64,
    send: S,
    made: Vec<usize>,
    copy: CopyRows,
}

impl<W: Write, F: FnOnce() -> io::Result<W>, S: FnMut(Bytes) -> bool> Taker<'_, W, F, S> {
    /// `refused` says that the domain of its address takes no mail.
    fn take(&mut self, table: &mut Rows, record: &Record<'_>, refused: bool) -> Result<(), Stop> {
        let columns = &table.columns;
        let added = if refused {
            Err(Problem { column: Some(columns.address), notice: Code::AddressDomainNoMail.into() })
        } else {
            let charset = self.found.get().name();
            let (made, copy) = (&mut self.made, &mut self.copy);
            row::add(
                record,
                columns,
                self.digest_key,
                charset,
                made,
                copy,
                (&mut table.repeats, &mut table.blanks),
            )
        };
        match added {
            Ok(Added::Row(None)) => table.imported += 1,
            Ok(Added::Row(Some(chunk))) => {
                table.imported += 1;
                if !(self.send)(chunk) {
                    return Err(Stop::Closed);
                }
            }
            Ok(Added::Blank) => {}
            Err(problem) => {
                table.rejected += 1;
                let column = problem.column.map_or("", |at| &columns.names[at]);
                self.report.push(record.line, column, &problem.notice).map_err(Stop::Report)?;
            }
        }
        let rows = table.imported + table.rejected;
        if rows.is_multiple_of(PROGRESS_ROWS) {
            self.rows_done.store(rows, Ordering::Relaxed);
        }
        Ok(())
    }

    fn finish(mut self, table: Rows) -> Result<Rows, Stop> {
        self.rows_done.store(table.imported + table.rejected, Ordering::Relaxed);
        if (self.send)(self.copy.finish()) { Ok(table) } else { Err(Stop::Closed) }
    }
}

fn first_record(record: &Record<'_>, profile: &Profile, charset: &str) -> Result<Columns, Stop> {
    let fields = match &record.content {
        Content::Fields(fields) => fields,
        Content::TooMany(found) => {
            let max = super::records::COLUMNS_MAX;
            return Err(Stop::Refused(Notice::new(Code::FileColumns).with("found", found).with("max", max)));
        }
        Content::TooLong => return Err(Stop::Refused(row::too_long(Code::RowTooLong, ROW_BYTES_MAX))),
    };
    let text = row::valid_text(*fields)
        .ok_or_else(|| Stop::Refused(Notice::new(Code::RowEncoding).with("charset", charset)))?;
    let names: Vec<&str> =
        (0..fields.ends.len()).map(|at| &text[begin(fields.ends, at)..fields.ends[at]]).collect();
    columns::decide(&names, profile).map_err(Stop::Refused)
}

#[cfg(test)]
mod tests {
    use super::{row::FIELD_BYTES_MAX, *};

    struct Outcome {
        table: Rows,
        copied: Vec<u8>,
        report: String,
    }

    fn read(bytes: &[u8], profile: &Profile) -> Result<Outcome, Stop> {
        let terms = Terms {
            profile,
            delimiter: None,
            charset: profile.charset.as_deref().and_then(super::super::charset::charset),
            digest_key: &DigestKey::new(&[7; 32]),
        };
        let mut report = Report::new(|| Ok(Vec::new()));
        let mut copied = Vec::new();
        let table = read_rows(bytes, &terms, None, &mut report, &AtomicU64::new(0), |chunk| {
            copied.extend_from_slice(&chunk);
            true
        })?;
        let report = report.finish().unwrap().unwrap_or_default();
        Ok(Outcome { table, copied, report: String::from_utf8(report).unwrap() })
    }

    fn rejected(bytes: &[u8]) -> Vec<(String, String, String)> {
        let profile = Profile { charset: Some("utf-8".to_owned()), ..Profile::default() };
        let outcome = read(bytes, &profile).unwrap();
        let mut report = csv::Reader::from_reader(outcome.report.as_bytes());
        let rows: Vec<_> = report
            .records()
            .map(|row| {
                let row = row.unwrap();
                (row[0].to_owned(), row[1].to_owned(), row[2].to_owned())
            })
            .collect();
        assert_eq!(outcome.table.rejected, rows.len() as u64);
        rows
    }

    fn line(line: &str, column: &str, code: &str) -> (String, String, String) {
        (line.to_owned(), column.to_owned(), code.to_owned())
    }

    #[test]
    fn good_rows_are_copied_and_counted() {
        let forms: [&[u8]; 7] = [
            b"email,name\na@b.example,Anna\nc@d.example,Carl\n",
            b"\xEF\xBB\xBFemail;name\r\na@b.example;Anna\r\n\r\nc@d.example;Carl",
            b"email\tname\ra@b.example\tAnna\rc@d.example\tCarl\r",
            b"email|name\na@b.example|\"Anna\"\n\n\nc@d.example|Carl\n|\n",
            b"email,name\na@b.example,\"An\nna\"\n ,\t\nc@d.example,Carl\n",
            b"email,name\n\"a@b.example\",\"An\"\"na\"\nc@d.example,\n,,\n",
            b"\n\r\nemail,name\na@b.example,Anna\nc@d.example,Carl\n\n",
        ];
        for form in forms {
            let outcome = read(form, &Profile::default()).unwrap();
            assert_eq!((outcome.table.imported, outcome.table.rejected), (2, 0), "{form:?}");
            assert_eq!(outcome.table.columns.names, ["email", "name"]);
            assert!(outcome.report.is_empty());
        }
    }

    #[test]
    fn blank_cells_of_imported_rows_are_counted() {
        let text = b"email;title;city;\na@b.example;Dr.;Bonn\nc@d.example;; ;\nno address;;;\n\ne@f.example;\"\";Bonn;\n";
        let table = read(text, &Profile::default()).unwrap().table;
        assert_eq!((table.imported, table.rejected), (3, 1));
        assert_eq!(table.blanks, Blanks { counts: vec![0, 2, 1, 3], lines: vec![0, 3, 3, 2] });
    }

    #[test]
    fn rejected_rows_are_named_by_line_and_column() {
        let text = b"id,E-Mail,note\n\
            1,anna@example.com,\"two\nlines\"\n\
            2,,x\n\
            3,anna,x\n\
            4,a@b.example\n\
            5,a@b.example,x,y\n\
            6,a@b.example,gr\xFCn\n\
            7,a@b.example,\0\n\
            8,a@b.example\xC3,\xBCx\n\
            9,m\xC3\xBCller@b.example,x\n\
            10,m\xC2\xA0ller@b.example,x\n";
        assert_eq!(
            rejected(text),
            [
                line("4", "E-Mail", "address_missing"),
                line("5", "E-Mail", "address_no_at"),
                line("6", "", "row_ragged"),
                line("7", "", "row_ragged"),
                line("8", "", "row_encoding"),
                line("9", "note", "row_nul"),
                line("10", "", "row_encoding"),
                line("12", "E-Mail", "address_local_part"),
            ]
        );
    }

    #[test]
    fn a_long_field_is_rejected_alone() {
        let long = "x".repeat(FIELD_BYTES_MAX + 1);
        let fits = "x".repeat(FIELD_BYTES_MAX);
        let text = format!("email,note\na@b.example,{long}\nc@d.example,{fits}\n");
        assert_eq!(rejected(text.as_bytes()), [line("2", "note", "field_too_long")]);
    }

    #[test]
    fn a_charset_is_decoded() {
        let profile = Profile { charset: Some("windows-1252".to_owned()), ..Profile::default() };
        let outcome = read(b"email;name\na@b.example;M\xFCller\n", &profile).unwrap();
        assert_eq!(outcome.table.imported, 1);
        let name = "Müller".as_bytes();
        assert!(outcome.copied.windows(name.len()).any(|window| window == name));
    }

    #[test]
    fn what_was_detected_is_told() {
        let table: [(&[u8], &str, u8); 4] = [
            (b"email,name\na@b.example,Anna\n", "UTF-8", b','),
            (b"sep=;\nemail;name\na@b.example;M\xFCller\n", "windows-1252", b';'),
            (b"email\tname\na@b.example\tM\xC3\xBCller\n", "UTF-8", b'\t'),
            (b"\xFF\xFEe\0m\0a\0i\0l\0\n\0a\0@\0b\0.\0d\0e\0", "UTF-16LE", b','),
        ];
        for (text, charset, delimiter) in table {
            let table = read(text, &Profile::default()).unwrap().table;
            assert_eq!((table.charset, table.delimiter, table.imported), (charset, delimiter, 1), "{text:?}");
        }
    }

    #[test]
    fn a_guess_that_turns_out_wrong_refuses_the_file() {
        let head = b"email,name\na@b.example,M\xFCller\n".to_vec();
        let text = [head, b"c@d.example,Carl\n".repeat(20_000), "e@f.example,Jörg\n".repeat(3).into_bytes()];
        let Err(Stop::Refused(notice)) = read(&text.concat(), &Profile::default()) else { panic!() };
        assert_eq!(notice.code, Code::FileCharsetUnclear);
        let profile = Profile { charset: Some("utf-8".to_owned()), ..Profile::default() };
        assert_eq!(read(&text.concat(), &profile).unwrap().table.rejected, 1);
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        let table: [(&[u8], Code); 5] = [
            (b"", Code::FileEmpty),
            (b"\r\n\r\n", Code::FileEmpty),
            (b"name,city\nAnna,Bonn\n", Code::FileHeader),
            (b"email\na@b.example\n\"c@d.example\n", Code::FileQuote),
            (b"sep=:\nemail:name\na@b.example:x\n", Code::FileDelimiter),
        ];
        for (text, code) in table {
            match read(text, &Profile::default()) {
                Err(Stop::Refused(notice)) => assert_eq!(notice.code, code, "{text:?}"),
                other => panic!("{text:?}: {}", other.is_ok()),
            }
        }
    }

    #[test]
    fn a_file_without_a_header_has_its_first_row_imported() {
        let profile = Profile { header: Some(false), ..Profile::default() };
        let outcome = read(b"1,a@b.example\n2,c@d.example\n", &profile).unwrap();
        assert_eq!((outcome.table.imported, outcome.table.columns.address), (2, 1));
    }
}
