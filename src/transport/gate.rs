//! Who may begin a handshake: caps before authentication, for each network somebody may have whole and in all.
//!
//! ```text
//!   few waiting ─▶ accept      many, address unproven ─▶ Retry      too many ─▶ ignore
//! ```
//!
//! Nothing is keyed by address after authentication: a [`Pass`] is given back then.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::config::Limits;
use crate::limits::{REDEEM_FAILURES_PER_MINUTE, UNPROVEN_MAX};
use crate::rate::TokenBucket;

/// Hosts with failed redemptions that are remembered.
const PREFIXES_MAX: usize = 4_096;
/// A customer's network, an IPv4 /24 or an IPv6 /56, has this part of all places.
const CUSTOMER_PART: usize = 16;
/// An organisation's, an IPv6 /48, this one.
const ORGANISATION_PART: usize = 8;

/// Counts who is not authenticated yet.
pub(super) struct Gate {
    counts: Arc<Mutex<Counts>>,
    total_max: usize,
    prefix_max: usize,
    failures: Mutex<HashMap<Prefix, TokenBucket>>,
}

#[derive(Default)]
struct Counts {
    total: usize,
    prefixes: HashMap<Prefix, usize>,
}

/// A network: how many bytes of its addresses are the same, and which. IPv4 and IPv6 differ in how many we look at.
type Prefix = (usize, [u8; 8]);

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
    networks: Vec<Prefix>,
}

impl Gate {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            counts: Arc::default(),
            total_max: limits.unauthenticated_max as usize,
            prefix_max: limits.unauthenticated_per_prefix_max as usize,
            failures: Mutex::default(),
        }
    }

    pub(super) fn judge(&self, from: SocketAddr, address_proven: bool) -> Verdict {
        let networks = networks(from.ip());
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_above = |part: usize| {
            let above = |(prefix, max): (&Prefix, usize)| {
                counts.prefixes.get(prefix).is_some_and(|count| *count >= max / part)
            };
            networks.iter().zip(self.caps()).any(above)
        };
        // An address that anybody could have forged counts for nobody, and must not take the places of others.
        let crowded = counts.total >= (self.total_max / 2).min(UNPROVEN_MAX) || is_above(2);
        if crowded && !address_proven {
            return Verdict::Retry;
        }
        if counts.total >= self.total_max || is_above(1) {
            return Verdict::Ignore;
        }
        counts.total += 1;
        for prefix in &networks {
            *counts.prefixes.entry(*prefix).or_default() += 1;
        }
        Verdict::Accept(Pass { counts: Arc::clone(&self.counts), networks })
    }

    /// How many strangers may come from a host, from a customer's network, from an organisation's. The larger have room for
    /// some crowded hosts, or their own would be shut out with one.
    fn caps(&self) -> [usize; 3] {
        let part = |part: usize, hosts: usize| (self.total_max / part).max(hosts * self.prefix_max);
        [self.prefix_max, part(CUSTOMER_PART, 2), part(ORGANISATION_PART, 4)]
    }

    /// Whether somebody from this address may guess at one more invite.
    pub(super) fn may_redeem(&self, from: SocketAddr, now: Instant) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(&host(from.ip())).is_none_or(|bucket| bucket.clone().try_take(now))
    }

    /// Notes that somebody from this address guessed wrong.
    pub(super) fn redeem_failed(&self, from: SocketAddr, now: Instant) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= PREFIXES_MAX {
            failures.clear();
        }
        let bucket = failures.entry(host(from.ip()));
        bucket.or_insert_with(|| TokenBucket::per_minute(REDEEM_FAILURES_PER_MINUTE)).try_take(now);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total -= 1;
        for prefix in &self.networks {
            let left = counts.prefixes.get_mut(prefix).map_or(0, |count| {
                *count -= 1;
                *count
            });
            if left == 0 {
                counts.prefixes.remove(prefix);
            }
        }
    }
}

/// An IPv4 address, or the /64 an IPv6 host is given whole.
fn host(ip: IpAddr) -> Prefix {
    match ip.to_canonical() {
        IpAddr::V4(ip) => cut(&ip.octets(), 4),
        IpAddr::V6(ip) => cut(&ip.octets(), 8),
    }
}

/// The networks of [`Gate::caps`] in which an address is.
fn networks(ip: IpAddr) -> Vec<Prefix> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => vec![cut(&ip.octets(), 4), cut(&ip.octets(), 3)],
        IpAddr::V6(ip) => [8, 7, 6].map(|bytes| cut(&ip.octets(), bytes)).into(),
    }
}

fn cut(address: &[u8], bytes: usize) -> Prefix {
    let mut prefix = [0; 8];
    prefix[..bytes].copy_from_slice(&address[..bytes]);
    (bytes, prefix)
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

    /// One host with a /56, or a whole /24, is many hosts: together they have a part of all places.
    #[test]
    fn nobody_with_a_large_network_takes_all_places() {
        let limits =
            Limits { unauthenticated_max: 320, unauthenticated_per_prefix_max: 4, ..Limits::default() };
        let fill = |addresses: &mut dyn Iterator<Item = String>| {
            let gate = Gate::new(&limits);
            let mut passes = Vec::new();
            for address in addresses {
                match gate.judge(from(&address), true) {
                    Verdict::Accept(pass) => passes.push(pass),
                    _ => break,
                }
            }
            let all = passes.len();
            drop(passes);
            assert!(gate.counts.lock().unwrap().prefixes.is_empty(), "all places are given back");
            all
        };
        assert_eq!(fill(&mut (0..256).map(|n| format!("10.0.0.{n}"))), 20);
        assert_eq!(fill(&mut (0..256).map(|n| format!("2001:db8:0:{n:x}::1"))), 20);
        assert_eq!(fill(&mut (0..256).map(|n| format!("2001:db8:0:{n:x}00::1"))), 40);
        assert_eq!(fill(&mut (0..400).map(|n| format!("10.{}.{}.1", n / 200, n % 200))), 320);
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
