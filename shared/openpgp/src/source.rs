use std::{
    io::{self, Cursor, Read},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use sequoia_openpgp::armor::{self, Kind, ReaderMode};

use crate::{
    Error, PEEK_BYTES,
    detect::{is_armored, looks_encrypted},
    framing::{ArmorScan, PacketScan},
};

/// What is known of the bytes that passed so far; shared with readers and writers that the OpenPGP library owns.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    consumed: AtomicU64,
    trailing: AtomicBool,
    failure: Mutex<Option<io::Error>>,
}

impl Tally {
    /// Bytes of the message read so far.
    pub(crate) fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    /// Whether something followed the end of the message.
    pub(crate) fn trailing(&self) -> bool {
        self.trailing.load(Ordering::Relaxed)
    }

    /// The first failure of the reader or writer itself: the library may swallow it, or take it for the end of the message.
    pub(crate) fn take_failure(&self) -> Option<io::Error> {
        lock(&self.failure).take()
    }

    /// Notes a failure and returns one of the same kind, since an `io::Error` cannot be cloned.
    pub(crate) fn note_failure(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        lock(&self.failure).get_or_insert(error);
        kind.into()
    }
}

/// A reader with two owners, the library and us, who never read at the same time.
pub(crate) struct Handle<'r>(Arc<Mutex<dyn Read + Send + 'r>>);

impl<'r> Handle<'r> {
    pub(crate) fn new(reader: impl Read + Send + 'r) -> Self {
        Self(Arc::new(Mutex::new(reader)))
    }

    fn again(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl Read for Handle<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        lock(&self.0).read(buf)
    }
}

/// A message on its way to the parser, counted and watched for what follows its end.
///
/// The parser stops at the end of the first message and says nothing of what follows: of two messages put together with `cat`, the second
/// would be lost in silence.
pub(crate) struct Source<'r> {
    raw: Handle<'r>,
    packets: Handle<'r>,
}

impl<'r> Source<'r> {
    /// Reads the first bytes. What does not look like an encrypted message is [`Error::Unreadable`] at once.
    pub(crate) fn open<R: Read + Send + 'r>(reader: R, tally: &Arc<Tally>) -> Result<Self, Error> {
        let failed = |_| tally.take_failure().map_or(Error::Unreadable, Error::Source);
        let mut counted = Counted { inner: reader, tally: Arc::clone(tally) };
        let mut head = Vec::with_capacity(PEEK_BYTES);
        counted.by_ref().take(PEEK_BYTES as u64).read_to_end(&mut head).map_err(failed)?;
        if !looks_encrypted(&head) {
            return Err(Error::Unreadable);
        }
        let armored = is_armored(&head);
        let whole = Cursor::new(head).chain(counted);
        let (raw, packets) = if armored {
            let raw =
                Handle::new(Scanned { inner: whole, scan: ArmorScan::default(), tally: Arc::clone(tally) });
            let mode = ReaderMode::Tolerant(Some(Kind::Message));
            let inner = armor::Reader::from_reader(raw.again(), mode);
            (raw, Handle::new(Scanned { inner, scan: PacketScan::default(), tally: Arc::clone(tally) }))
        } else {
            let raw =
                Handle::new(Scanned { inner: whole, scan: PacketScan::default(), tally: Arc::clone(tally) });
            let packets = raw.again();
            (raw, packets)
        };
        Ok(Self { raw, packets })
    }

    /// What the parser reads.
    pub(crate) fn packets(&self) -> impl Read + Send + Sync + use<'r> {
        self.packets.again()
    }

    /// Reads what the parser left, so that nothing that follows stays unseen.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        io::copy(&mut self.packets, &mut io::sink())?;
        io::copy(&mut self.raw, &mut io::sink())?;
        Ok(())
    }
}

/// Counts what is read, and notes the reader's own failures.
struct Counted<R> {
    inner: R,
    tally: Arc<Tally>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buf) {
            Ok(n) => {
                self.tally.consumed.fetch_add(n as u64, Ordering::Relaxed);
                Ok(n)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => Err(self.tally.note_failure(error)),
        }
    }
}

/// Looks at passing bytes for the end of the message.
pub(crate) trait Scan {
    /// True if something follows the end. An error stops the parser.
    fn pass(&mut self, bytes: &[u8]) -> io::Result<bool>;
}

struct Scanned<R, S> {
    inner: R,
    scan: S,
    tally: Arc<Tally>,
}

impl<R: Read, S: Scan> Read for Scanned<R, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        if self.scan.pass(&buf[..n])? {
            self.tally.trailing.store(true, Ordering::Relaxed);
        }
        Ok(n)
    }
}

pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
