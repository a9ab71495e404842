//! Who may come in: the tenant's slug with its password or one of its public keys.

use std::{net::IpAddr, sync::Arc, time::Duration};

use access::{Attempt, Limiter, password};
use contract::TenantId;
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use crate::{Error, audit};

/// Passwords that one address may try in the window. A person mistypes a few times; a job with a stale password stops itself.
const PASSWORDS_PER_ADDRESS_MAX: u32 = 20;
/// Passwords that may be tried for one tenant from everywhere: ours have 100 bits, this is about the hash's cost. Keys go on to work.
const PASSWORDS_PER_TENANT_MAX: u32 = 100;
/// Connections that one address may open in the window; a large customer's jobs behind one address need some.
const CONNECTIONS_PER_ADDRESS_MAX: u32 = 300;
const WINDOW: Duration = Duration::from_mins(5);
/// Hashes under way at once: each takes a core for some 30 ms and 19 MiB.
const HASHES_MAX: usize = 2;

/// A tenant that has logged in.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its bucket.
    pub bucket: String,
    /// With what it logged in, for the audit: `sftp password` or `sftp key SHA256:...`.
    pub actor: String,
}

/// Checks logins, and counts them.
pub struct Login {
    pool: PgPool,
    connections_by_address: Limiter,
    passwords_by_address: Limiter,
    passwords_by_tenant: Limiter,
    hashes: Arc<Semaphore>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    bucket: String,
    status: String,
    sftp_password_hash: Option<String>,
}

impl Row {
    fn is_active(&self) -> bool {
        self.status == "active"
    }
}

impl Login {
    /// `pool`: the login role of the functions.
    pub fn new(pool: PgPool) -> Self {
        Self {
            pool,
            connections_by_address: Limiter::new(CONNECTIONS_PER_ADDRESS_MAX, WINDOW),
            passwords_by_address: Limiter::new(PASSWORDS_PER_ADDRESS_MAX, WINDOW),
            passwords_by_tenant: Limiter::new(PASSWORDS_PER_TENANT_MAX, WINDOW),
            hashes: Arc::new(Semaphore::new(HASHES_MAX)),
        }
    }

    /// Whether an address may open one more connection.
    pub fn may_connect(&self, source: IpAddr, now: OffsetDateTime) -> bool {
        matches!(self.connections_by_address.attempt(source, now), Attempt::Allowed)
    }

    /// Checks a password. `None` for every kind of refusal, after the same time: an unknown tenant costs a hash, too.
    pub async fn password(
        &self,
        slug: &str,
        password: &str,
        source: IpAddr,
        now: OffsetDateTime,
    ) -> Result<Option<Tenant>, Error> {
        // What an address is refused does not count for the tenant: nobody else is kept out by it.
        let allowed = matches!(self.passwords_by_address.attempt(source, now), Attempt::Allowed)
            && matches!(self.passwords_by_tenant.attempt(slug, now), Attempt::Allowed);
        if !allowed {
            tracing::info!("a password was not looked at: too many were tried");
            return Ok(None);
        }
        let row = self.find(slug).await?;
        let hash = row.as_ref().and_then(|row| row.sftp_password_hash.clone());
        let matches = self.verify(password.to_owned(), hash).await?;
        let Some(row) = row else { return Ok(None) };
        let accepted = matches && row.is_active();
        let tenant = self.judged(row, "sftp password".to_owned(), accepted, source).await?;
        if accepted {
            self.passwords_by_address.forget(source);
            self.passwords_by_tenant.forget(slug);
        }
        Ok(tenant)
    }

    async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, Error> {
        let _permit = self.hashes.acquire().await.map_err(|_| Error::Task)?;
        let verified = tokio::task::spawn_blocking(move || match hash {
            Some(hash) => password::verify(&password, &hash),
            None => password::verify_unknown(&password),
        });
        verified.await.map_err(|_| Error::Task)
    }

    /// Whether the tenant has registered this key; nothing is proved and nothing is written yet.
    pub async fn knows_key(&self, slug: &str, fingerprint: &str, now: OffsetDateTime) -> Result<bool, Error> {
        let known = sqlx::query_scalar::<_, bool>(
            "SELECT EXISTS (SELECT FROM broadcast.tenants t JOIN broadcast.ssh_keys k ON k.tenant_id = t.id
                            WHERE t.slug = $1 AND k.fingerprint = $2
                              AND (k.expires_at IS NULL OR k.expires_at > $3))",
        )
        .bind(slug)
        .bind(fingerprint)
        .bind(now)
        .fetch_one(&self.pool)
        .await?;
        Ok(known)
    }

    /// Lets in who has proved to own the key with this fingerprint, when it is one of the tenant's.
    pub async fn key(
        &self,
        slug: &str,
        fingerprint: &str,
        source: IpAddr,
        now: OffsetDateTime,
    ) -> Result<Option<Tenant>, Error> {
        let accepted = self.knows_key(slug, fingerprint, now).await?;
        let Some(row) = self.find(slug).await? else { return Ok(None) };
        let accepted = accepted && row.is_active();
        self.judged(row, format!("sftp key {fingerprint}"), accepted, source).await
    }

    async fn find(&self, slug: &str) -> Result<Option<Row>, Error> {
        let row = sqlx::query_as(
            "SELECT id, bucket, status, sftp_password_hash FROM broadcast.tenants WHERE slug = $1",
        )
        .bind(slug)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row)
    }

    /// Nobody is let in without a line in the audit.
    async fn judged(
        &self,
        row: Row,
        actor: String,
        accepted: bool,
        source: IpAddr,
    ) -> Result<Option<Tenant>, Error> {
        let id = TenantId(row.id);
        let result = match (accepted, row.is_active()) {
            (true, _) => "done",
            (false, true) => "refused",
            (false, false) => "refused: the account is not active",
        };
        let line = audit::Line {
            tenant: Some(id),
            actor: &actor,
            action: "login",
            subject: None,
            source,
            bytes: None,
            result,
        };
        audit::write(&self.pool, &line).await?;
        Ok(accepted.then_some(Tenant { id, bucket: row.bucket, actor }))
    }
}
