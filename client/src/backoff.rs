//! How long to wait before dialling again: full jitter, doubling from 0.25 s to 30 s.
//!
//! Full jitter, because a server that comes back is met by everybody at once.

use std::time::Duration;

use crate::limits::{BACKOFF_MAX, BACKOFF_MIN};

/// Counts failures and says how long to wait. It never waits itself.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Failures since the last reset.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Starts over.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Notes a failure; gives the wait before the next attempt, drawn by `random` (uniform over all of `u32`).
    pub(crate) fn wait(&mut self, random: u32) -> Duration {
        let ceiling = BACKOFF_MIN.saturating_mul(1 << self.failures.min(16)).min(BACKOFF_MAX);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..10).map(|_| backoff.wait(u32::MAX).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        backoff.reset();
        assert_eq!(backoff.wait(u32::MAX), BACKOFF_MIN);
    }

    #[test]
    fn jitter_reaches_down_to_nothing_and_many_failures_do_not_overflow() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.wait(0), Duration::ZERO);
        for _ in 0..1_000 {
            assert!(backoff.wait(u32::MAX / 2) <= BACKOFF_MAX);
        }
    }
}
