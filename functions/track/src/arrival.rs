//! A response on its way into the campaign's table, wherever it came from.

use contract::{Actor, CampaignId, MailId, ResponseKind, TenantId, TrackMessage};
use mail::{AddressKey, BounceClass};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Error;

/// Ids of reports' responses are made in this namespace. It never changes: a report that comes again must make the same id.
const REPORT_NAMESPACE: Uuid = Uuid::from_u128(0x8a3c_1f52_6d0e_4b7a_9c41_5e2f_7b90_d1a6);

/// Why an address is mailed no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suppression {
    /// The recipient asked for it.
    Unsubscribed,
    /// The recipient called a mail spam.
    Complained,
    /// The address does not exist.
    Bounced,
}

impl Suppression {
    /// As the database spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unsubscribed => "unsubscribed",
            Self::Complained => "complained",
            Self::Bounced => "bounced",
        }
    }
}

/// One response, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Stored once.
    pub event: Uuid,
    /// When it happened.
    pub at: OffsetDateTime,
    /// Whose mail it was.
    pub tenant: TenantId,
    /// Of which campaign.
    pub campaign: CampaignId,
    /// Which mail.
    pub mail: MailId,
    /// What came back.
    pub kind: ResponseKind,
    /// Of a bounce.
    pub class: Option<BounceClass>,
    /// Of a click: the link's number in its template.
    pub link: Option<i32>,
    /// Of a bounce: the words of the other side, without addresses.
    pub diagnostic: Option<String>,
    /// Who did it; `None`: a mail system.
    pub actor: Option<Actor>,
    /// Stands for the address when the campaign is gone.
    pub address_key: Option<AddressKey>,
}

impl Arrival {
    /// What `collect` put on the queue.
    pub fn from_message(message: TrackMessage) -> Result<Self, Error> {
        let TrackMessage::Response { event, at, tenant, campaign, mail, kind, link, actor, address_key } =
            message;
        let collected =
            matches!(kind, ResponseKind::Opened | ResponseKind::Clicked | ResponseKind::Unsubscribed);
        let address_key = match address_key {
            Some(hex) => Some(AddressKey::from_hex(&hex).ok_or(Error::NotFromCollect)?),
            None => None,
        };
        if !collected || (link.is_some() && kind != ResponseKind::Clicked) {
            return Err(Error::NotFromCollect);
        }
        let actor = Some(actor);
        // A provider repeats a one-click request that it saw no answer to, and collect makes a new id for each. One mail is unsubscribed
        // from once.
        let event =
            if kind == ResponseKind::Unsubscribed { Self::mail_event(campaign, mail, kind) } else { event };
        Ok(Self {
            event,
            at,
            tenant,
            campaign,
            mail,
            kind,
            class: None,
            link,
            diagnostic: None,
            actor,
            address_key,
        })
    }

    /// The id of what is said of a mail once: however many reports or requests say it, it is one response.
    pub fn mail_event(campaign: CampaignId, mail: MailId, kind: ResponseKind) -> Uuid {
        Uuid::new_v5(&REPORT_NAMESPACE, format!("{campaign}/{mail}/{}", kind.name()).as_bytes())
    }

    /// Whether it ends all mail to the address by itself. Soft bounces and blocks do not: the next mail may arrive. Soft ones add up.
    pub fn suppression(&self) -> Option<Suppression> {
        match (self.kind, self.class) {
            (ResponseKind::Unsubscribed, _) => Some(Suppression::Unsubscribed),
            (ResponseKind::Complained, _) => Some(Suppression::Complained),
            (ResponseKind::Bounced, Some(BounceClass::Hard)) => Some(Suppression::Bounced),
            _ => None,
        }
    }

    /// The actor as the database spells it.
    pub fn actor_name(&self) -> &'static str {
        self.actor.map_or("system", Actor::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: ResponseKind, link: Option<i32>, address_key: Option<&str>) -> TrackMessage {
        TrackMessage::Response {
            event: Uuid::nil(),
            at: OffsetDateTime::UNIX_EPOCH,
            tenant: TenantId(1),
            campaign: CampaignId(2),
            mail: MailId(3),
            kind,
            link,
            actor: Actor::Human,
            address_key: address_key.map(str::to_owned),
        }
    }

    #[test]
    fn collect_tells_what_people_do_and_nothing_else() {
        let key = "000102030405060708090a0b0c0d0e0f";
        for (kind, link, address_key, fine) in [
            (ResponseKind::Opened, None, None, true),
            (ResponseKind::Clicked, Some(0), None, true),
            (ResponseKind::Unsubscribed, None, Some(key), true),
            (ResponseKind::Opened, Some(0), None, false),
            (ResponseKind::Unsubscribed, None, Some("00"), false),
            (ResponseKind::Bounced, None, None, false),
            (ResponseKind::Complained, None, None, false),
            (ResponseKind::Delivered, None, None, false),
        ] {
            assert_eq!(Arrival::from_message(message(kind, link, address_key)).is_ok(), fine, "{kind:?}");
        }
    }

    #[test]
    fn a_repeated_unsubscribe_is_one_response_and_a_repeated_open_two() {
        let events = |kind, key| {
            [1, 2].map(|n| {
                let TrackMessage::Response { at, tenant, campaign, mail, link, actor, address_key, .. } =
                    message(kind, None, key);
                let event = Uuid::from_u128(n);
                let message = TrackMessage::Response {
                    event,
                    at,
                    tenant,
                    campaign,
                    mail,
                    kind,
                    link,
                    actor,
                    address_key,
                };
                Arrival::from_message(message).unwrap().event
            })
        };
        let [first, second] = events(ResponseKind::Unsubscribed, Some("000102030405060708090a0b0c0d0e0f"));
        assert_eq!(first, second);
        let [first, second] = events(ResponseKind::Opened, None);
        assert_ne!(first, second);
    }

    #[test]
    fn what_suppresses() {
        let opened = Arrival::from_message(message(ResponseKind::Opened, None, None)).unwrap();
        for (kind, class, expected) in [
            (ResponseKind::Unsubscribed, None, Some("unsubscribed")),
            (ResponseKind::Complained, None, Some("complained")),
            (ResponseKind::Bounced, Some(BounceClass::Hard), Some("bounced")),
            (ResponseKind::Bounced, Some(BounceClass::Soft), None),
            (ResponseKind::Bounced, Some(BounceClass::Block), None),
            (ResponseKind::Clicked, None, None),
            (ResponseKind::Delivered, None, None),
        ] {
            let arrival = Arrival { kind, class, ..opened.clone() };
            assert_eq!(arrival.suppression().map(Suppression::name), expected, "{kind:?} {class:?}");
        }
    }

    #[test]
    fn a_mails_event_is_the_same_for_ever() {
        let id = Arrival::mail_event(CampaignId(2), MailId(3), ResponseKind::Bounced);
        assert_eq!(id.to_string(), "3b0701ff-01e1-597b-8187-f2f8d7f83899");
        assert_ne!(id, Arrival::mail_event(CampaignId(2), MailId(3), ResponseKind::Delivered));
        assert_ne!(id, Arrival::mail_event(CampaignId(23), MailId(3), ResponseKind::Bounced));
    }
}
