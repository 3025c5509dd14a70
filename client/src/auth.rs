//! The device's key and what it proves. Pure: bytes in, frames out.
//!
//! Invariant: the private key leaves this file only as signatures, and every signature is bound to one TLS
//! connection by its exporter.

use quipu_protocol::control::{Auth, Redeem, Refresh};
use quipu_protocol::key::{CoseKey, DeviceKey, algorithm};
use quipu_protocol::token::{self, EXPORTER_BYTES, Purpose, Statement};
use quipu_protocol::{Blob, DeviceId, DeviceName, Nickname};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use crate::error::{Error, ErrorCode};

/// The exporter value of one connection (RFC 8446 section 7.5) for a context.
pub(crate) type Exporter<'a> = &'a (dyn Fn(&[u8; 32]) -> [u8; EXPORTER_BYTES] + Send + Sync);

/// A device's private key.
pub(crate) struct DeviceSecret {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

/// Without the key.
impl std::fmt::Debug for DeviceSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeviceSecret")
    }
}

impl DeviceSecret {
    /// The key with this seed.
    ///
    /// # Errors
    /// Never with a seed of 32 bytes; ring's signature allows it.
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Result<Self, Error> {
        let unusable = |_| Error::never(ErrorCode::Storage, "the profile's device key cannot be used");
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(unusable)?;
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Ok(Self { pair, public })
    }

    /// The public half, as it is sent.
    pub(crate) fn cose(&self) -> CoseKey {
        CoseKey::from(&DeviceKey::Ed25519(self.public))
    }

    /// "Let me in."
    pub(crate) fn redeem(
        &self,
        secret: &[u8; 16],
        nickname: Nickname,
        device_name: DeviceName,
        pin: [u8; 32],
        exporter: Exporter<'_>,
    ) -> Redeem {
        let key = self.cose();
        let subject = token::redeem_subject(secret, &key);
        let proof = self.proof(Purpose::Redeem, subject, pin, exporter);
        let secret = Blob::new(secret.to_vec()).expect("a secret has 16 bytes");
        Redeem { secret, key, nickname, device_name, proof }
    }

    /// "I am this device." `None` when the token is larger than tokens are.
    pub(crate) fn auth(&self, token: &[u8], pin: [u8; 32], exporter: Exporter<'_>) -> Option<Auth> {
        let proof = self.proof(Purpose::Auth, token::auth_subject(token), pin, exporter);
        Some(Auth { token: Blob::new(token.to_vec()).ok()?, proof })
    }

    /// "A new token, please."
    pub(crate) fn refresh(&self, device: DeviceId, pin: [u8; 32], exporter: Exporter<'_>) -> Refresh {
        let proof = self.proof(Purpose::Refresh, token::refresh_subject(&device), pin, exporter);
        Refresh { device, proof }
    }

    fn proof<const MAX: usize>(
        &self,
        purpose: Purpose,
        subject: [u8; 32],
        pin: [u8; 32],
        exporter: Exporter<'_>,
    ) -> Blob<MAX> {
        let statement = Statement::new(purpose, subject, pin);
        let proof = statement.prove(algorithm::EDDSA, &exporter(&subject), |message| {
            self.pair.sign(message).as_ref().to_vec()
        });
        Blob::new(proof).expect("a signature over a short statement is below the limit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: [u8; 32] = [7; 32];

    /// An exporter as TLS gives it: other for every connection and every context.
    fn connection(n: u8) -> impl Fn(&[u8; 32]) -> [u8; 32] + Send + Sync {
        move |context| token::sha256(&[&[n], &context[..]].concat())
    }

    #[test]
    fn proofs_hold_for_one_purpose_one_connection_and_one_server() {
        let secret = DeviceSecret::from_seed(&[1; 32]).unwrap();
        let key = DeviceKey::try_from(&secret.cose()).unwrap();
        let auth = secret.auth(b"token", PIN, &connection(1)).unwrap();
        let subject = token::auth_subject(b"token");
        let good = Statement::new(Purpose::Auth, subject, PIN);
        let exporter = |n| connection(n)(&subject);
        assert_eq!(good.check(&auth.proof, &key, &exporter(1)), Ok(()));
        assert!(good.check(&auth.proof, &key, &exporter(2)).is_err(), "another connection");
        let other_server = Statement::new(Purpose::Auth, subject, [8; 32]);
        assert!(other_server.check(&auth.proof, &key, &exporter(1)).is_err());
        let other_purpose = Statement::new(Purpose::Refresh, subject, PIN);
        assert!(other_purpose.check(&auth.proof, &key, &exporter(1)).is_err());
    }

    #[test]
    fn redeem_and_refresh_prove_what_they_say() {
        let secret = DeviceSecret::from_seed(&[2; 32]).unwrap();
        let key = DeviceKey::try_from(&secret.cose()).unwrap();
        let exporter = connection(3);
        let (ada, laptop) = ("ada".parse().unwrap(), "laptop".parse().unwrap());
        let redeem = secret.redeem(&[5; 16], ada, laptop, PIN, &exporter);
        let subject = token::redeem_subject(&[5; 16], &redeem.key);
        let said = Statement::new(Purpose::Redeem, subject, PIN);
        assert_eq!(said.check(&redeem.proof, &key, &exporter(&subject)), Ok(()));
        let device = DeviceId::from_bytes([6; 16]);
        let refresh = secret.refresh(device, PIN, &exporter);
        let subject = token::refresh_subject(&device);
        let said = Statement::new(Purpose::Refresh, subject, PIN);
        assert_eq!(said.check(&refresh.proof, &key, &exporter(&subject)), Ok(()));
    }

    #[test]
    fn the_key_is_not_in_its_debug_form() {
        assert_eq!(format!("{:?}", DeviceSecret::from_seed(&[1; 32]).unwrap()), "DeviceSecret");
    }
}
