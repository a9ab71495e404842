//! What a dialogue means for its mail. Pure.

use contract::MailId;
use mail::{AnswerTo, BounceClass};
use time::{Duration, OffsetDateTime};

/// How far a mail's dialogue had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// MAIL was not answered well: the relay does not have the mail.
    Mail,
    /// Nor was RCPT.
    Rcpt,
    /// Nor was DATA.
    Data,
    /// The content was handed over, at least in part: only a reply tells whether the relay has it.
    Content,
}

impl Phase {
    fn answered(self) -> AnswerTo {
        match self {
            Self::Mail => AnswerTo::Sender,
            Self::Rcpt => AnswerTo::Recipient,
            Self::Data | Self::Content => AnswerTo::Content,
        }
    }
}

/// What was heard in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A reply. The text may quote addresses.
    Reply {
        /// Three digits.
        code: u16,
        /// In one line.
        text: String,
    },
    /// None: the connection broke, the time was over, or the reply was none.
    Silence(&'static str),
}

/// The state in which a dialogue leaves a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Sent,
    Deferred,
    Refused,
    Expired,
    Unknown,
}

impl State {
    /// As the ledger spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Deferred => "deferred",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }
}

/// What is written to a row after its attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub mail: MailId,
    pub attempt: i16,
    pub state: State,
    /// Of a refusal.
    pub class: Option<BounceClass>,
    pub reply: String,
    pub due_at: Option<OffsetDateTime>,
}

/// How long a mail waits after its first, second, ... attempt; the last value goes on. The relay is ours or the provider's, and what it
/// refuses for now is its own load or a rate, so the first retries come soon. Greylisting elsewhere is the relay's work.
const RETRY_MINUTES: [i64; 7] = [1, 5, 15, 30, 60, 120, 240];

/// Final replies about us and not about the mail: the relay wants TLS or another login (RFC 3207, 4954). A person mends that, and no mail
/// is lost over it.
const ABOUT_US: [u16; 4] = [530, 534, 535, 538];

/// Of what a relay says; the rest is cut off.
const REPLY_CHARS_MAX: usize = 500;

/// The state after one attempt, before the clock is asked.
fn judge(phase: Phase, answer: &Answer) -> State {
    match (phase, answer) {
        (Phase::Content, Answer::Reply { code: 200..=299, .. }) => State::Sent,
        (_, Answer::Reply { code: code @ 500..=599, .. }) if !ABOUT_US.contains(code) => State::Refused,
        (_, Answer::Reply { code: 400..=599, .. }) => State::Deferred,
        (Phase::Content, _) => State::Unknown,
        _ => State::Deferred,
    }
}

/// The outcome of an attempt that ended at `now`. `addresses` are taken out of the reply; `expires_at` is the end of all retries.
pub(crate) fn decide(
    id: MailId,
    attempt: i16,
    (phase, answer): (Phase, &Answer),
    addresses: &[&str],
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Outcome {
    let reply = match answer {
        Answer::Reply { code, text } => format!("{code} {text}"),
        Answer::Silence(what) => (*what).to_owned(),
    };
    let reply: String = mail::redact(&reply, addresses).chars().take(REPLY_CHARS_MAX).collect();
    let retry_at = now + wait_after(attempt);
    let (state, due_at) = match judge(phase, answer) {
        State::Deferred if retry_at >= expires_at => (State::Expired, None),
        State::Deferred => (State::Deferred, Some(retry_at)),
        other => (other, None),
    };
    let class = match answer {
        Answer::Reply { code, text } if state == State::Refused => {
            Some(mail::classify_reply(*code, text, phase.answered()))
        }
        _ => None,
    };
    Outcome { mail: id, attempt, state, class, reply, due_at }
}

fn wait_after(attempt: i16) -> Duration {
    let attempt = usize::try_from(attempt).unwrap_or_default().clamp(1, RETRY_MINUTES.len());
    Duration::minutes(RETRY_MINUTES[attempt - 1])
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);
    const END: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    fn reply(code: u16) -> Answer {
        Answer::Reply { code, text: "text".to_owned() }
    }

    #[test]
    fn every_answer_has_its_state() {
        let lost = || Answer::Silence("lost");
        let table = [
            (Phase::Content, reply(250), State::Sent),
            (Phase::Content, reply(251), State::Sent),
            (Phase::Content, reply(451), State::Deferred),
            (Phase::Content, reply(421), State::Deferred),
            (Phase::Content, reply(554), State::Refused),
            (Phase::Content, lost(), State::Unknown),
            (Phase::Content, reply(354), State::Unknown),
        ];
        let offered = [Phase::Mail, Phase::Rcpt, Phase::Data].into_iter().flat_map(|phase| {
            [
                (phase, reply(421), State::Deferred),
                (phase, reply(450), State::Deferred),
                (phase, reply(451), State::Deferred),
                (phase, reply(452), State::Deferred),
                (phase, reply(530), State::Deferred),
                (phase, reply(550), State::Refused),
                (phase, reply(552), State::Refused),
                (phase, reply(554), State::Refused),
                (phase, lost(), State::Deferred),
                // No mail is sent by a positive reply to anything but its content.
                (phase, reply(250), State::Deferred),
            ]
        });
        for (phase, answer, state) in table.into_iter().chain(offered) {
            assert_eq!(judge(phase, &answer), state, "{phase:?} {answer:?}");
        }
    }

    #[test]
    fn a_refusal_has_a_class_and_nothing_else_has() {
        let class = |phase, answer: Answer| {
            decide(MailId(1), 1, (phase, &answer), &[], NOW, END).class.map(BounceClass::name)
        };
        for (phase, code, expected) in [
            (Phase::Rcpt, 550, Some("hard")),
            (Phase::Rcpt, 552, Some("soft")),
            (Phase::Rcpt, 554, Some("block")),
            // It is about our sender, or about the content.
            (Phase::Mail, 550, Some("block")),
            (Phase::Data, 550, Some("block")),
            (Phase::Content, 550, Some("block")),
            (Phase::Rcpt, 450, None),
            (Phase::Rcpt, 530, None),
            (Phase::Content, 250, None),
        ] {
            assert_eq!(class(phase, reply(code)), expected, "{phase:?} {code}");
        }
    }

    #[test]
    fn a_mail_is_tried_to_the_end_of_its_time() {
        let (mut now, mut attempt) = (END - Duration::days(1), 0);
        loop {
            attempt += 1;
            let Some(due_at) = at(attempt, now).due_at else { break };
            assert!(due_at > now && due_at < END);
            now = due_at;
        }
        assert_eq!((attempt, at(attempt, now).state), (12, State::Expired));
    }

    fn at(attempt: i16, now: OffsetDateTime) -> Outcome {
        decide(MailId(1), attempt, (Phase::Rcpt, &reply(451)), &[], now, END)
    }

    #[test]
    fn waits_grow_and_end() {
        let minutes = [(1, 1), (2, 5), (3, 15), (7, 240), (8, 240), (i16::MAX, 240), (0, 1), (-1, 1)];
        for (attempt, wait) in minutes {
            assert_eq!(at(attempt, NOW).due_at, Some(NOW + Duration::minutes(wait)), "{attempt}");
        }
        let late = at(1, END - Duration::seconds(60));
        assert_eq!((late.state, late.due_at), (State::Expired, None));
        let in_time = at(1, END - Duration::seconds(61));
        assert_eq!(in_time.state, State::Deferred);
    }

    #[test]
    fn a_due_time_means_that_the_row_is_open() {
        for (phase, answer) in [
            (Phase::Content, reply(250)),
            (Phase::Content, reply(550)),
            (Phase::Content, Answer::Silence("lost")),
        ] {
            assert_eq!(decide(MailId(1), 1, (phase, &answer), &[], NOW, END).due_at, None, "{answer:?}");
        }
    }

    #[test]
    fn replies_hide_addresses_and_end() {
        let text = format!("5.1.1 <anna@example.org>: unknown {}", "x".repeat(1000));
        let answer = Answer::Reply { code: 550, text };
        let outcome = decide(MailId(1), 1, (Phase::Rcpt, &answer), &["anna@example.org"], NOW, END);
        assert!(outcome.reply.starts_with("550 5.1.1 <address>: unknown xxx"), "{}", outcome.reply);
        assert_eq!(outcome.reply.chars().count(), REPLY_CHARS_MAX);
    }
}
