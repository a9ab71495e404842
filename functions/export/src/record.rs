//! The end of an export: its manifest, and the one transaction that makes it done.

use contract::{
    Folder,
    webhook::{Event, ExportReady},
};
use exchange::TenantFiles;
use serde::Serialize;
use store::CampaignTx;
use time::OffsetDateTime;

use crate::{
    Error,
    file::Written,
    plan::{File, Plan},
};

/// Tells the customer which files belong together and what is in them. It is written after them: where it stands, they are complete.
#[derive(Serialize)]
struct Manifest<'a> {
    campaign_id: i64,
    export_id: i64,
    /// Responses are numbered in the order in which they were stored; exports of a campaign follow each other without a gap.
    responses_after: i64,
    responses_to: i64,
    #[serde(with = "time::serde::rfc3339")]
    written_at: OffsetDateTime,
    rows: i64,
    encrypted: bool,
    files: &'a [File],
}

/// Writes the manifest, then records everything and commits the transaction that holds the plan's lock; says whether a webhook is to be told.
pub async fn record(
    mut tx: CampaignTx,
    files: &TenantFiles,
    mut plan: Plan,
    written: Vec<Written>,
    now: OffsetDateTime,
) -> Result<bool, Error> {
    let (tenant, campaign) = (tx.tenant(), tx.campaign());
    let mut etags: Vec<String> = written.iter().map(|one| one.etag.clone()).collect();
    plan.bundle.files = written.into_iter().map(|one| one.file).collect();
    let rows: i64 = plan.bundle.files.iter().map(|file| file.rows).sum();
    let manifest = manifest(&plan, campaign.0, rows, now);
    let stored = files.put(Folder::Exports, &plan.bundle.manifest(), manifest).await?;

    let mut names: Vec<String> = plan.bundle.files.iter().map(|file| file.name.clone()).collect();
    let mut sizes: Vec<i64> = plan.bundle.files.iter().map(|file| file.size).collect();
    names.push(plan.bundle.manifest());
    sizes.push(i64::try_from(stored.size).unwrap_or(i64::MAX));
    etags.push(stored.etag);

    let moved =
        sqlx::query("UPDATE broadcast.campaigns SET exported_seq = $3 WHERE id = $1 AND exported_seq = $2")
            .bind(campaign.0)
            .bind(plan.seq_from)
            .bind(plan.seq_to)
            .execute(&mut *tx)
            .await?;
    if moved.rows_affected() != 1 {
        return Err(Error::Plan);
    }
    sqlx::query("UPDATE broadcast.exports SET state = 'written', rows = $2, files = $3, written_at = $4 WHERE id = $1")
        .bind(plan.export.0)
        .bind(rows)
        .bind(serde_json::to_value(&plan.bundle).map_err(|_| Error::Plan)?)
        .bind(now)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO broadcast.files (tenant_id, folder, name, etag, size, arrived_at)
         SELECT $1, 'Exports', name, etag, size, $5 FROM unnest($2::text[], $3::text[], $4::bigint[]) AS new (name, etag, size)
         ON CONFLICT (tenant_id, folder, name) DO UPDATE SET etag = excluded.etag, size = excluded.size, arrived_at = excluded.arrived_at",
    )
    .bind(tenant.0)
    .bind(names)
    .bind(etags)
    .bind(sizes)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    let ready = ExportReady { export: plan.export, campaign, rows };
    let told = store::announce(&mut tx, tenant, &Event::ExportReady(ready), now).await?;
    tx.commit().await?;
    tracing::info!(%tenant, %campaign, export = %plan.export, rows, files = plan.bundle.files.len(), "exported");
    Ok(told)
}

fn manifest(plan: &Plan, campaign_id: i64, rows: i64, now: OffsetDateTime) -> Vec<u8> {
    let manifest = Manifest {
        campaign_id,
        export_id: plan.export.0,
        responses_after: plan.seq_from,
        responses_to: plan.seq_to,
        written_at: now,
        rows,
        encrypted: plan.bundle.encrypted,
        files: &plan.bundle.files,
    };
    serde_json::to_vec_pretty(&manifest).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use contract::ExportId;
    use time::macros::datetime;

    use super::*;
    use crate::plan::Bundle;

    #[test]
    fn the_manifest_tells_files_rows_digests_and_range() {
        let file = File {
            name: "s-2-7-opened.csv".into(),
            kind: "opened".into(),
            rows: 5,
            size: 9,
            sha256: "ab".into(),
        };
        let columns = crate::columns::DEFAULT.to_vec();
        let bundle =
            Bundle { base: "s-2-7".into(), encrypted: false, columns, empty: false, files: vec![file] };
        let plan = Plan { export: ExportId(7), seq_from: 10, seq_to: 15, bundle };
        let text = String::from_utf8(manifest(&plan, 2, 5, datetime!(2026-11-23 12:00 UTC))).unwrap();
        let expected = r#"{
  "campaign_id": 2,
  "export_id": 7,
  "responses_after": 10,
  "responses_to": 15,
  "written_at": "2026-11-23T12:00:00Z",
  "rows": 5,
  "encrypted": false,
  "files": [
    {
      "name": "s-2-7-opened.csv",
      "kind": "opened",
      "rows": 5,
      "size": 9,
      "sha256": "ab"
    }
  ]
}"#;
        assert_eq!(text, expected);
    }
}
