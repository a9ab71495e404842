//! SSH by hand, for what no ordinary client does: logins in any order, from any loopback address, and channels of every kind.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use localstack::Address;
use russh::{
    Channel, ChannelMsg,
    client::{self, Handle, Msg},
    keys::{HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate},
};
use tokio::net::TcpSocket;

use crate::packets::Sftp;

pub use russh::{MethodKind, client::AuthResult};

/// Takes every host key: what is looked at is the server's patience, not its name.
pub struct AnyHost;

impl client::Handler for AnyHost {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

/// A loopback address that no other test of this run comes from: limits by address then count one test alone.
pub fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = std::process::id().wrapping_mul(64).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
    // One address for each number, none with a last byte of 0 or 255, and never 127.0.x.x, where the servers are.
    let [_, high, middle, _] = ((number / 254) << 8).to_be_bytes();
    let [.., low] = (number % 254 + 1).to_be_bytes();
    Ipv4Addr::new(127, high | 0x80, middle, low)
}

/// A connection, logged in or not yet.
pub struct Ssh {
    pub handle: Handle<AnyHost>,
    /// Where it comes from: its lines in the audit have this.
    pub source: Ipv4Addr,
    user: String,
}

impl Ssh {
    /// Connects from an address of its own.
    pub async fn connect(server: &Address, user: &str) -> Self {
        Self::connect_from(server, user, own_address()).await.expect("the gateway takes the connection")
    }

    /// Connects from a loopback address; `None` when the server ends the connection before its greeting is over.
    pub async fn connect_from(server: &Address, user: &str, source: Ipv4Addr) -> Option<Self> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(IpAddr::V4(source), 0)).unwrap();
        let address = format!("{}:{}", server.host, server.port).parse().unwrap();
        let stream = socket.connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        // A client that sends much before it reads must not wait for itself.
        let config = Arc::new(client::Config { channel_buffer_size: 10_000, ..client::Config::default() });
        let handle = client::connect_stream(config, stream, AnyHost).await.ok()?;
        Some(Self { handle, source, user: user.to_owned() })
    }

    pub async fn password(&mut self, password: &str) -> AuthResult {
        self.handle.authenticate_password(&self.user, password).await.unwrap()
    }

    /// Offers a key and proves that it is ours.
    pub async fn key(&mut self, path: &Path) -> AuthResult {
        let key = Arc::new(russh::keys::load_secret_key(path, None).unwrap());
        let key = PrivateKeyWithHashAlg::new(key, Some(HashAlg::Sha512));
        self.handle.authenticate_publickey(&self.user, key).await.unwrap()
    }

    /// Ends the connection with everything on it.
    pub async fn break_off(self) {
        self.handle.disconnect(russh::Disconnect::ByApplication, "", "").await.unwrap();
    }

    /// A session channel on which nothing was asked for yet.
    pub async fn channel(&self) -> Channel<Msg> {
        self.handle.channel_open_session().await.unwrap()
    }

    /// The subsystem `sftp` on a channel of its own, with versions exchanged.
    pub async fn sftp(&self) -> Sftp {
        let mut channel = self.channel().await;
        channel.request_subsystem(true, "sftp").await.unwrap();
        assert!(granted(&mut channel).await, "the subsystem sftp is refused");
        Sftp::begin(channel).await
    }
}

/// Whether a factor was taken and exactly this method is asked for next.
pub fn asks_further_for(result: &AuthResult, method: MethodKind) -> bool {
    let AuthResult::Failure { remaining_methods, partial_success } = result else { return false };
    *partial_success && remaining_methods.iter().eq([&method])
}

/// The answer to a channel request that wanted one; a channel that ends instead is a refusal.
pub async fn granted(channel: &mut Channel<Msg>) -> bool {
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => return true,
            Some(ChannelMsg::Failure | ChannelMsg::Close) | None => return false,
            Some(_) => {}
        }
    }
}

/// Runs a command to its end: exit status and what came on both outputs. `None`: it was refused.
pub async fn exec(ssh: &Ssh, command: &str) -> Option<(u32, String)> {
    let channel = ssh.channel().await;
    channel.exec(true, command).await.unwrap();
    ended(channel).await
}

/// The same for a shell.
pub async fn shell(ssh: &Ssh) -> Option<(u32, String)> {
    let channel = ssh.channel().await;
    channel.request_shell(true).await.unwrap();
    ended(channel).await
}

async fn ended(mut channel: Channel<Msg>) -> Option<(u32, String)> {
    // As a client of SCP that agrees to everything, and has nothing to send.
    channel.data_bytes(vec![0; 64]).await.unwrap();
    channel.eof().await.unwrap();
    let (mut status, mut output) = (None, Vec::new());
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Failure) => {
                channel.close().await.unwrap();
                return None;
            }
            Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => output.extend(data),
            Some(ChannelMsg::ExitStatus { exit_status }) => status = Some(exit_status),
            Some(ChannelMsg::Close) | None => break,
            Some(_) => {}
        }
    }
    Some((status?, String::from_utf8_lossy(&output).into_owned()))
}
