//! What all connections share, and the loop that accepts them.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use access::MasterKey;
use contract::TenantId;
use exchange::{Exchange, TenantFiles};
use russh::{keys::PrivateKey, server::Config};
use sqlx::PgPool;
use store::Store;
use time::OffsetDateTime;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};

use crate::{
    Error,
    login::{Login, Tenant},
    partial::{Partials, TenantPartials},
    ssh::{self, Connection},
};

/// Connections at once; an idle one costs some tens of kilobytes.
const CONNECTIONS_MAX: usize = 512;
/// Connections at once that have not logged in.
const STRANGERS_MAX: usize = 64;
/// Transfers at once: an upload holds up to two parts of 8 to 32 MiB.
const TRANSFERS_MAX: u32 = 64;
/// Of one tenant: clients use four to eight, and nobody keeps the others out.
const TRANSFERS_PER_TENANT_MAX: usize = 16;
/// From the connection to the login, a person typing a password included.
const LOGIN_TIME_MAX: Duration = Duration::from_mins(1);
/// How long transfers may go on when the gateway is to stop: a container has two minutes from SIGTERM to SIGKILL.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(110);
/// After the last transfer, for the answers that say so.
const LAST_ANSWERS_TIME: Duration = Duration::from_secs(2);
/// After an accept that failed, mostly for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The parts of the gateway that connections share.
pub struct Gateway {
    store: Store,
    exchange: Exchange,
    login: Login,
    partials: Partials,
    transfers: Arc<Semaphore>,
    /// One small entry per tenant that has been here.
    transfers_of: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

/// The right to one transfer, as long as it is held.
pub(crate) struct Transfer {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

/// Reads the host keys: OpenSSH private keys, one after the other. With two, clients learn the next before the old one goes.
pub fn host_keys(text: &str) -> Result<Vec<PrivateKey>, Error> {
    const END: &str = "-----END OPENSSH PRIVATE KEY-----";
    let keys = text.split_inclusive(END).filter(|key| !key.trim().is_empty());
    let keys: Vec<_> = keys
        .map(|key| russh::keys::decode_secret_key(key.trim(), None))
        .collect::<Result<_, _>>()
        .map_err(|_| Error::HostKey)?;
    if keys.is_empty() { Err(Error::HostKey) } else { Ok(keys) }
}

impl Gateway {
    /// `store` as the login role of the functions.
    pub fn new(store: Store, exchange: Exchange, master: MasterKey) -> Self {
        let login = Login::new(store.pool().clone());
        let partials = Partials::new(store.clone(), master);
        let transfers = Arc::new(Semaphore::new(TRANSFERS_MAX as usize));
        Self { store, exchange, login, partials, transfers, transfers_of: Mutex::default() }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.store.pool()
    }

    pub(crate) fn login(&self) -> &Login {
        &self.login
    }

    pub(crate) async fn files(&self, tenant: &Tenant) -> Result<TenantFiles, Error> {
        Ok(self.exchange.tenant(tenant.id, &tenant.bucket).await?)
    }

    pub(crate) fn partials(&self, files: &TenantFiles) -> TenantPartials {
        self.partials.of(files.clone())
    }

    /// One more transfer, if there may be one.
    pub(crate) fn transfer(&self, tenant: TenantId) -> Option<Transfer> {
        let mut transfers_of = self.transfers_of.lock().unwrap_or_else(PoisonError::into_inner);
        let own =
            transfers_of.entry(tenant).or_insert_with(|| Arc::new(Semaphore::new(TRANSFERS_PER_TENANT_MAX)));
        let own = Arc::clone(own).try_acquire_owned().ok()?;
        let all = Arc::clone(&self.transfers).try_acquire_owned().ok()?;
        Some(Transfer { _all: all, _own: own })
    }

    /// Serves until `stop`; then accepts nobody, begins no transfer, and waits for those under way.
    pub async fn serve(self, listener: TcpListener, keys: Vec<PrivateKey>, stop: impl Future<Output = ()>) {
        let gateway = Arc::new(self);
        let config = Arc::new(ssh::config(keys));
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
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
            let permits =
                connections.clone().try_acquire_owned().ok().zip(strangers.clone().try_acquire_owned().ok());
            let Some((permit, stranger)) = permits else {
                tracing::warn!("a connection was refused: there are too many");
                continue;
            };
            if gateway.login.may_connect(peer.ip(), OffsetDateTime::now_utc()) {
                let (gateway, config) = (Arc::clone(&gateway), Arc::clone(&config));
                tokio::spawn(async move {
                    gateway.connection(config, stream, peer, stranger).await;
                    drop(permit);
                });
            }
        }
        drop(listener);
        gateway.drain().await;
    }

    async fn connection(
        self: Arc<Self>,
        config: Arc<Config>,
        stream: TcpStream,
        peer: SocketAddr,
        stranger: OwnedSemaphorePermit,
    ) {
        // Small answers must not wait for each other.
        let _ = stream.set_nodelay(true);
        let (logged_in, login) = oneshot::channel();
        let connection = Connection::new(self, peer.ip(), logged_in);
        let greeted = timeout(LOGIN_TIME_MAX, russh::server::run_stream(config, stream, connection)).await;
        let Ok(Ok(running)) = greeted else { return };
        let handle = running.handle();
        if timeout(LOGIN_TIME_MAX, login).await.is_err() {
            let words = "The login took too long.".to_owned();
            let _ = handle.disconnect(russh::Disconnect::ByApplication, words, "en".to_owned()).await;
        }
        drop(stranger);
        if let Err(error) = running.await {
            tracing::debug!(%error, "a connection broke");
        }
    }

    async fn drain(&self) {
        let left = TRANSFERS_MAX as usize - self.transfers.available_permits();
        tracing::info!(transfers = left, "the gateway stops");
        // Whoever waits for all permits is given each that comes back: no new transfer begins.
        if timeout(DRAIN_TIME_MAX, self.transfers.acquire_many(TRANSFERS_MAX)).await.is_err() {
            tracing::warn!("transfers were cut off; unfinished uploads are swept later");
        }
        tokio::time::sleep(LAST_ANSWERS_TIME).await;
    }
}
