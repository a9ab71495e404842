//! What the targets share: pure files of functions, `mail` and `store`, taken as they are. Their crates would bring S3's and Postgres' clients into
//! a build that counts every branch.

// The import's files name these two crates, of which they need little.
extern crate self as mail;
extern crate self as store;

#[path = "../../../shared/store/src/fields.rs"]
pub mod fields;
/// Addresses, and how templates spell columns.
#[path = "../../../shared/mail/src"]
#[allow(dead_code, unused_imports, reason = "taken whole, used in part")]
mod mail_parts {
    pub mod address;
    pub mod field;
}
#[path = "../../../functions/gateway/src/path.rs"]
pub mod path;
/// From a file's text to rows.
#[path = "../../../functions/import/src/reading"]
pub mod reading {
    pub mod charset;
    pub mod columns;
    pub mod copy;
    pub mod dialect;
    pub mod gate;
    pub mod records;
    pub mod repeats;
    pub mod report;
    pub mod row;
    pub mod rows;
}
pub mod peer;
pub mod scp;

pub use mail_parts::{
    address::{Address, AddressKey, DigestKey},
    field::field_name,
};
