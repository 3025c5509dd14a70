//! How the client knows that it speaks to its server: by the pin an invite carried, and by nothing else.

mod pin;

pub use pin::{IDENTITY_NAME, Pin, PinError, PinVerifier, Refusal};

use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

use crate::seams::Clock;

/// The chat protocol.
pub const ALPN_QUIPU: &[u8] = b"quipu/1";

/// TLS for one server, and the verifier that knows why it refused.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// For quinn. Keeps session tickets in memory: as a resumed session is not verified again, a config must never be
    /// shared between pin sets.
    pub config: Arc<rustls::ClientConfig>,
    /// Ask it [`PinVerifier::last_refusal`] when a connection failed: quinn passes on only a number and a text.
    pub verifier: Arc<PinVerifier>,
}

/// TLS that trusts exactly `pins`: explicit provider, TLS 1.3 only, resumption in memory, nothing early.
///
/// # Errors
///
/// When the provider cannot do TLS 1.3, which the one we are built with can.
pub fn client_crypto(pins: Vec<Pin>, clock: Arc<dyn Clock>) -> Result<ClientTls, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider()); // Never the process default: anyone may set that.
    let verifier = Arc::new(PinVerifier::new(pins, provider.signature_verification_algorithms));
    let mut config = rustls::ClientConfig::builder_with_details(provider, Arc::new(WallTime(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous() // A name for "own verifier"; what ours does not check itself it delegates.
        .with_custom_certificate_verifier(verifier.clone())
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_QUIPU.to_vec()];
    config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
    config.enable_early_data = false; // It can be replayed.
    Ok(ClientTls { config: Arc::new(config), verifier })
}

/// A [`Clock`] as rustls asks for it.
#[derive(Debug)]
struct WallTime(Arc<dyn Clock>);

impl TimeProvider for WallTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.now_ms())))
    }
}

/// Servers' names to remember sessions for: one server, under a name and a few addresses.
const SESSIONS_MAX: usize = 16;
