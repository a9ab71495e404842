//! What all connections share, the loop that accepts them, and how it ends.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use access::MasterKey;
use contract::TenantId;
use exchange::{Exchange, TenantFiles};
use russh::{
    keys::PrivateKey,
    server::{Config, Handle},
};
use sqlx::PgPool;
use store::{Store, audit::Journal};
use time::OffsetDateTime;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    client::Client,
    connection::Connection,
    cut::Severable,
    limits::{Limits, Permit},
    login::{Logins, Tenant, network},
    partial::{Partials, TenantPartials},
    ssh,
};

/// Login grace: from the connection to the login, a person typing a password included.
const LOGIN_TIME_MAX: Duration = Duration::from_mins(1);
/// A connection whose client asks for nothing for this long ends; unfinished uploads stay for it to resume. Keepalives do not count.
const IDLE_TIME_MAX: Duration = Duration::from_mins(30);
/// When the gateway stops: from a client's last answers to its disconnection. Part of the next.
const LAST_ANSWERS_TIME: Duration = Duration::from_secs(1);
/// For the client to hear why the connection ends, and to hang up.
const GOODBYE_TIME: Duration = Duration::from_secs(5);
/// How long transfers may go on when the gateway is to stop: a container has two minutes from SIGTERM to SIGKILL.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(85);
/// After that, for sessions to put by what they have received of unfinished uploads.
const PARK_TIME_MAX: Duration = Duration::from_secs(20);
/// How long the end of a session, and of the gateway, waits for lines of the audit. A line takes milliseconds.
const LINES_TIME_MAX: Duration = Duration::from_secs(5);
/// After an accept that failed, mostly for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long things may take; the same everywhere but in tests.
#[derive(Clone, Copy)]
struct Times {
    login: Duration,
    idle: Duration,
    lines: Duration,
}

/// What everybody hears then.
pub(crate) const STOPPING: &str = "The File Exchange is being restarted. Connect again in a few minutes.";

/// The parts of the gateway that connections share.
pub struct Gateway {
    store: Store,
    exchange: Exchange,
    logins: Logins,
    journal: Journal,
    partials: Partials,
    limits: Limits,
    times: Times,
    /// No new logins and no new transfers: sessions end when nothing is being transferred.
    stopping: CancellationToken,
    /// The time for transfers is over: what is unfinished is put by.
    over: CancellationToken,
}

/// The right to one transfer, as long as it is held.
pub(crate) type Transfer = Permit<TenantId>;

impl Gateway {
    /// `store` as the login role of the functions.
    pub fn new(store: Store, exchange: Exchange, master: MasterKey) -> Self {
        let logins = Logins::new(store.pool().clone());
        let partials = Partials::new(store.clone(), master);
        Self {
            store,
            exchange,
            logins,
            journal: Journal::new(),
            partials,
            limits: Limits::default(),
            times: Times { login: LOGIN_TIME_MAX, idle: IDLE_TIME_MAX, lines: LINES_TIME_MAX },
            stopping: CancellationToken::new(),
            over: CancellationToken::new(),
        }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.store.pool()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn logins(&self) -> &Logins {
        &self.logins
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Whether something may begin that will make a line of the audit. Waits for room as long as the database answers.
    pub(crate) async fn has_room(&self) -> bool {
        if !self.journal.has_room() {
            self.lines_are_written().await;
        }
        self.journal.has_room()
    }

    /// Waits until what was done so far stands in the audit, as long as the database answers.
    pub(crate) async fn lines_are_written(&self) {
        if timeout(self.times.lines, self.journal.settled()).await.is_err() {
            tracing::warn!(lines = self.journal.unwritten(), "lines of the audit are not written yet");
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) async fn files(&self, tenant: &Tenant) -> Result<TenantFiles, Error> {
        Ok(self.exchange.tenant(tenant.id, &tenant.bucket).await?)
    }

    pub(crate) fn partials(&self, files: &TenantFiles) -> TenantPartials {
        self.partials.of(files.clone())
    }

    /// One more transfer, if there may be one.
    pub(crate) fn transfer(&self, tenant: TenantId) -> Option<Transfer> {
        if self.is_stopping() { None } else { self.limits.transfers.take(tenant) }
    }

    /// Nothing new begins any more.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Ends when a session has to: with transfers under way only when the time for them is over.
    pub(crate) async fn must_end(&self, transfers: bool) {
        if transfers { self.over.cancelled().await } else { self.stopping.cancelled().await }
    }

    /// Serves until `stop`; then accepts nobody, begins no transfer, waits for those under way, and has the rest put by.
    pub async fn serve(self, listener: TcpListener, keys: Vec<PrivateKey>, stop: impl Future<Output = ()>) {
        let gateway = Arc::new(self);
        let config = Arc::new(ssh::config(keys));
        let writer = tokio::spawn({
            let gateway = Arc::clone(&gateway);
            async move { gateway.journal.run(gateway.pool()).await }
        });
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(kind = %error.kind(), "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            gateway.accepted(stream, peer, &config);
        }
        drop(listener);
        gateway.drain().await;
        writer.abort();
    }

    /// Looks after a new connection, if there may be one more.
    fn accepted(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, config: &Arc<Config>) {
        let (source, now) = (peer.ip().to_canonical(), OffsetDateTime::now_utc());
        let gateway = Arc::clone(self);
        let permits = self.limits.connections.take(source).zip(self.limits.strangers.take(network(source)));
        let why = match permits {
            None => "there are too many connections",
            Some(_) if !self.logins.may_connect(source, now) => "too many connections without a login",
            Some((permit, stranger)) => {
                let config = Arc::clone(config);
                tokio::spawn(async move {
                    gateway.connection(config, stream, source, stranger).await;
                    drop(permit);
                });
                return;
            }
        };
        tracing::warn!(why, "a connection was refused");
        tokio::spawn(async move { gateway.logins.no_connection(source, why, now).await });
    }

    async fn connection(
        self: Arc<Self>,
        config: Arc<Config>,
        stream: TcpStream,
        source: IpAddr,
        stranger: Permit<IpAddr>,
    ) {
        // Small answers must not wait for each other.
        let _ = stream.set_nodelay(true);
        let grace = Instant::now() + self.times.login;
        let (client, cut) = (Arc::new(Client::new()), CancellationToken::new());
        let (logged_in, login) = oneshot::channel();
        let connection = Connection::new(Arc::clone(&self), source, Arc::clone(&client), logged_in);
        let stream = Severable::new(stream, cut.clone());
        let greeted = timeout_at(grace, russh::server::run_stream(config, stream, connection)).await;
        let Ok(Ok(running)) = greeted else { return };
        let handle = running.handle();
        tokio::pin!(running);
        let ended = tokio::select! {
            ended = &mut running => ended,
            why = self.why_it_ends(login, grace, stranger, &client) => {
                goodbye(&handle, why, &client, &mut running, &cut).await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke");
        }
    }

    /// Why a connection has to end, as soon as it has to.
    async fn why_it_ends(
        &self,
        login: oneshot::Receiver<()>,
        grace: Instant,
        stranger: Permit<IpAddr>,
        client: &Client,
    ) -> &'static str {
        let login = tokio::select! {
            login = timeout_at(grace, login) => login,
            () = self.stopping.cancelled() => return STOPPING,
        };
        match login {
            Err(_) => return "The login took too long.",
            // It ends by itself.
            Ok(Err(_)) => std::future::pending().await,
            Ok(Ok(())) => drop(stranger),
        }
        let unused = async {
            self.stopping.cancelled().await;
            client.unused().await;
            // OpenSSH's client drops what it has not handed on yet when it is disconnected: the last answers among them.
            tokio::time::sleep(LAST_ANSWERS_TIME).await;
        };
        tokio::select! {
            () = client.idle(self.times.idle) => "Nothing was asked for in 30 minutes.",
            () = unused => STOPPING,
        }
    }

    async fn drain(&self) {
        self.stopping.cancel();
        tracing::info!(sessions = self.limits.sessions.count(), "the gateway stops");
        if timeout(DRAIN_TIME_MAX, self.limits.sessions.none()).await.is_err() {
            tracing::warn!(
                sessions = self.limits.sessions.count(),
                "transfers are broken off, to be resumed"
            );
            self.over.cancel();
            if timeout(PARK_TIME_MAX, self.limits.sessions.none()).await.is_err() {
                tracing::warn!(sessions = self.limits.sessions.count(), "sessions were cut off");
            }
        }
        // The last answers, and for everybody the reason.
        if timeout(GOODBYE_TIME, self.limits.logins.none()).await.is_err() {
            tracing::info!("clients stay connected to the end");
        }
        self.lines_are_written().await;
    }
}

/// Ends a connection from our side: with words, and without them when the client does not listen.
async fn goodbye(
    handle: &Handle,
    why: &str,
    client: &Client,
    mut running: impl Future<Output = Result<(), Error>> + Unpin,
    cut: &CancellationToken,
) -> Result<(), Error> {
    // What waits in channels that nobody reads would hold the connection up.
    client.waiting().clear();
    let both = async {
        let words = why.to_owned();
        let _ = handle.disconnect(russh::Disconnect::ByApplication, words, "en".to_owned()).await;
        (&mut running).await
    };
    if let Ok(ended) = timeout(GOODBYE_TIME, both).await {
        return ended;
    }
    cut.cancel();
    running.await
}

#[cfg(test)]
pub(crate) mod tests;
