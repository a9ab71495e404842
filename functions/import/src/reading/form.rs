//! What a file is, by its first bytes. Names lie.

use std::io::{self, Cursor, Read};

use fault::{Code, Notice, Phrase};

/// How many of a file's first bytes are looked at: a tar archive says so at 257.
const PEEK_BYTES: usize = 512;
const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";
const GZIP: &[u8] = b"\x1F\x8B\x08";
/// A zip's first entry, or the end of one without entries.
const ZIP: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Nothing that is known: it must be the table itself.
    Text,
    /// An OpenPGP message.
    Encrypted,
    /// RFC 1952.
    Gzip,
    /// PKWARE's APPNOTE.
    Zip,
    /// What customers take for a table and is none: what they read.
    Foreign(Notice),
}

/// Where something begins with what, and what it is then.
type Signs = [(usize, &'static [u8], Phrase)];

const PACKED: &Signs = &[
    (257, b"ustar", Phrase::Tar),
    (0, b"7z\xBC\xAF\x27\x1C", Phrase::SevenZip),
    (0, b"Rar!\x1A\x07", Phrase::Rar),
    (0, b"\xFD7zXZ\0", Phrase::Xz),
    (0, b"\x28\xB5\x2F\xFD", Phrase::Zstandard),
    (4, b"1AY&SY", Phrase::Bzip2),
    (0, b"\x04\x22\x4D\x18", Phrase::Lz4),
    (0, b"LZIP\x01", Phrase::Lzip),
    (0, b"MSCF\0\0\0\0", Phrase::Cabinet),
];

const DOCUMENTS: &Signs = &[
    (0, b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", Phrase::ExcelOld),
    (0, b"%PDF-", Phrase::Pdf),
    (0, b"{\\rtf", Phrase::Rtf),
    (0, b"PAR1", Phrase::Parquet),
    (0, b"SQLite format 3\0", Phrase::Sqlite),
    (0, b"\x89PNG\r\n\x1A\n", Phrase::Picture),
    (0, b"\xFF\xD8\xFF", Phrase::Picture),
    (0, b"\xFF\xFE\0\0", Phrase::Utf32),
    (0, b"\0\0\xFE\xFF", Phrase::Utf32),
    (0, b"-----BEGIN PGP PUBLIC KEY BLOCK-----", Phrase::PgpKeyFile),
    (0, b"-----BEGIN PGP SIGNED MESSAGE-----", Phrase::PgpSignedText),
];

/// In any case, after white space.
const MARKUP: [(&[u8], Phrase); 4] = [
    (b"<!doctype html", Phrase::WebPage),
    (b"<html", Phrase::WebPage),
    (b"<table", Phrase::WebPage),
    (b"<?xml", Phrase::Xml),
];

/// Looks at the first bytes, and gives the reader back with them.
pub fn look<R: Read>(mut reader: R) -> io::Result<(Form, impl Read + use<R>)> {
    let mut head = Vec::with_capacity(PEEK_BYTES);
    reader.by_ref().take(PEEK_BYTES as u64).read_to_end(&mut head)?;
    Ok((form(&head), Cursor::new(head).chain(reader)))
}

fn form(head: &[u8]) -> Form {
    if openpgp::looks_encrypted(&head[..head.len().min(openpgp::PEEK_BYTES)]) {
        return Form::Encrypted;
    }
    if head.starts_with(GZIP) {
        return Form::Gzip;
    }
    if ZIP.iter().any(|sign| head.starts_with(sign)) {
        return Form::Zip;
    }
    let known = |signs: &Signs| {
        let found =
            signs.iter().find(|(at, sign, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(sign)));
        found.map(|(_, _, what)| *what)
    };
    if let Some(what) = known(PACKED) {
        return Form::Foreign(Notice::new(Code::FilePacking).with("form", what));
    }
    known(DOCUMENTS).or_else(|| markup(head)).map_or(Form::Text, |what| Form::Foreign(document(what)))
}

/// The words for a document that is no table.
pub fn document(what: Phrase) -> Notice {
    Notice::new(Code::FileForm).with("form", what)
}

fn markup(head: &[u8]) -> Option<Phrase> {
    let text = head.strip_prefix(UTF8_BOM).unwrap_or(head).trim_ascii_start();
    let begins = |sign: &[u8]| text.get(..sign.len()).is_some_and(|start| start.eq_ignore_ascii_case(sign));
    MARKUP.iter().find(|(sign, _)| begins(sign)).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_what_a_file_is() {
        let tar = [vec![b'x'; 257], b"ustar\x0000".to_vec()].concat();
        let foreign = |code: Code, what: &str| Form::Foreign(Notice::new(code).with("form", what));
        let table: &[(&[u8], Form)] = &[
            (b"", Form::Text),
            (b"email;name\n", Form::Text),
            (b"PK;name\n", Form::Text),
            (b"\xEF\xBB\xBFemail", Form::Text),
            (b"\xFF\xFEe\0m\0", Form::Text),
            (b"-----BEGIN PGP MESSAGE-----\n\n", Form::Encrypted),
            (b"\x85\x01\x0C\x03abcdefgh", Form::Encrypted),
            (b"\x1F\x8B\x08\x00\x00", Form::Gzip),
            (b"PK\x03\x04\x14\x00", Form::Zip),
            (b"PK\x05\x06\0\0", Form::Zip),
            (&tar, foreign(Code::FilePacking, "a tar archive")),
            (b"BZh91AY&SY\x01", foreign(Code::FilePacking, "bzip2")),
            (b"%PDF-1.7\n", foreign(Code::FileForm, "a PDF document")),
            (b"\xFF\xFE\0\0e\0\0\0", foreign(Code::FileForm, "text in UTF-32")),
            (b"\xEF\xBB\xBF\r\n<!DOCTYPE HTML>", foreign(Code::FileForm, "a web page")),
            (b"<?xml version", foreign(Code::FileForm, "an XML document")),
        ];
        for (head, expected) in table {
            let (found, mut reader) = look(*head).unwrap();
            assert_eq!(&found, expected, "{head:?}");
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            assert_eq!(&all, head);
        }
    }
}
