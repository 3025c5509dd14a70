//! The server's machine: it can be crashed, stopped and started again at the same address.
//!
//! What survives: the disk, the secrets, the identity. What does not: everything else, whatever it was doing.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use quinn::Endpoint;
use quipu_protocol::InviteLink;
use quipu_server::{
    auth::TokenKey,
    config::{FileLimits, Limits},
    files::Depot,
    seams::Seams,
    server::{Parts, Server},
    store::Blocking,
    tls,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    chronicle::Chronicle,
    disk::{Disk, Health, Power},
    seams::{Epoch, Skew},
};
use crate::{
    net::{Network, SimRuntime},
    rng::Rng,
    world::World,
};

/// Longest time a server may take to stop when it is asked to.
const STOP_MAX: Duration = Duration::from_secs(5);

/// A machine that runs the server, or could.
pub(crate) struct Host {
    pub(crate) addr: SocketAddr,
    pub(crate) disk: Disk,
    /// What is wrong with the disk, and with the clock.
    pub(crate) health: Health,
    pub(crate) skew: Skew,
    /// How often a server was started here.
    pub(crate) lives: u32,
    net: Network,
    chronicle: Chronicle,
    seams: Seams,
    identity: tls::Identity,
    secrets: tls::Secrets,
    limits: Limits,
    /// How long the disk takes over a batch.
    disk_time: Duration,
    rng: Rng,
    running: Option<Running>,
}

struct Running {
    power: Power,
    stopping: CancellationToken,
    task: JoinHandle<()>,
}

impl Host {
    /// A machine with an empty disk and nothing running.
    pub(crate) fn new(world: &World, addr: SocketAddr, epoch: Epoch, chronicle: Chronicle) -> Self {
        let skew = Skew::default();
        let seams = epoch.server(world.rng(), skew.clone());
        let identity = tls::Identity::ephemeral(seams.clock.now_ms(), Arc::clone(&seams.entropy))
            .expect("ring makes keys and rcgen certificates");
        Self {
            addr,
            disk: Disk::default(),
            health: Health::good(world.rng()),
            skew,
            lives: 0,
            net: world.net.clone(),
            chronicle,
            secrets: tls::Secrets::ephemeral(&seams),
            seams,
            identity,
            limits: Limits::default(),
            disk_time: Duration::ZERO,
            rng: world.rng(),
            running: None,
        }
    }

    /// Sets how long the disk takes over a batch, from the next start on.
    pub(crate) fn set_disk_time(&mut self, time: Duration) {
        self.disk_time = time;
    }

    /// Sets what the operator grants, from the next start on.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether a server runs.
    pub(crate) fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// Starts the server; gives the owner's invite while nobody has redeemed one.
    ///
    /// # Panics
    /// When it runs already.
    pub(crate) async fn start(&mut self) -> Option<InviteLink> {
        assert!(self.running.is_none(), "the server runs already");
        let power = Power::on();
        let blocking = match self.disk_time {
            Duration::ZERO => Blocking::Inline,
            time => Blocking::Slow(time),
        };
        let parts = Parts {
            file_limits: FileLimits::default(),
            files: Depot::closed(),
            endpoint: self.endpoint(),
            store: self.disk.mount(power.clone(), self.health.clone()),
            blocking,
            pin: self.identity.pin(),
            token_key: TokenKey::from_seed(&[7; 32]),
            limits: self.limits.clone(),
            retention: Default::default(),
            seams: self.seams.clone(),
        };
        // Whoever starts a server sees when it does not start, and tries again.
        let ails = self.health.set_chance(0.0);
        let server = Server::assemble(parts).await.expect("the store in memory cannot fail");
        let invite = server.owner_invite().await.expect("the store in memory cannot fail");
        self.health.set_chance(ails);
        self.running = Some(Running { power, stopping: server.stopping(), task: tokio::spawn(server.run()) });
        self.lives += 1;
        self.chronicle.note("server", "started");
        invite
    }

    /// Ends the server as a power cut does: what is on the disk stays there, nobody is told.
    pub(crate) fn crash(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        running.power.cut();
        self.net.crash(self.addr);
        // Tasks of connections end by themselves, without a socket and without a disk.
        running.task.abort();
        self.chronicle.note("server", "crashed");
    }

    /// Asks the server to stop, and waits for it; gives how long it took.
    ///
    /// # Panics
    /// When it takes longer than it promises, or failed.
    pub(crate) async fn stop(&mut self) -> Duration {
        let Some(running) = self.running.take() else {
            return Duration::ZERO;
        };
        let asked = Instant::now();
        self.chronicle.note("server", "asked to stop");
        running.stopping.cancel();
        let stopped = timeout(STOP_MAX, running.task).await;
        stopped.expect("a server stops within five seconds").expect("a server does not panic");
        // The process ends, and with it the socket.
        running.power.cut();
        self.net.crash(self.addr);
        self.chronicle.note("server", "stopped");
        asked.elapsed()
    }

    fn endpoint(&mut self) -> Endpoint {
        let clock = || Arc::clone(&self.seams.clock);
        let crypto = tls::server_crypto(&self.identity, &self.secrets, clock()).expect("ring has TLS 1.3");
        let config = tls::server_config(crypto, &self.secrets, clock()).expect("ring has QUIC's first suite");
        // Another seed for every life, so that no connection id comes again.
        let endpoint_config = tls::endpoint_config(&self.secrets, Some(self.rng.bytes()));
        let socket = self.net.bind(self.addr);
        Endpoint::new_with_abstract_socket(endpoint_config, Some(config), socket, SimRuntime::shared())
            .expect("a simulated socket has an address")
    }
}
