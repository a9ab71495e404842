//! Who may do what, as far as secrets prove it: the master key, passwords, second factors, sessions, API keys, SSH keys, secrets of webhooks,
//! limits on attempts; and what roles people have.
//!
//! Owns the formats of those secrets and of what is stored of them. Never sees the database, the network or a clock: callers store the
//! hashes and hand in `now`. Nothing here shows a secret in `Debug`, and no error holds one.

mod api_key;
pub mod code;
mod destination;
mod limiter;
mod master;
mod network;
pub mod password;
mod phone;
mod random;
pub mod recovery;
mod role;
mod scope;
mod sealing;
mod ssh_key;
mod token;
mod totp;
mod webhook_secret;

pub use api_key::{ApiKey, NewApiKey};
pub use destination::may_be_told;
pub use limiter::{Attempt, LIMITER_KEYS_MAX, Limiter};
pub use master::{KEY_BYTES, MasterKey, NO_TENANT, Purpose};
pub use network::Network;
pub use phone::{Phone, PhoneError};
pub use role::{Role, UnknownRole};
pub use scope::{Scope, UnknownScope};
pub use sealing::{HEADER_BYTES, SealingError, open, seal};
pub use ssh_key::SshKey;
pub use token::Token;
pub use totp::Totp;
pub use webhook_secret::WebhookSecret;

use fault::{Code, Disposition, Fault};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The installation's secret is not 32 bytes of base64.
    #[error("the master key is not 32 bytes of base64")]
    MasterKey,
    /// The system gave no random bytes.
    #[error("no random bytes")]
    Random,
    /// A password could not be hashed; there was no memory for it.
    #[error("the password could not be hashed")]
    PasswordHash,
    /// A new password is shorter or longer than allowed.
    #[error("the password is shorter or longer than allowed")]
    PasswordLength,
    /// Not one line of an OpenSSH public key.
    #[error("not an OpenSSH public key")]
    SshKeyMalformed,
    /// A public key too short, or of a kind that the gateway does not take.
    #[error("an SSH key of a kind or size that is not taken")]
    SshKeyWeak,
    /// Neither an address nor a network.
    #[error("not an address or a network such as 192.0.2.0/24, with nothing set behind its prefix")]
    Network,
}

impl Fault for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::MasterKey | Self::PasswordLength | Self::Network => Disposition::Permanent,
            Self::Random | Self::PasswordHash => Disposition::RETRY,
            Self::SshKeyMalformed => Disposition::Customer(Code::SshKeyMalformed.into()),
            Self::SshKeyWeak => Disposition::Customer(Code::SshKeyWeak.into()),
        }
    }
}
