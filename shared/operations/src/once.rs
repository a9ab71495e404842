//! Requests that may be sent again: a POST with an `Idempotency-Key` has one effect, however often and however much at once it is sent.
//!
//! The answer is written in the transaction that does what was asked, so there is never the one without the other: whoever broke off before
//! the commit has done nothing. A repeated request waits for one that is in work, and is answered as that was. Only successes are kept: what
//! was refused may be sent again.

use access::{HEADER_BYTES, MasterKey, Purpose, open, seal};
use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use axum::http::{HeaderMap, StatusCode};
use contract::TenantId;
use fault::{Code, Notice};
use sqlx::PgConnection;
use store::TenantTx;
use time::{Duration, OffsetDateTime};

use crate::{OperationError, answer::Answer};

/// How long an answer is kept.
const KEPT: Duration = Duration::hours(24);
/// Of an `Idempotency-Key`, in characters.
const KEY_CHARS_MAX: usize = 255;
const HEADER: &str = "idempotency-key";
const SEALED_HEADER: &[u8; HEADER_BYTES] = b"BCAN1";
const SEALING_KEY_ID: u8 = 1;

/// The key of a request, and which request it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Once {
    key: String,
    request: [u8; SHA256_OUTPUT_LEN],
}

/// Who comes with a key.
pub(crate) enum Claim {
    /// The first one.
    New,
    /// One who was answered already.
    Done(Answer),
}

#[derive(sqlx::FromRow)]
struct Row {
    request: Vec<u8>,
    status: i32,
    location: Option<String>,
    etag: Option<String>,
    body: Vec<u8>,
}

impl Once {
    /// From the header, where there is one.
    pub(crate) fn read(
        headers: &HeaderMap,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Option<Self>, OperationError> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let malformed = |problem: &str| {
            OperationError::from(
                Notice::new(Code::HeaderMalformed).with("header", "Idempotency-Key").with("problem", problem),
            )
        };
        if values.next().is_some() {
            return Err(malformed("it stands there twice"));
        }
        let key = value.to_str().map_err(|_| malformed("only visible ASCII characters are possible"))?;
        if key.is_empty() || key.len() > KEY_CHARS_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(malformed("1 to 255 visible ASCII characters are possible, and no space"));
        }
        let mut digest = Context::new(&SHA256);
        for part in [method.as_bytes(), b"\0", path.as_bytes(), b"\0", body] {
            digest.update(part);
        }
        let mut request = [0; SHA256_OUTPUT_LEN];
        request.copy_from_slice(digest.finish().as_ref());
        Ok(Some(Self { key: key.to_owned(), request }))
    }

    /// Takes the key, or finds what was answered. While another transaction has it this waits for its end.
    pub(crate) async fn claim(
        &self,
        tx: &mut TenantTx,
        master: &MasterKey,
        now: OffsetDateTime,
    ) -> Result<Claim, OperationError> {
        let tenant = tx.tenant();
        // An answer that is too old is as good as none.
        let taken = sqlx::query(
            "INSERT INTO broadcast.answers AS a (tenant_id, key, request, status, body, created_at) VALUES ($1, $2, $3, 0, '', $4)
             ON CONFLICT (tenant_id, key) DO UPDATE
             SET request = excluded.request, status = 0, location = NULL, etag = NULL, body = '', created_at = excluded.created_at
             WHERE a.created_at <= $5",
        )
        .bind(tenant.0)
        .bind(&self.key)
        .bind(self.request.as_slice())
        .bind(now)
        .bind(now - KEPT)
        .execute(&mut **tx)
        .await?;
        if taken.rows_affected() == 1 {
            return Ok(Claim::New);
        }
        let mut row: Row = sqlx::query_as(
            "SELECT request, status, location, etag, body FROM broadcast.answers WHERE tenant_id = $1 AND key = $2",
        )
        .bind(tenant.0)
        .bind(&self.key)
        .fetch_one(&mut **tx)
        .await?;
        if row.request != self.request {
            return Err(Code::IdempotencyReused.into());
        }
        let body =
            open(SEALED_HEADER, &mut row.body, &self.key, |id| master.derive(tenant, Purpose::Answers, id));
        let body = body?.to_vec();
        let status = u16::try_from(row.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.unwrap_or(StatusCode::OK);
        Ok(Claim::Done(Answer { status, location: row.location, etag: row.etag, body }))
    }

    /// Keeps the answer with its effect.
    pub(crate) async fn keep(
        &self,
        db: &mut PgConnection,
        tenant: TenantId,
        master: &MasterKey,
        answer: &Answer,
    ) -> Result<(), OperationError> {
        let key = master.derive(tenant, Purpose::Answers, SEALING_KEY_ID);
        let body = seal(SEALED_HEADER, &key, SEALING_KEY_ID, &self.key, answer.body.clone())?;
        sqlx::query(
            "UPDATE broadcast.answers SET status = $3, location = $4, etag = $5, body = $6 WHERE tenant_id = $1 AND key = $2",
        )
        .bind(tenant.0)
        .bind(&self.key)
        .bind(i32::from(answer.status.as_u16()))
        .bind(&answer.location)
        .bind(&answer.etag)
        .bind(body)
        .execute(db)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(values: &[&str], path: &str, body: &str) -> Result<Option<Once>, OperationError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_str(value).unwrap());
        }
        Once::read(&headers, "POST", path, body.as_bytes())
    }

    #[test]
    fn a_request_is_its_method_path_and_body() {
        let first = read(&["k"], "/v1/exports", "{}").unwrap().unwrap();
        assert_eq!(read(&["k"], "/v1/exports", "{}").unwrap().unwrap(), first);
        for (path, body) in [("/v1/exports", "{ }"), ("/v1/campaigns", "{}"), ("/v1/export", "s{}")] {
            assert_ne!(read(&["k"], path, body).unwrap().unwrap().request, first.request, "{path} {body}");
        }
        assert_eq!(read(&[], "/v1/exports", "{}").unwrap(), None);
    }

    #[test]
    fn a_key_has_1_to_255_visible_characters_and_stands_once() {
        assert!(read(&[&"x".repeat(255)], "/", "").is_ok());
        let long = "x".repeat(256);
        for values in [&[""][..], &[long.as_str()][..], &["a", "b"][..], &["a b"][..]] {
            assert!(read(values, "/", "").is_err(), "{values:?}");
        }
    }
}
