//! SFTP and SCP over tenants' buckets.
//!
//! Owns the SSH protocol, the jail and who may log in. Never sees what is in a file, a queue, or another tenant's credentials: S3 is
//! reached with a session that is narrowed to the tenant. Names of files stand in the audit alone.
#![forbid(unsafe_code)]

mod client;
mod connection;
mod cut;
mod error;
mod gateway;
mod host_key;
mod key_file;
mod limits;
mod login;
mod partial;
mod path;
mod scp;
mod sftp;
mod ssh;
mod standing;

pub use error::Error;
pub use gateway::Gateway;
pub use host_key::host_keys;
