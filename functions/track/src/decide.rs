//! What becomes of arrivals, given what the campaign knows of their mails.

use std::collections::HashSet;

use contract::{Actor, ResponseKind};
use mail::{AddressKey, BounceClass, Timing};
use store::SoftBounce;
use time::OffsetDateTime;

use crate::arrival::{Arrival, Suppression};

/// What the campaign knows of an arrival's mail and event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The digest of the mail's address.
    pub address_key: AddressKey,
    /// Whether it was sent.
    pub standing: Standing,
    /// A mail of a launch's seed list, or a test mail: its responses count nowhere.
    pub proof: bool,
    /// Of a sent one: when it was handed over.
    pub changed_at: OffsetDateTime,
    /// Whether the event is stored already.
    pub repeated: bool,
}

/// Whether a mail was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The relay took it, for certain.
    Sent,
    /// It went nowhere: refused, or never to be mailed.
    Over,
    /// Anything else: a response is evidence that it was sent after all.
    Doubtful,
}

impl Standing {
    /// Of a state of the ledger.
    pub fn of(state: &str) -> Self {
        match state {
            "sent" => Self::Sent,
            "refused" | "suppressed" => Self::Over,
            _ => Self::Doubtful,
        }
    }
}

/// What is to be written.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Places of the arrivals to store, each with its actor (`None`: a mail system).
    pub rows: Vec<(usize, Option<Actor>)>,
    /// Mails that were sent after all.
    pub settled: Vec<i64>,
    /// Who gets no more mail, and why.
    pub suppressions: Vec<(AddressKey, Suppression)>,
    /// What may suppress when there is more of it.
    pub soft_bounces: Vec<SoftBounce>,
    /// Known events, and those that stand in the batch twice.
    pub repeated: i64,
    /// Of mails that the campaign does not have, and of proofs.
    pub dropped: i64,
}

/// Decides on all arrivals; `known` has one entry for each of them, `None` for a mail that the campaign does not have. A shorter one ends
/// in such.
pub fn decide(arrivals: &[Arrival], known: &[Option<Known>], timing: &Timing) -> Decided {
    let mut decided = Decided::default();
    let mut seen = HashSet::with_capacity(arrivals.len());
    for (place, arrival) in arrivals.iter().enumerate() {
        let known = known.get(place).copied().flatten();
        if known.is_some_and(|known| known.standing == Standing::Doubtful) {
            decided.settled.push(arrival.mail.0);
        }
        let counted = known.filter(|known| !known.proof);
        // Proofs have no responses, but who unsubscribes by one means it. So does who unsubscribes when the mail's data is gone.
        let address_key = counted.map(|known| known.address_key).or(arrival.address_key);
        if let (Some(key), Some(reason)) = (address_key, arrival.suppression()) {
            decided.suppressions.push((key, reason));
        }
        let Some(known) = counted else {
            decided.dropped += 1;
            continue;
        };
        if known.repeated || !seen.insert(arrival.event) {
            decided.repeated += 1;
            continue;
        }
        decided.rows.push((place, actor(arrival, &known, timing)));
        if arrival.class == Some(BounceClass::Soft) {
            let address_key = known.address_key.0;
            decided.soft_bounces.push(SoftBounce { address_key, event: arrival.event, at: arrival.at });
        }
    }
    decided
}

/// A program that looks at mails before they reach their mailbox is there sooner than any person.
fn actor(arrival: &Arrival, known: &Known, timing: &Timing) -> Option<Actor> {
    let by_hand = arrival.actor == Some(Actor::Human)
        && matches!(arrival.kind, ResponseKind::Opened | ResponseKind::Clicked);
    let at_once = known.standing == Standing::Sent && arrival.at < known.changed_at + timing.after_sending;
    if by_hand && at_once { Some(Actor::Scanner) } else { arrival.actor }
}

#[cfg(test)]
mod tests {
    use contract::{CampaignId, MailId, TenantId};
    use mail::ActorRules;
    use time::{Duration, macros::datetime};
    use uuid::Uuid;

    use super::*;

    const SENT_AT: OffsetDateTime = datetime!(2026-11-30 12:00 UTC);
    const KEY: AddressKey = AddressKey([1; 16]);
    const TOKEN_KEY: AddressKey = AddressKey([2; 16]);

    fn arrival(event: u128, kind: ResponseKind) -> Arrival {
        Arrival {
            event: Uuid::from_u128(event),
            at: SENT_AT + Duration::minutes(1),
            tenant: TenantId(1),
            campaign: CampaignId(2),
            mail: MailId(3),
            kind,
            class: None,
            link: None,
            diagnostic: None,
            actor: Some(Actor::Human),
            address_key: None,
        }
    }

    fn known() -> Known {
        Known {
            address_key: KEY,
            standing: Standing::Sent,
            proof: false,
            changed_at: SENT_AT,
            repeated: false,
        }
    }

    fn decide_one(arrival: Arrival, known: Option<Known>) -> Decided {
        decide(&[arrival], &[known], &ActorRules::default().timing)
    }

    #[test]
    fn each_arrival_is_stored_repeated_or_dropped() {
        let opened = arrival(1, ResponseKind::Opened);
        let human = Some(Actor::Human);
        for (what, known, rows, repeated, dropped) in [
            ("a new one", Some(known()), vec![(0, human)], 0, 0),
            ("a known one", Some(Known { repeated: true, ..known() }), vec![], 1, 0),
            ("of a proof", Some(Known { proof: true, ..known() }), vec![], 0, 1),
            ("of no mail", None, vec![], 0, 1),
        ] {
            let decided = decide_one(opened.clone(), known);
            assert_eq!(
                (decided.rows, decided.repeated, decided.dropped),
                (rows, repeated, dropped),
                "{what}"
            );
        }
        let twice = decide(&[opened.clone(), opened], &[Some(known()); 2], &ActorRules::default().timing);
        assert_eq!((twice.rows, twice.repeated), (vec![(0, human)], 1));
    }

    #[test]
    fn evidence_settles_a_doubtful_mail_whatever_it_is_of() {
        let doubtful = Known { standing: Standing::of("unknown"), ..known() };
        for known in [doubtful, Known { repeated: true, ..doubtful }, Known { proof: true, ..doubtful }] {
            assert_eq!(decide_one(arrival(1, ResponseKind::Opened), Some(known)).settled, [3]);
        }
        for state in ["sent", "refused", "suppressed"] {
            let known = Known { standing: Standing::of(state), ..known() };
            assert!(decide_one(arrival(1, ResponseKind::Opened), Some(known)).settled.is_empty(), "{state}");
        }
    }

    #[test]
    fn who_wants_no_more_mail_is_known_by_the_mail_or_else_by_the_token() {
        let unsubscribed = Arrival { address_key: Some(TOKEN_KEY), ..arrival(1, ResponseKind::Unsubscribed) };
        let proof = Known { proof: true, ..known() };
        let repeated = Known { repeated: true, ..known() };
        for (known, key) in
            [(Some(known()), KEY), (Some(repeated), KEY), (Some(proof), TOKEN_KEY), (None, TOKEN_KEY)]
        {
            let decided = decide_one(unsubscribed.clone(), known);
            assert_eq!(decided.suppressions, [(key, Suppression::Unsubscribed)], "{known:?}");
        }
        // A report has no digest of its own.
        let complained = arrival(1, ResponseKind::Complained);
        assert!(decide_one(complained, None).suppressions.is_empty());
    }

    #[test]
    fn soft_bounces_are_counted_once_and_others_never() {
        let bounced =
            |class| Arrival { class: Some(class), actor: None, ..arrival(1, ResponseKind::Bounced) };
        let soft = decide_one(bounced(BounceClass::Soft), Some(known()));
        assert_eq!(soft.soft_bounces.len(), 1);
        assert!(soft.suppressions.is_empty());
        let repeated = Known { repeated: true, ..known() };
        assert!(decide_one(bounced(BounceClass::Soft), Some(repeated)).soft_bounces.is_empty());
        assert!(decide_one(bounced(BounceClass::Block), Some(known())).soft_bounces.is_empty());
        let hard = decide_one(bounced(BounceClass::Hard), Some(known()));
        assert!(hard.soft_bounces.is_empty());
        assert_eq!(hard.suppressions, [(KEY, Suppression::Bounced)]);
    }

    #[test]
    fn what_comes_at_once_is_a_programs() {
        use ResponseKind::{Clicked, Opened, Unsubscribed};
        let doubtful = Known { standing: Standing::Doubtful, ..known() };
        for (kind, said, after, known, expected) in [
            (Opened, Actor::Human, 4_999, known(), Actor::Scanner),
            (Clicked, Actor::Human, 0, known(), Actor::Scanner),
            // Its outcome was written down a little later than it was there.
            (Clicked, Actor::Human, -200, known(), Actor::Scanner),
            (Opened, Actor::Human, 5_000, known(), Actor::Human),
            (Opened, Actor::Proxy, 0, known(), Actor::Proxy),
            // When that one was handed over nobody knows.
            (Opened, Actor::Human, 0, doubtful, Actor::Human),
            // A form is not sent by following links.
            (Unsubscribed, Actor::Human, 0, known(), Actor::Human),
        ] {
            let at = SENT_AT + Duration::milliseconds(after);
            let decided = decide_one(Arrival { at, actor: Some(said), ..arrival(1, kind) }, Some(known));
            assert_eq!(decided.rows, [(0, Some(expected))], "{kind:?} {said:?} {after}");
        }
    }
}
