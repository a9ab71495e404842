//! The plainest inside of a container: one literal packet, neither compressed nor signed (RFC 9580, 5.9). Everything else is the library's.

use std::{
    collections::VecDeque,
    io::{self, Cursor, Read},
};

use crate::{
    body::{self, Body},
    decrypt::HOLD_BACK_BYTES,
    judge::Judge,
};

type Packets<'r> = Box<dyn Read + Send + 'r>;
/// The packets again, after a look at their first octets.
type Looked<'r> = io::Chain<Cursor<Vec<u8>>, Packets<'r>>;

/// Blocks in which plaintext is held back.
const BLOCK_BYTES: usize = 128 * 1024;

/// Longest padding packet, as in the library.
const PADDING_BYTES_MAX: u64 = 1024 * 1024;

const TAG_LITERAL: u8 = 11;
/// In the new format, the only one that has it.
const TAG_PADDING: u8 = 0xD5;

/// The contents of a literal packet. The last of it comes out only once the container's integrity held and the judge was content.
pub(crate) struct Literal<'r> {
    body: Body<Packets<'r>>,
    judge: Judge,
    held: VecDeque<Vec<u8>>,
    held_bytes: usize,
    /// How much of the first block went out.
    start: usize,
    spare: Vec<Vec<u8>>,
    /// The packet's own head was read.
    begun: bool,
    ended: bool,
}

/// What a container begins with.
pub(crate) enum Inside<'r> {
    Literal(Literal<'r>),
    Other(Looked<'r>, Judge),
}

impl<'r> Inside<'r> {
    pub(crate) fn look(mut packets: Packets<'r>, judge: Judge) -> Self {
        let mut head = Vec::new();
        let length = literal_length(&mut packets, &mut head);
        match length {
            Ok(Some(length)) => Self::Literal(Literal {
                body: Body::begun(packets, length, 0),
                judge,
                held: VecDeque::new(),
                held_bytes: 0,
                start: 0,
                spare: Vec::new(),
                begun: false,
                ended: false,
            }),
            // An error comes again when the library reads on.
            Ok(None) | Err(_) => Self::Other(Cursor::new(head).chain(packets), judge),
        }
    }
}

/// The length of the literal packet that comes first, if one does.
fn literal_length(packets: &mut impl Read, head: &mut Vec<u8>) -> io::Result<Option<(u64, bool)>> {
    let mut octet = || {
        let octet = body::octet(packets)?;
        head.push(octet);
        Ok(octet)
    };
    match octet()? {
        tag if tag == 0xC0 | TAG_LITERAL => body::length(octet).map(Some),
        tag if tag & 0xFC == 0x80 | TAG_LITERAL << 2 => body::old_length(tag & 3, octet),
        _ => Ok(None),
    }
}

impl Literal<'_> {
    /// Format, name and date; nobody wants them.
    fn skip_head(&mut self) -> io::Result<()> {
        let _format = body::octet(&mut self.body)?;
        let name_bytes = body::octet(&mut self.body)?;
        let mut rest = vec![0; usize::from(name_bytes) + 4];
        self.body.read_exact(&mut rest)
    }

    /// Reads until more than the hold-back is there, or everything.
    fn read_ahead(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            self.skip_head()?;
        }
        while !self.ended && self.held_bytes <= HOLD_BACK_BYTES {
            let mut block = self.spare.pop().unwrap_or_default();
            block.resize(BLOCK_BYTES, 0);
            let n = self.body.fill(&mut block)?;
            block.truncate(n);
            self.held_bytes += n;
            self.held.push_back(block);
            if n < BLOCK_BYTES {
                self.end()?;
            }
        }
        Ok(())
    }

    /// Nothing but padding may follow, and the end of the container is told only where its integrity held.
    fn end(&mut self) -> io::Result<()> {
        let packets = self.body.inner();
        loop {
            let mut tag = Vec::new();
            packets.take(1).read_to_end(&mut tag)?;
            match tag[..] {
                [] => break,
                [TAG_PADDING] if self.judge.counts_packet() => {}
                _ => return Err(invalid()),
            }
            let length = body::length(|| body::octet(packets))?;
            let (bytes @ ..=PADDING_BYTES_MAX, false) = length else { return Err(invalid()) };
            if io::copy(&mut packets.take(bytes), &mut io::sink())? < bytes {
                return Err(invalid());
            }
        }
        self.judge.check_unsigned().map_err(|_| invalid())?;
        self.ended = true;
        Ok(())
    }
}

impl Read for Literal<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_ahead()?;
        let Some(block) = self.held.front() else { return Ok(0) };
        let free = if self.ended { usize::MAX } else { self.held_bytes - HOLD_BACK_BYTES };
        let n = buf.len().min(block.len() - self.start).min(free);
        buf[..n].copy_from_slice(&block[self.start..self.start + n]);
        self.start += n;
        self.held_bytes -= n;
        if self.start == block.len() {
            self.spare.extend(self.held.pop_front());
            self.start = 0;
        }
        Ok(n)
    }
}

fn invalid() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
