//! One client's connection as the SSH protocol sees it: who logs in, and that there is nothing but SFTP and SCP.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use contract::TenantId;
use exchange::TenantFiles;
use russh::{
    Channel, ChannelId, MethodKind, MethodSet, Pty,
    keys::{Algorithm, HashAlg, ssh_key},
    server::{Auth, ChannelOpenHandle, Handle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey},
};
use time::OffsetDateTime;
use tokio::sync::oneshot;

use crate::{
    Error,
    client::{Client, Running},
    gateway::{Gateway, STOPPING},
    limits::Permit,
    login::{Login, Proved, Stranger, Tenant},
    scp, sftp,
    ssh::ATTEMPTS_MAX,
};

/// Channels of one connection, in use or not; the same as OpenSSH's.
const CHANNELS_MAX: usize = 10;
/// Passwords on one connection: OpenSSH's client asks for three, the second factor may be one more.
const PASSWORDS_MAX: usize = 5;
/// Keys that one connection may ask about. Those that are refused count as attempts, too.
const OFFERS_MAX: usize = 20;
/// The standard error's number among extended data (RFC 4254, 5.2).
const STDERR: u32 = 1;

const TOO_MANY_LOGINS: &str =
    "There are too many connections of this account. Close some, or try again a little later.";
const TOO_MANY_SESSIONS: &str =
    "There are too many sessions of this account. Close some, or try again a little later.\r\n";

/// One client.
pub struct Connection {
    gateway: Arc<Gateway>,
    source: IpAddr,
    client: Arc<Client>,
    logged_in: Option<oneshot::Sender<()>>,
    tenant: Option<Tenant>,
    /// Held as long as the connection.
    login: Option<Permit<TenantId>>,
    /// Who is not let in although they are who they say, and why.
    turned_away: Option<&'static str>,
    tried: Tried,
}

/// What was tried on a connection before the login.
#[derive(Default)]
struct Tried {
    /// The first of two factors.
    proved: Option<Proved>,
    passwords: usize,
    offers: usize,
    refusals: usize,
    /// Names and fingerprints of keys whose refusal is written.
    keys: HashSet<(String, String)>,
}

/// What a session works with.
struct Ready {
    tenant: Tenant,
    channel: Channel<Msg>,
    files: TenantFiles,
    held: (Permit<TenantId>, Running),
}

impl Connection {
    /// `logged_in` hears of the login.
    pub fn new(
        gateway: Arc<Gateway>,
        source: IpAddr,
        client: Arc<Client>,
        logged_in: oneshot::Sender<()>,
    ) -> Self {
        Self {
            gateway,
            source,
            client,
            logged_in: Some(logged_in),
            tenant: None,
            login: None,
            turned_away: None,
            tried: Tried::default(),
        }
    }

    fn stranger<'a>(&'a self, slug: &'a str) -> Stranger<'a> {
        Stranger { slug, source: self.source, proved: self.tried.proved.as_ref() }
    }

    /// The answer to a factor. A failure of ours is a refusal like any other.
    async fn answer(&mut self, slug: &str, result: Result<Login, Error>) -> Auth {
        let login = match result {
            Ok(Login::Whole(tenant)) => match self.admit(tenant).await {
                Ok(()) => return Auth::Accept,
                Err(error) => Err(error),
            },
            other => other,
        };
        match login {
            Ok(Login::Half(proved)) => {
                self.tried.proved = Some(proved);
                let methods = Some(self.methods_left(slug));
                return Auth::Reject { proceed_with_methods: methods, partial_success: true };
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "a login could not be checked"),
        }
        self.refuse(slug).await
    }

    async fn refuse(&mut self, slug: &str) -> Auth {
        self.tried.refusals += 1;
        if self.tried.refusals == ATTEMPTS_MAX {
            let why = "too many attempts on one connection";
            let refused =
                self.gateway.logins().refused(self.stranger(slug), "sftp", why, OffsetDateTime::now_utc());
            if let Err(error) = refused.await {
                tracing::error!(%error, "a line of the audit is lost");
            }
        }
        Auth::Reject { proceed_with_methods: Some(self.methods_left(slug)), partial_success: false }
    }

    /// How the client may go on.
    fn methods_left(&self, slug: &str) -> MethodSet {
        let proved = self.tried.proved.as_ref().filter(|proved| proved.slug == slug);
        let mut methods = methods();
        match proved.map(Proved::is_key) {
            Some(true) => methods.remove(MethodKind::PublicKey),
            Some(false) => methods.remove(MethodKind::Password),
            None => {}
        }
        if self.tried.passwords >= PASSWORDS_MAX {
            methods.remove(MethodKind::Password);
        }
        methods
    }

    /// Lets a tenant in, unless there is no room. Who it is has been proved, so they are told.
    async fn admit(&mut self, tenant: Tenant) -> Result<(), Error> {
        let logins = self.gateway.logins();
        let room = if self.gateway.is_stopping() {
            Err(STOPPING)
        } else {
            self.gateway.limits().logins.take(tenant.id).ok_or(TOO_MANY_LOGINS)
        };
        match room {
            Ok(permit) => {
                logins.admit(&tenant, self.source).await?;
                self.login = Some(permit);
                self.tenant = Some(tenant);
            }
            Err(why) => {
                logins.turn_away(&tenant, self.source, why, OffsetDateTime::now_utc()).await?;
                self.turned_away = Some(why);
            }
        }
        self.client.seen();
        if let Some(logged_in) = self.logged_in.take() {
            let _ = logged_in.send(());
        }
        Ok(())
    }

    /// Makes a channel a session.
    async fn ready(&mut self, id: ChannelId, session: &mut Session) -> Result<Option<Ready>, Error> {
        let channel = self.client.waiting().remove(&id);
        let Some((tenant, channel)) = self.tenant.clone().zip(channel) else { return Ok(None) };
        let running = self.client.running();
        let Some(permit) = self.gateway.limits().sessions.take(tenant.id) else {
            session.extended_data(id, STDERR, TOO_MANY_SESSIONS)?;
            let now = OffsetDateTime::now_utc();
            self.gateway
                .logins()
                .turn_away(&tenant, self.source, "too many sessions of the account", now)
                .await?;
            return Ok(None);
        };
        let files = self.gateway.files(&tenant).await?;
        Ok(Some(Ready { tenant, channel, files, held: (permit, running) }))
    }
}

/// How anybody may log in.
pub fn methods() -> MethodSet {
    MethodSet::from([MethodKind::PublicKey, MethodKind::Password].as_slice())
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
        if self.tried.passwords >= PASSWORDS_MAX {
            return Ok(self.refuse(user).await);
        }
        self.tried.passwords += 1;
        let now = OffsetDateTime::now_utc();
        let result = self.gateway.logins().password(self.stranger(user), password, now).await;
        Ok(self.answer(user, result).await)
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Error> {
        self.tried.offers += 1;
        if !is_modern(offer.algorithm) || self.tried.offers > OFFERS_MAX {
            return Ok(self.refuse(user).await);
        }
        let (fingerprint, now) = (fingerprint(offer.public_key), OffsetDateTime::now_utc());
        let again = !self.tried.keys.insert((user.to_owned(), fingerprint.clone()));
        let known = self.gateway.logins().may_prove(self.stranger(user), &fingerprint, again, now).await;
        match known {
            Ok(true) => Ok(Auth::Accept),
            Ok(false) => Ok(self.refuse(user).await),
            Err(error) => Ok(self.answer(user, Err(error)).await),
        }
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        if !is_modern(key.algorithm) {
            return Ok(self.refuse(user).await);
        }
        let (fingerprint, now) = (fingerprint(key.public_key), OffsetDateTime::now_utc());
        let result = self.gateway.logins().key(self.stranger(user), &fingerprint, now).await;
        Ok(self.answer(user, result).await)
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), Error> {
        if let Some(why) = self.turned_away {
            session.disconnect(russh::Disconnect::TooManyConnections, why, "en")?;
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        self.client.seen();
        if self.tenant.is_some() && self.client.channels() < CHANNELS_MAX && !self.gateway.is_stopping() {
            self.client.waiting().insert(channel.id(), channel);
            reply.accept().await;
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), Error> {
        self.client.waiting().remove(&channel);
        Ok(())
    }

    async fn data(&mut self, _: ChannelId, _: &[u8], _: &mut Session) -> Result<(), Error> {
        self.client.seen();
        Ok(())
    }

    async fn window_adjusted(&mut self, _: ChannelId, _: u32, _: &mut Session) -> Result<(), Error> {
        self.client.seen();
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        if name != "sftp" {
            return Ok(session.channel_failure(id)?);
        }
        let Some(ready) = self.ready(id, session).await? else { return Ok(session.channel_failure(id)?) };
        session.channel_success(id)?;
        let Ready { tenant, channel, files, held } = ready;
        let sftp = sftp::Session::new(Arc::clone(&self.gateway), tenant, self.source, files);
        let handle = session.handle();
        tokio::spawn(async move {
            let mut stream = channel.into_stream();
            // On the heap: idle sessions are many.
            Box::pin(sftp::serve(&mut stream, sftp)).await;
            // `scp` takes a channel without an exit status for a failure.
            exit(&handle, id, scp::Exit::default()).await;
            drop(held);
        });
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Error> {
        let Some(ready) = self.ready(id, session).await? else { return Ok(session.channel_failure(id)?) };
        session.channel_success(id)?;
        let Ready { tenant, channel, files, held } = ready;
        let (gateway, source, command) = (Arc::clone(&self.gateway), self.source, command.to_vec());
        let handle = session.handle();
        tokio::spawn(async move {
            let mut stream = channel.into_stream();
            let end = scp::serve(&mut stream, &command, gateway, tenant, source, files).await;
            exit(&handle, id, end).await;
            drop(held);
        });
        Ok(())
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Error> {
        if self.client.waiting().remove(&id).is_none() {
            return Ok(session.channel_failure(id)?);
        }
        session.channel_success(id)?;
        let handle = session.handle();
        tokio::spawn(async move { exit(&handle, id, scp::Exit::no_shell()).await });
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
        _: &[(Pty, u32)],
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
