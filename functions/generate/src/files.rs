//! The files of a template.

use mail::TemplateFile;
use store::CampaignTx;

use crate::Error;

/// What each mail of a template carries.
pub(crate) async fn of(tx: &mut CampaignTx, template_id: i64) -> Result<Vec<TemplateFile>, Error> {
    let rows: Vec<(String, String, bool, Vec<u8>)> = sqlx::query_as(
        "SELECT name, content_type, inline, content FROM broadcast.template_files WHERE template_id = $1 ORDER BY position",
    )
    .bind(template_id)
    .fetch_all(&mut **tx)
    .await?;
    let file = |(name, content_type, inline, content)| TemplateFile { name, content_type, content, inline };
    Ok(rows.into_iter().map(file).collect())
}
