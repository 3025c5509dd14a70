//! The network all simulated sockets share: a handle, cheap to clone, over one lock.
//!
//! The lock is held for one packet at a time and never while a receiver is woken.
//! Times inside are virtual and count from the moment the network was made.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
    task::Waker,
    time::Duration,
};

use quinn::{AsyncUdpSocket, udp::Transmit};
use tokio::time::Instant;

use super::{
    link::{Draws, Fate, LinkModel, LinkState, Why},
    mailbox::{BindingId, Mailbox, Next, Packet},
    socket::SimSocket,
    topology::{Cut, Topology},
    trace::{Line, Trace},
};
use crate::rng::Rng;

/// A lossy network in virtual time. Must be made and used inside [`crate::world::run`] or another paused runtime.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    state: Arc<Mutex<State>>,
    started: Instant,
}

impl Network {
    /// A network of clean links whose every decision follows from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            rng: Rng::new(seed),
            model: LinkModel::clean(),
            models: BTreeMap::new(),
            links: BTreeMap::new(),
            topology: Topology::default(),
            mailboxes: BTreeMap::new(),
            trace: Trace::new(),
            bindings: 0,
            sequence: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), started: Instant::now() }
    }

    /// Binds a socket. Use concrete addresses: there is no wildcard, and port 0 is not replaced.
    ///
    /// # Panics
    /// When `addr` is bound: end the holder with [`Network::crash`], or drop it, first.
    pub(crate) fn bind(&self, addr: SocketAddr) -> Arc<dyn AsyncUdpSocket> {
        let now = self.elapsed();
        let mut state = self.lock();
        state.bindings += 1;
        let id = state.bindings;
        let mailbox = state.mailboxes.entry(canonical(addr)).or_default();
        assert!(mailbox.owner().is_none(), "{addr} is in use");
        mailbox.transfer(Some(id), now);
        drop(state);
        Arc::new(SimSocket::new(self.clone(), addr, id))
    }

    /// What `kill -9` looks like from outside: the socket at `addr` sends and receives nothing from now on, says
    /// nothing, and the address is free to be bound again. Inside, its endpoint fails with an I/O error.
    pub(crate) fn crash(&self, addr: SocketAddr) {
        let now = self.elapsed();
        let waker =
            self.lock().mailboxes.get_mut(&canonical(addr)).and_then(|mailbox| mailbox.transfer(None, now));
        wake(waker);
    }

    /// Sets how links behave that have no model of their own.
    pub(crate) fn set_model(&self, model: LinkModel) {
        self.lock().model = model;
    }

    /// Sets how all links from and to `addr` (real) behave; where both ends have a model, the sender's counts.
    pub(crate) fn set_model_of(&self, addr: SocketAddr, model: LinkModel) {
        self.lock().models.insert(addr, model);
    }

    /// Cuts until [`Network::heal`] is given the same cut. An address cuts all from and to it.
    pub(crate) fn cut(&self, cut: impl Into<Cut>) {
        let now = self.elapsed();
        self.lock().topology.cut(cut.into(), now..Duration::MAX);
    }

    /// Cuts during an interval counted from now.
    pub(crate) fn cut_during(&self, cut: impl Into<Cut>, from_now: Range<Duration>) {
        let now = self.elapsed();
        self.lock().topology.cut(cut.into(), now + from_now.start..now + from_now.end);
    }

    /// Ends a cut.
    pub(crate) fn heal(&self, cut: impl Into<Cut>) {
        self.lock().topology.heal(cut.into());
    }

    /// Ends all cuts, those that are still to come as well.
    pub(crate) fn heal_all(&self) {
        self.lock().topology.heal_all();
    }

    /// From now on others see `seen` where the socket bound to `real` sends, and reach it only there. The socket
    /// itself notices nothing, like a client whose NAT forgot it.
    pub(crate) fn rebind_nat(&self, real: SocketAddr, seen: SocketAddr) {
        let mut state = self.lock();
        assert!(!state.mailboxes.contains_key(&seen), "{seen} is a host, not the outside of a NAT");
        state.topology.rebind_nat(real, seen);
    }

    /// What was sent so far.
    pub(crate) fn trace(&self) -> Trace {
        self.lock().trace.clone()
    }

    /// The hash of what was sent so far: equal for equal runs.
    pub(crate) fn trace_hash(&self) -> u64 {
        self.lock().trace.hash()
    }

    /// Virtual time since the network was made.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Sends the datagrams of one transmit, which the kernel would split by segment size.
    pub(super) fn send(&self, from: SocketAddr, id: BindingId, transmit: &Transmit<'_>) {
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        let (from, to, now) = (canonical(from), canonical(transmit.destination), self.elapsed());
        for bytes in transmit.contents.chunks(segment) {
            let mut state = self.lock();
            if state.mailboxes.get(&from).and_then(Mailbox::owner) != Some(id) {
                return; // Crashed: nothing leaves any more.
            }
            let packet = Packet { from, ecn: transmit.ecn, bytes: bytes.to_vec() };
            let wakers = state.send(packet, to, now);
            drop(state);
            wakers.into_iter().for_each(wake);
        }
    }

    /// Takes the next packet that has arrived, or registers `waker`; `None` when the binding has ended.
    pub(super) fn receive(&self, addr: SocketAddr, id: BindingId, waker: &Waker) -> Option<Next> {
        let now = self.elapsed();
        let mut state = self.lock();
        let mailbox = state.mailboxes.get_mut(&canonical(addr))?;
        (mailbox.owner() == Some(id)).then(|| mailbox.pop(now, waker))
    }

    /// Frees the address if `id` still holds it.
    pub(super) fn unbind(&self, addr: SocketAddr, id: BindingId) {
        let now = self.elapsed();
        let mut state = self.lock();
        if let Some(mailbox) = state.mailboxes.get_mut(&canonical(addr))
            && mailbox.owner() == Some(id)
        {
            mailbox.transfer(None, now);
        }
    }

    /// The instant at which a virtual time is reached.
    pub(super) fn instant(&self, time: Duration) -> Instant {
        self.started + time
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a panic here has failed the test already")
    }
}

#[derive(Debug)]
struct State {
    rng: Rng,
    model: LinkModel,
    models: BTreeMap<SocketAddr, LinkModel>,
    links: BTreeMap<(SocketAddr, SocketAddr), LinkState>,
    topology: Topology,
    mailboxes: BTreeMap<SocketAddr, Mailbox>,
    trace: Trace,
    bindings: u64,
    sequence: u64,
}

impl State {
    /// Decides the packet's fate, writes it down, and puts what arrives under way. Returns whom to wake.
    fn send(&mut self, mut packet: Packet, to: SocketAddr, now: Duration) -> [Option<Waker>; 2] {
        let draws = Draws::new(&mut self.rng);
        let (real_from, len) = (packet.from, packet.bytes.len());
        packet.from = self.topology.seen(real_from);
        let line = Line { time: now, from: packet.from, to, len, fate: Fate::Dropped(Why::NoRoute) };
        let (fate, wakers) = match self.topology.route(real_from, to, now) {
            Ok(real_to) if self.mailboxes.contains_key(&real_to) => {
                let fate = self.carry(real_from, real_to, &draws, now, len);
                self.deliver(packet, real_to, now, fate)
            }
            Ok(_) => (Fate::Dropped(Why::NoRoute), [None, None]),
            Err(why) => (Fate::Dropped(why), [None, None]),
        };
        self.trace.record(Line { fate, ..line });
        wakers
    }

    fn carry(&mut self, from: SocketAddr, to: SocketAddr, draws: &Draws, now: Duration, len: usize) -> Fate {
        let model = self.models.get(&from).or_else(|| self.models.get(&to)).unwrap_or(&self.model);
        model.carry(self.links.entry((from, to)).or_default(), draws, now, len)
    }

    fn deliver(
        &mut self,
        mut packet: Packet,
        to: SocketAddr,
        now: Duration,
        fate: Fate,
    ) -> (Fate, [Option<Waker>; 2]) {
        let Fate::Arrives { at, again, flipped_bit } = fate else {
            return (fate, [None, None]);
        };
        if let Some(bit) = flipped_bit {
            packet.bytes[bit / 8] ^= 1 << (bit % 8);
        }
        let copy = again.map(|at| (at, packet.clone()));
        let mut wakers = [None, None];
        for ((at, packet), waker) in [Some((at, packet)), copy].into_iter().flatten().zip(&mut wakers) {
            self.sequence += 1;
            let due = (at, self.sequence);
            match self.mailboxes.entry(to).or_default().push(now, due, packet) {
                Ok(next) => *waker = next,
                Err(()) => return (Fate::Dropped(Why::MailboxFull), wakers),
            }
        }
        (fate, wakers)
    }
}

/// A dual-stack socket writes IPv4 addresses as IPv6; to the network both are one host.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
