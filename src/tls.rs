//! Who this server is: its certificates, its secrets, and the TLS and QUIC settings built from them.
//!
//! ```text
//!   certs/  ca.key.pem ──signs──▶ leaf.pem (Ed25519, `quipu/1`)  ──┐
//!           ca.pem = the pin      web.pem  (P-256, `hq-29`, `h3`) ──┴▶ ByAlpn ──▶ rustls ──▶ quinn
//!   secrets/ reset.key, retry.key, ticket.key ─────────────────────────────────────────────┘
//! ```
//!
//! Nothing here knows rooms, accounts or frames, and nothing here opens a socket.
//! Invariant: the pin an invite carries outlives every leaf; only a new authority changes it.

mod folder;
mod host;
mod identity;
mod issue;
mod quic;
mod resolver;
mod secrets;
mod tickets;
mod vault;

pub use host::{Host, HostError};
pub use identity::{Identity, IdentityError, Renewal, TlsFiles};
pub use issue::IDENTITY_NAME;
pub use quic::{
    ALPN_HEALTH, ALPN_QUIPU, endpoint_config, server_config, server_crypto, transport_config, welcome,
};
pub use resolver::ByAlpn;
pub use secrets::Secrets;
pub use vault::{Vault, VaultError};
