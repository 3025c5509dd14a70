//! Session tickets that outlive a restart: a reconnecting phone saves the certificates on the wire and the signature.
//!
//! ```text
//!   ticket = name (16) · nonce (12) · AES-256-GCM(session)
//!   name and key = HKDF(ticket.key, epoch)      epoch = clock / 6 h
//! ```
//!
//! Tickets of this epoch and the one before are accepted: each lives 6 h at least and 12 h at most.
//! Because old keys can be derived again, `ticket.key` deserves the care of a leaf's key: with it and a ticket one can
//! pass for this server until the ticket ends. Past traffic stays safe, since every resumption does a fresh exchange.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf;
use rustls::server::ProducesTickets;
use zeroize::Zeroizing;

use crate::seams::Seams;

/// Makes and reads session tickets.
pub(crate) struct Tickets {
    secret: hkdf::Prk,
    seams: Seams,
}

impl Tickets {
    pub(crate) fn new(secret: &[u8], seams: Seams) -> Self {
        Self { secret: hkdf::Salt::new(hkdf::HKDF_SHA256, b"quipu tickets v1").extract(secret), seams }
    }

    fn epoch(&self) -> u64 {
        self.seams.clock.now_ms() / EPOCH_MS
    }

    fn key(&self, epoch: u64) -> Option<([u8; NAME_BYTES], LessSafeKey)> {
        let mut out = Zeroizing::new([0; NAME_BYTES + KEY_BYTES]);
        self.secret.expand(&[&epoch.to_be_bytes()], Length).ok()?.fill(out.as_mut()).ok()?;
        let (name, key) = out.split_first_chunk()?;
        Some((*name, LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?)))
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        (EPOCH_MS / 1000) as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let (name, key) = self.key(self.epoch())?;
        let mut nonce = [0; NONCE_LEN]; // Random: a counter would link a person's tickets, and begin anew at a restart.
        self.seams.entropy.fill(&mut nonce);
        let mut sealed = plain.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name), &mut sealed)
            .ok()?;
        Some([&name[..], &nonce, &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > TICKET_BYTES_MAX {
            return None;
        }
        let (name, rest) = ticket.split_first_chunk::<NAME_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let epoch = self.epoch();
        let mut keys =
            [Some(epoch), epoch.checked_sub(1)].into_iter().flatten().filter_map(|epoch| self.key(epoch));
        let (_, key) = keys.find(|(known, _)| known == name)?; // Names are public, so comparing them leaks nothing.
        let mut plain = sealed.to_vec();
        let length =
            key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(*name), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

/// How many bytes to derive.
struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        NAME_BYTES + KEY_BYTES
    }
}

/// How long one key is used, in milliseconds.
const EPOCH_MS: u64 = 6 * 60 * 60 * 1000;
const NAME_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
/// Largest ticket worth a decryption, in bytes. Ours are under 300; rustls adds only names of a bounded length.
const TICKET_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::seams::{Clock, SystemEntropy};

    #[derive(Debug)]
    struct Hand(AtomicU64);

    impl Clock for Hand {
        fn now_ms(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn tickets(secret: u8) -> (Tickets, Arc<Hand>) {
        let hand = Arc::new(Hand((EPOCH_MS * 1000).into()));
        let clock: Arc<dyn Clock> = hand.clone();
        (Tickets::new(&[secret; 32], Seams { clock, entropy: Arc::new(SystemEntropy) }), hand)
    }

    #[test]
    fn a_ticket_survives_a_restart_but_not_another_secret() {
        let ticket = tickets(1).0.encrypt(b"session").unwrap();
        assert_eq!(tickets(1).0.decrypt(&ticket).unwrap(), b"session");
        assert_eq!(tickets(2).0.decrypt(&ticket), None);
    }

    #[test]
    fn a_ticket_lives_six_hours_at_least_and_twelve_at_most() {
        let (tickets, hand) = tickets(1);
        let ticket = tickets.encrypt(b"session").unwrap();
        let lives_after = |ms| {
            hand.0.store(EPOCH_MS * 1000 + ms, Ordering::Relaxed);
            tickets.decrypt(&ticket).is_some()
        };
        assert!(lives_after(EPOCH_MS) && lives_after(2 * EPOCH_MS - 1));
        assert!(!lives_after(2 * EPOCH_MS));
    }

    #[test]
    fn any_changed_cut_or_oversized_ticket_is_refused() {
        let (tickets, _) = tickets(1);
        let ticket = tickets.encrypt(b"session").unwrap();
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(tickets.decrypt(&changed), None, "byte {at}");
            assert_eq!(tickets.decrypt(&ticket[..at]), None, "cut to {at}");
        }
        let large = tickets.encrypt(&[0; TICKET_BYTES_MAX]).unwrap();
        assert_eq!(tickets.decrypt(&large), None);
    }

    #[test]
    fn equal_sessions_give_different_tickets() {
        let (tickets, _) = tickets(1);
        assert_ne!(tickets.encrypt(b"session"), tickets.encrypt(b"session"));
    }
}
