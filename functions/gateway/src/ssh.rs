//! The SSH side of a connection: who logs in, and that there is nothing but SFTP and SCP.

use std::{borrow::Cow, collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use russh::{
    Channel, ChannelId, MethodKind, MethodSet, Preferred, cipher, compression, kex,
    keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, ssh_key},
    mac,
    server::{
        Auth, ChannelOpenHandle, Config, Handle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
    },
};
use time::OffsetDateTime;
use tokio::sync::oneshot;

use crate::{Error, gateway::Gateway, login::Tenant, scp, sftp};

/// Channels of one connection: clients with parallel transfers open a few.
const CHANNELS_MAX: usize = 8;
/// Logins that one connection may try: OpenSSH offers every key of an agent before it asks for a password.
const ATTEMPTS_MAX: usize = 10;
/// Every refusal takes this long, whatever its reason.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// A connection without a byte for this long ends; keepalives of either side count as bytes.
const IDLE_MAX: Duration = Duration::from_mins(15);
const KEEPALIVE: Duration = Duration::from_mins(1);
/// What a client may send ahead: enough for 100 MB/s at 40 ms.
const WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Messages of a channel that wait for us, each up to 32 KiB; below the window, so that memory is bounded by it.
const CHANNEL_MESSAGES_MAX: usize = 64;
/// The standard error's number among extended data (RFC 4254, 5.2).
const STDERR: u32 = 1;

/// The protocol's settings. Key exchange, ciphers and MACs are those without known weakness; strict key exchange is offered to all.
pub fn config(host_keys: Vec<PrivateKey>) -> Config {
    const ECDSA: [EcdsaCurve; 3] = [EcdsaCurve::NistP256, EcdsaCurve::NistP384, EcdsaCurve::NistP521];
    let mut keys = vec![Algorithm::Ed25519];
    keys.extend(ECDSA.map(|curve| Algorithm::Ecdsa { curve }));
    keys.extend([HashAlg::Sha512, HashAlg::Sha256].map(|hash| Algorithm::Rsa { hash: Some(hash) }));
    let preferred = Preferred {
        kex: Cow::Borrowed(&[
            kex::MLKEM768X25519_SHA256,
            kex::CURVE25519,
            kex::CURVE25519_PRE_RFC_8731,
            kex::DH_G18_SHA512,
            kex::DH_G16_SHA512,
            kex::EXTENSION_SUPPORT_AS_SERVER,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
        ]),
        key: Cow::Owned(keys),
        // AES-GCM is the fastest here; CTR is all that some widely used libraries have.
        cipher: Cow::Borrowed(&[cipher::AES_256_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR]),
        // The last two, over the plaintext, are all that libssh2 before 1.11 has: curl of Debian 12, and what else is built on it.
        mac: Cow::Borrowed(&[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM, mac::HMAC_SHA512, mac::HMAC_SHA256]),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::DEFAULT
    };
    Config {
        server_id: russh::SshId::Standard(Cow::Borrowed("SSH-2.0-Broadcast")),
        methods: methods(),
        auth_rejection_time: REFUSAL_TIME,
        // Asking which methods there are refuses nothing.
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: host_keys,
        preferred,
        max_auth_attempts: ATTEMPTS_MAX,
        inactivity_timeout: Some(IDLE_MAX),
        keepalive_interval: Some(KEEPALIVE),
        window_size: WINDOW_BYTES,
        channel_buffer_size: CHANNEL_MESSAGES_MAX,
        nodelay: true,
        ..Config::default()
    }
}

fn methods() -> MethodSet {
    MethodSet::from([MethodKind::PublicKey, MethodKind::Password].as_slice())
}

/// One client.
pub struct Connection {
    gateway: Arc<Gateway>,
    source: IpAddr,
    tenant: Option<Tenant>,
    logged_in: Option<oneshot::Sender<()>>,
    /// Opened and not yet used.
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl Connection {
    /// `logged_in` hears of the login.
    pub fn new(gateway: Arc<Gateway>, source: IpAddr, logged_in: oneshot::Sender<()>) -> Self {
        Self { gateway, source, tenant: None, logged_in: Some(logged_in), channels: HashMap::new() }
    }

    /// A failure of ours is a refusal like any other for the client, and the connection's end.
    fn judged(&mut self, result: Result<Option<Tenant>, Error>) -> Auth {
        match result {
            Ok(Some(tenant)) => {
                if let Some(logged_in) = self.logged_in.take() {
                    let _ = logged_in.send(());
                }
                self.tenant = Some(tenant);
                Auth::Accept
            }
            Ok(None) => Auth::reject(),
            Err(error) => {
                tracing::error!(%error, "a login could not be checked");
                Auth::reject()
            }
        }
    }
}

/// RSA signatures with SHA-1 are refused, also by clients that do not ask which algorithms there are.
fn is_modern(algorithm: &Algorithm) -> bool {
    !matches!(algorithm, Algorithm::Rsa { hash: None } | Algorithm::Dsa)
}

fn fingerprint(key: &ssh_key::PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Ends a channel. What cannot be sent any more has no reader.
async fn exit(handle: &Handle, id: ChannelId, exit: scp::Exit) {
    if !exit.words.is_empty() {
        let _ = handle.extended_data(id, STDERR, exit.words.into_bytes()).await;
    }
    let _ = handle.exit_status_request(id, exit.status).await;
    let _ = handle.eof(id).await;
    let _ = handle.close(id).await;
}

impl Handler for Connection {
    type Error = Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Error> {
        let now = OffsetDateTime::now_utc();
        let result = self.gateway.login().password(user, password, self.source, now).await;
        Ok(self.judged(result))
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Error> {
        if !is_modern(offer.algorithm) {
            return Ok(Auth::reject());
        }
        let (fingerprint, now) = (fingerprint(offer.public_key), OffsetDateTime::now_utc());
        match self.gateway.login().knows_key(user, &fingerprint, now).await {
            Ok(true) => Ok(Auth::Accept),
            Ok(false) => Ok(Auth::reject()),
            Err(error) => Ok(self.judged(Err(error))),
        }
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        if !is_modern(key.algorithm) {
            return Ok(Auth::reject());
        }
        let (fingerprint, now) = (fingerprint(key.public_key), OffsetDateTime::now_utc());
        let result = self.gateway.login().key(user, &fingerprint, self.source, now).await;
        Ok(self.judged(result))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        if self.tenant.is_some() && self.channels.len() < CHANNELS_MAX {
            self.channels.insert(channel.id(), channel);
            reply.accept().await;
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), Error> {
        self.channels.remove(&channel);
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        let ready = (name == "sftp").then(|| self.tenant.clone().zip(self.channels.remove(&id))).flatten();
        let Some((tenant, channel)) = ready else { return Ok(session.channel_failure(id)?) };
        let files = self.gateway.files(&tenant).await?;
        session.channel_success(id)?;
        let sftp = sftp::Session::new(Arc::clone(&self.gateway), tenant, self.source, files);
        let handle = session.handle();
        tokio::spawn(async move {
            let mut stream = channel.into_stream();
            sftp::serve(&mut stream, sftp).await;
            // `scp` takes a channel without an exit status for a failure.
            exit(&handle, id, scp::Exit::default()).await;
        });
        Ok(())
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Error> {
        if self.channels.remove(&id).is_none() {
            return Ok(session.channel_failure(id)?);
        }
        session.channel_success(id)?;
        let handle = session.handle();
        tokio::spawn(async move { exit(&handle, id, scp::Exit::no_shell()).await });
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Error> {
        let ready = self.tenant.clone().zip(self.channels.remove(&id));
        let Some((tenant, channel)) = ready else { return Ok(session.channel_failure(id)?) };
        let files = self.gateway.files(&tenant).await?;
        session.channel_success(id)?;
        let (gateway, source, command) = (Arc::clone(&self.gateway), self.source, command.to_vec());
        let handle = session.handle();
        tokio::spawn(async move {
            let mut stream = channel.into_stream();
            let end = scp::serve(&mut stream, &command, gateway, tenant, source, files).await;
            exit(&handle, id, end).await;
        });
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(russh::Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Error> {
        Ok(session.channel_failure(id)?)
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        _: bool,
        _: &str,
        _: &str,
        _: u32,
        session: &mut Session,
    ) -> Result<(), Error> {
        Ok(session.channel_failure(id)?)
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        _: &str,
        _: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        Ok(session.channel_failure(id)?)
    }

    async fn agent_request(&mut self, id: ChannelId, session: &mut Session) -> Result<bool, Error> {
        session.channel_failure(id)?;
        Ok(false)
    }
}
