//! What must come of a table of text, by the `csv` crate and the rules that customers read, one record at a time and all of it in memory.

use std::collections::HashSet;

use csv::{ByteRecord, ReaderBuilder};
use encoding_rs::{DecoderResult, Encoding, UTF_8};

use crate::{
    Address, AddressKey, DigestKey,
    reading::{columns::Columns, records::COLUMNS_MAX},
};

/// What becomes of one record.
#[derive(Debug, PartialEq, Eq)]
pub enum Expected {
    Row { line: i64, address: String, address_key: AddressKey, key: Option<String>, fields: Vec<String> },
    Rejected { line: u64, column: String, code: &'static str },
    Blank,
}

/// The text as UTF-8 without its mark; what cannot be decoded stays or becomes what is no UTF-8.
pub fn decoded(bytes: &[u8], charset: &'static Encoding) -> Vec<u8> {
    let begin = Encoding::for_bom(bytes).map_or(0, |(_, length)| length);
    let mut rest = &bytes[begin..];
    if charset == UTF_8 {
        return rest.to_vec();
    }
    let mut decoder = charset.new_decoder_without_bom_handling();
    let mut text = Vec::new();
    let mut out = vec![0; decoder.max_utf8_buffer_length_without_replacement(rest.len()).unwrap()];
    loop {
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(rest, &mut out, true);
        rest = &rest[read..];
        text.extend_from_slice(&out[..written]);
        match result {
            DecoderResult::InputEmpty => return text,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => text.push(0xFF),
        }
    }
}

/// The length of a first line `sep=`, with what it names.
pub fn separator(text: &[u8]) -> Option<(usize, Option<u8>)> {
    let length = text.iter().position(|byte| b"\r\n".contains(byte)).unwrap_or(text.len());
    let line = &text[..length];
    let quoted = line.len() >= 2 && line.starts_with(b"\"") && line.ends_with(b"\"");
    let line = if quoted { &line[1..line.len() - 1] } else { line };
    if line.len() < 4 || line.len() > 5 || line[..4].to_ascii_lowercase() != b"sep=" {
        return None;
    }
    Some((length, line.get(4).copied()))
}

/// All records with the lines on which they begin. The reader is given no empty lines in front: it looks for a mark at its very beginning.
pub fn records(text: &[u8], delimiter: u8) -> Vec<(u64, ByteRecord)> {
    let separator = separator(text).map_or(0, |(length, _)| length);
    let begin = behind_line_breaks(text, separator);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(&text[begin..]);
    let mut records = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for record in reader.byte_records() {
        let record = record.unwrap();
        let offset = usize::try_from(record.position().unwrap().byte()).unwrap();
        let at = behind_line_breaks(text, begin + offset);
        line += line_breaks(&text[..at], counted);
        counted = at;
        records.push((line, record));
    }
    records
}

fn behind_line_breaks(text: &[u8], from: usize) -> usize {
    from + text[from..].iter().take_while(|byte| b"\r\n".contains(byte)).count()
}

/// CR LF, CR and LF, those that end behind `from`.
fn line_breaks(text: &[u8], from: usize) -> u64 {
    let mut count = 0;
    for at in from..text.len() {
        let ends = match text[at] {
            b'\n' => true,
            b'\r' => text.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        count += u64::from(ends);
    }
    count
}

/// Whether a text of so many records ends within quotation marks: then another line does not make another record.
pub fn ends_quoted(text: &[u8], delimiter: u8, count: usize) -> bool {
    let longer = [text, b"\n@\n"].concat();
    records(&longer, delimiter).len() == count
}

/// What becomes of one record.
pub fn judged(line: u64, record: &ByteRecord, columns: &Columns, digest_key: &DigestKey) -> Expected {
    let rejected = |column: Option<usize>, code: fault::Code| Expected::Rejected {
        line,
        column: column.map_or(String::new(), |at| columns.names[at].clone()),
        code: code.slug(),
    };
    let is_blank = |field: &[u8]| field.iter().all(u8::is_ascii_whitespace);
    let expected = columns.names.len();
    let mut fields: Vec<&[u8]> = record.iter().collect();
    if fields.len() > COLUMNS_MAX {
        return rejected(None, fault::Code::RowRagged);
    }
    if fields.iter().all(|field| is_blank(field)) {
        return Expected::Blank;
    }
    let surplus_is_blank = fields.iter().skip(expected).all(|field| is_blank(field));
    if fields.len() < columns.needed || !surplus_is_blank {
        return rejected(None, fault::Code::RowRagged);
    }
    fields.resize(expected, b"");
    let mut texts = Vec::new();
    for field in &fields {
        let Ok(text) = String::from_utf8(field.to_vec()) else {
            return rejected(None, fault::Code::RowEncoding);
        };
        texts.push(text);
    }
    if let Some(at) = texts.iter().position(|text| text.contains('\0')) {
        return rejected(Some(at), fault::Code::RowNul);
    }
    let address = match Address::parse(&texts[columns.address]) {
        Ok(address) => address,
        Err(error) => return rejected(Some(columns.address), error.code()),
    };
    let key = columns.key.map(|at| texts[at].trim().to_owned()).filter(|key| !key.is_empty());
    Expected::Row {
        line: i64::try_from(line).unwrap(),
        address: address.envelope().to_owned(),
        address_key: address.key(digest_key),
        key,
        fields: texts.clone(),
    }
}

/// Rows whose address stands in an earlier one.
pub fn repeated(rows: &[Expected]) -> u64 {
    let mut seen = HashSet::new();
    let again = rows.iter().filter(|row| match row {
        Expected::Row { address, .. } => !seen.insert(Address::parse(address).unwrap().normalised()),
        _ => false,
    });
    again.count() as u64
}
