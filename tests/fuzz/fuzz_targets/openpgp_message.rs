//! An uploaded message, armoured or not: whatever comes, a verdict in bounded memory, and no plaintext but that of the seeds.
//!
//! Of the seeds, `gpg24*` are made by GnuPG 2.4.7, `sq-*` by sq 1.3.1, `version-2*` by sequoia-openpgp 2.4 as told to write SEIPD version 2,
//! the others by GnuPG 2.2.40.
#![no_main]

use std::{io::Read, panic, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use openpgp::{Limits, PEEK_BYTES, PublicKey, TenantKey, Terms, decrypt, looks_encrypted};
use time::{OffsetDateTime, macros::datetime};

/// After the seeds were signed.
const NOW: OffsetDateTime = datetime!(2026-11-24 00:00 UTC);
/// What the seeds say. Nobody without their session keys can make a message that says anything else and holds.
const PLAINTEXTS: [&[u8]; 2] = [b"email;name\na@example.com;Ada\n", b""];
/// A signed seed, and others of each kind of container and writer.
const SIGNED: &[u8] = include_bytes!("../corpus/openpgp_message/signed");
const UNSIGNED: [&[u8]; 4] = [
    include_bytes!("../corpus/openpgp_message/encrypted"),
    include_bytes!("../corpus/openpgp_message/gpg24"),
    include_bytes!("../corpus/openpgp_message/version-2"),
    include_bytes!("../corpus/openpgp_message/version-2-gcm"),
];
/// Where the parser's own panics come from. They are caught and are a refusal.
const CONTAINED: [&str; 2] = ["sequoia-openpgp", "buffered-reader"];

static KEYS: LazyLock<[TenantKey; 1]> =
    LazyLock::new(|| [TenantKey::parse(include_bytes!("../keys/tenant.asc")).unwrap()]);
static SIGNERS: LazyLock<[PublicKey; 1]> =
    LazyLock::new(|| [PublicKey::parse(include_bytes!("../keys/signer.asc")).unwrap()]);

/// The runtime ends the process at the first panic, also at one that would be caught.
fn contain() {
    let end = panic::take_hook();
    panic::set_hook(Box::new(move |what| {
        let file = what.location().map_or("", |location| location.file());
        if !CONTAINED.iter().any(|contained| file.contains(contained)) {
            end(what);
        }
    }));
    assert!(is_accepted(SIGNED, true), "nothing is accepted, so nothing would be found");
    for seed in UNSIGNED {
        assert!(is_accepted(seed, false), "nothing of this kind is accepted, so nothing would be found");
    }
}

/// Whether a message is accepted; then it says what a seed says, and its signature is there if it must be.
fn is_accepted(bytes: &[u8], signature_required: bool) -> bool {
    let terms = Terms { signers: &*SIGNERS, signature_required, limits: Limits::default(), now: NOW };
    let Ok(mut message) = decrypt(bytes, &*KEYS, &terms) else { return false };
    let mut plaintext = Vec::new();
    if message.read_to_end(&mut plaintext).is_err() {
        assert!(message.finish().is_err(), "an error was forgotten");
        return false;
    }
    let Ok(verified) = message.finish() else { panic!("the end was told, and is none") };
    assert!(looks_encrypted(&bytes[..bytes.len().min(PEEK_BYTES)]));
    assert_eq!(verified.plaintext_bytes, plaintext.len() as u64);
    assert!(PLAINTEXTS.contains(&plaintext.as_slice()), "a forged message was accepted");
    assert!(!signature_required || verified.signer.is_some(), "an unsigned message was accepted");
    true
}

fuzz_target!(
    init: contain(),
    |bytes: &[u8]| {
        let unsigned = is_accepted(bytes, false);
        let signed = is_accepted(bytes, true);
        assert!(unsigned || !signed, "a signature made a message acceptable");
    }
);
