//! Who calls: the tenant whose API key the request has.

use std::sync::Arc;

use access::ApiKey;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use contract::TenantId;
use fault::Code;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{Api, ApiError};

/// An authenticated request.
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    pub(crate) bucket: String,
    /// The key's public part, for the audit.
    key: String,
    /// When the request came.
    pub(crate) now: OffsetDateTime,
}

#[derive(sqlx::FromRow)]
struct Known {
    tenant_id: i64,
    bucket: String,
    secret_hash: Vec<u8>,
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let now = OffsetDateTime::now_utc();
        let key = presented(&parts.headers)?;
        // As the functions' own role: the tenant is what this finds out.
        let known: Option<Known> = sqlx::query_as(
            "SELECT k.tenant_id, t.bucket, k.secret_hash
             FROM broadcast.api_keys k JOIN broadcast.tenants t ON t.id = k.tenant_id
             WHERE k.prefix = $1 AND (k.expires_at IS NULL OR k.expires_at > $2) AND t.status = 'active'",
        )
        .bind(key.prefix())
        .bind(now)
        .fetch_optional(api.store.pool())
        .await?;
        let known = known.filter(|known| key.matches(&known.secret_hash)).ok_or(Code::KeyInvalid)?;
        Ok(Self {
            tenant: TenantId(known.tenant_id),
            bucket: known.bucket,
            key: key.prefix().to_owned(),
            now,
        })
    }
}

impl Caller {
    /// Notes what was done, in the transaction that does it.
    pub(crate) async fn note(
        &self,
        db: &mut PgConnection,
        action: &str,
        subject: i64,
    ) -> Result<(), ApiError> {
        sqlx::query(
            "INSERT INTO broadcast.audit (tenant_id, at, actor, action, subject, result) VALUES ($1, $2, $3, $4, $5, 'done')",
        )
        .bind(self.tenant.0)
        .bind(self.now)
        .bind(format!("api key {}", self.key))
        .bind(action)
        .bind(subject.to_string())
        .execute(db)
        .await?;
        Ok(())
    }
}

fn presented(headers: &HeaderMap) -> Result<ApiKey, Code> {
    let value = headers.get(header::AUTHORIZATION).ok_or(Code::KeyMissing)?;
    let (scheme, key) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Code::KeyMissing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Code::KeyMissing);
    }
    ApiKey::parse(key.trim()).ok_or(Code::KeyInvalid)
}

#[cfg(test)]
mod tests {
    use access::NewApiKey;
    use axum::http::HeaderValue;

    use super::*;

    fn code(value: Option<&str>) -> Option<Code> {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        presented(&headers).err()
    }

    #[test]
    fn a_key_is_a_bearer_token() {
        let key = NewApiKey::generate().unwrap().text;
        assert_eq!(code(Some(&format!("Bearer {key}"))), None);
        assert_eq!(code(Some(&format!("bearer  {key} "))), None);
        assert_eq!(code(None), Some(Code::KeyMissing));
        assert_eq!(code(Some(&format!("Basic {key}"))), Some(Code::KeyMissing));
        assert_eq!(code(Some(&key)), Some(Code::KeyMissing));
        assert_eq!(code(Some("Bearer something")), Some(Code::KeyInvalid));
    }
}
