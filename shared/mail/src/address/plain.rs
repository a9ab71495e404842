//! The form that nearly every address has: a dot-atom of ASCII at a host name in lower case. Read in one pass, and never copied.

use super::{ADDRESS_BYTES_MAX, LOCAL_PART_BYTES_MAX, domain::LABEL_BYTES_MAX};

const ATEXT: u8 = 1;
const LETTER: u8 = 2;
const DIGIT: u8 = 4;
const HYPHEN: u8 = 8;

/// What a byte may be; capitals are none of a host name's letters here.
static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        classes[byte as usize] = match byte {
            b'a'..=b'z' => ATEXT | LETTER,
            b'0'..=b'9' => ATEXT | DIGIT,
            b'-' => ATEXT | HYPHEN,
            b'A'..=b'Z'
            | b'!'
            | b'#'..=b'\''
            | b'*'
            | b'+'
            | b'/'
            | b'='
            | b'?'
            | b'^'..=b'`'
            | b'{'..=b'~' => ATEXT,
            _ => 0,
        };
        byte += 1;
    }
    classes
}

/// RFC 5322, 3.2.3.
pub(crate) fn is_atext(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & ATEXT != 0
}

/// Where the `@` stands in a whole address of this form that is not too long; `None` where only a closer look can tell.
pub(super) fn plain_at(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes.len() > ADDRESS_BYTES_MAX {
        return None;
    }
    let mut begins = true;
    for (at, &byte) in bytes.iter().enumerate() {
        if is_atext(byte) {
            begins = false;
        } else if begins {
            return None;
        } else if byte == b'.' {
            begins = true;
        } else {
            let fits = byte == b'@' && at <= LOCAL_PART_BYTES_MAX;
            return (fits && is_plain_domain(&bytes[at + 1..])).then_some(at);
        }
    }
    None
}

/// Whether it is a host name of two labels or more, in lower case, none of them an A-label (which has rules of its own).
pub(super) fn is_plain_domain(domain: &[u8]) -> bool {
    let mut label = 0;
    let mut only_digits = true;
    for (at, &byte) in domain.iter().enumerate() {
        let class = CLASSES[usize::from(byte)];
        if class & (LETTER | DIGIT) != 0 {
            only_digits &= class & DIGIT != 0;
        } else if class & HYPHEN != 0 && at > label {
            only_digits = false;
        } else if byte == b'.' && is_plain_label(&domain[label..at]) {
            (label, only_digits) = (at + 1, true);
        } else {
            return false;
        }
    }
    label > 0 && !only_digits && is_plain_label(&domain[label..])
}

fn is_plain_label(label: &[u8]) -> bool {
    matches!(label.len(), 1..=LABEL_BYTES_MAX) && !label.ends_with(b"-") && !label.starts_with(b"xn--")
}
