//! One object of the reports bucket: a bounce, a complaint, a delivery notice, a mail that unsubscribes, something that is none of them, or many
//! events of such.

use access::Purpose;
use aws_sdk_s3::{error::SdkError, operation::get_object::GetObjectError};
use contract::{Actor, ObjectEvent, ResponseKind};
use mail::{Claim, Kind, Report, Verdict};
use runtime::AwsError;
use time::OffsetDateTime;

use crate::{Arrival, Error, Track};

/// What an object of the reports bucket tells.
#[derive(Default)]
pub struct Told {
    /// Responses to mails of ours.
    pub arrivals: Vec<Arrival>,
    /// Whether the object can go once they are stored. One with a report that nobody made stays: perhaps our own keys are wrong, and a person
    /// has to look. The bucket's lifecycle deletes it.
    pub done: bool,
}

/// Reads an object. What tells nothing is acknowledged, with the reason in the log.
pub async fn load(track: &Track, event: &ObjectEvent) -> Result<Told, Error> {
    if event.bucket != track.reports_bucket {
        return Err(Error::ForeignBucket);
    }
    let Some((bytes, arrived)) = fetch(track, &event.key).await? else { return Ok(Told::default()) };
    let reports =
        if mail::are_events(&bytes) { mail::parse_events(&bytes) } else { vec![mail::parse_report(&bytes)] };
    let mut told = Told { done: true, ..Told::default() };
    let (mut foreign, mut ignored) = (0, 0);
    for report in reports {
        match verify(track, &report) {
            Some(claim) => match arrival(&claim, report, arrived) {
                Some(arrival) => told.arrivals.push(arrival),
                None => ignored += 1,
            },
            None => foreign += 1,
        }
    }
    told.done = foreign == 0;
    if foreign > 0 {
        tracing::warn!(foreign, "reports without a valid token of ours were dropped");
    }
    if ignored > 0 {
        tracing::info!(ignored, "reports tell no response");
    }
    Ok(told)
}

/// The arrival that the report's words make of a verified claim.
fn arrival(claim: &Claim, report: Report, arrived: OffsetDateTime) -> Option<Arrival> {
    let (kind, class) = match report.verdict {
        Verdict::Bounced { class, .. } => (ResponseKind::Bounced, Some(class)),
        Verdict::Delivered => (ResponseKind::Delivered, None),
        Verdict::Complained => (ResponseKind::Complained, None),
        Verdict::Unsubscribed => (ResponseKind::Unsubscribed, None),
        Verdict::Ignored(_) => return None,
    };
    let (actor, address_key) = match (claim.kind, kind) {
        // Whatever wrote the mail, a person wanted it.
        (Kind::Unsubscribe { address_key }, ResponseKind::Unsubscribed) => {
            (Some(Actor::Human), Some(address_key))
        }
        // What came to the return path, or quotes a mail that has the other token in its headers: a report to that one's own address is none.
        (Kind::Return | Kind::Unsubscribe { .. }, kind) if kind != ResponseKind::Unsubscribed => (None, None),
        _ => return None,
    };
    // Postgres takes no NUL in text.
    let diagnostic = report.diagnostic.filter(|_| class.is_some()).map(|words| words.replace('\0', ""));
    Some(Arrival {
        event: Arrival::mail_event(claim.campaign, claim.mail, kind),
        at: report.at.filter(|at| *at <= arrived).unwrap_or(arrived),
        tenant: claim.tenant,
        campaign: claim.campaign,
        mail: claim.mail,
        kind,
        class,
        link: None,
        diagnostic,
        actor,
        address_key,
    })
}

/// The claim of the report's token, if it is one of ours.
fn verify(track: &Track, report: &Report) -> Option<Claim> {
    let token = report.token.as_ref()?;
    let key = track.master_key.derive(token.tenant(), Purpose::Reports, token.key_id());
    token.verify(&key).ok()
}

/// The object, or as much of a mail as is looked at, and when it came; `None` when it is gone: handled before.
async fn fetch(track: &Track, key: &str) -> Result<Option<(Vec<u8>, OffsetDateTime)>, Error> {
    let mut object = match track.s3.get_object().bucket(&track.reports_bucket).key(key).send().await {
        Ok(object) => object,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(AwsError::of("GetObject", &error).into()),
    };
    // The object's own time, so that a report read twice has the same.
    let arrived = object.last_modified().and_then(|at| OffsetDateTime::from_unix_timestamp(at.secs()).ok());
    let mut bytes = Vec::new();
    while let Some(chunk) = object.body.next().await {
        bytes.extend_from_slice(&chunk.map_err(|_| Error::Body)?);
        if mail::are_events(&bytes) {
            if bytes.len() > mail::EVENTS_BYTES_MAX {
                return Err(Error::TooManyEvents);
            }
        } else if bytes.len() >= mail::REPORT_BYTES_MAX {
            break;
        }
    }
    Ok(Some((bytes, arrived.unwrap_or(OffsetDateTime::UNIX_EPOCH))))
}

fn is_missing<R>(error: &SdkError<GetObjectError, R>) -> bool {
    error.as_service_error().is_some_and(GetObjectError::is_no_such_key)
}

/// Deletes a report; one that is gone is fine.
pub async fn delete(track: &Track, key: &str) -> Result<(), Error> {
    let deleted = track.s3.delete_object().bucket(&track.reports_bucket).key(key).send().await;
    deleted.map_err(|error| AwsError::of("DeleteObject", &error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use contract::{CampaignId, MailId, TenantId};
    use mail::{AddressKey, BounceClass};

    use super::*;

    #[test]
    fn a_token_tells_what_it_was_made_for_and_nothing_else() {
        let address_key = AddressKey([9; 16]);
        let (back, unsubscribe) = (Kind::Return, Kind::Unsubscribe { address_key });
        let bounced = || Verdict::Bounced { class: BounceClass::Hard, status: None };
        let human = Some((ResponseKind::Unsubscribed, Some(Actor::Human), Some(address_key)));
        for (kind, verdict, expected) in [
            (back, bounced(), Some((ResponseKind::Bounced, None, None))),
            (back, Verdict::Delivered, Some((ResponseKind::Delivered, None, None))),
            (back, Verdict::Complained, Some((ResponseKind::Complained, None, None))),
            (back, Verdict::Unsubscribed, None),
            (unsubscribe, Verdict::Unsubscribed, human),
            (unsubscribe, bounced(), Some((ResponseKind::Bounced, None, None))),
            (unsubscribe, Verdict::Complained, Some((ResponseKind::Complained, None, None))),
            (Kind::Open, Verdict::Delivered, None),
        ] {
            let claim = Claim { tenant: TenantId(1), campaign: CampaignId(2), mail: MailId(3), kind };
            let report = Report { token: None, verdict: verdict.clone(), diagnostic: None, at: None };
            let told = arrival(&claim, report, OffsetDateTime::UNIX_EPOCH);
            let told = told.map(|told| (told.kind, told.actor, told.address_key));
            assert_eq!(told, expected, "{kind:?} {verdict:?}");
        }
        // As the same unsubscribe over the page.
        let claim =
            Claim { tenant: TenantId(1), campaign: CampaignId(2), mail: MailId(3), kind: unsubscribe };
        let report = Report { token: None, verdict: Verdict::Unsubscribed, diagnostic: None, at: None };
        let event = arrival(&claim, report, OffsetDateTime::UNIX_EPOCH).unwrap().event;
        assert_eq!(event, Arrival::mail_event(CampaignId(2), MailId(3), ResponseKind::Unsubscribed));
    }
}
