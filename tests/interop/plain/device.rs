//! The device's key, and what it signs: section 6.

use ciborium::Value;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::wire::{cbor, map};

/// The label of the TLS exporter.
pub(crate) const LABEL: &[u8] = b"EXPORTER-quipu-auth-v1";

/// An Ed25519 key pair.
pub(crate) struct Device(Ed25519KeyPair);

impl Device {
    pub(crate) fn new() -> Self {
        Self::from_seed(random())
    }

    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&seed).unwrap())
    }

    /// The public key as a COSE_Key.
    pub(crate) fn cose_key(&self) -> Value {
        let public = self.0.public_key().as_ref().to_vec();
        map([(1, 1.into()), (-1, 6.into()), (-2, Value::Bytes(public))])
    }

    /// A COSE_Sign1 over `[purpose, subject, pin]`, bound to a connection by its exporter.
    pub(crate) fn proof(
        &self,
        purpose: &str,
        subject: [u8; 32],
        pin: [u8; 32],
        exporter: [u8; 32],
    ) -> Vec<u8> {
        let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
        let statement = cbor(&Value::Array(vec![purpose.into(), bytes(&subject), bytes(&pin)]));
        let protected = cbor(&map([(1, (-8).into())]));
        let signed = cbor(&Value::Array(vec![
            "Signature1".into(),
            bytes(&protected),
            bytes(&exporter),
            bytes(&statement),
        ]));
        let signature = self.0.sign(&signed);
        cbor(&Value::Array(vec![
            bytes(&protected),
            Value::Map(Vec::new()),
            bytes(&statement),
            bytes(signature.as_ref()),
        ]))
    }

    /// What a Redeem is about.
    pub(crate) fn redeem_subject(&self, secret: &[u8; 16]) -> [u8; 32] {
        sha256(&[&secret[..], &cbor(&self.cose_key())].concat())
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

/// Bytes nobody can guess: seeds, and the ids one chooses.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).unwrap();
    bytes
}
