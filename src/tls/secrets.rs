//! Keys that must outlive a restart, so that clients notice one at once instead of waiting.
//!
//! * `reset.key`: a client of a server that was killed sends to a connection nobody knows. A stateless reset under the
//!   same key as before ends it in one round trip; under a new key it would hang until the idle timeout.
//! * `retry.key`: an address proven just before a restart stays proven.
//! * `ticket.key`: sessions stay resumable.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use ring::{hkdf, hmac};
use zeroize::Zeroizing;

use super::tickets::Tickets;
use super::vault::{Vault, VaultError};
use crate::seams::Seams;

/// The secrets of the QUIC endpoint and of TLS resumption.
pub struct Secrets {
    pub(super) reset: Arc<hmac::Key>,
    pub(super) retry: Arc<hkdf::Prk>,
    pub(super) tickets: Arc<Tickets>,
}

impl Secrets {
    /// The secrets kept in `dir`, drawn at the first call. Blocks.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or made, is of the wrong length, or may be read by others.
    pub fn load_or_create(dir: &Path, seams: &Seams) -> Result<Self, VaultError> {
        let vault = Vault::open(dir)?;
        let _lock = vault.lock()?;
        let secret = |name| vault.secret::<SECRET_BYTES>(name, seams.entropy.as_ref());
        Ok(Self::new(&secret("reset.key")?, &secret("retry.key")?, &secret("ticket.key")?, seams))
    }

    /// Secrets without files, for tests and simulations.
    #[must_use]
    pub fn ephemeral(seams: &Seams) -> Self {
        let draw = || {
            let mut secret = Zeroizing::new([0; SECRET_BYTES]);
            seams.entropy.fill(secret.as_mut());
            secret
        };
        Self::new(&draw(), &draw(), &draw(), seams)
    }

    fn new(reset: &Secret, retry: &Secret, ticket: &Secret, seams: &Seams) -> Self {
        Self {
            reset: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &reset[..])),
            retry: Arc::new(hkdf::Salt::new(hkdf::HKDF_SHA256, b"quipu retry v1").extract(&retry[..])),
            tickets: Arc::new(Tickets::new(&ticket[..], seams.clone())),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

type Secret = Zeroizing<[u8; SECRET_BYTES]>;
const SECRET_BYTES: usize = 32; // The output of the hash each of them feeds.

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_the_same_after_a_restart_and_private() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("secrets");
        let [one, two] = [0, 1].map(|_| Secrets::load_or_create(&dir, &Seams::system()).unwrap());
        let tag = |secrets: &Secrets| hmac::sign(&secrets.reset, b"cid").as_ref().to_vec();
        assert_eq!(tag(&one), tag(&two));
        assert_ne!(tag(&one), tag(&Secrets::ephemeral(&Seams::system())));
        #[cfg(unix)]
        for name in ["reset.key", "retry.key", "ticket.key"] {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
