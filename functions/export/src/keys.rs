//! The OpenPGP keys of a tenant's exports.

use openpgp::{PublicKey, TenantKey};
use runtime::Clients;
use sqlx::Row;
use store::TenantTx;
use time::OffsetDateTime;

use crate::Error;

/// To whom, and by whom.
pub struct Keys {
    /// Everyone who can open the file; never empty.
    pub recipients: Vec<PublicKey>,
    /// The tenant's own Broadcast key.
    pub signer: Option<TenantKey>,
}

/// The keys in use; `None` when no key of a recipient is usable now. An expired one is left out, for the others can still read.
pub async fn load(mut tx: TenantTx, clients: &Clients, now: OffsetDateTime) -> Result<Option<Keys>, Error> {
    let rows = sqlx::query(
        "SELECT purpose, public_key, secret_name FROM broadcast.pgp_keys
         WHERE tenant_id = $1 AND retired_at IS NULL AND purpose IN ('own', 'recipient') ORDER BY id",
    )
    .bind(tx.tenant().0)
    .fetch_all(&mut *tx)
    .await?;
    let tenant = tx.tenant();
    tx.commit().await?;
    let mut recipients = Vec::new();
    let mut secret_name = None;
    for row in rows {
        if row.get::<&str, _>("purpose") == "own" {
            secret_name = row.get::<Option<String>, _>("secret_name");
            continue;
        }
        let key = PublicKey::parse(row.get::<&str, _>("public_key").as_bytes());
        match key.and_then(|key| key.check_encryption(now).map(|()| key)) {
            Ok(key) => recipients.push(key),
            Err(problem) => tracing::warn!(%tenant, %problem, "a key of an export's recipient is left out"),
        }
    }
    if recipients.is_empty() {
        return Ok(None);
    }
    let signer = match secret_name {
        Some(name) => Some(TenantKey::parse(clients.secret(&name).await?.as_bytes())?),
        None => None,
    };
    Ok(Some(Keys { recipients, signer }))
}
