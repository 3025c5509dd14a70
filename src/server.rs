//! The composition root: everything is made, joined and ended here.
//!
//! ```text
//!   bind:  folders ─▶ secrets, identity ─▶ store ─▶ rooms, auth ─▶ endpoint
//!   run:   accept … stopping ─▶ goodbye to all ─▶ queue emptied ─▶ store closed
//! ```

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Endpoint, TokioRuntime};
use quipu_protocol::InviteLink;
use socket2::{Domain, Protocol, Socket, Type};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::auth::{Auth, TokenKey};
use crate::config::{Config, FileLimits, Limits, Retention};
use crate::files::{Depot, Janitor, Watch};
use crate::room::{Live, Load, Rooms};
use crate::seams::Seams;
use crate::store::{Blocking, Observer, Storage, Store, StoreError, WriteError, sqlite};
use crate::tls::{Identity, IdentityError, Renewal, Secrets, Vault, VaultError};
use crate::webhooks::{Hooks, Listener};
use crate::{tls, transport};

/// Kernel buffers of the socket, in bytes: what may arrive or wait while we are busy.
const SOCKET_BYTES: usize = 4 * 1024 * 1024;
/// How often the leaf's age is looked at.
const RENEWAL_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// A server that is ready to serve.
pub struct Server {
    endpoint: Endpoint,
    webhooks: Option<Listener>,
    storage: Storage,
    shared: Arc<transport::Shared>,
    janitor: Janitor,
    identity: Option<Arc<Identity>>,
    pin: [u8; 32],
    names: Vec<String>,
}

/// What a server is made of when somebody else opens sockets and disks: a simulation does.
pub struct Parts {
    /// A QUIC endpoint with the server's TLS.
    pub endpoint: Endpoint,
    /// The log of record.
    pub store: Box<dyn Store>,
    /// Where it blocks.
    pub blocking: Blocking,
    /// SHA-256 of the identity's public key.
    pub pin: [u8; 32],
    /// Signs tokens.
    pub token_key: TokenKey,
    /// What the operator grants.
    pub limits: Limits,
    /// What the operator grants to files.
    pub file_limits: FileLimits,
    /// Where files are.
    pub files: Depot,
    /// What rooms keep.
    pub retention: Retention,
    /// Clock and randomness.
    pub seams: Seams,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be bound.
    #[error("cannot listen on UDP {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The address of webhooks cannot be bound.
    #[error("cannot listen for webhooks on TCP {address}: {source}")]
    Webhooks {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The identity cannot be made or read.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The secrets cannot be made or read.
    #[error(transparent)]
    Secrets(#[from] VaultError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The folder of the files cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Files {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Server {
    /// Opens everything that `config` names. Nothing is served before [`Server::run`].
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left open.
    pub async fn bind(config: &Config, seams: Seams) -> Result<Self, StartError> {
        let (folders, outside) = (config.clone(), seams.clone());
        let open = tokio::task::spawn_blocking(move || open(&folders, &outside));
        let opened =
            open.await.expect("opening does not panic, and the runtime is not stopped while we wait")?;
        let crypto = tls::server_crypto(&opened.identity, &opened.secrets, Arc::clone(&seams.clock))?;
        let server_config = tls::server_config(crypto, &opened.secrets, Arc::clone(&seams.clock))?;
        let socket =
            listen(config.listen).map_err(|source| StartError::Listen { address: config.listen, source })?;
        let endpoint_config = tls::endpoint_config(&opened.secrets, None);
        let endpoint = Endpoint::new(endpoint_config, Some(server_config), socket, Arc::new(TokioRuntime))
            .map_err(|source| StartError::Listen { address: config.listen, source })?;
        let parts = Parts {
            endpoint,
            store: opened.store,
            blocking: Blocking::Pool,
            pin: opened.identity.pin(),
            token_key: opened.token_key,
            limits: config.limits.clone(),
            file_limits: config.files.clone(),
            files: opened.files,
            retention: config.retention,
            seams,
        };
        let webhooks = match config.webhooks {
            Some(address) => Some(
                Listener::bind(address).await.map_err(|source| StartError::Webhooks { address, source })?,
            ),
            None => None,
        };
        let mut server = Self::assemble(parts).await?;
        server.webhooks = webhooks;
        if let Some(address) = server.webhooks_addr() {
            // Set once: this server is made here.
            let _ = server.shared.hooks_at.set(format!("http://{address}"));
        }
        server.identity = Some(Arc::new(opened.identity));
        server.names = config.names.iter().map(|name| name.as_str().to_owned()).collect();
        Ok(server)
    }

    /// Joins parts that are open already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn assemble(parts: Parts) -> Result<Self, StartError> {
        let live = Arc::new(Live::default());
        let observer: Arc<dyn Observer> = Arc::new(Watch::new(live.clone(), parts.files.clone()));
        let storage = Storage::start(parts.store, parts.blocking, observer)?;
        let rooms = Rooms::new(storage.clone(), live, parts.seams.clone());
        let rooms = rooms.granting(parts.file_limits).keeping(parts.retention);
        let janitor = Janitor::new(parts.files.clone(), storage.clone(), parts.seams.clone());
        // Before anything is served: nobody is shown what was over while the server was away.
        rooms.erase_expired().await?;
        let name = "lobby".parse().expect("`lobby` is a room name");
        let topic = "Everybody's first room".parse().expect("a short line is a topic");
        let lobby = rooms.ensure_lobby(name, topic).await?;
        let auth = Arc::new(Auth::new(storage.clone(), parts.seams.clone(), parts.token_key, parts.pin));
        let stopping = CancellationToken::new();
        let shared =
            transport::Shared::new(auth, rooms, lobby, parts.files, parts.limits, parts.seams, stopping);
        let names = vec!["localhost".to_owned()];
        let (endpoint, pin) = (parts.endpoint, parts.pin);
        Ok(Self { endpoint, webhooks: None, storage, shared, janitor, identity: None, pin, names })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Where it listens for webhooks, if it does.
    pub fn webhooks_addr(&self) -> Option<SocketAddr> {
        self.webhooks.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Cancel it to stop the server.
    pub fn stopping(&self) -> CancellationToken {
        self.shared.stopping.clone()
    }

    /// How much it has to do, and what it holds back because of that.
    pub fn load(&self) -> Arc<Load> {
        Arc::clone(self.shared.rooms.load())
    }

    /// A new invite for the owner, while there is no account. Those of earlier starts end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn owner_invite(&self) -> Result<Option<InviteLink>, StartError> {
        let port = self.local_addr().map_or(quipu_protocol::PORT, |address| address.port());
        let host = self.names.first().cloned().unwrap_or_else(|| "localhost".to_owned());
        let invite = self.shared.auth.owner_invite().await?;
        Ok(invite.map(|(secret, expires_ms)| InviteLink {
            host,
            port,
            pin: self.pin,
            secret,
            expires_s: u32::try_from(expires_ms / 1_000).unwrap_or(u32::MAX),
        }))
    }

    /// Serves until [`Server::stopping`] is cancelled, then ends in order, within five seconds.
    pub async fn run(self) {
        let renewing =
            self.identity.clone().map(|identity| tokio::spawn(renew(identity, self.shared.seams.clone())));
        let tidying = tokio::spawn(self.janitor.run(self.shared.stopping.clone()));
        let (rooms, stopping) = (self.shared.rooms.clone(), self.shared.stopping.clone());
        let erasing = tokio::spawn(async move { rooms.erase_purged(stopping).await });
        let (rooms, stopping) = (self.shared.rooms.clone(), self.shared.stopping.clone());
        let indexing = tokio::spawn(complete_index(rooms, stopping));
        let sweeping = tokio::spawn(self.shared.rooms.clone().sweeping(self.shared.stopping.clone()));
        let hooks = serve_hooks(self.webhooks, Arc::clone(&self.shared));
        tokio::join!(transport::serve(self.endpoint, self.shared), hooks);
        // It ends with the word to stop, between two steps.
        if erasing.await.is_err() {
            error!("erasing what was purged failed");
        }
        if indexing.await.is_err() {
            error!("making older messages searchable failed");
        }
        if sweeping.await.is_err() {
            error!("removing what is out of date failed");
        }
        if let Some(renewing) = renewing {
            renewing.abort();
        }
        // It was told to stop, and ends with what it is at; a panic in it was logged by the runtime.
        let _ = tidying.await;
        self.storage.close().await;
        info!("stopped");
    }
}

struct Opened {
    identity: Identity,
    secrets: Secrets,
    token_key: TokenKey,
    store: Box<dyn Store>,
    files: Depot,
}

/// Everything on disk. The store comes first: its lock keeps a second server away from the rest.
fn open(config: &Config, seams: &Seams) -> Result<Opened, StartError> {
    let store = Box::new(sqlite::SqliteStore::open(&config.data)?);
    let files = open_files(config, &*store)?;
    let folder = config.data.join("secrets");
    let secrets = Secrets::load_or_create(&folder, seams)?;
    let seed = Vault::open(&folder)?.secret::<32>("token.key", seams.entropy.as_ref())?;
    let identity = match &config.tls {
        Some(files) => Identity::from_files(files.clone(), seams)?,
        None => Identity::load_or_create(&config.certs, &config.names, seams)?,
    };
    Ok(Opened { identity, secrets, token_key: TokenKey::from_seed(&seed), store, files })
}

/// The folder of the files, without what a crash left there and the store does not know.
fn open_files(config: &Config, store: &dyn Store) -> Result<Depot, StartError> {
    let path = config.data.join("files");
    let needed = store.reader()?.file_names()?.into_iter().collect();
    let opened = Depot::open(&path, Blocking::Pool).and_then(|depot| Ok((depot.collect(&needed)?, depot)));
    let (collected, depot) = opened.map_err(|source| StartError::Files { path, source })?;
    if collected > 0 {
        info!(files = collected, "removed content that no message and no upload knows");
    }
    Ok(depot)
}

/// A socket for IPv6 and IPv4 when the address is `[::]`; IPv4 alone where the machine has no IPv6.
fn listen(address: SocketAddr) -> io::Result<UdpSocket> {
    let bind = |address: SocketAddr| {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        // The kernel may grant less; that is its business.
        let _ = socket
            .set_recv_buffer_size(SOCKET_BYTES)
            .and_then(|()| socket.set_send_buffer_size(SOCKET_BYTES));
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok::<UdpSocket, io::Error>(socket.into())
    };
    match bind(address) {
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() && no_ipv6(&error) => {
            warn!("this machine has no IPv6: listening on IPv4 alone");
            bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        bound => bound,
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable)
        || error.raw_os_error() == Some(EAFNOSUPPORT)
}

/// Takes what comes in through webhooks, if the operator wants any, until the server is to stop.
async fn serve_hooks(listener: Option<Listener>, shared: Arc<transport::Shared>) {
    let Some(listener) = listener else { return };
    let (auth, rooms, seams) = (Arc::clone(&shared.auth), shared.rooms.clone(), shared.seams.clone());
    let hooks = Hooks::new(auth, rooms, seams, Arc::clone(&shared.room_rates));
    listener.run(Arc::new(hooks), shared.stopping.clone()).await;
}

/// Makes searchable what an earlier version left behind; on most starts there is nothing to do.
async fn complete_index(rooms: Rooms, stopping: CancellationToken) {
    match rooms.complete_index(&stopping).await {
        Ok(true) => debug!("everything there is can be searched"),
        Ok(false) => debug!("the next start goes on making older messages searchable"),
        Err(error) => error!(%error, "older messages cannot be searched before the next start"),
    }
}

/// Renews the leaf in time, for ever.
async fn renew(identity: Arc<Identity>, seams: Seams) {
    loop {
        tokio::time::sleep(RENEWAL_EVERY).await;
        let (identity, now_ms) = (Arc::clone(&identity), seams.clock.now_ms());
        match tokio::task::spawn_blocking(move || identity.renew_if_due(now_ms)).await {
            Ok(Ok(Renewal::Kept)) => debug!("the certificate is kept"),
            Ok(Ok(renewal)) => info!(?renewal, "the certificate was looked at"),
            Ok(Err(error)) => error!(%error, "the certificate cannot be renewed"),
            Err(error) => error!(%error, "renewing the certificate failed"),
        }
    }
}
