//! Messages made by programs that are not installed beside the tests: GnuPG 2.4 and sq 1.3. See `fixtures/README.md`.

use std::path::Path;

use fault::{Disposition, Fault};
use sequoia_openpgp::{
    Packet,
    parse::{PacketParser, PacketParserResult, Parse},
};
use time::OffsetDateTime;

use super::{open, public, tenant_key};
use crate::{Error, PEEK_BYTES, PublicKey, TenantKey, Terms, looks_encrypted};

/// A day after they were made: 2026-11-25.
const NOW_SECONDS: i64 = 1_795_564_800;

/// Version of the container.
const V1: u8 = 1;
const V2: u8 = 2;

/// Message, the tenant's key that opens it, who signed, and the version of the container.
type Case = (&'static str, &'static str, Option<&'static str>, u8);

const FROM_GPG: [Case; 17] = [
    ("gpg24-rsa3072-plain.gpg", "tenant-rsa3072", None, V1),
    ("gpg24-rsa3072-default.gpg", "tenant-rsa3072", None, V1),
    ("gpg24-rsa3072-signed-zip.asc", "tenant-rsa3072", Some("customer-rsa3072"), V1),
    ("gpg24-rsa3072-signed-zlib.gpg", "tenant-rsa3072", Some("customer-rsa3072"), V1),
    ("gpg24-rsa3072-bzip2.asc", "tenant-rsa3072", None, V1),
    ("gpg24-cv25519-plain.gpg", "tenant-cv25519", None, V1),
    ("gpg24-cv25519-default.gpg", "tenant-cv25519", None, V1),
    ("gpg24-cv25519-signed-zip.asc", "tenant-cv25519", Some("customer-ed25519"), V1),
    ("gpg24-cv25519-signed-zlib.gpg", "tenant-cv25519", Some("customer-ed25519"), V1),
    ("gpg24-cv25519-bzip2.asc", "tenant-cv25519", None, V1),
    ("gpg24-cv25519-hidden.gpg", "tenant-cv25519", None, V1),
    ("gpg24-cv25519-long-signed.gpg", "tenant-cv25519", Some("customer-ed25519"), V1),
    ("gpg24-nistp256-plain.gpg", "tenant-nistp256", None, V1),
    ("gpg24-nistp256-default.gpg", "tenant-nistp256", None, V1),
    ("gpg24-nistp256-signed-zip.asc", "tenant-nistp256", Some("customer-nistp256"), V1),
    ("gpg24-nistp256-signed-zlib.gpg", "tenant-nistp256", Some("customer-nistp256"), V1),
    ("gpg24-nistp256-bzip2.asc", "tenant-nistp256", None, V1),
];

/// sq writes version 2 where every recipient's key asks for it, which those made by [`crate::generate`] do.
const FROM_SQ: [Case; 28] = [
    ("sq-rsa3072-plain.pgp", "tenant-rsa3072", None, V1),
    ("sq-rsa3072-default.asc", "tenant-rsa3072", None, V1),
    ("sq-rsa3072-signed-zip.asc", "tenant-rsa3072", Some("customer-sq"), V1),
    ("sq-rsa3072-signed-zlib.pgp", "tenant-rsa3072", Some("customer-sq"), V1),
    ("sq-rsa3072-bzip2.asc", "tenant-rsa3072", None, V1),
    ("sq-nistp256-plain.pgp", "tenant-nistp256", None, V1),
    ("sq-nistp256-default.asc", "tenant-nistp256", None, V1),
    ("sq-nistp256-signed-zip.asc", "tenant-nistp256", Some("customer-sq"), V1),
    ("sq-nistp256-signed-zlib.pgp", "tenant-nistp256", Some("customer-sq"), V1),
    ("sq-nistp256-bzip2.asc", "tenant-nistp256", None, V1),
    ("sq-cv25519-and-rsa3072.pgp", "tenant-cv25519", None, V1),
    ("sq-v6-and-rsa3072.pgp", "tenant-v6", None, V1),
    ("sq-cv25519-plain.pgp", "tenant-cv25519", None, V2),
    ("sq-cv25519-default.asc", "tenant-cv25519", None, V2),
    ("sq-cv25519-signed-zip.asc", "tenant-cv25519", Some("customer-sq"), V2),
    ("sq-cv25519-signed-zlib.pgp", "tenant-cv25519", Some("customer-sq"), V2),
    ("sq-cv25519-bzip2.asc", "tenant-cv25519", None, V2),
    ("sq-v6-plain.pgp", "tenant-v6", None, V2),
    ("sq-v6-default.asc", "tenant-v6", None, V2),
    ("sq-v6-signed-zip.asc", "tenant-v6", Some("customer-v6"), V2),
    ("sq-v6-signed-zlib.pgp", "tenant-v6", Some("customer-v6"), V2),
    ("sq-v6-bzip2.asc", "tenant-v6", None, V2),
    ("sq-v6-long-signed.pgp", "tenant-v6", Some("customer-v6"), V2),
    ("sq-v6-rsa3072-plain.pgp", "tenant-v6-rsa3072", None, V2),
    ("sq-v6-rsa3072-default.asc", "tenant-v6-rsa3072", None, V2),
    ("sq-v6-rsa3072-signed-zip.asc", "tenant-v6-rsa3072", Some("customer-v6"), V2),
    ("sq-v6-rsa3072-signed-zlib.pgp", "tenant-v6-rsa3072", Some("customer-v6"), V2),
    ("sq-v6-rsa3072-bzip2.asc", "tenant-v6-rsa3072", None, V2),
];

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/fixtures")
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn tenant(name: &str) -> TenantKey {
    TenantKey::parse(&fixture(&format!("{name}.key"))).unwrap()
}

fn customer(name: &str) -> PublicKey {
    PublicKey::parse(&fixture(&format!("{name}.asc"))).unwrap()
}

fn terms(signers: &[PublicKey], signature_required: bool) -> Terms<'_> {
    let now = OffsetDateTime::from_unix_timestamp(NOW_SECONDS).unwrap();
    Terms { signers, signature_required, now, ..super::unsigned() }
}

fn container_version(message: &[u8]) -> Option<u8> {
    let mut packets = PacketParser::from_bytes(message).unwrap();
    while let PacketParserResult::Some(parser) = packets {
        if let Packet::SEIP(container) = &parser.packet {
            return Some(container.version());
        }
        packets = parser.next().unwrap().1;
    }
    None
}

#[test]
fn messages_of_every_kind_open() {
    for (name, key, signer, version) in FROM_GPG.into_iter().chain(FROM_SQ) {
        let message = fixture(name);
        assert!(looks_encrypted(&message[..PEEK_BYTES]), "{name}");
        assert_eq!(container_version(&message), Some(version), "{name}");
        let keys = [tenant_key(), tenant(key)];
        let signers: Vec<PublicKey> = signer.map(customer).into_iter().collect();
        let (opened, verified) = open(&message[..], &keys, &terms(&signers, signer.is_some()))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(opened == fixture(if name.contains("long") { "long.csv" } else { "table.csv" }), "{name}");
        assert_eq!(verified.signer, signers.first().map(PublicKey::fingerprint), "{name}");
    }
}

#[test]
fn none_is_accepted_on_other_terms() {
    let stranger = [public(&tenant_key())];
    for (name, key, ..) in FROM_GPG.into_iter().chain(FROM_SQ) {
        let (message, keys) = (fixture(name), [tenant(key)]);
        let outcome = open(&message[..], &keys, &terms(&stranger, true));
        assert!(matches!(outcome, Err(Error::Signature)), "{name}, by a stranger: {outcome:?}");
        let outcome = open(&message[..], &[tenant_key()], &terms(&[], false));
        assert!(matches!(outcome, Err(Error::NotForUs)), "{name}, for others: {outcome:?}");
    }
}

#[test]
fn none_is_accepted_cut_or_changed() {
    let is_binary =
        |(name, ..): &Case| Path::new(name).extension().is_some_and(|extension| extension != "asc");
    for (name, key, ..) in FROM_GPG.into_iter().chain(FROM_SQ).filter(is_binary) {
        let (message, keys) = (fixture(name), [tenant(key)]);
        let mut changed = message.clone();
        *changed.last_mut().unwrap() ^= 1;
        for (fault, bytes) in [("cut", &message[..message.len() - 1]), ("changed", &changed)] {
            let outcome = open(bytes, &keys, &terms(&[], false));
            assert!(matches!(outcome, Err(Error::Damaged)), "{name}, {fault}: {outcome:?}");
        }
    }
}

#[test]
fn gnupgs_own_form_is_refused_with_what_to_do() {
    for name in ["gpg24-ocb.gpg", "gpg24-ocb-signed.asc", "gpg24-ocb-passphrase.gpg"] {
        let message = fixture(name);
        assert!(looks_encrypted(&message[..PEEK_BYTES]), "{name}");
        let error = open(&message[..], &[tenant("tenant-cv25519")], &terms(&[], false)).unwrap_err();
        assert!(matches!(error, Error::Form), "{name}: {error}");
        let Disposition::Customer(notice) = error.disposition() else { panic!("{name}: not told") };
        assert!(notice.words().contains("force-ocb"), "{name}: {}", notice.words());
    }
}

/// Whatever their certificates ask for.
#[test]
fn exports_to_their_keys_open() {
    let now = OffsetDateTime::from_unix_timestamp(NOW_SECONDS).unwrap();
    for name in ["tenant-rsa3072", "tenant-cv25519", "tenant-nistp256", "tenant-v6", "tenant-v6-rsa3072"] {
        let (key, plaintext) = (tenant(name), fixture("long.csv"));
        let (mut message, recipients) = (Vec::new(), [public(&key)]);
        let mut encryptor = crate::encrypt(&mut message, &recipients, Some(&key), now).unwrap();
        std::io::Write::write_all(&mut encryptor, &plaintext).unwrap();
        encryptor.finish().unwrap();
        let (opened, verified) = open(&message[..], &[key], &terms(&recipients, true)).unwrap();
        assert!(opened == plaintext, "{name}");
        assert_eq!(verified.signer, Some(recipients[0].fingerprint()), "{name}");
    }
}

/// No message lies here untried.
#[test]
fn every_fixture_is_in_a_table() {
    let mut listed: Vec<&str> = FROM_GPG.into_iter().chain(FROM_SQ).map(|(name, ..)| name).collect();
    listed.sort_unstable();
    let mut found: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| (name.starts_with("gpg24-") || name.starts_with("sq-")) && !name.contains("-ocb"))
        .collect();
    found.sort_unstable();
    assert_eq!(found, listed);
}
