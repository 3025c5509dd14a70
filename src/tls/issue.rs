//! Making certificates: one authority, and the leaves it signs. In memory, without files.
//!
//! Ed25519 keys come from the entropy given, and an Ed25519 signature has one size; with serial numbers of one size the
//! handshake is the same number of bytes in every run of a simulation.
//! Invariant: whatever is issued here passes [`is_good`] from now until a month before it ends.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SanType, SerialNumber,
};
use ring::digest;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::host::Host;
use crate::seams::Entropy;

/// The name every leaf of our own authorities carries. A client accepts it under whatever address it dialled; a public
/// authority cannot issue it, because `.internal` is nobody's.
pub const IDENTITY_NAME: &str = "server.quipu.internal";

/// How long a leaf is good for.
const LEAF_LIFE: Duration = Duration::from_secs(90 * DAY_SECS);
/// A leaf with less left than this is replaced: a month in which a failing renewal can be noticed.
pub(crate) const LEAF_LIFE_MIN_MS: u64 = 30 * DAY_SECS * 1000;
const AUTHORITY_LIFE: Duration = Duration::from_secs(20 * 365 * DAY_SECS);
/// How far back a certificate is dated, for clients whose clock is slow.
const BACKDATE: Duration = Duration::from_secs(60 * 60);
const DAY_SECS: u64 = 24 * 60 * 60;
const _: () = assert!(LEAF_LIFE_MIN_MS * 2 < LEAF_LIFE.as_secs() * 1000);

/// Which of the two leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeafKind {
    /// Ed25519, for `quipu/1`: small, and of one size.
    Native,
    /// P-256, for `hq-29` and `h3`: the curve every browser takes.
    Web,
}

/// The small authority whose key is the pin. Its signing key may have been taken offline.
#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) pem: String,
    pub(crate) der: CertificateDer<'static>,
    pub(crate) key: Option<KeyPair>,
}

/// A leaf and its key as they are kept in files.
pub(crate) struct Leaf {
    /// The leaf, then the authority: a client that knows only the pin must be shown both.
    pub(crate) chain_pem: String,
    pub(crate) der: CertificateDer<'static>,
    pub(crate) key_pem: Zeroizing<String>,
}

impl Authority {
    /// A certificate for `key`, dated from `now_ms`. Two certificates for one key are the same authority.
    pub(crate) fn certify(key: KeyPair, now_ms: u64, entropy: &dyn Entropy) -> Result<Self, rcgen::Error> {
        let mut params = dated(now_ms, AUTHORITY_LIFE, entropy)?;
        let pin = digest::digest(&digest::SHA256, &key.subject_public_key_info());
        let shown: String = pin.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        params.distinguished_name = common_name(&format!("Quipu server {shown}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key)?;
        Ok(Self { pem: certificate.pem(), der: certificate.der().clone(), key: Some(key) })
    }

    /// Signs a new leaf for `hosts` and the names every server has, or `None` if the key is offline.
    pub(crate) fn issue(
        &self,
        kind: LeafKind,
        hosts: &[Host],
        now_ms: u64,
        entropy: &dyn Entropy,
    ) -> Result<Option<Leaf>, rcgen::Error> {
        let Some(authority_key) = &self.key else {
            return Ok(None);
        };
        let key = match kind {
            LeafKind::Native => ed25519_key(entropy)?,
            LeafKind::Web => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
        };
        let mut params = dated(now_ms, LEAF_LIFE, entropy)?;
        params.distinguished_name = common_name(IDENTITY_NAME);
        params.subject_alt_names = alternative_names(hosts)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_der(&self.der, authority_key)?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Some(Leaf {
            chain_pem: format!("{}{}", certificate.pem(), self.pem),
            der: certificate.der().clone(),
            key_pem: Zeroizing::new(key.serialize_pem()),
        }))
    }
}

/// A new Ed25519 key from `entropy`.
pub(crate) fn ed25519_key(entropy: &dyn Entropy) -> Result<KeyPair, rcgen::Error> {
    let mut pkcs8 = Zeroizing::new([0; 48]);
    let (prefix, seed) = pkcs8.split_at_mut(ED25519_PKCS8_PREFIX.len());
    prefix.copy_from_slice(&ED25519_PKCS8_PREFIX);
    entropy.fill(seed);
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8.as_slice()), &PKCS_ED25519)
}

/// SHA-256 of a certificate's public key (SubjectPublicKeyInfo, DER): what an invite carries.
pub(crate) fn pin_of(certificate: &CertificateDer<'_>) -> Result<[u8; 32], rustls::Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    let spki = parsed.subject_public_key_info();
    let hash = digest::digest(&digest::SHA256, spki.as_ref());
    Ok(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

/// A chain and its key out of PEM, checked to belong together.
pub(crate) fn certified(chain_pem: &[u8], key_pem: &[u8]) -> Result<CertifiedKey, rustls::Error> {
    let unreadable = |what: &str| rustls::Error::General(format!("no readable {what} in PEM form"));
    let chain = CertificateDer::pem_slice_iter(chain_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| unreadable("certificate"))?;
    if chain.is_empty() {
        return Err(unreadable("certificate"));
    }
    let key =
        rustls::pki_types::PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| unreadable("private key"))?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
}

/// Whether a client that trusts `authority` accepts this leaf at `at_ms` under every name it should have. Asking the
/// verifier leaves no second opinion about dates, names or signatures.
pub(crate) fn is_good(
    authority: &CertificateDer<'static>,
    leaf: &CertifiedKey,
    hosts: &[Host],
    at_ms: u64,
) -> bool {
    let mut roots = RootCertStore::empty();
    if roots.add(authority.clone()).is_err() {
        return false;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let Ok(verifier) = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build() else {
        return false;
    };
    let Ok(certificate) = leaf.end_entity_cert() else {
        return false;
    };
    let at = UnixTime::since_unix_epoch(Duration::from_millis(at_ms));
    let identity = ServerName::try_from(IDENTITY_NAME).expect("a DNS name");
    let accepts =
        |name: &ServerName<'_>| verifier.verify_server_cert(certificate, &[], name, &[], at).is_ok();
    accepts(&identity) && hosts.iter().all(|host| accepts(&host.server_name()))
}

fn dated(now_ms: u64, life: Duration, entropy: &dyn Entropy) -> Result<CertificateParams, rcgen::Error> {
    let now = i64::try_from(now_ms / 1000)
        .ok()
        .and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok())
        .ok_or(rcgen::Error::Time)?;
    let mut serial = [0; 16];
    entropy.fill(&mut serial);
    serial[0] = serial[0] & 0x3f | 0x40; // Positive and without a leading zero: always 16 bytes of DER.
    let mut params = CertificateParams::default();
    params.not_before = now - BACKDATE;
    params.not_after = now + life;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    distinguished_name
}

fn alternative_names(hosts: &[Host]) -> Result<Vec<SanType>, rcgen::Error> {
    let dns = |name: &str| Ia5String::try_from(name).map(SanType::DnsName);
    let mut names = vec![
        dns(IDENTITY_NAME)?,
        dns("localhost")?,
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    for host in hosts {
        let name = match host.as_str().parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => dns(host.as_str())?,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// DER of `PrivateKeyInfo { version 0, Ed25519, OCTET STRING { OCTET STRING { ..32 bytes } } }` (RFC 8410, section 7).
const ED25519_PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::SystemEntropy;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn days(count: u64) -> u64 {
        count * DAY_SECS * 1000
    }

    fn authority() -> Authority {
        Authority::certify(ed25519_key(&SystemEntropy).unwrap(), NOW_MS, &SystemEntropy).unwrap()
    }

    fn leaf(authority: &Authority, kind: LeafKind, hosts: &[Host]) -> CertifiedKey {
        let leaf = authority.issue(kind, hosts, NOW_MS, &SystemEntropy).unwrap().unwrap();
        certified(leaf.chain_pem.as_bytes(), leaf.key_pem.as_bytes()).unwrap()
    }

    #[test]
    fn a_leaf_is_good_from_an_hour_ago_for_ninety_days_under_each_of_its_names() {
        let authority = authority();
        let hosts = ["chat.example.org", "192.0.2.7", "localhost"].map(|host| host.parse().unwrap());
        for kind in [LeafKind::Native, LeafKind::Web] {
            let leaf = leaf(&authority, kind, &hosts);
            assert_eq!(leaf.cert.len(), 2);
            for (at, good) in [
                (NOW_MS - 3_599_000, true),
                (NOW_MS - 3_601_000, false),
                (NOW_MS + days(90) - 1000, true),
                (NOW_MS + days(90) + 1000, false),
            ] {
                assert_eq!(is_good(&authority.der, &leaf, &hosts, at), good, "{kind:?} at {at}");
            }
            assert!(!is_good(&authority.der, &leaf, &["other.example".parse().unwrap()], NOW_MS));
        }
    }

    #[test]
    fn another_authority_does_not_vouch_for_it() {
        let leaf = leaf(&authority(), LeafKind::Native, &[]);
        assert!(!is_good(&authority().der, &leaf, &[], NOW_MS));
    }

    #[test]
    fn native_leaves_have_one_size_and_the_pin_is_the_key() {
        let one = authority();
        let size = leaf(&one, LeafKind::Native, &[]).cert[0].len();
        for _ in 0..8 {
            assert_eq!(leaf(&one, LeafKind::Native, &[]).cert[0].len(), size);
        }
        let key = one.key.as_ref().unwrap().serialize_pem();
        let again =
            Authority::certify(KeyPair::from_pem(&key).unwrap(), NOW_MS + days(1), &SystemEntropy).unwrap();
        assert_ne!(one.der, again.der);
        assert_eq!(pin_of(&one.der).unwrap(), pin_of(&again.der).unwrap());
    }

    #[test]
    fn a_key_that_is_not_the_leafs_is_noticed() {
        let one = authority();
        let [a, b] =
            [0, 1].map(|_| one.issue(LeafKind::Native, &[], NOW_MS, &SystemEntropy).unwrap().unwrap());
        assert!(certified(a.chain_pem.as_bytes(), b.key_pem.as_bytes()).is_err());
    }
}
