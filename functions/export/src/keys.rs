//! The OpenPGP keys of a tenant's exports.

use openpgp::{PublicKey, TenantKey};
use runtime::Clients;
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
    let tenant = tx.tenant();
    let keys = store::pgp_keys(&mut tx, tenant, &["own", "recipient"]).await?;
    tx.commit().await?;
    let mut recipients = Vec::new();
    let mut newest = None;
    for row in keys {
        if row.purpose == "own" {
            newest = newest.or(row.secret_name);
            continue;
        }
        let key = PublicKey::parse(row.public_key.as_bytes());
        match key.and_then(|key| key.check_encryption(now).map(|()| key)) {
            Ok(key) => recipients.push(key),
            Err(problem) => tracing::warn!(%tenant, %problem, "a key of an export's recipient is left out"),
        }
    }
    if recipients.is_empty() {
        return Ok(None);
    }
    let signer = match newest {
        Some(name) => Some(TenantKey::parse(clients.secret(&name).await?.as_bytes())?),
        None => None,
    };
    Ok(Some(Keys { recipients, signer }))
}
