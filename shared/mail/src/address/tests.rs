use super::*;

#[test]
fn addresses_are_normalised() {
    let table = [
        ("anna@example.com", "anna@example.com", "anna@example.com"),
        (" Anna.Muster+x@EXAMPLE.com\t", "Anna.Muster+x@example.com", "anna.muster+x@example.com"),
        ("\u{feff}a@b.example", "a@b.example", "a@b.example"),
        ("info@Müller.example", "info@xn--mller-kva.example", "info@xn--mller-kva.example"),
        ("info@xn--mller-kva.example", "info@xn--mller-kva.example", "info@xn--mller-kva.example"),
        ("\"Anna\"@example.com", "\"Anna\"@example.com", "anna@example.com"),
        ("\"a b@c\"@example.com", "\"a b@c\"@example.com", "\"a b@c\"@example.com"),
        ("o'neil@sub.example.co.uk", "o'neil@sub.example.co.uk", "o'neil@sub.example.co.uk"),
        ("Mü.Ller@example.com", "Mü.Ller@example.com", "mü.ller@example.com"),
        // Two characters for one letter.
        ("Mu\u{308}ller@example.com", "M\u{fc}ller@example.com", "m\u{fc}ller@example.com"),
        (
            "U\u{308}ber@Mu\u{308}ller.example",
            "\u{dc}ber@xn--mller-kva.example",
            "\u{fc}ber@xn--mller-kva.example",
        ),
        ("ИВАН@example.com", "ИВАН@example.com", "иван@example.com"),
        ("ΟΔΟΣ@example.com", "ΟΔΟΣ@example.com", "οδος@example.com"),
        ("\"Jörg\"@example.com", "\"Jörg\"@example.com", "jörg@example.com"),
        ("\"Jörg B\"@example.com", "\"Jörg B\"@example.com", "\"jörg b\"@example.com"),
        ("用户@例子.example", "用户@xn--fsqu00a.example", "用户@xn--fsqu00a.example"),
    ];
    for (text, envelope, normalised) in table {
        let address = Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((address.envelope(), &*address.normalised()), (envelope, normalised), "{text}");
    }
}

#[test]
fn bad_addresses_say_what_is_wrong() {
    use AddressError::{Domain, LocalPart, Missing, NoAt, TooLong};
    let long_local = format!("{}@example.com", "a".repeat(65));
    let long_umlauts = format!("{}@example.com", "ü".repeat(33));
    let long = format!("a@{}example.com", "abcdefgh.".repeat(28));
    let table = [
        ("", Missing),
        (" \t\u{a0}", Missing),
        ("anna", NoAt),
        ("anna@b@example.com", NoAt),
        ("@example.com", LocalPart),
        (".anna@example.com", LocalPart),
        ("an..na@example.com", LocalPart),
        ("anna.@example.com", LocalPart),
        ("an na@example.com", LocalPart),
        ("an\r\nna@example.com", LocalPart),
        ("Anna <anna@example.com", LocalPart),
        ("\"an\"na\"@example.com", LocalPart),
        ("\"anna\\\"@example.com", LocalPart),
        ("\"an\nna\"@example.com", LocalPart),
        ("\"\"@example.com", LocalPart),
        ("\"an<n>a\"@example.com", LocalPart),
        ("\"an\\>na\"@example.com", LocalPart),
        // Not seen: no width, a direction, a soft hyphen, a filler; a space; a control; private; not assigned; a mark of nothing.
        ("an\u{200b}na@example.com", LocalPart),
        ("an\u{200d}na@example.com", LocalPart),
        ("an\u{202e}na@example.com", LocalPart),
        ("an\u{ad}na@example.com", LocalPart),
        ("an\u{3164}na@example.com", LocalPart),
        ("an\u{fe0f}na@example.com", LocalPart),
        ("an\u{a0}na@example.com", LocalPart),
        ("an\u{2028}na@example.com", LocalPart),
        ("an\u{85}na@example.com", LocalPart),
        ("an\u{e000}na@example.com", LocalPart),
        ("an\u{378}na@example.com", LocalPart),
        ("\u{308}anna@example.com", LocalPart),
        ("a.\u{338}na@example.com", LocalPart),
        ("\"an\u{200b}na\"@example.com", LocalPart),
        ("\"an\\ü\"@example.com", LocalPart),
        ("müller", NoAt),
        ("mü@ller@example.com", NoAt),
        (long_umlauts.as_str(), TooLong),
        ("anna@", Domain),
        ("anna@localhost", Domain),
        ("anna@example..com", Domain),
        ("anna@example.com.", Domain),
        ("anna@-example.com", Domain),
        ("anna@exa_mple.com", Domain),
        ("anna@exa mple.com", Domain),
        ("anna@example.com>", Domain),
        ("anna@example.com\r\nBcc: x", Domain),
        ("anna@[127.0.0.1]", Domain),
        ("anna@127.0.0.1", Domain),
        (long_local.as_str(), TooLong),
        (long.as_str(), TooLong),
    ];
    for (text, error) in table {
        assert_eq!(Address::parse(text).unwrap_err(), error, "{text:?}");
    }
}

/// The short way and the long way agree, and the short one copies nothing.
#[test]
fn plain_addresses_are_borrowed() {
    let long_label = "l".repeat(63);
    let labels = [
        "a",
        "1",
        "a-b",
        "a--b",
        "-a",
        "a-",
        "",
        "xn--mller-kva",
        "xn--",
        "A",
        "a_b",
        "ä",
        &long_label,
        "l1",
    ];
    let domains = labels.iter().flat_map(|first| labels.map(|second| format!("{first}.{second}")));
    for domain in domains.chain([format!("{long_label}l.example"), "example".to_owned()]) {
        let long = domain::idna(&domain).ok();
        let text = format!("Anna.Muster+x@{domain}");
        let address = Address::parse(&text).ok();
        assert_eq!(address.as_ref().map(Address::domain), long.as_deref(), "{domain}");
        let plain = plain::is_plain_domain(domain.as_bytes());
        assert_eq!(plain, long.as_deref() == Some(&*domain) && !domain.contains("xn--"), "{domain}");
        let borrowed = matches!(address, Some(Address { envelope: Cow::Borrowed(_), .. }));
        assert_eq!(borrowed, long.as_deref() == Some(&*domain), "{domain}");
    }
}

#[test]
fn the_digest_never_changes() {
    let [seven, eight] = [7, 8].map(|byte| DigestKey::new(&[byte; 32]));
    let key = Address::parse("Anna@Example.com").unwrap().key(&seven);
    assert_eq!(key, Address::parse("\"anna\"@EXAMPLE.COM").unwrap().key(&seven));
    assert_ne!(key, Address::parse("anna@example.com").unwrap().key(&eight));
    assert_eq!(key.to_hex(), "fe5a4c22215ed5ab5b759b2309392fd2");
    assert_eq!(AddressKey::from_hex(&key.to_hex()), Some(key));
    assert_eq!(AddressKey::from_hex("00"), None);
}

/// Suppressions are looked up by it for a tenant's life.
#[test]
fn digests_are_those_of_their_first_day() {
    let key = DigestKey::new(&[7; 32]);
    let table = [
        ("Anna@Example.com", "fe5a4c22215ed5ab5b759b2309392fd2"),
        ("\"Anna\"@EXAMPLE.COM", "fe5a4c22215ed5ab5b759b2309392fd2"),
        ("o'Neil+News@sub.example.co.uk", "aec92b6c430b5bfb0d8eda7d44158224"),
        ("\"a B@c\"@example.com", "a0864b72af8bfc415ef780e20260c040"),
        ("info@Müller.example", "d14bb8a2c87ef9989d0782af42778d4e"),
        ("Mü.Ller@example.com", "b9622518f55d4c6ca164ca365eb6c09e"),
        ("mu\u{308}.ller@example.com", "b9622518f55d4c6ca164ca365eb6c09e"),
        ("ИВАН@example.com", "7feb90f0cebfd0872a9e01a471396c52"),
        ("\"Jörg B\"@example.com", "0535a56216e6ca348019092da8321536"),
    ];
    for (text, digest) in table {
        assert_eq!(Address::parse(text).unwrap().key(&key).to_hex(), digest, "{text}");
    }
}

#[test]
fn lengths_are_counted_in_octets() {
    let local = "ü".repeat(32);
    let fits = format!("{local}@example.com");
    assert_eq!(Address::parse(&fits).unwrap().envelope().len(), 64 + 12);
    // The composed form counts.
    let decomposed = format!("{}@example.com", "u\u{308}".repeat(32));
    assert_eq!(Address::parse(&decomposed).unwrap().envelope(), fits);
    let whole = |letters: usize| format!("{local}@{}{}", "abcdefgh.".repeat(20), "z".repeat(letters));
    assert_eq!(Address::parse(&whole(9)).unwrap().envelope().len(), ADDRESS_BYTES_MAX);
    assert_eq!(Address::parse(&whole(10)).unwrap_err(), AddressError::TooLong);
}

#[test]
fn debug_hides_the_address() {
    let address = Address::parse("anna@example.com").unwrap();
    let digest_key = DigestKey::new(&[0; 32]);
    let shown = format!("{address:?} {:?} {digest_key:?}", address.key(&digest_key));
    assert_eq!(shown, "Address(..) AddressKey(..) DigestKey(..)");
}
