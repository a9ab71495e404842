//! What became of every row and of every address of a campaign: one statement, so that its numbers are of one moment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use crate::{CampaignTx, StoreError};

/// In the order of a mail's life.
const LEDGER_STATES: [&str; 11] = [
    "pending",
    "spooled",
    "sending",
    "deferred",
    "sent",
    "refused",
    "failed",
    "suppressed",
    "cancelled",
    "expired",
    "unknown",
];
const CLASSES: [&str; 3] = ["hard", "soft", "block"];
const RESPONSE_KINDS: [&str; 6] = ["delivered", "bounced", "complained", "opened", "clicked", "unsubscribed"];

/// A campaign's sums. Counts only: it may be kept when the data is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounting {
    /// Rows of all published imports.
    pub rows: i64,
    /// Of these, rows with a valid address.
    pub imported: i64,
    /// Of these, rows that were refused.
    pub rejected: i64,
    /// Imported rows whose address stands in an earlier row, too.
    pub duplicates: i64,
    /// Imports by state; those that are refused count no rows.
    pub imports: BTreeMap<String, i64>,
    /// Addresses that no launch has taken up yet.
    pub unlaunched: i64,
    /// Addresses that were erased before a launch took them up.
    #[serde(default)]
    pub erased: i64,
    /// Addresses by what became of their mail.
    pub ledger: BTreeMap<String, i64>,
    /// Mails that the relay refused at once, by class; each of them is a bounce among the responses, too. Those of older launches have none.
    #[serde(default)]
    pub refused: BTreeMap<String, i64>,
    /// Responses by kind.
    pub responses: BTreeMap<String, i64>,
    /// Responses by kind and who caused them.
    pub actors: BTreeMap<String, BTreeMap<String, i64>>,
    /// Mails that a relay reports as delivered; where it reports none, those that were sent and did not come back.
    pub delivered: i64,
    /// Whether `delivered` is the latter.
    pub delivered_assumed: bool,
    /// Whether every row and every address stands in exactly one place.
    pub balanced: bool,
}

/// What the database counts.
#[derive(Debug, Default, Deserialize)]
struct Counts {
    rows: i64,
    imported: i64,
    rejected: i64,
    duplicates: i64,
    #[serde(default)]
    erased: i64,
    /// Published imports with addresses of their own, none of which is in the ledger.
    imports_unlaunched: i64,
    imports: BTreeMap<String, i64>,
    ledger: BTreeMap<String, i64>,
    #[serde(default)]
    refused: BTreeMap<String, i64>,
    actors: BTreeMap<String, BTreeMap<String, i64>>,
    mails_bounced: i64,
    mails_delivered: i64,
}

impl CampaignTx {
    /// Counts the campaign.
    pub async fn accounting(&mut self) -> Result<Accounting, StoreError> {
        let Json(counts): Json<Counts> = sqlx::query_scalar(
            "WITH published AS (
                 SELECT * FROM broadcast.imports WHERE campaign_id = $1 AND state IN ('published', 'finished')
             ), kinds AS (
                 SELECT kind, jsonb_object_agg(actor, n) AS actors
                 FROM (SELECT kind, actor, count(*) AS n FROM responses GROUP BY kind, actor) AS each GROUP BY kind
             )
             SELECT jsonb_build_object(
                 'rows', (SELECT coalesce(sum(rows), 0) FROM published),
                 'imported', (SELECT coalesce(sum(imported), 0) FROM published),
                 'rejected', (SELECT coalesce(sum(rejected), 0) FROM published),
                 'duplicates', (SELECT coalesce(sum(duplicates), 0) FROM published),
                 'erased', (SELECT coalesce(sum(erased), 0) FROM published),
                 'imports_unlaunched', (SELECT count(*) FROM published WHERE imported > duplicates + erased
                                        AND NOT EXISTS (SELECT FROM ledger WHERE import_id = published.id)),
                 'imports', (SELECT coalesce(jsonb_object_agg(state, n), '{}')
                             FROM (SELECT state, count(*) AS n FROM broadcast.imports WHERE campaign_id = $1 GROUP BY state) AS each),
                 'ledger', (SELECT coalesce(jsonb_object_agg(state, n), '{}')
                            FROM (SELECT state, count(*) AS n FROM ledger WHERE NOT proof GROUP BY state) AS each),
                 'refused', (SELECT coalesce(jsonb_object_agg(class, n), '{}')
                             FROM (SELECT class, count(*) AS n FROM ledger WHERE class IS NOT NULL AND NOT proof GROUP BY class) AS each),
                 'actors', (SELECT coalesce(jsonb_object_agg(kind, actors), '{}') FROM kinds),
                 'mails_bounced', (SELECT count(DISTINCT mail_id) FROM responses JOIN ledger ON ledger.id = mail_id
                                   WHERE kind = 'bounced' AND ledger.state = 'sent'),
                 'mails_delivered', (SELECT count(DISTINCT mail_id) FROM responses WHERE kind = 'delivered'))",
        )
        .bind(self.campaign().0)
        .fetch_one(&mut **self)
        .await?;
        Ok(account(counts))
    }
}

fn account(counts: Counts) -> Accounting {
    let filled = |known: &[&str], counted: &BTreeMap<String, i64>| -> BTreeMap<String, i64> {
        known.iter().map(|name| ((*name).to_owned(), counted.get(*name).copied().unwrap_or(0))).collect()
    };
    let ledger = filled(&LEDGER_STATES, &counts.ledger);
    let responses: BTreeMap<String, i64> =
        counts.actors.iter().map(|(kind, actors)| (kind.clone(), actors.values().sum())).collect();
    let responses = filled(&RESPONSE_KINDS, &responses);
    let unlaunched =
        counts.imported - counts.duplicates - counts.erased - counts.ledger.values().sum::<i64>();
    // Addresses outside the ledger are explained by an import that no launch has seen, and by nothing else.
    let explained = unlaunched == 0 || (unlaunched > 0 && counts.imports_unlaunched > 0);
    let delivered_assumed = counts.mails_delivered == 0;
    let sent = ledger.get("sent").copied().unwrap_or(0);
    Accounting {
        rows: counts.rows,
        imported: counts.imported,
        rejected: counts.rejected,
        duplicates: counts.duplicates,
        imports: counts.imports,
        unlaunched,
        erased: counts.erased,
        ledger,
        refused: filled(&CLASSES, &counts.refused),
        responses,
        actors: counts.actors,
        delivered: if delivered_assumed {
            (sent - counts.mails_bounced).max(0)
        } else {
            counts.mails_delivered
        },
        delivered_assumed,
        balanced: counts.rows == counts.imported + counts.rejected && explained,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(imported: i64, duplicates: i64, ledger: &[(&str, i64)], imports_unlaunched: i64) -> Counts {
        Counts {
            rows: imported + 1,
            imported,
            rejected: 1,
            duplicates,
            imports_unlaunched,
            ledger: ledger.iter().map(|(state, n)| ((*state).to_owned(), *n)).collect(),
            ..Counts::default()
        }
    }

    #[test]
    fn every_address_stands_in_one_place() {
        for (counts, balanced) in [
            (counts(10, 2, &[("sent", 6), ("suppressed", 2)], 0), true),
            // One is missing, one too many.
            (counts(10, 2, &[("sent", 7)], 0), false),
            (counts(10, 2, &[("sent", 9)], 1), false),
            // Not launched yet, in whole or in part.
            (counts(10, 2, &[], 1), true),
            (counts(10, 2, &[("sent", 5)], 1), true),
            // One was erased before the launch.
            (Counts { erased: 1, ..counts(10, 2, &[("sent", 7)], 0) }, true),
            (Counts { erased: 2, ..counts(10, 2, &[("sent", 7)], 0) }, false),
            (Counts { rejected: 0, ..counts(10, 2, &[("sent", 8)], 0) }, false),
        ] {
            let text = format!("{counts:?}");
            assert_eq!(account(counts).balanced, balanced, "{text}");
        }
    }

    #[test]
    fn delivered_is_reported_or_assumed() {
        let assumed = account(Counts { mails_bounced: 2, ..counts(8, 0, &[("sent", 8)], 0) });
        assert_eq!((assumed.delivered, assumed.delivered_assumed), (6, true));
        let reported =
            account(Counts { mails_bounced: 2, mails_delivered: 5, ..counts(8, 0, &[("sent", 8)], 0) });
        assert_eq!((reported.delivered, reported.delivered_assumed), (5, false));
        assert_eq!(reported.ledger["pending"], 0);
        assert_eq!(reported.responses.len(), RESPONSE_KINDS.len());
    }
}
