use std::io::{self, Read};

/// The body of a packet that may come in parts (RFC 9580, 4.2.1.4). Ends where its lengths say; a source that ends earlier is an error.
pub(crate) struct Body<R> {
    inner: R,
    bytes_left: u64,
    /// Another part follows.
    partial: bool,
}

impl<R: Read> Body<R> {
    /// `taken` bytes of the first part were read.
    pub(crate) fn begun(inner: R, (bytes, partial): (u64, bool), taken: usize) -> Self {
        Self { inner, bytes_left: bytes - taken as u64, partial }
    }

    /// What follows the packet, once it was read to its end.
    pub(crate) const fn inner(&mut self) -> &mut R {
        &mut self.inner
    }

    /// Fills the buffer, less only at the end.
    pub(crate) fn fill(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.read(&mut buf[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.bytes_left == 0 {
            if !self.partial {
                return Ok(0);
            }
            (self.bytes_left, self.partial) = length(|| octet(&mut self.inner))?;
        }
        let room = buf.len().min(usize::try_from(self.bytes_left).unwrap_or(usize::MAX));
        let n = self.inner.read(&mut buf[..room])?;
        if n == 0 && room > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.bytes_left -= n as u64;
        Ok(n)
    }
}

/// A new-format length (RFC 9580, 4.2.1), and whether it is that of a part.
pub(crate) fn length(mut octet: impl FnMut() -> io::Result<u8>) -> io::Result<(u64, bool)> {
    let first = octet()?;
    Ok(match first {
        ..192 => (u64::from(first), false),
        192..=223 => ((u64::from(first - 192) << 8) + u64::from(octet()?) + 192, false),
        224..=254 => (1 << (first & 0x1F), true),
        255 => {
            let mut value = 0;
            for _ in 0..4 {
                value = value << 8 | u64::from(octet()?);
            }
            (value, false)
        }
    })
}

/// An old-format length of a kind from 0 to 3; `None`: to the end of what there is.
pub(crate) fn old_length(
    kind: u8,
    mut octet: impl FnMut() -> io::Result<u8>,
) -> io::Result<Option<(u64, bool)>> {
    if kind == 3 {
        return Ok(None);
    }
    let mut value = 0;
    for _ in 0..1 << kind {
        value = value << 8 | u64::from(octet()?);
    }
    Ok(Some((value, false)))
}

pub(crate) fn octet(reader: &mut (impl Read + ?Sized)) -> io::Result<u8> {
    let mut octet = [0];
    reader.read_exact(&mut octet)?;
    Ok(octet[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_and_an_early_end_is_an_error() {
        for (name, stream, first, expected) in [
            ("one part", &b"abc"[..], (3, false), Ok(&b"abc"[..])),
            ("more follows", b"abcd", (3, false), Ok(b"abc")),
            ("two parts", b"abcd\x02ef", (4, true), Ok(b"abcdef")),
            ("empty last part", b"ab\x00", (2, true), Ok(b"ab")),
            ("three parts", b"ab\xE0c\x01d", (2, true), Ok(b"abcd")),
            (
                "two octets",
                &[&[b'a', 192, 1][..], &[b'b'; 193]].concat(),
                (1, true),
                Ok(&[&b"a"[..], &[b'b'; 193]].concat()),
            ),
            ("five octets", b"a\xFF\0\0\0\x01b", (1, true), Ok(b"ab")),
            ("cut", b"ab", (3, false), Err(())),
            ("cut before a length", b"ab", (2, true), Err(())),
            ("cut in a length", b"ab\xFF\0", (2, true), Err(())),
        ] {
            let mut body = Vec::new();
            let outcome = Body::begun(stream, first, 0).read_to_end(&mut body);
            assert_eq!(outcome.map(|_| &body[..]).map_err(|_| ()), expected, "{name}");
        }
    }
}
