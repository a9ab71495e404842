use std::net::Ipv4Addr;

use aws_config::{BehaviorVersion, Region};
use futures_util::FutureExt;
use russh::keys::{Algorithm, PublicKeyOrCertificate};
use tokio::io::AsyncReadExt;

use super::*;

/// A test fails after this long; none waits for it.
const DEADLINE: Duration = Duration::from_mins(2);
const HOUR: Duration = Duration::from_hours(1);
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A gateway without a database and without S3: nobody listens where it looks for them.
pub(crate) async fn alone() -> Gateway {
    let store = Store::connect_awake("postgres://nobody@127.0.0.1:1/none", 1).unwrap();
    let config = aws_config::defaults(BehaviorVersion::latest()).region(Region::new("us-east-1"));
    let config = config.no_credentials().load().await;
    let exchange = Exchange::new(&config, "arn:aws:iam::000000000000:role/tenant", "spool");
    let master = MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    let mut gateway = Gateway::new(store, exchange, master);
    gateway.times = Times { login: HOUR, idle: HOUR, lines: HOUR };
    gateway
}

/// One in which not even one line of the audit has room.
pub(crate) async fn without_room() -> Gateway {
    let mut gateway = alone().await;
    (gateway.journal, gateway.times.lines) = (Journal::with(0, HOUR), Duration::ZERO);
    gateway
}

fn stranger(gateway: &Gateway) -> Permit<IpAddr> {
    gateway.limits.strangers.take(SOURCE).unwrap()
}

/// A client that believes every host.
struct Anybody;

impl russh::client::Handler for Anybody {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

async fn connected(gateway: Gateway) -> TcpStream {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
    tokio::spawn(gateway.serve(listener, vec![key], std::future::pending()));
    TcpStream::connect(address).await.unwrap()
}

#[tokio::test]
async fn a_connection_that_says_nothing_ends_when_its_login_takes_too_long() {
    let mut gateway = alone().await;
    gateway.times.login = Duration::from_millis(10);
    let mut stream = connected(gateway).await;
    let mut said = Vec::new();
    // An end, orderly or not.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut said)).await.expect("the connection goes on");
}

#[tokio::test]
async fn a_client_that_does_not_log_in_is_disconnected() {
    let mut gateway = alone().await;
    gateway.times.login = Duration::from_millis(10);
    let stream = connected(gateway).await;
    let config = Arc::new(russh::client::Config::default());
    // The machine may be too slow for the greeting: that is an end, too.
    let Ok(client) = russh::client::connect_stream(config, stream, Anybody).await else { return };
    // Orderly or not: that depends on what was under way.
    let _ = timeout(DEADLINE, client).await.expect("the connection goes on");
}

#[tokio::test]
async fn a_login_that_takes_too_long_is_why_a_connection_ends() {
    let (gateway, client) = (alone().await, Client::new());
    for (grace, expected) in [(Duration::ZERO, Some("The login took too long.")), (HOUR, None)] {
        let (_logged_in, login) = oneshot::channel();
        let why = gateway.why_it_ends(login, Instant::now() + grace, stranger(&gateway), &client);
        let why = if expected.is_some() { Some(why.await) } else { why.now_or_never() };
        assert_eq!(why, expected);
    }
}

#[tokio::test]
async fn a_connection_ends_when_nothing_is_asked_for_and_not_before() {
    for (idle, expected) in [(Duration::ZERO, Some("Nothing was asked for in 30 minutes.")), (HOUR, None)] {
        let (mut gateway, client) = (alone().await, Client::new());
        gateway.times.idle = idle;
        let (logged_in, login) = oneshot::channel();
        logged_in.send(()).unwrap();
        client.seen();
        // The grace of the login is over, and does not count any more.
        let why = gateway.why_it_ends(login, Instant::now() + HOUR, stranger(&gateway), &client);
        let why = if expected.is_some() { Some(why.await) } else { why.now_or_never() };
        assert_eq!(why, expected);
        assert_eq!(gateway.limits.strangers.count(), 0, "who has logged in is no stranger");
    }
}

#[tokio::test]
async fn nothing_begins_while_too_many_lines_wait() {
    assert!(alone().await.has_room().await);
    let gateway = without_room().await;
    assert!(!gateway.has_room().await);
}
