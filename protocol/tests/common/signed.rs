//! One worked enrolment with fixed keys: token, proofs, and every step on the way to their bytes.

use quipu_protocol::key::{CoseKey, DeviceKey, algorithm};
use quipu_protocol::request::Permissions;
use quipu_protocol::token::{
    self, Claims, Confirmation, EXPORTER_LABEL, ISSUER, Purpose, Statement, auth_subject, redeem_subject,
    refresh_subject,
};
use quipu_protocol::{Blob, Text, cbor};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::{Deserialize, Serialize};

use super::{ADA, AT_MS, LAPTOP, Sample, diagnostic, fits, hex, item, unhex};

pub const SERVER_SEED: [u8; 32] = [0x51; 32];
pub const DEVICE_SEED: [u8; 32] = [0xde; 32];
pub const KEY_ID: [u8; 4] = [0x00, 0x00, 0x00, 0x01];
pub const PIN: [u8; 32] = [0x91; 32];
pub const SECRET: [u8; 16] = [0x5e; 16];
/// What the TLS exporter of the example's connection gives, whatever the context.
pub const EXPORTER: [u8; 32] = [0xe0; 32];
/// A P-256 key and its signature over the redeem statement: ECDSA is randomised, so these were made once.
const P256_PUBLIC: &str = include_str!("p256_public.hex");
const P256_SIGNATURE: &str = include_str!("p256_signature.hex");

/// A proof and the steps to it.
pub struct Proof {
    pub subject: [u8; 32],
    pub statement: Vec<u8>,
    pub to_sign: Vec<u8>,
    pub proof: Vec<u8>,
}

pub struct Example {
    pub server: DeviceKey,
    pub device: DeviceKey,
    pub claims: Claims,
    pub token_to_sign: Vec<u8>,
    pub token: Vec<u8>,
    pub auth: Proof,
    pub redeem: Proof,
    pub refresh: Proof,
}

impl Example {
    pub fn new() -> Self {
        let server = pair(&SERVER_SEED);
        let device = pair(&DEVICE_SEED);
        let key = CoseKey::from(&public(&device));
        let claims = claims(key.clone());
        let mut token_to_sign = Vec::new();
        let token = token::issue(&claims, algorithm::EDDSA, &KEY_ID, |bytes| {
            token_to_sign = bytes.to_vec();
            server.sign(bytes).as_ref().to_vec()
        });
        let prove = |purpose, subject| proof(&device, purpose, subject);
        Self {
            server: public(&server),
            device: public(&device),
            auth: prove(Purpose::Auth, auth_subject(&token)),
            redeem: prove(Purpose::Redeem, redeem_subject(&SECRET, &key)),
            refresh: prove(Purpose::Refresh, refresh_subject(&LAPTOP)),
            claims,
            token_to_sign,
            token,
        }
    }

    pub fn cose_key(&self) -> CoseKey {
        CoseKey::from(&self.device)
    }
}

/// The key with this seed.
pub fn pair(seed: &[u8; 32]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).unwrap()
}

fn public(pair: &Ed25519KeyPair) -> DeviceKey {
    DeviceKey::Ed25519(pair.public_key().as_ref().try_into().unwrap())
}

fn claims(key: CoseKey) -> Claims {
    Claims {
        issuer: fits(Text::new(ISSUER)),
        user: ADA,
        audience: fits(Blob::new(PIN.to_vec())),
        expires_s: AT_MS / 1_000 + 86_400,
        issued_s: AT_MS / 1_000,
        token_id: fits(Blob::new(vec![0x7d; 16])),
        confirmation: Confirmation { key },
        device: LAPTOP,
        scope: Permissions::ANYTHING,
        user_epoch: 1,
    }
}

fn proof(device: &Ed25519KeyPair, purpose: Purpose, subject: [u8; 32]) -> Proof {
    let statement = Statement::new(purpose, subject, PIN);
    let mut to_sign = Vec::new();
    let proof = statement.prove(algorithm::EDDSA, &EXPORTER, |bytes| {
        to_sign = bytes.to_vec();
        device.sign(bytes).as_ref().to_vec()
    });
    Proof { subject, statement: cbor::encode(&statement), to_sign, proof }
}

/// A key such as hardware keystores make.
pub fn p256_device() -> DeviceKey {
    DeviceKey::P256(unhex(P256_PUBLIC.trim()).try_into().unwrap())
}

pub fn p256_key() -> CoseKey {
    CoseKey::from(&p256_device())
}

pub fn p256_statement() -> Statement {
    Statement::new(Purpose::Redeem, redeem_subject(&SECRET, &p256_key()), PIN)
}

pub fn p256_proof() -> Vec<u8> {
    p256_statement().prove(algorithm::ES256, &EXPORTER, |_| unhex(P256_SIGNATURE.trim()))
}

/// What is signed, as samples of their own rules.
pub fn items(example: &Example) -> Vec<Sample> {
    let statement = |purpose, subject| Statement::new(purpose, subject, PIN);
    vec![
        item("cose-key-ed25519", "ed25519-key", example.cose_key()),
        item("cose-key-p256", "p256-key", p256_key()),
        item("claims", "claims", example.claims.clone()),
        item("statement-auth", "statement", statement(Purpose::Auth, example.auth.subject)),
        item("statement-redeem", "statement", statement(Purpose::Redeem, example.redeem.subject)),
        item("statement-refresh", "statement", statement(Purpose::Refresh, example.refresh.subject)),
    ]
}

/// One step of the example, as it stands in `signed.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub name: String,
    pub means: String,
    /// CDDL rule, when the bytes are CBOR.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
    pub hex: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub diagnostic: Option<String>,
}

/// All steps, in the order in which a client meets them.
pub fn steps(example: &Example) -> Vec<Step> {
    let key = |key: &DeviceKey| match key {
        DeviceKey::Ed25519(key) => key.to_vec(),
        DeviceKey::P256(key) => key.to_vec(),
    };
    let mut steps = vec![
        plain("pin", "SHA-256 of the server identity's SubjectPublicKeyInfo, from the invite link", &PIN),
        plain("secret", "the one-time secret of the invite link", &SECRET),
        plain("exporter-label", "label of the TLS exporter, ASCII", EXPORTER_LABEL),
        plain("exporter", "32 bytes from the TLS exporter; fixed here for all three contexts", &EXPORTER),
        plain("device-seed", "the device's Ed25519 seed (RFC 8032 private key)", &DEVICE_SEED),
        plain("device-public", "the device's Ed25519 public key", &key(&example.device)),
        coded("device-key", "the same as COSE_Key", "cose-key", &cbor::encode(&example.cose_key())),
        plain("server-seed", "the Ed25519 seed the server signs tokens with", &SERVER_SEED),
        plain("server-public", "its public key; clients never need it", &key(&example.server)),
        coded("claims", "what the token says", "claims", &cbor::encode(&example.claims)),
        coded("token-to-sign", "what the server signs", "sig-structure", &example.token_to_sign),
        coded("token", "the token", "token", &example.token),
    ];
    for (name, what, proof) in [
        ("redeem", "SHA-256(secret, COSE_Key)", &example.redeem),
        ("auth", "SHA-256(token)", &example.auth),
        ("refresh", "SHA-256(device id)", &example.refresh),
    ] {
        let step = |part: &str| format!("{name}-{part}");
        let subject = format!("{what}; also the context of the exporter");
        steps.extend([
            plain(&step("subject"), &subject, &proof.subject),
            coded(&step("statement"), "the payload of the proof", "statement", &proof.statement),
            coded(&step("to-sign"), "what the device signs", "sig-structure", &proof.to_sign),
            coded(&step("proof"), "the proof", "proof", &proof.proof),
        ]);
    }
    steps.extend([
        coded("p256-key", "a P-256 device key as COSE_Key", "cose-key", &cbor::encode(&p256_key())),
        coded("p256-redeem-proof", "a proof by it: signatures differ each time", "proof", &p256_proof()),
    ]);
    steps
}

fn plain(name: &str, means: &str, bytes: &[u8]) -> Step {
    Step { name: name.to_owned(), means: means.to_owned(), rule: None, hex: hex(bytes), diagnostic: None }
}

fn coded(name: &str, means: &str, rule: &str, bytes: &[u8]) -> Step {
    Step { rule: Some(rule.to_owned()), diagnostic: Some(diagnostic::of(bytes)), ..plain(name, means, bytes) }
}
