//! Tokens and proofs: a CWT (RFC 8392) that names a device key (RFC 8747), and signatures by that key over the
//! TLS exporter of one connection.
//!
//! ```text
//!   token  = COSE_Sign1 by the server   over claims{iss, sub, aud, exp, iat, cti, cnf, device, scope, epoch}
//!   proof  = COSE_Sign1 by the device   over [purpose, subject, aud], with the exporter as external data
//! ```
//!
//! The exporter exists only inside one TLS connection, so a token or a proof that is stolen, or relayed by
//! someone in between, is worthless on any other. Nothing here reads a clock or holds a private key.

use ring::digest::{SHA256, digest};

use crate::cbor;
use crate::id::{DeviceId, UserId};
use crate::key::{CoseKey, DeviceKey};
use crate::limits::CLOCK_SKEW_MS;
use crate::request::Permissions;
use crate::sign::{self, SignError, Signed};
use crate::wire::{Blob, Text, wire_array, wire_map};

/// Label of the TLS exporter (RFC 8446 section 7.5) that every proof is bound to.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-quipu-auth-v1";
/// Bytes taken from the exporter.
pub const EXPORTER_BYTES: usize = 32;
/// Who issues: the value of `iss`.
pub const ISSUER: &str = "quipu";

/// SHA-256, the only hash of the protocol.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

wire_map! {
    /// The `cnf` claim (RFC 8747 section 3.1).
    pub struct Confirmation {
        required {
            /// The device's public key.
            1 => key: CoseKey,
        }
        optional {}
    }
}

wire_map! {
    /// What a token says. Times are in seconds since 1970, as RFC 8392 wants them.
    pub struct Claims {
        required {
            /// `iss`: always [`ISSUER`].
            1 => issuer: Text<16>,
            /// `sub`: the account.
            2 => user: UserId,
            /// `aud`: the server's pin.
            3 => audience: Blob<32>,
            /// `exp`: not valid from here on.
            4 => expires_s: u64,
            /// `iat`: issued.
            6 => issued_s: u64,
            /// `cti`: a random id, by which one token can be denied.
            7 => token_id: Blob<16>,
            /// `cnf`: the key that must sign.
            8 => confirmation: Confirmation,
            /// The device.
            -70001 => device: DeviceId,
            /// What the token allows at most; all bits set but for bots.
            -70002 => scope: Permissions,
            /// The account's epoch: raising it ends all tokens of the account.
            -70003 => user_epoch: u64,
        }
        optional {}
    }
}

impl Claims {
    /// Whether the token may be used at `now_ms`, with [`CLOCK_SKEW_MS`] of tolerance on both sides.
    pub fn is_current(&self, now_ms: u64) -> bool {
        let ms = |seconds: u64| seconds.saturating_mul(1_000);
        now_ms < ms(self.expires_s).saturating_add(CLOCK_SKEW_MS)
            && ms(self.issued_s) <= now_ms.saturating_add(CLOCK_SKEW_MS)
    }
}

/// Signs claims as the server.
pub fn issue(
    claims: &Claims,
    algorithm: i64,
    key_id: &[u8],
    signer: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    sign::sign(algorithm, key_id, cbor::encode(claims), &[], signer)
}

/// The claims of a token that `key` signed. Times and device are still to be judged.
///
/// # Errors
/// See [`SignError`].
pub fn verify(token: &Signed, key: &DeviceKey) -> Result<Claims, SignError> {
    Ok(cbor::decode(token.verified(key, &[])?, "Claims")?)
}

/// What a proof is for. A proof made for one purpose is refused for every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To authenticate with a token; the subject is the token's hash.
    Auth,
    /// To redeem an invite; the subject is the hash of secret and key.
    Redeem,
    /// To get a new token; the subject is the hash of the device id.
    Refresh,
}

impl Purpose {
    /// Its name in a proof.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "quipu-auth-v1",
            Self::Redeem => "quipu-redeem-v1",
            Self::Refresh => "quipu-refresh-v1",
        }
    }
}

wire_array! {
    /// The payload of a proof.
    pub struct Statement {
        /// [`Purpose::name`].
        purpose: Text<32>,
        /// Hash of what is proven about, 32 bytes. Also the context of the TLS exporter.
        subject: Blob<32>,
        /// The server's pin, 32 bytes.
        audience: Blob<32>,
    }
}

impl Statement {
    /// The statement for a purpose, a subject and the server's pin.
    pub fn new(purpose: Purpose, subject: [u8; 32], audience: [u8; 32]) -> Self {
        let blob = |bytes: [u8; 32]| Blob::new(bytes.to_vec()).expect("32 bytes are 32 bytes");
        let purpose = Text::new(purpose.name()).expect("names of purposes are short");
        Self { purpose, subject: blob(subject), audience: blob(audience) }
    }

    /// Signs it as the device, for the connection with this exporter value.
    pub fn prove(&self, algorithm: i64, exporter: &[u8], signer: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
        sign::sign(algorithm, &[], cbor::encode(self), exporter, signer)
    }

    /// Checks that `proof` is this statement, signed by `key` on the connection with this exporter value.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn check(&self, proof: &[u8], key: &DeviceKey, exporter: &[u8]) -> Result<(), SignError> {
        let signed = Signed::parse(proof)?;
        let said: Self = cbor::decode(signed.verified(key, exporter)?, "Statement")?;
        if said == *self { Ok(()) } else { Err(SignError::Signature) }
    }
}

/// The subject of a [`Purpose::Auth`] proof.
pub fn auth_subject(token: &[u8]) -> [u8; 32] {
    sha256(token)
}

/// The subject of a [`Purpose::Redeem`] proof: the secret, then the COSE_Key as it is sent.
pub fn redeem_subject(secret: &[u8; 16], key: &CoseKey) -> [u8; 32] {
    sha256(&[&secret[..], &cbor::encode(key)].concat())
}

/// The subject of a [`Purpose::Refresh`] proof.
pub fn refresh_subject(device: &DeviceId) -> [u8; 32] {
    sha256(device.as_bytes())
}
