//! Which certificate a connecting client is shown: by what it wants to speak.
//!
//! Both can be exchanged while the server runs. A handshake that has begun keeps the one it got.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::quic::{ALPN_HEALTH, ALPN_QUIPU, ALPN_WEB};

/// The two certificates in use.
pub struct ByAlpn {
    native: RwLock<Arc<CertifiedKey>>,
    web: RwLock<Arc<CertifiedKey>>,
}

impl ByAlpn {
    pub(crate) fn new(native: Arc<CertifiedKey>, web: Arc<CertifiedKey>) -> Self {
        Self { native: RwLock::new(native), web: RwLock::new(web) }
    }

    /// What `quipu/1` is shown.
    #[must_use]
    pub fn native(&self) -> Arc<CertifiedKey> {
        read(&self.native)
    }

    /// What `hq-29` and `h3` are shown.
    #[must_use]
    pub fn web(&self) -> Arc<CertifiedKey> {
        read(&self.web)
    }

    pub(crate) fn swap(&self, native: Arc<CertifiedKey>, web: Arc<CertifiedKey>) {
        *self.native.write().unwrap_or_else(PoisonError::into_inner) = native;
        *self.web.write().unwrap_or_else(PoisonError::into_inner) = web;
    }

    fn choose<'a>(&self, offered: impl IntoIterator<Item = &'a [u8]>) -> Arc<CertifiedKey> {
        let mut web = false;
        for protocol in offered {
            if protocol == ALPN_QUIPU {
                return self.native(); // As rustls will choose: it goes by our order, and `quipu/1` is first.
            }
            web |= protocol == ALPN_HEALTH || protocol == ALPN_WEB;
        }
        // Never `None`: a stranger shall hear "no application protocol", which rustls says after this.
        if web { self.web() } else { self.native() }
    }
}

impl ResolvesServerCert for ByAlpn {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.choose(hello.alpn().into_iter().flatten()))
    }
}

impl fmt::Debug for ByAlpn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByAlpn").finish_non_exhaustive()
    }
}

fn read(slot: &RwLock<Arc<CertifiedKey>>) -> Arc<CertifiedKey> {
    Arc::clone(&slot.read().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use crate::seams::SystemEntropy;
    use crate::tls::Identity;

    #[test]
    fn the_protocol_chooses_the_certificate() {
        let identity = Identity::ephemeral(1_800_000_000_000, std::sync::Arc::new(SystemEntropy)).unwrap();
        let served = identity.served();
        let native = |offered: &[&'static [u8]]| {
            let chosen = served.choose(offered.iter().copied());
            chosen.cert[0] == served.native().cert[0]
        };
        assert_ne!(served.native().cert[0], served.web().cert[0]);
        assert!(native(&[b"quipu/1"]));
        assert!(native(&[b"hq-29", b"quipu/1"]));
        assert!(!native(&[b"hq-29"]));
        assert!(!native(&[b"h3"]));
        assert!(native(&[b"smtp"]) && native(&[]));
    }
}
