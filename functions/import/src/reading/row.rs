//! One record -> one row, or why it is none.

use std::str;

use bytes::Bytes;
use fault::{Code, Notice};
use mail::{Address, DigestKey};

use super::{
    blanks::Blanks,
    columns::Columns,
    copy::{CopyRows, Recipient},
    records::{Content, Fields, ROW_BYTES_MAX, Record},
    repeats::Repeats,
};

/// The longest field in bytes. What a mail is personalised with is far below; what is above is a misplaced quotation mark or a picture.
pub const FIELD_BYTES_MAX: usize = 1 << 20;

/// Why a row is rejected, and in which column, from 0.
pub struct Problem {
    /// The column, where it is one's.
    pub column: Option<usize>,
    /// For the report.
    pub notice: Notice,
}

/// What became of a record that is no problem.
pub enum Added {
    /// With a chunk that got full.
    Row(Option<Bytes>),
    /// Nothing but white space, as spreadsheets leave it behind the last row: neither imported nor rejected.
    Blank,
}

/// A row that can be imported.
pub struct Good<'r> {
    fields: Fields<'r>,
    text: &'r str,
    /// Its address.
    pub address: Address<'r>,
}

/// Reads a record; `None` when it is blank. `made` is room for fields that it lacks.
pub fn read<'r>(
    record: &Record<'r>,
    columns: &Columns,
    charset: &str,
    made: &'r mut Vec<usize>,
) -> Result<Option<Good<'r>>, Problem> {
    let whole = |notice| Problem { column: None, notice };
    let expected = columns.names.len();
    let ragged = |found| whole(Notice::new(Code::RowRagged).with("found", found).with("expected", expected));
    let fields = match &record.content {
        Content::Fields(fields) => *fields,
        Content::TooMany(found) => return Err(ragged(*found)),
        Content::TooLong => return Err(whole(too_long(Code::RowTooLong, ROW_BYTES_MAX))),
    };
    if fields.bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let found = fields.ends.len();
    let fields = columns.fit(fields, made).ok_or_else(|| ragged(found))?;
    if fields.bytes.len() > FIELD_BYTES_MAX {
        let longest = (0..expected).find(|at| fields.ends[*at] - begin(fields.ends, *at) > FIELD_BYTES_MAX);
        if longest.is_some() {
            return Err(Problem { column: longest, notice: too_long(Code::FieldTooLong, FIELD_BYTES_MAX) });
        }
    }
    let text =
        valid_text(fields).ok_or_else(|| whole(Notice::new(Code::RowEncoding).with("charset", charset)))?;
    if let Some(nul) = memchr::memchr(0, fields.bytes) {
        let column = fields.ends.iter().position(|end| nul < *end);
        return Err(Problem { column, notice: Code::RowNul.into() });
    }
    let address = Address::parse(field(text, fields, columns.address)).map_err(|error| Problem {
        column: Some(columns.address),
        notice: Notice::new(error.code()).with("column", &columns.names[columns.address]),
    })?;
    Ok(Some(Good { fields, text, address }))
}

/// Reads a record and puts it into the copy.
pub fn add(
    record: &Record<'_>,
    columns: &Columns,
    digest_key: &DigestKey,
    charset: &str,
    made: &mut Vec<usize>,
    copy: &mut CopyRows,
    (repeats, blanks): (&mut Repeats, &mut Blanks),
) -> Result<Added, Problem> {
    let Some(Good { fields, text, address }) = read(record, columns, charset, made)? else {
        return Ok(Added::Blank);
    };
    let own_key = columns.key.map(|at| field(text, fields, at).trim()).filter(|key| !key.is_empty());
    let address_key = address.key(digest_key);
    repeats.note(address_key);
    let line = i64::try_from(record.line).unwrap_or(i64::MAX);
    blanks.note(line, text, fields);
    let chunk = copy.push(&Recipient {
        line,
        address: address.envelope(),
        address_key,
        own_key,
        fields,
        address_field: (field(text, fields, columns.address) == address.envelope())
            .then_some(columns.address),
    });
    Ok(Added::Row(chunk))
}

/// The row as text, if each of its fields is.
pub fn valid_text(fields: Fields<'_>) -> Option<&str> {
    let text = str::from_utf8(fields.bytes).ok()?;
    // Two halves of a character in two fields would pass as one.
    fields.ends.iter().all(|end| text.is_char_boundary(*end)).then_some(text)
}

/// Where a field begins.
pub fn begin(ends: &[usize], at: usize) -> usize {
    if at == 0 { 0 } else { ends[at - 1] }
}

/// A notice that names the limit.
pub fn too_long(code: Code, max: usize) -> Notice {
    Notice::new(code).with("max", max)
}

fn field<'r>(text: &'r str, fields: Fields<'_>, at: usize) -> &'r str {
    &text[begin(fields.ends, at)..fields.ends[at]]
}
