//! Text in any charset -> UTF-8.
//!
//! UTF-8 passes through unread and is checked row by row. What cannot be decoded becomes a byte that is never valid in UTF-8, so that
//! the very same check finds the row.
//!
//! Where nobody names the charset, it is decided at the first byte beyond ASCII, by what follows it: the first umlaut may be gigabytes
//! away from the beginning, and until it every charset that is looked for is the same.

mod guess;

use std::{
    cell::Cell,
    io::{self, Read},
};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};
use guess::Evidence;

/// Stands for what could not be decoded.
const UNDECODABLE: u8 = 0xFF;
/// Read before anything else: the byte order mark, and enough to see UTF-16 without one.
const HEAD_BYTES: usize = 4 << 10;
/// What the charset is guessed from: some thousands of rows behind the first byte beyond ASCII.
const WINDOW_BYTES: usize = 256 << 10;
/// What stands in front of that byte and belongs to the guess: a word has its letters on both sides.
const CONTEXT_BYTES: usize = 32;
/// One read of what is decoded.
const BUFFER_BYTES: usize = 64 << 10;

/// Reads a source as UTF-8. A byte order mark wins over the given charset and is dropped; without both the charset is detected.
pub struct Text<'c, R> {
    source: R,
    /// Read from the source and not given away.
    held: Held,
    /// The end of what was given away.
    context: Vec<u8>,
    state: State,
    found: &'c Cell<&'static Encoding>,
}

/// Bytes with those in front gone.
struct Held {
    bytes: Vec<u8>,
    start: usize,
}

enum State {
    /// Nothing but ASCII so far, and no charset given.
    Undecided,
    Utf8,
    Decoding(Box<Decoding>),
}

struct Decoding {
    decoder: Decoder,
    input: Box<[u8]>,
    start: usize,
    end: usize,
    source_ended: bool,
    finished: bool,
    /// Of a charset that was guessed: what the rest of the file says about that.
    evidence: Option<Evidence>,
}

impl<'c, R: Read> Text<'c, R> {
    /// Reads as far as the mark. `found` tells the charset, UTF-8 until something else is found.
    pub fn new(
        mut source: R,
        charset: Option<&'static Encoding>,
        found: &'c Cell<&'static Encoding>,
    ) -> io::Result<Self> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        source.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
        let mark = Encoding::for_bom(&head);
        let encoding = mark.map(|(encoding, _)| encoding).or(charset).or_else(|| guess::utf_16(&head));
        found.set(encoding.unwrap_or(UTF_8));
        let state = match encoding {
            None => State::Undecided,
            Some(encoding) if encoding == UTF_8 => State::Utf8,
            Some(encoding) => State::Decoding(Box::new(Decoding::new(encoding, None))),
        };
        let start = mark.map_or(0, |(_, length)| length);
        Ok(Self { source, held: Held { bytes: head, start }, context: Vec::new(), state, found })
    }

    /// Whether a charset that was guessed turned out not to fit the rest of the file: rows that were read have wrong letters.
    pub fn is_doubtful(&self) -> bool {
        match &self.state {
            State::Decoding(decoding) => decoding.evidence.as_ref().is_some_and(Evidence::is_utf_8),
            State::Undecided | State::Utf8 => false,
        }
    }

    /// Gives ASCII away; decides at what is none.
    fn read_ascii(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        let count = self.held.read(&mut self.source, out)?;
        let ascii = Encoding::ascii_valid_up_to(&out[..count]);
        self.held.put_back(&out[ascii..count]);
        if ascii > 0 || count == 0 {
            self.context.clear();
            self.context.extend_from_slice(&out[ascii.saturating_sub(CONTEXT_BYTES)..ascii]);
            return Ok(Some(ascii));
        }
        let missing = WINDOW_BYTES.saturating_sub(self.held.rest().len());
        let more = self.source.by_ref().take(missing as u64).read_to_end(&mut self.held.bytes)?;
        let encoding = guess::beyond_ascii(&self.context, self.held.rest(), more < missing);
        self.found.set(encoding);
        self.state = if encoding == UTF_8 {
            State::Utf8
        } else {
            State::Decoding(Box::new(Decoding::new(encoding, Some(Evidence::default()))))
        };
        Ok(None)
    }
}

impl<R: Read> Read for Text<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.state {
                State::Utf8 => return self.held.read(&mut self.source, out),
                State::Decoding(decoding) => return decoding.read(&mut self.held, &mut self.source, out),
                State::Undecided => {
                    if let Some(count) = self.read_ascii(out)? {
                        return Ok(count);
                    }
                }
            }
        }
    }
}

impl Held {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// From here first, then from the source.
    fn read(&mut self, source: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
        if self.rest().is_empty() {
            // Some hundred kilobytes that nobody needs again.
            self.bytes = Vec::new();
            self.start = 0;
            return source.read(out);
        }
        let count = self.rest().len().min(out.len());
        out[..count].copy_from_slice(&self.rest()[..count]);
        self.start += count;
        Ok(count)
    }

    fn put_back(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.bytes.splice(..self.start, bytes.iter().copied());
        self.start = 0;
    }
}

impl Decoding {
    fn new(encoding: &'static Encoding, evidence: Option<Evidence>) -> Self {
        Self {
            decoder: encoding.new_decoder_without_bom_handling(),
            input: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            source_ended: false,
            finished: false,
            evidence,
        }
    }

    fn read(&mut self, held: &mut Held, source: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
        while !self.finished {
            if self.start == self.end && !self.source_ended {
                self.start = 0;
                self.end = held.read(source, &mut self.input)?;
                self.source_ended = self.end == 0;
                if let Some(evidence) = &mut self.evidence {
                    evidence.add(&self.input[..self.end]);
                }
            }
            let written = self.step(out)?;
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
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
        let found = Cell::new(UTF_8);
        let mut text = Text::new(bytes, charset, &found).unwrap();
        let mut decoded = Vec::new();
        let mut out = [0; 7];
        loop {
            let count = text.read(&mut out).unwrap();
            if count == 0 {
                assert!(!text.is_doubtful());
                return (decoded, found.get().name());
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
        let table: [Case<'_>; 13] = [
            (b"gr\xC3\xBCn", None, "grün".as_bytes(), "UTF-8"),
            (b"\xEF\xBB\xBFgr\xC3\xBCn", None, "grün".as_bytes(), "UTF-8"),
            (b"\xEF\xBB\xBFgr\xC3\xBCn", Some(WINDOWS_1252), "grün".as_bytes(), "UTF-8"),
            (b"gr\xFCn \x80", Some(WINDOWS_1252), "grün €".as_bytes(), "windows-1252"),
            (&utf_16, Some(UTF_16LE), "grün€".as_bytes(), "UTF-16LE"),
            (&marked, None, "grün€".as_bytes(), "UTF-16LE"),
            (b"gr\xFCn", Some(UTF_8), b"gr\xFCn", "UTF-8"),
            (b"gr\xFCn", None, "grün".as_bytes(), "windows-1252"),
            (b"e\0m\0a\0i\0l\0\xFC\0\xAC\x20", None, "emailü€".as_bytes(), "UTF-16LE"),
            (b"\0e\0m\0a\0i\0l\0\xFC\x20\xAC", None, "emailü€".as_bytes(), "UTF-16BE"),
            (b"a,\0\n", None, b"a,\0\n", "UTF-8"),
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

    #[test]
    fn the_first_umlaut_may_be_far_away() {
        let ascii = b"email;name\n".repeat(100_000);
        for (tail, name) in [(b"M\xC3\xBCller".as_slice(), "UTF-8"), (b"M\xFCller", "windows-1252")] {
            let bytes = [&ascii, tail, &ascii].concat();
            let expected = [&ascii, "Müller".as_bytes(), &ascii].concat();
            let (text, found) = decode(&bytes, None);
            assert!(text == expected && found == name, "{found}");
        }
    }

    #[test]
    fn a_guess_that_the_rest_contradicts_is_in_doubt() {
        // One broken row in front, and all others beyond the window.
        let far = vec![b'x'; 2 * WINDOW_BYTES];
        let bytes = [b"M\xFCller".as_slice(), &far, "Jörg, Grün".as_bytes()].concat();
        let found = Cell::new(UTF_8);
        let mut text = Text::new(&bytes[..], None, &found).unwrap();
        io::copy(&mut text, &mut io::sink()).unwrap();
        assert_eq!((found.get().name(), text.is_doubtful()), ("windows-1252", true));
    }
}
