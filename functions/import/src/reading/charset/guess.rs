//! Which charset bytes have, where nobody says.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// No table has fewer characters: one address and the name of its column.
const ZEROS_MIN: usize = 6;
/// So few letters beyond ASCII are those of Western Europe as far as they can be: one name decides for no other charset.
const LETTERS_MIN: usize = 8;
/// A country of Western Europe, as the detector takes it.
const WESTERN: &[u8] = b"fr";

/// UTF-16 without a byte order mark, by its zeros: each second byte of an ASCII character. Tables hold addresses and delimiters, so in some
/// kilobytes there are many, and all on one side.
pub(super) fn utf_16(head: &[u8]) -> Option<&'static Encoding> {
    let (pairs, _) = head.as_chunks::<2>();
    let high = pairs.iter().filter(|pair| pair[0] == 0).count();
    let low = pairs.iter().filter(|pair| pair[1] == 0).count();
    // At least every fourth character, and hardly any zeros of another kind.
    let many =
        |zeros: usize, others: usize| zeros * 4 >= pairs.len() && others * 16 <= zeros && zeros >= ZEROS_MIN;
    if many(low, high) {
        Some(UTF_16LE)
    } else if many(high, low) {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// Of bytes that begin with one beyond ASCII, and what stands in front of them. UTF-8, also with some broken rows in it; otherwise what
/// Mozilla's detector finds, mostly windows-1252 (ISO-8859-1 is a part of it).
pub(super) fn beyond_ascii(context: &[u8], window: &[u8], is_all: bool) -> &'static Encoding {
    let mut evidence = Evidence::default();
    evidence.add(if is_all { window } else { without_half_character(window) });
    if evidence.is_utf_8() {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(context, false);
    detector.feed(window, is_all);
    let letters = window.iter().filter(|byte| !byte.is_ascii()).count();
    detector.guess((letters < LETTERS_MIN).then_some(WESTERN), Utf8Detection::Deny)
}

/// The window may end within a character of UTF-8.
fn without_half_character(window: &[u8]) -> &[u8] {
    let last_lead = window.iter().rposition(|byte| !matches!(byte, 0x80..=0xBF)).unwrap_or(0);
    let tail = &window[last_lead..];
    if tail.len() < 4 && str::from_utf8(tail).is_err() { &window[..last_lead] } else { window }
}

/// What speaks for UTF-8 in a text, and what against it. Hardly anything but UTF-8 looks like it.
#[derive(Default)]
pub(super) struct Evidence {
    characters: u64,
    broken: u64,
}

impl Evidence {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            // Each character beyond ASCII begins with one such byte.
            self.characters += chunk.valid().bytes().filter(|byte| *byte >= 0xC0).count() as u64;
            self.broken += u64::from(!chunk.invalid().is_empty());
        }
    }

    pub(super) fn is_utf_8(&self) -> bool {
        self.characters > 0 && self.characters >= self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_tell_utf_16() {
        let text = "email;Имя\na@b.example;Анна Каренина\n";
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let table: [(&[u8], Option<&str>); 7] = [
            (&le, Some("UTF-16LE")),
            (&be, Some("UTF-16BE")),
            (b"email;name\na@b.example;\0\n", None),
            (b"email\0\0\0\0;name\0\0\0\0\n", None),
            (b"\0", None),
            (b"", None),
            (b"email;name\n", None),
        ];
        for (head, expected) in table {
            assert_eq!(utf_16(head).map(Encoding::name), expected, "{head:?}");
        }
    }

    /// Rows as they stand in a list of customers: few letters of the language among much ASCII.
    fn reread(names: &[&str], encoding: &'static Encoding) -> (String, String) {
        let rows = names.iter().enumerate().map(|(at, name)| format!("p{at}@example.com;{name};10{at}\r\n"));
        let text: String = rows.collect();
        let (bytes, _, lossy) = encoding.encode(&text);
        assert!(!lossy);
        let (context, window) = bytes.split_at(Encoding::ascii_valid_up_to(&bytes));
        let guessed = beyond_ascii(context, window, true);
        (guessed.decode_without_bom_handling(&bytes).0.into_owned(), text)
    }

    #[test]
    fn names_of_customers_tell_their_charset() {
        use encoding_rs as enc;
        let western = ["Jürgen Müller", "Bärbel Groß", "François Lefèvre", "Søren Ångström"];
        let polish = ["Łukasz Wójcik", "Zbigniew Dąbrowski", "Małgorzata Kamińska", "Śląsk", "Żółw"];
        let czech = ["Jiří Dvořák", "Tomáš Černý", "Lucie Veselá", "Zdeněk Šťastný"];
        let russian = ["Анна Каренина", "Фёдор Достоевский", "Иван Тургенев"];
        let greek = ["Γιώργος Παπαδόπουλος", "Μαρία Νικολάου", "Ελένη"];
        let turkish = ["Ayşe Yılmaz", "Çağlar Öztürk", "İbrahim Şahin", "Gülşen"];
        let japanese = ["山田太郎", "鈴木一郎", "さとうはなこ"];
        let table: [(&[&str], &'static Encoding); 12] = [
            (&western, enc::UTF_8),
            (&western, enc::WINDOWS_1252),
            (&polish, enc::WINDOWS_1250),
            (&polish, enc::ISO_8859_2),
            (&czech, enc::WINDOWS_1250),
            (&russian, enc::WINDOWS_1251),
            (&russian, enc::KOI8_U),
            (&russian, enc::ISO_8859_5),
            (&greek, enc::WINDOWS_1253),
            (&greek, enc::ISO_8859_7),
            (&turkish, enc::WINDOWS_1254),
            (&japanese, enc::SHIFT_JIS),
        ];
        for (names, encoding) in table {
            let (read, written) = reread(names, encoding);
            assert_eq!(read, written, "{}", encoding.name());
        }
    }

    #[test]
    fn one_name_is_read_as_western() {
        for name in ["Jürgen", "Müller", "Groß", "François", "José", "Ångström", "Søren", "Niño", "Hélène"]
        {
            let (read, written) = reread(&[name], encoding_rs::WINDOWS_1252);
            assert_eq!(read, written);
        }
    }

    #[test]
    fn broken_rows_do_not_make_another_charset_of_utf_8() {
        let table: [(&[u8], bool, &str); 4] = [
            ("ü".as_bytes(), true, "UTF-8"),
            (b"\xFCber \xC3\xBCber \xC3\xA4", true, "UTF-8"),
            (b"\xC3\xBC \xC3", false, "UTF-8"),
            (b"\xFC \xE4 \xC3\xBC", true, "windows-1252"),
        ];
        for (window, is_all, name) in table {
            assert_eq!(beyond_ascii(b"", window, is_all).name(), name, "{window:?}");
        }
    }
}
