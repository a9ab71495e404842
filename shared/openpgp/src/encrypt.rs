use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use sequoia_openpgp::{
    serialize::stream::{Encryptor as Container, LiteralWriter, Message, Recipient, Signer},
    types::SymmetricAlgorithm,
};
use time::OffsetDateTime;

use crate::{Error, KeyProblem, PublicKey, TenantKey, key::POLICY, source::Tally};

/// Starts a binary message to all recipients, signed if a signer is given. AES-256, not compressed; SEIPD version 1, which GnuPG 2.2
/// opens, unless every recipient's certificate asks for version 2.
///
/// Each recipient must have a valid encryption key now ([`PublicKey::check_encryption`]). Hand in `&mut writer` to keep the writer.
pub fn encrypt<'w, W: Write + Send + 'w>(
    writer: W,
    recipients: &'w [PublicKey],
    signer: Option<&TenantKey>,
    now: OffsetDateTime,
) -> Result<Encryptor<'w>, Error> {
    let now = SystemTime::from(now);
    let keys = recipient_keys(recipients, now)?;
    let tally = Arc::new(Tally::default());
    let failed = |_| tally.take_failure().map_or(Error::Internal, Error::Sink);

    let message = Message::new(Sink { inner: Mutex::new(writer), tally: Arc::clone(&tally) });
    let mut message = Container::for_recipients(message, keys)
        .symmetric_algo(SymmetricAlgorithm::AES256)
        .build()
        .map_err(failed)?;
    if let Some(signer) = signer {
        let mut signature = Signer::new(message, signer.signer(now)?).map_err(failed)?.creation_time(now);
        for recipient in recipients {
            signature = signature.add_intended_recipient(recipient.cert());
        }
        message = signature.build().map_err(failed)?;
    }
    let message = LiteralWriter::new(message).build().map_err(failed)?;
    Ok(Encryptor { message, tally })
}

fn recipient_keys(recipients: &[PublicKey], now: SystemTime) -> Result<Vec<Recipient<'_>>, Error> {
    let mut keys = Vec::new();
    for recipient in recipients {
        recipient.check_encryption(now.into())?;
        let usable = recipient.cert().keys().with_policy(POLICY, now).supported().alive().revoked(false);
        keys.extend(usable.for_transport_encryption().for_storage_encryption().map(Recipient::from));
    }
    if keys.is_empty() { Err(KeyProblem::NoEncryption.into()) } else { Ok(keys) }
}

/// Takes plaintext. A message that is not finished is incomplete, and nobody can open it.
pub struct Encryptor<'w> {
    message: Message<'w>,
    tally: Arc<Tally>,
}

impl Encryptor<'_> {
    /// Writes the signature and the integrity check, and flushes the writer.
    pub fn finish(self) -> Result<(), Error> {
        let Self { message, tally } = self;
        message.finalize().map_err(|_| tally.take_failure().map_or(Error::Internal, Error::Sink))
    }

    fn failed(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::Interrupted {
            return error;
        }
        self.tally.take_failure().map_or(Error::Internal, Error::Sink).into()
    }
}

impl Write for Encryptor<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.message.write(buf);
        written.map_err(|error| self.failed(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.message.flush();
        flushed.map_err(|error| self.failed(error))
    }
}

impl fmt::Debug for Encryptor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encryptor(..)")
    }
}

/// Notes the writer's own failures. The mutex is never contended: it makes any `Send` writer `Sync`, which the library demands.
struct Sink<W> {
    inner: Mutex<W>,
    tally: Arc<Tally>,
}

impl<W: Write> Sink<W> {
    fn noted<T>(&mut self, work: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        match work(self.inner.get_mut().unwrap_or_else(PoisonError::into_inner)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(self.tally.note_failure(error)),
            outcome => outcome,
        }
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.noted(|inner| inner.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.noted(Write::flush)
    }
}
