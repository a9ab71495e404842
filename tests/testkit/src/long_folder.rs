//! As much of S3 as a listing meets: one folder with as many files as one likes, made up as they are asked for. A real S3 would take longer
//! to be filled than to be listed.

use std::{collections::BTreeMap, convert::Infallible, fmt::Write as _};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// S3's own, and its default.
const PAGE_KEYS_MAX: usize = 1000;

/// Serves a bucket of any name with `files` files in Incoming until the test ends; returns its address.
pub async fn serve(files: usize) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service =
                service_fn(move |request| std::future::ready(Ok::<_, Infallible>(answer(&request, files))));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service),
            );
        }
    });
    format!("http://{address}")
}

/// The name of file number `n`; they sort by number.
pub fn name(n: usize) -> String {
    format!("recipients-of-the-spring-mailing-{n:06}.csv")
}

fn answer(request: &Request<Incoming>, files: usize) -> Response<Full<Bytes>> {
    let query = request.uri().query().unwrap_or_default();
    let query: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    if request.method() != Method::GET || !query.contains_key("list-type") {
        let mut missing = Response::new(Full::new(Bytes::from("<Error><Code>NoSuchKey</Code></Error>")));
        *missing.status_mut() = StatusCode::NOT_FOUND;
        return missing;
    }
    let listed = matches!(query.get("prefix"), Some(&("Incoming/" | "Incoming%2F")));
    let number = |name: &str| query.get(name).and_then(|value| value.parse::<usize>().ok());
    let from = number("continuation-token").unwrap_or(0);
    let to = if listed {
        files.min(from + number("max-keys").unwrap_or(PAGE_KEYS_MAX).min(PAGE_KEYS_MAX))
    } else {
        from
    };
    Response::new(Full::new(Bytes::from(page(from, to, listed && to < files))))
}

fn page(from: usize, to: usize, more: bool) -> String {
    let mut xml = format!(
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>{more}</IsTruncated><KeyCount>{}</KeyCount>",
        to - from
    );
    if more {
        write!(xml, "<NextContinuationToken>{to}</NextContinuationToken>").unwrap();
    }
    for n in from..to {
        write!(
            xml,
            "<Contents><Key>Incoming/{}</Key><LastModified>2026-11-23T12:00:00.000Z</LastModified><ETag>&quot;{n:032x}&quot;</ETag>\
             <Size>{n}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            name(n)
        )
        .unwrap();
    }
    xml + "</ListBucketResult>"
}
