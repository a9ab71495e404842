//! DKIM keys by sender domain, kept for a while: a slice is sent every second or so, a secret costs a call.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use mail::{DkimKeys, DkimSigner, RelayProfile, Signatures};
use runtime::Clients;

use crate::Error;

/// A rotated key is used from then on at the latest; the old one's DNS record must stay that long and a mail's journey more.
const KEEP: Duration = Duration::from_mins(5);
/// A process serves any tenant; beyond this it forgets all and starts again.
const DOMAINS_MAX: usize = 256;

/// Parsed keys by the name of their secret.
pub(crate) struct KeyCache {
    signatures: Signatures,
    relay: RelayProfile,
    signers: Mutex<HashMap<String, (Instant, Arc<DkimSigner>)>>,
}

impl KeyCache {
    /// Of signers for such signatures, before such a relay.
    pub fn new(signatures: Signatures, relay: RelayProfile) -> Self {
        Self { signatures, relay, signers: Mutex::default() }
    }

    /// The signer whose keys stand in a secret.
    pub async fn signer(&self, clients: &Clients, secret_name: &str) -> Result<Arc<DkimSigner>, Error> {
        if let Some(signer) = self.fresh(secret_name) {
            return Ok(signer);
        }
        let secret = clients.secret(secret_name).await?;
        let keys: DkimKeys = serde_json::from_str(&secret).map_err(|_| Error::Secret)?;
        let signer = Arc::new(DkimSigner::with(&keys, self.signatures, &self.relay)?);
        let mut signers = self.signers.lock().unwrap_or_else(PoisonError::into_inner);
        if signers.len() >= DOMAINS_MAX {
            signers.clear();
        }
        signers.insert(secret_name.to_owned(), (Instant::now(), signer.clone()));
        Ok(signer)
    }

    fn fresh(&self, secret_name: &str) -> Option<Arc<DkimSigner>> {
        let signers = self.signers.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, signer) = signers.get(secret_name)?;
        (since.elapsed() < KEEP).then(|| signer.clone())
    }
}
