//! The rows that an import rejected, from its report in Invalids.

use std::sync::Arc;

use axum::{Json, extract::State};
use contract::{Folder, error_report_of};
use exchange::Download;
use fault::{Code, Notice};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    answer::Listing,
    caller::Caller,
    imports::Import,
    request::{Id, Page},
};

/// A rejected row, or with line 0 the reason for the whole file.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub(crate) struct Rejected {
    /// The line of the file on which the row begins, from 1.
    line: i64,
    /// The column that is wrong, where it is one; by the name that the file gives it.
    column: String,
    /// Of the catalogue.
    code: String,
    /// The same in words.
    reason: String,
}

/// List rejected rows
///
/// In the order of the file; `after` is a line. They name places and reasons, never what stood there. Line 0 is the file as a whole, and comes
/// first where it is the only one. The same list stands as CSV in Invalids.
#[utoipa::path(
    get, path = "/imports/{id}/errors", operation_id = "list_import_errors", tag = "Imports", security(("key" = ["recipients:read"])),
    params(Page), responses((status = 200, description = "Some of them.", body = Listing<Rejected>)),
    extensions(("x-problems" = json!(["report_missing", "report_encrypted"])))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
    page: Page,
) -> Result<Json<Listing<Rejected>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let import = Import::load(&mut tx, id).await?;
    let number: i64 =
        sqlx::query_scalar("SELECT count(*) FROM broadcast.imports WHERE file_name = $1 AND id <= $2")
            .bind(&import.file_name)
            .bind(id)
            .fetch_one(&mut *tx)
            .await?;
    drop(tx);
    let name = error_report_of(&import.file_name, number);
    let files = services.exchange.tenant(caller.tenant, &caller.identity.bucket).await?;
    let Some(meta) = files.head(Folder::Invalids, &name).await? else {
        if import.state == "finished" && import.rejected == 0 {
            return Ok(Json(Listing { items: Vec::new(), next: None }));
        }
        let encrypted = format!("{name}.pgp");
        let there = files.head(Folder::Invalids, &encrypted).await?.is_some();
        let notice = Notice::new(Code::ReportEncrypted).with("file", encrypted);
        return Err(if there { notice } else { Code::ReportMissing.into() }.into());
    };
    let report = files.read(Folder::Invalids, &name, Some(&meta.etag)).await?;
    read(report, page).await.map(Json)
}

/// Reads the report as far as it takes: memory holds one answer.
async fn read(report: Download, page: Page) -> Result<Listing<Rejected>, OperationError> {
    let source = report.into_blocking();
    let read = move || -> Result<Listing<Rejected>, OperationError> {
        let mut reader = csv::Reader::from_reader(source);
        let limit = usize::try_from(page.limit()).unwrap_or(0);
        let mut items: Vec<Rejected> = Vec::new();
        for record in reader.deserialize() {
            let record: Rejected = record.map_err(|_| OperationError::Document)?;
            // The last line tells how many there are, which the import tells, too.
            if record.code == Code::RowsCounted.slug() || page.after.is_some_and(|after| record.line <= after)
            {
                continue;
            }
            items.push(record);
            if items.len() >= limit {
                break;
            }
        }
        let next = page.next(&items, |rejected| rejected.line);
        Ok(Listing { items, next })
    };
    tokio::task::spawn_blocking(read).await.map_err(|_| OperationError::Cut)?
}
