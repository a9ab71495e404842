//! Many links of one mail at once: no person clicks like that. What shows it comes in several messages, so this looks again after they are
//! stored, in a transaction of its own: whoever is last sees them all.

use std::collections::{BTreeSet, HashMap, HashSet};

use contract::{Actor, CampaignId, ResponseKind, TenantId};
use mail::Timing;
use store::{Store, StoreError};
use time::OffsetDateTime;

use crate::{arrival::Arrival, write::LOOK_UPS};

/// Opens and clicks that are looked at together, the newest ones: somebody may repeat a request as often as they like.
const SEEN_MAX: i64 = 100_000;

/// An open or a click of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
struct Seen {
    seq: i64,
    mail_id: i64,
    at: OffsetDateTime,
    /// Of a click.
    link: Option<i32>,
}

/// Judges the mails again whose links these arrivals clicked; says how many responses are a program's after all. What is in an export
/// stays as it was told there.
pub async fn judge(
    store: &Store,
    tenant: TenantId,
    campaign: CampaignId,
    arrivals: &[Arrival],
    timing: &Timing,
) -> Result<u64, StoreError> {
    let clicked = arrivals
        .iter()
        .filter(|arrival| arrival.kind == ResponseKind::Clicked && arrival.actor == Some(Actor::Human));
    let mails: BTreeSet<i64> = clicked.map(|arrival| arrival.mail.0).collect();
    if mails.is_empty() {
        return Ok(0);
    }
    let mut tx = match store.campaign(tenant, campaign).await {
        Ok(tx) => tx,
        Err(StoreError::NoCampaign) => return Ok(0),
        Err(error) => return Err(error),
    };
    // No export fixes its bounds meanwhile.
    sqlx::raw_sql(LOOK_UPS).execute(&mut *tx).await?;
    tx.share_responses().await?;
    let seen: Vec<Seen> = sqlx::query_as(
        "SELECT r.seq, r.mail_id, r.at, r.link
         FROM unnest($1::bigint[]) AS clicked (mail_id)
         JOIN responses r ON r.mail_id = clicked.mail_id AND r.kind IN ('clicked', 'opened')
         WHERE (SELECT count(DISTINCT link) FROM responses c WHERE c.mail_id = clicked.mail_id AND c.kind = 'clicked') >= $2
         ORDER BY r.seq DESC LIMIT $3",
    )
    .bind(mails.into_iter().collect::<Vec<_>>())
    .bind(i64::try_from(timing.links).unwrap_or(i64::MAX))
    .bind(SEEN_MAX)
    .fetch_all(&mut *tx)
    .await?;
    let programs: Vec<i64> = bursts(&seen, timing).into_iter().collect();
    if programs.is_empty() {
        return Ok(0);
    }
    let judged = sqlx::query(
        "UPDATE responses SET actor = 'scanner' WHERE seq = ANY($1) AND actor = 'human'
             AND seq > (SELECT coalesce(max(seq_to), 0) FROM broadcast.exports WHERE campaign_id = $2)",
    )
    .bind(programs)
    .bind(campaign.0)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(judged.rows_affected())
}

/// The numbers of those that a program made: clicks of many links within a short time, and what else is within that time of one of them.
fn bursts(seen: &[Seen], timing: &Timing) -> HashSet<i64> {
    let mut by_mail: HashMap<i64, Vec<&Seen>> = HashMap::new();
    for one in seen {
        by_mail.entry(one.mail_id).or_default().push(one);
    }
    let mut programs = HashSet::new();
    for mut of_mail in by_mail.into_values() {
        of_mail.sort_by_key(|one| one.at);
        for (place, first) in of_mail.iter().enumerate() {
            let end = first.at + timing.links_within;
            let within = || of_mail[place..].iter().take_while(|one| one.at <= end);
            let links: HashSet<i32> = within().filter_map(|one| one.link).collect();
            if links.len() >= timing.links {
                programs.extend(within().map(|one| one.seq));
            }
        }
    }
    programs
}

#[cfg(test)]
mod tests {
    use mail::ActorRules;
    use time::Duration;

    use super::*;

    /// Mail, milliseconds, and the link of a click.
    type Rows = Vec<(i64, i64, Option<i32>)>;

    fn seen(rows: &[(i64, i64, Option<i32>)]) -> Vec<Seen> {
        let rows = rows.iter().zip(1..);
        rows.map(|((mail_id, at, link), seq)| Seen {
            seq,
            mail_id: *mail_id,
            at: OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(*at),
            link: *link,
        })
        .collect()
    }

    #[test]
    fn many_links_at_once_are_a_programs_clicks() {
        let none: [i64; 0] = [];
        let table: [(&str, Rows, Vec<i64>); 7] = [
            (
                "three within two seconds",
                vec![(1, 0, Some(0)), (1, 900, Some(1)), (1, 2_000, Some(2))],
                vec![1, 2, 3],
            ),
            ("too slow", vec![(1, 0, Some(0)), (1, 900, Some(1)), (1, 2_001, Some(2))], none.to_vec()),
            ("one link thrice", vec![(1, 0, Some(0)), (1, 1, Some(0)), (1, 2, Some(0))], none.to_vec()),
            ("two links", vec![(1, 0, Some(0)), (1, 1, Some(1))], none.to_vec()),
            ("of three mails", vec![(1, 0, Some(0)), (2, 0, Some(1)), (3, 0, Some(2))], none.to_vec()),
            (
                "with the open among them, not with the one an hour later",
                vec![(1, 3, Some(2)), (1, 1, None), (1, 0, Some(0)), (1, 2, Some(1)), (1, 3_600_000, None)],
                vec![1, 2, 3, 4],
            ),
            (
                "a person's click the next day stays",
                vec![(1, 0, Some(0)), (1, 1, Some(1)), (1, 2, Some(2)), (1, 86_400_000, Some(1))],
                vec![1, 2, 3],
            ),
        ];
        for (what, rows, expected) in table {
            let mut programs: Vec<i64> =
                bursts(&seen(&rows), &ActorRules::default().timing).into_iter().collect();
            programs.sort_unstable();
            assert_eq!(programs, expected, "{what}");
        }
    }
}
