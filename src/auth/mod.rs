//! Who somebody is: invites, devices, tokens, and the one value that proves it.
//!
//! ```text
//!   Redeem ─▶ account + device ─▶ Token          Auth: token + proof on this connection ─▶ Authenticated
//!   Refresh: proof alone       ─▶ Token
//! ```
//!
//! Everything that acts for a user takes an [`Authenticated`], and only this module can make one. It knows no
//! sockets: the TLS exporter comes in as a function. Peers are told one generic refusal; the log has the reason.

mod accounts;
mod bots;
mod devices;
mod hooks;
mod invites;
mod keys;
mod leaving;
mod principal;
mod redeem;
mod tokens;

pub(crate) use accounts::{acting, in_use, is_in_use};
pub use devices::Standing;
pub use keys::TokenKey;
pub use principal::Authenticated;
pub use tokens::AuthError;

#[cfg(test)]
mod tests;

use crate::seams::Seams;
use crate::store::Storage;

/// Gives the value of the TLS exporter of one connection for a context of 32 bytes.
pub type Exporter<'a> = &'a (dyn Fn(&[u8; 32]) -> [u8; 32] + Send + Sync);

/// Accounts, devices and invites of one server.
pub struct Auth {
    storage: Storage,
    seams: Seams,
    key: TokenKey,
    pin: [u8; 32],
}

impl Auth {
    /// `pin` is the server identity's; tokens and proofs name it as their audience.
    pub fn new(storage: Storage, seams: Seams, key: TokenKey, pin: [u8; 32]) -> Self {
        Self { storage, seams, key, pin }
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.seams.entropy.fill(&mut bytes);
        bytes
    }

    fn now_ms(&self) -> u64 {
        self.seams.clock.now_ms()
    }
}
