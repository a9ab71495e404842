//! An object arrived in a tenant's bucket -> the imports that it asks for.
//!
//! Events come in any order, twice, or late: each is only a reason to look. What stands in Incoming decides.

use contract::{Folder, ImportCall, ImportId, ObjectEvent, TenantId, control_file_of, data_file_of};
use exchange::{Meta, TenantFiles};
use fault::{Notice, Phrase};
use sqlx::types::Json;

use crate::{
    Error, Import,
    control::{self, CONTROL_BYTES_MAX},
    index,
};

/// The imports to run now because of this event.
pub async fn imports_of(function: &Import, event: &ObjectEvent) -> Result<Vec<(TenantId, ImportId)>, Error> {
    let tenant: Option<i64> = sqlx::query_scalar("SELECT id FROM broadcast.tenants WHERE bucket = $1")
        .bind(&event.bucket)
        .fetch_optional(function.store.pool())
        .await?;
    let tenant = TenantId(tenant.ok_or(Error::UnknownBucket)?);
    let Some((Folder::Incoming, name)) = Folder::split(&event.key) else { return Ok(Vec::new()) };
    // A program that makes folders puts empty objects for them.
    if name.ends_with('/') {
        return Ok(Vec::new());
    }
    let files = function.exchange.tenant(tenant, &event.bucket).await?;
    let arrival = Arrival { function, files, tenant };
    let imports = arrival.arrived(name).await?;
    Ok(imports.into_iter().map(|import| (tenant, import)).collect())
}

struct Arrival<'a> {
    function: &'a Import,
    files: TenantFiles,
    tenant: TenantId,
}

impl Arrival<'_> {
    async fn arrived(&self, name: &str) -> Result<Vec<ImportId>, Error> {
        let data_name = data_file_of(name).unwrap_or(name);
        let control_name = control_file_of(data_name);
        let mut asked_for = None;
        if let Some(meta) = self.seen(&control_name).await? {
            asked_for = self.asked_for(data_name, &control_name, &meta).await?;
        } else if data_name == name {
            self.seen(name).await?;
        }
        // Imports that an earlier delivery of this event began and could not end: their files may be moved or replaced by now.
        let earlier = self.unfinished(data_name, &control_name).await?;
        let earlier = earlier.into_iter().filter(|import| asked_for != Some(*import));
        Ok(asked_for.into_iter().chain(earlier).collect())
    }

    /// The import that a control file asks for, made now or by an earlier event; `None` while its file is not there.
    async fn asked_for(
        &self,
        data_name: &str,
        control_name: &str,
        control: &Meta,
    ) -> Result<Option<ImportId>, Error> {
        let call = match self.read_control(data_name, control_name, control).await? {
            Read::Call(call) => call,
            Read::Gone => return Ok(None),
            Read::Malformed(notice) => {
                return self.record_malformed(control_name, control, &notice).await.map(Some);
            }
        };
        let Some(data) = self.seen(data_name).await? else { return Ok(None) };
        if self.is_being_replaced(data_name, &data).await? {
            return Ok(None);
        }
        self.record(data_name, &data, &call, &control.etag).await.map(Some)
    }

    /// Whether an upload of the name was begun after this content and has not ended: the control file means what is still to come.
    async fn is_being_replaced(&self, name: &str, data: &Meta) -> Result<bool, Error> {
        let mut tx = self.function.store.tenant(self.tenant).await?;
        // S3 tells whole seconds, so an upload that ended within the second of its begin may seem to replace itself: its row is gone by now,
        // or a crash of the gateway left it until somebody looks at the file.
        let replaced = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM broadcast.uploads
             WHERE tenant_id = $1 AND name = $2 AND started_at > $3)",
        )
        .bind(self.tenant.0)
        .bind(name)
        .bind(data.modified)
        .fetch_one(&mut *tx)
        .await?;
        Ok(replaced)
    }

    /// What stands under a name of Incoming; the index then knows it too.
    async fn seen(&self, name: &str) -> Result<Option<Meta>, Error> {
        let meta = self.files.head(Folder::Incoming, name).await?;
        if let Some(meta) = &meta {
            let mut tx = self.function.store.tenant(self.tenant).await?;
            index::arrived(&mut tx, self.tenant, Folder::Incoming, name, meta).await?;
            tx.commit().await?;
        }
        Ok(meta)
    }

    async fn read_control(&self, data_name: &str, control_name: &str, control: &Meta) -> Result<Read, Error> {
        let content = match self.files.read(Folder::Incoming, control_name, Some(&control.etag)).await {
            Ok(download) => download.collect(CONTROL_BYTES_MAX).await,
            Err(error) => Err(error),
        };
        match content {
            Ok(content) => {
                Ok(control::read_call(data_name, &content).map_or_else(Read::Malformed, Read::Call))
            }
            Err(exchange::Error::TooLarge { max }) => {
                Ok(Read::Malformed(control::malformed(&Phrase::ControlTooLarge.filled([("max", &max)]))))
            }
            // Another content has an event of its own.
            Err(exchange::Error::Missing | exchange::Error::Changed) => Ok(Read::Gone),
            Err(error) => Err(error.into()),
        }
    }

    /// One import for one content of a file, however many events ask for it.
    async fn record(
        &self,
        name: &str,
        data: &Meta,
        call: &ImportCall,
        control_etag: &str,
    ) -> Result<ImportId, Error> {
        let mut tx = self.function.store.tenant(self.tenant).await?;
        sqlx::query(
            "INSERT INTO broadcast.imports (tenant_id, call, file_name, etag, uploaded_at, control_etag, bytes_total)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tenant_id, file_name, etag, uploaded_at) DO NOTHING",
        )
        .bind(self.tenant.0)
        .bind(Json(call))
        .bind(name)
        .bind(&data.etag)
        .bind(data.modified)
        .bind(control_etag)
        .bind(i64::try_from(data.size).unwrap_or(i64::MAX))
        .execute(&mut *tx)
        .await?;
        let import = recorded(&mut tx, self.tenant, name, data).await?;
        tx.commit().await?;
        Ok(import)
    }

    /// A control file that is none is refused like a file of its own. The file beside it stays for the next one.
    async fn record_malformed(
        &self,
        control_name: &str,
        control: &Meta,
        notice: &Notice,
    ) -> Result<ImportId, Error> {
        let call = ImportCall {
            campaign: String::new(),
            profile: None,
            overrides: None,
            size: None,
            sha256: None,
            launch: false,
            again: false,
        };
        let mut tx = self.function.store.tenant(self.tenant).await?;
        sqlx::query(
            "INSERT INTO broadcast.imports
                 (tenant_id, call, file_name, etag, uploaded_at, bytes_total, state, reason_code, reason)
             VALUES ($1, $2, $3, $4, $5, $6, 'refusing', $7, $8)
             ON CONFLICT (tenant_id, file_name, etag, uploaded_at) DO NOTHING",
        )
        .bind(self.tenant.0)
        .bind(Json(call))
        .bind(control_name)
        .bind(&control.etag)
        .bind(control.modified)
        .bind(i64::try_from(control.size).unwrap_or(i64::MAX))
        .bind(notice.code.slug())
        .bind(notice.words())
        .execute(&mut *tx)
        .await?;
        let import = recorded(&mut tx, self.tenant, control_name, control).await?;
        tx.commit().await?;
        Ok(import)
    }

    async fn unfinished(&self, data_name: &str, control_name: &str) -> Result<Vec<ImportId>, Error> {
        let mut tx = self.function.store.tenant(self.tenant).await?;
        let imports: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM broadcast.imports
             WHERE tenant_id = $1 AND file_name IN ($2, $3) AND state NOT IN ('finished', 'refused') ORDER BY id",
        )
        .bind(self.tenant.0)
        .bind(data_name)
        .bind(control_name)
        .fetch_all(&mut *tx)
        .await?;
        Ok(imports.into_iter().map(ImportId).collect())
    }
}

/// What a control file said.
enum Read {
    Call(ImportCall),
    Malformed(Notice),
    Gone,
}

async fn recorded(
    tx: &mut sqlx::PgConnection,
    tenant: TenantId,
    name: &str,
    file: &Meta,
) -> Result<ImportId, Error> {
    let id = sqlx::query_scalar(
        "SELECT id FROM broadcast.imports
         WHERE tenant_id = $1 AND file_name = $2 AND etag = $3 AND uploaded_at = $4",
    )
    .bind(tenant.0)
    .bind(name)
    .bind(&file.etag)
    .bind(file.modified)
    .fetch_one(tx)
    .await?;
    Ok(ImportId(id))
}
