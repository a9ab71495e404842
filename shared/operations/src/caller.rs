//! Who calls, what for, and what was done about it. The gate makes it; a handler that changes something notes that in its transaction.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use access::Scope;
use axum::{
    extract::FromRequestParts,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use contract::TenantId;
use sqlx::PgConnection;
use store::TenantTx;
use time::OffsetDateTime;

use crate::{
    OperationError, Services,
    answer::Answer,
    once::{Claim, Once},
};

/// Who asks, found out by whoever serves the operations.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Whose data it is about.
    pub tenant: TenantId,
    /// The tenant's bucket.
    pub bucket: Arc<str>,
    /// As the audit names who asks: `api key bk_...`, `user 7`.
    pub actor: Arc<str>,
    /// What may be done.
    pub scopes: Arc<[Scope]>,
    /// The client's address.
    pub source: Option<IpAddr>,
    /// Whether the audit has a line for each look, too. Each request of a program is one thing that it did; a page asks for several things, and
    /// again by itself: of those the audit has what changes something, what is refused, and looks at single recipients and into files.
    pub notes_looks: bool,
}

/// An authenticated request.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    pub(crate) identity: Identity,
    /// The operation's id.
    pub(crate) action: Arc<str>,
    /// When the request came.
    pub(crate) now: OffsetDateTime,
    /// Of a POST with an Idempotency-Key.
    pub(crate) once: Option<Once>,
    /// Whether the audit has its line already.
    pub(crate) noted: Arc<AtomicBool>,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = OperationError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, OperationError> {
        // Only a route that is not behind the gate has none.
        parts.extensions.get::<Self>().cloned().ok_or(OperationError::Cut)
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
    /// Whether it may do that.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.identity.scopes.contains(&scope)
    }

    /// Begins the transaction of a POST that changes something. With an Idempotency-Key that is in work elsewhere it waits for that.
    pub(crate) async fn begin(&self, services: &Services) -> Result<Begun, OperationError> {
        let mut tx = services.store.tenant(self.tenant).await?;
        let Some(once) = &self.once else { return Ok(Begun::New(tx)) };
        match once.claim(&mut tx, &services.master, self.now).await? {
            Claim::New => Ok(Begun::New(tx)),
            Claim::Done(answer) => Ok(Begun::Done(answer.into_response())),
        }
    }

    /// Begins the transaction of a POST that only looks. Sent again with its Idempotency-Key it looks again: nothing that it shows is kept.
    pub(crate) async fn begin_reading(&self, services: &Services) -> Result<TenantTx, OperationError> {
        if let Some(once) = &self.once {
            let mut tx = services.store.tenant(self.tenant).await?;
            once.claim(&mut tx, &services.master, self.now).await?;
            once.keep(&mut tx, self.tenant, &services.master, &Answer::nothing()).await?;
            tx.commit().await?;
        }
        Ok(services.store.tenant(self.tenant).await?)
    }

    /// Ends it: the answer is kept for repeated requests together with what it tells of.
    pub(crate) async fn end(
        &self,
        services: &Services,
        mut tx: TenantTx,
        answer: Answer,
    ) -> Result<Response, OperationError> {
        self.keep(services, &mut tx, &answer).await?;
        tx.commit().await?;
        Ok(answer.into_response())
    }

    /// The first half of that, for a transaction that has gone on into a campaign.
    pub(crate) async fn keep(
        &self,
        services: &Services,
        db: &mut PgConnection,
        answer: &Answer,
    ) -> Result<(), OperationError> {
        match &self.once {
            Some(once) => once.keep(db, self.tenant, &services.master, answer).await,
            None => Ok(()),
        }
    }

    /// Notes what was done, in the transaction that does it.
    pub(crate) async fn note(
        &self,
        db: &mut PgConnection,
        subject: impl ToString + Send,
    ) -> Result<(), OperationError> {
        self.note_with(db, subject, "done").await
    }

    /// The same with words for the result.
    pub(crate) async fn note_with(
        &self,
        db: &mut PgConnection,
        subject: impl ToString + Send,
        result: &str,
    ) -> Result<(), OperationError> {
        sqlx::query(
            "INSERT INTO broadcast.audit (tenant_id, at, actor, action, subject, source, result) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(self.tenant.0)
        .bind(self.now)
        .bind(&*self.identity.actor)
        .bind(&*self.action)
        .bind(subject.to_string())
        .bind(self.identity.source.map(|source| source.to_string()))
        .bind(result)
        .execute(db)
        .await?;
        self.noted.store(true, Ordering::Relaxed);
        Ok(())
    }
}
