//! The plan of one export: its bounds and the names of its files, fixed before the first byte is written.

use contract::ExportId;
use serde::{Deserialize, Serialize};
use sqlx::{Row, types::Json};
use store::{CampaignTx, StoreError};
use time::OffsetDateTime;

use crate::{
    Error,
    columns::{Column, DEFAULT},
};

/// Responses in one export at most, so that its writing fits into an invocation with room to spare; the next export has the rest.
const EXPORT_RESPONSES_MAX: i64 = 500_000;
/// Of the campaign's name in a file's name; a name below Exports stays far under S3's 1,024 bytes.
const SLUG_CHARACTERS_MAX: usize = 40;
/// How long to wait for writers of responses, or for another invocation that writes the same export, before the message goes back to its
/// queue.
const LOCK_WAIT: &str = "SET LOCAL lock_timeout = '15s'";

/// The files of one export: what stands in `exports.files`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// What each file's name begins with.
    pub base: String,
    /// Whether they are encrypted; decided with the plan, so that a second attempt replaces the files of the first.
    pub encrypted: bool,
    /// The columns of each file; decided with the plan, too.
    #[serde(default = "default_columns")]
    pub columns: Vec<Column>,
    /// Whether there is a file for each kind of response, also without a row.
    #[serde(default)]
    pub empty: bool,
    /// What was written, once it was.
    #[serde(default)]
    pub files: Vec<File>,
}

fn default_columns() -> Vec<Column> {
    DEFAULT.to_vec()
}

/// How a tenant wants its exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Encrypted to its recipients' keys.
    pub encrypted: bool,
    /// Also where nothing came back.
    pub empty: bool,
    /// The columns of each file.
    pub columns: Vec<Column>,
}

/// How far one delivery exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Up to this number: what comes while it writes is the next one's, or a busy campaign would keep it for ever, making ever smaller files.
    Number(i64),
    /// Nothing is new, and files without rows are wanted.
    Empty,
}

/// One written file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Below Exports.
    pub name: String,
    /// Of the responses in it.
    pub kind: String,
    /// Without the header.
    pub rows: i64,
    /// Bytes as stored.
    pub size: i64,
    /// Of the bytes as stored, hexadecimal.
    pub sha256: String,
}

impl Bundle {
    /// The name of the file for one kind of response.
    pub fn name(&self, kind: &str) -> String {
        let end = if self.encrypted { ".pgp" } else { "" };
        format!("{}-{kind}.csv{end}", self.base)
    }

    /// The name of the manifest, which is written last.
    pub fn manifest(&self) -> String {
        format!("{}-manifest.json", self.base)
    }
}

/// A planned export, its row locked until the transaction ends.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which one.
    pub export: ExportId,
    /// Exclusive.
    pub seq_from: i64,
    /// Inclusive.
    pub seq_to: i64,
    /// Names.
    pub bundle: Bundle,
}

/// The highest number that can be seen now, where there is one above what was exported. A campaign without a launch has no empty files.
pub async fn goal(tx: &mut CampaignTx, settings: &Settings) -> Result<Option<Goal>, StoreError> {
    let campaign = tx.campaign().0;
    let number: Option<i64> = sqlx::query_scalar(
        "SELECT max(seq) FROM responses WHERE seq > (SELECT exported_seq FROM broadcast.campaigns WHERE id = $1)",
    )
    .bind(campaign)
    .fetch_one(&mut **tx)
    .await?;
    if number.is_some() || !settings.empty {
        return Ok(number.map(Goal::Number));
    }
    let launched: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM broadcast.launches WHERE campaign_id = $1 AND NOT test)",
    )
    .bind(campaign)
    .fetch_one(&mut **tx)
    .await?;
    Ok(launched.then_some(Goal::Empty))
}

/// Fixes the bounds of the next export when the goal is not reached and no plan waits already. Says whether a plan waits now.
///
/// Under the exclusive lock no writer of responses is under way: nothing at or below the upper bound is committed later.
pub async fn make(
    mut tx: CampaignTx,
    goal: Goal,
    settings: &Settings,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    if exists(&mut tx).await? {
        return Ok(true);
    }
    let exported_seq = exported(&mut tx).await?.1;
    if matches!(goal, Goal::Number(goal) if exported_seq >= goal) {
        return Ok(false);
    }
    sqlx::query(LOCK_WAIT).execute(&mut *tx).await?;
    tx.close_responses().await?;
    // Another invocation may have planned, or even written, while this one waited for the lock.
    if exists(&mut tx).await? {
        return Ok(true);
    }
    let (name, seq_from) = exported(&mut tx).await?;
    let seq_to: Option<i64> = sqlx::query_scalar(
        "SELECT max(seq) FROM (SELECT seq FROM responses WHERE seq > $1 ORDER BY seq LIMIT $2) AS next",
    )
    .bind(seq_from)
    .bind(EXPORT_RESPONSES_MAX)
    .fetch_one(&mut *tx)
    .await?;
    let Some(seq_to) = seq_to.or_else(|| (goal == Goal::Empty).then_some(seq_from)) else { return Ok(false) };
    insert(&mut tx, &name, (seq_from, seq_to), settings, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// The campaign's name, and up to where its responses are in files.
async fn exported(tx: &mut CampaignTx) -> Result<(String, i64), StoreError> {
    Ok(sqlx::query_as("SELECT name, exported_seq FROM broadcast.campaigns WHERE id = $1")
        .bind(tx.campaign().0)
        .fetch_one(&mut **tx)
        .await?)
}

async fn exists(tx: &mut CampaignTx) -> Result<bool, StoreError> {
    let planned =
        "SELECT EXISTS (SELECT FROM broadcast.exports WHERE campaign_id = $1 AND state = 'planned')";
    Ok(sqlx::query_scalar(planned).bind(tx.campaign().0).fetch_one(&mut **tx).await?)
}

async fn insert(
    tx: &mut CampaignTx,
    name: &str,
    (seq_from, seq_to): (i64, i64),
    settings: &Settings,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let export: i64 = sqlx::query_scalar(
        "INSERT INTO broadcast.exports (tenant_id, campaign_id, seq_from, seq_to, planned_at) VALUES ($1, $2, $3, $4, $5) RETURNING id",
    )
    .bind(tx.tenant().0)
    .bind(tx.campaign().0)
    .bind(seq_from)
    .bind(seq_to)
    .bind(now)
    .fetch_one(&mut **tx)
    .await?;
    let base = format!("{}-{}-{export}", slug(name), tx.campaign());
    let Settings { encrypted, empty, columns } = settings.clone();
    sqlx::query("UPDATE broadcast.exports SET files = $2 WHERE id = $1")
        .bind(export)
        .bind(Json(Bundle { base, encrypted, columns, empty, files: Vec::new() }))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The plan that waits, locked: another invocation that writes it is waited for. `None`: it was written meanwhile.
pub async fn take(tx: &mut CampaignTx) -> Result<Option<Plan>, Error> {
    sqlx::query(LOCK_WAIT).execute(&mut **tx).await?;
    let row = sqlx::query(
        "SELECT id, seq_from, seq_to, files FROM broadcast.exports WHERE campaign_id = $1 AND state = 'planned'
         ORDER BY seq_from LIMIT 1 FOR UPDATE",
    )
    .bind(tx.campaign().0)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let files = row.get::<Option<serde_json::Value>, _>(3).unwrap_or_default();
    Ok(Some(Plan {
        export: ExportId(row.get(0)),
        seq_from: row.get(1),
        seq_to: row.get(2),
        bundle: serde_json::from_value(files).map_err(|_| Error::Plan)?,
    }))
}

/// A campaign's name as part of a file's name: lower-case ASCII letters, digits and single hyphens.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        if slug.len() >= SLUG_CHARACTERS_MAX {
            break;
        }
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "campaign".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_part_of_a_file_name() {
        for (name, expected) in [
            ("Spring Sale 2027", "spring-sale-2027"),
            ("../../etc/passwd", "etc-passwd"),
            ("Größe & Stärke", "gr-e-st-rke"),
            ("  - ", "campaign"),
            ("東京", "campaign"),
        ] {
            assert_eq!(slug(name), expected);
        }
        assert!(slug(&"ab ".repeat(100)).len() <= SLUG_CHARACTERS_MAX);
    }

    #[test]
    fn files_are_named_by_kind() {
        let plain = Bundle {
            base: "spring-2-7".into(),
            encrypted: false,
            columns: DEFAULT.to_vec(),
            empty: false,
            files: Vec::new(),
        };
        assert_eq!(plain.name("opened"), "spring-2-7-opened.csv");
        assert_eq!(plain.manifest(), "spring-2-7-manifest.json");
        assert_eq!(Bundle { encrypted: true, ..plain }.name("clicked"), "spring-2-7-clicked.csv.pgp");
    }
}
