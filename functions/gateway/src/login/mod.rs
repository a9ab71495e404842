//! Who may come in: the tenant's slug with its password, one of its public keys, or both where the tenant asks for both.

mod hashing;
mod judge;
mod refused;

use std::{net::IpAddr, time::Duration};

use access::{Attempt, Limiter};
use contract::TenantId;
use sqlx::PgPool;
use store::audit;
use time::OffsetDateTime;

use crate::Error;
use hashing::Hashing;
use judge::{Account, Factor, Factors, NO_ACCOUNT};
use refused::{Refusals, Refused};

pub use judge::Proved;
pub use refused::network;

/// Wrong passwords that one address may try in the window. A person mistypes a few times; a job with a stale password stops itself.
const PASSWORDS_PER_ADDRESS_MAX: u32 = 20;
/// Wrong passwords for one tenant from everywhere: ours have 100 bits, this is about the hash's cost. Keys go on to work.
const PASSWORDS_PER_TENANT_MAX: u32 = 100;
/// Connections that one address may open in the window without logging in.
const STRANGERS_PER_ADDRESS_MAX: u32 = 300;
/// How long attempts count.
pub const WINDOW: Duration = Duration::from_mins(5);
/// Longer than any account's name.
const SLUG_BYTES_MAX: usize = 64;

/// An account, and what it has of the key whose fingerprint is `$1`.
macro_rules! account_where {
    ($which:literal) => {
        concat!(
            "SELECT t.id, t.bucket, t.status, t.sftp_password_hash, t.sftp_both,
                    k.id IS NOT NULL AS has_key, k.expires_at, k.sources::text[] AS sources
             FROM broadcast.tenants t LEFT JOIN broadcast.ssh_keys k ON k.tenant_id = t.id AND k.fingerprint = $1 WHERE ",
            $which
        )
    };
}

/// A tenant that has logged in.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its bucket.
    pub bucket: String,
    /// With what it logged in, for the audit: `sftp password`, `sftp key SHA256:...`, `sftp key SHA256:... and password`.
    pub actor: String,
    /// The key's fingerprint, if a key was used.
    pub key: Option<String>,
}

/// What became of a login.
pub enum Login {
    /// It is the tenant; nothing is written yet: see [`Logins::admit`].
    Whole(Tenant),
    /// It is half of what the account asks for.
    Half(Proved),
    /// It is not.
    Refused,
}

/// Somebody who wants to come in.
#[derive(Clone, Copy)]
pub struct Stranger<'a> {
    /// The name that they gave.
    pub slug: &'a str,
    /// From where.
    pub source: IpAddr,
    /// What they have proved before on the same connection.
    pub proved: Option<&'a Proved>,
}

/// Checks logins, and counts them.
pub struct Logins {
    pool: PgPool,
    strangers: Limiter,
    passwords_by_address: Limiter,
    passwords_by_tenant: Limiter,
    hashing: Hashing,
    refusals: Refusals,
}

impl Logins {
    /// `pool`: the login role of the functions.
    pub fn new(pool: PgPool) -> Self {
        Self {
            refusals: Refusals::new(pool.clone()),
            pool,
            strangers: Limiter::new(STRANGERS_PER_ADDRESS_MAX, WINDOW),
            passwords_by_address: Limiter::new(PASSWORDS_PER_ADDRESS_MAX, WINDOW),
            passwords_by_tenant: Limiter::new(PASSWORDS_PER_TENANT_MAX, WINDOW),
            hashing: Hashing::new(),
        }
    }

    /// Whether an address may open one more connection.
    pub fn may_connect(&self, source: IpAddr, now: OffsetDateTime) -> bool {
        matches!(self.strangers.attempt(network(source), now), Attempt::Allowed)
    }

    /// Checks a password. Every kind of refusal takes the same time: an unknown tenant costs a hash, too.
    pub async fn password(
        &self,
        stranger: Stranger<'_>,
        password: &str,
        now: OffsetDateTime,
    ) -> Result<Login, Error> {
        const ACTOR: &str = "sftp password";
        let address = network(stranger.source);
        let allowed = self.passwords_by_address.allows(address, now)
            && self.passwords_by_tenant.allows(stranger.slug, now);
        if !allowed {
            return self.refused(stranger, ACTOR, "too many passwords were tried", now).await;
        }
        let account = self.account(stranger.slug, None).await?;
        let hash = account.as_ref().and_then(|account| account.sftp_password_hash.clone());
        let matches = self.hashing.verify(password.to_owned(), hash).await?;
        let judged = Account::judge_password(account.as_ref(), matches);
        if let Err(why) = judged {
            self.passwords_by_address.attempt(address, now);
            self.passwords_by_tenant.attempt(stranger.slug, now);
            return self.refuse(account.as_ref(), stranger.source, ACTOR, why, now).await;
        }
        self.proved(account, stranger, Factor::Password, now).await
    }

    /// Whether a key may try to prove itself: one of the tenant's, for now and from there. Why not is written, unless it was before.
    pub async fn may_prove(
        &self,
        stranger: Stranger<'_>,
        fingerprint: &str,
        again: bool,
        now: OffsetDateTime,
    ) -> Result<bool, Error> {
        let account = self.account(stranger.slug, Some(fingerprint)).await?;
        let Err(why) = Account::judge_key(account.as_ref(), stranger.source, now) else { return Ok(true) };
        if !again {
            let actor = format!("sftp key {fingerprint}");
            self.refuse(account.as_ref(), stranger.source, &actor, why, now).await?;
            if why == judge::UNKNOWN_KEY || why == NO_ACCOUNT {
                self.tell_owners(account.map(|account| account.id), fingerprint, stranger.source, now)
                    .await?;
            }
        }
        Ok(false)
    }

    /// Whose key it is hears of it, too. The other account does not hear whose it is.
    async fn tell_owners(
        &self,
        offered_to: Option<i64>,
        fingerprint: &str,
        source: IpAddr,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let owners: Vec<i64> = sqlx::query_scalar(
            "SELECT tenant_id FROM broadcast.ssh_keys WHERE fingerprint = $1 AND tenant_id IS DISTINCT FROM $2 LIMIT 8",
        )
        .bind(fingerprint)
        .bind(offered_to)
        .fetch_all(&self.pool)
        .await?;
        let actor = format!("sftp key {fingerprint}");
        for owner in owners {
            let why = "the key was offered under another account's name";
            let refused = Refused { tenant: Some(TenantId(owner)), actor: &actor, source, why };
            self.refusals.write(&refused, now).await?;
        }
        Ok(())
    }

    /// Somebody has proved to own the key with this fingerprint.
    pub async fn key(
        &self,
        stranger: Stranger<'_>,
        fingerprint: &str,
        now: OffsetDateTime,
    ) -> Result<Login, Error> {
        let account = self.account(stranger.slug, Some(fingerprint)).await?;
        if let Err(why) = Account::judge_key(account.as_ref(), stranger.source, now) {
            let actor = format!("sftp key {fingerprint}");
            return self.refuse(account.as_ref(), stranger.source, &actor, why, now).await;
        }
        self.proved(account, stranger, Factor::Key(fingerprint.to_owned()), now).await
    }

    /// One factor was right: is it enough?
    async fn proved(
        &self,
        account: Option<Account>,
        stranger: Stranger<'_>,
        factor: Factor,
        now: OffsetDateTime,
    ) -> Result<Login, Error> {
        let Some(account) = account else { return Ok(Login::Refused) };
        let before =
            stranger.proved.filter(|proved| proved.slug == stranger.slug).map(|proved| &proved.factor);
        match account.enough(before, &factor) {
            Factors::Enough { actor, key } => {
                Ok(Login::Whole(Tenant { id: TenantId(account.id), bucket: account.bucket, actor, key }))
            }
            Factors::Half { missing } => {
                self.refuse(Some(&account), stranger.source, &factor.actor(), missing, now).await?;
                Ok(Login::Half(Proved { slug: stranger.slug.to_owned(), factor }))
            }
        }
    }

    /// Nobody is let in without a line in the audit.
    pub async fn admit(&self, tenant: &Tenant, source: IpAddr) -> Result<(), Error> {
        self.strangers.take_back(network(source));
        let line = audit::Line {
            tenant: Some(tenant.id),
            actor: &tenant.actor,
            action: "login",
            subject: None,
            source: Some(source),
            bytes: None,
            result: "done",
        };
        Ok(audit::write(&self.pool, &line).await?)
    }

    /// Somebody whom we know is turned away.
    pub async fn turn_away(
        &self,
        tenant: &Tenant,
        source: IpAddr,
        why: &str,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let refused = Refused { tenant: Some(tenant.id), actor: &tenant.actor, source, why };
        self.refusals.write(&refused, now).await
    }

    /// Somebody was refused before anything was looked at; the line still stands with the account, if there is one.
    pub async fn refused(
        &self,
        stranger: Stranger<'_>,
        actor: &str,
        why: &str,
        now: OffsetDateTime,
    ) -> Result<Login, Error> {
        let account = self.account(stranger.slug, None).await?;
        self.refuse(account.as_ref(), stranger.source, actor, why, now).await
    }

    /// A connection was refused.
    pub async fn no_connection(&self, source: IpAddr, why: &str, now: OffsetDateTime) {
        let refused = Refused { tenant: None, actor: "sftp", source, why };
        if let Err(error) = self.refusals.write(&refused, now).await {
            tracing::error!(%error, "a line of the audit is lost");
        }
    }

    async fn refuse(
        &self,
        account: Option<&Account>,
        source: IpAddr,
        actor: &str,
        why: &str,
        now: OffsetDateTime,
    ) -> Result<Login, Error> {
        let tenant = account.map(|account| TenantId(account.id));
        self.refusals.write(&Refused { tenant, actor, source, why }, now).await?;
        Ok(Login::Refused)
    }

    /// Whether a tenant that has logged in may go on: still active, its key still registered, not expired, and allowed from there.
    pub async fn stands(&self, tenant: &Tenant, source: IpAddr, now: OffsetDateTime) -> Result<bool, Error> {
        let account: Option<Account> = sqlx::query_as(account_where!("t.id = $2"))
            .bind(tenant.key.as_deref())
            .bind(tenant.id.0)
            .fetch_optional(&self.pool)
            .await?;
        Ok(match tenant.key {
            Some(_) => Account::judge_key(account.as_ref(), source, now).is_ok(),
            None => account.is_some_and(|account| account.is_active()),
        })
    }

    /// What is known of an account, and of one key in it.
    async fn account(&self, slug: &str, fingerprint: Option<&str>) -> Result<Option<Account>, Error> {
        // What cannot be a name is not asked for: the database refuses some texts.
        if slug.len() > SLUG_BYTES_MAX || !slug.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(None);
        }
        let account = sqlx::query_as(account_where!("t.slug = $2"))
            .bind(fingerprint)
            .bind(slug)
            .fetch_optional(&self.pool)
            .await?;
        Ok(account)
    }
}
