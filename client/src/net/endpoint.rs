//! Sockets and settings of our end of a connection.
//!
//! Invariant: a [`Dialler`] belongs to one server identity; its TLS tickets are never offered to another.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use quinn::{ClientConfig, Endpoint, TransportConfig, VarInt};
use quinn_proto::crypto::rustls::QuicClientConfig;
use quipu_protocol::limits::IDLE_TIMEOUT_MS;

use crate::error::{Error, ErrorCode};
use crate::limits::{KEEP_ALIVE, UNI_STREAMS_MAX};
use crate::net::transport::{Family, Transport};
use crate::seams::Seams;
use crate::tls::{self, PinVerifier};

/// Everything needed to dial one server identity, any number of times.
#[derive(Debug, Clone)]
pub(crate) struct Dialler {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) config: ClientConfig,
    pub(crate) verifier: Arc<PinVerifier>,
}

impl Dialler {
    /// A dialler for the server with this pin.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when our own TLS settings contradict each other.
    pub(crate) fn new(transport: Arc<dyn Transport>, seams: &Seams, pin: [u8; 32]) -> Result<Self, Error> {
        let internal = |error: &dyn std::fmt::Display| Error::never(ErrorCode::Internal, error.to_string());
        let tls =
            tls::client_crypto(vec![pin], Arc::clone(&seams.clock)).map_err(|error| internal(&error))?;
        let crypto = QuicClientConfig::try_from(tls.config).map_err(|error| internal(&error))?;
        let mut config = ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(settings()));
        transport.tune(&mut config);
        Ok(Self { transport, config, verifier: tls.verifier })
    }

    /// A fresh endpoint on a fresh socket: dual-stack, or IPv4 where there is no IPv6.
    pub(crate) fn endpoint(&self) -> io::Result<Endpoint> {
        let bind = |family| self.transport.bind(family);
        let socket = bind(Family::Dual).or_else(|_| bind(Family::V4))?;
        let config = self.transport.endpoint_config();
        Endpoint::new_with_abstract_socket(config, None, socket, self.transport.runtime())
    }

    /// Moves an endpoint to a fresh socket of the same family.
    pub(crate) fn rebind(&self, endpoint: &Endpoint) -> io::Result<()> {
        let family = if endpoint.local_addr()?.is_ipv6() { Family::Dual } else { Family::V4 };
        endpoint.rebind_abstract(self.transport.bind(family)?)
    }
}

/// quinn's defaults would let a server make us keep some 125 MB.
fn settings() -> TransportConfig {
    const STREAM_WINDOW: u32 = 256 * 1024;
    const WINDOW: u32 = 2 * 1024 * 1024; // Several rooms may catch up at once.
    const SEND_WINDOW: u64 = 1024 * 1024;
    const DATAGRAM_BYTES: usize = 16 * 1024;
    let mut settings = TransportConfig::default();
    let idle = Duration::from_millis(IDLE_TIMEOUT_MS);
    settings
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS_MAX))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(Some(DATAGRAM_BYTES))
        .datagram_send_buffer_size(DATAGRAM_BYTES)
        // The default takes the median handshake at 30 % loss to a second.
        .initial_rtt(Duration::from_millis(100))
        .max_idle_timeout(Some(idle.try_into().expect("a minute is within a varint of milliseconds")))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .allow_spin(false);
    settings
}
