//! One attempt to reach a server: resolve, race its addresses, and know exactly why it failed.
//!
//! ```text
//!   host ──resolve──▶ v6 v4 v6 v4 ──250 ms apart──▶ first handshake wins       first address again after 3 s
//! ```
//!
//! Invariant: nothing is sent on a connection before its server was checked against the pin.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use quinn::{ConnectError, Connection, ConnectionError, Endpoint};
use quinn_proto::TransportErrorCode;
use tokio::time::{sleep, timeout};

use crate::ending::Ending;
use crate::limits::{DIAL_ADDRESSES_MAX, DIAL_AGAIN, DIAL_STAGGER, DIAL_TIMEOUT};
use crate::net::endpoint::Dialler;

/// A connection whose server is the right one, and the endpoint it lives on.
#[derive(Debug, Clone)]
pub(crate) struct Dialled {
    pub(crate) endpoint: Endpoint,
    pub(crate) connection: Connection,
}

/// TLS alert 120, no_application_protocol (RFC 7301 section 3.2).
const NO_APPLICATION_PROTOCOL: u8 = 120;

impl Dialler {
    /// The addresses of a server, in the order they are tried.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Ending> {
        let unresolved =
            |what: &dyn std::fmt::Display| Ending::Unresolved(format!("cannot find {host}: {what}"));
        let resolving = timeout(DIAL_TIMEOUT, self.transport.resolve(host, port));
        let addresses = match resolving.await {
            Err(_) => return Err(unresolved(&"no answer from the name service")),
            Ok(Err(error)) => return Err(unresolved(&error)),
            Ok(Ok(addresses)) => addresses,
        };
        if addresses.is_empty() {
            return Err(unresolved(&"it has no address"));
        }
        Ok(interleaved(addresses))
    }

    /// Connects to a server, over whichever of its addresses answers first.
    ///
    /// # Errors
    /// The most telling reason among those of all addresses.
    pub(crate) async fn dial(&self, host: &str, port: u16) -> Result<Dialled, Ending> {
        let addresses = self.resolve(host, port).await?;
        let endpoint = self
            .endpoint()
            .map_err(|error| Ending::Unreachable(format!("this machine gives no UDP socket: {error}")))?;
        let racing = timeout(DIAL_TIMEOUT, self.race(&endpoint, host, &addresses));
        let connection = racing.await.unwrap_or_else(|_| Err(silence(host, port)))?;
        Ok(Dialled { endpoint, connection })
    }

    async fn race(
        &self,
        endpoint: &Endpoint,
        host: &str,
        addresses: &[SocketAddr],
    ) -> Result<Connection, Ending> {
        // What an attempt of an earlier race saw, and nobody asked for, is not about this one.
        drop(self.verifier.last_refusal());
        let starts = (0_u32..).map(|n| DIAL_STAGGER * n);
        let mut attempts: FuturesUnordered<_> = addresses
            .iter()
            .zip(starts)
            .map(|(address, start)| self.attempt(endpoint, host, *address, start))
            .collect();
        attempts.push(self.attempt(endpoint, host, addresses[0], DIAL_AGAIN));
        let mut worst: Option<Ending> = None;
        while let Some(result) = attempts.next().await {
            match result {
                Ok(connection) => return Ok(connection),
                // Somebody answers who is not the server: trying its other addresses is no better.
                Err(ending @ (Ending::Identity(_) | Ending::Version)) => return Err(ending),
                Err(ending) => worst = Some(worst.unwrap_or(ending)),
            }
        }
        Err(worst.unwrap_or_else(|| Ending::Unreachable(format!("{host} has no address to try"))))
    }

    async fn attempt(
        &self,
        endpoint: &Endpoint,
        host: &str,
        address: SocketAddr,
        start: Duration,
    ) -> Result<Connection, Ending> {
        if !start.is_zero() {
            sleep(start).await;
        }
        let connecting = endpoint
            .connect_with(self.config.clone(), address, host)
            .map_err(|error| of_connect(&error, address))?;
        connecting.await.map_err(|error| self.of_handshake(error, address))
    }

    fn of_handshake(&self, error: ConnectionError, address: SocketAddr) -> Ending {
        if let ConnectionError::TransportError(_) = error
            && let Some(refusal) = self.verifier.last_refusal()
        {
            return Ending::Identity(refusal);
        }
        let alert = TransportErrorCode::crypto(NO_APPLICATION_PROTOCOL);
        match &error {
            ConnectionError::TransportError(inner) if inner.code == alert => Ending::Version,
            ConnectionError::ConnectionClosed(close) if close.error_code == alert => Ending::Version,
            ConnectionError::VersionMismatch => Ending::Version,
            ConnectionError::TimedOut => Ending::Unreachable(format!("no answer from {address} over UDP")),
            ConnectionError::ConnectionClosed(close)
                if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
            {
                Ending::Unreachable(format!("the server at {address} takes no connections now"))
            }
            ConnectionError::TransportError(inner) => {
                Ending::Unreachable(format!("no secure connection with {address}: {inner}"))
            }
            _ => Ending::Closed(error),
        }
    }
}

fn of_connect(error: &ConnectError, address: SocketAddr) -> Ending {
    Ending::Unreachable(match error {
        ConnectError::InvalidRemoteAddress(_) => format!("no way to {address} from here"),
        other => format!("cannot dial {address}: {other}"),
    })
}

fn silence(host: &str, port: u16) -> Ending {
    let seconds = DIAL_TIMEOUT.as_secs();
    Ending::Unreachable(format!(
        "no answer from {host} port {port} over UDP within {seconds} s: is the server running, and does the network let UDP pass?"
    ))
}

/// IPv6 first, then alternating, as RFC 8305 section 4 asks; within a family the resolver's order.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv6);
    let longest = v6.len().max(v4.len());
    let mut order: Vec<SocketAddr> =
        (0..longest).flat_map(|n| v6.get(n).into_iter().chain(v4.get(n))).copied().collect();
    order.dedup();
    order.truncate(DIAL_ADDRESSES_MAX);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_and_are_bounded() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (a, b, c) = (address("10.0.0.1:1"), address("10.0.0.2:1"), address("10.0.0.3:1"));
        let x = address("[fd00::1]:1");
        assert_eq!(interleaved(vec![a, b, x]), [x, a, b]);
        assert_eq!(interleaved(vec![a, a]), [a]);
        assert_eq!(interleaved(vec![a, b, c, x, address("10.0.0.4:1")]), [x, a, b, c]);
    }
}
