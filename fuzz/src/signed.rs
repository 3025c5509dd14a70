//! Tokens and proofs that say whatever one likes, signed with the right key: the signature is no excuse for the rest.
//!
//! ```text
//!   header · payload, changed ──▶ signed as they are ──▶ envelope, changed ──▶ verified ──▶ taken only if all is as it must be
//! ```

use std::sync::LazyLock;

use ciborium::Value;
use quipu_protocol::cbor;
use quipu_protocol::key::{CoseKey, DeviceKey};
use quipu_protocol::limits::CLOCK_SKEW_MS;
use quipu_protocol::sign::Signed;
use quipu_protocol::token::{self, Claims, Purpose, Statement};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

use super::change::{change, encode};
use super::choices::Choices;
use super::common::signed::{DEVICE_SEED, EXPORTER, Example, KEY_ID, PIN, SERVER_SEED, pair};
use super::common::unhex;

/// The example key of RFC 6979, appendix A.2.5: private, and public.
const P256: [&str; 2] = [
    "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
    "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
];
/// Numbers of algorithms as COSE knows them: ours, and others.
const ALGORITHMS: [i64; 6] = [-8, -7, -37, 5, 1, 0];
/// Changes of one value.
const CHANGES_MAX: usize = 4;

/// All keys there are, with whatever they sign.
struct Keys {
    server: Ed25519KeyPair,
    device: Ed25519KeyPair,
    p256: EcdsaKeyPair,
    random: SystemRandom,
    example: Example,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let [private, public] = P256.map(unhex);
    let random = SystemRandom::new();
    let p256 = EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        &private,
        &public,
        &random,
    );
    Keys {
        server: pair(&SERVER_SEED),
        device: pair(&DEVICE_SEED),
        p256: p256.expect("the example of an RFC is a key"),
        random,
        example: Example::new(),
    }
});

/// Who signs.
#[derive(Clone, Copy)]
enum Signer {
    Server,
    Device,
    P256,
}

impl Signer {
    fn sign(self, message: &[u8]) -> Vec<u8> {
        let keys = &*KEYS;
        match self {
            Self::Server => keys.server.sign(message).as_ref().to_vec(),
            Self::Device => keys.device.sign(message).as_ref().to_vec(),
            Self::P256 => {
                keys.p256.sign(&keys.random, message).expect("the system has chance").as_ref().to_vec()
            }
        }
    }

    fn key(self) -> DeviceKey {
        match self {
            Self::Server => KEYS.example.server,
            Self::Device => KEYS.example.device,
            Self::P256 => {
                let point = KEYS.p256.public_key().as_ref();
                DeviceKey::P256(point[1..].try_into().expect("a point has 64 bytes behind its first"))
            }
        }
    }

    fn algorithm(self) -> i64 {
        match self {
            Self::P256 => -7,
            _ => -8,
        }
    }
}

/// Goal: verification never panics, and takes nothing but what the right key signed for this very purpose.
pub(crate) fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(4) {
        0 | 1 => token(&mut choices),
        2 => proof(&mut choices),
        _ => key(&mut choices),
    }
}

fn token(choices: &mut Choices) {
    let claims = changed(value(&KEYS.example.claims), choices);
    let envelope = Envelope::signed(Signer::Server, encode(&claims), &[], choices);
    let Ok(signed) = Signed::parse(&envelope) else { return };
    let _ = signed.key_id();
    let Ok(claims) = token::verify(&signed, &Signer::Server.key()) else { return };
    let payload = Envelope::read(&envelope).check(Signer::Server, &[]);
    assert_eq!(cbor::check(&payload), Ok(()), "claims are in the profile");
    let again = cbor::encode(&claims);
    assert_eq!(cbor::decode(&again, "Claims").as_ref(), Ok(&claims), "claims are the same once more");
    is_current(&claims, choices);
}

/// As `Claims::is_current` is meant, in numbers that cannot overflow.
fn is_current(claims: &Claims, choices: &mut Choices) {
    let now_ms = choices.integer().clamp(0, u64::MAX.into()) as u64;
    let [expires, issued] = [claims.expires_s, claims.issued_s].map(|seconds| u128::from(seconds) * 1_000);
    let (now, skew) = (u128::from(now_ms), u128::from(CLOCK_SKEW_MS));
    // At the end of time, 584 million years from now, sums stop growing.
    if [expires, issued, now].iter().all(|ms| ms + skew <= u128::from(u64::MAX)) {
        assert_eq!(claims.is_current(now_ms), now < expires + skew && issued <= now + skew);
    } else {
        let _ = claims.is_current(now_ms);
    }
}

fn proof(choices: &mut Choices) {
    let signer = choices.one_of(&[Signer::Device, Signer::P256]);
    let wanted = statement(choices);
    let said = if choices.below(4) == 0 { statement(choices) } else { wanted.clone() };
    let said = changed(value(&said), choices);
    let exporter = if choices.below(4) == 0 { choices.bytes() } else { EXPORTER.to_vec() };
    let envelope = Envelope::signed(signer, encode(&said), &exporter, choices);
    if wanted.check(&envelope, &signer.key(), &EXPORTER).is_ok() {
        let payload = Envelope::read(&envelope).check(signer, &EXPORTER);
        assert_eq!(payload, cbor::encode(&wanted), "a proof says what is to be proved, in one way");
    }
}

fn statement(choices: &mut Choices) -> Statement {
    let purpose = choices.one_of(&[Purpose::Auth, Purpose::Redeem, Purpose::Refresh]);
    let (subject, audience) = (choices.one_of(&[[7; 32], [8; 32]]), choices.one_of(&[PIN, [0; 32]]));
    Statement::new(purpose, subject, audience)
}

/// Goal: what is no key of ours is refused, and no point makes a verification panic.
fn key(choices: &mut Choices) {
    let signer = choices.one_of(&[Signer::Device, Signer::P256]);
    let bytes = encode(&changed(value(&CoseKey::from(&signer.key())), choices));
    let Ok(cose) = cbor::decode::<CoseKey>(&bytes, "CoseKey") else { return };
    let Ok(key) = DeviceKey::try_from(&cose) else { return };
    assert_eq!(CoseKey::from(&key), cose, "a key is the same once more");
    let signature = if choices.below(2) == 0 { signer.sign(b"x") } else { choices.bytes() };
    let verifies = key.verifies(b"x", &signature);
    // An Ed25519 point of small order verifies what nobody signed; that harms none but whoever calls it their own.
    let is_p256 = matches!(key, DeviceKey::P256(_));
    assert!(!verifies || !is_p256 || key == signer.key(), "verified by another key");
}

fn value<T: serde::Serialize>(of: &T) -> Value {
    ciborium::from_reader(&cbor::encode(of)[..]).expect("what we encode is CBOR")
}

fn changed(mut value: Value, choices: &mut Choices) -> Value {
    for _ in 0..choices.below(CHANGES_MAX) {
        change(&mut value, choices, &Value::Integer(1.into()));
    }
    value
}

/// A COSE_Sign1 (RFC 9052 section 4.2), read by other code than the product's.
struct Envelope {
    protected: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    unprotected: Value,
}

impl Envelope {
    /// Signs header and payload as they are; then, sometimes, changes the envelope around them.
    fn signed(signer: Signer, payload: Vec<u8>, context: &[u8], choices: &mut Choices) -> Vec<u8> {
        let algorithm = if choices.below(8) == 0 { choices.one_of(&ALGORITHMS) } else { signer.algorithm() };
        let header =
            Value::Map(vec![(1.into(), algorithm.into()), (4.into(), Value::Bytes(KEY_ID.to_vec()))]);
        let protected = encode(&changed(header, choices));
        let unprotected = changed(Value::Map(Vec::new()), choices);
        let signature = signer.sign(&to_sign(&protected, context, &payload));
        let [protected, payload, signature] = [protected, payload, signature].map(Value::Bytes);
        let envelope = Value::Array(vec![protected, unprotected, payload, signature]);
        let envelope = if choices.below(4) == 0 { changed(envelope, choices) } else { envelope };
        encode(&envelope)
    }

    /// Takes apart what was accepted.
    fn read(bytes: &[u8]) -> Self {
        assert_eq!(cbor::check(bytes), Ok(()), "an envelope is in the profile");
        let Ok(Value::Array(parts)) = ciborium::from_reader(bytes) else { panic!("not an array") };
        let [Value::Bytes(protected), unprotected, Value::Bytes(payload), Value::Bytes(signature)] =
            &parts[..]
        else {
            panic!("not a COSE_Sign1: {parts:?}")
        };
        let (protected, payload, signature) = (protected.clone(), payload.clone(), signature.clone());
        Self { protected, payload, signature, unprotected: unprotected.clone() }
    }

    /// That it is what `signer` signed with this context and with its one algorithm. Gives the payload.
    fn check(self, signer: Signer, context: &[u8]) -> Vec<u8> {
        assert_eq!(cbor::check(&self.protected), Ok(()), "a protected header is in the profile");
        let Ok(Value::Map(header)) = ciborium::from_reader(&self.protected[..]) else { panic!("not a map") };
        let Value::Map(unprotected) = self.unprotected else { panic!("not a map") };
        let named = |map: &[(Value, Value)], key: i64| {
            map.iter().find(|(name, _)| *name == key.into()).map(|(_, value)| value.clone())
        };
        assert_eq!(named(&header, 1), Some(signer.algorithm().into()), "the key's algorithm, and no other");
        assert_eq!(named(&header, 2), None, "nothing critical is understood");
        assert_eq!(named(&unprotected, 1), None, "no algorithm outside of the signature");
        let message = to_sign(&self.protected, context, &self.payload);
        assert!(signer.key().verifies(&message, &self.signature), "taken without a signature");
        self.payload
    }
}

/// The Sig_structure of RFC 9052 section 4.4.
fn to_sign(protected: &[u8], context: &[u8], payload: &[u8]) -> Vec<u8> {
    let [protected, context, payload] = [protected, context, payload].map(|part| Value::Bytes(part.to_vec()));
    encode(&Value::Array(vec![Value::Text("Signature1".to_owned()), protected, context, payload]))
}
