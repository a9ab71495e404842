//! Who may do what, as far as secrets prove it: the master key, passwords, API keys, SSH keys, limits on attempts.
//!
//! Owns the formats of those secrets and of what is stored of them. Never sees the database, the network or a clock: callers store the
//! hashes and hand in `now`. Nothing here shows a secret in `Debug`, and no error holds one.

mod master;

pub use master::{KEY_BYTES, MasterKey, Purpose};

use fault::{Disposition, Fault};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The installation's secret is not 32 bytes of base64.
    #[error("the master key is not 32 bytes of base64")]
    MasterKey,
    /// The system gave no random bytes.
    #[error("no random bytes")]
    Random,
}

impl Fault for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::MasterKey => Disposition::Permanent,
            Self::Random => Disposition::RETRY,
        }
    }
}
