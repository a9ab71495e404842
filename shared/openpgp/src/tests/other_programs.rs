//! Keys of every kind that customers have, and Sequoia's own `sq`, where it is installed beside gpg.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sequoia_openpgp::{
    Profile,
    cert::{CertBuilder, CipherSuite},
    serialize::MarshalInto,
};
use tempfile::TempDir;

use super::{gpg::Gpg, now, open, public, table, tenant_key, unsigned};
use crate::{Error, PublicKey, TenantKey, Terms, encrypt};

fn seal(plaintext: &[u8], recipients: &[PublicKey], signer: &TenantKey) -> Vec<u8> {
    let mut message = Vec::new();
    let mut encryptor = encrypt(&mut message, recipients, Some(signer), now()).unwrap();
    encryptor.write_all(plaintext).unwrap();
    encryptor.finish().unwrap();
    message
}

/// A key of the kinds that gpg makes, with a subkey for encryption.
fn gpg_key(gpg: &Gpg, user: &str, primary: &str, subkey: &str) -> PublicKey {
    gpg.run(&["--quick-generate-key", user, primary, "default", "never"], &b""[..]);
    let key = PublicKey::parse(&gpg.run(&["--export", user], &b""[..])).unwrap();
    gpg.run(&["--quick-add-key", &key.fingerprint(), subkey, "encr", "never"], &b""[..]);
    PublicKey::parse(&gpg.run(&["--export", user], &b""[..])).unwrap()
}

#[test]
fn gpg_opens_exports_with_keys_of_every_kind() {
    let (gpg, signer) = (Gpg::new(), tenant_key());
    gpg.import(&signer);
    let plaintext = table(100_000);
    for (primary, subkey) in [
        ("rsa3072", "rsa3072"),
        ("ed25519", "cv25519"),
        ("nistp256", "nistp256"),
        ("nistp384", "nistp384"),
        ("nistp521", "nistp521"),
    ] {
        let customer = gpg_key(&gpg, &format!("{subkey}@example.org"), primary, subkey);
        customer.check_encryption(now()).unwrap();
        customer.check_signing(now()).unwrap();
        let message = seal(&plaintext, &[customer.clone(), public(&signer)], &signer);
        assert!(gpg.run(&["--decrypt"], &message[..]) == plaintext, "{subkey}");

        // What they sign is known as theirs.
        let user = format!("{subkey}@example.org");
        let message = gpg.run(&["-u", &user, "-r", &signer.fingerprint(), "-s", "-e"], &plaintext[..]);
        let signers = [customer];
        let terms = Terms { signers: &signers, signature_required: true, ..unsigned() };
        let (opened, verified) = open(&message[..], std::slice::from_ref(&signer), &terms).unwrap();
        assert!(opened == plaintext, "{subkey}");
        assert_eq!(verified.signer, Some(signers[0].fingerprint()));
    }
}

/// Keys as a tenant may have had them elsewhere, and those of the new standard.
#[test]
fn messages_to_keys_of_every_kind_open() {
    let (gpg, signer) = (Gpg::new(), tenant_key());
    let plaintext = table(100_000);
    for (profile, suite) in [
        (Profile::RFC4880, CipherSuite::RSA3k),
        (Profile::RFC4880, CipherSuite::P256),
        (Profile::RFC4880, CipherSuite::P384),
        (Profile::RFC4880, CipherSuite::P521),
        (Profile::RFC9580, CipherSuite::Cv25519),
        (Profile::RFC9580, CipherSuite::P256),
    ] {
        let builder = CertBuilder::new().set_profile(profile).unwrap().set_cipher_suite(suite);
        let made = builder
            .set_creation_time(std::time::SystemTime::from(now()) - std::time::Duration::from_mins(1))
            .add_userid("Tenant")
            .add_signing_subkey()
            .add_transport_encryption_subkey()
            .add_storage_encryption_subkey()
            .generate();
        let key = TenantKey::parse(&made.unwrap().0.as_tsk().armored().to_vec().unwrap()).unwrap();
        let message = seal(&plaintext, &[public(&key)], &signer);
        let (opened, _) = open(&message[..], std::slice::from_ref(&key), &unsigned()).unwrap();
        assert!(opened == plaintext, "{suite:?}");
        if profile == Profile::RFC4880 {
            let message = gpg.run(&["-r", &gpg.import(&key), "-e"], &plaintext[..]);
            let (opened, _) = open(&message[..], &[key], &unsigned()).unwrap();
            assert!(opened == plaintext, "{suite:?}, from gpg");
        }
    }
}

#[test]
fn gnupgs_own_form_is_answered_in_words() {
    let (gpg, key) = (Gpg::new(), tenant_key());
    let message = gpg.run(&["-r", &gpg.import(&key), "-e", "-z", "0"], &b"a;b"[..]);
    let mut form = message.clone();
    assert_eq!(form[96], 0xD2);
    form[96] = 0xD4;
    let outcome = open(&form[..], &[key], &unsigned());
    assert!(matches!(outcome, Err(Error::Form)), "{outcome:?}");
}

/// Sequoia's command line of another version than the library.
struct Sq {
    folder: TempDir,
}

impl Sq {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn run(args: &[&str], files: &[&Path]) -> Vec<u8> {
        let output =
            Command::new("sq").arg("--force").args(args).args(files).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "sq {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

#[test]
fn sq_and_we_open_each_other() {
    let (sq, key) = (Sq::new(), tenant_key());
    let plaintext = table(300_000);
    let (table, tenant) =
        (sq.write("table.csv", &plaintext), sq.write("tenant.asc", key.public_armored().unwrap().as_bytes()));
    let tenant = tenant.to_str().unwrap();
    for suite in ["cv25519", "rsa3k", "rsa4k"] {
        let secret = sq.path("customer.key");
        let secret = secret.to_str().unwrap();
        Sq::run(
            &["key", "generate", "--userid", "<c@example.org>", "--cipher-suite", suite, "--export", secret],
            &[],
        );
        let customer = PublicKey::parse(&Sq::run(&["key", "extract-cert", secret], &[])).unwrap();
        for options in [&[][..], &["--binary"], &["--signer-key", secret], &["--compression", "zlib"]] {
            let message = Sq::run(&[&["encrypt", "--recipient-cert", tenant], options].concat(), &[&table]);
            let signers = [customer.clone()];
            let terms =
                Terms { signers: &signers, signature_required: options.contains(&secret), ..unsigned() };
            let (opened, verified) = open(&message[..], std::slice::from_ref(&key), &terms).unwrap();
            assert!(opened == plaintext, "{suite}, {options:?}");
            assert_eq!(verified.signer.is_some(), options.contains(&secret), "{suite}, {options:?}");
        }
        let message = sq.write("export.pgp", &seal(&plaintext, &[customer], &key));
        let opened = Sq::run(&["decrypt", "--recipient-key", secret, "--signer-cert", tenant], &[&message]);
        assert!(opened == plaintext, "{suite}");
    }
}
