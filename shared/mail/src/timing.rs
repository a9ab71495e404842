//! What the time of a response says of who made it.

use std::time::Duration;

/// Programs are faster than people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// An open or a click that comes sooner after its mail was handed over is a program's.
    pub after_sending: Duration,
    /// So many different links of one mail,
    pub links: u8,
    /// clicked within this time, are a program's clicks.
    pub links_within: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { after_sending: Duration::from_secs(5), links: 3, links_within: Duration::from_secs(2) }
    }
}
