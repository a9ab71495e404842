use std::{borrow::Borrow, collections::HashMap, hash::Hash, time::Instant};

use mail_auth::{
    AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt,
    common::{parse::TxtRecordParser, verify::DomainKey},
    hickory_resolver::config::{ResolverConfig, ResolverOpts},
};

use super::*;

/// Answers from the records that we would publish; nothing is asked of the network.
struct Published(HashMap<Box<str>, Txt>);

impl ResolverCache<Box<str>, Txt> for Published {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.get(name).cloned()
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

impl DkimSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, DkimError> {
        Ok([self.signatures(message)?.as_slice(), message].concat())
    }
}

fn keys() -> DkimKeys {
    DkimKeys::generate("example.com", "b1").unwrap()
}

const MESSAGE: &[u8] = b"From: <a@example.com>\r\nTo: <b@example.net>\r\nSubject: x\r\nDate: Mon, 23 Nov 2026 18:00:00 +0000\r\n\
    List-Unsubscribe: <https://m.example/u/x>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nbody\r\n--b--";

async fn verify(keys: &DkimKeys, message: &[u8]) -> Vec<bool> {
    let records = keys.dns_records().unwrap().map(|record| {
        let key = DomainKey::parse(record.value.as_bytes()).unwrap();
        (format!("{}.", record.name).into_boxed_str(), Txt::from(key))
    });
    let published = Published(HashMap::from(records));
    let authenticator =
        MessageAuthenticator::new(ResolverConfig::default(), ResolverOpts::default()).unwrap();
    let message = AuthenticatedMessage::parse(message).unwrap();
    let output = authenticator.verify_dkim(Parameters::new(&message).with_txt_cache(&published)).await;
    output.iter().map(|output| output.result() == &DkimResult::Pass).collect()
}

#[tokio::test]
async fn a_recipient_beyond_ascii_is_signed() {
    let keys = keys();
    let message = String::from_utf8(MESSAGE.to_vec()).unwrap().replace("<b@", "<Mü.用户@");
    let signed = DkimSigner::new(&keys).unwrap().sign(message.as_bytes()).unwrap();
    assert_eq!(verify(&keys, &signed).await, [true, true]);
}

#[tokio::test]
async fn both_signatures_verify() {
    let keys = keys();
    let signed = DkimSigner::new(&keys).unwrap().sign(MESSAGE).unwrap();
    assert_eq!(verify(&keys, &signed).await, [true, true]);
    // As it arrives: SMTP ends the last line.
    assert_eq!(verify(&keys, &[&signed[..], b"\r\n"].concat()).await, [true, true]);
    for (from, to) in [
        ("Subject: x", "Subject: y"),
        ("One-Click", "Two-Click"),
        ("body", "Body"),
        ("m.example/u/x", "m.example/u/y"),
    ] {
        let changed = String::from_utf8(signed.clone()).unwrap().replace(from, to);
        assert_eq!(verify(&keys, changed.as_bytes()).await, [false, false], "{to}");
    }
}

#[test]
fn headers_are_folded_and_name_what_they_cover() {
    let signed = DkimSigner::new(&keys()).unwrap().sign(MESSAGE).unwrap();
    let text = String::from_utf8(signed).unwrap();
    let (signatures, _) = text.split_once("From: ").unwrap();
    assert_eq!(signatures.matches("DKIM-Signature: ").count(), 2);
    assert!(signatures.contains("a=rsa-sha256; s=b1; d=example.com; c=relaxed/relaxed"));
    assert!(signatures.contains("a=ed25519-sha256; s=b1e; d=example.com; c=relaxed/relaxed"));
    assert!(signatures.lines().all(|line| line.len() <= 80), "{signatures}");
    assert!(signatures.replace("\r\n\t", "").contains("List-Unsubscribe-Post"));
}

#[test]
fn keys_are_kept_as_json_and_hidden() {
    let keys = keys();
    let json = serde_json::to_string(&keys).unwrap();
    let back: DkimKeys = serde_json::from_str(&json).unwrap();
    assert_eq!(back.dns_records().unwrap(), keys.dns_records().unwrap());
    assert_eq!(format!("{keys:?}"), "DkimKeys { domain: \"example.com\", .. }");
    let [rsa, ed25519] = keys.dns_records().unwrap();
    assert_eq!(
        (rsa.name.as_str(), ed25519.name.as_str()),
        ("b1._domainkey.example.com", "b1e._domainkey.example.com")
    );
    assert_eq!(rsa.strings().concat(), rsa.value);
    assert!(rsa.strings().len() == 2 && rsa.strings().iter().all(|string| string.len() <= 255));
    assert!(ed25519.value.starts_with("v=DKIM1; k=ed25519; p="));
    assert_eq!(DkimSigner::new(&DkimKeys { rsa: vec![1], ..keys }).unwrap_err(), DkimError::Key);
}

/// What mails may look like that nobody meant well, as it is signed and as it arrives.
#[tokio::test]
async fn odd_messages_verify() {
    let keys = keys();
    let signers = [
        (DkimSigner::new(&keys).unwrap(), 2),
        (DkimSigner::with(&keys, Signatures::Ed25519, &RelayProfile::Postfix).unwrap(), 1),
    ];
    let heads = [
        "From: <a@example.com>\r\n",
        "from:<a@example.com>\r\n\t \r\nSUBJECT:\tx  \t y\r\n  z \r\nX-Other: y\r\n",
        "Subject: 1\r\nFrom: <a@example.com>\r\nSubject: 2\r\nTo: <b@example.net>\r\nSubject:\r\n",
        "FromX: y\r\nFrom: <a@example.com>\r\nDate: \r\n",
    ];
    let long = "word ".repeat(1_000);
    let spaces = " \t".repeat(200);
    let bodies = [
        "",
        "\r\n",
        "\r\n\r\n\r\n",
        "a",
        "a\r\n\r\n\r\n",
        "\r\n\r\na",
        "a \t\r\n\tb  c\t\r\n .\r\n..\r\n",
        " \ta\r\n \r\nb",
        &long,
        &format!("a{spaces}\r\n{spaces}b{spaces}\r\n"),
        &format!("{}  =\r\n", "x".repeat(63)),
        &format!("{}\t", "x".repeat(128)),
    ];
    for head in heads {
        for body in bodies {
            let message = format!("{head}\r\n{body}");
            for (signer, signatures) in &signers {
                let signed = signer.sign(message.as_bytes()).unwrap();
                assert_eq!(verify(&keys, &signed).await, vec![true; *signatures], "{message:?}");
            }
        }
    }
}

#[tokio::test]
async fn no_covered_header_can_be_added() {
    let keys = keys();
    let signed = DkimSigner::new(&keys).unwrap().sign(b"From: <a@example.com>\r\n\r\nbody").unwrap();
    assert_eq!(verify(&keys, &signed).await, [true, true]);
    let added = [b"Subject: y\r\n", &signed[..]].concat();
    assert_eq!(verify(&keys, &added).await, [false, false]);
    let added = [b"X-Other: y\r\n", &signed[..]].concat();
    assert_eq!(verify(&keys, &added).await, [true, true]);
}

#[test]
fn what_has_no_headers_is_not_signed() {
    let signer = DkimSigner::new(&keys()).unwrap();
    for message in ["", "\r\n", "\r\nFrom: <a@example.com>", "X-Other: y\r\n\r\nbody"] {
        assert_eq!(signer.sign(message.as_bytes()), Err(DkimError::Sign), "{message:?}");
    }
}

#[tokio::test]
async fn behind_a_relay_that_makes_its_own_headers_a_signature_holds() {
    let keys = keys();
    let ses = RelayProfile::Ses { configuration_set: None };
    let changed = |signed: Vec<u8>| {
        let text = String::from_utf8(signed).unwrap();
        text.replace("Mon, 23 Nov 2026 18:00:00", "Mon, 23 Nov 2026 18:00:07")
            .replace("\r\n\r\nbody", "\r\nMessage-ID: <x@y>\r\nFeedback-ID: z\r\n\r\nbody")
    };
    for (signatures, relay, expected) in [
        (Signatures::Both, &ses, vec![true, true]),
        (Signatures::Ed25519, &ses, vec![true]),
        (Signatures::Ed25519, &RelayProfile::Postfix, vec![false]),
    ] {
        let signed = DkimSigner::with(&keys, signatures, relay).unwrap().sign(MESSAGE).unwrap();
        assert_eq!(verify(&keys, changed(signed).as_bytes()).await, expected, "{signatures:?} {relay:?}");
    }
}
