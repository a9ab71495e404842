//! gzip and zip -> what was packed, as a stream: bounded, and checked to the end.
//!
//! Its bytes come out before their checksum is known to hold. Use nothing of them before `read` gave 0.

mod content;
mod gzip;
mod source;
mod zip;

use std::io::{self, Read};

use fault::{Code, Notice, Phrase};
use gzip::Gzip;
use source::Source;
use zip::Zip;

use super::form;

/// The largest text that a packed file may hold: what a file may be that is not packed, for it takes the same time.
pub const UNPACKED_BYTES_MAX: u64 = 10 << 30;
/// Bytes of text for each byte of the packed file. Tables of addresses compress 3 to 20 times; deflate's best is 1,032.
pub const EXPANSION_MAX: u64 = 200;
/// So much text may come from however few bytes: a short file full of the same row is no attack.
const EXPANSION_GRACE_BYTES: u64 = 16 << 20;

/// What is wrong with a packed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Cut short, changed, or not made by any packer.
    #[error("the packed file is damaged")]
    Damaged,
    /// A zip with a password.
    #[error("the zip archive has a password")]
    Password,
    /// A zip whose entry is neither stored nor deflated, or stored in a way that no stream can be read.
    #[error("the zip archive's method is not read")]
    Method,
    /// A zip without a file.
    #[error("the zip archive is empty")]
    NoFile,
    /// A zip with more than one.
    #[error("the zip archive has several files")]
    ManyFiles,
    /// A zip that is a workbook.
    #[error("the zip archive is a document")]
    Document,
    /// More text than [`UNPACKED_BYTES_MAX`].
    #[error("the packed file holds too much")]
    TooLarge,
    /// More text than [`EXPANSION_MAX`] allows.
    #[error("the packed file expands too much")]
    Expansion,
}

impl Problem {
    /// As the customer reads it.
    pub fn notice(self) -> Notice {
        let files = |found: Phrase| Notice::new(Code::FilePackedFiles).with("found", found);
        match self {
            Self::Damaged => Code::FilePackedDamaged.into(),
            Self::Password => Code::FilePackedPassword.into(),
            Self::Method => Code::FilePackedMethod.into(),
            Self::NoFile => files(Phrase::NoFile),
            Self::ManyFiles => files(Phrase::ManyFiles),
            Self::Document => form::document(Phrase::Excel),
            Self::TooLarge => {
                let max = format!("{} GiB", UNPACKED_BYTES_MAX >> 30);
                Notice::new(Code::FileTextTooLarge).with("max", max)
            }
            Self::Expansion => Notice::new(Code::FileExpansion).with("max", EXPANSION_MAX),
        }
    }
}

/// Why there is no more.
enum Stop {
    /// The source.
    Source(io::Error),
    /// What it gave.
    Problem(Problem),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// What a packed file holds. `read` gives 0 only when everything was there and its checksums held.
pub struct Unpacked<R> {
    source: Source<R>,
    packing: Packing,
    problem: Option<Problem>,
}

enum Packing {
    Gzip(Gzip),
    Zip(Box<Zip>),
}

impl<R: Read> Unpacked<R> {
    /// Of a gzip file, of one or several members.
    pub fn gzip(source: R) -> Self {
        Self { source: Source::new(source), packing: Packing::Gzip(Gzip::default()), problem: None }
    }

    /// Of a zip archive with one file.
    pub fn zip(source: R) -> Self {
        Self { source: Source::new(source), packing: Packing::Zip(Box::default()), problem: None }
    }

    /// What was found to be wrong. It is not lost where a reader above changes errors.
    pub fn problem(&self) -> Option<Problem> {
        self.problem
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(problem) = self.problem {
            return Err(io::Error::other(problem));
        }
        if out.is_empty() {
            return Ok(0);
        }
        let read = match &mut self.packing {
            Packing::Gzip(gzip) => gzip.read(&mut self.source, out),
            Packing::Zip(zip) => zip.read(&mut self.source, out),
        };
        match read {
            Ok(count) => Ok(count),
            Err(Stop::Source(error)) => Err(error),
            Err(Stop::Problem(problem)) => {
                self.problem = Some(problem);
                Err(io::Error::other(problem))
            }
        }
    }
}

#[cfg(test)]
mod tests;
