//! Clock and randomness of a simulated machine, in the shape server and client ask for.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use tokio::time::Instant;

use crate::{net::endpoint::WORLD_BEGINS_SECS, rng::Rng};

/// Wall time that begins with the world and passes with tokio's paused clock, as one machine sees it.
#[derive(Debug)]
struct SimClock {
    started: Instant,
    skew: Skew,
}

/// How much one machine's clock is ahead, in milliseconds. Clones are of the same clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Skew(Arc<AtomicI64>);

impl Skew {
    /// Somebody sets the clock.
    pub(crate) fn set_ms(&self, ms: i64) {
        self.0.store(ms, Ordering::Relaxed);
    }
}

impl SimClock {
    fn now_ms(&self) -> u64 {
        let truth = WORLD_BEGINS_SECS * 1_000 + self.started.elapsed().as_millis() as u64;
        truth.saturating_add_signed(self.skew.0.load(Ordering::Relaxed))
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
pub(crate) struct Epoch(Instant);

impl Epoch {
    /// Time that begins now.
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    /// What a server takes from outside, whose clock may be set.
    pub(crate) fn server(self, rng: Rng, skew: Skew) -> quipu_server::seams::Seams {
        let clock = Arc::new(SimClock { started: self.0, skew });
        quipu_server::seams::Seams { clock, entropy: Arc::new(SimEntropy(Mutex::new(rng))) }
    }

    /// What a client takes from outside.
    pub(crate) fn client(self, rng: Rng) -> quipu_client::Seams {
        let clock = Arc::new(SimClock { started: self.0, skew: Skew::default() });
        quipu_client::Seams { clock, entropy: Arc::new(SimEntropy(Mutex::new(rng))) }
    }
}

impl quipu_server::seams::Clock for SimClock {
    fn now_ms(&self) -> u64 {
        SimClock::now_ms(self)
    }
}

impl quipu_client::seams::Clock for SimClock {
    fn now_ms(&self) -> u64 {
        SimClock::now_ms(self)
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
