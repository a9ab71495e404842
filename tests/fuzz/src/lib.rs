//! What the targets share: the gateway's own pure files, taken as they are. The gateway's crate would bring S3's and Postgres' clients into a
//! build that counts every branch.

#[path = "../../../functions/gateway/src/path.rs"]
pub mod path;
pub mod scp;
