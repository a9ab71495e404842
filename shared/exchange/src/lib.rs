//! The File Exchange and the spool on S3: folders, streaming reads and multipart writes, moves, lifecycle rules.
//!
//! Owns every S3 request for tenants' data, and the credentials that narrow them to one tenant. Never sees Postgres, a queue, or what is
//! in a file. File names are customers' words: they stand in no error and in no `Debug` here. `ETag`s are without quotes everywhere.
#![forbid(unsafe_code)]

mod blocking;
mod buffer;
mod client;
mod copy;
mod download;
mod error;
mod files;
mod lifecycle;
mod link;
mod listing;
mod mark;
mod name;
mod part;
mod policy;
mod resume;
mod spool;
mod tail;
#[cfg(test)]
mod tests;
mod unfinished;
mod upload;

pub use blocking::{BlockingRead, BlockingWrite};
pub use client::Exchange;
pub use copy::Moved;
pub use download::Download;
pub use error::{Error, error_in};
pub use files::{Meta, Stored, TenantFiles};
pub use lifecycle::{LifecycleRule, Retention, backstop, lifecycle, lifecycle_configuration, whole_days};
pub use listing::{Entry, Listing, Page};
pub use mark::Left;
pub use policy::{Scope, policy};
pub use spool::Written;
pub use unfinished::Unfinished;
pub use upload::Upload;
