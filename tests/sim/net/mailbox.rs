//! What is under way to one address, in the order in which it will arrive.
//!
//! A mailbox belongs to an address, not to a socket: packets under way while a server restarts reach its successor.
//! What arrives while nobody is bound is gone.

use std::{collections::BTreeMap, net::SocketAddr, task::Waker, time::Duration};

use quinn::udp::EcnCodepoint;

/// Packets under way to one address; a receiver that never polls must not eat the machine.
const PACKETS_MAX: usize = 65_536;

/// One datagram under way.
#[derive(Debug, Clone)]
pub(super) struct Packet {
    pub(super) from: SocketAddr,
    pub(super) ecn: Option<EcnCodepoint>,
    pub(super) bytes: Vec<u8>,
}

/// Which binding of an address: a later one gets a larger number.
pub(super) type BindingId = u64;

/// Packets by (virtual time due, sequence of sending), and who receives them.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    under_way: BTreeMap<(Duration, u64), Packet>,
    owner: Option<BindingId>,
    waker: Option<Waker>,
}

impl Mailbox {
    /// Who is bound here.
    pub(super) fn owner(&self) -> Option<BindingId> {
        self.owner
    }

    /// Gives the address to `owner`, or to nobody, and returns whom to wake about it.
    pub(super) fn transfer(&mut self, owner: Option<BindingId>, now: Duration) -> Option<Waker> {
        self.forget_missed(now);
        self.owner = owner;
        self.waker.take()
    }

    /// Adds a packet and returns whom to wake; `Err` when the mailbox is full.
    pub(super) fn push(
        &mut self,
        now: Duration,
        due: (Duration, u64),
        packet: Packet,
    ) -> Result<Option<Waker>, ()> {
        self.forget_missed(now);
        if self.under_way.len() >= PACKETS_MAX {
            return Err(());
        }
        self.under_way.insert(due, packet);
        let is_next = self.under_way.first_key_value().is_some_and(|(first, _)| *first == due);
        Ok(if is_next { self.waker.take() } else { None })
    }

    /// The next packet that has arrived, or when the next one will.
    pub(super) fn pop(&mut self, now: Duration, waker: &Waker) -> Next {
        match self.under_way.first_entry() {
            Some(first) if first.key().0 <= now => Next::Packet(first.remove()),
            next => {
                let due = next.map(|next| next.key().0);
                self.waker = Some(waker.clone());
                due.map_or(Next::Nothing, Next::Due)
            }
        }
    }

    fn forget_missed(&mut self, now: Duration) {
        if self.owner.is_none() {
            self.under_way = self.under_way.split_off(&(now, u64::MAX));
        }
    }
}

/// What a receiver finds.
#[derive(Debug)]
pub(super) enum Next {
    /// A packet that has arrived.
    Packet(Packet),
    /// Nothing until this virtual time, unless something faster is sent meanwhile.
    Due(Duration),
    /// Nothing under way.
    Nothing,
}

#[test]
fn what_arrives_at_a_closed_socket_is_gone_and_what_is_under_way_is_not() {
    let packet = |byte| Packet { from: SocketAddr::from(([10, 0, 0, 1], 1)), ecn: None, bytes: vec![byte] };
    let seconds = Duration::from_secs;
    let mut mailbox = Mailbox::default();
    mailbox.transfer(Some(1), seconds(0));
    mailbox.transfer(None, seconds(1));
    mailbox.push(seconds(1), (seconds(2), 0), packet(0)).unwrap();
    mailbox.push(seconds(1), (seconds(4), 1), packet(1)).unwrap();
    mailbox.transfer(Some(2), seconds(3));
    assert!(matches!(mailbox.pop(seconds(3), Waker::noop()), Next::Due(due) if due == seconds(4)));
    assert!(matches!(mailbox.pop(seconds(4), Waker::noop()), Next::Packet(packet) if packet.bytes == [1]));
    assert!(matches!(mailbox.pop(seconds(4), Waker::noop()), Next::Nothing));
}
