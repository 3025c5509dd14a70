//! Public keys of devices, as COSE writes them (RFC 9052 section 7), and how a signature is checked.

use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey, VerificationAlgorithm};

use crate::wire::{Blob, wire_map};

/// COSE algorithm numbers (RFC 9053 section 2).
pub mod algorithm {
    /// Ed25519.
    pub const EDDSA: i64 = -8;
    /// ECDSA with P-256 and SHA-256, the signature as r ‖ s.
    pub const ES256: i64 = -7;
}

wire_map! {
    /// A COSE_Key as it stands in a Redeem and in a token's `cnf` claim.
    pub struct CoseKey {
        required {
            /// Key type: 1 OKP, 2 EC2.
            1 => kty: u64,
            /// Curve: 6 Ed25519, 1 P-256.
            -1 => crv: u64,
            /// The x coordinate, or all of an Ed25519 key.
            -2 => x: Blob<32>,
        }
        optional {
            /// The y coordinate of a P-256 key.
            -3 => y: Blob<32>,
        }
    }
}

/// A device's public key. P-256 is there for keystores in hardware that know nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceKey {
    /// 32 bytes.
    Ed25519([u8; 32]),
    /// x and y, 32 bytes each.
    P256([u8; 64]),
}

/// A COSE_Key that is no key of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("key of type {kty} on curve {crv} is not accepted")]
pub struct KeyError {
    kty: u64,
    crv: u64,
}

impl DeviceKey {
    /// The one algorithm this key signs with.
    pub const fn algorithm(&self) -> i64 {
        match self {
            Self::Ed25519(_) => algorithm::EDDSA,
            Self::P256(_) => algorithm::ES256,
        }
    }

    /// Whether `signature` over `message` was made with the private half.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let check = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
        };
        match self {
            Self::Ed25519(key) => check(&ED25519, key),
            Self::P256(point) => check(&ECDSA_P256_SHA256_FIXED, &[&[4], &point[..]].concat()),
        }
    }
}

impl TryFrom<&CoseKey> for DeviceKey {
    type Error = KeyError;
    fn try_from(key: &CoseKey) -> Result<Self, KeyError> {
        let error = KeyError { kty: key.kty, crv: key.crv };
        match (key.kty, key.crv, key.x.len(), key.y.as_deref()) {
            (1, 6, 32, None) => Ok(Self::Ed25519(key.x[..].try_into().map_err(|_| error)?)),
            (2, 1, 32, Some(y)) if y.len() == 32 => {
                let mut point = [0; 64];
                point[..32].copy_from_slice(&key.x);
                point[32..].copy_from_slice(y);
                Ok(Self::P256(point))
            }
            _ => Err(error),
        }
    }
}

impl From<&DeviceKey> for CoseKey {
    fn from(key: &DeviceKey) -> Self {
        let blob = |bytes: &[u8]| Blob::new(bytes.to_vec()).expect("a coordinate has 32 bytes");
        match key {
            DeviceKey::Ed25519(x) => Self { kty: 1, crv: 6, x: blob(x), y: None },
            DeviceKey::P256(point) => {
                Self { kty: 2, crv: 1, x: blob(&point[..32]), y: Some(blob(&point[32..])) }
            }
        }
    }
}
