//! The server's identity: an authority that is made once, and leaves that come and go under it.
//!
//! ```text
//!   Folder (ours, in files) ──┐
//!   Memory (ours, for tests) ─┼─▶ Identity ─▶ ByAlpn, and the pin
//!   Operator (PEM files) ─────┘      └─ renew_if_due, daily
//! ```
//!
//! The authority's key may be taken offline; it is then missed only when leaves fall due.
//! Invariant: while a server runs its pin does not change, whatever happens to the files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use thiserror::Error;
use zeroize::Zeroizing;

use super::folder::{CA_PEM, Shelf, authority_in};
use super::host::Host;
use super::issue::{self, Authority, LEAF_LIFE_MIN_MS, LeafKind};
use super::resolver::ByAlpn;
use super::vault::{Vault, VaultError, refuse_exposed};
use crate::seams::{Entropy, Seams};

/// The certificates in use, and where new ones come from.
pub struct Identity {
    pin: [u8; 32],
    authority: CertificateDer<'static>,
    served: Arc<ByAlpn>,
    source: Source,
    entropy: Arc<dyn Entropy>,
}

enum Source {
    Folder { vault: Vault, hosts: Vec<Host> },
    Memory { authority: Box<Authority> },
    Operator(TlsFiles),
}

/// An operator's own certificate, instead of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the leaf first, each certificate followed by its issuer. The *last* one's public key is the pin, so it
    /// should be one that stays when the leaf is renewed. A chain of one pins the leaf's own key.
    pub chain: PathBuf,
    /// PEM, PKCS#8 (or SEC1, PKCS#1): the leaf's key. Others must not be able to read it; its group may.
    pub key: PathBuf,
}

/// What a look at the leaves led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Nothing was due.
    Kept,
    /// New handshakes get new leaves.
    Replaced,
    /// A leaf has less than 30 days left, but the authority's key is offline. Bring it back.
    KeyOffline,
}

impl Identity {
    /// The identity kept in `dir`, made or completed if need be, with leaves for `hosts`. Leaves with less than 30 days
    /// left, or not made for all of `hosts`, are replaced. Blocks.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or written, a key is exposed, or what is there does not fit together.
    pub fn load_or_create(dir: &Path, hosts: &[Host], seams: &Seams) -> Result<Self, IdentityError> {
        Self::in_vault(Vault::open(dir)?, hosts, seams.clock.now_ms(), Arc::clone(&seams.entropy))
    }

    /// An operator's own chain and key, used for every protocol. Blocks.
    ///
    /// # Errors
    ///
    /// When the files cannot be read or do not belong together, or when anyone may read the key.
    pub fn from_files(files: TlsFiles, seams: &Seams) -> Result<Self, IdentityError> {
        let leaf = operators_leaf(&files)?;
        let authority = last_of(&leaf).clone();
        let pin = issue::pin_of(&authority)?;
        let served = Arc::new(ByAlpn::new(Arc::clone(&leaf), leaf));
        Ok(Self {
            pin,
            authority,
            served,
            source: Source::Operator(files),
            entropy: Arc::clone(&seams.entropy),
        })
    }

    /// An identity without files, for tests and simulations: the same `now_ms` and entropy give the same pin and the same
    /// native leaf.
    ///
    /// # Errors
    ///
    /// When `now_ms` is no date a certificate can carry.
    pub fn ephemeral(now_ms: u64, entropy: Arc<dyn Entropy>) -> Result<Self, IdentityError> {
        let authority = Authority::certify(issue::ed25519_key(entropy.as_ref())?, now_ms, entropy.as_ref())?;
        let [native, web] = issue_both(&authority, now_ms, entropy.as_ref())?;
        Ok(Self {
            pin: issue::pin_of(&authority.der)?,
            authority: authority.der.clone(),
            served: Arc::new(ByAlpn::new(native, web)),
            source: Source::Memory { authority: Box::new(authority) },
            entropy,
        })
    }

    fn in_vault(
        vault: Vault,
        hosts: &[Host],
        now_ms: u64,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, IdentityError> {
        let lock = vault.lock()?;
        let authority = authority_in(&vault, now_ms, entropy.as_ref())?;
        let shelf = Shelf { vault: &vault, authority: &authority, hosts, now_ms, entropy: entropy.as_ref() };
        let (native, _) = shelf.leaf(LeafKind::Native)?;
        let (web, _) = shelf.leaf(LeafKind::Web)?;
        drop(lock);
        Ok(Self {
            pin: issue::pin_of(&authority.der)?,
            authority: authority.der,
            served: Arc::new(ByAlpn::new(native, web)),
            source: Source::Folder { vault, hosts: hosts.to_vec() },
            entropy,
        })
    }

    /// SHA-256 of the authority's public key (SubjectPublicKeyInfo, DER): how clients know this server.
    #[must_use]
    pub fn pin(&self) -> [u8; 32] {
        self.pin
    }

    /// The pinned certificate, DER: for clients that want a trust anchor instead of a pin.
    #[must_use]
    pub fn authority(&self) -> &CertificateDer<'static> {
        &self.authority
    }

    /// What handshakes choose from.
    #[must_use]
    pub fn served(&self) -> Arc<ByAlpn> {
        Arc::clone(&self.served)
    }

    /// Replaces leaves that have less than 30 days left; with an operator's files, reads them again. To be called daily.
    /// Connections that exist are not touched. Blocks.
    ///
    /// # Errors
    ///
    /// As at the start; and when an operator's new chain ends in another key, because every invite would break. The old
    /// leaves then stay in use.
    pub fn renew_if_due(&self, now_ms: u64) -> Result<Renewal, IdentityError> {
        match &self.source {
            Source::Folder { vault, hosts } => self.renew_in_vault(vault, hosts, now_ms),
            Source::Memory { authority } => {
                let month_on = now_ms.saturating_add(LEAF_LIFE_MIN_MS);
                if issue::is_good(&authority.der, &self.served.native(), &[], month_on) {
                    return Ok(Renewal::Kept);
                }
                let [native, web] = issue_both(authority, now_ms, self.entropy.as_ref())?;
                self.served.swap(native, web);
                Ok(Renewal::Replaced)
            }
            Source::Operator(files) => self.reread(files),
        }
    }

    fn renew_in_vault(&self, vault: &Vault, hosts: &[Host], now_ms: u64) -> Result<Renewal, IdentityError> {
        let _lock = vault.lock()?;
        // A folder emptied under a running server shall not quietly get another authority.
        if vault.read(CA_PEM)?.is_none() {
            let what = "the authority this server was started with";
            return Err(IdentityError::Damaged { path: vault.path(CA_PEM), what });
        }
        let authority = authority_in(vault, now_ms, self.entropy.as_ref())?;
        if issue::pin_of(&authority.der)? != self.pin {
            return Err(IdentityError::PinChanged);
        }
        let shelf = Shelf { vault, authority: &authority, hosts, now_ms, entropy: self.entropy.as_ref() };
        let (native, first) = shelf.leaf(LeafKind::Native)?;
        let (web, second) = shelf.leaf(LeafKind::Web)?;
        self.served.swap(native, web);
        Ok(if first == Renewal::Kept { second } else { first })
    }

    fn reread(&self, files: &TlsFiles) -> Result<Renewal, IdentityError> {
        let leaf = operators_leaf(files)?;
        if leaf.cert == self.served.native().cert {
            return Ok(Renewal::Kept);
        }
        if issue::pin_of(last_of(&leaf))? != self.pin {
            return Err(IdentityError::PinChanged);
        }
        self.served.swap(Arc::clone(&leaf), leaf);
        Ok(Renewal::Replaced)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

fn issue_both(
    authority: &Authority,
    now_ms: u64,
    entropy: &dyn Entropy,
) -> Result<[Arc<CertifiedKey>; 2], IdentityError> {
    let issue = |kind| {
        let leaf =
            authority.issue(kind, &[], now_ms, entropy)?.expect("an authority in memory keeps its key");
        Ok::<_, IdentityError>(Arc::new(issue::certified(
            leaf.chain_pem.as_bytes(),
            leaf.key_pem.as_bytes(),
        )?))
    };
    Ok([issue(LeafKind::Native)?, issue(LeafKind::Web)?])
}

fn operators_leaf(files: &TlsFiles) -> Result<Arc<CertifiedKey>, IdentityError> {
    // Certificate daemons hand a key over by group; the world is never meant.
    refuse_exposed(&files.key, 0o007)?;
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| VaultError::Io {
            action: "read",
            path: path.to_path_buf(),
            source,
        })
    };
    let (chain, key) = (read(&files.chain)?, Zeroizing::new(read(&files.key)?));
    let leaf = issue::certified(&chain, &key)
        .map_err(|source| IdentityError::Operator { files: files.clone(), source })?;
    Ok(Arc::new(leaf))
}

fn last_of(leaf: &CertifiedKey) -> &CertificateDer<'static> {
    leaf.cert.last().expect("a chain that was read has a certificate")
}

/// Why the server cannot show who it is. Always for the operator to mend.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// A file or folder.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A file that is there but not what it should be. It is never overwritten: clients may know it.
    #[error("{} is not {what}; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The authority's files are of two authorities.
    #[error("{} is not the key of {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// A leaf without its authority.
    #[error("{} is missing although {} was issued by it; restore it, or remove the leaf to become a new server", path.display(), leaf.display())]
    AuthorityLost {
        /// The missing file.
        path: PathBuf,
        /// What proves that it was there.
        leaf: PathBuf,
    },
    /// No usable leaf, and no key to make one.
    #[error("{} must be issued anew, for which {} is needed", leaf.display(), path.display())]
    KeyOffline {
        /// The key that is offline.
        path: PathBuf,
        /// The leaf that is due.
        leaf: PathBuf,
    },
    /// An operator's files that cannot be used.
    #[error("certificate {} with key {} cannot be used", files.chain.display(), files.key.display())]
    Operator {
        /// The files.
        files: TlsFiles,
        /// Why.
        source: rustls::Error,
    },
    /// The certificates on disk now belong to another authority.
    #[error(
        "the certificates on disk have another pin than this server was started with, which would break every invite; restart to accept it"
    )]
    PinChanged,
    /// A certificate could not be made.
    #[error("cannot issue a certificate")]
    Issue(#[from] rcgen::Error),
    /// A certificate that was just made or read is refused by TLS.
    #[error("cannot use a certificate")]
    Tls(#[from] rustls::Error),
}

#[cfg(test)]
mod tests;
