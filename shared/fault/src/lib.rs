//! What went wrong and what to do about it.
//!
//! Every crate has one error enum; [`Fault::disposition`] says exhaustively, per variant, whether to try again, to give up, or to tell
//! the customer. What a customer reads stands in one catalogue, [`Code`], and is never taken from an error chain. Words of ours that fill a gap
//! of it are a [`Phrase`].
#![forbid(unsafe_code)]

mod advice;
mod catalogue;
mod gaps;
mod phrases;

pub use catalogue::{Code, Notice};
pub use phrases::Phrase;

use std::time::Duration;

/// What to do with an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// The same work may succeed later: give the message back to its queue.
    Retry {
        /// A delay that the other side asked for, where it did.
        after: Option<Duration>,
    },
    /// The same work fails again each time: it belongs into the dead letter queue, and a person has to look.
    Permanent,
    /// The customer's doing: they are told, and the work ends in a regular state.
    Customer(Notice),
}

impl Disposition {
    /// Try again whenever the queue delivers it next.
    pub const RETRY: Self = Self::Retry { after: None };
}

/// An error that knows what is to be done about it.
pub trait Fault: std::error::Error + Send + Sync + 'static {
    /// Exhaustive over the variants: a new kind of error has to decide.
    fn disposition(&self) -> Disposition;
}

impl<F: Fault> Fault for Box<F> {
    fn disposition(&self) -> Disposition {
        (**self).disposition()
    }
}
