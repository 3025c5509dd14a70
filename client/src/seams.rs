//! Seams: what the client takes from the outside world, so that a simulation can hand it something else.
//!
//! The server has traits of the same shape. They are not shared: a client never depends on the server, and the
//! protocol crate has no clock.
//! Invariant: nothing else in this library reads the wall clock or draws a random number.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};

/// Wall time.
pub trait Clock: Send + Sync + Debug {
    /// Milliseconds since 1970-01-01 00:00 UTC. May step in either direction when a user sets the time.
    fn now_ms(&self) -> u64;
}

/// Randomness fit for keys.
pub trait Entropy: Send + Sync + Debug {
    /// Overwrites all of `out`.
    fn fill(&self, out: &mut [u8]);
}

/// The outside world, as one value to pass down.
#[derive(Clone, Debug)]
pub struct Seams {
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Seams {
    /// The machine's own clock and randomness.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
    }
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    // The one place that reads it: everyone else takes a `Clock`.
    #[allow(clippy::disallowed_methods)]
    fn now_ms(&self) -> u64 {
        // A clock set before 1970 reads as 1970: certificates are then "not yet valid", which says what is wrong.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    ///
    /// If the operating system gives none. No key may be made then, so there is nothing to carry on with.
    fn fill(&self, out: &mut [u8]) {
        SystemRandom::new()
            .fill(out)
            .expect("the operating system gives randomness, as on every supported platform");
    }
}
