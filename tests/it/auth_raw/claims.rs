//! What is signed by the right key and wrong all the same, and what was right on another connection.

use coset::iana::HeaderParameter;
use quipu_protocol::cbor;
use quipu_protocol::token::{Claims, Confirmation};
use quipu_protocol::{DeviceId, Text, UserId};

use super::*;

/// The server's own key, from its folder.
fn server_key(server: &TestServer) -> TokenKey {
    let seed = std::fs::read(server.secrets().join("token.key")).unwrap();
    TokenKey::from_seed(&seed[..].try_into().unwrap())
}

/// A token with this payload, signed by the server's own key; `adjust` has seen its protected header.
fn signed(key: &TokenKey, payload: Vec<u8>, adjust: impl FnOnce(HeaderBuilder) -> HeaderBuilder) -> Vec<u8> {
    let header = HeaderBuilder::new().algorithm(Algorithm::EdDSA).key_id(key.id().to_vec());
    let sign1 = CoseSign1Builder::new().protected(adjust(header).build()).payload(payload);
    sign1.create_signature(&[], |message| key.sign(message)).build().to_vec().unwrap()
}

fn claims(token: &Token) -> Claims {
    let sign1 = CoseSign1::from_slice(&token.token).unwrap();
    cbor::decode(&sign1.payload.unwrap(), "Claims").unwrap()
}

/// What the server says to a token with a good proof for it.
async fn answer(server: &TestServer, token: &[u8], device: &Device) -> Option<Code> {
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    peer.auth(&mut control, token, device).await.err().map(|refusal| refusal.code)
}

#[tokio::test]
async fn claims_that_are_wrong_are_refused_whoever_signed_them() {
    let server = TestServer::start().await;
    let Member { device, token, .. } = server.owner().await;
    let (key, good) = (server_key(&server), claims(&token));
    let stranger = Device::new();
    let far_s = CLOCK_SKEW_MS / 1_000 + 60;
    let (no, ended) = (Some(Code::UNAUTHENTICATED), Some(Code::EXPIRED));
    let cases = [
        ("nothing", good.clone(), None),
        ("iss", Claims { issuer: Text::new("quipo").unwrap(), ..good.clone() }, no),
        ("sub", Claims { user: UserId::from_bytes([9; 16]), ..good.clone() }, no),
        ("aud", Claims { audience: Blob::new(vec![9; 32]).unwrap(), ..good.clone() }, no),
        ("device", Claims { device: DeviceId::from_bytes([9; 16]), ..good.clone() }, no),
        ("epoch", Claims { user_epoch: good.user_epoch + 1, ..good.clone() }, no),
        ("exp", Claims { expires_s: good.issued_s - far_s, ..good.clone() }, ended),
        ("iat", Claims { issued_s: good.issued_s + far_s, ..good.clone() }, ended),
    ];
    for (what, claims, expected) in cases {
        let token = signed(&key, cbor::encode(&claims), |header| header);
        assert_eq!(answer(&server, &token, &device).await, expected, "{what}");
    }
    // Also with a proof by the key that it names.
    let named = Claims { confirmation: Confirmation { key: stranger.key() }, ..good };
    let token = signed(&key, cbor::encode(&named), |header| header);
    assert_eq!(answer(&server, &token, &stranger).await, no, "cnf");
}

/// Goal: there is one way to write a token, so that nobody reads it in another.
#[tokio::test]
async fn a_token_that_says_something_twice_or_asks_for_more_is_refused() {
    let server = TestServer::start().await;
    let Member { device, token, .. } = server.owner().await;
    let (key, payload) = (server_key(&server), cbor::encode(&claims(&token)));
    assert_eq!(payload[0], 0xaa, "a map of ten");
    // {…, 4: 2^32 - 1}: `exp` once more.
    let twice = [&[0xab], &payload[1..], &[0x04, 0x1a, 0xff, 0xff, 0xff, 0xff]].concat();
    let trailing = [&payload[..], &[0x00]].concat();
    for (what, payload) in [("twice", twice), ("trailing", trailing), ("no map", vec![0x80])] {
        let token = signed(&key, payload, |header| header);
        assert_eq!(answer(&server, &token, &device).await, Some(Code::UNAUTHENTICATED), "{what}");
    }
    let critical = signed(&key, payload, |header| header.add_critical(HeaderParameter::Kid));
    assert_eq!(answer(&server, &critical, &device).await, Some(Code::UNAUTHENTICATED), "crit");
}

/// Goal: a Refresh that somebody relays or copies gives a token to nobody but whoever sent it first.
#[tokio::test]
async fn a_replayed_refresh_is_worthless_on_another_connection() {
    let server = TestServer::start().await;
    let Member { peer, mut control, device, token, .. } = server.owner().await;
    let subject = token::refresh_subject(&token.device);
    let refresh = Refresh { device: token.device, proof: device.prove(Purpose::Refresh, subject, &peer) };
    let thief = server.dial().await;
    let mut stolen = thief.greet().await;
    let refused: Result<Token, Refusal> = stolen.ask(&refresh).await;
    assert_eq!(refused, Err(unauthenticated()));
    let fresh: Token = control.ask(&refresh).await.unwrap();
    assert_eq!(fresh.device, token.device);
}

/// Goal: whoever stands in between cannot use an invite that passes by, neither before nor after its owner.
#[tokio::test]
async fn a_replayed_redeem_is_worthless_on_another_connection() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let (secret, device) = (owner.invite(1).await, Device::new());
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let redeem = Redeem {
        secret: Blob::new(secret.to_vec()).unwrap(),
        key: device.key(),
        nickname: "ada".parse().unwrap(),
        device_name: "a raw peer".parse().unwrap(),
        proof: device.prove(Purpose::Redeem, token::redeem_subject(&secret, &device.key()), &peer),
    };
    let thief = server.dial().await;
    let mut stolen = thief.greet().await;
    let refused: Result<Token, Refusal> = stolen.ask(&redeem).await;
    assert_eq!(refused, Err(unauthenticated()));
    let token: Token = control.ask(&redeem).await.unwrap();
    peer.auth(&mut control, &token.token, &device).await.unwrap();
    let refused: Result<Token, Refusal> = stolen.ask(&redeem).await;
    assert_eq!(refused, Err(unauthenticated()));
}
