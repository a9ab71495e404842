//! Who calls, what for, and what was done about it. The gate makes it; a handler that changes something notes that in its transaction.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use access::{ApiKey, Scope};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
    response::{IntoResponse, Response},
};
use contract::TenantId;
use fault::Code;
use sqlx::PgConnection;
use store::TenantTx;
use time::OffsetDateTime;

use crate::{
    Api, ApiError,
    answer::Answer,
    keyring::Key,
    once::{Claim, Once},
};

/// An authenticated request.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    pub(crate) key: Arc<Key>,
    /// The operation's id.
    pub(crate) action: Arc<str>,
    /// The client's address.
    pub(crate) source: Option<IpAddr>,
    /// When the request came.
    pub(crate) now: OffsetDateTime,
    /// Of a POST with an Idempotency-Key.
    pub(crate) once: Option<Once>,
    /// Whether the audit has its line already.
    pub(crate) noted: Arc<AtomicBool>,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Only a route that is not behind the gate has none.
        parts.extensions.get::<Self>().cloned().ok_or(ApiError::Cut)
    }
}

/// A POST, begun.
pub(crate) enum Begun {
    /// For the first time.
    New(TenantTx),
    /// It was done already, and this was answered.
    Done(Response),
}

impl Caller {
    /// Whether its key may do that.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.key.scopes.contains(&scope)
    }

    /// Begins the transaction of a POST that changes something. With an Idempotency-Key that is in work elsewhere it waits for that.
    pub(crate) async fn begin(&self, api: &Api) -> Result<Begun, ApiError> {
        let mut tx = api.store.tenant(self.tenant).await?;
        let Some(once) = &self.once else { return Ok(Begun::New(tx)) };
        match once.claim(&mut tx, &api.master, self.now).await? {
            Claim::New => Ok(Begun::New(tx)),
            Claim::Done(answer) => Ok(Begun::Done(answer.into_response())),
        }
    }

    /// Begins the transaction of a POST that only looks. Sent again with its Idempotency-Key it looks again: nothing that it shows is kept.
    pub(crate) async fn begin_reading(&self, api: &Api) -> Result<TenantTx, ApiError> {
        if let Some(once) = &self.once {
            let mut tx = api.store.tenant(self.tenant).await?;
            once.claim(&mut tx, &api.master, self.now).await?;
            once.keep(&mut tx, self.tenant, &api.master, &Answer::nothing()).await?;
            tx.commit().await?;
        }
        Ok(api.store.tenant(self.tenant).await?)
    }

    /// Ends it: the answer is kept for repeated requests together with what it tells of.
    pub(crate) async fn end(
        &self,
        api: &Api,
        mut tx: TenantTx,
        answer: Answer,
    ) -> Result<Response, ApiError> {
        self.keep(api, &mut tx, &answer).await?;
        tx.commit().await?;
        Ok(answer.into_response())
    }

    /// The first half of that, for a transaction that has gone on into a campaign.
    pub(crate) async fn keep(
        &self,
        api: &Api,
        db: &mut PgConnection,
        answer: &Answer,
    ) -> Result<(), ApiError> {
        match &self.once {
            Some(once) => once.keep(db, self.tenant, &api.master, answer).await,
            None => Ok(()),
        }
    }

    /// Notes what was done, in the transaction that does it.
    pub(crate) async fn note(
        &self,
        db: &mut PgConnection,
        subject: impl ToString + Send,
    ) -> Result<(), ApiError> {
        self.note_with(db, subject, "done").await
    }

    /// The same with words for the result.
    pub(crate) async fn note_with(
        &self,
        db: &mut PgConnection,
        subject: impl ToString + Send,
        result: &str,
    ) -> Result<(), ApiError> {
        sqlx::query(
            "INSERT INTO broadcast.audit (tenant_id, at, actor, action, subject, source, result) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(self.tenant.0)
        .bind(self.now)
        .bind(self.actor())
        .bind(&*self.action)
        .bind(subject.to_string())
        .bind(self.source.map(|source| source.to_string()))
        .bind(result)
        .execute(db)
        .await?;
        self.noted.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// As the audit names it.
    pub(crate) fn actor(&self) -> String {
        actor(&self.key)
    }
}

/// As the audit names a key.
pub(crate) fn actor(key: &Key) -> String {
    format!("api key {}", key.prefix)
}

/// The key that a request presents.
pub(crate) fn presented(headers: &HeaderMap) -> Result<ApiKey, Code> {
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
