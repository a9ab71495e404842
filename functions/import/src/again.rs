//! The same list twice in one campaign: a mistake, unless the call says otherwise.

use contract::{CampaignId, ImportCall, ImportId};
use fault::{Code, Notice};
use sqlx::PgConnection;

use crate::Error;

/// Why the import is refused, if another one of the campaign had exactly this content.
pub async fn check(
    tx: &mut PgConnection,
    campaign: CampaignId,
    import: ImportId,
    call: &ImportCall,
    content_sha256: &str,
) -> Result<Option<Notice>, Error> {
    if call.again {
        return Ok(None);
    }
    let earlier: Option<i64> = sqlx::query_scalar(
        "SELECT min(id) FROM broadcast.imports
         WHERE campaign_id = $1 AND id <> $2 AND content_sha256 = $3 AND state IN ('published', 'finished')",
    )
    .bind(campaign.0)
    .bind(import.0)
    .bind(content_sha256)
    .fetch_one(tx)
    .await?;
    Ok(earlier.map(|earlier| Notice::new(Code::FileAgain).with("import", earlier)))
}
