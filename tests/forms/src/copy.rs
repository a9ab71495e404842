//! Postgres' binary COPY format, read back (documentation of COPY, "Binary Format").

/// One row of a recipients table. The fields are still packed.
#[derive(Debug, PartialEq, Eq)]
pub struct Copied<'c> {
    pub line: i64,
    pub address: &'c str,
    pub address_key: &'c [u8],
    pub own_key: Option<&'c str>,
    pub fields: &'c [u8],
}

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
const COLUMNS: i16 = 5;
const END: i16 = -1;

/// All rows of a whole copy; panics where Postgres would refuse it.
pub fn rows(copied: &[u8]) -> Vec<Copied<'_>> {
    let mut rest = copied.strip_prefix(SIGNATURE).expect("the signature");
    assert_eq!(take::<8>(&mut rest), [0; 8], "flags, and a header extension");
    let mut rows = Vec::new();
    loop {
        let columns = i16::from_be_bytes(take(&mut rest));
        if columns == END {
            assert!(rest.is_empty(), "something follows the end");
            return rows;
        }
        assert_eq!(columns, COLUMNS, "columns of a row");
        let mut value = || optional(&mut rest);
        let line = value().expect("a line");
        let address = value().expect("an address");
        let address_key = value().expect("a digest");
        let own_key = value();
        let fields = value().expect("fields");
        rows.push(Copied {
            line: i64::from_be_bytes(line.try_into().expect("eight bytes")),
            address: text(address),
            address_key,
            own_key: own_key.map(text),
            fields,
        });
    }
}

fn optional<'c>(rest: &mut &'c [u8]) -> Option<&'c [u8]> {
    let length = i32::from_be_bytes(take(rest));
    if length == -1 {
        return None;
    }
    let (value, behind) = rest.split_at(usize::try_from(length).expect("a length"));
    *rest = behind;
    Some(value)
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (head, behind) = rest.split_first_chunk().expect("the copy ends early");
    *rest = behind;
    *head
}

/// Postgres takes no NUL in a text.
fn text(bytes: &[u8]) -> &str {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    assert!(!text.contains('\0'), "a NUL in a text");
    text
}
