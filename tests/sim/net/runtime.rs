//! quinn's runtime in virtual time: tokio's clock and tasks, and no real sockets.

use std::{future::Future, io, pin::Pin, sync::Arc, time::Instant};

use quinn::{AsyncTimer, AsyncUdpSocket, Runtime};

/// Timers, tasks and time of the tokio runtime it is used in. All state is there, so one value is like another.
#[derive(Debug)]
pub(crate) struct SimRuntime;

impl SimRuntime {
    /// The runtime in the form endpoints take it.
    pub(crate) fn shared() -> Arc<dyn Runtime> {
        Arc::new(Self)
    }
}

impl Runtime for SimRuntime {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(tokio::time::sleep_until(at.into()))
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        // Endpoint and connection drivers end with their endpoint, at the latest with the world's runtime.
        tokio::spawn(future);
    }

    fn wrap_udp_socket(&self, _: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a simulated world has no real sockets"))
    }

    fn now(&self) -> Instant {
        // quinn measures its own work by this, so real time here would let a busy machine change the packets.
        tokio::time::Instant::now().into_std()
    }
}
