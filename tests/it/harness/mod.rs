//! A world to test in: the real server on loopback, and whoever talks to it.
//!
//! ```text
//!   TestServer ─┬─ server: a task of ours, folders of its own, a clock we hold
//!               └─ dial() ─▶ RawPeer ─▶ owner(), join(…) ─▶ Member
//! ```
//!
//! Folders and port outlive the server in them: stopped and restarted, it is the same server to whoever knew it.
//! Nothing here sleeps; what does not come [`soon`] has failed.

mod device;
mod member;
mod program;
mod raw;
mod watch;

pub(crate) use device::Device;
pub(crate) use member::{Member, draft, invite};
pub(crate) use program::{Program, binary, here};
pub(crate) use raw::{Ended, Grants, RawPeer, RawReader, RawStream, our_hello};
pub(crate) use watch::Watch;

use std::future::Future;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quipu_protocol::InviteLink;
use quipu_server::config::Config;
use quipu_server::room::Load;
use quipu_server::seams::{Clock, Seams, SystemClock, SystemEntropy};
use quipu_server::server::{Server, StartError};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Far more than anything here takes on a busy machine, and less than what the server waits for.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What must come before [`SOON`]; `what` is for whoever reads the failure.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(SOON, future).await {
        Ok(it) => it,
        Err(_) => panic!("{what}: not within {SOON:?}"),
    }
}

/// Bytes nobody has seen before: ids and seeds.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    quipu_server::seams::Entropy::fill(&SystemEntropy, &mut bytes);
    bytes
}

/// The server's wall clock: it stands where it is put, at first at the true time.
#[derive(Debug)]
pub(crate) struct Hand(AtomicU64);

impl Hand {
    /// Puts the clock to a time, unix milliseconds.
    pub(crate) fn set(&self, ms: u64) {
        self.0.store(ms, Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A server of this test alone.
pub(crate) struct TestServer {
    /// What the next start uses.
    pub(crate) config: Config,
    pub(crate) clock: Arc<Hand>,
    pub(crate) address: SocketAddr,
    /// Where it takes webhooks, if its configuration says so.
    pub(crate) hooks: Option<SocketAddr>,
    /// Of the last start that found nobody.
    invite: Option<InviteLink>,
    running: Option<Running>,
    // Removed last.
    _folder: TempDir,
}

struct Running {
    stopping: CancellationToken,
    load: Arc<Load>,
    task: JoinHandle<()>,
}

impl TestServer {
    /// A server with default limits, on IPv4.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A server on IPv6.
    pub(crate) async fn start_v6() -> Self {
        Self::start_with(|config| config.listen = (Ipv6Addr::LOCALHOST, 0).into()).await
    }

    /// A server whose configuration `adjust` has seen.
    pub(crate) async fn start_with(adjust: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            data: folder.path().join("data"),
            certs: folder.path().join("certs"),
            ..Config::default()
        };
        adjust(&mut config);
        let mut server = Self {
            address: config.listen,
            hooks: None,
            config,
            clock: Arc::new(Hand(SystemClock.now_ms().into())),
            invite: None,
            running: None,
            _folder: folder,
        };
        server.restart().await;
        server
    }

    /// Starts the stopped server again, in the same folders and on the same port.
    pub(crate) async fn restart(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let server = soon("a start", self.bind()).await;
        self.address = server.local_addr().unwrap();
        self.config.listen = self.address;
        self.hooks = server.webhooks_addr();
        self.invite = server.owner_invite().await.unwrap().or(self.invite.take());
        let (stopping, load) = (server.stopping(), server.load());
        let task = tokio::spawn(server.run());
        self.running = Some(Running { stopping, load, task });
    }

    /// The socket of the server before goes with the last of its tasks, which may take a moment.
    async fn bind(&self) -> Server {
        loop {
            let seams = Seams { clock: self.clock.clone(), entropy: Arc::new(SystemEntropy) };
            match Server::bind(&self.config, seams).await {
                Ok(server) => return server,
                Err(StartError::Listen { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("cannot start: {error}"),
            }
        }
    }

    /// Asks the server to stop, and does not wait for it.
    pub(crate) fn ask_to_stop(&self) {
        self.running.as_ref().expect("it runs").stopping.cancel();
    }

    /// Stops the server in order; gives how long that took.
    pub(crate) async fn stop(&mut self) -> Duration {
        let Running { stopping, task, .. } = self.running.take().expect("it runs");
        let asked = Instant::now();
        stopping.cancel();
        soon("the end of the server", task).await.expect("the server does not panic");
        asked.elapsed()
    }

    /// How much the server has to do.
    pub(crate) fn load(&self) -> Arc<Load> {
        Arc::clone(&self.running.as_ref().expect("it runs").load)
    }

    /// The invite of a server without accounts.
    pub(crate) fn invite(&self) -> InviteLink {
        self.invite.clone().expect("the server printed an invite")
    }

    /// What its certificates stand on, as an operator would install it.
    pub(crate) fn authority(&self) -> CertificateDer<'static> {
        std::fs::read(self.config.certs.join("ca.der")).unwrap().into()
    }

    /// The folder the secrets are in.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.config.data.join("secrets")
    }

    /// A connection on which nothing was said.
    pub(crate) async fn dial(&self) -> RawPeer {
        self.dial_granting(Grants::default()).await
    }

    /// The same by a client that grants the server so much.
    pub(crate) async fn dial_granting(&self, grants: Grants) -> RawPeer {
        let pin = self.invite().pin;
        soon("a handshake", RawPeer::dial(self.address, self.authority(), pin, grants))
            .await
            .expect("a connection")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(Running { task, .. }) = &self.running {
            task.abort();
        }
    }
}
