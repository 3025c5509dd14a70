//! A client's machine on the simulated network: its address, its sockets, and the one name it can resolve.
//!
//! Every socket gets a port of its own, as from a kernel. All are IPv4: the simulated network has no wildcards, so a
//! dual-stack socket is refused, which the client must live with anyway.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
};

use quinn::{AsyncUdpSocket, ClientConfig, EndpointConfig, Runtime};
use quipu_client::{Family, Resolving, Transport};

use crate::{
    net::{
        Cut, Network, SimRuntime,
        endpoint::{make_client_replayable, replayable_endpoint},
    },
    rng::Rng,
};

/// The way of one machine to the network.
#[derive(Debug)]
pub(crate) struct SimTransport {
    net: Network,
    server: SocketAddr,
    machine: Mutex<Machine>,
}

#[derive(Debug)]
struct Machine {
    ip: Ipv4Addr,
    last_port: u16,
    bound: Vec<SocketAddr>,
    rng: Rng,
}

impl SimTransport {
    /// A machine at `ip` that finds `server` under every name.
    pub(crate) fn new(net: Network, ip: Ipv4Addr, server: SocketAddr, rng: Rng) -> Arc<Self> {
        let machine = Machine { ip, last_port: 0, bound: Vec::new(), rng };
        Arc::new(Self { net, server, machine: Mutex::new(machine) })
    }

    /// Where the machine is now.
    pub(crate) fn ip(&self) -> IpAddr {
        self.lock().ip.into()
    }

    /// The newest socket's address, if there ever was one.
    pub(crate) fn newest(&self) -> Option<SocketAddr> {
        self.lock().bound.last().copied()
    }

    /// Sockets bound from now on are at `ip`. Those there are notice nothing, but nothing reaches them any more.
    pub(crate) fn move_to(&self, ip: Ipv4Addr) {
        let old = std::mem::replace(&mut self.lock().ip, ip);
        self.net.cut(Cut::Machine(old.into()));
    }

    /// All sockets die without a word.
    pub(crate) fn crash(&self) {
        let bound = std::mem::take(&mut self.lock().bound);
        bound.into_iter().for_each(|addr| self.net.crash(addr));
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().expect("nothing panics in here")
    }
}

impl Transport for SimTransport {
    fn runtime(&self) -> Arc<dyn Runtime> {
        SimRuntime::shared()
    }

    fn bind(&self, family: Family) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        if family != Family::V4 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut machine = self.lock();
        machine.last_port += 1;
        let addr = SocketAddr::from((machine.ip, machine.last_port));
        machine.bound.push(addr);
        Ok(self.net.bind(addr))
    }

    fn resolve<'a>(&'a self, _host: &'a str, _port: u16) -> Resolving<'a> {
        Box::pin(std::future::ready(Ok(vec![self.server])))
    }

    fn endpoint_config(&self) -> EndpointConfig {
        let mut rng = self.lock().rng.fork();
        let reset_key = rng.bytes();
        replayable_endpoint(rng, reset_key)
    }

    fn tune(&self, config: &mut ClientConfig) {
        make_client_replayable(config, self.lock().rng.fork());
    }
}
