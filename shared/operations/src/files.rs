//! The File Exchange's index.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::request::Parts,
};
use contract::Folder;
use fault::Code;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use crate::{
    OperationError, Services,
    answer::Listing,
    caller::Caller,
    request::{Id, Page, query, query_malformed},
};

/// A link opens for whoever has it: long enough to follow it at once.
const LINK: Duration = Duration::from_mins(1);

/// Which files.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Those of one folder: `Incoming`, `Finished`, `Invalids` or `Exports`.
    #[param(pattern = "^(Incoming|Finished|Invalids|Exports)$")]
    folder: Option<String>,
    /// What follows this one: `next` of an earlier answer.
    after: Option<i64>,
    /// How many items at most; 100 when absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// The same, checked.
pub(crate) struct FilesPage {
    folder: Option<Folder>,
    page: Page,
}

impl<S: Send + Sync> FromRequestParts<S> for FilesPage {
    type Rejection = OperationError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, OperationError> {
        let Wanted { folder, after, limit } = query(parts)?;
        let folder = folder.map(|name| name.parse()).transpose();
        let folder =
            folder.map_err(|()| query_malformed("folder: Incoming, Finished, Invalids or Exports"))?;
        Ok(Self { folder, page: Page { after, limit }.checked()? })
    }
}

/// A file.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct File {
    id: i64,
    folder: String,
    /// Below the folder.
    name: String,
    size: i64,
    #[serde(with = "time::serde::rfc3339")]
    arrived_at: OffsetDateTime,
    /// When it is deleted.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// List files
///
/// The File Exchange, with the time at which each file is deleted; the newest first. Files are fetched over SFTP, or by a link each.
#[utoipa::path(
    get, path = "/files", operation_id = "list_files", tag = "Files", security(("key" = ["campaigns:read"])),
    params(Wanted), responses((status = 200, description = "Some of them.", body = Listing<File>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    FilesPage { folder, page }: FilesPage,
) -> Result<Json<Listing<File>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let items: Vec<File> = sqlx::query_as(
        "SELECT f.id, f.folder, f.name, f.size, f.arrived_at,
                f.arrived_at + make_interval(hours => CASE f.folder WHEN 'Incoming' THEN t.incoming_hours
                    WHEN 'Finished' THEN t.finished_hours WHEN 'Invalids' THEN t.invalids_hours ELSE t.exports_hours END) AS expires_at
         FROM broadcast.files f JOIN broadcast.tenants t ON t.id = f.tenant_id
         WHERE ($1 IS NULL OR f.folder = $1) AND ($2 IS NULL OR f.id < $2) ORDER BY f.id DESC LIMIT $3",
    )
    .bind(folder.map(Folder::name))
    .bind(page.after)
    .bind(page.limit())
    .fetch_all(&mut *tx)
    .await?;
    let next = page.next(&items, |file| file.id);
    Ok(Json(Listing { items, next }))
}

/// Where a file is fetched.
#[derive(Serialize, ToSchema)]
pub(crate) struct Link {
    /// Of the storage. It is signed, needs no key, and opens this one file.
    #[schema(format = "uri")]
    url: String,
    /// Whoever has it may begin to fetch the file until then.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// Make a link to a file
///
/// By it the file is downloaded from the storage itself, whatever its size, within a minute.
#[utoipa::path(
    post, path = "/files/{id}/link", operation_id = "link_file", tag = "Files", security(("key" = ["files:read"])),
    responses((status = 200, description = "The link.", body = Link))
)]
pub(crate) async fn link(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Link>, OperationError> {
    let mut tx = caller.begin_reading(&services).await?;
    let file: Option<(String, String)> =
        sqlx::query_as("SELECT folder, name FROM broadcast.files WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
    drop(tx);
    let (folder, name) = file.ok_or(Code::NotFound)?;
    let folder = folder.parse().map_err(|()| OperationError::Document)?;
    // Its credentials open this tenant's files alone, whatever the row says.
    let files = services.exchange.tenant(caller.tenant, &caller.identity.bucket).await?;
    // Sweep, or the customer, may have been there since the index was written.
    files.head(folder, &name).await?.ok_or(Code::NotFound)?;
    Ok(Json(Link { url: files.link(folder, &name, LINK).await?, expires_at: caller.now + LINK }))
}
