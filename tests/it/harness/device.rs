//! A device: a key pair, and what it signs.

use quipu_protocol::Blob;
use quipu_protocol::key::{CoseKey, DeviceKey, algorithm};
use quipu_protocol::limits::PROOF_BYTES_MAX;
use quipu_protocol::token::{Purpose, Statement};
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::{RawPeer, random};

/// An Ed25519 key pair that nobody else has.
pub(crate) struct Device(Ed25519KeyPair);

impl Device {
    pub(crate) fn new() -> Self {
        Self::from_seed(&random())
    }

    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(seed).unwrap())
    }

    /// The public half as it is sent.
    pub(crate) fn key(&self) -> CoseKey {
        let public: [u8; 32] = self.0.public_key().as_ref().try_into().unwrap();
        (&DeviceKey::Ed25519(public)).into()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }

    /// A proof for the connection and the server of `peer`.
    pub(crate) fn prove(&self, purpose: Purpose, subject: [u8; 32], peer: &RawPeer) -> Blob<PROOF_BYTES_MAX> {
        self.prove_for(purpose, subject, peer.pin, &peer.exporter(&subject))
    }

    /// A proof for any server and exporter.
    pub(crate) fn prove_for(
        &self,
        purpose: Purpose,
        subject: [u8; 32],
        pin: [u8; 32],
        exporter: &[u8; 32],
    ) -> Blob<PROOF_BYTES_MAX> {
        let statement = Statement::new(purpose, subject, pin);
        let proof = statement.prove(algorithm::EDDSA, exporter, |message| self.sign(message));
        Blob::new(proof).unwrap()
    }
}
