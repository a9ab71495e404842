use fault::{Code, Disposition, Fault, Notice};
use time::Duration;

use super::{gpg::Gpg, now, public, tenant_key};
use crate::{Error, KeyProblem, PublicKey, TenantKey, generate};

#[test]
fn a_new_key_reads_back_and_hides() {
    let pair = generate("Müller & Söhne <post@example.org>", now()).unwrap();
    let key = TenantKey::parse(pair.secret_armored.as_bytes()).unwrap();
    let public = PublicKey::parse(pair.public_armored.as_bytes()).unwrap();
    assert_eq!(pair.fingerprint.len(), 40);
    assert_eq!(key.fingerprint(), pair.fingerprint);
    assert_eq!(public.fingerprint(), pair.fingerprint);
    assert_eq!(public.armored().unwrap(), key.public_armored().unwrap());
    public.check_encryption(now()).unwrap();
    public.check_signing(now() + Duration::days(36_500)).unwrap();
    for shown in [format!("{pair:?}"), format!("{key:?}"), format!("{public:?}")] {
        assert!(!shown.contains("PRIVATE") && !shown.contains("ller"), "{shown}");
    }
}

#[test]
fn user_ids_are_one_line() {
    for bad in ["", "a\nb", "a\0", &"x".repeat(257)] {
        assert!(matches!(generate(bad, now()), Err(Error::Key(KeyProblem::UserId))), "{bad:?}");
    }
}

#[test]
fn only_one_whole_public_key_is_a_certificate() {
    let pair = generate("Tenant", now()).unwrap();
    let (one, other) = (public(&tenant_key()).armored().unwrap(), public(&tenant_key()).armored().unwrap());
    for (name, text, problem) in [
        ("nothing", "", KeyProblem::Malformed),
        ("text", "email;name", KeyProblem::Malformed),
        ("two", &format!("{one}\n{other}"), KeyProblem::Malformed),
        ("half", &one[..one.len() / 2], KeyProblem::Malformed),
        ("private", &pair.secret_armored, KeyProblem::Private),
    ] {
        match PublicKey::parse(text.as_bytes()) {
            Err(Error::Key(found)) => assert_eq!(found, problem, "{name}"),
            outcome => panic!("{name}: {outcome:?}"),
        }
    }
    let outcome = TenantKey::parse(one.as_bytes());
    assert!(matches!(outcome, Err(Error::Key(KeyProblem::Secretless))), "{outcome:?}");
}

#[test]
fn weak_and_expired_certificates_are_told() {
    let gpg = Gpg::new();
    gpg.run(&["--quick-generate-key", "weak@example.org", "rsa1024", "default", "never"], &b""[..]);
    let weak = PublicKey::parse(&gpg.run(&["--export", "weak@example.org"], &b""[..])).unwrap();
    let brief = gpg.generate("brief@example.org", "1d");
    brief.check_encryption(now()).unwrap();
    brief.check_signing(now()).unwrap();
    let later = now() + Duration::days(2);
    for (name, key, now) in [("weak", &weak, now()), ("expired", &brief, later)] {
        assert!(matches!(key.check_encryption(now), Err(Error::Key(KeyProblem::NoEncryption))), "{name}");
        assert!(matches!(key.check_signing(now), Err(Error::Key(KeyProblem::NoSigning))), "{name}");
    }
}

#[test]
fn faults_have_words_for_the_customer() {
    for (error, code) in [
        (Error::NotForUs, Code::PgpNotForUs),
        (Error::Damaged, Code::PgpDamaged),
        (Error::Unreadable, Code::PgpDamaged),
        (Error::Form, Code::PgpForm),
        (Error::Signature, Code::PgpSignature),
    ] {
        assert_eq!(error.disposition(), Disposition::Customer(Notice::new(code)));
    }
    let Disposition::Customer(notice) = (Error::TooLarge { bytes_max: 5 }).disposition() else {
        panic!("not told")
    };
    assert!(notice.words().starts_with("The file unpacks to more than 5 bytes. Split it"));
    let source = Error::Source(std::io::ErrorKind::ConnectionReset.into());
    assert_eq!(source.disposition(), Disposition::RETRY);
}
