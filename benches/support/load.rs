//! Many client connections from few sockets: what a load generator needs of QUIC, for Quipu and for the floor alike.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use futures_util::stream;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, EndpointConfig, TokioRuntime, TransportConfig, VarInt};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::time::timeout;

/// Connections that share a socket: a commit reaches them all at once, and must fit the socket's buffer.
const CONNECTIONS_PER_SOCKET: usize = 64;
const SOCKETS_MAX: usize = 64;
/// The receive buffer we ask for; the kernel may grant less.
const SOCKET_BYTES: usize = 4 * 1024 * 1024;
/// Handshakes under way at once.
const AT_ONCE: usize = 32;
/// Time one client may take to be there, whatever else goes on.
const EACH_TIMEOUT: Duration = Duration::from_secs(30);
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Sockets and settings of the load.
pub(crate) struct Load {
    sockets: Vec<Endpoint>,
    next: Cell<usize>,
}

impl Load {
    /// Sockets for so many connections, to servers whose identity lies in `certs`.
    pub(crate) fn new(connections: usize, certs: &Path) -> Result<Self> {
        Self::tuned(connections, certs, |_| {})
    }

    /// The same, with other settings of QUIC.
    pub(crate) fn tuned(
        connections: usize,
        certs: &Path,
        tune: impl FnOnce(&mut TransportConfig),
    ) -> Result<Self> {
        let config = client_config(certs, tune)?;
        let count = connections.div_ceil(CONNECTIONS_PER_SOCKET).clamp(1, SOCKETS_MAX);
        let sockets = (0..count).map(|_| socket(&config)).collect::<Result<_>>()?;
        let next = Cell::new(0);
        Ok(Self { sockets, next })
    }

    /// One more connection, from the sockets in turn.
    pub(crate) async fn connect(&self, server: SocketAddr) -> Result<Connection> {
        let turn = self.next.replace(self.next.get() + 1);
        let socket = &self.sockets[turn % self.sockets.len()];
        socket.connect(server, "localhost")?.await.context("connecting to the server")
    }
}

/// Does the same for every item, several at once; the results are in the order of the items.
pub(crate) async fn all<I, T>(
    items: impl IntoIterator<Item = I>,
    each: impl AsyncFn(I) -> Result<T>,
) -> Result<Vec<T>> {
    let each = &each;
    let mut done = stream::iter(items).map(|item| timeout(EACH_TIMEOUT, each(item))).buffered(AT_ONCE);
    let mut results = Vec::new();
    while let Some(result) = done.next().await {
        results.push(result.context("a client was kept waiting")??);
    }
    Ok(results)
}

fn socket(config: &ClientConfig) -> Result<Endpoint> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(SOCKET_BYTES)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    let runtime = Arc::new(TokioRuntime);
    let mut endpoint = Endpoint::new(EndpointConfig::default(), None, socket.into(), runtime)?;
    endpoint.set_default_client_config(config.clone());
    Ok(endpoint)
}

/// The server's own authority is the only one trusted; the rest is as in a client that stays.
fn client_config(certs: &Path, tune: impl FnOnce(&mut TransportConfig)) -> Result<ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certs.join("ca.pem"))?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![quipu_protocol::ALPN.to_vec()];
    // Every handshake is a whole one.
    tls.resumption = rustls::client::Resumption::disabled();
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(40))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .initial_mtu(1_200)
        .mtu_discovery_config(None)
        .keep_alive_interval(Some(KEEP_ALIVE));
    tune(&mut transport);
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport));
    Ok(config)
}
