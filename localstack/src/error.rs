//! What can go wrong in the driver: always what happened, where, and what to do about it.

use std::path::Path;

/// A failed step, in words for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or a process could not be handled.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, and on which path.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A part did not do what it should; `tail` is the end of its log or of its output.
    #[error("{what}\n{tail}{advice}")]
    Failed {
        /// What happened.
        what: String,
        /// The last lines that the part wrote, each indented, or nothing.
        tail: String,
        /// What to do about it.
        advice: String,
    },
    /// A document of the driver's own could not be read.
    #[error("{what}: {source}")]
    Json {
        /// Which document.
        what: String,
        /// Where it is wrong.
        source: serde_json::Error,
    },
    /// An HTTP exchange with the local stack failed.
    #[error("{what}: {problem}\nIs the stack up? `cargo local status` tells.")]
    Http {
        /// Which request.
        what: String,
        /// What went wrong.
        problem: String,
    },
}

/// The driver's results.
pub type Result<T> = std::result::Result<T, Error>;

/// How many lines of a log an error shows.
const TAIL_LINES: usize = 15;
/// How much of a log's end is read for them.
const TAIL_BYTES: usize = 16 * 1024;

impl Error {
    /// A failure without a log to show.
    pub fn failed(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Failed { what: what.into(), tail: String::new(), advice: advice.into() }
    }

    /// A failure with the end of `log`.
    pub fn with_log(what: impl Into<String>, log: &Path) -> Self {
        let text = std::fs::read(log).unwrap_or_default();
        let from = text.len().saturating_sub(TAIL_BYTES);
        Self::with_output(what, &text[from..], format!("The whole log: {}", log.display()))
    }

    /// A failure with the end of a command's output.
    pub fn with_output(what: impl Into<String>, output: &[u8], advice: impl Into<String>) -> Self {
        let text = String::from_utf8_lossy(output);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        let tail = last.iter().flat_map(|line| ["  | ", line, "\n"]).collect();
        Self::Failed { what: what.into(), tail, advice: advice.into() }
    }
}

/// Names what was tried when an input or output operation fails.
pub trait IoContext<T> {
    /// `what` reads as "cannot <what>".
    fn or_cannot(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn or_cannot(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { what: format!("cannot {}", what()), source })
    }
}
