//! An S3 server of the benchmarks' own, on the crate `s3s`, in a process of its own: its memory and time are not the gateway's.
//!
//! It answers what the gateway asks of STS and Secrets Manager, too. Requests' signatures and payload digests are verified.

mod aws;
mod endless;

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use s3s::{
    HttpResponse,
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

pub use aws::ASSUMED_ROLE;
pub use endless::content;

use crate::Result;

/// Both halves of every credential here.
pub const CREDENTIAL: &str = "bench";
/// Stands for a folder's path.
const ENDLESS: &str = "endless";

/// Where the objects are.
#[derive(Clone, Debug)]
pub enum Place {
    /// Files of a folder, by `s3s-fs`.
    Folder(PathBuf),
    /// Nowhere: what comes is counted, what goes is made.
    Endless,
}

/// A running server. Ends when it is dropped.
pub struct Server {
    #[expect(dead_code, reason = "the process ends with it")]
    process: Child,
    /// `http://127.0.0.1:port`
    pub endpoint: String,
}

impl Server {
    /// `secrets`: a folder with a file for each secret.
    pub async fn start(place: &Place, secrets: &Path) -> Result<Self> {
        let place = match place {
            Place::Folder(path) => path.as_os_str(),
            Place::Endless => ENDLESS.as_ref(),
        };
        let mut process = Command::new(std::env::current_exe()?)
            .arg("--s3-server")
            .args([place, secrets.as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let said = process.stdout.take().ok_or("no output")?;
        let address = BufReader::new(said).lines().next_line().await?.ok_or("the S3 server did not start")?;
        Ok(Self { process, endpoint: format!("http://{address}") })
    }
}

/// Serves on a loopback port, which it tells, until the process ends.
pub async fn serve(place: &str, secrets: &str) -> Result<()> {
    let mut builder = if place == ENDLESS {
        S3ServiceBuilder::new(endless::Endless::default())
    } else {
        S3ServiceBuilder::new(FileSystem::new(place).map_err(|error| format!("{error:?}"))?)
    };
    builder.set_auth(SimpleAuth::from_single(CREDENTIAL, CREDENTIAL));
    let (service, secrets): (S3Service, Arc<Path>) = (builder.build(), Path::new(secrets).into());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address: SocketAddr = listener.local_addr()?;
    println!("{address}");
    loop {
        let (socket, _) = listener.accept().await?;
        let _ = socket.set_nodelay(true);
        let (service, secrets) = (service.clone(), Arc::clone(&secrets));
        let service = service_fn(move |request| {
            let (service, secrets) = (service.clone(), Arc::clone(&secrets));
            async move { Ok::<_, Infallible>(answer(&service, &secrets, request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

async fn answer(service: &S3Service, secrets: &Path, request: Request<Incoming>) -> HttpResponse {
    if aws::is_other(&request) {
        return aws::answer(request, secrets).await;
    }
    hyper::service::Service::call(service, request).await.unwrap_or_else(|_| aws::failed())
}
