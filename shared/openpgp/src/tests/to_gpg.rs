use std::io::{self, Write};

use super::{Table, gpg::Gpg, now, open, public, table, tenant_key, unsigned};
use crate::{Error, KeyProblem, PublicKey, TenantKey, Terms, encrypt};

fn seal(plaintext: &[u8], recipients: &[PublicKey], signer: Option<&TenantKey>) -> Vec<u8> {
    let mut message = Vec::new();
    let mut encryptor = encrypt(&mut message, recipients, signer, now()).unwrap();
    encryptor.write_all(plaintext).unwrap();
    encryptor.finish().unwrap();
    message
}

#[test]
fn gpg_opens_what_we_encrypt() {
    let gpg = Gpg::new();
    let recipient = gpg.generate("customer@example.org", "1y");
    recipient.check_encryption(now()).unwrap();
    let plaintext = table(3_000_000);
    for bytes in [0, 10, 3_000_000] {
        let message = seal(&plaintext[..bytes], std::slice::from_ref(&recipient), None);
        assert!(crate::looks_encrypted(&message));
        assert!(gpg.run(&["--decrypt"], &message[..]) == plaintext[..bytes], "{bytes}");
    }
}

#[test]
fn gpg_verifies_what_we_sign() {
    let (gpg, key) = (Gpg::new(), tenant_key());
    gpg.import(&key);
    let recipients = [gpg.generate("customer@example.org", "never"), public(&tenant_key())];
    let message = seal(b"a;b\n", &recipients, Some(&key));
    let output = gpg.try_run(&["--status-fd", "2", "--decrypt"], &message[..]);
    let status = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{status}");
    assert_eq!(output.stdout, b"a;b\n");
    for word in ["GOODSIG", "VALIDSIG", "GOODMDC"] {
        assert!(status.contains(&format!("[GNUPG:] {word}")), "{word} missing: {status}");
    }
    assert!(status.contains(&key.fingerprint()), "{status}");
}

#[test]
fn a_large_file_streams_into_gpg() {
    const BYTES: usize = 64 * 1024 * 1024;
    let gpg = Gpg::new();
    let recipients = [gpg.generate("customer@example.org", "never")];
    let mut message = Vec::new();
    let mut encryptor = encrypt(&mut message, &recipients, None, now()).unwrap();
    io::copy(&mut Table::new(BYTES), &mut encryptor).unwrap();
    encryptor.finish().unwrap();
    assert!(gpg.run(&["--decrypt"], &message[..]) == table(BYTES));
}

#[test]
fn version_2_containers_open_too() {
    let (key, signer) = (tenant_key(), tenant_key());
    let plaintext = table(3_000_000);
    let message = seal(&plaintext, &[public(&key)], Some(&signer));
    let signers = [public(&signer)];
    let terms = Terms { signers: &signers, signature_required: true, ..unsigned() };
    let (opened, verified) = open(&message[..], std::slice::from_ref(&key), &terms).unwrap();
    assert!(opened == plaintext);
    assert_eq!(verified.signer, Some(signer.fingerprint()));
    let end = message.len();
    for place in [400, end / 2, end - 1] {
        let mut changed = message.clone();
        changed[place] ^= 1;
        let outcome = open(&changed[..], std::slice::from_ref(&key), &terms).map(|(_, verified)| verified);
        assert!(matches!(outcome, Err(Error::Damaged)), "bit {place} flipped: {outcome:?}");
        let outcome =
            open(&message[..place], std::slice::from_ref(&key), &terms).map(|(_, verified)| verified);
        assert!(matches!(outcome, Err(Error::Damaged)), "cut at {place}: {outcome:?}");
    }
}

#[test]
fn an_unfinished_message_does_not_open() {
    let key = tenant_key();
    let recipients = [public(&key)];
    let mut message = Vec::new();
    let mut encryptor = encrypt(&mut message, &recipients, None, now()).unwrap();
    encryptor.write_all(&table(10_000_000)).unwrap();
    drop(encryptor);
    assert!(open(&message[..], &[key], &unsigned()).is_err());
}

#[test]
fn a_failing_target_is_told() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(buf.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let recipients = [public(&tenant_key())];
    for room in [0, 6_000_000] {
        let outcome = encrypt(Full(room), &recipients, None, now()).and_then(|mut encryptor| {
            encryptor.write_all(&table(20_000_000)).map_err(Error::from_io)?;
            encryptor.finish()
        });
        match outcome {
            Err(Error::Sink(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
            outcome => panic!("{room}: {outcome:?}"),
        }
    }
}

#[test]
fn nobody_is_left_out_in_silence() {
    let gpg = Gpg::new();
    let brief = gpg.generate("brief@example.org", "1d");
    let lasting = public(&tenant_key());
    let later = now() + time::Duration::days(2);
    let recipients = [lasting, brief];
    let outcome = encrypt(Vec::new(), &recipients, None, later);
    assert!(matches!(outcome, Err(Error::Key(KeyProblem::NoEncryption))));
    assert!(matches!(encrypt(Vec::new(), &[], None, later), Err(Error::Key(KeyProblem::NoEncryption))));
}
