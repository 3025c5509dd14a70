//! Who can reach whom: cuts, and the addresses under which hosts behind a NAT are seen.
//!
//! *Real* addresses are those sockets are bound to, *seen* ones those the other side answers. They differ only
//! behind a NAT. Cuts and link models speak of real addresses, so they survive a rebinding.
//! A cut takes packets as they are sent; what is already under way still arrives.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    ops::Range,
    time::Duration,
};

use super::link::Why;

/// Packets that a cut takes, by real address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// All to and from one address.
    Host(SocketAddr),
    /// All to and from one machine, whichever port.
    Machine(IpAddr),
    /// All between two addresses, both ways.
    Between(SocketAddr, SocketAddr),
    /// One direction only.
    OneWay { from: SocketAddr, to: SocketAddr },
}

impl From<SocketAddr> for Cut {
    fn from(addr: SocketAddr) -> Self {
        Self::Host(addr)
    }
}

impl Cut {
    fn takes(self, from: SocketAddr, to: SocketAddr) -> bool {
        match self {
            Self::Host(addr) => addr == from || addr == to,
            Self::Machine(ip) => ip == from.ip() || ip == to.ip(),
            Self::Between(a, b) => (a, b) == (from, to) || (b, a) == (from, to),
            Self::OneWay { from: source, to: target } => (source, target) == (from, to),
        }
    }
}

/// The cuts and the NAT table of one network.
#[derive(Debug, Default)]
pub(super) struct Topology {
    cuts: Vec<(Cut, Range<Duration>)>,
    seen_by_real: BTreeMap<SocketAddr, SocketAddr>,
    real_by_seen: BTreeMap<SocketAddr, SocketAddr>,
}

impl Topology {
    /// Cuts during an interval of virtual time.
    pub(super) fn cut(&mut self, cut: Cut, during: Range<Duration>) {
        self.cuts.push((cut, during));
    }

    /// Ends `cut`, also intervals of it that are still to come.
    pub(super) fn heal(&mut self, cut: Cut) {
        self.cuts.retain(|(other, _)| *other != cut);
    }

    /// Ends all cuts.
    pub(super) fn heal_all(&mut self) {
        self.cuts.clear();
    }

    /// From now on `real` is seen as `seen`, and reached only there.
    pub(super) fn rebind_nat(&mut self, real: SocketAddr, seen: SocketAddr) {
        if let Some(old) = self.seen_by_real.insert(real, seen) {
            self.real_by_seen.remove(&old);
        }
        let other = self.real_by_seen.insert(seen, real);
        assert!(other.is_none_or(|other| other == real), "{seen} already is the outside of {other:?}");
    }

    /// The address others see for `real`.
    pub(super) fn seen(&self, real: SocketAddr) -> SocketAddr {
        self.seen_by_real.get(&real).copied().unwrap_or(real)
    }

    /// The real address a packet from `from` (real) to `to` (seen) reaches at `now`.
    pub(super) fn route(&self, from: SocketAddr, to: SocketAddr, now: Duration) -> Result<SocketAddr, Why> {
        let real = match self.real_by_seen.get(&to) {
            Some(real) => *real,
            // A host behind a NAT cannot be reached past it.
            None if self.seen_by_real.contains_key(&to) => return Err(Why::NoRoute),
            None => to,
        };
        let cut = self.cuts.iter().any(|(cut, during)| during.contains(&now) && cut.takes(from, real));
        if cut { Err(Why::Cut) } else { Ok(real) }
    }
}

#[test]
fn cuts_take_what_they_say_while_they_last() {
    let [a, b, c] = [1, 2, 3].map(|port| SocketAddr::from(([10, 0, 0, 1], port)));
    let seconds = Duration::from_secs;
    let mut topology = Topology::default();
    topology.cut(Cut::OneWay { from: a, to: b }, seconds(10)..seconds(20));
    assert_eq!(topology.route(a, b, seconds(9)), Ok(b));
    assert_eq!(topology.route(a, b, seconds(10)), Err(Why::Cut));
    assert_eq!(topology.route(b, a, seconds(10)), Ok(a));
    assert_eq!(topology.route(a, b, seconds(20)), Ok(b));

    topology.cut(a.into(), seconds(30)..Duration::MAX);
    assert_eq!(topology.route(c, a, seconds(30)), Err(Why::Cut));
    assert_eq!(topology.route(c, b, seconds(30)), Ok(b));
    topology.cut(Cut::Machine(b.ip()), seconds(40)..Duration::MAX);
    assert_eq!(topology.route(c, b, seconds(40)), Err(Why::Cut));
    topology.heal(Cut::Machine(b.ip()));
    topology.heal(a.into());
    assert_eq!(topology.route(c, a, seconds(30)), Ok(a));
}

#[test]
fn a_host_behind_a_nat_is_reached_only_at_its_latest_address() {
    let [real, server, first, second] = [1, 2, 3, 4].map(|port| SocketAddr::from(([10, 0, 0, 1], port)));
    let mut topology = Topology::default();
    topology.rebind_nat(real, first);
    assert_eq!(topology.seen(real), first);
    assert_eq!(topology.route(server, first, Duration::ZERO), Ok(real));
    assert_eq!(topology.route(server, real, Duration::ZERO), Err(Why::NoRoute));

    topology.rebind_nat(real, second);
    assert_eq!(topology.route(server, second, Duration::ZERO), Ok(real));
    // Nobody owns the old outside address any more; the network finds no mailbox there.
    assert_eq!(topology.route(server, first, Duration::ZERO), Ok(first));
}
