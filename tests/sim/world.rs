//! A world: one seed, one network, one virtual clock, and the endpoints that live there.
//!
//! [`run`] builds tokio's current-thread runtime with a paused clock and *no* I/O driver: nothing in a world can
//! reach a real socket, and when all tasks wait, the clock jumps to the next timer.
//! Not known here: chat. A world carries any QUIC endpoints.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use quinn::{Endpoint, Runtime, TransportConfig};

use crate::{
    net::{Identity, Network, SimRuntime, Trace, endpoint},
    rng::Rng,
    seeds::ReplayHint,
};

/// Virtual time after which a scenario has certainly hung.
const VIRTUAL_TIME_MAX: Duration = Duration::from_secs(6 * 3600);

/// Everything one seed decides.
pub(crate) struct World {
    /// The network all sockets of this world belong to.
    pub(crate) net: Network,
    /// What endpoints are given as their runtime.
    pub(crate) runtime: Arc<dyn Runtime>,
    /// What [`World::server`] presents and [`World::client`] trusts.
    pub(crate) identity: Identity,
    rng: Mutex<Rng>,
}

/// Runs `scenario` to its end in a fresh world. A panic inside prints the command that replays the seed.
///
/// # Panics
/// When the scenario has not ended after [`VIRTUAL_TIME_MAX`].
pub(crate) fn run<T>(seed: u64, scenario: impl AsyncFnOnce(&World) -> T) -> T {
    let _hint = ReplayHint::new(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing that could be missing");
    runtime.block_on(async {
        let world = World::new(seed);
        tokio::time::timeout(VIRTUAL_TIME_MAX, scenario(&world)).await.unwrap_or_else(|_| {
            panic!("seed {seed} hangs: no end after {VIRTUAL_TIME_MAX:?} of virtual time")
        })
    })
}

/// Runs `scenario` twice and gives its trace, after checking that both runs sent the same packets.
///
/// # Panics
/// With the first differing line when they did not: something in the scenario is not decided by the seed.
pub(crate) fn run_twice(seed: u64, scenario: impl AsyncFn(&World)) -> Trace {
    let traced = || {
        run(seed, async |world| {
            scenario(world).await;
            world.net.trace()
        })
    };
    let (first, second) = (traced(), traced());
    if let Some(difference) = first.first_difference(&second) {
        panic!("seed {seed} does not replay: {difference}");
    }
    assert_eq!(first.hash(), second.hash(), "seed {seed}: equal lines, other hash");
    first
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            net: Network::new(rng.next_u64()),
            runtime: SimRuntime::shared(),
            identity: Identity::generate(),
            rng: Mutex::new(rng),
        }
    }

    /// A random stream of its own for one part of the scenario.
    pub(crate) fn rng(&self) -> Rng {
        self.rng.lock().expect("no draw panics").fork()
    }

    /// A server at `addr` with `reset_key`, which a restarted server must remember to be able to tell old peers.
    pub(crate) fn server(
        &self,
        addr: SocketAddr,
        reset_key: [u8; 64],
        transport: TransportConfig,
    ) -> Endpoint {
        let mut config = self.identity.server_config();
        config.transport_config(Arc::new(transport));
        endpoint::make_server_replayable(&mut config);
        let endpoint_config = endpoint::replayable_endpoint(self.rng(), reset_key);
        Endpoint::new_with_abstract_socket(
            endpoint_config,
            Some(config),
            self.net.bind(addr),
            Arc::clone(&self.runtime),
        )
        .expect("a simulated socket has an address")
    }

    /// A client at `addr` that trusts [`World::server`].
    pub(crate) fn client(&self, addr: SocketAddr, transport: TransportConfig) -> Endpoint {
        let mut config = self.identity.client_config();
        config.transport_config(Arc::new(transport));
        endpoint::make_client_replayable(&mut config, self.rng());
        let mut rng = self.rng();
        let reset_key = rng.bytes();
        let mut client = Endpoint::new_with_abstract_socket(
            endpoint::replayable_endpoint(rng, reset_key),
            None,
            self.net.bind(addr),
            Arc::clone(&self.runtime),
        )
        .expect("a simulated socket has an address");
        client.set_default_client_config(config);
        client
    }
}

#[test]
#[should_panic(expected = "hangs: no end after")]
fn a_scenario_that_waits_for_nothing_is_noticed() {
    run(1, async |_| std::future::pending::<()>().await);
}
