//! The report of what was wrong, for the customer: `line,column,code,reason`, never a value of theirs. Line 0 is the file as a whole: why
//! it is refused, or else, behind the rejected rows, how many there are.

use std::io::{self, Write};

use fault::{Code, Notice};

const HEADER: [&str; 4] = ["line", "column", "code", "reason"];

/// Writes a report. Nothing is opened before the first line.
pub struct Report<W: Write, F> {
    open: Option<F>,
    writer: Option<csv::Writer<W>>,
}

impl<W: Write, F: FnOnce() -> io::Result<W>> Report<W, F> {
    /// `open` gives where it goes to.
    pub fn new(open: F) -> Self {
        Self { open: Some(open), writer: None }
    }

    /// Adds a line. Line 0 is the file as a whole.
    pub fn push(&mut self, line: u64, column: &str, notice: &Notice) -> io::Result<()> {
        if let Some(open) = self.open.take() {
            let mut writer = writer(open()?);
            writer.write_record(HEADER)?;
            self.writer = Some(writer);
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.write_record([&line.to_string(), column, notice.code.slug(), &notice.words()])?;
        Ok(())
    }

    /// The last line of a report of rejected rows, where the others were imported.
    pub fn count(&mut self, imported: u64, rejected: u64) -> io::Result<()> {
        if self.writer.is_none() {
            return Ok(());
        }
        let counts = Notice::new(Code::RowsCounted).with("rows", imported + rejected);
        self.push(0, "", &counts.with("imported", imported).with("rejected", rejected))
    }

    /// What was written to, if anything was, with nothing left in between.
    pub fn finish(self) -> io::Result<Option<W>> {
        let Some(writer) = self.writer else { return Ok(None) };
        writer.into_inner().map(Some).map_err(csv::IntoInnerError::into_error)
    }
}

/// A whole report that gives the reason for the file alone.
pub fn of_file(code: &str, words: &str) -> io::Result<Vec<u8>> {
    let mut writer = writer(Vec::new());
    writer.write_record(HEADER)?;
    writer.write_record(["0", "", code, words])?;
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

fn writer<W: Write>(target: W) -> csv::Writer<W> {
    csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_place_and_reason() {
        let mut report = Report::new(|| Ok(Vec::new()));
        report.push(7, "E-Mail", &Notice::new(Code::AddressMissing).with("column", "E-Mail")).unwrap();
        report.push(9, "", &Notice::new(Code::RowNul)).unwrap();
        report.count(40, 2).unwrap();
        let text = String::from_utf8(report.finish().unwrap().unwrap()).unwrap();
        assert_eq!(
            text,
            "line,column,code,reason\r\n\
             7,E-Mail,address_missing,\"The row has no e-mail address in column \"\"E-Mail\"\".\"\r\n\
             9,,row_nul,The row has a NUL byte.\r\n\
             0,,rows_counted,\"The file has 42 rows: 40 were imported, 2 rejected.\"\r\n"
        );
    }

    #[test]
    fn a_file_may_have_one_reason() {
        let text = String::from_utf8(of_file("file_empty", "No rows.").unwrap()).unwrap();
        assert_eq!(text, "line,column,code,reason\r\n0,,file_empty,No rows.\r\n");
    }

    #[test]
    fn without_a_line_there_is_no_report() {
        let mut report = Report::new(|| -> io::Result<Vec<u8>> { panic!("opened") });
        report.count(1, 0).unwrap();
        assert!(report.finish().unwrap().is_none());
    }
}
