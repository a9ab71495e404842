//! Whether domains take mail, asked of the DNS where a profile wants it.
//!
//! What was answered is kept in the memory of the process, for all imports that it runs. These are names of domains without any address, of
//! whichever tenants; they are never logged nor stored, and a time after which the DNS itself forgets them.

mod decision;
mod lookups;
mod resolver;

#[cfg(test)]
mod tests;

pub use lookups::{Limits, Lookups};
pub use resolver::Resolver;
