//! The server's identity against the client's pin verifier, in real handshakes over loopback.

#![allow(clippy::unwrap_used)] // Here it is how a test fails.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectionError, Endpoint, TransportErrorCode};
use quipu_client::tls::{ClientTls, Pin, Refusal, client_crypto};
use quipu_server::seams::{Seams, SystemClock, SystemEntropy};
use quipu_server::tls::{Identity, Secrets, endpoint_config, server_config, server_crypto};
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;

const NOW_MS: u64 = 1_800_000_000_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Far more than a handshake takes, far less than the idle timeout: what is slower than this is hanging.
const SOON: Duration = Duration::from_secs(10);

/// A clock that stands where it is put.
#[derive(Debug)]
struct Hand(AtomicU64);

impl Hand {
    fn at(ms: u64) -> Arc<Self> {
        Arc::new(Self(ms.into()))
    }
}

impl quipu_server::seams::Clock for Hand {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl quipu_client::seams::Clock for Hand {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn seams() -> Seams {
    Seams { clock: Hand::at(NOW_MS), entropy: Arc::new(SystemEntropy) }
}

fn identity() -> Identity {
    Identity::ephemeral(NOW_MS, Arc::new(SystemEntropy)).unwrap()
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn serve(crypto: Arc<rustls::ServerConfig>, secrets: &Secrets, port: u16) -> Endpoint {
    let config = server_config(crypto, secrets, Arc::new(SystemClock)).unwrap();
    let socket = std::net::UdpSocket::bind(loopback(port)).unwrap();
    let runtime = Arc::new(quinn::TokioRuntime);
    let endpoint = Endpoint::new(endpoint_config(secrets, None), Some(config), socket, runtime).unwrap();
    let accepting = endpoint.clone();
    // Ends with the test's runtime. Connections are held, so that dropping one is never what ends it.
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Some(incoming) = accepting.accept().await {
            held.extend(incoming.await.ok());
        }
    });
    endpoint
}

fn server(identity: &Identity) -> Endpoint {
    let secrets = Secrets::ephemeral(&seams());
    serve(server_crypto(identity, &secrets, Hand::at(NOW_MS)).unwrap(), &secrets, 0)
}

fn dialler() -> Endpoint {
    Endpoint::client(loopback(0)).unwrap()
}

async fn connect(
    dialler: &Endpoint,
    to: SocketAddr,
    tls: &ClientTls,
    name: &str,
) -> Result<quinn::Connection, ConnectionError> {
    let crypto = QuicClientConfig::try_from(tls.config.clone()).unwrap();
    let connecting = dialler.connect_with(quinn::ClientConfig::new(Arc::new(crypto)), to, name).unwrap();
    tokio::time::timeout(SOON, connecting).await.unwrap()
}

/// Dials `to` with `pins` at `now_ms`, and tells why it was refused.
async fn dial(
    to: &Endpoint,
    pins: &[Pin],
    now_ms: u64,
    name: &str,
) -> Result<(), (ConnectionError, Option<Refusal>)> {
    let tls = client_crypto(pins.to_vec(), Hand::at(now_ms)).unwrap();
    match connect(&dialler(), to.local_addr().unwrap(), &tls, name).await {
        Ok(_) => {
            assert_eq!(tls.verifier.last_refusal(), None);
            Ok(())
        }
        Err(error) => Err((error, tls.verifier.last_refusal())),
    }
}

fn alert(error: &ConnectionError) -> Option<TransportErrorCode> {
    match error {
        ConnectionError::TransportError(error) => Some(error.code),
        ConnectionError::ConnectionClosed(close) => Some(close.error_code),
        _ => None,
    }
}

#[tokio::test]
async fn the_pinned_server_is_accepted_under_any_name_that_was_dialled() {
    let identity = identity();
    let server = server(&identity);
    for name in ["localhost", "127.0.0.1", "chat.example.org", "192.0.2.7", "2001:db8::7"] {
        dial(&server, &[identity.pin()], NOW_MS, name).await.unwrap();
    }
}

#[tokio::test]
async fn another_pin_is_refused_and_two_pins_bridge_a_change() {
    let (old, new) = (identity(), identity());
    let server = server(&new);
    let (error, refusal) = dial(&server, &[old.pin()], NOW_MS, "localhost").await.unwrap_err();
    assert_eq!(alert(&error), Some(TransportErrorCode::crypto(46)), "{error}"); // certificate_unknown
    let Some(Refusal::PinMismatch(mismatch)) = refusal else { panic!("{refusal:?}") };
    assert_eq!(mismatch.expected, [old.pin()]);
    assert!(mismatch.presented.contains(&new.pin()));
    let (_, refusal) = dial(&server, &[], NOW_MS, "localhost").await.unwrap_err();
    assert!(matches!(refusal, Some(Refusal::PinMismatch(_))), "{refusal:?}");
    dial(&server, &[old.pin(), new.pin()], NOW_MS, "localhost").await.unwrap();
}

/// Shows one certificate and signs with whatever key it was given.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

fn impostor(shown: CertifiedKey) -> Endpoint {
    let secrets = Secrets::ephemeral(&seams());
    let mut crypto = (*server_crypto(&identity(), &secrets, Hand::at(NOW_MS)).unwrap()).clone();
    crypto.cert_resolver = Arc::new(Shows(Arc::new(shown)));
    serve(Arc::new(crypto), &secrets, 0)
}

#[tokio::test]
async fn the_right_certificate_with_a_wrong_key_fails_the_handshake() {
    let (victim, thief) = (identity(), identity());
    for (certificate, key) in
        [(victim.served().native(), thief.served().native()), (victim.served().web(), thief.served().web())]
    {
        let server = impostor(CertifiedKey::new(certificate.cert.clone(), key.key.clone()));
        let pins = [victim.pin(), leaf_pin(&certificate)]; // Neither way to be pinned may skip the signature.
        for pin in pins {
            let (error, refusal) = dial(&server, &[pin], NOW_MS, "localhost").await.unwrap_err();
            assert_eq!(alert(&error), Some(TransportErrorCode::crypto(51)), "{error}"); // decrypt_error
            assert_eq!(refusal, Some(Refusal::WrongKey));
        }
    }
}

#[tokio::test]
async fn an_own_leaf_beside_the_right_authority_is_not_vouched_for() {
    let (victim, thief) = (identity(), identity());
    let (shown, own) = (victim.served().native(), thief.served().native());
    let chain = vec![own.cert[0].clone(), shown.cert[1].clone()];
    let server = impostor(CertifiedKey::new(chain, own.key.clone()));
    let (_, refusal) = dial(&server, &[victim.pin()], NOW_MS, "localhost").await.unwrap_err();
    assert_eq!(refusal, Some(Refusal::NotVouched));
}

#[tokio::test]
async fn dates_are_checked_and_told_apart_from_another_server() {
    let identity = identity();
    let server = server(&identity);
    let pins = [identity.pin()];
    dial(&server, &pins, NOW_MS + 89 * DAY_MS, "localhost").await.unwrap();
    let (error, refusal) = dial(&server, &pins, NOW_MS + 91 * DAY_MS, "localhost").await.unwrap_err();
    assert_eq!(alert(&error), Some(TransportErrorCode::crypto(45)), "{error}"); // certificate_expired
    assert!(matches!(refusal, Some(Refusal::Expired { .. })), "{refusal:?}");
    let (_, refusal) = dial(&server, &pins, NOW_MS - DAY_MS, "localhost").await.unwrap_err();
    assert!(matches!(refusal, Some(Refusal::NotYetValid { .. })), "{refusal:?}");
}

fn leaf_pin(leaf: &CertifiedKey) -> Pin {
    let certificate = webpki::EndEntityCert::try_from(&leaf.cert[0]).unwrap();
    let spki = certificate.subject_public_key_info();
    ring::digest::digest(&ring::digest::SHA256, spki.as_ref()).as_ref().try_into().unwrap()
}

/// A certificate of an authority that, unlike ours, does not put our fixed name into it.
fn issued_for(name: &str) -> (CertifiedKey, Pin) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(params, &authority_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf =
        rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let chain = vec![leaf.der().clone(), authority.der().clone()];
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let certified =
        CertifiedKey::from_der(chain, key.into(), &rustls::crypto::ring::default_provider()).unwrap();
    let public = rcgen::PublicKeyData::subject_public_key_info(&authority_key);
    let pin = ring::digest::digest(&ring::digest::SHA256, &public).as_ref().try_into().unwrap();
    (certified, pin)
}

#[tokio::test]
async fn a_public_authoritys_other_customer_is_refused_by_name() {
    let (certified, pin) = issued_for("chat.example.org");
    let own = leaf_pin(&certified);
    let server = impostor(certified);
    for pin in [pin, own] {
        dial(&server, &[pin], NOW_MS, "chat.example.org").await.unwrap();
        let (error, refusal) = dial(&server, &[pin], NOW_MS, "bank.example.org").await.unwrap_err();
        assert_eq!(alert(&error), Some(TransportErrorCode::crypto(42)), "{error}"); // bad_certificate
        assert_eq!(refusal, Some(Refusal::WrongName));
    }
}

#[tokio::test]
async fn an_unknown_protocol_is_refused_as_such_and_the_server_lives_on() {
    let identity = identity();
    let server = server(&identity);
    let tls = client_crypto(vec![identity.pin()], Hand::at(NOW_MS)).unwrap();
    for offered in [vec![b"smtp".to_vec()], vec![]] {
        let mut config = (*tls.config).clone();
        config.alpn_protocols = offered;
        let tls = ClientTls { config: Arc::new(config), verifier: tls.verifier.clone() };
        let error = connect(&dialler(), server.local_addr().unwrap(), &tls, "localhost").await.unwrap_err();
        assert_eq!(alert(&error), Some(TransportErrorCode::crypto(120)), "{error}"); // no_application_protocol
    }
    dial(&server, &[identity.pin()], NOW_MS, "localhost").await.unwrap();
}

#[tokio::test]
async fn the_health_protocol_is_shown_the_web_leaf_and_a_trust_anchor_is_enough_for_it() {
    let identity = identity();
    let server = server(&identity);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(identity.authority().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"hq-29".to_vec()];
    config.time_provider = Arc::new(Fixed);
    let unused = client_crypto(Vec::new(), Hand::at(NOW_MS)).unwrap().verifier;
    let tls = ClientTls { config: Arc::new(config), verifier: unused };
    let connection = connect(&dialler(), server.local_addr().unwrap(), &tls, "localhost").await.unwrap();
    let shown = connection.peer_identity().unwrap();
    let shown = shown.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>().unwrap();
    assert_eq!(shown[0], identity.served().web().cert[0]);
}

#[derive(Debug)]
struct Fixed;

impl rustls::time_provider::TimeProvider for Fixed {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        Some(rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_millis(NOW_MS)))
    }
}

#[tokio::test]
async fn a_renewed_leaf_serves_new_handshakes_and_leaves_old_connections_alone() {
    let identity = identity();
    let server = server(&identity);
    let tls = client_crypto(vec![identity.pin()], Hand::at(NOW_MS)).unwrap();
    let old = connect(&dialler(), server.local_addr().unwrap(), &tls, "localhost").await.unwrap();
    identity.renew_if_due(NOW_MS + 80 * DAY_MS).unwrap();
    dial(&server, &[identity.pin()], NOW_MS + 100 * DAY_MS, "localhost").await.unwrap();
    assert!(old.close_reason().is_none());
}

/// No tickets of its own, so that rustls lets early data be granted.
#[derive(Debug)]
struct NoTickets;

impl ProducesTickets for NoTickets {
    fn enabled(&self) -> bool {
        false
    }

    fn lifetime(&self) -> u32 {
        0
    }

    fn encrypt(&self, _plain: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn decrypt(&self, _cipher: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// Says something before the handshake is over, if what the client remembers lets it; tells whether the server took it.
async fn early(dialler: &Endpoint, to: &Endpoint, config: &quinn::ClientConfig) -> Option<bool> {
    let to = to.local_addr().unwrap();
    let connecting = dialler.connect_with(config.clone(), to, "localhost").unwrap();
    let (connection, accepted) = match connecting.into_0rtt() {
        Ok((connection, accepted)) => (connection, Some(accepted)),
        Err(connecting) => (tokio::time::timeout(SOON, connecting).await.unwrap().unwrap(), None),
    };
    let taken = match accepted {
        Some(accepted) => {
            let (mut stream, _) = connection.open_bi().await.unwrap();
            stream.write_all(b"too early").await.unwrap();
            Some(tokio::time::timeout(SOON, accepted).await.unwrap())
        }
        None => None,
    };
    // Acknowledged after the handshake's last flight, in which the tickets are.
    let (mut stream, _) = connection.open_bi().await.unwrap();
    stream.write_all(b"x").await.unwrap();
    stream.finish().unwrap();
    let _ = tokio::time::timeout(SOON, stream.stopped()).await.unwrap();
    taken
}

/// A client that was told by a careless twin of the server that it may speak before the handshake is over.
#[tokio::test]
async fn early_data_that_a_client_forces_is_not_taken() {
    let identity = identity();
    let strict = server(&identity);
    let secrets = Secrets::ephemeral(&seams());
    let mut crypto = (*server_crypto(&identity, &secrets, Hand::at(NOW_MS)).unwrap()).clone();
    crypto.max_early_data_size = u32::MAX;
    crypto.ticketer = Arc::new(NoTickets);
    crypto.session_storage = ServerSessionMemoryCache::new(16);
    let careless = serve(Arc::new(crypto), &secrets, 0);
    let mut tls = (*client_crypto(vec![identity.pin()], Hand::at(NOW_MS)).unwrap().config).clone();
    tls.enable_early_data = true;
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let dialler = dialler();
    assert_eq!(early(&dialler, &careless, &config).await, None, "nothing is remembered yet");
    assert_eq!(early(&dialler, &careless, &config).await, Some(true), "the client can do it");
    assert_eq!(early(&dialler, &strict, &config).await, Some(false));
    // And the strict one's own tickets do not allow it.
    assert_eq!(early(&dialler, &strict, &config).await, None);
}

/// A server in a runtime of its own, which can be killed: nothing is sent any more, nothing is said.
struct Mortal {
    runtime: tokio::runtime::Runtime,
    endpoint: Endpoint,
}

impl Mortal {
    fn start(identity: &Identity, secrets: &Secrets, port: u16) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let guard = runtime.enter();
        let endpoint = serve(server_crypto(identity, secrets, Hand::at(NOW_MS)).unwrap(), secrets, port);
        drop(guard);
        Self { runtime, endpoint }
    }

    /// Returns the port that is free again.
    fn kill(self) -> u16 {
        let port = self.endpoint.local_addr().unwrap().port();
        self.runtime.shutdown_timeout(SOON); // The tasks end first, so that closing the endpoint reaches no one.
        drop(self.endpoint);
        port
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn after_a_kill_the_client_is_told_by_a_reset_and_its_ticket_still_works() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = || Secrets::load_or_create(dir.path(), &seams()).unwrap();
    let identity = identity();
    let first = Mortal::start(&identity, &secrets(), 0);
    let to = first.endpoint.local_addr().unwrap();

    let dialler = dialler();
    let tls = client_crypto(vec![identity.pin()], Hand::at(NOW_MS)).unwrap();
    let connection = connect(&dialler, to, &tls, "localhost").await.unwrap();
    // A stream is acknowledged after the handshake's last flight, in which the tickets and the reset tokens are.
    let (mut stream, _) = connection.open_bi().await.unwrap();
    stream.write_all(b"x").await.unwrap();
    stream.finish().unwrap();
    let _ = tokio::time::timeout(SOON, stream.stopped()).await.unwrap();

    let port = tokio::task::spawn_blocking(move || first.kill()).await.unwrap();
    // Another identity: the pin refuses it, so only a ticket of the first can lead to a connection.
    let other = Identity::ephemeral(NOW_MS, Arc::new(SystemEntropy)).unwrap();
    let second = Mortal::start(&other, &secrets(), port);
    // Whatever is sent now is answered by a reset; a late acknowledgement may even be before this.
    if let Ok((mut stream, _)) = connection.open_bi().await {
        let _ = stream.write_all(b"are you there").await;
    }
    let end =
        tokio::time::timeout(SOON, connection.closed()).await.expect("told, not left to the idle timeout");
    assert!(matches!(end, ConnectionError::Reset), "{end}");

    let resumed = connect(&dialler, to, &tls, "localhost").await.unwrap();
    drop(resumed);
    let fresh = client_crypto(vec![identity.pin()], Hand::at(NOW_MS)).unwrap();
    connect(&dialler, to, &fresh, "localhost").await.unwrap_err();
    tokio::task::spawn_blocking(move || second.kill()).await.unwrap();
}
