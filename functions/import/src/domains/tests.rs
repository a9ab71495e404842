//! Whole files against a name server on the loopback interface.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use contract::Profile;
use mail::DigestKey;
use testkit::name_server::NameServer;
use tokio::{runtime::Handle, task::spawn_blocking};

use super::*;
use crate::reading::{
    gate::{Domains, Verdict},
    report::Report,
    rows::{self, Rows, Terms},
};

const NO_LIMITS: Limits = Limits { failures_max: u32::MAX, waited_max: Duration::from_hours(1) };

struct Read {
    rows: Rows,
    copied: Vec<u8>,
    /// Line, column and code of each rejected row.
    report: Vec<(String, String, String)>,
    stopped: bool,
    asked: u64,
}

impl Read {
    fn has_copied(&self, text: &str) -> bool {
        memchr::memmem::find(&self.copied, text.as_bytes()).is_some()
    }
}

/// Reads a list of addresses.
async fn read(resolver: &Arc<Resolver>, limits: Limits, addresses: Vec<String>) -> Read {
    let (resolver, runtime) = (Arc::clone(resolver), Handle::current());
    let reading = move || {
        let mut lookups = Lookups::new(resolver, runtime, limits);
        let file = format!("email\n{}\n", addresses.join("\n"));
        let profile = Profile::default();
        let digest_key = DigestKey::new(&[7; 32]);
        let terms = Terms { profile: &profile, delimiter: None, charset: None, digest_key: &digest_key };
        let mut report = Report::new(|| Ok(Vec::new()));
        let mut copied = Vec::new();
        let send = |chunk: bytes::Bytes| {
            copied.extend_from_slice(&chunk);
            true
        };
        let domains = Some(&mut lookups as &mut dyn Domains);
        let done = AtomicU64::new(0);
        let rows = rows::read_rows(file.as_bytes(), &terms, domains, &mut report, &done, send).unwrap();
        let report = report.finish().unwrap().unwrap_or_default();
        let report = csv::Reader::from_reader(&*report)
            .records()
            .map(|row| row.map(|row| (row[0].to_owned(), row[1].to_owned(), row[2].to_owned())).unwrap())
            .collect();
        Read { rows, copied, report, stopped: lookups.has_stopped(), asked: lookups.asked() }
    };
    spawn_blocking(reading).await.unwrap()
}

fn of_server(server: &NameServer) -> Arc<Resolver> {
    Arc::new(Resolver::new(Some(server.address)))
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_of_every_kind_have_their_rows_or_reports() {
    let server = NameServer::start().await;
    let kinds =
        ["mx", "null-mx", "a-only", "aaaa-only", "nothing", "nxdomain", "servfail", "refused", "silent"];
    let mut addresses: Vec<String> = kinds.iter().map(|kind| format!("{kind}@{kind}.example")).collect();
    addresses.push("no address".to_owned());
    addresses.push("capitals@NXDOMAIN--2.Example".to_owned());
    addresses.push("again@mx.example".to_owned());
    let read = read(&of_server(&server), NO_LIMITS, addresses).await;
    let expected = [
        ("3", "email", "address_domain_no_mail"),
        ("6", "email", "address_domain_no_mail"),
        ("7", "email", "address_domain_no_mail"),
        ("11", "email", "address_no_at"),
        ("12", "email", "address_domain_no_mail"),
    ];
    let expected = expected.map(|(line, column, code)| (line.into(), column.into(), code.into()));
    assert_eq!(read.report, expected);
    assert_eq!((read.rows.imported, read.rows.rejected, read.rows.unknown), (7, 5, 3));
    for imported in ["mx@", "a-only@", "aaaa-only@", "servfail@", "refused@", "silent@", "again@"] {
        assert!(read.has_copied(imported), "{imported}");
    }
    assert!(!read.stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_is_asked_about_once() {
    let server = NameServer::start().await;
    let resolver = of_server(&server);
    for kind in ["mx", "nxdomain"] {
        let addresses: Vec<String> = (0..1_000).map(|n| format!("n{n}@{kind}--once.example")).collect();
        let first = read(&resolver, NO_LIMITS, addresses.clone()).await;
        assert_eq!((first.asked, first.rows.imported), (1, if kind == "mx" { 1_000 } else { 0 }));
        // The next import of this process knows.
        let second = read(&resolver, NO_LIMITS, addresses).await;
        assert_eq!((second.asked, second.rows.imported), (0, first.rows.imported));
    }
    assert_eq!(server.asked_for_exchanges(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_domains_are_asked_about_at_the_same_time() {
    const TOGETHER: usize = 64;
    let server = NameServer::gathering(TOGETHER).await;
    let addresses: Vec<String> = (0..200).map(|n| format!("a@mx--{n}.example")).collect();
    let read = read(&of_server(&server), NO_LIMITS, addresses).await;
    // The server said nothing before so many questions had come: they were all open.
    assert_eq!((read.rows.imported, read.rows.unknown, read.asked), (200, 0, 200));
    assert_eq!(server.asked_for_exchanges(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn name_servers_that_fail_are_given_up() {
    let server = NameServer::start().await;
    let failing = |n: usize| format!("a@servfail--{n}.example");
    let limits = Limits { failures_max: 10, ..NO_LIMITS };
    let down: Vec<String> = (0..1_000).map(failing).chain(["a@nxdomain.example".to_owned()]).collect();
    let read_down = read(&of_server(&server), limits, down).await;
    assert!(read_down.stopped && read_down.asked < 1_000);
    assert_eq!((read_down.rows.imported, read_down.rows.rejected), (1_001, 0));
    assert_eq!(read_down.rows.unknown, 1_001);

    // Failures between answers are their domains' own.
    let mixed = (0..100).map(|n| if n % 5 == 0 { format!("a@mx--{n}.example") } else { failing(5_000 + n) });
    let limits = Limits { failures_max: 100, ..NO_LIMITS };
    let read = read(&of_server(&server), limits, mixed.collect()).await;
    assert_eq!((read.stopped, read.rows.imported, read.rows.unknown), (false, 100, 80));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_waits_so_long_and_no_longer() {
    let server = NameServer::start().await;
    let limits = Limits { waited_max: Duration::ZERO, ..NO_LIMITS };
    let silent: Vec<String> = (0..100).map(|n| format!("a@silent--{n}.example")).collect();
    let read = read(&of_server(&server), limits, silent).await;
    assert_eq!((read.stopped, read.rows.imported, read.rows.unknown), (true, 100, 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_remembered_for_a_time() {
    let server = NameServer::start().await;
    let resolver = of_server(&server);
    for (domain, verdict) in [
        ("mx.example", Verdict::Takes),
        ("nxdomain.example", Verdict::TakesNone),
        ("servfail.example", Verdict::Unknown),
    ] {
        assert_eq!(resolver.known(domain), None);
        let answer = resolver.ask(domain).await;
        assert_eq!(answer.verdict, verdict);
        resolver.learn(domain, answer);
        assert_eq!(resolver.known(domain), Some(verdict));
    }
}
