//! The way to the network: sockets, names, and quinn's runtime, so that a simulation can hand in its own.
//!
//! Sockets are always wildcards. One bound to an interface's address dies silently with that address, and cannot
//! move to another network.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use quinn::{AsyncUdpSocket, ClientConfig, EndpointConfig, Runtime, TokioRuntime};
use socket2::{Domain, Protocol, Socket, Type};

/// An answer about a name that is still to come.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Sockets, names and time for quinn.
pub trait Transport: Send + Sync + Debug {
    /// Timers and tasks for quinn.
    fn runtime(&self) -> Arc<dyn Runtime>;

    /// A fresh socket on the wildcard address and any port. Its `local_addr` must be of the family.
    ///
    /// # Errors
    /// When this machine has no such sockets.
    fn bind(&self, family: Family) -> io::Result<Arc<dyn AsyncUdpSocket>>;

    /// The addresses of a host (a name, or an address without brackets).
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;

    /// What quinn needs for an endpoint: a simulation seeds it.
    fn endpoint_config(&self) -> EndpointConfig {
        EndpointConfig::default()
    }

    /// Last word on a connection's configuration: a simulation sets where connection ids come from.
    fn tune(&self, _config: &mut ClientConfig) {}
}

/// Which addresses a socket reaches. An endpoint never changes its family: quinn would go silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv6, and IPv4 as mapped addresses.
    Dual,
    /// IPv4 alone.
    V4,
}

/// The machine's own network.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemTransport;

impl Transport for SystemTransport {
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime)
    }

    fn bind(&self, family: Family) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(wildcard(family)?.into())
    }

    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

fn wildcard(family: Family) -> io::Result<Socket> {
    let (domain, address): (_, SocketAddr) = match family {
        Family::Dual => (Domain::IPV6, (Ipv6Addr::UNSPECIFIED, 0).into()),
        Family::V4 => (Domain::IPV4, (Ipv4Addr::UNSPECIFIED, 0).into()),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if family == Family::Dual {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}
