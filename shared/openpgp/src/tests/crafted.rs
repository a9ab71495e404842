//! Messages that no ordinary program writes.

use std::{io::Write, time::SystemTime};

use sequoia_openpgp::{
    Packet,
    packet::{Marker, Padding},
    serialize::{
        Serialize,
        stream::{Compressor, Encryptor, LiteralWriter, Message, Recipient, Signer},
    },
    types::CompressionAlgorithm,
};

use super::{now, open, public, tenant_key, unsigned};
use crate::{Error, PublicKey, TenantKey, Terms, key::POLICY};

fn container<'a>(sink: &'a mut Vec<u8>, to: &'a PublicKey) -> Message<'a> {
    let keys = to.cert().keys().with_policy(POLICY, None).for_transport_encryption().map(Recipient::from);
    Encryptor::for_recipients(Message::new(sink), keys).build().unwrap()
}

fn literal(message: Message<'_>) {
    let mut literal = LiteralWriter::new(message).build().unwrap();
    literal.write_all(b"a;b\n").unwrap();
    literal.finalize().unwrap();
}

fn compressed(message: Message<'_>) -> Message<'_> {
    Compressor::new(message).algo(CompressionAlgorithm::Zip).build().unwrap()
}

fn expect_damaged(name: &str, message: &[u8], key: &TenantKey) {
    let outcome = open(message, std::slice::from_ref(key), &unsigned());
    assert!(matches!(outcome, Err(Error::Damaged)), "{name}: {outcome:?}");
}

#[test]
fn compression_is_allowed_once_and_inside() {
    let key = tenant_key();
    let to = public(&key);

    let mut once = Vec::new();
    literal(compressed(container(&mut once, &to)));
    assert_eq!(open(&once[..], std::slice::from_ref(&key), &unsigned()).unwrap().0, b"a;b\n");

    let mut twice = Vec::new();
    literal(compressed(compressed(container(&mut twice, &to))));
    expect_damaged("compressed twice", &twice, &key);

    let mut outside = Vec::new();
    let keys = to.cert().keys().with_policy(POLICY, None).for_transport_encryption().map(Recipient::from);
    literal(Encryptor::for_recipients(compressed(Message::new(&mut outside)), keys).build().unwrap());
    let outcome = open(&outside[..], std::slice::from_ref(&key), &unsigned());
    assert!(matches!(outcome, Err(Error::Unreadable)), "compressed outside: {outcome:?}");
}

#[test]
fn containers_do_not_nest() {
    let key = tenant_key();
    let to = public(&key);
    let mut nested = Vec::new();
    let keys = to.cert().keys().with_policy(POLICY, None).for_transport_encryption().map(Recipient::from);
    literal(Encryptor::for_recipients(container(&mut nested, &to), keys).build().unwrap());
    expect_damaged("nested", &nested, &key);
}

#[test]
fn work_without_plaintext_is_refused() {
    let key = tenant_key();
    let to = public(&key);

    let mut padded = Vec::new();
    let mut inside = compressed(container(&mut padded, &to));
    Packet::from(Padding::new(1000).unwrap()).serialize(&mut inside).unwrap();
    literal(inside);
    expect_damaged("padding inside compression", &padded, &key);

    let mut crowded = Vec::new();
    for _ in 0..100 {
        Packet::from(Marker::default()).serialize(&mut crowded).unwrap();
    }
    literal(container(&mut crowded, &to));
    let outcome = open(&crowded[..], std::slice::from_ref(&key), &unsigned());
    assert!(matches!(outcome, Err(Error::Unreadable)), "too many packets: {outcome:?}");
}

/// A message signed for someone else, encrypted to us by whoever received it.
#[test]
fn a_forwarded_signature_is_refused() {
    let (key, signer, someone) = (tenant_key(), tenant_key(), tenant_key());
    let to = public(&key);
    let mut forwarded = Vec::new();
    let secret = signer.signer(SystemTime::from(now())).unwrap();
    let inside =
        Signer::new(container(&mut forwarded, &to), secret).unwrap().add_intended_recipient(someone.cert());
    literal(inside.build().unwrap());
    let signers = [public(&signer)];
    for signature_required in [true, false] {
        let terms = Terms { signers: &signers, signature_required, ..unsigned() };
        let outcome = open(&forwarded[..], std::slice::from_ref(&key), &terms);
        assert!(matches!(outcome, Err(Error::Signature)), "{outcome:?}");
    }
}

/// A wrong signature in a message that was also changed is told as damage: the integrity comes first.
#[test]
fn integrity_is_judged_before_the_signature() {
    let (key, signer) = (tenant_key(), tenant_key());
    let to = public(&key);
    let mut message = Vec::new();
    let secret = signer.signer(SystemTime::from(now())).unwrap();
    literal(Signer::new(container(&mut message, &to), secret).unwrap().build().unwrap());
    let place = message.len() - 3;
    message[place] ^= 1;
    let terms = Terms { signature_required: true, ..unsigned() };
    assert!(matches!(open(&message[..], &[key], &terms), Err(Error::Damaged)));
}
