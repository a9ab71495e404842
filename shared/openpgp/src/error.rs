use std::io;

use fault::{Code, Disposition, Fault, Notice, Phrase};

/// What can go wrong. Deliberately few kinds and no detail: what a sender could learn from more would help to forge.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No part of the message is for one of the keys given, or it is encrypted with a passphrase alone.
    #[error("the message is not encrypted to this key")]
    NotForUs,
    /// Truncated, changed, badly padded, badly nested: everything that is wrong once a session key was tried.
    #[error("the message is damaged")]
    Damaged,
    /// The integrity holds, and the signature is missing where demanded, by nobody registered, by an expired key, or wrong.
    #[error("the signature is not acceptable")]
    Signature,
    /// More plaintext than [`crate::Limits`] allow, in all or for that much ciphertext.
    #[error("the message holds more than {bytes_max} bytes")]
    TooLarge {
        /// The limit that was passed.
        bytes_max: u64,
    },
    /// Not an encrypted OpenPGP message, or one without integrity protection.
    #[error("not an encrypted message with integrity protection")]
    Unreadable,
    /// A container that GnuPG 2.3 and later write among keys that ask for it (packet 20); no standard has it.
    #[error("the message is in a form of GnuPG's own")]
    Form,
    /// A key or certificate is not usable.
    #[error("unusable key: {0}")]
    Key(KeyProblem),
    /// The reader given failed. It tells nothing about the message.
    #[error("the encrypted source failed: {0}")]
    Source(#[source] io::Error),
    /// The writer given failed.
    #[error("the encrypted target failed: {0}")]
    Sink(#[source] io::Error),
    /// The cryptographic library failed where no input is to blame.
    #[error("the cryptographic library failed")]
    Internal,
}

/// Why a key or certificate is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// No OpenPGP key, more than one, or a damaged one.
    #[error("{}", Phrase::PgpMalformed)]
    Malformed,
    /// A customer sent a private key instead of the public one.
    #[error("{}", Phrase::PgpPrivate)]
    Private,
    /// One of ours without its secrets, or with a passphrase on them.
    #[error("it has no unlocked secret")]
    Secretless,
    /// Nothing in it may encrypt now: expired, revoked, too weak, or made for something else.
    #[error("{}", Phrase::PgpNoEncryption)]
    NoEncryption,
    /// Nothing in it may sign now: expired, revoked, too weak, or made for something else.
    #[error("{}", Phrase::PgpNoSigning)]
    NoSigning,
    /// The user id given for a new key is empty, too long, or has control characters.
    #[error("its user id is not valid")]
    UserId,
}

impl Error {
    /// The error inside what [`crate::Decryptor`]'s `read` or [`crate::Encryptor`]'s `write` returned. An error of someone else's counts
    /// as [`Error::Source`]: it is no judgement on the message.
    pub fn from_io(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(ours) => ours,
            Err(other) => Self::Source(other),
        }
    }

    /// The same once more, for those who ask a failed reader again. Of an `io::Error` only the kind can be kept.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::NotForUs => Self::NotForUs,
            Self::Damaged => Self::Damaged,
            Self::Signature => Self::Signature,
            Self::TooLarge { bytes_max } => Self::TooLarge { bytes_max: *bytes_max },
            Self::Unreadable => Self::Unreadable,
            Self::Form => Self::Form,
            Self::Key(problem) => Self::Key(*problem),
            Self::Source(error) => Self::Source(error.kind().into()),
            Self::Sink(error) => Self::Sink(error.kind().into()),
            Self::Internal => Self::Internal,
        }
    }
}

impl From<KeyProblem> for Error {
    fn from(problem: KeyProblem) -> Self {
        Self::Key(problem)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

impl Fault for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::NotForUs => Disposition::Customer(Code::PgpNotForUs.into()),
            Self::Damaged | Self::Unreadable => Disposition::Customer(Code::PgpDamaged.into()),
            Self::Form => Disposition::Customer(Code::PgpForm.into()),
            Self::Signature => Disposition::Customer(Code::PgpSignature.into()),
            Self::TooLarge { bytes_max } => Disposition::Customer(
                Notice::new(Code::FileTextTooLarge).with("max", format!("{bytes_max} bytes")),
            ),
            Self::Key(problem) => Disposition::Customer(Notice::new(Code::PgpKey).with("problem", problem)),
            Self::Source(_) | Self::Sink(_) | Self::Internal => Disposition::RETRY,
        }
    }
}
