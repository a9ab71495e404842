//! One slice: what is ready of it goes to the relay.

use std::{collections::HashSet, time::Duration};

use access::Purpose;
use contract::{GenerateMessage, MailId, spool_key};
use mail::{Spooled, open_spool};
use store::slices::{self, Next, Rest};
use time::OffsetDateTime;

use crate::{
    Error, Place, Send,
    handover::{Handed, Limits, hand_over},
    ledger,
    pace::Share,
    refusals,
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
    if launch.state == store::UNCOMPARED {
        return Err(Error::Store(store::StoreError::NotCurrent));
    }
    slices::lock(&mut tx, place.launch, slice).await?;
    let lost = ledger::settle_lost(&mut tx, place, Some(slice), now).await?;
    let ready = ledger::ready(&mut tx, place, slice).await?;
    let bucket = store::bucket_of(&mut tx, place.tenant).await?;
    // Late: others of the tenant wait for it.
    let share = Share::draw(&mut tx, place, &launch, ready.len(), now).await?;
    let begins = share.granted() > 0 && launch.state == "running";
    if begins {
        ledger::hold(&mut tx, place, slice, deadline + LOST_AFTER).await?;
    }
    tx.commit().await?;
    if lost > 0 {
        tracing::warn!(launch = place.launch.0, lost, "mails of an ended invocation are unknown");
    }
    if !begins {
        return go_on(send, place, slice, Wait::after(&Handed::default(), share.again_at(), now), now).await;
    }
    let mut mails = load(send, place, slice, &bucket, &ready).await?;
    let missing = ready.len() - mails.len();
    mails.truncate(share.granted());
    let limits = limits(now, deadline, launch.expires_at());
    let handed = Box::pin(hand_over(&send.store, &send.connections, place, mails, limits)).await?;
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
    share.give_back(send, place, &handed).await?;
    go_on(send, place, slice, Wait::after(&handed, share.again_at(), now), now).await?;
    if missing > 0 { Err(Error::Incomplete { rows: missing }) } else { Ok(()) }
}

/// The times of an invocation that ends at `deadline`.
fn limits(now: OffsetDateTime, deadline: OffsetDateTime, expires_at: OffsetDateTime) -> Limits {
    let rest = Duration::try_from(deadline - now).unwrap_or_default();
    Limits {
        now,
        begin: rest.saturating_sub(BEGIN_MARGIN),
        wait: rest.saturating_sub(WAIT_MARGIN),
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

/// What a slice waits for whose mails did not all go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// For nothing that this invocation could name.
    Nothing,
    /// For another invocation: the time of this one was over.
    ForUs,
    /// For the relay or for the tenant's rate, which are not worth asking before.
    Until(OffsetDateTime),
}

impl Wait {
    /// After an invocation, of whose share of the tenant's rate the rest comes at `again_at`.
    fn after(handed: &Handed, again_at: Option<OffsetDateTime>, now: OffsetDateTime) -> Self {
        let relay_at = (handed.left > 0 && handed.broken > 0).then_some(now + RELAY_WAIT);
        match relay_at.max(again_at) {
            Some(at) => Self::Until(at),
            None if handed.left == 0 => Self::Nothing,
            None => Self::ForUs,
        }
    }
}

/// When a slice is looked at next, and whether its message is to be sent again at once.
fn next(rest: Rest, wait: Wait, sending_until: Option<OffsetDateTime>, now: OffsetDateTime) -> (Next, bool) {
    match (rest, wait) {
        (Rest { pending: 0, spooled: 0, sending: 0 }, _) => (Next::Done, false),
        // Another invocation has them, or had: its own end says which.
        (Rest { spooled: 0, sending: 1.., .. }, _) => {
            (Next::Sending(sending_until.unwrap_or(now + ledger::NUDGE)), false)
        }
        (Rest { spooled: 0, .. }, _) => (Next::Generating(now + ledger::NUDGE), false),
        (_, Wait::Until(at)) => (Next::Sending(at), false),
        (_, wait) => (Next::Sending(now + ledger::NUDGE), wait == Wait::ForUs),
    }
}

/// Tells what was refused. What was not begun goes on: at once where only the time was over, in a minute where the relay took nothing, at its turn
/// where the tenant's rate allows no more. Where nothing is left the launch's next slice has its turn, or the launch ends. Where it was stopped,
/// whoever resumes it has it go on; of a cancelled one, what came into the spool or was deferred meanwhile is taken back.
async fn go_on(send: &Send, place: Place, slice: i32, wait: Wait, now: OffsetDateTime) -> Result<(), Error> {
    let Place { tenant, campaign, launch } = place;
    let mut tx = send.store.campaign(tenant, campaign).await?;
    // First, because it takes the lock that an export and the campaign's end take first.
    refusals::record(&mut tx, place, slice, now).await?;
    let Some(locked) = slices::lock(&mut tx, launch, slice).await? else { return Err(Error::NoLaunch) };
    let rest = slices::rest(&mut tx, launch, slice).await?;
    let (next, again) = next(rest, wait, locked.sending_until, now);
    slices::set(&mut tx, launch, slice, next).await?;
    let state = ledger::launch(&mut tx, place).await?.ok_or(Error::NoLaunch)?.state;
    if state == "cancelled" {
        store::cancel_mails(&mut tx, launch, now, ledger::CANCELLED_MAX).await?;
    }
    let mut turn = Vec::new();
    if next == Next::Done {
        turn = slices::take(&mut tx, launch, send.slices_in_flight, now, now + ledger::NUDGE).await?;
    }
    let mut waiting = Vec::new();
    if turn.is_empty() && store::finish_launch(&mut tx, launch, now).await? {
        tracing::info!(launch = launch.0, "launch over");
        if state == "cancelled" {
            waiting = store::preparing_launches(&mut tx).await?;
        }
    }
    tx.commit().await?;
    if again && state == "running" {
        send.clients.send_json(&send.queue, tenant, &place.slice(slice)).await?;
    }
    let turn = turn.into_iter().map(|slice| GenerateMessage::Slice { tenant, campaign, launch, slice });
    let waiting = waiting.into_iter().map(|launch| GenerateMessage::Launch { tenant, campaign, launch });
    let turn: Vec<_> = turn.chain(waiting).collect();
    Ok(send.clients.send_batch(&send.generate_queue, tenant, &turn).await?)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_slice_goes_on_by_what_is_left_of_it() {
        let now = datetime!(2026-11-23 12:00 UTC);
        let (until, relay, nudge) = (now + time::Duration::MINUTE, now + RELAY_WAIT, now + ledger::NUDGE);
        let rest = |pending, spooled, sending| Rest { pending, spooled, sending };
        let table = [
            (rest(0, 0, 0), Wait::Nothing, (Next::Done, false)),
            (rest(0, 0, 0), Wait::ForUs, (Next::Done, false)),
            (rest(0, 7, 0), Wait::ForUs, (Next::Sending(nudge), true)),
            (rest(0, 7, 0), Wait::Until(relay), (Next::Sending(relay), false)),
            // They wait for whoever resumes the launch, or are not in the object.
            (rest(0, 7, 0), Wait::Nothing, (Next::Sending(nudge), false)),
            (rest(0, 7, 3), Wait::ForUs, (Next::Sending(nudge), true)),
            (rest(0, 0, 3), Wait::Nothing, (Next::Sending(until), false)),
            (rest(5, 0, 3), Wait::Nothing, (Next::Sending(until), false)),
            (rest(5, 0, 0), Wait::Nothing, (Next::Generating(nudge), false)),
        ];
        for (rest, wait, expected) in table {
            assert_eq!(next(rest, wait, Some(until), now), expected, "{rest:?} {wait:?}");
        }
    }

    #[test]
    fn what_is_left_waits_for_who_kept_it() {
        let now = datetime!(2026-11-23 12:00 UTC);
        let (relay, turn) = (now + RELAY_WAIT, now + 5 * RELAY_WAIT);
        let handed = |left, broken| Handed { left, broken, ..Handed::default() };
        let table = [
            (handed(0, 0), None, Wait::Nothing),
            (handed(0, 2), None, Wait::Nothing),
            (handed(7, 0), None, Wait::ForUs),
            (handed(7, 1), None, Wait::Until(relay)),
            (handed(0, 0), Some(turn), Wait::Until(turn)),
            (handed(7, 1), Some(turn), Wait::Until(turn)),
            (handed(7, 1), Some(now), Wait::Until(relay)),
        ];
        for (handed, again_at, expected) in table {
            assert_eq!(Wait::after(&handed, again_at, now), expected, "{handed:?} {again_at:?}");
        }
    }

    #[test]
    fn the_time_is_divided() {
        let now = datetime!(2026-11-23 12:00 UTC);
        let limits_at = |seconds| limits(now, now + time::Duration::seconds(seconds), now);
        let usual = limits_at(20);
        assert_eq!((usual.begin, usual.wait), (Duration::from_secs(15), Duration::from_secs(18)));
        for seconds in [1, 0, -5] {
            let late = limits_at(seconds);
            assert_eq!((late.begin, late.wait), (Duration::ZERO, Duration::ZERO), "{seconds}");
        }
    }
}
