//! Joining, and every way it fails: each with a code of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use quipu_client::protocol::InviteLink;
use quipu_client::{Client, Config, ConnState, ErrorCode, Event, Security};
use tempfile::TempDir;

use crate::world::{PATIENCE, Person, World};

async fn fresh() -> (Client, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Client::open(Config::new(folder.path())).await.unwrap(), folder)
}

async fn why_not(link: &InviteLink, nickname: &str) -> ErrorCode {
    let (client, _folder) = fresh().await;
    client.join(&link.to_string(), nickname, "a test").await.unwrap_err().code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joining_twice_with_one_link_is_joining_once() {
    let world = World::new().await;
    let (client, folder) = fresh().await;
    let link = world.owner.to_string();
    let account = client.join(&link, "ada", "a test").await.unwrap();
    assert_eq!(client.join(&link, "ada", "a test").await.unwrap(), account);
    let other = InviteLink { secret: [1; 16], ..world.owner.clone() };
    let error = client.join(&other.to_string(), "ada", "a test").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::AlreadyJoined);
    client.shutdown().await;
    let again = Client::open(Config::new(folder.path())).await.unwrap();
    assert_eq!(again.whoami().await.unwrap(), Some(account));
    assert_eq!(client.whoami().await.unwrap_err().code, ErrorCode::Stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_costs_nothing() {
    let world = World::new().await;
    let (client, folder) = fresh().await;
    let account = client.join(&world.owner.to_string(), "ada", "a test").await.unwrap();
    client.shutdown().await;
    // As if the answer had never come: the key is there, the account is not.
    let db = rusqlite::Connection::open(folder.path().join("profile.db")).unwrap();
    db.execute("DELETE FROM account", []).unwrap();
    drop(db);
    let client = Client::open(Config::new(folder.path())).await.unwrap();
    let again = client.join(&world.owner.to_string(), "ada", "a test").await.unwrap();
    assert_eq!((again.user, again.device), (account.user, account.device));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_has_its_code() {
    let world = World::new().await;
    let ada = world.ada().await;
    assert_eq!(why_not(&world.owner, "eve").await, ErrorCode::InviteUsed);
    let invite = ada.invite().await;
    assert_eq!(why_not(&invite, "Ada").await, ErrorCode::NicknameTaken);
    assert_eq!(why_not(&invite, "no spaces").await, ErrorCode::Usage);
    let unknown = InviteLink { secret: [1; 16], ..invite.clone() };
    assert_eq!(why_not(&unknown, "eve").await, ErrorCode::InviteUnknown);
    let elsewhere = InviteLink { pin: [1; 32], ..invite.clone() };
    assert_eq!(why_not(&elsewhere, "eve").await, ErrorCode::PinMismatch);
    let nowhere = InviteLink { host: "no.such.host.invalid".into(), ..invite.clone() };
    assert_eq!(why_not(&nowhere, "eve").await, ErrorCode::Unresolved);
    let (client, _folder) = fresh().await;
    let text = invite.to_string();
    let damaged = client.join(&text[..text.len() - 3], "eve", "a test").await.unwrap_err();
    assert_eq!(damaged.code, ErrorCode::LinkDamaged);
    Person::join(&text, "eve").await;
    let invites = ada.client.invites().await.unwrap();
    let id = invites.iter().find(|invite| invite.uses_left == 0).unwrap().invite;
    ada.client.revoke_invite(id).await.unwrap();
    assert_eq!(why_not(&invite, "mallory").await, ErrorCode::InviteUsed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_another_kind_is_told_as_a_version() {
    let endpoint = of_another_kind();
    let port = endpoint.local_addr().unwrap().port();
    let accepting = tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            let _ = incoming.await;
        }
    });
    let link =
        InviteLink { host: "127.0.0.1".into(), port, pin: [1; 32], secret: [1; 16], expires_s: u32::MAX };
    assert_eq!(why_not(&link, "eve").await, ErrorCode::Version);
    accepting.abort();
}

/// A QUIC server that speaks something else.
fn of_another_kind() -> quinn::Endpoint {
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    tls.alpn_protocols = vec![b"something-else".to_vec()];
    let crypto = quinn_proto::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    quinn::Endpoint::server(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_told_as_unreachable() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    let link =
        InviteLink { host: "127.0.0.1".into(), port, pin: [1; 32], secret: [1; 16], expires_s: u32::MAX };
    assert_eq!(why_not(&link, "eve").await, ErrorCode::Unreachable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_device_stops_and_says_so() {
    let world = World::new().await;
    let ada = world.ada().await;
    let new = quipu_client::NewInvite {
        uses: 1,
        life: std::time::Duration::from_secs(600),
        room: None,
        role: None,
        own_device: true,
    };
    let (_, link) = ada.client.create_invite(new).await.unwrap();
    let phone = Person::join(&link.to_string(), "ignored").await;
    let account = phone.client.whoami().await.unwrap().unwrap();
    assert_eq!(account.nickname.as_str(), "ada", "a device of the same account");
    assert_eq!(ada.client.devices().await.unwrap().len(), 2);
    ada.client.revoke_device(account.device).await.unwrap();
    phone.events_until(|event| matches!(event, Event::Security(Security::Revoked))).await;
    let stopped =
        |state: &ConnState| matches!(state, ConnState::Stopped { why } if why.code == ErrorCode::Revoked);
    phone.is(stopped).await;
    assert_eq!(phone.client.wait_online(PATIENCE).await.unwrap_err().code, ErrorCode::Revoked);
    phone.client.start().await.unwrap();
    let again = phone.client.wait_online(PATIENCE).await.unwrap_err();
    assert_eq!(again.retry, quipu_client::Retry::Never, "and does not get in again: {again:?}");
}
