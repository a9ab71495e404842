//! A packed file's own bytes.

use std::io::Read;

use super::{EXPANSION_GRACE_BYTES, EXPANSION_MAX, Problem, Stop, UNPACKED_BYTES_MAX};

/// One read of the file.
const BUFFER_BYTES: usize = 64 << 10;

/// Buffered, with the two counts whose ratio is bounded.
pub(super) struct Source<R> {
    inner: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    packed: u64,
    unpacked: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { inner, buffer, start: 0, end: 0, packed: 0, unpacked: 0 }
    }

    /// What comes next; nothing at the end.
    pub(super) fn peek(&mut self) -> Result<&[u8], Stop> {
        while self.start == self.end {
            self.start = 0;
            self.end = 0;
            match self.inner.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => {
                    self.end = count;
                    self.packed += count as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::Source(error)),
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Passes so many of what [`Self::peek`] gave.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// Exactly so many; a file that ends before is damaged.
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut taken = [0; N];
        self.fill(&mut taken)?;
        Ok(taken)
    }

    pub(super) fn fill(&mut self, mut out: &mut [u8]) -> Result<(), Stop> {
        while !out.is_empty() {
            let next = self.peek()?;
            let count = next.len().min(out.len());
            if count == 0 {
                return Err(Problem::Damaged.into());
            }
            let (now, later) = out.split_at_mut(count);
            now.copy_from_slice(&next[..count]);
            self.consume(count);
            out = later;
        }
        Ok(())
    }

    pub(super) fn u16(&mut self) -> Result<u16, Stop> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Stop> {
        self.take().map(u32::from_le_bytes)
    }

    /// Passes exactly so many.
    pub(super) fn skip(&mut self, mut count: u64) -> Result<(), Stop> {
        while count > 0 {
            let next = self.peek()?.len();
            let now = usize::try_from(count).unwrap_or(usize::MAX).min(next);
            if now == 0 {
                return Err(Problem::Damaged.into());
            }
            self.consume(now);
            count -= now as u64;
        }
        Ok(())
    }

    /// Counts what was unpacked.
    pub(super) fn unpacked(&mut self, count: usize) -> Result<(), Stop> {
        self.unpacked += count as u64;
        if self.unpacked > UNPACKED_BYTES_MAX {
            return Err(Problem::TooLarge.into());
        }
        let expanded = self.packed.saturating_mul(EXPANSION_MAX).saturating_add(EXPANSION_GRACE_BYTES);
        if self.unpacked > expanded { Err(Problem::Expansion.into()) } else { Ok(()) }
    }
}
