//! One slice: what is ready of it goes to the relay.

use std::{collections::HashSet, time::Duration};

use access::Purpose;
use contract::{MailId, spool_key};
use mail::{Spooled, open_spool};
use time::OffsetDateTime;

use crate::{
    Error, Place, Send,
    handover::{Handed, Limits, hand_over},
    ledger,
};

/// Before the end of the invocation: no mail is begun in this time, so that a usual reply comes in it.
const BEGIN_MARGIN: Duration = Duration::from_secs(5);
/// The same for replies: what did not answer until then is settled by hand, with time to write it down.
const WAIT_MARGIN: Duration = Duration::from_secs(2);
/// After the end of the invocation: by then the platform has killed it, whatever the clocks of different hosts say.
const LOST_AFTER: time::Duration = time::Duration::seconds(10);
/// When the schedule tries a relay again that takes nothing.
const RELAY_WAIT: time::Duration = time::Duration::minutes(1);

/// Hands over what is ready of a slice.
pub(crate) async fn send(
    send: &Send,
    place: Place,
    slice: i32,
    now: OffsetDateTime,
    deadline: OffsetDateTime,
) -> Result<(), Error> {
    let mut tx = send.store.campaign(place.tenant, place.campaign).await?;
    let launch = ledger::launch(&mut tx, place).await?.ok_or(Error::NoLaunch)?;
    let lost = ledger::settle_lost(&mut tx, place, now).await?;
    let ready = ledger::ready(&mut tx, place, slice).await?;
    let bucket = store::bucket_of(&mut tx, place.tenant).await?;
    tx.commit().await?;
    if lost > 0 {
        tracing::warn!(launch = place.launch.0, lost, "mails of an ended invocation are unknown");
    }
    if ready.is_empty() || launch.state != "running" {
        return finish(send, place, now).await;
    }
    let mails = load(send, place, slice, &bucket, &ready).await?;
    let missing = ready.len() - mails.len();
    let limits = limits(now, deadline, launch.expires_at());
    let handed = Box::pin(hand_over(&send.store, &send.relay, place, mails, limits)).await?;
    tracing::info!(
        launch = place.launch.0,
        slice,
        sent = handed.sent,
        deferred = handed.deferred,
        refused = handed.refused,
        expired = handed.expired,
        unknown = handed.unknown,
        skipped = handed.skipped,
        left = handed.left,
        halted = handed.halted,
        "slice handed over"
    );
    go_on(send, place, slice, handed, now).await?;
    if missing > 0 { Err(Error::Incomplete { rows: missing }) } else { Ok(()) }
}

/// The times of an invocation that ends at `deadline`.
fn limits(now: OffsetDateTime, deadline: OffsetDateTime, expires_at: OffsetDateTime) -> Limits {
    let rest = Duration::try_from(deadline - now).unwrap_or_default();
    Limits {
        now,
        begin: rest.saturating_sub(BEGIN_MARGIN),
        wait: rest.saturating_sub(WAIT_MARGIN),
        due_at: deadline + LOST_AFTER,
        expires_at,
    }
}

/// Reads the slice's object; returns the mails that are ready.
async fn load(
    send: &Send,
    place: Place,
    slice: i32,
    bucket: &str,
    ready: &[MailId],
) -> Result<Vec<Spooled>, Error> {
    let files = send.exchange.tenant(place.tenant, bucket).await?;
    let object = files.get_spool(place.campaign, place.launch, slice).await?;
    let name = spool_key(place.tenant, place.campaign, place.launch, slice);
    let master = send.master.clone();
    let open = move || open_spool(object.into(), &name, |id| master.derive(place.tenant, Purpose::Spool, id));
    let mut mails = tokio::task::spawn_blocking(open).await.map_err(|_| Error::CutOff)??;
    let ready: HashSet<MailId> = ready.iter().copied().collect();
    mails.retain(|mail| ready.contains(&mail.mail));
    Ok(mails)
}

/// What was not begun goes on: at once where only the time was over, in a minute where the relay took nothing. Where the launch was stopped,
/// whoever resumes it has it go on.
async fn go_on(
    send: &Send,
    place: Place,
    slice: i32,
    handed: Handed,
    now: OffsetDateTime,
) -> Result<(), Error> {
    if handed.left == 0 || handed.halted {
        return finish(send, place, now).await;
    }
    if handed.broken == 0 {
        return Ok(send.clients.send_json(&send.queue, place.tenant, &place.slice(slice)).await?);
    }
    let mut tx = send.store.campaign(place.tenant, place.campaign).await?;
    ledger::put_off(&mut tx, place, slice, now + RELAY_WAIT).await?;
    Ok(tx.commit().await?)
}

/// Ends the launch if nothing of it is open. Of a cancelled one, what came into the spool or was deferred meanwhile is taken back first.
async fn finish(send: &Send, place: Place, now: OffsetDateTime) -> Result<(), Error> {
    let mut tx = send.store.campaign(place.tenant, place.campaign).await?;
    store::cancel_mails(&mut tx, place.launch, now, ledger::ROWS_MAX).await?;
    if store::finish_launch(&mut tx, place.launch, now).await? {
        tracing::info!(launch = place.launch.0, "launch over");
    }
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_time_is_divided() {
        let now = datetime!(2026-11-23 12:00 UTC);
        let limits_at = |seconds| limits(now, now + time::Duration::seconds(seconds), now);
        let usual = limits_at(20);
        assert_eq!((usual.begin, usual.wait), (Duration::from_secs(15), Duration::from_secs(18)));
        assert_eq!(usual.due_at, now + time::Duration::seconds(30));
        for seconds in [1, 0, -5] {
            let late = limits_at(seconds);
            assert_eq!((late.begin, late.wait), (Duration::ZERO, Duration::ZERO), "{seconds}");
        }
    }
}
