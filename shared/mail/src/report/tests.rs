use contract::{CampaignId, MailId, TenantId};

use super::*;
use crate::{AddressKey, Kind, Links};

const KEY: [u8; 32] = [7; 32];

/// A fixture with the return path of one mail in place of `RETURN-PATH`.
fn fixture(text: &str) -> String {
    let links =
        Links::new("https://m.example", "bounce.example.com", TenantId(1), CampaignId(2), 0, &KEY).unwrap();
    text.replace("RETURN-PATH@bounce.example.com", &links.return_path(MailId(3)))
}

fn bounced(class: BounceClass, status: &str) -> Verdict {
    Verdict::Bounced { class, status: Some(status.to_owned()) }
}

#[test]
fn reports_are_judged_whatever_their_line_ends() {
    let hard = bounced(BounceClass::Hard, "5.1.1");
    let unknown = "550 5.1.1 <address>: Recipient address rejected: User unknown in virtual mailbox table (in reply to RCPT TO command)";
    let expired = "connect to mx.example.net[192.0.2.25]:25: Connection timed out";
    let blocked = "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using dnsbl.example; user <address> protected";
    let table = [
        ("failed", include_str!("../../fixtures/postfix_failed.eml"), hard, Some(unknown)),
        (
            "expired",
            include_str!("../../fixtures/postfix_expired.eml"),
            bounced(BounceClass::Soft, "4.4.1"),
            Some(expired),
        ),
        (
            "blocked",
            include_str!("../../fixtures/postfix_blocked.eml"),
            bounced(BounceClass::Block, "5.7.1"),
            Some(blocked),
        ),
        (
            "delayed",
            include_str!("../../fixtures/postfix_delayed.eml"),
            Verdict::Ignored(Ignored::Delayed),
            Some(expired),
        ),
        (
            "relayed",
            include_str!("../../fixtures/postfix_relayed.eml"),
            Verdict::Delivered,
            Some("250 2.0.0 Ok: queued as 4XyZ"),
        ),
        (
            "exchange",
            include_str!("../../fixtures/exchange_failed.eml"),
            bounced(BounceClass::Hard, "5.1.10"),
            Some(
                "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient <address> not found by SMTP address lookup",
            ),
        ),
        (
            "KumoMTA",
            include_str!("../../fixtures/kumomta_failed.eml"),
            bounced(BounceClass::Soft, "5.2.2"),
            Some("552 5.2.2 <address>: mailbox is full"),
        ),
        (
            "read receipt",
            include_str!("../../fixtures/read_receipt.eml"),
            Verdict::Ignored(Ignored::NotAReport),
            None,
        ),
        ("abuse", include_str!("../../fixtures/arf_abuse.eml"), Verdict::Complained, None),
        (
            "auto reply",
            include_str!("../../fixtures/auto_reply.eml"),
            Verdict::Ignored(Ignored::AutoReply),
            None,
        ),
        ("letter", include_str!("../../fixtures/letter.eml"), Verdict::Ignored(Ignored::NotAReport), None),
    ];
    for (name, text, verdict, diagnostic) in table {
        let lf = fixture(text);
        for (ends, raw) in
            [("LF", lf.clone()), ("CRLF", lf.replace('\n', "\r\n")), ("CR", lf.replace('\n', "\r"))]
        {
            let report = parse_report(raw.as_bytes());
            let claim = report.token.as_ref().map(|token| token.verify(&KEY));
            assert_eq!(claim.map(|claim| claim.unwrap().mail), Some(MailId(3)), "{name} {ends}");
            assert_eq!(report.verdict, verdict, "{name} {ends}");
            assert_eq!(report.diagnostic.as_deref(), diagnostic, "{name} {ends}");
        }
    }
}

#[test]
fn a_report_to_somebody_else_tells_by_the_mail_that_it_quotes() {
    let links =
        Links::new("https://m.example", "bounce.example.com", TenantId(1), CampaignId(2), 0, &KEY).unwrap();
    let mailto = links.unsubscribe_mailto(MailId(3), AddressKey([9; 16])).unwrap();
    let listed = format!("List-Unsubscribe: <https://m.example/u/x>,\n <{mailto}>");
    let returned = format!("Return-Path: <{}>", links.return_path(MailId(3)));
    for (quoted, kind) in [
        (listed.clone(), "message/rfc822"),
        (listed, "text/rfc822-headers"),
        (returned.clone(), "message/rfc822"),
        (returned, "text/rfc822-headers"),
    ] {
        let raw = include_str!("../../fixtures/kumomta_failed.eml")
            .replace("RETURN-PATH@bounce.example.com", "news@example.com")
            .replace("Content-Type: text/rfc822-headers\n\n", &format!("Content-Type: {kind}\n\n{quoted}\n"))
            .replace("Subject: Spring\n--", "Subject: Spring\n\nHello\n--");
        for raw in [raw.clone(), raw.replace('\n', "\r\n"), raw.replace('\n', "\r")] {
            let report = parse_report(raw.as_bytes());
            let claim = report.token.as_ref().map(|token| token.verify(&KEY).map(|claim| claim.mail));
            assert_eq!(claim, Some(Ok(MailId(3))), "{raw}");
            assert_eq!(report.verdict, bounced(BounceClass::Soft, "5.2.2"));
        }
    }
}

#[test]
fn the_topmost_envelope_recipient_counts() {
    let raw = fixture(
        "X-Envelope-To: other@bounce.example.com\nX-Envelope-To: RETURN-PATH@bounce.example.com\nTo: x@y.example\n\nx",
    );
    assert!(parse_report(raw.as_bytes()).token.is_none());
    let raw =
        fixture("X-Envelope-From: <>\nX-Envelope-To: <RETURN-PATH@bounce.example.com>\nTo: x@y.example\n\nx")
            .to_uppercase();
    assert!(parse_report(raw.as_bytes()).token.is_some());
}

#[test]
fn the_named_address_counts_for_nothing() {
    let raw = include_str!("../../fixtures/postfix_failed.eml").replace("RETURN-PATH@", "postmaster@");
    let report = parse_report(raw.as_bytes());
    assert!(report.token.is_none());
    assert!(!format!("{report:?}").contains("anna.muster"));
}

#[test]
fn not_spam_is_no_complaint() {
    let raw = fixture(include_str!("../../fixtures/arf_abuse.eml"))
        .replace("Feedback-Type: abuse", "Feedback-Type: not-spam");
    assert_eq!(parse_report(raw.as_bytes()).verdict, Verdict::Ignored(Ignored::OtherReport));
}

#[test]
fn a_mail_to_the_address_that_unsubscribes_does_so_whoever_wrote_it() {
    let links =
        Links::new("https://m.example", "bounce.example.com", TenantId(1), CampaignId(2), 0, &KEY).unwrap();
    let address_key = AddressKey([9; 16]);
    let mailto = links.unsubscribe_mailto(MailId(3), address_key).unwrap();
    let address = mailto.strip_prefix("mailto:").unwrap().split('?').next().unwrap();
    let to_it = |text: &str| text.replace("RETURN-PATH@bounce.example.com", address);
    let reply = Verdict::Ignored(Ignored::AutoReply);
    let report = Verdict::Ignored(Ignored::OtherReport);
    let complaint = include_str!("../../fixtures/arf_abuse.eml")
        .replace("fbl@example.com", "RETURN-PATH@bounce.example.com");
    let letter = "X-Envelope-From: <x@y.example>\nX-Envelope-To: <RETURN-PATH@bounce.example.com>\nFrom: anybody@else.example\nSubject: unsubscribe\n";
    let table = [
        (to_it(&format!("{letter}\nPlease.\n")), Verdict::Unsubscribed),
        (to_it(letter), Verdict::Unsubscribed),
        (to_it(&format!("{letter}\n")).to_uppercase(), Verdict::Unsubscribed),
        (
            to_it(&format!("{letter}Precedence: bulk\nAuto-Submitted: auto-generated\n\n")),
            Verdict::Unsubscribed,
        ),
        (to_it(&format!("{letter}Auto-Submitted: auto-replied (vacation)\n\n")), reply),
        (to_it(include_str!("../../fixtures/postfix_failed.eml")), report.clone()),
        (to_it(&complaint), report),
    ];
    for (raw, verdict) in table {
        let report = parse_report(raw.as_bytes());
        assert_eq!(report.verdict, verdict, "{raw}");
        let claim = report.token.unwrap().verify(&KEY).unwrap();
        assert_eq!((claim.mail, claim.kind), (MailId(3), Kind::Unsubscribe { address_key }));
        assert!(report.diagnostic.is_none());
    }
    // The topmost one: whatever else a mail names is a stranger's word.
    let raw = to_it(
        "X-Envelope-To: <other@bounce.example.com>\nX-Envelope-To: <RETURN-PATH@bounce.example.com>\n\n",
    );
    assert!(parse_report(raw.as_bytes()).token.is_none());
}

#[test]
fn anything_at_all_is_judged() {
    let long = "Diagnostic-Code: smtp; ".to_owned() + &"ä".repeat(2000);
    let status = format!("Content-Type: message/delivery-status\n\nAction: failed\n{long}\n");
    let report = parse_report(status.as_bytes());
    assert!(report.diagnostic.unwrap().len() <= DIAGNOSTIC_BYTES_MAX);
    for raw in [
        &b""[..],
        b"\n",
        b"\r\r\r",
        b"\xff\xfe\x00",
        b"Content-Type: message/delivery-status\n\n",
        &vec![b'a'; 3_000_000],
    ] {
        assert!(matches!(parse_report(raw).verdict, Verdict::Ignored(_)));
    }
}
