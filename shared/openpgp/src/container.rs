//! The encrypted container (RFC 9580, 5.13), opened by us where it is of a common kind: AES, SEIPD version 1 or 2.
//!
//! The library hashes version 1 with a SHA-1 that looks for collisions, in software, and hands every byte through half a dozen buffers.
//! Session keys, signatures and everything that stands inside stay its work. What is not plainly of the common kind goes to it whole, so
//! that this front only ever decides what it is sure of.

use std::io::{self, BufReader, Cursor, Read};

use sequoia_openpgp::{
    Packet,
    crypto::{SessionKey, aead::SEIPv2Schedule},
    packet::PKESK,
    parse::{
        PacketParser, PacketParserResult, Parse,
        stream::{DecryptionHelper, VerificationHelper},
    },
    policy::Policy,
    types::{AEADAlgorithm, SymmetricAlgorithm},
};

use crate::{
    body::{self, Body},
    chunks::Chunks,
    judge::{Judge, SharedProgress},
    key::POLICY,
    mdc::{Cfb, Mdc, PREFIX_BYTES},
};

/// What is read from the source at once.
const READ_BYTES: usize = 128 * 1024;

/// Most bytes of recipients' packets before the container; hundreds of recipients fit. The library takes longer ones.
const HEAD_BYTES_MAX: usize = 256 * 1024;

/// Version, cipher, mode, chunk size and salt of a container of version 2.
const HEADER_2_BYTES: usize = 36;
/// The octet of the largest chunks, 4 MiB (RFC 9580, 5.13.2).
const CHUNK_OCTET_MAX: u8 = 16;

const TAG_PKESK: u8 = 1;
const TAG_SKESK: u8 = 3;
const TAG_MARKER: u8 = 10;
const TAG_SEIPD: u8 = 18;
/// GnuPG's "AEAD encrypted data" of a draft that did not become the standard.
const TAG_GNUPGS_OCB: u8 = 20;

type Input<'r> = BufReader<Box<dyn Read + Send + 'r>>;

/// A message after a look at its head.
pub(crate) enum Front<'r> {
    /// The packets in its container. They end only where the container's integrity held.
    Inside(Box<dyn Read + Send + 'r>),
    /// All of the message, for the library.
    Whole(Box<dyn Read + Send + 'r>),
}

/// No key opens it. The judge's progress says more.
pub(crate) struct Closed;

/// Reads the head and finds the session key. With [`Front::Whole`] the judge is used up.
pub(crate) fn open<'r>(
    packets: impl Read + Send + 'r,
    judge: &mut Judge,
    progress: &SharedProgress,
) -> Result<Front<'r>, Closed> {
    let mut input: Input<'r> = BufReader::with_capacity(READ_BYTES, Box::new(packets));
    let mut head = Head::default();
    // A source that fails is asked again by the library, and noted where it failed first.
    let known = head.read(&mut input).unwrap_or(false) && head.recipients_judged(judge);
    if head.gnupgs_form {
        progress.get().gnupgs_form = true;
        return Err(Closed);
    }
    let Some(body_bytes) = head.body.filter(|_| known) else { return Ok(head.whole(input)) };
    match head.raw[head.body_at..] {
        [1, ref prefix @ ..] => {
            let Ok(prefix) = prefix.try_into() else { return Ok(head.whole(input)) };
            match version_1(&head.pkesks, judge, prefix)? {
                Some(cipher) => {
                    let body = Body::begun(input, body_bytes, 1 + PREFIX_BYTES);
                    Ok(Front::Inside(Box::new(Mdc::new(body, prefix, cipher, progress.clone()))))
                }
                None => Ok(head.whole(input)),
            }
        }
        [2, cipher, mode, octet, ref salt @ ..] => {
            let (cipher, mode) = (SymmetricAlgorithm::from(cipher), AEADAlgorithm::from(mode));
            let common = is_aes(cipher)
                && matches!(mode, AEADAlgorithm::OCB | AEADAlgorithm::GCM)
                && octet <= CHUNK_OCTET_MAX
                && POLICY.aead_algorithm(mode).is_ok();
            if !common {
                return Ok(head.whole(input));
            }
            let body = Body::begun(input, body_bytes, HEADER_2_BYTES);
            let mut chunks = Chunks::new(body, cipher, mode, 1 << (octet + 6), progress.clone());
            version_2(&head.pkesks, judge, &mut chunks, (cipher, mode), salt)?;
            Ok(Front::Inside(Box::new(chunks)))
        }
        _ => Ok(head.whole(input)),
    }
}

/// The cipher and key that fit the first octets; `None` where the cipher is not one of ours.
fn version_1(pkesks: &[PKESK], judge: &mut Judge, prefix: [u8; PREFIX_BYTES]) -> Result<Option<Cfb>, Closed> {
    let (mut found, mut foreign) = (None, false);
    let mut fits = |algorithm: Option<SymmetricAlgorithm>, key: &SessionKey| {
        let Some(algorithm) = algorithm.filter(|algorithm| is_aes(*algorithm)) else {
            foreign = true;
            return true;
        };
        found = Cfb::new(algorithm, key).and_then(|cipher| cipher.fitting(prefix));
        found.is_some()
    };
    let opened = judge.decrypt(pkesks, &[], None, &mut fits);
    match opened {
        Ok(identity) if !foreign => judge.goes_inside(identity.as_ref()),
        Ok(_) => {}
        Err(_) => return Err(Closed),
    }
    Ok(found.filter(|_| !foreign))
}

/// Opens the first chunk.
fn version_2<R: Read>(
    pkesks: &[PKESK],
    judge: &mut Judge,
    chunks: &mut Chunks<R>,
    (cipher, mode): (SymmetricAlgorithm, AEADAlgorithm),
    salt: &[u8],
) -> Result<(), Closed> {
    let mut fits = |_, key: &SessionKey| {
        SEIPv2Schedule::new(key, cipher, mode, chunks.chunk_bytes(), salt)
            .is_ok_and(|schedule| chunks.begin(schedule).is_ok())
    };
    let identity = judge.decrypt(pkesks, &[], Some(cipher), &mut fits).map_err(|_| Closed)?;
    judge.goes_inside(identity.as_ref());
    Ok(())
}

fn is_aes(algorithm: SymmetricAlgorithm) -> bool {
    use SymmetricAlgorithm::{AES128, AES192, AES256};
    matches!(algorithm, AES128 | AES192 | AES256) && POLICY.symmetric_algorithm(algorithm).is_ok()
}

/// Everything before the container's ciphertext, as it was read.
#[derive(Default)]
struct Head {
    raw: Vec<u8>,
    /// Where the recipients' packets end.
    recipients_end: usize,
    /// Where the container's body begins.
    body_at: usize,
    /// Length of the body or of its first part, and whether more parts follow.
    body: Option<(u64, bool)>,
    pkesks: Vec<PKESK>,
    gnupgs_form: bool,
}

impl Head {
    /// Reads on behind the container's header. False where something is not of the common kind.
    fn read(&mut self, input: &mut Input<'_>) -> io::Result<bool> {
        loop {
            self.recipients_end = self.raw.len();
            let tag = self.octet(input)?;
            let (tag, length) = match tag & 0xC0 {
                0xC0 => (tag & 0x3F, Some(body::length(|| self.octet(input))?)),
                0x80 => ((tag >> 2) & 0x0F, body::old_length(tag & 3, || self.octet(input))?),
                _ => return Ok(false),
            };
            match (tag, length) {
                (TAG_PKESK | TAG_SKESK | TAG_MARKER, Some((bytes, false))) => {
                    let Ok(bytes) = usize::try_from(bytes) else { return Ok(false) };
                    if self.raw.len() + bytes > HEAD_BYTES_MAX || !self.take(input, bytes)? {
                        return Ok(false);
                    }
                }
                (TAG_SEIPD, Some(length)) => return self.read_header(input, length),
                (TAG_GNUPGS_OCB, _) => {
                    self.gnupgs_form = true;
                    return Ok(false);
                }
                _ => return Ok(false),
            }
        }
    }

    /// The header and what tells the right session key must stand in the first part, for they are handed on as they are read.
    fn read_header(&mut self, input: &mut Input<'_>, length: (u64, bool)) -> io::Result<bool> {
        self.body_at = self.raw.len();
        if length.0 < HEADER_2_BYTES as u64 {
            return Ok(false);
        }
        let rest = match self.octet(input)? {
            1 => PREFIX_BYTES,
            2 => HEADER_2_BYTES - 1,
            _ => return Ok(false),
        };
        self.body = Some(length);
        self.take(input, rest)
    }

    fn octet(&mut self, input: &mut Input<'_>) -> io::Result<u8> {
        let octet = body::octet(input)?;
        self.raw.push(octet);
        Ok(octet)
    }

    /// False where the input is shorter.
    fn take(&mut self, input: &mut Input<'_>, bytes: usize) -> io::Result<bool> {
        Ok(input.take(bytes as u64).read_to_end(&mut self.raw)? == bytes)
    }

    /// Lets the judge see all packets up to the container. False where the library would not go on.
    fn recipients_judged(&mut self, judge: &mut Judge) -> bool {
        let raw = &self.raw[..self.recipients_end];
        let pkesks = &mut self.pkesks;
        let judged = crate::decrypt::contained(|| {
            let mut packets = PacketParser::from_bytes(raw)?;
            while let PacketParserResult::Some(parser) = packets {
                POLICY.packet(&parser.packet)?;
                judge.inspect(&parser)?;
                let (packet, next) = parser.next()?;
                if let Packet::PKESK(pkesk) = packet {
                    pkesks.push(pkesk);
                }
                packets = next;
            }
            sequoia_openpgp::Result::Ok(())
        });
        judged.is_ok() && !self.pkesks.is_empty() && judge.enters_container()
    }

    fn whole(self, input: Input<'_>) -> Front<'_> {
        Front::Whole(Box::new(Cursor::new(self.raw).chain(input)))
    }
}
