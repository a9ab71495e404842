//! Text in any charset -> UTF-8.
//!
//! UTF-8 passes through unread and is checked row by row. What cannot be decoded becomes a byte that is never valid in UTF-8, so that
//! the very same check finds the row.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

/// Stands for what could not be decoded.
const UNDECODABLE: u8 = 0xFF;
/// The longest byte order mark.
const MARK_BYTES_MAX: usize = 3;
/// One read of the source.
const BUFFER_BYTES: usize = 64 << 10;

/// Reads a source as UTF-8. A byte order mark wins over the given charset and is dropped; UTF-8 without either.
pub struct Text<R> {
    source: R,
    encoding: &'static Encoding,
    /// Read to find the mark, and not part of it.
    head: Vec<u8>,
    decoding: Option<Decoding>,
}

struct Decoding {
    decoder: Decoder,
    input: Box<[u8]>,
    start: usize,
    end: usize,
    source_ended: bool,
    finished: bool,
}

impl<R: Read> Text<R> {
    /// Reads as far as the mark.
    pub fn new(mut source: R, charset: Option<&'static Encoding>) -> io::Result<Self> {
        let mut head = Vec::with_capacity(MARK_BYTES_MAX);
        source.by_ref().take(MARK_BYTES_MAX as u64).read_to_end(&mut head)?;
        let encoding = match Encoding::for_bom(&head) {
            Some((encoding, length)) => {
                head.drain(..length);
                encoding
            }
            None => charset.unwrap_or(UTF_8),
        };
        let decoding = (encoding != UTF_8).then(|| Decoding {
            decoder: encoding.new_decoder_without_bom_handling(),
            input: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            source_ended: false,
            finished: false,
        });
        Ok(Self { source, encoding, head, decoding })
    }

    /// What it turned out to be.
    pub fn encoding(&self) -> &'static Encoding {
        self.encoding
    }
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(decoding) = &mut self.decoding else {
            if self.head.is_empty() {
                return self.source.read(out);
            }
            let count = self.head.len().min(out.len());
            out[..count].copy_from_slice(&self.head[..count]);
            self.head.drain(..count);
            return Ok(count);
        };
        while !decoding.finished {
            if decoding.start == decoding.end && !decoding.source_ended {
                decoding.fill(&mut self.head, &mut self.source)?;
            }
            let written = decoding.step(out)?;
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

impl Decoding {
    fn fill(&mut self, head: &mut Vec<u8>, source: &mut impl Read) -> io::Result<()> {
        self.start = 0;
        if head.is_empty() {
            self.end = source.read(&mut self.input)?;
        } else {
            self.end = head.len();
            self.input[..self.end].copy_from_slice(head);
            head.clear();
        }
        self.source_ended = self.end == 0;
        Ok(())
    }

    fn step(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let input = &self.input[self.start..self.end];
        // The decoder wants room for one character and what stands for a bad one.
        let Some(room) = out.len().checked_sub(1).filter(|room| *room >= 4) else {
            return Err(io::Error::other("a read buffer too small for a character"));
        };
        let (result, read, written) =
            self.decoder.decode_to_utf8_without_replacement(input, &mut out[..room], self.source_ended);
        self.start += read;
        match result {
            DecoderResult::Malformed(..) => {
                out[written] = UNDECODABLE;
                return Ok(written + 1);
            }
            DecoderResult::InputEmpty => self.finished = self.source_ended,
            DecoderResult::OutputFull => {}
        }
        Ok(written)
    }
}

/// The charset of a label, where a file may have it (RFC 9110's `charset`, WHATWG's labels).
pub fn charset(label: &str) -> Option<&'static Encoding> {
    // `replacement` decodes nothing; it is what WHATWG made of charsets that browsers must not decode.
    Encoding::for_label_no_replacement(label.trim().as_bytes())
}

#[cfg(test)]
mod tests {
    use encoding_rs::{UTF_16LE, WINDOWS_1252};

    use super::*;

    fn decode(bytes: &[u8], charset: Option<&'static Encoding>) -> (Vec<u8>, &'static str) {
        let mut text = Text::new(bytes, charset).unwrap();
        let mut decoded = Vec::new();
        let mut out = [0; 7];
        loop {
            let count = text.read(&mut out).unwrap();
            if count == 0 {
                return (decoded, text.encoding().name());
            }
            decoded.extend(&out[..count]);
        }
    }

    /// Bytes, the given charset, the text, what it turned out to be.
    type Case<'a> = (&'a [u8], Option<&'static Encoding>, &'a [u8], &'a str);

    #[test]
    fn text_becomes_utf_8() {
        let utf_16: Vec<u8> = "grün€".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked = [b"\xFF\xFE".as_slice(), &utf_16].concat();
        let table: [Case<'_>; 9] = [
            (b"gr\xC3\xBCn", None, "grün".as_bytes(), "UTF-8"),
            (b"\xEF\xBB\xBFgr\xC3\xBCn", None, "grün".as_bytes(), "UTF-8"),
            (b"\xEF\xBB\xBFgr\xC3\xBCn", Some(WINDOWS_1252), "grün".as_bytes(), "UTF-8"),
            (b"gr\xFCn \x80", Some(WINDOWS_1252), "grün €".as_bytes(), "windows-1252"),
            (&utf_16, Some(UTF_16LE), "grün€".as_bytes(), "UTF-16LE"),
            (&marked, None, "grün€".as_bytes(), "UTF-16LE"),
            (b"gr\xFCn", None, b"gr\xFCn", "UTF-8"),
            (b"a", Some(WINDOWS_1252), b"a", "windows-1252"),
            (b"", None, b"", "UTF-8"),
        ];
        for (bytes, charset, expected, name) in table {
            assert_eq!(decode(bytes, charset), (expected.to_vec(), name), "{bytes:?}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_no_utf_8() {
        let half_a_character = [b'a', 0, 0x00, 0xD8, b'b', 0];
        let (text, _) = decode(&half_a_character, Some(UTF_16LE));
        assert!(std::str::from_utf8(&text).is_err());
        assert_eq!((text.first(), text.last()), (Some(&b'a'), Some(&b'b')));
        let (cut, _) = decode(&[b'a', 0, b'b'], Some(UTF_16LE));
        assert_eq!(cut, [b'a', UNDECODABLE]);
    }

    #[test]
    fn labels_are_those_of_the_web() {
        assert_eq!(charset("Latin1").map(Encoding::name), Some("windows-1252"));
        assert_eq!(charset(" utf-8 ").map(Encoding::name), Some("UTF-8"));
        assert!(charset("klingon").is_none());
        assert!(charset("iso-2022-kr").is_none());
    }
}
