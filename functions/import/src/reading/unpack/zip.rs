//! zip (PKWARE's APPNOTE 6.3), read from its beginning: the entries' own headers, then the directory.

use std::io::Read;

use super::{Problem, Stop, UNPACKED_BYTES_MAX, content::Content, source::Source};

const ENTRY: u32 = 0x0403_4B50;
const DESCRIPTOR: u32 = 0x0807_4B50;
const CENTRAL: u32 = 0x0201_4B50;
const CENTRAL_SIGNATURE: u32 = 0x0505_4B50;
const EXTRA_DATA: u32 = 0x0806_4B50;
const ZIP64_END: u32 = 0x0606_4B50;
const ZIP64_LOCATOR: u32 = 0x0706_4B50;
const END: u32 = 0x0605_4B50;

// Flags of an entry.
const ENCRYPTED: u16 = 1;
const DESCRIBED: u16 = 1 << 3;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// The extra field with sizes beyond 32 bits.
const ZIP64_EXTRA: u16 = 1;

/// Folders and what systems add. Beyond this it is no archive of one file.
const ENTRIES_MAX: u64 = 1_000;
/// Reading what nobody needs, to check it.
const DRAIN_BYTES: usize = 16 << 10;

/// How documents of Microsoft's and of OASIS' formats begin.
const DOCUMENT_NAMES: [&[u8]; 6] =
    [b"[Content_Types].xml", b"_rels/", b"docProps/", b"xl/", b"word/", b"mimetype"];
/// What systems add to archives by themselves.
const SYSTEM_FILES: [&[u8]; 3] = [b".DS_Store", b"desktop.ini", b"Thumbs.db"];

/// An archive that is being read.
#[derive(Default)]
pub(super) struct Zip {
    open: Option<(Entry, Content)>,
    entries: u64,
    file_found: bool,
    ended: bool,
}

/// What an entry's header says.
struct Entry {
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    unpacked: u64,
    zip64: bool,
    name: Vec<u8>,
}

impl Zip {
    pub(super) fn read<R: Read>(&mut self, source: &mut Source<R>, out: &mut [u8]) -> Result<usize, Stop> {
        while !self.ended {
            let Some((entry, content)) = &mut self.open else {
                self.next_record(source)?;
                continue;
            };
            let count = content.read(source, out)?;
            if count > 0 {
                return Ok(count);
            }
            entry.check(content, source)?;
            self.open = None;
        }
        Ok(0)
    }

    /// The next file's header, or the end.
    fn next_record<R: Read>(&mut self, source: &mut Source<R>) -> Result<(), Stop> {
        let sign = source.u32()?;
        if sign != ENTRY {
            self.directory(sign, source)?;
            self.ended = true;
            return if self.file_found { Ok(()) } else { Err(Problem::NoFile.into()) };
        }
        self.entries += 1;
        let entry = Entry::read(source)?;
        if DOCUMENT_NAMES.iter().any(|name| entry.name.starts_with(name)) {
            return Err(Problem::Document.into());
        }
        if entry.flags & ENCRYPTED != 0 {
            return Err(Problem::Password.into());
        }
        let is_file = entry.is_file();
        if self.entries > ENTRIES_MAX || (is_file && std::mem::replace(&mut self.file_found, true)) {
            return Err(Problem::ManyFiles.into());
        }
        let mut content = entry.content()?;
        if is_file {
            self.open = Some((entry, content));
            return Ok(());
        }
        let mut rest = [0; DRAIN_BYTES];
        while content.read(source, &mut rest)? > 0 {}
        entry.check(&content, source)
    }

    /// Passes over the directory. It says nothing new, but an archive that was cut short, or from which files were taken, is told by it.
    fn directory<R: Read>(&self, mut sign: u32, source: &mut Source<R>) -> Result<(), Stop> {
        let mut listed = 0;
        loop {
            match sign {
                CENTRAL => {
                    listed += 1;
                    source.skip(24)?;
                    let lengths = [source.u16()?, source.u16()?, source.u16()?];
                    source.skip(12 + lengths.map(u64::from).iter().sum::<u64>())?;
                }
                CENTRAL_SIGNATURE => {
                    let bytes = source.u16()?;
                    source.skip(bytes.into())?;
                }
                EXTRA_DATA => {
                    let bytes = source.u32()?;
                    source.skip(bytes.into())?;
                }
                ZIP64_END => {
                    let bytes = u64::from_le_bytes(source.take()?);
                    source.skip(bytes)?;
                }
                ZIP64_LOCATOR => source.skip(16)?,
                END => break,
                _ => return Err(Problem::Damaged.into()),
            }
            sign = source.u32()?;
        }
        source.skip(16)?;
        let comment = source.u16()?;
        source.skip(comment.into())?;
        if listed != self.entries {
            return Err(Problem::Damaged.into());
        }
        // What follows the end is nothing that could hold rows.
        loop {
            let rest = source.peek()?.len();
            if rest == 0 {
                return Ok(());
            }
            source.consume(rest);
        }
    }
}

impl Entry {
    fn read<R: Read>(source: &mut Source<R>) -> Result<Self, Stop> {
        let _version = source.u16()?;
        let (flags, method) = (source.u16()?, source.u16()?);
        let _time = source.u32()?;
        let (crc, packed, unpacked) = (source.u32()?, source.u32()?, source.u32()?);
        let (name_bytes, extra_bytes) = (source.u16()?, source.u16()?);
        let mut name = vec![0; name_bytes.into()];
        source.fill(&mut name)?;
        let mut extra = vec![0; extra_bytes.into()];
        source.fill(&mut extra)?;
        let mut entry =
            Self { flags, method, crc, packed: packed.into(), unpacked: unpacked.into(), zip64: false, name };
        entry.take_zip64(&extra);
        if entry.unpacked > UNPACKED_BYTES_MAX {
            return Err(Problem::TooLarge.into());
        }
        Ok(entry)
    }

    /// Sizes that do not fit stand in an extra field, that of the unpacked file first.
    fn take_zip64(&mut self, mut extra: &[u8]) {
        while let [id1, id2, length1, length2, rest @ ..] = extra {
            let length = usize::from(u16::from_le_bytes([*length1, *length2])).min(rest.len());
            let (value, next) = rest.split_at(length);
            if u16::from_le_bytes([*id1, *id2]) == ZIP64_EXTRA {
                self.zip64 = true;
                let mut sizes = value
                    .chunks_exact(8)
                    .map(|size| size.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)));
                for size in [&mut self.unpacked, &mut self.packed] {
                    if *size == u64::from(u32::MAX) {
                        *size = sizes.next().unwrap_or(*size);
                    }
                }
            }
            extra = next;
        }
    }

    /// Folders, and what macOS and Windows add, are none.
    fn is_file(&self) -> bool {
        let last = self.name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        !(last.is_empty() || self.name.starts_with(b"__MACOSX/") || SYSTEM_FILES.contains(&last))
    }

    fn content(&self) -> Result<Content, Problem> {
        match self.method {
            DEFLATED => Ok(Content::deflated()),
            // Only a length tells where stored content ends.
            STORED if self.flags & DESCRIBED == 0 || self.packed > 0 || !self.is_file() => {
                Ok(Content::stored(self.packed))
            }
            _ => Err(Problem::Method),
        }
    }

    /// Compares content that was read to its end with what its header says, or the descriptor behind it.
    fn check<R: Read>(&self, content: &Content, source: &mut Source<R>) -> Result<(), Stop> {
        let sums = content.sums();
        let told = if self.flags & DESCRIBED == 0 {
            (self.crc, self.packed, self.unpacked)
        } else {
            self.descriptor(sums, source)?
        };
        if told == sums { Ok(()) } else { Err(Problem::Damaged.into()) }
    }

    /// A descriptor has a signature or none, and sizes of 32 bits or of 64: which, the standard ties to the extra field, writers do not.
    fn descriptor<R: Read>(
        &self,
        sums: (u32, u64, u64),
        source: &mut Source<R>,
    ) -> Result<(u32, u64, u64), Stop> {
        let first = source.u32()?;
        let crc = if first == DESCRIPTOR { source.u32()? } else { first };
        let sizes: [u8; 8] = source.take()?;
        let both = u64::from_le_bytes(sizes);
        let (packed, unpacked) = (both & u64::from(u32::MAX), both >> 32);
        // An empty file's sizes of 64 bits begin like those of 32.
        if (packed, unpacked) == (sums.1, sums.2) && (unpacked > 0 || !self.zip64) {
            return Ok((crc, packed, unpacked));
        }
        Ok((crc, both, u64::from_le_bytes(source.take()?)))
    }
}
