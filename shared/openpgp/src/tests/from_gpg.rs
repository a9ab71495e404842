use std::io::{self, Read};

use time::Duration;

use super::{Table, gpg::Gpg, now, open, table, tenant_key, unsigned};
use crate::{Error, Limits, PEEK_BYTES, Terms, decrypt, looks_encrypted};

#[test]
fn whatever_form_gpg_writes_opens() {
    let (gpg, key) = (Gpg::new(), tenant_key());
    let to = gpg.import(&key);
    gpg.generate("other@example.org", "never");
    let plaintext = table(3_000_000);
    for options in [
        &["--encrypt"][..],
        &["--encrypt", "--armor"],
        &["--encrypt", "--compress-algo", "none"],
        &["--encrypt", "--compress-algo", "zip"],
        &["--encrypt", "--compress-algo", "zlib"],
        &["--encrypt", "--compress-algo", "bzip2"],
        &["--encrypt", "--cipher-algo", "AES128"],
        &["--encrypt", "--throw-keyids"],
        &["--encrypt", "--recipient", "other@example.org"],
        &["--encrypt", "--textmode", "--set-filename", "kunden.csv"],
    ] {
        let message = gpg.run(&[&["--recipient", &to], options].concat(), &plaintext[..]);
        assert!(looks_encrypted(&message[..PEEK_BYTES]), "{options:?}");
        let (opened, verified) = open(&message[..], std::slice::from_ref(&key), &unsigned()).unwrap();
        if options.contains(&"--textmode") {
            // Line ends are the writer's choice there.
            assert_eq!(
                String::from_utf8(opened).unwrap().replace("\r\n", "\n").as_bytes(),
                plaintext,
                "{options:?}"
            );
        } else {
            assert!(opened == plaintext, "{options:?}");
            assert_eq!(verified.plaintext_bytes, 3_000_000);
        }
        assert_eq!(verified.signer, None);
    }
}

#[test]
fn empty_files_open_too() {
    let (gpg, key) = (Gpg::new(), tenant_key());
    let message = gpg.run(&["--recipient", &gpg.import(&key), "--encrypt"], &b""[..]);
    assert_eq!(open(&message[..], &[key], &unsigned()).unwrap().0, b"");
}

#[test]
fn the_tenants_older_key_still_opens() {
    let (gpg, old, new) = (Gpg::new(), tenant_key(), tenant_key());
    let message = gpg.run(&["--recipient", &gpg.import(&old), "--encrypt"], &b"a;b"[..]);
    assert_eq!(open(&message[..], &[new, old], &unsigned()).unwrap().0, b"a;b");
}

#[test]
fn signatures_are_judged_on_registered_keys_alone() {
    let (gpg, key) = (Gpg::new(), tenant_key());
    let to = gpg.import(&key);
    let signer = gpg.generate("signer@example.org", "1y");
    let stranger = gpg.generate("stranger@example.org", "never");
    let plaintext = table(3_000_000);
    let message = gpg.run(&["-r", &to, "-u", "signer@example.org", "--sign", "--encrypt"], &plaintext[..]);
    let plain = gpg.run(&["-r", &to, "--encrypt"], &plaintext[..]);
    let later = now() + Duration::days(400);
    let earlier = now() - Duration::days(1);

    let accepted = Some(signer.fingerprint());
    for (name, sent, signers, required, now, expected) in [
        ("registered, demanded", &message, vec![signer.clone()], true, now(), Some(accepted.clone())),
        (
            "registered, not demanded",
            &message,
            vec![stranger.clone(), signer.clone()],
            false,
            now(),
            Some(accepted),
        ),
        ("unknown, demanded", &message, vec![stranger.clone()], true, now(), None),
        ("unknown, not demanded", &message, vec![stranger.clone()], false, now(), Some(None)),
        ("unsigned, demanded", &plain, vec![signer.clone()], true, now(), None),
        ("unsigned, not demanded", &plain, vec![signer.clone()], false, now(), Some(None)),
        ("signer expired since", &message, vec![signer.clone()], true, later, None),
        ("signed in the future", &message, vec![signer.clone()], true, earlier, None),
    ] {
        let terms = Terms { signers: &signers, signature_required: required, now, ..unsigned() };
        match (open(&sent[..], std::slice::from_ref(&key), &terms), expected) {
            (Ok((opened, verified)), Some(expected)) => {
                assert!(opened == plaintext, "{name}");
                assert_eq!(verified.signer, expected, "{name}");
            }
            (Err(Error::Signature), None) => {}
            (outcome, _) => panic!("{name}: {:?}", outcome.map(|(_, verified)| verified)),
        }
    }
}

/// Counts what was read of a message.
struct Counted<'a>(&'a [u8], &'a std::sync::atomic::AtomicUsize);

impl Read for Counted<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.0.read(buf)?;
        self.1.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
        Ok(n)
    }
}

#[test]
fn a_large_file_streams() {
    const BYTES: usize = 64 * 1024 * 1024;
    const AHEAD_BYTES_MAX: usize = 4 * 1024 * 1024;
    let (gpg, key) = (Gpg::new(), tenant_key());
    let to = gpg.import(&key);
    let message = gpg.run(&["-r", &to, "--encrypt", "--compress-algo", "none"], Table::new(BYTES));

    let read = std::sync::atomic::AtomicUsize::new(0);
    let mut decryptor = decrypt(Counted(&message, &read), &[key], &unsigned()).unwrap();
    let (mut expected, mut ours, mut theirs) = (Table::new(BYTES), vec![0; 100_000], vec![0; 100_000]);
    let mut total = 0;
    loop {
        let n = decryptor.read(&mut ours).unwrap();
        if n == 0 {
            break;
        }
        expected.read_exact(&mut theirs[..n]).unwrap();
        assert!(ours[..n] == theirs[..n], "at {total}");
        total += n;
        let ahead = read.load(std::sync::atomic::Ordering::Relaxed).saturating_sub(total);
        assert!(ahead < AHEAD_BYTES_MAX, "{ahead} bytes held in memory");
    }
    assert_eq!(total, BYTES);
    assert_eq!(decryptor.finish().unwrap().plaintext_bytes, BYTES as u64);
}

#[test]
fn every_kind_of_damage_is_told_alike() {
    let (gpg, key) = (Gpg::new(), tenant_key());
    let to = gpg.import(&key);
    // One that is authentic before its first byte comes out, and one that is not.
    for bytes in [2_000, 5_000_000] {
        let plaintext = table(bytes);
        for algorithm in ["none", "zlib"] {
            let message = gpg.run(&["-r", &to, "-e", "--compress-algo", algorithm], &plaintext[..]);
            let end = message.len();
            // Behind the recipient's packet (2 + 94 octets) and the container's header.
            for place in [120, 140, end / 2, end - 30, end - 21, end - 10, end - 1] {
                let mut changed = message.clone();
                changed[place] ^= 1;
                assert_damaged(
                    &changed,
                    &key,
                    &format!("{algorithm}, {bytes}: bit {place} of {end} flipped"),
                );
            }
            for length in [110, 130, end / 2, end - 22, end - 1] {
                assert_damaged(
                    &message[..length],
                    &key,
                    &format!("{algorithm}, {bytes}: cut at {length} of {end}"),
                );
            }
            for more in [&message[..], b"\n"] {
                let name = format!("{algorithm}, {bytes}: {} bytes follow", more.len());
                assert_damaged(&[&message[..], more].concat(), &key, &name);
            }
        }
    }
}

#[test]
fn armor_is_opened_once_and_whole() {
    let (gpg, key) = (Gpg::new(), tenant_key());
    let to = gpg.import(&key);
    let plaintext = table(2_000_000);
    let message = gpg.run(&["-r", &to, "-e", "--armor", "--comment", "export", "-z", "0"], &plaintext[..]);
    let windows = String::from_utf8(message.clone()).unwrap().replace('\n', "\r\n").into_bytes();
    for (name, text) in [
        ("as it is", message.clone()),
        ("line ends of Windows", windows),
        ("after a mark and an empty line", [b"\xEF\xBB\xBF\n", &message[..]].concat()),
        ("before empty lines", [&message[..], b"\n \r\n"].concat()),
    ] {
        let opened =
            open(&text[..], std::slice::from_ref(&key), &unsigned()).map(|(opened, _)| opened == plaintext);
        assert!(matches!(opened, Ok(true)), "{name}: {opened:?}");
    }
    for (name, text) in [
        ("twice", [&message[..], &message[..]].concat()),
        ("text after it", [&message[..], b"Kind regards\n"].concat()),
        ("cut", message[..message.len() / 2].to_vec()),
    ] {
        assert_damaged(&text, &key, name);
    }
}

fn assert_damaged(message: &[u8], key: &crate::TenantKey, name: &str) {
    match open(message, std::slice::from_ref(key), &unsigned()) {
        Err(Error::Damaged) => {}
        outcome => panic!("{name}: {:?}", outcome.map(|(_, verified)| verified)),
    }
}

#[test]
fn messages_that_are_not_for_us_say_so() {
    let (gpg, key, other) = (Gpg::new(), tenant_key(), tenant_key());
    let to = gpg.import(&other);
    for options in [
        &["-r", to.as_str(), "--encrypt"][..],
        &["-r", to.as_str(), "--encrypt", "--throw-keyids"],
        &["--symmetric", "--passphrase", "secret"],
    ] {
        let message = gpg.run(options, &b"a;b"[..]);
        let outcome = open(&message[..], std::slice::from_ref(&key), &unsigned());
        assert!(matches!(outcome, Err(Error::NotForUs)), "{options:?}: {outcome:?}");
    }
}

#[test]
fn what_is_no_encrypted_message_is_unreadable() {
    let (gpg, key) = (Gpg::new(), tenant_key());
    let to = gpg.import(&key);
    gpg.generate("signer@example.org", "never");
    let signed = gpg.run(&["--sign"], &b"a;b"[..]);
    let message = gpg.run(&["-r", &to, "-e"], &b"a;b"[..]);
    // The container of RFC 2440 has no integrity protection; no GnuPG of today writes one.
    let mut unprotected = message.clone();
    assert_eq!(unprotected[96], 0xD2);
    unprotected[96] = 0xC9;
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("text", b"email;name\na@example.org;A\n"),
        ("signed only", &signed),
        ("no integrity protection", &unprotected),
        ("cut in the recipient", &message[..40]),
        ("a key", key.public_armored().unwrap().as_bytes()),
    ] {
        let outcome = open(bytes, std::slice::from_ref(&key), &unsigned());
        assert!(matches!(outcome, Err(Error::Unreadable)), "{name}: {outcome:?}");
    }
}

#[test]
fn bombs_do_not_go_off() {
    let (gpg, key) = (Gpg::new(), tenant_key());
    let to = gpg.import(&key);
    for algorithm in ["zlib", "bzip2"] {
        let zeros = io::repeat(0).take(64 * 1024 * 1024);
        let message = gpg.run(&["-r", &to, "-e", "-z", "9", "--compress-algo", algorithm], zeros);
        let mut decryptor = decrypt(&message[..], std::slice::from_ref(&key), &unsigned()).unwrap();
        let error = io::copy(&mut decryptor, &mut io::sink()).unwrap_err();
        assert!(matches!(Error::from_io(error), Error::TooLarge { .. }), "{algorithm}");
        assert!(matches!(decryptor.finish(), Err(Error::TooLarge { .. })), "{algorithm}: told again");
    }
    let limits = Limits { plaintext_bytes_max: 1_000_000, ..Limits::default() };
    let message = gpg.run(&["-r", &to, "-e"], &table(1_000_001)[..]);
    let outcome = open(&message[..], &[key], &Terms { limits, ..unsigned() });
    assert!(matches!(outcome, Err(Error::TooLarge { bytes_max: 1_000_000 })));
}

#[test]
fn a_failing_source_is_no_judgement_on_the_message() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let (gpg, key) = (Gpg::new(), tenant_key());
    let message = gpg.run(&["-r", &gpg.import(&key), "-e", "-z", "0"], &table(3_000_000)[..]);
    for length in [0, 50, 1000, 2_900_000, message.len() - 5] {
        let source = message[..length].chain(Failing);
        match open(source, std::slice::from_ref(&key), &unsigned()) {
            Err(Error::Source(error)) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
            outcome => panic!("after {length} bytes: {:?}", outcome.map(|(_, verified)| verified)),
        }
    }
}
