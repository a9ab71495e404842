//! What an attempt comes to: pure decisions.

use std::time::Duration;

use contract::WebhookDeliveryId;

/// How long to wait after each failed attempt; after one more than these the delivery is given up, about two days after its event. The
/// schedule comes every minute, so a short wait is one of up to a minute.
const WAITS: [Duration; 8] = [
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(6),
    Duration::from_hours(12),
    Duration::from_hours(24),
];
/// A wait is longer by up to a fifth, so that what failed together is not tried together for ever.
const JITTER_PART: u32 = 5;

/// What was wrong with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The webhook's address is not one of HTTPS.
    Url,
    /// Its secret cannot be opened: ours.
    Secret,
    /// Its name has no address, or no name server answers.
    Dns,
    /// It has addresses, and none to which a webhook may go.
    RefusedAddress,
    /// Nobody listens there.
    Connect,
    /// No TLS, or a certificate that is not valid for the name.
    Tls,
    /// The answer did not come in time.
    Timeout,
    /// The connection broke, or the answer is none of HTTP.
    Protocol,
    /// A redirect, which is not followed.
    Redirect,
    /// Another status than a success.
    Status,
    /// 410: the receiver is gone, and says so.
    Gone,
}

impl Problem {
    /// As the database spells it.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Secret => "secret",
            Self::Dns => "dns",
            Self::RefusedAddress => "refused_address",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Redirect => "redirect",
            Self::Status => "status",
            Self::Gone => "gone",
        }
    }
}

/// How it goes on with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is taken.
    Delivered,
    /// It is tried again after this.
    Again(Duration),
    /// It was tried often enough.
    GivenUp,
    /// The whole webhook is not wanted any more.
    Disabled,
}

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// How it goes on.
    pub next: Next,
    /// The status that came, if one did.
    pub status: Option<u16>,
    /// What was wrong.
    pub problem: Option<Problem>,
}

/// Judges the answer to an attempt, the first one being 1.
pub fn of(answer: Result<u16, Problem>, attempt: i32, id: WebhookDeliveryId) -> Outcome {
    let status = answer.ok();
    let problem = match answer {
        Ok(200..=299) => return Outcome { next: Next::Delivered, status, problem: None },
        Ok(410) => return Outcome { next: Next::Disabled, status, problem: Some(Problem::Gone) },
        Ok(300..=399) => Problem::Redirect,
        Ok(_) => Problem::Status,
        Err(problem) => problem,
    };
    let next = wait_after(attempt, id).map_or(Next::GivenUp, Next::Again);
    Outcome { next, status, problem: Some(problem) }
}

fn wait_after(attempt: i32, id: WebhookDeliveryId) -> Option<Duration> {
    let wait = *WAITS.get(usize::try_from(attempt).ok()?.checked_sub(1)?)?;
    // Knuth's multiplicative hash: neighbours are spread over the whole range.
    let spread = (id.0.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u32;
    Some(wait + wait / JITTER_PART * spread / 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: WebhookDeliveryId = WebhookDeliveryId(1);

    #[test]
    fn an_answer_is_judged_by_its_status() {
        for (answer, expected) in [
            (Ok(200), None),
            (Ok(204), None),
            (Ok(299), None),
            (Ok(101), Some("status")),
            (Ok(301), Some("redirect")),
            (Ok(304), Some("redirect")),
            (Ok(308), Some("redirect")),
            (Ok(400), Some("status")),
            (Ok(404), Some("status")),
            (Ok(429), Some("status")),
            (Ok(500), Some("status")),
            (Ok(999), Some("status")),
            (Err(Problem::Timeout), Some("timeout")),
            (Err(Problem::RefusedAddress), Some("refused_address")),
        ] {
            let outcome = of(answer, 1, ID);
            assert_eq!(outcome.problem.map(Problem::slug), expected, "{answer:?}");
            assert_eq!(outcome.status, answer.ok(), "{answer:?}");
            assert_eq!(outcome.next == Next::Delivered, expected.is_none(), "{answer:?}");
            assert_eq!(matches!(outcome.next, Next::Again(_)), expected.is_some(), "{answer:?}");
        }
        let gone = Outcome { next: Next::Disabled, status: Some(410), problem: Some(Problem::Gone) };
        assert_eq!(of(Ok(410), 1, ID), gone);
        assert_eq!(of(Ok(410), 9, ID), gone);
    }

    #[test]
    fn nobody_is_tried_for_ever() {
        let waits: Vec<_> = (1..=8).map(|attempt| wait_after(attempt, ID).unwrap()).collect();
        for (wait, least) in waits.iter().zip(WAITS) {
            assert!((least..least + least / 5).contains(wait), "{wait:?} for {least:?}");
        }
        let all: Duration = waits.iter().sum();
        assert!((Duration::from_hours(44)..Duration::from_hours(54)).contains(&all), "{all:?}");
        for attempt in [9, 10, i32::MAX, 0, -1] {
            assert_eq!(of(Ok(500), attempt, ID).next, Next::GivenUp, "{attempt}");
        }
        assert_eq!(of(Ok(200), 9, ID).next, Next::Delivered);
    }

    #[test]
    fn neighbours_wait_for_different_times() {
        let mut waits: Vec<_> = (0..64).map(|id| wait_after(5, WebhookDeliveryId(id)).unwrap()).collect();
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 48, "{}", waits.len());
        assert!(waits[waits.len() - 1] > waits[0] + Duration::from_mins(20), "{waits:?}");
        assert_eq!(wait_after(5, ID), wait_after(5, ID));
    }
}
