//! Plain loopback ports for function URLs, whose host names the resolver does not know.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use crate::error::{Error, IoContext, Result};

/// What Lambda takes as a request.
const BODY_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Theirs is the connection, not the message (RFC 9110, 7.6.1).
const HOP_BY_HOP: [&str; 7] =
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];
/// `LocalStack` tells the function this address as the client's.
const REMOTE_ADDR: HeaderName = HeaderName::from_static("remote-addr");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// One port and the function URL behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The loopback port to listen on.
    pub port: u16,
    /// The function URL's host, with its port.
    pub host: String,
}

impl std::str::FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (port, host) = text.split_once('=').ok_or("a route is <port>=<host>")?;
        let port = port.parse().map_err(|_| format!("{port} is not a port"))?;
        Ok(Self { port, host: host.to_owned() })
    }
}

struct Upstream {
    authority: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// Serves all routes for ever.
pub async fn serve(upstream: &str, routes: &[Route]) -> Result<()> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let upstream = Arc::new(Upstream { authority: upstream.to_owned(), client });
    let mut serving = tokio::task::JoinSet::new();
    for route in routes {
        let listener = TcpListener::bind(("127.0.0.1", route.port))
            .await
            .or_cannot(|| format!("listen on port {}", route.port))?;
        serving.spawn(accept(listener, upstream.clone(), route.host.clone()));
    }
    match serving.join_next().await {
        Some(Ok(ended)) => ended,
        _ => Err(Error::failed("the proxy has no route", "Give it --route <port>=<host>.")),
    }
}

async fn accept(listener: TcpListener, upstream: Arc<Upstream>, host: String) -> Result<()> {
    loop {
        let (stream, peer) = listener.accept().await.or_cannot(|| "accept a connection".to_owned())?;
        let (upstream, host) = (upstream.clone(), host.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let service = service_fn(|request| {
                let (upstream, host) = (upstream.clone(), host.clone());
                async move { Ok::<_, std::convert::Infallible>(forward(request, &upstream, &host, peer).await) }
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A client that leaves is not our trouble.
            let _ = connection.await;
        });
    }
}

async fn forward(
    request: Request<hyper::body::Incoming>,
    upstream: &Upstream,
    host: &str,
    peer: SocketAddr,
) -> Response<Full<Bytes>> {
    let (mut head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 6 MB");
    };
    let Ok(uri) = target(&upstream.authority, &head.uri) else {
        return plain(StatusCode::BAD_REQUEST, "not a path");
    };
    head.uri = uri;
    head.version = hyper::Version::HTTP_11;
    if rewrite(&mut head.headers, host, peer).is_err() {
        return plain(StatusCode::BAD_REQUEST, "not a host");
    }
    let forwarded = Request::from_parts(head, Full::new(body.to_bytes()));
    let Ok(answer) = upstream.client.request(forwarded).await else {
        return plain(StatusCode::BAD_GATEWAY, "the local stack does not answer");
    };
    let (mut head, body) = answer.into_parts();
    let Ok(body) = body.collect().await else {
        return plain(StatusCode::BAD_GATEWAY, "the local stack broke off");
    };
    remove_hop_by_hop(&mut head.headers);
    Response::from_parts(head, Full::new(body.to_bytes()))
}

/// Path and query go on as they came, not decoded.
fn target(authority: &str, uri: &Uri) -> std::result::Result<Uri, hyper::http::Error> {
    let path = uri.path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str);
    Uri::builder().scheme("http").authority(authority).path_and_query(path).build()
}

fn rewrite(
    headers: &mut HeaderMap,
    host: &str,
    peer: SocketAddr,
) -> std::result::Result<(), hyper::header::InvalidHeaderValue> {
    remove_hop_by_hop(headers);
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("multipart/") && !kind.contains("boundary=") {
        // `LocalStack` reads forms itself, and fails at one without a boundary. Nobody else can read it either.
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    }
    // `LocalStack` takes a page's own form for another site's.
    headers.remove(ORIGIN);
    headers.insert(HOST, HeaderValue::from_str(host)?);
    // Whoever asks is on this machine: tests speak for other clients by naming them.
    let client = match headers.get(FORWARDED_FOR) {
        Some(named) => named.clone(),
        None => HeaderValue::from_str(&peer.ip().to_string())?,
    };
    headers.insert(REMOTE_ADDR, client);
    Ok(())
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_stay_as_they_came() {
        let uri: Uri = "/c/a%2Fb?x=1&y=%20".parse().unwrap();
        assert_eq!(target("127.0.0.1:4566", &uri).unwrap(), "http://127.0.0.1:4566/c/a%2Fb?x=1&y=%20");
    }

    #[test]
    fn the_client_is_named_unless_it_names_itself() {
        let peer: SocketAddr = "127.0.0.1:5000".parse().unwrap();
        let mut headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("127.0.0.1:8080"))]);
        headers.insert("connection", HeaderValue::from_static("keep-alive"));
        headers.insert(ORIGIN, HeaderValue::from_static("null"));
        rewrite(&mut headers, "abc.lambda-url.example:4566", peer).unwrap();
        assert_eq!(headers[HOST], "abc.lambda-url.example:4566");
        assert_eq!(headers[REMOTE_ADDR], "127.0.0.1");
        assert!(!headers.contains_key("connection") && !headers.contains_key(ORIGIN));
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("192.0.2.7"));
        rewrite(&mut headers, "abc.lambda-url.example:4566", peer).unwrap();
        assert_eq!(headers[REMOTE_ADDR], "192.0.2.7");
        for (kind, expected) in [
            ("multipart/form-data; boundary=x", "multipart/form-data; boundary=x"),
            ("multipart/form-data", "application/octet-stream"),
        ] {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            rewrite(&mut headers, "abc.lambda-url.example:4566", peer).unwrap();
            assert_eq!(headers[CONTENT_TYPE], expected);
        }
    }

    #[test]
    fn a_route_is_a_port_and_a_host() {
        assert_eq!("8080=h:1".parse(), Ok(Route { port: 8080, host: "h:1".to_owned() }));
        assert!("h".parse::<Route>().is_err());
    }
}
