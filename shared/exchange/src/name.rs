//! Names: the free one beside a taken one, and keys as header values.

/// Endings that wrap a file: the number goes before the ending that they wrap.
const WRAPPERS: [&str; 5] = [".pgp", ".gpg", ".asc", ".ctl", ".zst"];

/// The `number`th name beside a taken one; 0 is the name itself. `a/x.csv.pgp` -> `a/x.1.csv.pgp`.
pub(crate) fn numbered(name: &str, number: u32) -> String {
    if number == 0 {
        return name.to_owned();
    }
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let mut end = name.len();
    while let Some(wrapper) = WRAPPERS.iter().find(|wrapper| name[start..end].ends_with(**wrapper)) {
        end -= wrapper.len();
    }
    // A dot at the very start makes a hidden file, not an ending.
    let at = name[start..end].rfind('.').filter(|dot| *dot > 0).map_or(end, |dot| start + dot);
    format!("{}.{number}{}", &name[..at], &name[at..])
}

/// `bucket/key` for the header `x-amz-copy-source`, percent-encoded (RFC 3986) but for the slashes.
pub(crate) fn copy_source(bucket: &str, key: &str) -> String {
    use std::fmt::Write;
    let mut encoded = format!("{bucket}/");
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_goes_before_the_ending() {
        for (name, expected) in [
            ("x.csv", "x.1.csv"),
            ("x.csv.pgp", "x.1.csv.pgp"),
            ("a.b/x.csv.pgp.ctl", "a.b/x.1.csv.pgp.ctl"),
            ("a.b/x", "a.b/x.1"),
            (".hidden", ".hidden.1"),
            (".pgp", ".1.pgp"),
            ("x.pgp", "x.1.pgp"),
            ("ü.csv", "ü.1.csv"),
        ] {
            assert_eq!(numbered(name, 1), expected);
        }
        assert_eq!(numbered("x.csv", 0), "x.csv");
    }

    #[test]
    fn a_copy_source_is_ascii() {
        assert_eq!(copy_source("b", "Incoming/a ü+%.csv"), "b/Incoming/a%20%C3%BC%2B%25.csv");
    }
}
