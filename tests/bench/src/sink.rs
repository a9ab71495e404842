//! Postfix's smtp-sink: it takes every mail and keeps none.

use std::{
    net::{SocketAddr, TcpListener},
    os::unix::fs::MetadataExt,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::Result;

const DEADLINE: Duration = Duration::from_secs(10);
/// Connections that wait to be accepted.
const BACKLOG: &str = "1000";

/// On a free port. Ends when it is dropped.
pub struct Sink {
    #[expect(dead_code, reason = "the process ends with it")]
    process: Child,
    pub address: SocketAddr,
}

impl Sink {
    pub async fn start() -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        // As root it wants to become somebody else, and may not name anybody otherwise.
        let root = std::fs::metadata("/proc/self")?.uid() == 0;
        let process = Command::new("/usr/sbin/smtp-sink")
            .args(if root { &["-u", "postfix"][..] } else { &[] })
            .args([&address.to_string(), BACKLOG])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if begun.elapsed() > DEADLINE {
                return Err("smtp-sink does not listen".into());
            }
            tokio::task::yield_now().await;
        }
        Ok(Self { process, address })
    }
}
