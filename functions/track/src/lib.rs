//! Responses of recipients and of mail systems, stored once.
//!
//! load: each record of a batch becomes arrivals: collect's own messages as they are, report objects read, classified and verified.
//! decide: what is stored, what it suppresses and proves, who made it (see `decide`). write: one transaction per campaign (see `write`); clicks
//! of many links at once are judged once more behind it (see `bursts`).
//! Then, only after the commit, the report object is deleted, for it names a person; a redelivered event finds none and is done.
//!
//! A report counts by our own return path token alone. What no token of ours proves is acknowledged, counted and left to the
//! bucket's lifecycle. A response to a campaign that is over is acknowledged, counted and dropped; its unsubscribe still suppresses.
#![forbid(unsafe_code)]

mod arrival;
mod bursts;
mod decide;
mod error;
mod report;
mod write;

pub use arrival::{Arrival, Suppression};
pub use error::Error;
pub use write::Outcome;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use access::MasterKey;
use contract::{CampaignId, TenantId, TrackMessage};
use futures_util::{StreamExt, stream};
use mail::{ActorRules, Timing};
use runtime::{Body, Delivery, Document};
use store::{Store, StoreError};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};

/// Reports are read, and deleted, this many at once: they wait for S3, and one has a megabyte at most.
const REPORTS_AT_ONCE: usize = 8;
/// Reading stops this long before the deadline, so that what was read can be stored. The rest goes back to the queue.
const STORE_TIME_MIN: Duration = Duration::from_secs(2);

/// So many responses of one campaign are worth a second session.
const HALVED_MIN: usize = 500;

/// What the function works with.
pub struct Track {
    /// The database.
    pub store: Store,
    /// The function's own credentials: reports belong to no tenant before they are verified.
    pub s3: aws_sdk_s3::Client,
    /// The bucket of reports.
    pub reports_bucket: String,
    /// For the tokens in return paths.
    pub master_key: MasterKey,
    /// What the time of a response says of who made it.
    pub rules: Document<ActorRules>,
}

/// An arrival, and the record that brought it.
struct Pending {
    arrival: Arrival,
    message_id: String,
}

/// The key of an object that goes once its whole record is stored. Its responses may be of several campaigns.
struct Read {
    message_id: String,
    key: String,
}

/// Handles a batch; returns the records that failed.
pub async fn handle(track: Arc<Track>, deliveries: Vec<Delivery<TrackMessage>>) -> Vec<(String, Error)> {
    let Some(first) = deliveries.first() else { return Vec::new() };
    let now = first.now;
    let left = Duration::try_from(first.deadline - now).unwrap_or_default();
    let read_until = Instant::now() + left.saturating_sub(STORE_TIME_MIN);
    let mut loading = stream::iter(deliveries)
        .map(|delivery| {
            let track = track.clone();
            async move {
                let loaded = timeout_at(read_until, load(&track, &delivery.message_id, delivery.body)).await;
                (delivery.message_id, loaded.unwrap_or(Err(Error::OutOfTime)))
            }
        })
        .buffer_unordered(REPORTS_AT_ONCE);
    let (mut pending, mut read, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    while let Some((message_id, loaded)) = loading.next().await {
        match loaded {
            Ok((arrivals, objects)) => {
                pending.extend(arrivals);
                read.extend(objects);
            }
            Err(error) => failed.push((message_id, error)),
        }
    }
    let timing = track.rules.current().await.timing;
    for ((tenant, campaign), group) in by_campaign(pending) {
        failed.extend(settle(&track, tenant, campaign, group, &timing, now).await);
    }
    read.retain(|read| failed.iter().all(|(message_id, _)| *message_id != read.message_id));
    failed.extend(forget(&track, read).await);
    // A record whose responses are of several campaigns may have failed several times.
    let mut known = HashSet::new();
    failed.retain(|(message_id, _)| known.insert(message_id.clone()));
    failed
}

async fn load(
    track: &Track,
    message_id: &str,
    body: Body<TrackMessage>,
) -> Result<(Vec<Pending>, Vec<Read>), Error> {
    let pending = |arrival| Pending { arrival, message_id: message_id.to_owned() };
    match body {
        Body::Message(message) => Ok((vec![pending(Arrival::from_message(message)?)], Vec::new())),
        Body::Objects(events) => {
            let (mut arrivals, mut objects) = (Vec::new(), Vec::new());
            for event in events {
                let told = report::load(track, &event).await?;
                arrivals.extend(told.arrivals.into_iter().map(pending));
                if told.done {
                    objects.push(Read { message_id: message_id.to_owned(), key: event.key });
                }
            }
            Ok((arrivals, objects))
        }
    }
}

fn by_campaign(pending: Vec<Pending>) -> BTreeMap<(TenantId, CampaignId), Vec<Pending>> {
    let mut groups = BTreeMap::<_, Vec<Pending>>::new();
    for one in pending {
        groups.entry((one.arrival.tenant, one.arrival.campaign)).or_default().push(one);
    }
    groups
}

/// Stores a campaign's share of the batch. Data that the database refuses fails its own record alone.
async fn settle(
    track: &Track,
    tenant: TenantId,
    campaign: CampaignId,
    group: Vec<Pending>,
    timing: &Timing,
    now: OffsetDateTime,
) -> Vec<(String, Error)> {
    let mut arrivals: Vec<Arrival> = group.iter().map(|one| one.arrival.clone()).collect();
    let error = match record(&track.store, tenant, campaign, &mut arrivals, timing, now).await {
        Ok(outcome) => {
            report_outcome(tenant, campaign, &outcome);
            return Vec::new();
        }
        Err(error) => error,
    };
    let mut failed = Vec::new();
    if group.len() > 1 && is_about_data(&error) {
        for one in group {
            failed.extend(Box::pin(settle(track, tenant, campaign, vec![one], timing, now)).await);
        }
    } else {
        let reason = error.to_string();
        let records = group.into_iter().map(|one| (one.message_id, Error::Group(reason.clone())));
        failed.extend(records);
    }
    failed
}

/// Stores responses of one campaign, each once; then judges again who made them. When it fails, some may be stored.
pub async fn record(
    store: &Store,
    tenant: TenantId,
    campaign: CampaignId,
    arrivals: &mut [Arrival],
    timing: &Timing,
    now: OffsetDateTime,
) -> Result<Outcome, StoreError> {
    // Neighbours of each other in the ledger and in the index of the responses' mails: both are read and written in their order.
    arrivals.sort_by_key(|arrival| arrival.mail.0);
    let part = async |arrivals| {
        let outcome = write::store_responses(store, tenant, campaign, arrivals, timing, now).await?;
        let programs = bursts::judge(store, tenant, campaign, arrivals, timing).await?;
        Ok(Outcome { programs, ..outcome })
    };
    match halves(arrivals) {
        Some((first, second)) => {
            let (first, second) = tokio::try_join!(part(first), part(second))?;
            Ok(first + second)
        }
        None => part(arrivals).await,
    }
}

/// Many are written by two sessions of the database at once. What is of one mail stays together: no session waits for the other.
fn halves(arrivals: &[Arrival]) -> Option<(&[Arrival], &[Arrival])> {
    let middle = arrivals.get(arrivals.len() / 2).filter(|_| arrivals.len() >= HALVED_MIN)?;
    let (first, second) =
        arrivals.split_at(arrivals.partition_point(|arrival| arrival.mail.0 < middle.mail.0));
    (!first.is_empty()).then_some((first, second))
}

/// SQLSTATE classes 22 and 23: a value, not the server, is the reason.
fn is_about_data(error: &StoreError) -> bool {
    error.sqlstate().is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

fn report_outcome(tenant: TenantId, campaign: CampaignId, outcome: &Outcome) {
    let Outcome { stored, repeated, dropped, suppressed, settled, programs } = *outcome;
    tracing::info!(%tenant, %campaign, stored, repeated, dropped, suppressed, settled, programs, "responses");
}

/// What stood in the objects is stored: they, which name people, go.
async fn forget(track: &Track, read: Vec<Read>) -> Vec<(String, Error)> {
    stream::iter(read)
        .map(async |read| (read.message_id, report::delete(track, &read.key).await))
        .buffer_unordered(REPORTS_AT_ONCE)
        .filter_map(async |(message_id, deleted)| Some((message_id, deleted.err()?)))
        .collect()
        .await
}

#[cfg(test)]
mod tests {
    use contract::{MailId, ResponseKind};
    use uuid::Uuid;

    use super::*;

    fn of_mails(mails: impl Iterator<Item = i64>) -> Vec<Arrival> {
        let arrival = |mail| Arrival {
            event: Uuid::nil(),
            at: OffsetDateTime::UNIX_EPOCH,
            tenant: TenantId(1),
            campaign: CampaignId(2),
            mail: MailId(mail),
            kind: ResponseKind::Opened,
            class: None,
            link: None,
            diagnostic: None,
            actor: None,
            address_key: None,
        };
        mails.map(arrival).collect()
    }

    #[test]
    fn what_is_of_one_mail_is_never_divided() {
        let divided = |mails: Vec<Arrival>| halves(&mails).map(|(first, second)| (first.len(), second.len()));
        let many = i64::try_from(HALVED_MIN).unwrap();
        assert_eq!(divided(of_mails(0..many - 1)), None);
        assert_eq!(divided(of_mails(0..many)), Some((HALVED_MIN / 2, HALVED_MIN / 2)));
        assert_eq!(divided(of_mails((0..many).map(|_| 7))), None);
        let uneven = of_mails((0..many).map(|place| place.min(9)));
        assert_eq!(divided(uneven), Some((9, HALVED_MIN - 9)));
    }
}
