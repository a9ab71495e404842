//! Bytes -> records: RFC 4180 with what the world does to it, in memory that a broken file cannot grow.
//!
//! `csv-core` is the parser of the `csv` crate without its buffers. Those grow with a quotation mark that is never closed; these do not.

use std::io::{self, Read};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::dialect;

/// The longest record, unquoted, in bytes: a thousand columns of four kilobytes. It is held in memory twice.
pub const ROW_BYTES_MAX: usize = 4 << 20;
/// Columns of a header. A template can name each; more than this is a file of another kind.
pub const COLUMNS_MAX: usize = 1_000;
/// One read of the source.
const BUFFER_BYTES: usize = 256 << 10;
/// The parser wants room for one byte more before it sees that a record ends.
const ROW_ROOM_MAX: usize = ROW_BYTES_MAX + 1;
/// Where the record's buffer starts out.
const ROW_BYTES_USUAL: usize = 16 << 10;

/// Why there are no more records.
#[derive(Debug)]
pub enum ReadError {
    /// The source.
    Source(io::Error),
    /// The line `sep=` names no delimiter of ours.
    Separator,
    /// The file ends within quotation marks that opened in the record of this line.
    OpenQuote {
        /// Where that record begins.
        line: u64,
    },
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Source(error)
    }
}

/// One record.
pub struct Record<'r> {
    /// The physical line on which it begins, from 1; CR, LF and CRLF each end a line, also within quotation marks.
    pub line: u64,
    /// What it holds, where that is within the limits.
    pub content: Content<'r>,
}

/// The fields of a record.
pub enum Content<'r> {
    /// All fields.
    Fields(Fields<'r>),
    /// More than [`COLUMNS_MAX`] of them: how many.
    TooMany(usize),
    /// More than [`ROW_BYTES_MAX`] bytes.
    TooLong,
}

/// Fields as bytes, unquoted, one after another.
#[derive(Clone, Copy)]
pub struct Fields<'r> {
    /// All bytes.
    pub bytes: &'r [u8],
    /// Where each field ends.
    pub ends: &'r [usize],
}

/// Reads records from decoded text.
pub struct Records<R> {
    source: R,
    parser: Reader,
    delimiter: u8,
    input: Box<[u8]>,
    start: usize,
    end: usize,
    source_ended: bool,
    row: Vec<u8>,
    ends: Vec<usize>,
    lines: Lines,
}

impl<R: Read> Records<R> {
    /// With the given delimiter, or that of the line `sep=`, which is passed over, or the one that the first rows seem to have.
    pub fn new(mut source: R, delimiter: Option<u8>) -> Result<Self, ReadError> {
        let mut input = vec![0; BUFFER_BYTES].into_boxed_slice();
        let mut end = 0;
        let mut source_ended = false;
        while !source_ended && end < input.len() {
            let read = source.read(&mut input[end..])?;
            end += read;
            source_ended = read == 0;
            if end >= dialect::SAMPLE_BYTES && dialect::has_first_line(&input[..end]) {
                break;
            }
        }
        let sample = &input[..end];
        let separator = dialect::separator_line(sample);
        let start = separator.map_or(0, |(length, _)| length);
        let delimiter = match (delimiter, separator) {
            (Some(given), _) => given,
            (None, Some((_, named))) => named.ok_or(ReadError::Separator)?,
            (None, None) => {
                // The same sample of the same file, however it arrives.
                let usual = &sample[..end.min(dialect::SAMPLE_BYTES)];
                let sample = if dialect::has_first_line(usual) { usual } else { sample };
                dialect::detect_delimiter(sample, source_ended && sample.len() == end)
            }
        };
        Ok(Self {
            source,
            parser: ReaderBuilder::new().delimiter(delimiter).build(),
            delimiter,
            input,
            start,
            end,
            source_ended,
            row: vec![0; ROW_BYTES_USUAL],
            ends: vec![0; COLUMNS_MAX + 1],
            lines: Lines { line: 1, after_cr: false },
        })
    }

    /// What separates fields.
    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Where the records come from.
    pub fn source(&self) -> &R {
        &self.source
    }

    /// The next record that is not an empty line.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        if !self.skip_empty_lines()? {
            return Ok(None);
        }
        let line = self.lines.line;
        let mut state = Progress::default();
        loop {
            if self.start == self.end && !self.source_ended {
                self.fill()?;
            }
            let closing = self.start == self.end;
            // A line break ends the last record too, unless it stands within quotation marks.
            let input: &[u8] = if closing { b"\n" } else { &self.input[self.start..self.end] };
            let (result, read, written, ended) =
                self.parser.read_record(input, &mut self.row[state.written..], &mut self.ends[state.ended..]);
            self.lines.pass(&input[..read]);
            if !closing {
                self.start += read;
            }
            state.written += written;
            state.ended += ended;
            match result {
                ReadRecordResult::Record => break,
                ReadRecordResult::InputEmpty if closing => return Err(ReadError::OpenQuote { line }),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
                ReadRecordResult::OutputFull if self.row.len() < ROW_ROOM_MAX => {
                    let longer = (self.row.len() * 2).min(ROW_ROOM_MAX);
                    self.row.resize(longer, 0);
                }
                ReadRecordResult::OutputFull => {
                    state.too_long = true;
                    state.written = 0;
                }
                ReadRecordResult::OutputEndsFull => {
                    state.dropped += state.ended;
                    state.ended = 0;
                }
            }
        }
        Ok(Some(Record { line, content: self.content(&state) }))
    }

    fn content(&self, state: &Progress) -> Content<'_> {
        let count = state.dropped + state.ended;
        if state.too_long {
            Content::TooLong
        } else if count > COLUMNS_MAX {
            Content::TooMany(count)
        } else {
            Content::Fields(Fields { bytes: &self.row[..state.written], ends: &self.ends[..state.ended] })
        }
    }

    /// Whether anything follows. The parser would skip empty lines itself, but a record begins behind them.
    fn skip_empty_lines(&mut self) -> io::Result<bool> {
        loop {
            let input = &self.input[self.start..self.end];
            let breaks = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.lines.pass(&input[..breaks]);
            self.start += breaks;
            if self.start < self.end {
                return Ok(true);
            }
            if self.source_ended {
                return Ok(false);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.start = 0;
        self.end = self.source.read(&mut self.input)?;
        self.source_ended = self.end == 0;
        Ok(())
    }
}

/// How far one record is.
#[derive(Default)]
struct Progress {
    written: usize,
    ended: usize,
    /// Ends that did not fit and were given up.
    dropped: usize,
    too_long: bool,
}

/// Counts physical lines over chunks.
struct Lines {
    line: u64,
    after_cr: bool,
}

impl Lines {
    fn pass(&mut self, bytes: &[u8]) {
        for at in memchr::memchr2_iter(b'\n', b'\r', bytes) {
            let second_of_crlf =
                bytes[at] == b'\n' && if at == 0 { self.after_cr } else { bytes[at - 1] == b'\r' };
            self.line += u64::from(!second_of_crlf);
        }
        if let Some(last) = bytes.last() {
            self.after_cr = *last == b'\r';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, so that every seam is met.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(out.len()).min(self.0.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    type Row = (u64, Vec<String>);

    fn read(text: &[u8], step: usize) -> Result<Vec<Row>, ReadError> {
        let mut records = Records::new(Slow(text, step), None)?;
        let mut rows = Vec::new();
        while let Some(record) = records.next()? {
            let Content::Fields(fields) = record.content else { panic!("beyond a limit") };
            let mut from = 0;
            let mut row = Vec::new();
            for &end in fields.ends {
                row.push(String::from_utf8_lossy(&fields.bytes[from..end]).into_owned());
                from = end;
            }
            rows.push((record.line, row));
        }
        Ok(rows)
    }

    fn row(line: u64, fields: &[&str]) -> Row {
        (line, fields.iter().map(|field| (*field).to_owned()).collect())
    }

    #[test]
    fn records_know_their_physical_lines() {
        let table: &[(&str, Vec<Row>)] = &[
            ("a,b\nc,d", vec![row(1, &["a", "b"]), row(2, &["c", "d"])]),
            ("a,b\r\nc,d\r\n", vec![row(1, &["a", "b"]), row(2, &["c", "d"])]),
            ("a,b\rc,d\r", vec![row(1, &["a", "b"]), row(2, &["c", "d"])]),
            ("\n\na,b\n\r\n\nc,d\n\n", vec![row(3, &["a", "b"]), row(6, &["c", "d"])]),
            ("a,\"x\ny\"\nc,d\n", vec![row(1, &["a", "x\ny"]), row(3, &["c", "d"])]),
            ("a,\"x\r\n\r\ny\"\r\nc,d\r\n", vec![row(1, &["a", "x\r\n\r\ny"]), row(4, &["c", "d"])]),
            ("a,\"x\ry\"\rc,d", vec![row(1, &["a", "x\ry"]), row(3, &["c", "d"])]),
            ("a,\"say \"\"hi\"\"\"\n,", vec![row(1, &["a", "say \"hi\""]), row(2, &["", ""])]),
            ("a,5\" disk\nb,c", vec![row(1, &["a", "5\" disk"]), row(2, &["b", "c"])]),
            ("a,b\nc\nd,e,f\n", vec![row(1, &["a", "b"]), row(2, &["c"]), row(3, &["d", "e", "f"])]),
            ("sep=;\r\na;b\r\nc;d", vec![row(2, &["a", "b"]), row(3, &["c", "d"])]),
            ("\"sep=|\"\na|b,c\n", vec![row(2, &["a", "b,c"])]),
            ("", vec![]),
            ("\r\n\r\n", vec![]),
            ("sep=,", vec![]),
        ];
        for (text, expected) in table {
            for step in [1, 2, 3, 1_000] {
                assert_eq!(&read(text.as_bytes(), step).unwrap(), expected, "{text:?} in steps of {step}");
            }
        }
    }

    #[test]
    fn a_quotation_mark_that_stays_open_is_found_where_it_opens() {
        for text in ["a,b\nc,\"d\ne,f\n", "a,b\nc,\"d\ne,f"] {
            assert!(matches!(read(text.as_bytes(), 4), Err(ReadError::OpenQuote { line: 2 })), "{text:?}");
        }
        assert!(read(b"a,b\nc,\"d\"", 4).is_ok());
        assert!(read(b"a,b\nc,d\"", 4).is_ok());
    }

    #[test]
    fn the_line_of_excel_gives_way_to_the_profile() {
        let mut records = Records::new(&b"sep=;\na,b;c\n"[..], Some(b',')).unwrap();
        let Some(Record { line: 2, content: Content::Fields(fields) }) = records.next().unwrap() else {
            panic!()
        };
        assert_eq!((fields.bytes, fields.ends), (&b"ab;c"[..], &[1, 4][..]));
        assert!(matches!(Records::new(&b"sep=:\na:b\n"[..], None), Err(ReadError::Separator)));
    }

    #[test]
    fn records_beyond_the_limits_are_passed_over_whole() {
        let mut text = b"a,b\n".to_vec();
        for length in [ROW_BYTES_MAX - 1, ROW_BYTES_MAX] {
            text.extend(vec![b'x'; length]);
            text.extend(b",y\n");
        }
        text.extend(",".repeat(COLUMNS_MAX).bytes());
        text.extend(b"\nc,d\n");
        let mut records = Records::new(&text[..], Some(b',')).unwrap();
        let mut seen = Vec::new();
        while let Some(record) = records.next().unwrap() {
            let what = match record.content {
                Content::Fields(fields) => fields.ends.len(),
                Content::TooLong => 0,
                Content::TooMany(count) => count,
            };
            seen.push((record.line, what));
        }
        assert_eq!(seen, [(1, 2), (2, 2), (3, 0), (4, COLUMNS_MAX + 1), (5, 2)]);
    }

    /// What the `csv` crate reads of the same bytes, whatever they are.
    #[test]
    fn fields_are_those_of_the_csv_crate() {
        let alphabet = b"ab,\"\n\r";
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        for _ in 0..20_000 {
            let text: Vec<u8> = (0..12)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    alphabet[usize::try_from(state % 6).unwrap()]
                })
                .collect();
            let mut peer = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&text[..]);
            let expected: Vec<Vec<String>> =
                peer.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
            let mut records = Records::new(Slow(&text, 5), Some(b',')).unwrap();
            let mut rows = Vec::new();
            loop {
                match records.next() {
                    Ok(Some(Record { content: Content::Fields(fields), .. })) => {
                        let mut from = 0;
                        let row = fields.ends.iter().map(|&end| {
                            let field = String::from_utf8(fields.bytes[from..end].to_vec()).unwrap();
                            from = end;
                            field
                        });
                        rows.push(row.collect::<Vec<_>>());
                    }
                    Ok(Some(_)) => panic!("beyond a limit"),
                    Ok(None) => break assert_eq!(rows, expected, "{:?}", String::from_utf8_lossy(&text)),
                    Err(ReadError::OpenQuote { .. }) => break assert_eq!(rows.len() + 1, expected.len()),
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
    }
}
