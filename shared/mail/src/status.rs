//! What kind of bounce a status (RFC 3463) and a server's words make.

/// How a mail came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BounceClass {
    /// The address does not exist: never mail it again.
    Hard,
    /// The mailbox or its server could not take it this time.
    Soft,
    /// The receiver does not want it from us: content, reputation, policy.
    Block,
}

impl BounceClass {
    /// As the database and the exports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Block => "block",
        }
    }
}

use BounceClass::{Block, Hard, Soft};

/// Statuses that say enough; the longest match from the top counts. The first number of a status is not part of them.
const STATUSES: [(&str, BounceClass); 22] = [
    (".1.7", Block), // our address is not valid
    (".1.8", Block), // our domain is not valid
    (".1.9", Soft),
    (".1", Hard),   // addressing
    (".2.1", Hard), // mailbox disabled
    (".2.2", Soft), // mailbox full
    (".2.3", Soft), // message too large
    (".2.4", Soft), // mailing list
    (".2", Soft),
    (".3", Soft),    // mail system
    (".4.1", Soft),  // no answer from host
    (".4.3", Soft),  // directory server
    (".4.4", Hard),  // no such host
    (".4.6", Soft),  // loop
    (".4.7", Soft),  // expired
    (".4", Soft),    // network
    (".5.4", Hard),  // invalid arguments, usual for a bad address
    (".5", Soft),    // protocol
    (".6", Soft),    // content form
    (".7.13", Hard), // user disabled
    (".7.17", Hard), // mailbox owner changed
    (".7", Block),   // policy
];

/// Words, in lower case, for statuses that say nothing or say too much; the first match counts. Blocks before mailboxes: a blocking server
/// may say `user ... rejected` as well.
const WORDS: [(&str, BounceClass); 38] = [
    ("blocklist", Block),
    ("blacklist", Block),
    ("block list", Block),
    ("dnsbl", Block),
    ("spamhaus", Block),
    ("spamcop", Block),
    ("barracuda", Block),
    ("spam", Block),
    ("reputation", Block),
    ("dmarc", Block),
    ("dkim", Block),
    ("spf ", Block),
    ("unsolicited", Block),
    ("bulk mail", Block),
    ("rate limit", Block),
    ("too many", Block),
    ("sender address", Block),
    ("sender rejected", Block),
    ("user unknown", Hard),
    ("unknown user", Hard),
    ("unknown recipient", Hard),
    ("unknown mailbox", Hard),
    ("no such user", Hard),
    ("no such recipient", Hard),
    ("no such mailbox", Hard),
    ("no mailbox", Hard),
    ("does not exist", Hard),
    ("doesn't exist", Hard),
    ("recipient not found", Hard),
    ("user not found", Hard),
    ("invalid recipient", Hard),
    ("account has been disabled", Hard),
    ("account disabled", Hard),
    ("mailbox full", Soft),
    ("mailbox is full", Soft),
    ("quota", Soft),
    ("try again", Soft),
    ("policy", Block),
];

/// Judges a failure. `status` such as `5.1.1`; without one, or with one that says nothing (`5.0.0`), a status in the server's words counts.
pub(crate) fn classify(status: Option<&str>, diagnostic: &str) -> BounceClass {
    let status = status
        .filter(|status| !is_vague(status))
        .or_else(|| status_in(diagnostic))
        .or(status)
        .unwrap_or_default();
    let (class, detail) =
        status.split_once('.').map_or(("", ""), |(class, _)| (class, &status[class.len()..]));
    // Given up after retries: whatever hindered it may pass.
    if class == "4" {
        return Soft;
    }
    let by_status = STATUSES.iter().find(|(known, _)| {
        detail.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    let diagnostic = diagnostic.to_ascii_lowercase();
    let by_words = by_words(&diagnostic);
    match by_status.map(|(_, class)| *class) {
        // Many servers give 5.7.1 to unknown users, and 5.1.1 or 5.2.x to senders whom they block.
        Some(Block) if by_words == Some(Hard) => Hard,
        Some(Hard | Soft) if by_words == Some(Block) => Block,
        Some(class) => class,
        None => by_words.unwrap_or(if class == "5" || diagnostic.contains("550") { Hard } else { Soft }),
    }
}

/// What a refusal at the hand-over answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerTo {
    /// MAIL: our own address.
    Sender,
    /// RCPT.
    Recipient,
    /// DATA, or the content.
    Content,
}

/// Judges a relay's final reply. `Hard` is for ever, so it takes a reply to RCPT, or one to the content whose status names the address.
pub fn classify_reply(code: u16, text: &str, to: AnswerTo) -> BounceClass {
    let status = status_in(text).filter(|status| !is_vague(status));
    let class = match status {
        Some(_) => classify(status, text),
        None => by_words(&text.to_ascii_lowercase()).unwrap_or(match code {
            // RFC 5321, 4.2.3; 556 is RFC 7504: the domain takes no mail.
            550 | 551 | 553 | 556 => Hard,
            554 => Block,
            _ => Soft,
        }),
    };
    match (class, to, status) {
        (Hard, AnswerTo::Sender, _) | (Hard, AnswerTo::Content, None) => Block,
        _ => class,
    }
}

fn by_words(diagnostic: &str) -> Option<BounceClass> {
    WORDS.iter().find(|(word, _)| diagnostic.contains(word)).map(|(_, class)| *class)
}

fn is_vague(status: &str) -> bool {
    status.ends_with(".0.0") || status.ends_with(".5.0") || !is_status(status)
}

fn status_in(diagnostic: &str) -> Option<&str> {
    let words = diagnostic.split(|c: char| {
        c.is_whitespace() || matches!(c, '#' | '(' | ')' | '<' | '>' | ';' | ',' | '-' | '[')
    });
    words.map(|word| word.trim_end_matches([':', '.'])).find(|word| is_status(word))
}

/// RFC 3463, 2: class 2, 4 or 5, then two numbers of up to three digits.
pub(crate) fn is_status(text: &str) -> bool {
    let mut parts = text.split('.');
    let class = matches!(parts.next(), Some("2" | "4" | "5"));
    let numbers = parts.clone().count() == 2
        && parts.all(|part| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()));
    class && numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_classified_by_what_they_answer() {
        use AnswerTo::{Content, Recipient, Sender};
        let table = [
            (550, "5.1.1 <address>: Recipient address rejected: User unknown", Recipient, Hard),
            (550, "unknown here", Recipient, Hard),
            (552, "5.2.2 mailbox is full", Recipient, Soft),
            (552, "too much", Recipient, Soft),
            (554, "5.7.1 blocked by policy", Recipient, Block),
            (554, "no", Recipient, Block),
            (554, "5.7.1 Relay access denied", Recipient, Block),
            (550, "5.1.0 <address>: Sender address rejected: User unknown", Recipient, Block),
            (556, "no mail here", Recipient, Hard),
            (501, "5.5.4 bad address syntax", Recipient, Hard),
            (500, "what?", Recipient, Soft),
            // Whatever it says: it says it of us.
            (550, "5.1.1 no such user here", Sender, Block),
            (553, "no", Sender, Block),
            (552, "5.2.2 storage exceeded", Sender, Soft),
            (550, "5.1.1 no such user here", Content, Hard),
            (550, "content not wanted", Content, Block),
            (554, "Message rejected: Email address is not verified.", Content, Block),
            (552, "5.3.4 message too large", Content, Soft),
        ];
        for (code, text, to, class) in table {
            assert_eq!(classify_reply(code, text, to), class, "{code} {text} {to:?}");
        }
    }

    #[test]
    fn failures_are_classified() {
        let table = [
            (Some("5.1.1"), "smtp; 550 5.1.1 <address>: Recipient address rejected: User unknown", Hard),
            (Some("5.1.2"), "", Hard),
            (Some("5.1.10"), "550 5.1.10 RESOLVER.ADR.RecipientNotFound", Hard),
            (Some("5.2.1"), "The email account that you tried to reach is inactive", Hard),
            (Some("5.2.2"), "552 5.2.2 mailbox full", Soft),
            (Some("4.2.2"), "452 4.2.2 over quota", Soft),
            (Some("4.4.1"), "connect to mx.example[192.0.2.1]:25: Connection timed out", Soft),
            (Some("4.7.0"), "421 4.7.0 unsolicited mail, try again", Soft),
            (Some("5.4.4"), "Host or domain name not found", Hard),
            (Some("5.4.7"), "delivery time expired", Soft),
            (Some("5.3.4"), "message too large", Soft),
            (
                Some("5.7.1"),
                "554 5.7.1 Service unavailable; Client host blocked using zen.spamhaus.org",
                Block,
            ),
            (Some("5.7.1"), "550 5.7.1 no such user here", Hard),
            (Some("5.7.26"), "This mail is unauthenticated: DMARC", Block),
            (Some("5.1.1"), "550 5.1.1 rejected: listed on a blocklist", Block),
            (Some("5.1.8"), "sender domain does not resolve", Block),
            (Some("5.0.0"), "smtp; 550 5.1.1 unknown", Hard),
            (Some("5.0.0"), "smtp; 550 #5.7.1 refused", Block),
            (Some("5.0.0"), "550 mailbox unavailable", Hard),
            (None, "552 quota exceeded", Soft),
            (None, "", Soft),
            (Some("nonsense"), "550 No such user", Hard),
        ];
        for (status, diagnostic, class) in table {
            assert_eq!(classify(status, diagnostic), class, "{status:?} {diagnostic}");
        }
    }
}
