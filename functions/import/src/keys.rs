//! The tenant's OpenPGP keys: those that open what a customer sent, and those for which its report is closed.

use contract::TenantId;
use openpgp::{PublicKey, TenantKey};
use time::OffsetDateTime;

use crate::{Error, Import, reading::file::PgpKeys};

/// Opens and judges a customer's file. Of the tenant's own keys also those that a newer one succeeded, for a customer may have encrypted to
/// one yesterday.
pub async fn opening(
    function: &Import,
    tenant: TenantId,
    signature_required: bool,
) -> Result<PgpKeys, Error> {
    let mut tx = function.store.tenant(tenant).await?;
    let rows = store::pgp_keys(&mut tx, tenant, &["own", "signer"]).await?;
    drop(tx);
    let mut keys = PgpKeys { signature_required, ..PgpKeys::default() };
    for row in rows {
        match row.secret_name {
            Some(name) => {
                let secret = function.clients.secret(&name).await?;
                keys.own.push(TenantKey::parse(secret.as_bytes())?);
            }
            None => keys.signers.push(PublicKey::parse(row.public_key.as_bytes())?),
        }
    }
    Ok(keys)
}

/// For whom a report is encrypted, and by whom it is signed.
pub struct Closing {
    /// Never empty.
    pub recipients: Vec<PublicKey>,
    /// The tenant's newest Broadcast key.
    pub signer: Option<TenantKey>,
}

/// The keys of exports, which reports share; `None` when none of their recipients' is usable now.
pub async fn closing(
    function: &Import,
    tenant: TenantId,
    now: OffsetDateTime,
) -> Result<Option<Closing>, Error> {
    let mut tx = function.store.tenant(tenant).await?;
    let rows = store::pgp_keys(&mut tx, tenant, &["own", "recipient"]).await?;
    drop(tx);
    let mut recipients = Vec::new();
    let mut newest = None;
    for row in rows {
        match row.secret_name {
            Some(name) => newest = newest.or(Some(name)),
            // One that has expired is left out: the others can still read.
            None => recipients.extend(
                PublicKey::parse(row.public_key.as_bytes())
                    .and_then(|key| key.check_encryption(now).map(|()| key))
                    .ok(),
            ),
        }
    }
    if recipients.is_empty() {
        return Ok(None);
    }
    let signer = match newest {
        Some(name) => Some(TenantKey::parse(function.clients.secret(&name).await?.as_bytes())?),
        None => None,
    };
    Ok(Some(Closing { recipients, signer }))
}
