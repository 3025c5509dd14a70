//! The folder an identity is kept in, and what is made when something in it is missing or due.
//!
//! ```text
//!   ca.key.pem ─▶ ca.pem, ca.der ─▶ leaf.key.pem ─▶ leaf.pem, leaf.der ─▶ web.key.pem ─▶ web.pem, web.der
//! ```
//!
//! Files are made in that order, each whole. So whatever a killed start left is a beginning of this line, and the next
//! start goes on from there: a key without its certificate is certified, a leaf that does not fit its key is replaced.
//! Callers hold the vault's lock. Nothing here knows what is being served.
//! Invariant: once `ca.key.pem` or `ca.pem` is there, no other authority is ever made in its place.

use std::sync::Arc;

use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::host::Host;
use super::identity::{IdentityError, Renewal};
use super::issue::{self, Authority, LEAF_LIFE_MIN_MS, Leaf, LeafKind};
use super::vault::{Vault, VaultError};
use crate::seams::Entropy;

/// The authority in the folder; made, or certified anew, if a first start ended before it could be.
pub(super) fn authority_in(
    vault: &Vault,
    now_ms: u64,
    entropy: &dyn Entropy,
) -> Result<Authority, IdentityError> {
    let pem = vault.read(CA_PEM)?;
    let key = vault.read_secret(CA_KEY)?.map(|pem| ca_key(vault, &pem)).transpose()?;
    let authority = match (pem, key) {
        (Some(pem), key) => known_authority(vault, pem, key)?,
        (None, Some(key)) => publish_authority(vault, Authority::certify(key, now_ms, entropy)?)?,
        (None, None) => {
            // Leaves are made last, so these had an authority, and clients that know it.
            if let Some(kind) =
                [LeafKind::Native, LeafKind::Web].into_iter().find(|kind| vault.path(kind.pem()).exists())
            {
                return Err(IdentityError::AuthorityLost {
                    path: vault.path(CA_PEM),
                    leaf: vault.path(kind.pem()),
                });
            }
            let key = issue::ed25519_key(entropy)?;
            vault.publish_secret(CA_KEY, Zeroizing::new(key.serialize_pem()).as_bytes())?;
            publish_authority(vault, Authority::certify(key, now_ms, entropy)?)?
        }
    };
    publish_if_other(vault, CA_DER, &authority.der)?;
    Ok(authority)
}

fn ca_key(vault: &Vault, pem: &[u8]) -> Result<KeyPair, IdentityError> {
    let damaged =
        || IdentityError::Damaged { path: vault.path(CA_KEY), what: "an Ed25519 private key in PEM form" };
    let text = std::str::from_utf8(pem).map_err(|_| damaged())?;
    KeyPair::from_pem_and_sign_algo(text, &PKCS_ED25519).map_err(|_| damaged())
}

fn known_authority(vault: &Vault, pem: Vec<u8>, key: Option<KeyPair>) -> Result<Authority, IdentityError> {
    let damaged = || IdentityError::Damaged { path: vault.path(CA_PEM), what: "a certificate in PEM form" };
    let der = CertificateDer::from_pem_slice(&pem).map_err(|_| damaged())?;
    let pin = issue::pin_of(&der).map_err(|_| damaged())?;
    if let Some(key) = &key {
        let spki = ring::digest::digest(&ring::digest::SHA256, &key.subject_public_key_info());
        if spki.as_ref() != pin {
            return Err(IdentityError::Mismatch { certificate: vault.path(CA_PEM), key: vault.path(CA_KEY) });
        }
    }
    Ok(Authority { pem: String::from_utf8(pem).map_err(|_| damaged())?, der, key })
}

fn publish_authority(vault: &Vault, authority: Authority) -> Result<Authority, IdentityError> {
    vault.publish(CA_PEM, authority.pem.as_bytes())?;
    Ok(authority)
}

fn publish_if_other(vault: &Vault, name: &str, bytes: &[u8]) -> Result<(), VaultError> {
    match vault.read(name)? {
        Some(found) if found == bytes => Ok(()),
        _ => vault.publish(name, bytes),
    }
}

/// Where the leaves of one authority are kept.
pub(super) struct Shelf<'a> {
    pub(super) vault: &'a Vault,
    pub(super) authority: &'a Authority,
    pub(super) hosts: &'a [Host],
    pub(super) now_ms: u64,
    pub(super) entropy: &'a dyn Entropy,
}

impl Shelf<'_> {
    /// The leaf on the shelf if it will do for another month, else a new one.
    pub(super) fn leaf(&self, kind: LeafKind) -> Result<(Arc<CertifiedKey>, Renewal), IdentityError> {
        let found = self.found(kind)?;
        let good_at =
            |leaf: &CertifiedKey, at_ms| issue::is_good(&self.authority.der, leaf, self.hosts, at_ms);
        let now_good = found.filter(|leaf| good_at(leaf, self.now_ms));
        if let Some(leaf) = &now_good
            && good_at(leaf, self.now_ms.saturating_add(LEAF_LIFE_MIN_MS))
        {
            publish_if_other(self.vault, kind.der(), &leaf.cert[0])?;
            return Ok((Arc::clone(leaf), Renewal::Kept));
        }
        match (self.authority.issue(kind, self.hosts, self.now_ms, self.entropy)?, now_good) {
            (Some(leaf), _) => Ok((self.publish(kind, &leaf)?, Renewal::Replaced)),
            (None, Some(leaf)) => Ok((leaf, Renewal::KeyOffline)),
            (None, None) => Err(IdentityError::KeyOffline {
                path: self.vault.path(CA_KEY),
                leaf: self.vault.path(kind.pem()),
            }),
        }
    }

    /// The leaf on the shelf, unless its files are absent, damaged or of different leaves: then a new one serves as well.
    fn found(&self, kind: LeafKind) -> Result<Option<Arc<CertifiedKey>>, VaultError> {
        let key = self.vault.read_secret(kind.key())?;
        let (Some(chain), Some(key)) = (self.vault.read(kind.pem())?, key) else {
            return Ok(None);
        };
        Ok(issue::certified(&chain, &key).ok().map(Arc::new))
    }

    fn publish(&self, kind: LeafKind, leaf: &Leaf) -> Result<Arc<CertifiedKey>, IdentityError> {
        self.vault.publish_secret(kind.key(), leaf.key_pem.as_bytes())?;
        self.vault.publish(kind.pem(), leaf.chain_pem.as_bytes())?;
        self.vault.publish(kind.der(), &leaf.der)?;
        Ok(Arc::new(issue::certified(leaf.chain_pem.as_bytes(), leaf.key_pem.as_bytes())?))
    }
}

impl LeafKind {
    fn pem(self) -> &'static str {
        if self == Self::Native { "leaf.pem" } else { "web.pem" }
    }

    fn der(self) -> &'static str {
        if self == Self::Native { "leaf.der" } else { "web.der" }
    }

    fn key(self) -> &'static str {
        if self == Self::Native { "leaf.key.pem" } else { "web.key.pem" }
    }
}

const CA_KEY: &str = "ca.key.pem";
pub(super) const CA_PEM: &str = "ca.pem";
const CA_DER: &str = "ca.der";
