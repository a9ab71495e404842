//! Forms that are too large to be committed, or that are encrypted to a key of one run.

use std::io::Write;

use flate2::{Compression, Crc, write::GzEncoder};
use serde_json::json;

use crate::Form;

/// The longest field and row of functions/gateway/README.md, "What a CSV may look like".
const FIELD_BYTES_MAX: usize = 1 << 20;
const ROW_BYTES_MAX: usize = 4 << 20;
const COLUMNS_MAX: usize = 1_000;
/// From where on the share of what is packed counts.
const EXPANSION_GRACE_BYTES: usize = 16 << 20;
/// More than what a charset is guessed from.
const FAR_BYTES: usize = 600 << 10;

const TEXT: &[u8] = b"email,name\r\nanna@example.com,Anna\r\ncarl@example.com,Carl\r\n";

pub(crate) fn forms(encrypt: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<Form> {
    let mut forms = limits();
    forms.extend(columns());
    forms.extend(charsets());
    forms.extend(packed());
    forms.extend(encrypted(encrypt));
    forms
}

fn half_may_be_bad(form: Form) -> Form {
    form.overriding(json!({"bad_rows_max_percent": 50}))
}

fn limits() -> Vec<Form> {
    let field = |letter: &str, count: usize| {
        let long = letter.repeat(count);
        format!("email,note,name\nanna@example.com,{long},Anna\ncarl@example.com,,Carl\n")
    };
    let quoted = |count: usize| {
        let long = "\"\"\r\n".repeat(count / 3);
        format!("email,note\nanna@example.com,\"{long}x\"\nnobody,\ncarl@example.com,Carl\n")
    };
    // Fields of which none is too long, and nothing else in the row.
    let row = |bytes: usize| {
        let address = "anna@example.com";
        let quarter = "x".repeat((bytes - address.len()) / 4);
        let rest = "x".repeat(bytes - address.len() - 3 * quarter.len());
        format!("email,a,b,c,d\n{address},{quarter},{quarter},{quarter},{rest}\ncarl@example.com,,,,\n")
    };
    let form = |name: &str, text: String| half_may_be_bad(Form::new(name, ".csv", text.into_bytes()));
    let umlauts = field("ü", FIELD_BYTES_MAX / 2 + 1);
    let latin: Vec<u8> = umlauts.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    vec![
        form("limits/field-of-1-mib", field("x", FIELD_BYTES_MAX)),
        form("limits/field-of-1-mib-and-1", field("x", FIELD_BYTES_MAX + 1)),
        form("limits/field-of-1-mib-in-letters", field("ü", FIELD_BYTES_MAX / 2)),
        // Half a megabyte as it was uploaded.
        Form::new("limits/field-of-1-mib-and-2-once-it-is-utf-8", ".csv", latin)
            .overriding(json!({"bad_rows_max_percent": 50, "charset": "windows-1252"})),
        form("limits/field-of-1-mib-quoted", quoted(FIELD_BYTES_MAX)),
        form("limits/row-of-4-mib", row(ROW_BYTES_MAX)),
        form("limits/row-of-4-mib-and-1", row(ROW_BYTES_MAX + 1)),
        form(
            "limits/header-of-4-mib-and-1",
            format!("email,{}\nanna@example.com,\n", "x".repeat(ROW_BYTES_MAX - 4)),
        ),
        form(
            "limits/quote-never-closed-over-5-mib",
            format!("email,note\nanna@example.com,\"{}\n", "x,\n".repeat(5 << 20)),
        ),
    ]
}

fn columns() -> Vec<Form> {
    let header = |count: usize| -> String {
        let names = (2..=count).map(|number| format!(",c{number}"));
        std::iter::once("email".to_owned()).chain(names).collect()
    };
    let row = |count: usize| format!("anna@example.com{}", ",1".repeat(count - 1));
    let blank = |count: usize| format!("carl@example.com{}", ",".repeat(count - 1));
    let form = |name: &str, text: String| half_may_be_bad(Form::new(name, ".csv", text.into_bytes()));
    vec![
        form(
            "columns/1000",
            format!("{}\n{}\n{}\n", header(COLUMNS_MAX), row(COLUMNS_MAX), blank(COLUMNS_MAX)),
        ),
        form("columns/1001", format!("{}\n{}\n", header(COLUMNS_MAX + 1), row(COLUMNS_MAX + 1))),
        form(
            "columns/1000-and-rows-of-1001",
            format!(
                "{}\n{}\n{}\n{}\n",
                header(COLUMNS_MAX),
                row(COLUMNS_MAX),
                blank(COLUMNS_MAX),
                row(COLUMNS_MAX + 1)
            ),
        ),
    ]
}

fn charsets() -> Vec<Form> {
    // One broken row in front, and all others far behind it.
    let mut unclear = b"email,name\nanna@example.com,M\xFCller\n".to_vec();
    let far = "carl@example.com,Carl\n";
    unclear.extend(far.repeat(FAR_BYTES / far.len()).bytes());
    unclear.extend("dora@example.com,Jörg\n".repeat(3).bytes());
    vec![Form::new("charset/unclear", ".csv", unclear)]
}

fn packed() -> Vec<Form> {
    let bomb = vec![b'a'; 4 * EXPANSION_GRACE_BYTES];
    // A thousandth of its text, and that is short.
    let long = format!("email,note\nanna@example.com,{}\n", "x".repeat(FIELD_BYTES_MAX));
    vec![
        Form::new("packed/gzip-bomb", ".csv.gz", gzip(&bomb)),
        Form::new("packed/gzip-of-much-alike", ".csv.gz", gzip(long.as_bytes())),
    ]
}

fn encrypted(encrypt: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<Form> {
    let demanded = json!({"pgp_required": true});
    let message = encrypt(TEXT);
    let cut = &message[..message.len() - 3];
    let mut damaged = gzip(TEXT);
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    vec![
        Form::new("encrypted/pgp", ".csv.pgp", message.clone()).overriding(demanded.clone()),
        Form::new("encrypted/pgp-cut", ".csv.pgp", cut.to_vec()),
        Form::new("encrypted/pgp-in-gzip", ".csv.pgp.gz", gzip(&message)).overriding(demanded.clone()),
        Form::new("encrypted/pgp-in-zip", ".zip", zip("list.csv.pgp", &message)).overriding(demanded.clone()),
        Form::new("encrypted/pgp-in-pgp", ".csv.pgp.pgp", encrypt(&message)),
        Form::new("encrypted/gzip-in-pgp", ".csv.gz.pgp", encrypt(&gzip(TEXT))).overriding(demanded.clone()),
        Form::new("encrypted/gzip-damaged-in-pgp", ".csv.gz.pgp", encrypt(&damaged)),
        Form::new("encrypted/zip-in-pgp", ".zip.pgp", encrypt(&zip("list.csv", TEXT))).overriding(demanded),
        Form::new("encrypted/bad-rows-in-pgp", ".csv.pgp", encrypt(b"email\nanna@example.com\nnobody\n"))
            .overriding(json!({"bad_rows_max_percent": 50})),
    ]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// An archive of one stored entry (APPNOTE 4.3.7, 4.3.12, 4.3.16).
fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(content);
    let size = u32::try_from(content.len()).unwrap();
    let name_length = u16::try_from(name.len()).unwrap();
    // Version, flags, method, time, date; checksum, sizes; lengths of the name and of extra fields.
    let mut entry: Vec<u8> = [10_u16, 0, 0, 0, 0x5D78].into_iter().flat_map(u16::to_le_bytes).collect();
    entry.extend([crc.sum(), size, size].into_iter().flat_map(u32::to_le_bytes));
    entry.extend([name_length, 0].into_iter().flat_map(u16::to_le_bytes));

    let mut archive = [b"PK\x03\x04", &entry[..], name.as_bytes(), content].concat();
    let directory_at = u32::try_from(archive.len()).unwrap();
    archive.extend([b"PK\x01\x02\x0A\0", &entry[..], &[0; 14], name.as_bytes()].concat());
    let directory_size = u32::try_from(archive.len()).unwrap() - directory_at;
    archive.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    archive.extend([directory_size, directory_at].into_iter().flat_map(u32::to_le_bytes));
    archive.extend([0, 0]);
    archive
}
