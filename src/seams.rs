//! Seams: what the server takes from the outside world, so that a simulation can hand it something else.
//!
//! ```text
//!   SystemClock, SystemEntropy ──┐
//!                                ├──▶ Seams ──▶ everything that dates or randomises something
//!   simulated clock, seed ───────┘
//! ```
//!
//! Elapsed time is not here: for that everyone uses `tokio::time::Instant`, which a test can pause. Sockets are quinn's
//! own seam, and the disk is the store's.
//! Invariant: nothing else in the server reads the wall clock or draws a random number.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// Wall time.
pub trait Clock: Send + Sync + Debug {
    /// Milliseconds since 1970-01-01 00:00 UTC. May step in either direction when an operator sets the time.
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

/// A [`Clock`] as rustls and quinn ask for it.
#[derive(Clone, Debug)]
pub(crate) struct WallTime(pub(crate) Arc<dyn Clock>);

impl TimeProvider for WallTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.now_ms())))
    }
}

impl quinn::TimeSource for WallTime {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.now_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_knows_a_time_after_this_was_written_and_gives_distinct_bytes() {
        let seams = Seams::system();
        assert!(seams.clock.now_ms() > 1_760_000_000_000);
        let (mut one, mut two) = ([0; 32], [0; 32]);
        seams.entropy.fill(&mut one);
        seams.entropy.fill(&mut two);
        assert_ne!(one, two);
    }

    #[test]
    fn rustls_and_quinn_see_the_same_instant() {
        let clock = WallTime(Arc::new(SystemClock));
        let rustls = clock.current_time().unwrap().as_secs();
        let quinn = quinn::TimeSource::now(&clock).duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(quinn - rustls <= 1);
    }
}
