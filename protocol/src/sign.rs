//! Signed bytes: COSE_Sign1 (RFC 9052 section 4.2) with one algorithm per key and nothing left to choose.
//!
//! What is verified is what was received: the protected header and the payload are never encoded again.
//! The private key stays with the caller, who gets the bytes to sign and gives the signature back.

use coset::{CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, RegisteredLabelWithPrivate, iana};

use crate::cbor;
use crate::error::DecodeError;
use crate::key::{DeviceKey, algorithm};

/// Why a signed value was refused. Peers are told one generic error; this is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Not CBOR in the profile, or not a COSE_Sign1 with a payload.
    #[error("not a signed value")]
    Malformed,
    /// An algorithm other than the key's.
    #[error("signed with algorithm {0}, which is not the key's")]
    Algorithm(i64),
    /// The signature does not fit key, payload and context.
    #[error("signature does not verify")]
    Signature,
}

impl From<DecodeError> for SignError {
    fn from(_: DecodeError) -> Self {
        Self::Malformed
    }
}

/// A COSE_Sign1 that was parsed and not yet believed.
#[derive(Debug)]
pub struct Signed(CoseSign1);

impl Signed {
    /// Parses a COSE_Sign1 in the CBOR profile, untagged.
    ///
    /// # Errors
    /// [`SignError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SignError> {
        cbor::check(bytes)?;
        let sign1 = CoseSign1::from_slice(bytes).map_err(|_| SignError::Malformed)?;
        // The protected header is CBOR inside a byte string, which the first check did not see.
        cbor::check(sign1.protected.original_data.as_deref().unwrap_or_default())?;
        // An algorithm outside the signature's protection could be swapped on the way.
        if sign1.payload.is_none()
            || sign1.unprotected.alg.is_some()
            || !sign1.protected.header.crit.is_empty()
        {
            return Err(SignError::Malformed);
        }
        Ok(Self(sign1))
    }

    /// Which key it claims to be signed with.
    pub fn key_id(&self) -> &[u8] {
        &self.0.protected.header.key_id
    }

    /// The payload, once `key` is seen to have signed it together with `context` (the external data).
    ///
    /// # Errors
    /// [`SignError::Algorithm`] or [`SignError::Signature`].
    pub fn verified(&self, key: &DeviceKey, context: &[u8]) -> Result<&[u8], SignError> {
        let algorithm = self.algorithm();
        if algorithm != key.algorithm() {
            return Err(SignError::Algorithm(algorithm));
        }
        let check = |signature: &[u8], message: &[u8]| key.verifies(message, signature).then_some(());
        self.0.verify_signature(context, |signature, message| {
            check(signature, message).ok_or(SignError::Signature)
        })?;
        self.0.payload.as_deref().ok_or(SignError::Malformed)
    }

    fn algorithm(&self) -> i64 {
        match self.0.protected.header.alg {
            Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::EdDSA)) => algorithm::EDDSA,
            Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256)) => algorithm::ES256,
            _ => 0,
        }
    }
}

/// Signs `payload` together with `context`. `key_id` may be empty; `sign` gets the bytes to sign.
pub fn sign(
    algorithm: i64,
    key_id: &[u8],
    payload: Vec<u8>,
    context: &[u8],
    sign: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let algorithm =
        if algorithm == algorithm::ES256 { iana::Algorithm::ES256 } else { iana::Algorithm::EdDSA };
    let mut header = HeaderBuilder::new().algorithm(algorithm);
    if !key_id.is_empty() {
        header = header.key_id(key_id.to_vec());
    }
    CoseSign1Builder::new()
        .protected(header.build())
        .payload(payload)
        .create_signature(context, sign)
        .build()
        .to_vec()
        .expect("a COSE_Sign1 without custom headers always encodes")
}
