//! Files of a template: images that its HTML shows, and attachments.

use data_encoding::BASE64;
use mail::TemplateFile;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::TenantTx;
use utoipa::ToSchema;

use crate::{OperationError, request::invalid};

/// A file that every mail carries.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFile {
    /// One name for one file, whatever the case of its letters. It ends as files of its type do.
    #[schema(max_length = 100, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    name: String,
    /// An image (`image/png`, `image/jpeg`, `image/gif`, `image/webp`), `application/pdf`, `text/calendar`, `text/vcard`, `text/csv`, `text/plain`, or
    /// one of the three types of office files that end with `.docx`, `.xlsx` and `.pptx`.
    content_type: String,
    /// In base64, without line breaks. All files together have at most 256 KiB.
    #[schema(content_encoding = "base64", pattern = "^[A-Za-z0-9+/]*={0,2}$")]
    content: String,
    /// An image that the HTML shows as `cid:` and its name; otherwise the file is an attachment.
    #[serde(default)]
    inline: bool,
}

/// A file of a template, without its content.
#[derive(Serialize, FromRow, ToSchema)]
pub(crate) struct ShownFile {
    name: String,
    content_type: String,
    bytes: i32,
    inline: bool,
}

/// Undoes the encoding of what came in a request. What the files are is checked with the template.
pub(crate) fn decode(files: Vec<NewFile>) -> Result<Vec<TemplateFile>, OperationError> {
    let file = |(at, file): (usize, NewFile)| {
        let NewFile { name, content_type, content, inline } = file;
        let content = BASE64
            .decode(content.as_bytes())
            .map_err(|_| invalid(&format!("files.{at}.content"), "it is not base64 without line breaks"))?;
        Ok(TemplateFile { name, content_type, content, inline })
    };
    files.into_iter().enumerate().map(file).collect()
}

pub(crate) async fn insert(
    tx: &mut TenantTx,
    template: i64,
    files: &[TemplateFile],
) -> Result<(), OperationError> {
    for (position, file) in (1_i32..).zip(files) {
        sqlx::query(
            "INSERT INTO broadcast.template_files (tenant_id, template_id, position, name, content_type, inline, content)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(tx.tenant().0)
        .bind(template)
        .bind(position)
        .bind(&file.name)
        .bind(&file.content_type)
        .bind(file.inline)
        .bind(&file.content)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

pub(crate) async fn load(tx: &mut TenantTx, template: i64) -> Result<Vec<TemplateFile>, OperationError> {
    let rows: Vec<(String, String, Vec<u8>, bool)> = sqlx::query_as(
        "SELECT name, content_type, content, inline FROM broadcast.template_files WHERE template_id = $1 ORDER BY position",
    )
    .bind(template)
    .fetch_all(&mut **tx)
    .await?;
    let file = |(name, content_type, content, inline)| TemplateFile { name, content_type, content, inline };
    Ok(rows.into_iter().map(file).collect())
}

pub(crate) async fn list(tx: &mut TenantTx, template: i64) -> Result<Vec<ShownFile>, OperationError> {
    let files = sqlx::query_as(
        "SELECT name, content_type, octet_length(content) AS bytes, inline FROM broadcast.template_files
         WHERE template_id = $1 ORDER BY position",
    )
    .bind(template)
    .fetch_all(&mut **tx)
    .await?;
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_base64() {
        let file = |content: &str| NewFile {
            name: "a.txt".to_owned(),
            content_type: "text/plain".to_owned(),
            content: content.to_owned(),
            inline: false,
        };
        assert_eq!(decode(vec![file("aGk="), file("")]).unwrap()[0].content, b"hi");
        for content in ["aGk", "aG\nk=", "aGk*", "_-8="] {
            assert!(decode(vec![file(content)]).is_err(), "{content:?}");
        }
    }
}
