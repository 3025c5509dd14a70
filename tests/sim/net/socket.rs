//! One bound address, as quinn sees a UDP socket.
//!
//! Always writable, never fragments, takes several segments in one transmit so that splitting is exercised.
//! Receiving waits on one timer, set for the earliest packet under way; a faster one wakes the task instead.

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    mailbox::{BindingId, Next, Packet},
    network::Network,
};

/// Datagrams one transmit may hold; Linux allows up to 64, quinn uses up to 10.
const SEGMENTS_MAX: usize = 8;

/// A socket of the simulated network. Dropping it frees the address.
#[derive(Debug)]
pub(super) struct SimSocket {
    net: Network,
    addr: SocketAddr,
    id: BindingId,
    timer: Mutex<Pin<Box<Sleep>>>,
}

impl SimSocket {
    pub(super) fn new(net: Network, addr: SocketAddr, id: BindingId) -> Self {
        Self { net, addr, id, timer: Mutex::new(Box::pin(sleep_until(Instant::now()))) }
    }

    /// Waits until a packet has arrived.
    fn poll_packet(&self, cx: &mut Context<'_>) -> Poll<io::Result<Packet>> {
        loop {
            match self.net.receive(self.addr, self.id, cx.waker()) {
                None => return Poll::Ready(Err(io::Error::other("the simulated host has crashed"))),
                Some(Next::Packet(packet)) => return Poll::Ready(Ok(packet)),
                Some(Next::Nothing) => return Poll::Pending,
                Some(Next::Due(due)) => {
                    let mut timer = self.timer.lock().expect("a timer does not panic");
                    timer.as_mut().reset(self.net.instant(due));
                    if timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    fn describe(&self, packet: &Packet) -> RecvMeta {
        RecvMeta {
            addr: as_family_of(self.addr, packet.from),
            len: packet.bytes.len(),
            stride: packet.bytes.len(),
            ecn: packet.ecn,
            dst_ip: Some(self.addr.ip()),
        }
    }
}

impl AsyncUdpSocket for SimSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.net.send(self.addr, self.id, transmit);
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut received = 0;
        for (buf, meta) in bufs.iter_mut().zip(meta) {
            match self.poll_packet(cx) {
                Poll::Ready(Ok(packet)) => {
                    // Like a kernel, cut off what the buffer cannot hold.
                    let len = packet.bytes.len().min(buf.len());
                    buf[..len].copy_from_slice(&packet.bytes[..len]);
                    *meta = RecvMeta { len, stride: len, ..self.describe(&packet) };
                    received += 1;
                }
                Poll::Ready(Err(error)) if received == 0 => return Poll::Ready(Err(error)),
                Poll::Pending if received == 0 => return Poll::Pending,
                // The next call will find the same again.
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(received))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }

    fn max_transmit_segments(&self) -> usize {
        SEGMENTS_MAX
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        self.net.unbind(self.addr, self.id);
    }
}

/// How a socket bound to `local` writes `peer`: an IPv6 socket knows IPv4 peers by their mapped addresses.
fn as_family_of(local: SocketAddr, peer: SocketAddr) -> SocketAddr {
    match (local.ip(), peer.ip()) {
        (IpAddr::V6(_), IpAddr::V4(ip)) => SocketAddr::new(ip.to_ipv6_mapped().into(), peer.port()),
        _ => peer,
    }
}

#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
