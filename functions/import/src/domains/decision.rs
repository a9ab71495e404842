//! What the answers of the DNS mean for mail. Pure.

use runtime::dns::Reply;

use crate::reading::gate::Verdict;

/// One mail exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// A host.
    Host,
    /// The root: "null MX" (RFC 7505), no mail is taken.
    Null,
}

/// By the mail exchanges; `None` when the domain has none, and its own addresses count (RFC 5321, 5.1).
pub fn by_exchanges(reply: &Reply<Exchange>) -> Option<Verdict> {
    match reply {
        // Beside hosts a null MX has no meaning (RFC 7505, 3), and senders find the hosts.
        Reply::Records(records) if records.contains(&Exchange::Host) => Some(Verdict::Takes),
        Reply::Records(_) | Reply::NoDomain => Some(Verdict::TakesNone),
        Reply::NoRecords => None,
        Reply::Failed => Some(Verdict::Unknown),
    }
}

/// By the addresses of a domain without mail exchanges, one reply for each kind of address.
pub fn by_addresses(replies: &[Reply<()>]) -> Verdict {
    if replies.iter().any(|reply| matches!(reply, Reply::Records(_))) {
        Verdict::Takes
    } else if replies.contains(&Reply::Failed) {
        Verdict::Unknown
    } else {
        Verdict::TakesNone
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Exchange::{Host, Null},
        *,
    };

    #[test]
    fn mail_exchanges_decide_first() {
        let table = [
            (Reply::Records(vec![Host]), Some(Verdict::Takes)),
            (Reply::Records(vec![Host, Host]), Some(Verdict::Takes)),
            (Reply::Records(vec![Null]), Some(Verdict::TakesNone)),
            (Reply::Records(vec![Null, Host]), Some(Verdict::Takes)),
            (Reply::NoRecords, None),
            (Reply::NoDomain, Some(Verdict::TakesNone)),
            (Reply::Failed, Some(Verdict::Unknown)),
        ];
        for (reply, expected) in table {
            assert_eq!(by_exchanges(&reply), expected, "{reply:?}");
        }
    }

    #[test]
    fn without_mail_exchanges_addresses_decide() {
        let some = || Reply::Records(vec![()]);
        let table = [
            (vec![some()], Verdict::Takes),
            (vec![Reply::NoRecords, some()], Verdict::Takes),
            (vec![Reply::Failed, some()], Verdict::Takes),
            (vec![Reply::NoRecords, Reply::NoRecords], Verdict::TakesNone),
            (vec![Reply::NoDomain, Reply::NoDomain], Verdict::TakesNone),
            (vec![Reply::Failed, Reply::NoRecords], Verdict::Unknown),
            (vec![Reply::NoRecords, Reply::Failed], Verdict::Unknown),
        ];
        for (replies, expected) in table {
            assert_eq!(by_addresses(&replies), expected, "{replies:?}");
        }
    }
}
