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
    ];
    for (text, envelope, normalised) in table {
        let address = Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((address.envelope(), &*address.normalised()), (envelope, normalised), "{text}");
    }
}

#[test]
fn bad_addresses_say_what_is_wrong() {
    use AddressError::{Domain, LocalPart, Missing, NoAt, NonAscii, TooLong};
    let long_local = format!("{}@example.com", "a".repeat(65));
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
        ("müller@example.com", NonAscii),
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

#[test]
fn debug_hides_the_address() {
    let address = Address::parse("anna@example.com").unwrap();
    let digest_key = DigestKey::new(&[0; 32]);
    let shown = format!("{address:?} {:?} {digest_key:?}", address.key(&digest_key));
    assert_eq!(shown, "Address(..) AddressKey(..) DigestKey(..)");
}
