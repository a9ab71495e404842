//! Trouble on request: what a recipient's local part, or a client's name in EHLO, begins with says what the sink does.
//!
//! `[once-]<step>-<code>` answers a step with a code, `[once-]<verb>-at-<step>` does something else there: `rcpt-450-anna`, `dot-552`,
//! `drop-at-content`, `once-stall-at-data`. With `once-` it is the first time only. The steps `ehlo` and `mail` come before any recipient
//! is known, so a client's name chooses there: `mail-451.client.example`.

/// A point of the dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// EHLO.
    Ehlo,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, before 354.
    Data,
    /// Behind 354, before anything is read.
    Go,
    /// Behind the content's first line.
    Content,
    /// The final dot.
    Dot,
}

/// What happens at a step instead of the usual answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// This reply. 421 ends the connection.
    Answer(&'static str),
    /// The connection ends without an answer, and nothing is kept.
    Drop,
    /// The mail is kept and the connection ends without an answer: the doubt of SMTP.
    Lose,
    /// No answer for as long as the client waits.
    Stall,
    /// The usual answer after two seconds.
    Slow,
}

/// How a recipient's mail server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// The first time only.
    pub once: bool,
    /// Where.
    pub step: Step,
    /// What.
    pub act: Act,
}

/// Names for what is usual; the longer of two such beginnings stands first.
const NAMES: [(&str, &str); 10] = [
    ("unknown-user", "rcpt-550"),
    ("mailbox-full", "rcpt-552"),
    ("blocked", "rcpt-554"),
    ("tempfail-always", "rcpt-451"),
    ("tempfail", "once-rcpt-451"),
    ("refused-after-data", "dot-554"),
    ("deferred-after-data", "dot-452"),
    ("disconnect-in-data", "once-drop-at-dot"),
    ("lost-answer", "lose-at-dot"),
    ("slow", "slow-at-dot"),
];

const STEPS: [(&str, Step); 7] = [
    ("ehlo", Step::Ehlo),
    ("mail", Step::Mail),
    ("rcpt", Step::Rcpt),
    ("data", Step::Data),
    ("354", Step::Go),
    ("content", Step::Content),
    ("dot", Step::Dot),
];

/// Each says what servers usually mean by its code.
const ANSWERS: [&str; 7] = [
    "421 4.3.2 closing now",
    "450 4.2.0 mailbox busy",
    "451 4.3.0 try again later",
    "452 4.3.1 no space for it now",
    "550 5.1.1 no such user here",
    "552 5.2.2 mailbox is full",
    "554 5.7.1 blocked by policy",
];

/// The behaviour that a recipient or a client's name asks for.
pub fn of(name: &str) -> Option<Behaviour> {
    let name = name.to_ascii_lowercase();
    let known = NAMES.iter().find(|(beginning, _)| name.starts_with(beginning));
    parse(known.map_or(name.as_str(), |(_, behaviour)| behaviour))
}

fn parse(name: &str) -> Option<Behaviour> {
    let rest = name.strip_prefix("once-");
    let mut words = rest.unwrap_or(name).split(|c: char| !c.is_ascii_alphanumeric());
    let step = |word: &str| STEPS.iter().find(|(known, _)| *known == word).map(|(_, step)| *step);
    let (first, second) = (words.next()?, words.next()?);
    let (step, act) = match (first, second) {
        (verb, "at") => (step(words.next()?)?, verb_of(verb)?),
        (at, code) => (step(at)?, Act::Answer(ANSWERS.iter().find(|answer| answer.starts_with(code))?)),
    };
    let possible = match step {
        Step::Dot => true,
        // There is nothing to answer.
        Step::Go | Step::Content => act == Act::Drop,
        _ => !matches!(act, Act::Lose | Act::Slow),
    };
    possible.then_some(Behaviour { once: rest.is_some(), step, act })
}

fn verb_of(word: &str) -> Option<Act> {
    match word {
        "drop" => Some(Act::Drop),
        "lose" => Some(Act::Lose),
        "stall" => Some(Act::Stall),
        "slow" => Some(Act::Slow),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behaviour(once: bool, step: Step, act: Act) -> Behaviour {
        Behaviour { once, step, act }
    }

    #[test]
    fn a_name_says_what_happens() {
        let table = [
            ("anna@example.org", None),
            ("Unknown-User17@example.org", Some(behaviour(false, Step::Rcpt, Act::Answer(ANSWERS[4])))),
            ("tempfail3@example.org", Some(behaviour(true, Step::Rcpt, Act::Answer(ANSWERS[2])))),
            ("tempfail-always@example.org", Some(behaviour(false, Step::Rcpt, Act::Answer(ANSWERS[2])))),
            ("once-data-421-x@example.org", Some(behaviour(true, Step::Data, Act::Answer(ANSWERS[0])))),
            ("dot-552@example.org", Some(behaviour(false, Step::Dot, Act::Answer(ANSWERS[5])))),
            ("drop-at-354@example.org", Some(behaviour(false, Step::Go, Act::Drop))),
            ("once-drop-at-content.2@example.org", Some(behaviour(true, Step::Content, Act::Drop))),
            ("lose-at-dot@example.org", Some(behaviour(false, Step::Dot, Act::Lose))),
            ("stall-at-rcpt@example.org", Some(behaviour(false, Step::Rcpt, Act::Stall))),
            ("mail-451.client.example", Some(behaviour(false, Step::Mail, Act::Answer(ANSWERS[2])))),
            ("once-drop-at-ehlo.client.example", Some(behaviour(true, Step::Ehlo, Act::Drop))),
            // What cannot be is nothing.
            ("lose-at-rcpt@example.org", None),
            ("stall-at-content@example.org", None),
            ("rcpt-999@example.org", None),
            ("mail.client.example", None),
            ("once-anna@example.org", None),
        ];
        for (name, expected) in table {
            assert_eq!(of(name), expected, "{name}");
        }
    }

    #[test]
    fn every_name_means_something_and_none_hides_a_later_one() {
        for (index, (name, behaviour)) in NAMES.iter().enumerate() {
            assert!(parse(behaviour).is_some(), "{name}");
            assert!(NAMES[..index].iter().all(|(earlier, _)| !name.starts_with(earlier)), "{name}");
        }
    }
}
