//! The pin verifier.
//!
//! ```text
//!   presented:  leaf, authority, …
//!     leaf's key is pinned ─────────────────────────────▶ it is the server, whatever its dates say
//!     another presented key is pinned ─▶ chain and dates ─▶ it vouches for the leaf
//!     neither ──────────────────────────────────────────▶ PinMismatch
//!   then the name, then (rustls calls us again) the handshake's signature by the leaf's key
//! ```
//!
//! No certificate store of the machine is ever asked.
//! Invariant: a connection is made only with the holder of a private key that the pin names or has signed for. Both
//! halves matter: certificates are public, and only the handshake's signature shows that the peer owns one.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use ring::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, PeerIncompatible, SignatureScheme};
use thiserror::Error;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// SHA-256 of a public key (SubjectPublicKeyInfo, DER).
pub type Pin = [u8; 32];

/// The name a server's own authority puts into every leaf, good for whatever address was dialled. No public authority can
/// issue it, so a pinned public authority cannot be abused with a certificate for another host.
pub const IDENTITY_NAME: &str = "server.quipu.internal";

/// Accepts exactly the servers a set of pins names.
#[derive(Debug)]
pub struct PinVerifier {
    pins: Vec<Pin>,
    algorithms: WebPkiSupportedAlgorithms,
    refusal: Mutex<Option<Refusal>>,
}

impl PinVerifier {
    /// A verifier for `pins`; several while a server changes its authority. `algorithms` are the TLS provider's.
    #[must_use]
    pub fn new(pins: Vec<Pin>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { pins, algorithms, refusal: Mutex::new(None) }
    }

    /// Why a server was last refused, if one was since this was last asked.
    #[must_use]
    pub fn last_refusal(&self) -> Option<Refusal> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn check(&self, chain: &Chain<'_>, dialled: &ServerName<'_>, now: UnixTime) -> Result<(), Refusal> {
        let leaf = EndEntityCert::try_from(chain.leaf).map_err(|_| Refusal::Malformed)?;
        if !self.names(&leaf) {
            self.check_vouched(&leaf, chain.others, now)?;
        }
        let identity = ServerName::try_from(IDENTITY_NAME).expect("a DNS name");
        let valid_for = |name| leaf.verify_is_valid_for_subject_name(name).is_ok();
        if valid_for(dialled) || valid_for(&identity) { Ok(()) } else { Err(Refusal::WrongName) }
    }

    /// A pinned certificate among `others` must have issued `leaf`, and the leaf must be valid now.
    fn check_vouched(
        &self,
        leaf: &EndEntityCert<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let pinned = |other: &&CertificateDer<'_>| {
            EndEntityCert::try_from(*other).is_ok_and(|other| self.names(&other))
        };
        let anchors: Vec<_> =
            others.iter().filter(pinned).filter_map(|other| anchor_from_trusted_cert(other).ok()).collect();
        if anchors.is_empty() {
            let others = others.iter().filter_map(|other| EndEntityCert::try_from(other).ok());
            let presented = std::iter::once(pin_of(leaf)).chain(others.map(|other| pin_of(&other))).collect();
            return Err(Refusal::PinMismatch(PinError { expected: self.pins.clone(), presented }));
        }
        leaf.verify_for_usage(self.algorithms.all, &anchors, others, now, KeyUsage::server_auth(), None, None)
            .map(|_| ())
            .map_err(|error| Refusal::from_webpki(&error))
    }

    fn names(&self, certificate: &EndEntityCert<'_>) -> bool {
        self.pins.contains(&pin_of(certificate))
    }

    fn note(&self, refusal: Refusal) -> rustls::Error {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal.clone());
        refusal.into()
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = Chain { leaf: end_entity, others: intermediates };
        self.check(&chain, server_name, now).map_err(|refusal| self.note(refusal))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // Without this a copied certificate would pass, and anyone can copy one from a handshake.
        verify_tls13_signature(message, cert, dss, &self.algorithms).inspect_err(|_| {
            self.note(Refusal::WrongKey);
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Why a server was refused. Each is a different sentence to a person.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// This is another server, or someone in between.
    #[error(transparent)]
    PinMismatch(PinError),
    /// The right authority, but its leaf has ended; or this machine's clock is fast.
    #[error("the server's certificate ended at {not_after_secs} and it is {now_secs} (seconds since 1970)")]
    Expired {
        /// This machine's time, in seconds since 1970.
        now_secs: u64,
        /// The certificate's end, in seconds since 1970.
        not_after_secs: u64,
    },
    /// The right authority, but its leaf has not begun; or this machine's clock is slow.
    #[error("the server's certificate begins at {not_before_secs} and it is {now_secs} (seconds since 1970)")]
    NotYetValid {
        /// This machine's time, in seconds since 1970.
        now_secs: u64,
        /// The certificate's beginning, in seconds since 1970.
        not_before_secs: u64,
    },
    /// The pinned authority issued this for another host.
    #[error("the server's certificate is for another host")]
    WrongName,
    /// The pinned authority was shown, but it did not issue the leaf.
    #[error("the server's certificate was not issued by the pinned authority")]
    NotVouched,
    /// The certificate is right, but whoever showed it does not own its key.
    #[error("the server does not own the key of the certificate it shows")]
    WrongKey,
    /// Not a certificate.
    #[error("the server's certificate cannot be read")]
    Malformed,
}

impl Refusal {
    fn from_webpki(error: &webpki::Error) -> Self {
        match error {
            webpki::Error::CertExpired { time, not_after } => {
                Self::Expired { now_secs: time.as_secs(), not_after_secs: not_after.as_secs() }
            }
            webpki::Error::CertNotValidYet { time, not_before } => {
                Self::NotYetValid { now_secs: time.as_secs(), not_before_secs: not_before.as_secs() }
            }
            webpki::Error::BadDer | webpki::Error::BadDerTime => Self::Malformed,
            _ => Self::NotVouched,
        }
    }
}

impl From<Refusal> for rustls::Error {
    fn from(refusal: Refusal) -> Self {
        Self::InvalidCertificate(match refusal {
            Refusal::PinMismatch(error) => CertificateError::Other(OtherError(Arc::new(error))),
            Refusal::Expired { .. } => CertificateError::Expired,
            Refusal::NotYetValid { .. } => CertificateError::NotValidYet,
            Refusal::WrongName => CertificateError::NotValidForName,
            Refusal::NotVouched => CertificateError::UnknownIssuer,
            Refusal::WrongKey => CertificateError::BadSignature,
            Refusal::Malformed => CertificateError::BadEncoding,
        })
    }
}

/// None of the presented keys is pinned. Hashes of public keys: not secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the server's identity is {} and not the pinned {}", shown(.presented), shown(.expected))]
pub struct PinError {
    /// The pins that were looked for.
    pub expected: Vec<Pin>,
    /// The hashes of the keys that were presented, leaf first.
    pub presented: Vec<Pin>,
}

/// What a server presents.
struct Chain<'a> {
    leaf: &'a CertificateDer<'a>,
    others: &'a [CertificateDer<'a>],
}

fn pin_of(certificate: &EndEntityCert<'_>) -> Pin {
    let spki = certificate.subject_public_key_info();
    let hash = digest::digest(&digest::SHA256, spki.as_ref());
    hash.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The beginning of each pin: enough to compare by eye.
fn shown(pins: &[Pin]) -> String {
    let mut text = String::new();
    for pin in pins {
        if !text.is_empty() {
            text.push('/');
        }
        for byte in &pin[..4] {
            let _ = write!(text, "{byte:02x}"); // Writing to a string cannot fail.
        }
    }
    text
}
