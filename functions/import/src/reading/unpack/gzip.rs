//! gzip (RFC 1952).

use std::io::Read;

use super::{Problem, Stop, content::Content, source::Source};

const MAGIC_DEFLATE: [u8; 3] = [0x1F, 0x8B, 8];
// Flags of a member's header.
const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xE0;

/// Members one after another, which are one file.
#[derive(Default)]
pub(super) struct Gzip {
    member: Option<Content>,
    begun: bool,
    ended: bool,
}

impl Gzip {
    pub(super) fn read<R: Read>(&mut self, source: &mut Source<R>, out: &mut [u8]) -> Result<usize, Stop> {
        while !self.ended {
            let Some(member) = &mut self.member else {
                self.next_member(source)?;
                continue;
            };
            let count = member.read(source, out)?;
            if count > 0 {
                return Ok(count);
            }
            let (crc, _, unpacked) = member.sums();
            // The size is told modulo 2^32.
            if source.u32()? != crc || u64::from(source.u32()?) != unpacked & u64::from(u32::MAX) {
                return Err(Problem::Damaged.into());
            }
            self.member = None;
        }
        Ok(0)
    }

    fn next_member<R: Read>(&mut self, source: &mut Source<R>) -> Result<(), Stop> {
        if std::mem::replace(&mut self.begun, true) {
            // Media of fixed blocks pad with zeros, and gzip passes over them.
            while let [0, ..] = source.peek()? {
                source.consume(1);
            }
            if source.peek()?.is_empty() {
                self.ended = true;
                return Ok(());
            }
        }
        let [m1, m2, method, flags, _time @ .., _hints, _system] = source.take::<10>()?;
        if [m1, m2, method] != MAGIC_DEFLATE || flags & RESERVED != 0 {
            return Err(Problem::Damaged.into());
        }
        if flags & EXTRA != 0 {
            let bytes = source.u16()?;
            source.skip(bytes.into())?;
        }
        for text in [NAME, COMMENT] {
            while flags & text != 0 && source.take::<1>()? != [0] {}
        }
        if flags & HEADER_CRC != 0 {
            source.skip(2)?;
        }
        self.member = Some(Content::deflated());
        Ok(())
    }
}
