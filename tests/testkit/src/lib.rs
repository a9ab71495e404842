//! What scenarios and the demo are made of: a tenant of their own on the running stack, and the real programs that the outside world
//! uses: OpenSSH's `sftp`, `gpg`, an HTTP client, the sink's mailboxes.
//!
//! Never starts the stack: `cargo local test` and `cargo local demo` do. Waits are conditions with a deadline, see [`wait`].
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "tests: a broken expectation panics"
)]

pub mod audit;
pub mod aws;
pub mod browser;
mod certificate;
pub mod chromium;
pub mod csv;
pub mod customer;
pub mod exports;
pub mod gateway;
pub mod gpg;
pub mod hold;
pub mod http;
pub mod long_folder;
pub mod mailbox;
pub mod moto;
pub mod name_server;
pub mod own;
pub mod packets;
pub mod random;
pub mod receiver;
pub mod ses;
pub mod sftp;
pub mod short_lived;
pub mod ssh;
pub mod tenant;
pub mod verifiers;
pub mod wait;

pub use localstack::Stack;
pub use tenant::Tenant;

/// A name that no other test of any run has: for tenants, domains and files.
pub fn unique(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
        % 10_000_000_000_000;
    format!("{prefix}-{nanos}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
