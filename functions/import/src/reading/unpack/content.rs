//! The content of a gzip member or a zip entry.

use std::io::Read;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{Problem, Stop, source::Source};

/// Content that is being read, with what its trailer is compared with.
pub(super) struct Content {
    method: Method,
    crc: Crc,
    packed: u64,
    unpacked: u64,
}

enum Method {
    /// So many bytes are left.
    Stored(u64),
    /// RFC 1951; it tells its own end.
    Deflated(Box<Decompress>),
    Ended,
}

impl Content {
    pub(super) fn deflated() -> Self {
        Self::new(Method::Deflated(Box::new(Decompress::new(false))))
    }

    pub(super) fn stored(bytes: u64) -> Self {
        Self::new(Method::Stored(bytes))
    }

    fn new(method: Method) -> Self {
        Self { method, crc: Crc::new(), packed: 0, unpacked: 0 }
    }

    /// CRC-32, bytes packed and unpacked, so far.
    pub(super) fn sums(&self) -> (u32, u64, u64) {
        (self.crc.sum(), self.packed, self.unpacked)
    }

    /// The next bytes; 0 at the end.
    pub(super) fn read<R: Read>(&mut self, source: &mut Source<R>, out: &mut [u8]) -> Result<usize, Stop> {
        let count = match &mut self.method {
            Method::Ended => 0,
            Method::Stored(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(out.len());
                let count = count.min(source.peek()?.len());
                if count == 0 && *left > 0 {
                    return Err(Problem::Damaged.into());
                }
                source.fill(&mut out[..count])?;
                *left -= count as u64;
                self.packed += count as u64;
                count
            }
            Method::Deflated(inflate) => {
                let (count, packed, ended) = inflated(inflate, source, out)?;
                self.packed += packed;
                if ended {
                    self.method = Method::Ended;
                }
                count
            }
        };
        self.crc.update(&out[..count]);
        self.unpacked += count as u64;
        source.unpacked(count)?;
        Ok(count)
    }
}

/// Inflates until there is something or the end: bytes written, bytes read, whether that was the end.
fn inflated<R: Read>(
    inflate: &mut Decompress,
    source: &mut Source<R>,
    out: &mut [u8],
) -> Result<(usize, u64, bool), Stop> {
    let mut packed = 0;
    loop {
        let input = source.peek()?;
        let (read, written) = (inflate.total_in(), inflate.total_out());
        let flush = if input.is_empty() { FlushDecompress::Finish } else { FlushDecompress::None };
        let status = inflate.decompress(input, out, flush).map_err(|_| Problem::Damaged)?;
        let read = inflate.total_in() - read;
        // Both are lengths of slices.
        let written = usize::try_from(inflate.total_out() - written).map_err(|_| Problem::Damaged)?;
        source.consume(usize::try_from(read).map_err(|_| Problem::Damaged)?);
        packed += read;
        match status {
            Status::StreamEnd => return Ok((written, packed, true)),
            _ if written > 0 => return Ok((written, packed, false)),
            _ if read == 0 => return Err(Problem::Damaged.into()),
            _ => {}
        }
    }
}
