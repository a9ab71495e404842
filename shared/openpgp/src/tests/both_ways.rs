//! What we open ourselves and what the library opens agree on every message: accepted or refused alike, with the same plaintext.

use std::{
    io::{Read, Write},
    time::SystemTime,
};

use sequoia_openpgp::{
    Packet,
    packet::{Marker, Padding},
    serialize::{
        Serialize,
        stream::{Compressor, Encryptor, LiteralWriter, Message, Recipient, Signer},
    },
    types::{AEADAlgorithm, CompressionAlgorithm, Features, SymmetricAlgorithm},
};

use super::{gpg::Gpg, now, public, table, tenant_key, unsigned};
use crate::{
    Error, PublicKey, TenantKey, Terms, Verified, decrypt,
    decrypt::{Opens, decrypt_as},
    key::POLICY,
};

type Outcome = Result<(Vec<u8>, Verified), String>;

fn outcome(message: &[u8], key: &TenantKey, terms: &Terms<'_>, opens: Opens) -> Outcome {
    let told = |error: Error| format!("{error:?}");
    let mut decryptor = decrypt_as(message, std::slice::from_ref(key), terms, opens).map_err(told)?;
    let mut plaintext = Vec::new();
    decryptor.read_to_end(&mut plaintext).map_err(|error| told(Error::from_io(error)))?;
    assert!(opens == Opens::Common || !decryptor.container_held(), "the library opened nothing of ours");
    Ok((plaintext, decryptor.finish().map_err(told)?))
}

/// The outcome both ways have.
fn agreed(name: &str, message: &[u8], key: &TenantKey, terms: &Terms<'_>) -> Outcome {
    let ours = outcome(message, key, terms, Opens::Common);
    let librarys = outcome(message, key, terms, Opens::Nothing);
    assert!(ours == librarys, "{name}: ours {ours:?}, the library's {librarys:?}");
    ours
}

/// Every octet changed, every octet missing from the end, one too many.
fn agreed_on_all_damage(name: &str, message: &[u8], key: &TenantKey, terms: &Terms<'_>) {
    for place in 0..message.len() {
        let mut changed = message.to_vec();
        changed[place] ^= 1;
        let _ = agreed(&format!("{name}, bit in octet {place}"), &changed, key, terms);
        let _ = agreed(&format!("{name}, cut at {place}"), &message[..place], key, terms);
    }
    let longer = [message, b"\0"].concat();
    assert!(agreed(&format!("{name}, longer"), &longer, key, terms).is_err());
}

struct Form {
    cipher: SymmetricAlgorithm,
    aead: Option<AEADAlgorithm>,
}

fn container<'a>(sink: &'a mut Vec<u8>, to: &'a PublicKey, form: &Form) -> Message<'a> {
    let features = match form.aead {
        Some(_) => Features::empty().set_seipdv2(),
        None => Features::empty().set_seipdv1(),
    };
    let keys = to.cert().keys().with_policy(POLICY, None).for_transport_encryption();
    let keys = keys.map(|key| Recipient::new(features.clone(), key.key().key_handle(), key.key()));
    let mut encryptor = Encryptor::for_recipients(Message::new(sink), keys).symmetric_algo(form.cipher);
    if let Some(aead) = form.aead {
        encryptor = encryptor.aead_algo(aead);
    }
    encryptor.build().unwrap()
}

const FORMS: [(&str, Form); 5] = [
    ("1, AES-256", Form { cipher: SymmetricAlgorithm::AES256, aead: None }),
    ("1, AES-128", Form { cipher: SymmetricAlgorithm::AES128, aead: None }),
    ("1, Camellia", Form { cipher: SymmetricAlgorithm::Camellia256, aead: None }),
    ("2, OCB", Form { cipher: SymmetricAlgorithm::AES256, aead: Some(AEADAlgorithm::OCB) }),
    ("2, GCM", Form { cipher: SymmetricAlgorithm::AES128, aead: Some(AEADAlgorithm::GCM) }),
];

fn literal(message: Message<'_>, plaintext: &[u8]) {
    let mut literal = LiteralWriter::new(message).build().unwrap();
    literal.write_all(plaintext).unwrap();
    literal.finalize().unwrap();
}

fn packet(message: &mut Message<'_>, packet: impl Into<Packet>) {
    packet.into().serialize(message).unwrap();
}

fn sign<'a>(message: Message<'a>, secret: &TenantKey) -> Signer<'a> {
    Signer::new(message, secret.signer(SystemTime::from(now())).unwrap()).unwrap()
}

fn compress(message: Message<'_>) -> Message<'_> {
    Compressor::new(message).algo(CompressionAlgorithm::Zip).build().unwrap()
}

/// Writes packets into a container.
type Writes<'a> = Box<dyn Fn(Message<'_>) + 'a>;

/// What may stand in a container, allowed or not.
fn insides<'a>(signer: &'a TenantKey, someone: &'a TenantKey) -> Vec<(&'static str, Writes<'a>)> {
    vec![
        ("literal", Box::new(|message| literal(message, b"a;b\n"))),
        ("nothing in a literal", Box::new(|message| literal(message, b""))),
        ("nothing", Box::new(|message| message.finalize().unwrap())),
        ("compressed", Box::new(move |message| literal(compress(message), b"a;b\n"))),
        ("compressed twice", Box::new(move |message| literal(compress(compress(message)), b"a;b\n"))),
        ("signed", Box::new(move |message| literal(sign(message, signer).build().unwrap(), b"a;b\n"))),
        (
            "signed by nobody known",
            Box::new(move |message| literal(sign(message, someone).build().unwrap(), b"a;b\n")),
        ),
        (
            "signed for someone else",
            Box::new(move |message| {
                let theirs = sign(message, signer).add_intended_recipient(someone.cert());
                literal(theirs.build().unwrap(), b"a;b\n");
            }),
        ),
        (
            "padding before",
            Box::new(|mut message| {
                packet(&mut message, Padding::new(20).unwrap());
                literal(message, b"a;b\n");
            }),
        ),
        (
            "a marker before",
            Box::new(|mut message| {
                packet(&mut message, Marker::default());
                literal(message, b"a;b\n");
            }),
        ),
        ("padding after", Box::new(|message| after_literal(message, Padding::new(20).unwrap()))),
        ("a marker after", Box::new(|message| after_literal(message, Marker::default()))),
        (
            "a second literal",
            Box::new(|message| after_literal(message, sequoia_openpgp::packet::Literal::default())),
        ),
        (
            "not packets",
            Box::new(|mut message| {
                message.write_all(b"email;name\na@b.example;A\n").unwrap();
                message.finalize().unwrap();
            }),
        ),
        (
            "armor",
            Box::new(|mut message| {
                message
                    .write_all(
                        b"-----BEGIN PGP MESSAGE-----\n\nyxIAAAAAAABhO2IK\n-----END PGP MESSAGE-----\n",
                    )
                    .unwrap();
                message.finalize().unwrap();
            }),
        ),
    ]
}

fn after_literal(mut message: Message<'_>, after: impl Into<Packet>) {
    let mut body = sequoia_openpgp::packet::Literal::default();
    body.set_body(b"a;b\n".to_vec());
    packet(&mut message, body);
    packet(&mut message, after);
    message.finalize().unwrap();
}

#[test]
fn whatever_stands_inside_both_ways_agree() {
    let (key, signer, someone) = (tenant_key(), tenant_key(), tenant_key());
    let (to, signers) = (public(&key), [public(&signer)]);
    for (form_name, form) in &FORMS {
        for (name, write) in insides(&signer, &someone) {
            let mut message = Vec::new();
            write(container(&mut message, &to, form));
            for signature_required in [false, true] {
                let terms = Terms { signers: &signers, signature_required, ..unsigned() };
                let name = format!("{form_name}, {name}, signature {signature_required}");
                let opened = agreed(&name, &message, &key, &terms);
                if name.contains(", literal, signature false") {
                    assert_eq!(opened.unwrap().0, b"a;b\n", "{name}");
                }
            }
        }
    }
}

#[test]
fn whatever_is_damaged_both_ways_agree() {
    let (key, signer) = (tenant_key(), tenant_key());
    let (to, signers) = (public(&key), [public(&signer)]);
    let terms = Terms { signers: &signers, signature_required: false, ..unsigned() };
    for (name, form) in &FORMS {
        let mut message = Vec::new();
        literal(container(&mut message, &to, form), b"a;b\nc;d\n");
        agreed_on_all_damage(name, &message, &key, &terms);
    }
    let mut message = Vec::new();
    let secret = signer.signer(SystemTime::from(now())).unwrap();
    literal(
        Signer::new(container(&mut message, &to, &FORMS[0].1), secret).unwrap().build().unwrap(),
        b"a;b\n",
    );
    agreed_on_all_damage("signed", &message, &key, &terms);
}

#[test]
fn gpgs_messages_open_both_ways_or_neither() {
    let (gpg, key) = (Gpg::new(), tenant_key());
    let to = gpg.import(&key);
    for options in [
        &["-z", "0"][..],
        &["--compress-algo", "zip"],
        &["--throw-keyids", "-z", "0"],
        &["--cipher-algo", "3DES", "-z", "0"],
        &["--cipher-algo", "AES192", "-z", "0", "--set-filename", "kunden.csv"],
    ] {
        let message = gpg.run(&[&["-r", to.as_str(), "--encrypt"], options].concat(), &b"a;b\nc;d\n"[..]);
        match agreed("whole", &message, &key, &unsigned()) {
            Ok((plaintext, _)) => assert_eq!(plaintext, b"a;b\nc;d\n", "{options:?}"),
            Err(error) => assert!(options.contains(&"3DES") && error == "Damaged", "{options:?}: {error}"),
        }
        agreed_on_all_damage(&format!("{options:?}"), &message, &key, &unsigned());
    }
}

#[test]
fn long_messages_are_damaged_alike_at_every_seam() {
    let key = tenant_key();
    let to = public(&key);
    // More than the hold-back, several batches of chunks, no round number.
    let plaintext = table(3 * 1024 * 1024 + 12_345);
    for (name, form) in &FORMS {
        let mut message = Vec::new();
        literal(container(&mut message, &to, form), &plaintext);
        let (opened, _) = agreed(name, &message, &key, &unsigned()).unwrap();
        assert!(opened == plaintext, "{name}");
        let mut decryptor = decrypt(&message[..], std::slice::from_ref(&key), &unsigned()).unwrap();
        std::io::copy(&mut decryptor, &mut std::io::sink()).unwrap();
        assert_eq!(
            decryptor.container_held(),
            form.cipher != SymmetricAlgorithm::Camellia256,
            "{name}: opened by us"
        );
        let end = message.len();
        for place in [
            200,
            300,
            4096,
            65_536,
            65_600,
            1_100_000,
            end / 2,
            end - 60,
            end - 22,
            end - 21,
            end - 16,
            end - 1,
        ] {
            let mut changed = message.clone();
            changed[place] ^= 0x20;
            for (what, message) in [("changed", &changed[..]), ("cut", &message[..place])] {
                let outcome = agreed(&format!("{name}, {what} at {place}"), message, &key, &unsigned());
                assert_eq!(outcome.unwrap_err(), "Damaged", "{name}, {what} at {place}");
            }
        }
    }
}
