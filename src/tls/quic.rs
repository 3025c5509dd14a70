//! The settings of rustls and quinn: TLS 1.3 only, nothing early, and a bound on everything a peer makes us keep.
//!
//! ```text
//!   per connection:  receive_window + send_window + datagrams + crypto  ≤ 1.6 MiB, where quinn's defaults allow 125 MB
//!   not authenticated:  the same, with 8 KiB of receive_window and a quarter of the streams, until `welcome`
//!   before one:      max_incoming × incoming_buffer_size, together at most 16 MiB
//! ```
//!
//! Every value that differs from quinn's default says why. Nothing here opens a socket.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Connection, ConnectionId, ConnectionIdGenerator, EndpointConfig, IdleTimeout, ServerConfig,
    TransportConfig, VarInt,
};
use quinn_proto::RandomConnectionIdGenerator;
use quipu_protocol::limits::CONTROL_BYTES_MAX;

use super::identity::{Identity, IdentityError};
use super::secrets::Secrets;
use crate::seams::{Clock, WallTime};

/// The chat protocol.
pub const ALPN_QUIPU: &[u8] = b"quipu/1";
/// A fixed health page over HTTP/0.9, which quinn's own example client can fetch.
pub const ALPN_HEALTH: &[u8] = b"hq-29";
/// Reserved for WebTransport: it has a certificate, but is not offered yet.
pub(crate) const ALPN_WEB: &[u8] = b"h3";

/// TLS for this identity: explicit provider, TLS 1.3 only, no early data, tickets that survive a restart.
///
/// # Errors
///
/// When the provider cannot do TLS 1.3, which the one we are built with can.
pub fn server_crypto(
    identity: &Identity,
    secrets: &Secrets,
    clock: Arc<dyn Clock>,
) -> Result<Arc<rustls::ServerConfig>, IdentityError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider()); // Never the process default: anyone may set that.
    let mut config = rustls::ServerConfig::builder_with_details(provider, Arc::new(WallTime(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(identity.served());
    config.alpn_protocols = vec![ALPN_QUIPU.to_vec(), ALPN_HEALTH.to_vec()];
    // Early data can be replayed, and a proof of possession needs an exporter that only exists after the handshake.
    config.max_early_data_size = 0;
    config.ticketer = secrets.tickets.clone();
    Ok(Arc::new(config))
}

/// What one connection may cost us once it is known, and how it behaves on a bad network.
#[must_use]
pub fn transport_config() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MS))))
        .initial_rtt(INITIAL_RTT)
        .max_concurrent_bidi_streams(VarInt::from_u32(BIDI_STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(0)) // Clients open none.
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW_BYTES))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(Some(DATAGRAM_RECEIVE_BYTES))
        .datagram_send_buffer_size(DATAGRAM_SEND_BYTES)
        .crypto_buffer_size(CRYPTO_BUFFER_BYTES)
        // We have few long streams, not many short ones: fairness keeps rooms of one reader level.
        .send_fairness(true)
        // Only the client keeps alive: it knows whether anyone is looking, and a phone in a pocket must be let go.
        .keep_alive_interval(None)
        // The spin bit shows the round-trip time to everyone on the path.
        .allow_spin(false)
        // Draft frames that nothing of ours needs, and that a peer could make a server act on (RUSTSEC-2026-0340).
        .ack_frequency_config(None)
        // Probing costs each idle connection 1.7 kB, and chat fits: 1200 bytes are what every path must carry.
        .initial_mtu(MTU_BYTES)
        .mtu_discovery_config(None);
    transport
}

/// The same for whoever has not said who they are: enough to do so, and to ask for the health page.
fn stranger_config() -> TransportConfig {
    let mut transport = transport_config();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(STRANGER_BIDI_STREAMS_MAX))
        .receive_window(VarInt::from_u32(STRANGER_WINDOW_BYTES));
    transport
}

/// Grants a connection that was a stranger's what [`transport_config`] grants.
pub fn welcome(connection: &Connection) {
    connection.set_receive_window(VarInt::from_u32(RECEIVE_WINDOW_BYTES));
    connection.set_max_concurrent_bi_streams(VarInt::from_u32(BIDI_STREAMS_MAX));
}

/// How the endpoint takes connections: as strangers', see [`welcome`]. `clock` dates Retry tokens.
///
/// # Errors
///
/// When `crypto` lacks the cipher suite of QUIC's first packets, which [`server_crypto`] has.
pub fn server_config(
    crypto: Arc<rustls::ServerConfig>,
    secrets: &Secrets,
    clock: Arc<dyn Clock>,
) -> Result<ServerConfig, IdentityError> {
    let crypto =
        QuicServerConfig::try_from(crypto).map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut config = ServerConfig::new(Arc::new(crypto), secrets.retry.clone());
    config
        .transport_config(Arc::new(stranger_config()))
        .time_source(Arc::new(WallTime(clock)))
        .migration(true) // A phone that changes network keeps its connection.
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_TOTAL_BYTES_MAX);
    Ok(config)
}

/// The endpoint's own settings. With a `seed` its random choices and connection ids repeat: for simulations only.
#[must_use]
pub fn endpoint_config(secrets: &Secrets, seed: Option<[u8; 32]>) -> EndpointConfig {
    let mut config = EndpointConfig::new(secrets.reset.clone());
    config.rng_seed(seed);
    // Not quinn's default, which signs ids with a key of this process: after a restart it would drop old ids unanswered,
    // and no client would ever get the stateless reset. Its 3 random bytes would also repeat ids under one reset key.
    config.cid_generator(move || match seed {
        None => Box::new(RandomConnectionIdGenerator::new(CONNECTION_ID_BYTES)),
        Some(seed) => Box::new(CountedIds(u64::from_be_bytes(*seed.first_chunk().expect("32 bytes have 8")))),
    });
    config
}

/// Connection ids that repeat from a seed.
struct CountedIds(u64);

impl ConnectionIdGenerator for CountedIds {
    fn generate_cid(&mut self) -> ConnectionId {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15); // An odd step visits every value before any again.
        ConnectionId::new(&self.0.to_be_bytes())
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// A connection that is silent this long is gone. Three times the client's 20 s keep-alive, so two may be lost.
const IDLE_MS: u32 = 60_000;
/// A guess that serves until the first measurement: at 30 % loss quinn's 333 ms makes the median handshake 1.0 s, this
/// 0.33 s; 50 ms would retransmit needlessly on long paths.
const INITIAL_RTT: Duration = Duration::from_millis(100);
/// Streams a client may have open: one CONTROL, up to four PUBLISH, requests, files. quinn reserves memory for each.
const BIDI_STREAMS_MAX: u32 = 32;
/// Bytes a client may have under way to us in all streams. quinn: unbounded.
const RECEIVE_WINDOW_BYTES: u32 = 1024 * 1024;
/// The same for one stream: two of the largest frames, and far below where gaps made reassembly costly.
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
/// Streams of a stranger: CONTROL, or some pages of health.
const STRANGER_BIDI_STREAMS_MAX: u32 = 8;
/// Bytes a stranger may have under way to us: two of CONTROL's largest frames. With it one costs less than 64 KiB in all.
const STRANGER_WINDOW_BYTES: u32 = 8 * 1024;
/// Bytes a client that does not acknowledge can make us keep. quinn: 10 MB.
const SEND_WINDOW_BYTES: u64 = 512 * 1024;
/// Typing notices not yet taken, in bytes: a few hundred. The newest matter.
const DATAGRAM_RECEIVE_BYTES: usize = 16 * 1024;
/// Typing notices not yet sent, in bytes.
const DATAGRAM_SEND_BYTES: usize = 32 * 1024;
/// Handshake bytes that may wait for a gap to close.
const CRYPTO_BUFFER_BYTES: usize = 16 * 1024;
const MTU_BYTES: u16 = 1200;
/// Handshakes waiting to be accepted or refused. quinn: 65,536.
const INCOMING_MAX: usize = 2048;
/// Bytes kept for one of them: some dozens of first packets. quinn: 10 MiB.
const INCOMING_BYTES_MAX: u64 = 64 * 1024;
/// Bytes kept for all of them. quinn: 100 MiB.
const INCOMING_TOTAL_BYTES_MAX: u64 = 16 * 1024 * 1024;
const CONNECTION_ID_BYTES: usize = 8;

const _: () = assert!(STREAM_WINDOW_BYTES < RECEIVE_WINDOW_BYTES);
const _: () = assert!(STRANGER_WINDOW_BYTES < RECEIVE_WINDOW_BYTES);
const _: () = assert!(CONTROL_BYTES_MAX <= STRANGER_WINDOW_BYTES as usize / 2);
const _: () = assert!(STRANGER_BIDI_STREAMS_MAX < BIDI_STREAMS_MAX);
const _: () = assert!(INCOMING_BYTES_MAX < INCOMING_TOTAL_BYTES_MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::Seams;

    #[test]
    fn tls_has_no_early_data_but_tickets() {
        let seams = Seams::system();
        let identity = Identity::ephemeral(seams.clock.now_ms(), seams.entropy.clone()).unwrap();
        let secrets = Secrets::ephemeral(&seams);
        let crypto = server_crypto(&identity, &secrets, seams.clock.clone()).unwrap();
        assert_eq!(crypto.max_early_data_size, 0);
        assert!(crypto.ticketer.enabled());
        assert!(server_config(crypto, &secrets, seams.clock).is_ok());
    }

    #[test]
    fn seeded_connection_ids_repeat_and_differ_from_each_other() {
        let ids = |seed| {
            let mut ids = CountedIds(seed);
            (0..1000).map(|_| ids.generate_cid()).collect::<Vec<_>>()
        };
        assert_eq!(ids(1), ids(1));
        let all: std::collections::HashSet<_> = ids(1).into_iter().collect();
        assert_eq!(all.len(), 1000);
    }
}
