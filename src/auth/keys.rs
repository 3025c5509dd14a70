//! The key that signs tokens: Ed25519, from 32 bytes that stay in the data folder.

use quipu_protocol::key::DeviceKey;
use quipu_protocol::token::sha256;
use ring::signature::{Ed25519KeyPair, KeyPair};

/// Signs and recognises this server's tokens.
pub struct TokenKey {
    pair: Ed25519KeyPair,
    public: DeviceKey,
    id: [u8; 8],
}

impl TokenKey {
    /// The key made from a seed of 32 secret bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed of 32 bytes makes an Ed25519 key");
        let public: [u8; 32] =
            pair.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes");
        let mut id = [0; 8];
        id.copy_from_slice(&sha256(&public)[..8]);
        Self { pair, public: DeviceKey::Ed25519(public), id }
    }

    /// Its name in the header of a token (`kid`).
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    /// Its public half.
    pub fn public(&self) -> &DeviceKey {
        &self.public
    }

    /// A signature over `message`.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// Without the key.
impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenKey({:02x?})", self.id)
    }
}
