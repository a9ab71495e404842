//! Rows -> Postgres' binary COPY format, in the column order of [`store::recipients::COLUMNS`].

use bytes::Bytes;
use mail::AddressKey;
use store::{BinaryRows, fields};

use super::records::Fields;

const COLUMN_COUNT: i16 = 5;

/// One row of a recipients table.
pub struct Recipient<'r> {
    /// Physical line.
    pub line: i64,
    /// As it goes into the envelope.
    pub address: &'r str,
    /// What stands for the address elsewhere.
    pub address_key: AddressKey,
    /// The customer's own key, `recipient_key`.
    pub own_key: Option<&'r str>,
    /// All columns. Valid UTF-8 each, without NUL.
    pub fields: Fields<'r>,
    /// Which of them is byte for byte the address, if one is.
    pub address_field: Option<usize>,
}

/// Collects rows into chunks.
#[derive(Default)]
pub struct CopyRows(BinaryRows);

impl CopyRows {
    /// Adds a row; gives a chunk of the rows before when one is full. Values are far below 2 GiB: [`super::records::ROW_BYTES_MAX`] bounds a row.
    pub fn push(&mut self, row: &Recipient<'_>) -> Option<Bytes> {
        let rows = &mut self.0;
        let full = rows.begin(COLUMN_COUNT);
        rows.value(&row.line.to_be_bytes());
        rows.value(row.address.as_bytes());
        rows.value(&row.address_key.0);
        rows.optional(row.own_key.map(str::as_bytes));
        rows.written(|chunk| fields::encode(chunk, row.fields.bytes, row.fields.ends, row.address_field));
        full
    }

    /// The last chunk, with the format's trailer.
    pub fn finish(self) -> Bytes {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_encoded_as_postgres_documents_it() {
        let mut rows = CopyRows::default();
        let fields = Fields { bytes: b"a@b.deK7", ends: &[6, 6, 8] };
        let row = Recipient {
            line: 258,
            address: "a@b.de",
            address_key: AddressKey([0xAB; 16]),
            own_key: Some("K7"),
            fields,
            address_field: Some(0),
        };
        assert!(rows.push(&row).is_none());
        assert!(rows.push(&Recipient { own_key: None, address_field: None, ..row }).is_none());
        let bytes = rows.finish();
        let begin: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\
            \0\x05\0\0\0\x08\0\0\0\0\0\0\x01\x02\0\0\0\x06a@b.de\
            \0\0\0\x10\xAB\xAB\xAB\xAB\xAB\xAB\xAB\xAB\xAB\xAB\xAB\xAB\xAB\xAB\xAB\xAB";
        let referring = b"\0\0\0\x06\x03\0\x01\x03K7";
        let whole = b"\0\0\0\x0C\x03\x07\x01\x03a@b.deK7";
        let expected: [&[u8]; 7] =
            [begin, b"\0\0\0\x02K7", referring, &begin[19..], b"\xff\xff\xff\xff", whole, b"\xff\xff"];
        let expected = expected.concat();
        assert_eq!(&bytes[..], &expected[..]);
    }
}
