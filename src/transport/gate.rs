//! Who may begin a handshake: caps before authentication, by network prefix and in all.
//!
//! ```text
//!   few waiting ─▶ accept      many, address unproven ─▶ Retry      too many ─▶ ignore
//! ```
//!
//! Nothing is keyed by address after authentication: a [`Pass`] is given back then.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::config::Limits;
use crate::limits::{HANDSHAKES_MAX, REDEEM_FAILURES_PER_MINUTE};
use crate::rate::TokenBucket;

/// Prefixes with failed redemptions that are remembered.
const PREFIXES_MAX: usize = 4_096;

/// Counts who is not authenticated yet.
pub(super) struct Gate {
    counts: Arc<Mutex<Counts>>,
    total_max: usize,
    prefix_max: usize,
    /// Handshakes at once: each costs CPU before anybody is known.
    pub(super) handshakes: Arc<Semaphore>,
    failures: Mutex<HashMap<Prefix, TokenBucket>>,
}

#[derive(Default)]
struct Counts {
    total: usize,
    prefixes: HashMap<Prefix, usize>,
}

/// An IPv4 address, or the /64 an IPv6 host is given whole.
type Prefix = [u8; 8];

/// What to do with an attempt to connect.
pub(super) enum Verdict {
    Accept(Pass),
    /// Prove your address first.
    Retry,
    /// Not even an answer.
    Ignore,
}

/// A place among the unauthenticated; dropping it gives the place back.
pub(super) struct Pass {
    counts: Arc<Mutex<Counts>>,
    prefix: Prefix,
}

impl Gate {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            counts: Arc::default(),
            total_max: limits.unauthenticated_max as usize,
            prefix_max: limits.unauthenticated_per_prefix_max as usize,
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
            failures: Mutex::default(),
        }
    }

    pub(super) fn judge(&self, from: SocketAddr, address_proven: bool) -> Verdict {
        let prefix = prefix(from.ip());
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let of_prefix = counts.prefixes.get(&prefix).copied().unwrap_or(0);
        // An address that anybody could have forged counts for nobody, and must not hold the handshakes of others.
        let crowded =
            counts.total >= (self.total_max / 2).min(HANDSHAKES_MAX / 2) || of_prefix >= self.prefix_max / 2;
        if crowded && !address_proven {
            return Verdict::Retry;
        }
        if counts.total >= self.total_max || of_prefix >= self.prefix_max {
            return Verdict::Ignore;
        }
        counts.total += 1;
        *counts.prefixes.entry(prefix).or_default() += 1;
        Verdict::Accept(Pass { counts: Arc::clone(&self.counts), prefix })
    }

    /// Whether somebody from this address may guess at one more invite.
    pub(super) fn may_redeem(&self, from: SocketAddr, now: Instant) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(&prefix(from.ip())).is_none_or(|bucket| bucket.clone().try_take(now))
    }

    /// Notes that somebody from this address guessed wrong.
    pub(super) fn redeem_failed(&self, from: SocketAddr, now: Instant) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= PREFIXES_MAX {
            failures.clear();
        }
        let bucket = failures.entry(prefix(from.ip()));
        bucket.or_insert_with(|| TokenBucket::per_minute(REDEEM_FAILURES_PER_MINUTE)).try_take(now);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total -= 1;
        let left = counts.prefixes.get_mut(&self.prefix).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if left == 0 {
            counts.prefixes.remove(&self.prefix);
        }
    }
}

fn prefix(ip: IpAddr) -> Prefix {
    let mut prefix = [0; 8];
    match ip.to_canonical() {
        IpAddr::V4(ip) => prefix[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => prefix.copy_from_slice(&ip.octets()[..8]),
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate::new(&Limits { unauthenticated_max: 8, unauthenticated_per_prefix_max: 4, ..Limits::default() })
    }

    fn from(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 9)
    }

    #[test]
    fn a_prefix_must_prove_itself_and_then_wait() {
        let gate = gate();
        let mut passes = Vec::new();
        for _ in 0..2 {
            let Verdict::Accept(pass) = gate.judge(from("10.0.0.1"), false) else { panic!("free") };
            passes.push(pass);
        }
        assert!(matches!(gate.judge(from("10.0.0.1"), false), Verdict::Retry));
        assert!(matches!(gate.judge(from("10.0.0.2"), false), Verdict::Accept(_)));
        for _ in 0..2 {
            let Verdict::Accept(pass) = gate.judge(from("::ffff:10.0.0.1"), true) else { panic!("proven") };
            passes.push(pass);
        }
        assert!(matches!(gate.judge(from("10.0.0.1"), true), Verdict::Ignore));
        passes.clear();
        assert!(matches!(gate.judge(from("10.0.0.1"), false), Verdict::Accept(_)));
    }

    #[test]
    fn hosts_of_one_network_are_one() {
        let gate = gate();
        let _passes: Vec<_> = ["2001:db8::1", "2001:db8::2"].map(|ip| gate.judge(from(ip), false)).into();
        assert!(matches!(gate.judge(from("2001:db8::3"), false), Verdict::Retry));
        assert!(matches!(gate.judge(from("2001:db8:0:1::1"), false), Verdict::Accept(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn guessing_invites_is_slow() {
        let (gate, now) = (gate(), Instant::now());
        for _ in 0..REDEEM_FAILURES_PER_MINUTE {
            assert!(gate.may_redeem(from("10.0.0.1"), now));
            gate.redeem_failed(from("10.0.0.1"), now);
        }
        assert!(!gate.may_redeem(from("10.0.0.1"), now) && gate.may_redeem(from("10.0.0.2"), now));
    }
}
