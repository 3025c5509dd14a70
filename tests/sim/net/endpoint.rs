//! Takes chance out of quinn's endpoints: connection ids, internal randomness and wall time follow the seed.
//!
//! Works on any configuration, so the product's own can be made to replay as well.
//! What stays random: keys, and the bytes of tokens. None of them changes a length.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use quinn::{ClientConfig, ConnectionId, ConnectionIdGenerator, EndpointConfig, ServerConfig, TimeSource};
use ring::hmac;
use tokio::time::Instant;

use crate::rng::Rng;

/// Bytes of the connection ids endpoints choose: the usual eight.
const CID_BYTES: usize = 8;
/// Bytes of the id a client starts with: what quinn would use, so that handshakes have their true size.
const INITIAL_CID_BYTES: usize = 20;
/// Wall time at which every world begins, in seconds after 1970: some day in 2026.
pub(crate) const WORLD_BEGINS_SECS: u64 = 1_780_000_000;

/// An endpoint configuration that follows `rng`. Give a restarted server another `rng`, so that it does not repeat
/// connection ids, and the same `reset_key`, so that it can tell peers of its former life.
pub(crate) fn replayable_endpoint(mut rng: Rng, reset_key: [u8; 64]) -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &reset_key)));
    config.rng_seed(Some(rng.bytes()));
    let cids = rng.fork();
    config.cid_generator(move || Box::new(SeededCids(cids.clone())));
    config
}

/// Gives a server virtual wall time, which counts from now. Call inside the world.
pub(crate) fn make_server_replayable(config: &mut ServerConfig) {
    config.time_source(Arc::new(VirtualWallTime { started: Instant::now() }));
}

/// Makes a client choose its first connection ids by `rng`.
pub(crate) fn make_client_replayable(config: &mut ClientConfig, rng: Rng) {
    let rng = Mutex::new(rng);
    config.initial_dst_cid_provider(Arc::new(move || {
        let bytes: [u8; INITIAL_CID_BYTES] = rng.lock().expect("no draw panics").bytes();
        ConnectionId::new(&bytes)
    }));
}

/// Connection ids from a stream that repeats none: splitmix64 visits each 64-bit number once. They do not simply count,
/// because then one flipped bit would turn an id into its neighbour, which on a real network happens to nobody.
struct SeededCids(Rng);

impl ConnectionIdGenerator for SeededCids {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&self.0.bytes::<CID_BYTES>())
    }

    fn cid_len(&self) -> usize {
        CID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

struct VirtualWallTime {
    started: Instant,
}

impl TimeSource for VirtualWallTime {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(WORLD_BEGINS_SECS) + self.started.elapsed()
    }
}
