//! A throw-away server identity whose handshake has the same length every time.
//!
//! Ed25519 signatures have a fixed size, ECDSA's vary by a byte or two; a random serial number would too.
//! The keys themselves are random: no packet's fate depends on bytes.

use std::sync::Arc;

use quinn::{
    ClientConfig, ServerConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
    rustls::{
        self, RootCertStore,
        crypto::CryptoProvider,
        pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    },
};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SerialNumber};

/// The name the certificate is for.
pub(crate) const SERVER_NAME: &str = "sim.example";
const ALPN: &[u8] = b"quipu-sim";

/// A self-signed certificate and its key.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Identity {
    /// A fresh key and certificate for [`SERVER_NAME`].
    pub(crate) fn generate() -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("ring makes Ed25519 keys");
        let mut params =
            CertificateParams::new(vec![SERVER_NAME.to_owned()]).expect("the name is a valid DNS name");
        params.serial_number = Some(SerialNumber::from_slice(&[1; 16]));
        let certificate = params.self_signed(&key).expect("the key can sign");
        Self { certificate: certificate.der().clone(), key: key.serialize_der().into() }
    }

    /// A server that presents this identity.
    pub(crate) fn server_config(&self) -> ServerConfig {
        let mut tls = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring speaks TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key().into())
            .expect("the key belongs to the certificate");
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let tls = QuicServerConfig::try_from(tls).expect("ring has QUIC's initial cipher suite");
        ServerConfig::with_crypto(Arc::new(tls))
    }

    /// A client that trusts this identity and no other.
    pub(crate) fn client_config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("our certificate parses");
        let mut tls = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring speaks TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let tls = QuicClientConfig::try_from(tls).expect("ring has QUIC's initial cipher suite");
        ClientConfig::new(Arc::new(tls))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
