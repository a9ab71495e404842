use std::{
    fmt,
    io::{self, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, SystemTime},
};

use sequoia_openpgp::parse::{Parse, stream::DecryptorBuilder};
use time::OffsetDateTime;

use crate::{
    Error, Limits, PublicKey, TenantKey,
    container::{self, Front},
    judge::{Judge, Progress, SharedProgress},
    key::POLICY,
    literal::Inside,
    source::{Handle, Source, Tally},
};

/// The parser holds back the last so many bytes until the message's end is known to be authentic, and needs twice that. A shorter
/// message is authentic before its first byte comes out.
pub(crate) const HOLD_BACK_BYTES: usize = 1024 * 1024;

/// How far ahead of ours a customer's clock may be when they sign.
const CLOCK_SKEW: Duration = Duration::from_mins(30);

/// Reading what is left in [`Decryptor::finish`].
const DRAIN_BYTES: usize = 64 * 1024;

/// On what terms a message is accepted.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The certificates registered for signing.
    pub signers: &'a [PublicKey],
    /// Whether one of them must have signed. Without it, an unknown signer's message counts as unsigned; a wrong signature by a registered
    /// key is refused in any case.
    pub signature_required: bool,
    /// Of the plaintext.
    pub limits: Limits,
    /// Signatures and signers are judged as of now.
    pub now: OffsetDateTime,
}

/// What is known of a message whose integrity holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The fingerprint of the registered certificate that signed, if one did.
    pub signer: Option<String>,
    /// The length of the plaintext.
    pub plaintext_bytes: u64,
}

/// Opens a message, armored or binary, with the tenant's keys. Reads its head, up to some megabytes.
///
/// At the end of the plaintext the reader was read to its end; hand in `&mut reader` to go on with it, a digest for example.
pub fn decrypt<'r, R: Read + Send + 'r>(
    reader: R,
    keys: &[TenantKey],
    terms: &Terms<'_>,
) -> Result<Decryptor<'r>, Error> {
    decrypt_as(reader, keys, terms, Opens::Common)
}

/// Who opens containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opens {
    /// We those of the common kind, the library the others.
    Common,
    /// The library all: for comparison.
    #[cfg(test)]
    Nothing,
}

pub(crate) fn decrypt_as<'r, R: Read + Send + 'r>(
    reader: R,
    keys: &[TenantKey],
    terms: &Terms<'_>,
    opens: Opens,
) -> Result<Decryptor<'r>, Error> {
    let tally = Arc::new(Tally::default());
    let progress = SharedProgress::default();
    let now = SystemTime::from(terms.now);
    let new_judge = || Judge::new(keys, terms.signers, terms.signature_required, now, progress.clone());
    let source = Source::open(reader, &tally)?;
    let mut judge = new_judge();
    let front = match opens {
        Opens::Common => contained(|| container::open(source.packets(), &mut judge, &progress)),
        #[cfg(test)]
        Opens::Nothing => Ok(Front::Whole(Box::new(source.packets()))),
    };
    let plaintext: Plaintext<'r> = match front.map_err(|stop| stop.verdict(&tally, &progress))? {
        Front::Inside(packets) => match Inside::look(packets, judge) {
            Inside::Literal(literal) => Box::new(literal),
            Inside::Other(packets, judge) => parse(packets, judge, now, &tally, &progress)?,
        },
        Front::Whole(message) => {
            *progress.get() = Progress::default();
            parse(message, new_judge(), now, &tally, &progress)?
        }
    };
    Ok(Decryptor {
        state: State::Reading(plaintext),
        source,
        tally,
        progress,
        limits: terms.limits,
        plaintext_bytes: 0,
    })
}

/// The library's way, for a whole message or for what a container holds.
fn parse<'r>(
    packets: impl Read + Send + 'r,
    judge: Judge,
    now: SystemTime,
    tally: &Tally,
    progress: &SharedProgress,
) -> Result<Plaintext<'r>, Error> {
    // The parser asks its time for nothing but whether a signature is alive, so the skew widens nothing else.
    let parser = contained(|| {
        let builder = DecryptorBuilder::from_reader(Handle::new(packets))?.buffer_size(HOLD_BACK_BYTES);
        builder.with_policy(POLICY, now + CLOCK_SKEW, judge)
    });
    Ok(Box::new(parser.map_err(|stop| stop.verdict(tally, progress))?))
}

/// Why the parser went no further.
pub(crate) enum Stop {
    Refused,
    Panicked,
}

impl Stop {
    /// A failing source is no judgement on the message, so it is asked first.
    fn verdict(&self, tally: &Tally, progress: &SharedProgress) -> Error {
        match (tally.take_failure(), self) {
            (Some(failure), _) => Error::Source(failure),
            (None, Self::Panicked) => Error::Damaged,
            (None, Self::Refused) => progress.get().verdict(),
        }
    }
}

/// The parser panics on some malformed messages (one that ends within 22 octets of its container's start, for one). A customer's file must
/// not end the process that other customers' files share. What was unwound is never used again.
pub(crate) fn contained<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<T, Stop> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => Err(Stop::Refused),
        Err(_) => Err(Stop::Panicked),
    }
}

type Plaintext<'r> = Box<dyn Read + Send + 'r>;

enum State<'r> {
    Reading(Plaintext<'r>),
    /// The end was told, and the message is authentic.
    Ended,
    /// An error was told; it is told again to whoever asks.
    Failed(Error),
}

/// The plaintext of a message. `read` returns 0 only if all of it was authentic and its signature acceptable.
pub struct Decryptor<'r> {
    state: State<'r>,
    source: Source<'r>,
    tally: Arc<Tally>,
    progress: SharedProgress,
    limits: Limits,
    plaintext_bytes: u64,
}

impl Decryptor<'_> {
    /// Reads what is left and tells whether the whole message is authentic. Nothing that was read may be published before.
    pub fn finish(mut self) -> Result<Verified, Error> {
        let mut rest = vec![0; DRAIN_BYTES];
        while self.advance(&mut rest)? > 0 {}
        Ok(Verified { signer: self.progress.get().signer.take(), plaintext_bytes: self.plaintext_bytes })
    }

    /// Whether we opened the container, and its integrity holds.
    #[cfg(test)]
    pub(crate) fn container_held(&self) -> bool {
        self.progress.get().integrity_held
    }

    fn advance(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        let parser = match &mut self.state {
            State::Reading(parser) => parser,
            State::Ended => return Ok(0),
            State::Failed(error) => return Err(error.again()),
        };
        if buf.is_empty() {
            return Ok(0);
        }
        let outcome = match contained(|| parser.read(buf)) {
            Ok(0) => self.settle(),
            Ok(n) => self.account(n),
            Err(stop) => Err(stop.verdict(&self.tally, &self.progress)),
        };
        match &outcome {
            Ok(0) => self.state = State::Ended,
            Ok(_) => {}
            Err(error) => self.state = State::Failed(error.again()),
        }
        outcome
    }

    /// The parser is content. Nothing may follow, or it would be lost in silence.
    fn settle(&mut self) -> Result<usize, Error> {
        let drained = contained(|| self.source.drain());
        match (self.tally.take_failure(), drained) {
            (Some(failure), _) => Err(Error::Source(failure)),
            (None, Ok(())) if !self.tally.trailing() => Ok(0),
            (None, _) => Err(Error::Damaged),
        }
    }

    fn account(&mut self, n: usize) -> Result<usize, Error> {
        self.plaintext_bytes += n as u64;
        let bytes_max = self.limits.bytes_max(self.tally.consumed());
        if self.plaintext_bytes > bytes_max { Err(Error::TooLarge { bytes_max }) } else { Ok(n) }
    }
}

impl Read for Decryptor<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.advance(buf).map_err(io::Error::from)
    }
}

impl fmt::Debug for Decryptor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decryptor").field("plaintext_bytes", &self.plaintext_bytes).finish_non_exhaustive()
    }
}
