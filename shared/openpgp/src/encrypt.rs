use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use sequoia_openpgp::{
    Packet,
    cert::{Preferences as _, amalgamation::ValidAmalgamation as _},
    crypto::SessionKey,
    packet::{
        Key, PKESK,
        key::{PublicParts, UnspecifiedRole},
        pkesk::PKESK3,
    },
    serialize::{
        Serialize,
        stream::{Encryptor as Container, LiteralWriter, Message, Recipient, Signer},
    },
    types::{Features, SymmetricAlgorithm},
};
use time::OffsetDateTime;

use crate::{
    Error, KeyProblem, PublicKey, TenantKey,
    key::POLICY,
    seal::Seal,
    source::{Tally, lock},
};

/// Of AES-256.
const SESSION_KEY_BYTES: usize = 32;

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

    let mut sink = Sink { inner: Mutex::new(writer), tally: Arc::clone(&tally) };
    let mut seal = None;
    let mut message = if keys.iter().all(|(_, features)| features.supports_seipdv2()) {
        let recipients =
            keys.iter().map(|(key, features)| Recipient::new(features.clone(), key.key_handle(), *key));
        let container = Container::for_recipients(Message::new(sink), recipients);
        container.symmetric_algo(SymmetricAlgorithm::AES256).build().map_err(failed)?
    } else {
        let session_key = SessionKey::new(SESSION_KEY_BYTES).map_err(failed)?;
        for (key, _) in &keys {
            let pkesk =
                PKESK3::for_recipient(SymmetricAlgorithm::AES256, &session_key, key).map_err(failed)?;
            Packet::from(PKESK::from(pkesk)).serialize(&mut sink).map_err(failed)?;
        }
        let container = Seal::begin(Box::new(sink) as Box<dyn Write + Send + 'w>, &session_key)
            .map_err(|error| failed(error.into()))?;
        let shared: SharedSeal<'w> = SharedSeal(Arc::new(Mutex::new(container)));
        Message::new(seal.insert(shared).clone())
    };
    if let Some(signer) = signer {
        let mut signature = Signer::new(message, signer.signer(now)?).map_err(failed)?.creation_time(now);
        for recipient in recipients {
            signature = signature.add_intended_recipient(recipient.cert());
        }
        message = signature.build().map_err(failed)?;
    }
    let message = LiteralWriter::new(message).build().map_err(failed)?;
    Ok(Encryptor { message, seal, tally })
}

type RecipientKey<'a> = (&'a Key<PublicParts, UnspecifiedRole>, Features);

fn recipient_keys(recipients: &[PublicKey], now: SystemTime) -> Result<Vec<RecipientKey<'_>>, Error> {
    let mut keys = Vec::new();
    for recipient in recipients {
        recipient.check_encryption(now.into())?;
        let usable = recipient.cert().keys().with_policy(POLICY, now).supported().alive().revoked(false);
        keys.extend(
            usable
                .for_transport_encryption()
                .for_storage_encryption()
                .map(|key| (key.key(), key.valid_cert().features().unwrap_or_else(Features::empty))),
        );
    }
    if keys.is_empty() { Err(KeyProblem::NoEncryption.into()) } else { Ok(keys) }
}

/// Takes plaintext. A message that is not finished is incomplete, and nobody can open it.
pub struct Encryptor<'w> {
    message: Message<'w>,
    /// The container, where it is of version 1.
    seal: Option<SharedSeal<'w>>,
    tally: Arc<Tally>,
}

impl Encryptor<'_> {
    /// Writes the signature and the integrity check, and flushes the writer.
    pub fn finish(self) -> Result<(), Error> {
        let Self { message, seal, tally } = self;
        let failed = || tally.take_failure().map_or(Error::Internal, Error::Sink);
        message.finalize().map_err(|_| failed())?;
        match seal {
            Some(seal) => lock(&seal.0).finish().map_err(|_| failed()),
            None => Ok(()),
        }
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

/// The container has two owners: the library writes packets into it, and we end it.
#[derive(Clone)]
struct SharedSeal<'w>(Arc<Mutex<Seal<Box<dyn Write + Send + 'w>>>>);

impl Write for SharedSeal<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        lock(&self.0).write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        lock(&self.0).flush()
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
