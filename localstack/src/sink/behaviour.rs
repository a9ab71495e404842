//! What the sink does with a recipient: chosen by what the local part begins with.

/// How a recipient's mail server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Takes the mail.
    Accept,
    /// Refuses at RCPT, each time.
    Refuse(&'static str),
    /// Refuses at RCPT the first time only.
    RefuseOnce(&'static str),
    /// Refuses after the final dot.
    RefuseData(&'static str),
    /// Closes the connection after the final dot, once, without an answer and without the mail.
    DisconnectOnce,
    /// Keeps the mail and closes the connection without an answer: the doubt of SMTP.
    LoseAnswer,
    /// Answers the final dot after two seconds.
    Slow,
}

/// Local parts that begin so; the longer of two such prefixes stands first.
pub const TABLE: [(&str, Behaviour); 10] = [
    ("unknown-user", Behaviour::Refuse("550 5.1.1 no such user here")),
    ("mailbox-full", Behaviour::Refuse("552 5.2.2 mailbox is full")),
    ("blocked", Behaviour::Refuse("554 5.7.1 blocked by policy")),
    ("tempfail-always", Behaviour::Refuse("451 4.3.0 try again later")),
    ("tempfail", Behaviour::RefuseOnce("451 4.3.0 try again later")),
    ("refused-after-data", Behaviour::RefuseData("554 5.6.0 content not accepted")),
    ("deferred-after-data", Behaviour::RefuseData("452 4.3.1 no space for it now")),
    ("disconnect-in-data", Behaviour::DisconnectOnce),
    ("lost-answer", Behaviour::LoseAnswer),
    ("slow", Behaviour::Slow),
];

/// The behaviour of an address.
pub fn of(recipient: &str) -> Behaviour {
    let local = recipient.to_ascii_lowercase();
    TABLE
        .iter()
        .find(|(prefix, _)| local.starts_with(prefix))
        .map_or(Behaviour::Accept, |(_, behaviour)| *behaviour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_part_chooses() {
        assert_eq!(of("anna@example.org"), Behaviour::Accept);
        assert_eq!(of("Unknown-User17@example.org"), TABLE[0].1);
        assert!(matches!(of("tempfail3@example.org"), Behaviour::RefuseOnce(_)));
        assert!(matches!(of("tempfail-always@example.org"), Behaviour::Refuse(_)));
    }

    #[test]
    fn no_prefix_hides_a_later_one() {
        for (index, (prefix, _)) in TABLE.iter().enumerate() {
            assert!(TABLE[..index].iter().all(|(earlier, _)| !prefix.starts_with(earlier)), "{prefix}");
        }
    }
}
