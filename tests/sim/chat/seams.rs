//! Clock and randomness of a simulated machine, in the shape server and client ask for.

use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::{net::endpoint::WORLD_BEGINS_SECS, rng::Rng};

/// Wall time that begins with the world and passes with tokio's paused clock.
#[derive(Debug, Clone, Copy)]
struct SimClock {
    started: Instant,
}

impl SimClock {
    fn now_ms(self) -> u64 {
        WORLD_BEGINS_SECS * 1_000 + self.started.elapsed().as_millis() as u64
    }
}

/// Randomness by a seed: ids, secrets and jitter are the same in every run.
#[derive(Debug)]
struct SimEntropy(Mutex<Rng>);

impl SimEntropy {
    fn fill(&self, out: &mut [u8]) {
        let mut rng = self.0.lock().expect("no draw panics");
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&rng.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Where the world's time begins; every machine of a world shares it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch(SimClock);

impl Epoch {
    /// Time that begins now.
    pub(crate) fn now() -> Self {
        Self(SimClock { started: Instant::now() })
    }

    /// What a server takes from outside.
    pub(crate) fn server(self, rng: Rng) -> quipu_server::seams::Seams {
        quipu_server::seams::Seams { clock: Arc::new(self.0), entropy: Arc::new(SimEntropy(Mutex::new(rng))) }
    }

    /// What a client takes from outside.
    pub(crate) fn client(self, rng: Rng) -> quipu_client::Seams {
        quipu_client::Seams { clock: Arc::new(self.0), entropy: Arc::new(SimEntropy(Mutex::new(rng))) }
    }
}

impl quipu_server::seams::Clock for SimClock {
    fn now_ms(&self) -> u64 {
        SimClock::now_ms(*self)
    }
}

impl quipu_client::seams::Clock for SimClock {
    fn now_ms(&self) -> u64 {
        SimClock::now_ms(*self)
    }
}

impl quipu_server::seams::Entropy for SimEntropy {
    fn fill(&self, out: &mut [u8]) {
        SimEntropy::fill(self, out);
    }
}

impl quipu_client::seams::Entropy for SimEntropy {
    fn fill(&self, out: &mut [u8]) {
        SimEntropy::fill(self, out);
    }
}
