//! The ends of an import: what happens after its rows are published, or after it is refused. Every step may be taken again.

use contract::{
    CampaignId, Folder, GenerateMessage, LaunchId, NotifyMessage, control_file_of,
    webhook::{Event, ImportEnd, ImportEnded},
};
use exchange::TenantFiles;
use fault::{Code, Notice};
use sqlx::{PgConnection, Row};
use store::{StoreError, recipients};

use crate::{Error, Import, claim::Job, fill, index, plan, report};

/// Records why the import is refused, and drops what an attempt left. From here on it is refused, whatever happens.
pub async fn refuse(function: &Import, job: &Job, notice: &Notice) -> Result<(), Error> {
    if let Some(campaign) = job.campaign {
        match function.store.campaign(job.tenant, campaign).await {
            Ok(mut tx) => {
                fill::hold(&mut tx, job).await?;
                recipients::drop(&mut tx, job.import).await?;
                record_refusal(&mut tx, job, notice).await?;
                return Ok(tx.commit().await?);
            }
            // Its tables are gone, too.
            Err(StoreError::NoCampaign) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut tx = function.store.tenant(job.tenant).await?;
    record_refusal(&mut tx, job, notice).await?;
    Ok(tx.commit().await?)
}

async fn record_refusal(tx: &mut PgConnection, job: &Job, notice: &Notice) -> Result<(), Error> {
    let refused = sqlx::query(
        "UPDATE broadcast.imports SET state = 'refusing', reason_code = $3, reason = $4, rows = 0
         WHERE id = $1 AND state = 'running' AND lease_until = $2",
    )
    .bind(job.import.0)
    .bind(job.lease)
    .bind(notice.code.slug())
    .bind(notice.words())
    .execute(tx)
    .await?;
    if refused.rows_affected() == 1 { Ok(()) } else { Err(Error::LeaseLost) }
}

/// File to Invalids, control file gone, report beside it: refused.
pub async fn finish_refused(function: &Import, job: &Job) -> Result<(), Error> {
    let mut tx = function.store.tenant(job.tenant).await?;
    let row = sqlx::query("SELECT reason_code, reason FROM broadcast.imports WHERE id = $1")
        .bind(job.import.0)
        .fetch_one(&mut *tx)
        .await?;
    drop(tx);
    let code: String = row.try_get("reason_code").map_err(|_| Error::Stored("reason"))?;
    let words: String = row.try_get("reason").map_err(|_| Error::Stored("reason"))?;
    let files = plan::files(function, job).await?;
    move_file(function, job, &files, Folder::Invalids).await?;
    delete_control_file(function, job, &files).await?;
    let place = report::place(function, job).await?;
    let report = report::ensure(function, job, &files, &place, (&code, &words)).await?;
    know(function, &files, Folder::Invalids, &report).await?;
    end(function, job, ImportEnd::Refused, None).await
}

/// File to Finished, control file gone, mailing started: finished.
pub async fn finish_published(function: &Import, job: &Job) -> Result<(), Error> {
    let campaign = job.campaign.ok_or(Error::Stored("campaign"))?;
    let files = plan::files(function, job).await?;
    let mut tx = function.store.tenant(job.tenant).await?;
    let rejected: i64 = sqlx::query_scalar("SELECT rejected FROM broadcast.imports WHERE id = $1")
        .bind(job.import.0)
        .fetch_one(&mut *tx)
        .await?;
    drop(tx);
    if rejected > 0 {
        know(function, &files, Folder::Invalids, &report::place(function, job).await?.name()).await?;
    }
    move_file(function, job, &files, Folder::Finished).await?;
    delete_control_file(function, job, &files).await?;
    let not_launched = if job.call.launch { launch(function, job, campaign).await? } else { None };
    end(function, job, ImportEnd::Finished, not_launched.as_ref()).await
}

/// The file may have been overwritten or deleted since it was read: then nothing of it is left to be moved.
async fn move_file(function: &Import, job: &Job, files: &TenantFiles, to: Folder) -> Result<(), Error> {
    match files.move_file(Folder::Incoming, &job.file_name, &job.etag, to).await {
        Ok(moved) => know(function, files, to, &moved.name).await?,
        Err(exchange::Error::Missing | exchange::Error::Changed) => {}
        Err(error) => return Err(error.into()),
    }
    forget(function, job, &job.file_name, &job.etag).await
}

async fn delete_control_file(function: &Import, job: &Job, files: &TenantFiles) -> Result<(), Error> {
    // Another content of the file is a new file, and the control file, which may have come again with it and be the same, is now about that one.
    if files.head(Folder::Incoming, &job.file_name).await?.is_some() {
        return Ok(());
    }
    let name = control_file_of(&job.file_name);
    let etag = match &job.control_etag {
        Some(etag) => etag,
        // The API asked first. A control file beside the file asked for the same.
        None => match files.head(Folder::Incoming, &name).await? {
            Some(meta) => &meta.etag.clone(),
            None => return Ok(()),
        },
    };
    match files.delete(Folder::Incoming, &name, Some(etag)).await {
        // Another content of it has an event of its own.
        Ok(_) | Err(exchange::Error::Changed) => forget(function, job, &name, etag).await,
        Err(error) => Err(error.into()),
    }
}

/// Brings a file that was written into the index, if it is there.
async fn know(function: &Import, files: &TenantFiles, folder: Folder, name: &str) -> Result<(), Error> {
    let Some(meta) = files.head(folder, name).await? else { return Ok(()) };
    let mut tx = function.store.tenant(files.tenant()).await?;
    index::arrived(&mut tx, files.tenant(), folder, name, &meta).await?;
    Ok(tx.commit().await?)
}

/// Takes a file that left Incoming out of the index.
async fn forget(function: &Import, job: &Job, name: &str, etag: &str) -> Result<(), Error> {
    let mut tx = function.store.tenant(job.tenant).await?;
    index::gone(&mut tx, job.tenant, name, etag).await?;
    Ok(tx.commit().await?)
}

/// One launch for one import, however often this runs; why there is none, where the customer has to do something first.
async fn launch(function: &Import, job: &Job, campaign: CampaignId) -> Result<Option<Notice>, Error> {
    let mut tx = function.store.tenant(job.tenant).await?;
    let open: Option<bool> =
        sqlx::query_scalar("SELECT state = 'open' FROM broadcast.campaigns WHERE id = $1")
            .bind(campaign.0)
            .fetch_optional(&mut *tx)
            .await?;
    if open != Some(true) {
        return Ok(Some(Code::CampaignEnded.into()));
    }
    sqlx::query(
        // Of a tenant that was suspended meanwhile it waits for somebody who resumes it.
        "INSERT INTO broadcast.launches (tenant_id, campaign_id, template_id, import_id, state, paused_at)
         SELECT m.tenant_id, m.campaign_id, m.id, $3, CASE t.status WHEN 'active' THEN 'preparing' ELSE 'paused' END,
                CASE WHEN t.status <> 'active' THEN now() END
         FROM broadcast.templates m JOIN broadcast.tenants t ON t.id = m.tenant_id WHERE m.tenant_id = $1 AND m.campaign_id = $2
         ORDER BY m.version DESC LIMIT 1
         ON CONFLICT (import_id) DO NOTHING",
    )
    .bind(job.tenant.0)
    .bind(campaign.0)
    .bind(job.import.0)
    .execute(&mut *tx)
    .await?;
    let launch: Option<i64> = sqlx::query_scalar("SELECT id FROM broadcast.launches WHERE import_id = $1")
        .bind(job.import.0)
        .fetch_optional(&mut *tx)
        .await?;
    tx.commit().await?;
    let Some(launch) = launch else { return Ok(Some(Code::TemplateMissing.into())) };
    let message = GenerateMessage::Launch { tenant: job.tenant, campaign, launch: LaunchId(launch) };
    function.clients.send_json(&function.generate_queue, job.tenant, &message).await?;
    Ok(None)
}

async fn end(function: &Import, job: &Job, state: ImportEnd, notice: Option<&Notice>) -> Result<(), Error> {
    let mut tx = function.store.tenant(job.tenant).await?;
    let ended = sqlx::query(
        "UPDATE broadcast.imports
         SET state = $3, reason_code = coalesce($4, reason_code), reason = coalesce($5, reason),
             lease_until = NULL, ended_at = now()
         WHERE id = $1 AND lease_until = $2
         RETURNING campaign_id, reason_code, rows, imported, rejected, duplicates, ended_at",
    )
    .bind(job.import.0)
    .bind(job.lease)
    .bind(state.name())
    .bind(notice.map(|notice| notice.code.slug()))
    .bind(notice.map(Notice::words))
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(Error::LeaseLost)?;
    let event = Event::ImportEnded(ImportEnded {
        import: job.import,
        campaign: ended.get::<Option<i64>, _>("campaign_id").map(CampaignId),
        state,
        reason_code: ended.get("reason_code"),
        rows: ended.get("rows"),
        imported: ended.get("imported"),
        rejected: ended.get("rejected"),
        duplicates: ended.get("duplicates"),
    });
    let told = store::announce(&mut tx, job.tenant, &event, ended.get("ended_at")).await?;
    tx.commit().await?;
    if told {
        let message = NotifyMessage::Tenant { tenant: job.tenant };
        function.clients.nudge(&function.notify_queue, job.tenant, &message).await;
    }
    Ok(())
}
