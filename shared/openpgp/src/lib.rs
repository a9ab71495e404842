//! Files that customers encrypt to us, and files that we encrypt to them: OpenPGP (RFC 4880 and RFC 9580), streaming.
//!
//! Owns which messages are accepted and how their faults are told. Never sees S3, the database or an async runtime: it wraps a `Read`
//! or a `Write`, in memory that does not depend on the file's size. Callers run it on a blocking thread.
//!
//! Plaintext may come out before the message's end is known to be authentic. Publish only after the reader told its end, or after
//! [`Decryptor::finish`]. Faults are told without an oracle: whatever is wrong behind the session key is [`Error::Damaged`], and the
//! signature is judged only after the integrity held.

mod body;
mod chunks;
mod container;
mod decrypt;
mod detect;
mod encrypt;
mod error;
mod framing;
mod judge;
mod key;
mod limits;
mod literal;
mod mdc;
mod seal;
mod source;

pub use decrypt::{Decryptor, Terms, Verified, decrypt};
pub use detect::{PEEK_BYTES, looks_encrypted};
pub use encrypt::{Encryptor, encrypt};
pub use error::{Error, KeyProblem};
pub use key::{KeyPair, PublicKey, TenantKey, generate};
pub use limits::{EXPANSION_GRACE_BYTES, Limits};

#[cfg(test)]
mod tests;
