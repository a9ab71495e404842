use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::SystemTime,
};

use sequoia_openpgp::{
    Cert, Fingerprint, KeyHandle, Result,
    cert::amalgamation::{ValidAmalgamation, ValidateAmalgamation},
    crypto::SessionKey,
    packet::{
        Key, PKESK, SKESK, Tag,
        key::{SecretParts, UnspecifiedRole},
    },
    parse::{
        PacketParser,
        stream::{
            DecryptionHelper, GoodChecksum, MessageLayer, MessageStructure, VerificationError,
            VerificationHelper,
        },
    },
    types::{PublicKeyAlgorithm, RevocationStatus, SymmetricAlgorithm},
};

use crate::{Error, PublicKey, TenantKey, key::POLICY, source::lock};

/// Most packets in a message, its recipients included. The parser holds up to 1 MiB of each, so this bounds its memory.
const PACKETS_MAX: usize = 64;

/// How far a message got. The parser's own errors are not looked at: what they tell is what a forger wants to know.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own; they make no state machine")]
pub(crate) struct Progress {
    /// No key of ours is meant.
    not_for_us: bool,
    /// GnuPG's own container, met before any of the standard's.
    pub(crate) gnupgs_form: bool,
    /// A session key was tried: from here on everything is [`Error::Damaged`].
    session_key_tried: bool,
    /// The end of the container was reached, and its integrity holds; only told of containers that we open ourselves.
    pub(crate) integrity_held: bool,
    /// The integrity holds and the signature does not.
    signature_refused: bool,
    /// The registered certificate that signed.
    pub(crate) signer: Option<String>,
}

impl Progress {
    pub(crate) fn verdict(&self) -> Error {
        match self {
            Self { signature_refused: true, .. } => Error::Signature,
            Self { session_key_tried: true, .. } => Error::Damaged,
            Self { gnupgs_form: true, .. } => Error::Form,
            Self { not_for_us: true, .. } => Error::NotForUs,
            _ => Error::Unreadable,
        }
    }
}

/// [`Progress`] outlives the judge, which the parser owns and drops.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedProgress(Arc<Mutex<Progress>>);

impl SharedProgress {
    pub(crate) fn get(&self) -> MutexGuard<'_, Progress> {
        lock(&self.0)
    }
}

/// Decides for the parser which packets may stand where, which key opens, and which signatures count.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own; they make no state machine")]
pub(crate) struct Judge {
    keys: Vec<(Cert, Vec<Key<SecretParts, UnspecifiedRole>>)>,
    signers: Vec<Cert>,
    signature_required: bool,
    now: SystemTime,
    packets: usize,
    container_opened: bool,
    compressed: bool,
    /// The container was opened by us, and the library sees what is in it alone.
    inside: bool,
    /// The certificate whose key opened the container that we opened.
    identity: Option<Fingerprint>,
    progress: SharedProgress,
}

/// Stops the parser. The words go nowhere.
fn refuse<T>() -> Result<T> {
    Err(sequoia_openpgp::Error::MalformedMessage(String::new()).into())
}

impl Judge {
    pub(crate) fn new(
        keys: &[TenantKey],
        signers: &[PublicKey],
        signature_required: bool,
        now: SystemTime,
        progress: SharedProgress,
    ) -> Self {
        Self {
            keys: keys.iter().map(|key| (key.cert().clone(), key.decryption_keys().collect())).collect(),
            signers: signers.iter().map(|key| key.cert().clone()).collect(),
            signature_required,
            now,
            packets: 0,
            container_opened: false,
            compressed: false,
            inside: false,
            identity: None,
            progress,
        }
    }

    /// The container comes next, and we open it: what [`VerificationHelper::inspect`] says to one. False where it may not stand there.
    pub(crate) fn enters_container(&mut self) -> bool {
        self.counts_packet() && !std::mem::replace(&mut self.container_opened, true)
    }

    /// Whether one more packet is not too many.
    pub(crate) const fn counts_packet(&mut self) -> bool {
        self.packets += 1;
        self.packets <= PACKETS_MAX
    }

    /// What [`VerificationHelper::check`] says to a message whose container holds, and that has no signature.
    pub(crate) fn check_unsigned(&mut self) -> Result<()> {
        let mut progress = self.progress.get();
        if !progress.integrity_held {
            return refuse();
        }
        progress.signature_refused = self.signature_required;
        if self.signature_required { refuse() } else { Ok(()) }
    }

    /// The library goes on with what is in the container.
    pub(crate) fn goes_inside(&mut self, identity: Option<&Cert>) {
        self.inside = true;
        self.identity = identity.map(Cert::fingerprint);
    }

    /// How deep a packet stands in the container, which itself is 0.
    fn depth(&self, parser: &PacketParser<'_>) -> isize {
        parser.recursion_depth() + isize::from(self.inside)
    }

    /// Whether the signature is not for someone else. The library asks that itself where it knows whose key opened the container.
    fn meant_for_us(&self, good: &GoodChecksum<'_>) -> bool {
        let Some(identity) = &self.identity else { return true };
        let mut recipients = good.sig.intended_recipients().peekable();
        recipients.peek().is_none() || recipients.any(|recipient| recipient == identity)
    }

    /// The library judges a key as of the signature's date, which a thief chooses. It must be valid today as well.
    fn valid_today(&self, good: &GoodChecksum<'_>) -> bool {
        let Ok(cert) = good.ka.cert().with_policy(POLICY, self.now) else { return false };
        let Ok(key) = good.ka.amalgamation().clone().with_policy(POLICY, self.now) else { return false };
        cert.alive().is_ok()
            && !matches!(cert.revocation_status(), RevocationStatus::Revoked(_))
            && key.alive().is_ok()
            && !matches!(key.revocation_status(), RevocationStatus::Revoked(_))
    }
}

impl VerificationHelper for Judge {
    fn inspect(&mut self, parser: &PacketParser<'_>) -> Result<()> {
        if !self.counts_packet() {
            return refuse();
        }
        let allowed = match parser.packet.tag() {
            Tag::PKESK | Tag::SKESK | Tag::Marker => !self.container_opened,
            // Integrity protection only (no Tag::SED), and once: nesting hides what is inside from the rules below.
            Tag::SEIP => !std::mem::replace(&mut self.container_opened, true),
            // Once, and never around the container: each layer multiplies what a bomb can do.
            Tag::CompressedData => self.container_opened && !std::mem::replace(&mut self.compressed, true),
            Tag::OnePassSig | Tag::Signature | Tag::Literal => self.container_opened,
            #[allow(deprecated)]
            Tag::MDC => self.container_opened && !self.inside && parser.recursion_depth() <= 1,
            // Padding inside compression would be work that no limit on plaintext sees.
            Tag::Padding => !self.compressed || self.depth(parser) <= 1,
            _ => false,
        };
        if allowed { Ok(()) } else { refuse() }
    }

    fn get_certs(&mut self, _ids: &[KeyHandle]) -> Result<Vec<Cert>> {
        Ok(self.signers.clone())
    }

    /// Called once the whole message was read and its integrity held.
    fn check(&mut self, structure: MessageStructure<'_>) -> Result<()> {
        // The parser asks for the end of its input in ways that take an error for it.
        if self.inside && !self.progress.get().integrity_held {
            return refuse();
        }
        let mut signer = None;
        let mut forged = false;
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else { continue };
            for result in results {
                match result {
                    Ok(good) if !self.meant_for_us(&good) => forged = true,
                    Ok(good) if self.valid_today(&good) => {
                        signer = Some(good.ka.cert().fingerprint().to_hex());
                    }
                    // By a registered key, and wrong. No customer sends that on purpose, so it is refused even where none is demanded.
                    Err(VerificationError::BadSignature { .. }) => forged = true,
                    _ => {}
                }
            }
        }
        let mut progress = self.progress.get();
        if forged || (self.signature_required && signer.is_none()) {
            progress.signature_refused = true;
            drop(progress);
            return refuse();
        }
        progress.signer = signer;
        Ok(())
    }
}

impl DecryptionHelper for Judge {
    fn decrypt(
        &mut self,
        pkesks: &[PKESK],
        _skesks: &[SKESK],
        algorithm: Option<SymmetricAlgorithm>,
        decrypt: &mut dyn FnMut(Option<SymmetricAlgorithm>, &SessionKey) -> bool,
    ) -> Result<Option<Cert>> {
        let mut meant = false;
        for pkesk in pkesks {
            let recipient = pkesk.recipient().filter(|handle| !is_wildcard(handle));
            for (cert, keys) in &self.keys {
                for key in keys {
                    match &recipient {
                        Some(handle) if !handle.aliases(key.key_handle()) => continue,
                        Some(_) => meant = true,
                        // A hidden recipient (gpg --throw-keyids). Trying an RSA key here would tell a forger whether the padding was right.
                        None if key.pk_algo() == PublicKeyAlgorithm::RSAEncryptSign => continue,
                        None => {}
                    }
                    if key.pk_algo() != pkesk.pk_algo() {
                        continue;
                    }
                    let Ok(mut pair) = key.clone().into_keypair() else { continue };
                    let Some((found, session_key)) = pkesk.decrypt(&mut pair, algorithm) else { continue };
                    if decrypt(found, &session_key) {
                        self.progress.get().session_key_tried = true;
                        return Ok(Some(cert.clone()));
                    }
                }
            }
        }
        let mut progress = self.progress.get();
        progress.session_key_tried = meant;
        progress.not_for_us = !meant;
        drop(progress);
        refuse()
    }
}

fn is_wildcard(handle: &KeyHandle) -> bool {
    matches!(handle, KeyHandle::KeyID(id) if id.is_wildcard())
}
