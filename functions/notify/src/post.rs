//! One HTTPS request to a receiver: a name is asked for, an address judged, and a connection made to exactly that address. No redirect, no
//! proxy, no connection that is used twice.

use std::{
    convert::Infallible,
    future::pending,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use access::{Network, may_be_told};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request,
    client::conn::http1,
    header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, client::Resumption, crypto::aws_lc_rs},
};
use url::{Host, Position, Url};

use crate::{names::Names, outcome::Problem};

/// For everything from the name to the status. A receiver that works longer on an event should take it first.
pub const TOTAL_SECONDS_MAX: Duration = Duration::from_secs(10);
/// For one address, so that one that is dead leaves time for the next.
const CONNECT_SECONDS_MAX: Duration = Duration::from_secs(3);
/// Of one name.
const ADDRESSES_MAX: usize = 4;
/// Status and headers; of the body nothing is asked for. The library's least is 8 KiB.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Of an answer.
const HEADERS_MAX: usize = 64;
const AGENT: &str = "Broadcast-Webhooks/1";

/// One request, signed.
pub struct Post<'a> {
    pub url: &'a str,
    pub id: String,
    /// In seconds since 1970.
    pub timestamp: i64,
    pub signatures: String,
    pub body: &'a str,
}

/// Why the client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file of additional root certificates.
    #[error("WEBHOOK_CA holds no usable certificate")]
    Roots,
    /// The library knows no version of TLS.
    #[error("no TLS")]
    Tls,
}

/// Makes requests.
pub struct Client {
    names: Names,
    networks: Vec<Network>,
    tls: TlsConnector,
}

/// Where a webhook's address leads.
struct Target {
    host: Host<String>,
    port: u16,
    /// For the certificate.
    name: ServerName<'static>,
    /// For the header.
    authority: String,
    path: String,
}

impl Client {
    /// Trusts the public roots, and those of a PEM file.
    pub fn new(names: Names, networks: Vec<Network>, more_roots: Option<&[u8]>) -> Result<Self, ClientError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(pem) = more_roots {
            let more = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
            let more = more.ok().filter(|more| !more.is_empty()).ok_or(ClientError::Roots)?;
            for root in more {
                roots.add(root).map_err(|_| ClientError::Roots)?;
            }
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| ClientError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Nothing of one tenant's connection is known in another's.
        config.resumption = Resumption::disabled();
        Ok(Self { names, networks, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Sends it; the status that came.
    pub async fn post(&self, post: &Post<'_>) -> Result<u16, Problem> {
        timeout(TOTAL_SECONDS_MAX, self.exchange(post)).await.unwrap_or(Err(Problem::Timeout))
    }

    async fn exchange(&self, post: &Post<'_>) -> Result<u16, Problem> {
        let target = Target::parse(post.url)?;
        let addresses = self.addresses(&target).await?;
        let stream = connect(&addresses, target.port).await?;
        let stream = self.tls.connect(target.name.clone(), stream).await.map_err(|_| Problem::Tls)?;
        let request = request(&target, post)?;
        status(stream, request).await.map_err(|_| Problem::Protocol)
    }

    /// Those to which a webhook may go.
    async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, Problem> {
        let mut addresses = match &target.host {
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
            Host::Domain(name) => self.names.addresses(name).await,
        };
        if addresses.is_empty() {
            return Err(Problem::Dns);
        }
        addresses.retain(|address| may_be_told(*address, &self.networks));
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() { Err(Problem::RefusedAddress) } else { Ok(addresses) }
    }
}

impl Target {
    fn parse(url: &str) -> Result<Self, Problem> {
        let url = Url::parse(url).map_err(|_| Problem::Url)?;
        let host = url.host().ok_or(Problem::Url)?.to_owned();
        if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() {
            return Err(Problem::Url);
        }
        let name = match &host {
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(*address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(*address)),
            // A root's dot is of the DNS alone: no certificate has one.
            Host::Domain(name) => {
                let name = name.trim_end_matches('.').to_owned();
                ServerName::try_from(name).map_err(|_| Problem::Url)?
            }
        };
        Ok(Self {
            host,
            port: url.port_or_known_default().ok_or(Problem::Url)?,
            name,
            authority: url[Position::BeforeHost..Position::AfterPort].to_owned(),
            path: url[Position::BeforePath..Position::AfterQuery].to_owned(),
        })
    }
}

/// To the first that answers.
async fn connect(addresses: &[IpAddr], port: u16) -> Result<TcpStream, Problem> {
    for address in addresses {
        let connecting = TcpStream::connect(SocketAddr::new(*address, port));
        if let Ok(Ok(stream)) = timeout(CONNECT_SECONDS_MAX, connecting).await {
            return Ok(stream);
        }
    }
    Err(Problem::Connect)
}

fn request(target: &Target, post: &Post<'_>) -> Result<Request<Full<Bytes>>, Problem> {
    Request::post(&target.path)
        .header(HOST, &target.authority)
        .header(CONNECTION, "close")
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", &post.id)
        .header("webhook-timestamp", post.timestamp)
        .header("webhook-signature", &post.signatures)
        .body(Full::new(Bytes::copy_from_slice(post.body.as_bytes())))
        .map_err(|_| Problem::Url)
}

/// The connection is closed as soon as the status is there: it says all.
async fn status(stream: TlsStream<TcpStream>, request: Request<Full<Bytes>>) -> Result<u16, hyper::Error> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(ANSWER_BYTES_MAX).max_headers(HEADERS_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let served = async {
        // How it ended shows in the answer.
        let _ = connection.await;
        pending::<Infallible>().await
    };
    tokio::select! {
        answer = sender.send_request(request) => Ok(answer?.status().as_u16()),
        never = served => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhooks_address_is_one_of_https() {
        for (url, expected) in [
            ("https://a.example/hooks", Some(("a.example", 443, "a.example", "/hooks"))),
            (
                "https://a.example:8443/h?x=1&y=%20#part",
                Some(("a.example", 8443, "a.example:8443", "/h?x=1&y=%20")),
            ),
            ("https://a.example", Some(("a.example", 443, "a.example", "/"))),
            ("HTTPS://A.Example:443/", Some(("a.example", 443, "a.example", "/"))),
            ("https://a.example./", Some(("a.example.", 443, "a.example.", "/"))),
            ("https://bücher.example/", Some(("xn--bcher-kva.example", 443, "xn--bcher-kva.example", "/"))),
            ("https://192.0.2.7:8443/", Some(("192.0.2.7", 8443, "192.0.2.7:8443", "/"))),
            // Every way of writing an address is seen as one.
            ("https://0x7f.1/", Some(("127.0.0.1", 443, "127.0.0.1", "/"))),
            ("https://2130706433/", Some(("127.0.0.1", 443, "127.0.0.1", "/"))),
            ("https://[::ffff:7f00:1]/", Some(("[::ffff:7f00:1]", 443, "[::ffff:7f00:1]", "/"))),
            ("http://a.example/", None),
            ("ftp://a.example/", None),
            ("https://user@a.example/", None),
            ("https://user:secret@a.example/", None),
            ("https://:secret@a.example/", None),
            ("https:///", None),
            ("https://a_b.example/", Some(("a_b.example", 443, "a_b.example", "/"))),
            ("https://a..example/", None),
            ("a.example", None),
            ("", None),
        ] {
            let target = Target::parse(url).ok();
            let found = target.as_ref().map(|target| {
                let Target { host, port, authority, path, .. } = target;
                (host.to_string(), *port, authority.as_str(), path.as_str())
            });
            let expected =
                expected.map(|(host, port, authority, path)| (host.to_owned(), port, authority, path));
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn roots_are_certificates() {
        let client = |pem: Option<&[u8]>| Client::new(Names::new(None), Vec::new(), pem).err();
        assert!(client(None).is_none());
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(client(Some(broken)), Some(ClientError::Roots)));
        assert!(matches!(client(Some(b"")), Some(ClientError::Roots)), "a file without any is a mistake");
    }
}
