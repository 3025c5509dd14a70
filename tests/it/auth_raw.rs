//! Who gets in: a token with a proof by its device's key, made for this connection, and nothing that resembles it.

mod claims;

use std::time::Duration;

use coset::iana::{Algorithm, EnumI64 as _};
use coset::{CborSerializable as _, CoseSign1, CoseSign1Builder, HeaderBuilder, RegisteredLabelWithPrivate};
use quipu_protocol::control::{Auth, Authenticated, Redeem, Refresh, Token};
use quipu_protocol::key::{CoseKey, DeviceKey, algorithm};
use quipu_protocol::limits::{AUTH_TIMEOUT_MS, CLOCK_SKEW_MS, TOKEN_LIFE_MS};
use quipu_protocol::token::{self, Purpose, Statement};
use quipu_protocol::{Blob, CloseCode, Code, Message as _, Refusal};
use quipu_server::auth::TokenKey;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use tokio::time::Instant;

use super::harness::{Device, Ended, Member, RawPeer, TestServer, our_hello};

const TIMEOUT: Duration = Duration::from_millis(AUTH_TIMEOUT_MS);

/// All that is told to somebody who is not who they say.
fn unauthenticated() -> Refusal {
    Code::UNAUTHENTICATED.into()
}

fn auth_frame(token: &[u8], proof: impl Into<Vec<u8>>) -> Auth {
    Auth { token: Blob::new(token.to_vec()).unwrap(), proof: Blob::new(proof.into()).unwrap() }
}

/// Shows the server token and proof on a connection of their own; it must say no, and nothing more.
async fn refused(server: &TestServer, what: &str, token: &[u8], prove: impl FnOnce(&RawPeer) -> Vec<u8>) {
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let auth = auth_frame(token, prove(&peer));
    let answer: Result<Authenticated, Refusal> = control.ask(&auth).await;
    assert_eq!(answer, Err(unauthenticated()), "{what}");
}

#[tokio::test]
async fn whoever_does_not_say_who_they_are_is_closed_in_time() {
    let server = TestServer::start().await;
    let since = Instant::now();
    let silent = server.dial().await;
    let greeted = server.dial().await;
    let mut only_hello = greeted.greet().await;
    let dripping = server.dial().await;
    let mut drip = dripping.greet().await;
    // A whole frame is announced, and never comes whole.
    drip.write(&auth_frame(&[0; 600], [0; 300]).to_frame()[..400]).await;
    let drops = async {
        loop {
            drip.write(&[0]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let closes = async { tokio::join!(silent.closed(), greeted.closed(), dripping.closed()) };
    let codes = tokio::select! {
        codes = closes => codes,
        () = drops => unreachable!("it drips for ever"),
    };
    let code = CloseCode::AuthTimeout;
    assert_eq!(codes, (code, code, code));
    let waited = since.elapsed();
    assert!(waited >= TIMEOUT && waited < TIMEOUT * 2, "{waited:?}");
    assert_eq!(only_hello.read.next().await, Err(Ended::Closed(code)));
}

/// Goal: what a thief can copy, token and proof as they were sent, opens no other connection.
#[tokio::test]
async fn a_replayed_proof_is_worthless_on_another_connection() {
    let server = TestServer::start().await;
    let Member { peer, device, token, .. } = server.owner().await;
    let stolen = auth_frame(
        &token.token,
        device.prove(Purpose::Auth, token::auth_subject(&token.token), &peer).to_vec(),
    );
    let thief = server.dial().await;
    let mut control = thief.greet().await;
    for _ in 0..3 {
        let answer: Result<Authenticated, _> = control.ask(&stolen).await;
        assert_eq!(answer, Err(unauthenticated()));
    }
    assert_eq!(thief.closed().await, CloseCode::AuthFailed);

    // Two refusals are forgiven.
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    for _ in 0..2 {
        let answer: Result<Authenticated, _> = control.ask(&stolen).await;
        assert_eq!(answer, Err(unauthenticated()));
    }
    peer.auth(&mut control, &token.token, &device).await.unwrap();
}

#[tokio::test]
async fn a_proof_counts_for_its_key_purpose_subject_and_server_alone() {
    let server = TestServer::start().await;
    let Member { device, token, .. } = server.owner().await;
    let token = &token.token[..];
    let subject = token::auth_subject(token);
    refused(&server, "another key", token, |peer| Device::new().prove(Purpose::Auth, subject, peer).to_vec())
        .await;
    for purpose in [Purpose::Refresh, Purpose::Redeem] {
        refused(&server, "another purpose", token, |peer| device.prove(purpose, subject, peer).to_vec())
            .await;
    }
    refused(&server, "another subject", token, |peer| {
        device.prove(Purpose::Auth, token::auth_subject(b"another"), peer).to_vec()
    })
    .await;
    refused(&server, "another server", token, |peer| {
        device.prove_for(Purpose::Auth, subject, [7; 32], &peer.exporter(&subject)).to_vec()
    })
    .await;
    refused(&server, "no exporter", token, |peer| {
        device.prove_for(Purpose::Auth, subject, peer.pin, &[0; 32]).to_vec()
    })
    .await;
    refused(&server, "no proof", token, |_| Vec::new()).await;
}

#[tokio::test]
async fn refresh_takes_its_own_purpose_key_and_device() {
    let server = TestServer::start().await;
    let member = server.owner().await;
    let other = server.join(&member, "other").await;
    let subject = token::refresh_subject(&member.token.device);
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let wrong = [
        (member.token.device, member.device.prove(Purpose::Auth, subject, &peer)),
        (member.token.device, other.device.prove(Purpose::Refresh, subject, &peer)),
        (other.token.device, member.device.prove(Purpose::Refresh, subject, &peer)),
    ];
    for (device, proof) in wrong {
        let answer: Result<Token, _> = control.ask(&Refresh { device, proof }).await;
        assert_eq!(answer, Err(unauthenticated()));
    }
    assert_eq!(peer.closed().await, CloseCode::AuthFailed);
}

/// Each byte changed, each end cut off, with a fresh proof by the true key over what is sent.
#[tokio::test]
async fn a_token_that_is_not_as_it_was_issued_is_refused() {
    let server = TestServer::start().await;
    let Member { device, token, .. } = server.owner().await;
    let token = token.token.to_vec();
    let changed = (0..token.len()).map(|at| {
        let mut changed = token.clone();
        changed[at] ^= 1 << (at % 8);
        changed
    });
    let cut = (0..token.len()).step_by(16).map(|at| token[..at].to_vec());
    let longer = [[&token[..], &[0]].concat(), [&token[..], &token].concat()];
    let all: Vec<_> = changed.chain(cut).chain(longer).collect();
    for three in all.chunks(3) {
        let peer = server.dial().await;
        let mut control = peer.greet().await;
        for token in three {
            let answer = peer.auth(&mut control, token, &device).await;
            assert_eq!(answer, Err(unauthenticated()), "{token:02x?}");
        }
    }
}

#[tokio::test]
async fn a_token_of_another_server_or_key_is_refused() {
    let (server, other) = (TestServer::start().await, TestServer::start().await);
    let device_there = other.owner().await;
    let there = device_there.token.token.to_vec();
    let Member { device, token, .. } = server.owner().await;
    let auth = |token: Vec<u8>, device: Device| {
        let server = &server;
        async move {
            let peer = server.dial().await;
            let mut control = peer.greet().await;
            peer.auth(&mut control, &token, &device).await
        }
    };
    assert_eq!(auth(there, device_there.device).await, Err(unauthenticated()));

    // Claims and key id of a good token, signed by a stranger; and by the right key, with what else may be wrong.
    let good = CoseSign1::from_slice(&token.token).unwrap();
    let seed: [u8; 32] = std::fs::read(server.secrets().join("token.key")).unwrap().try_into().unwrap();
    let (ours, strange) = (TokenKey::from_seed(&seed), TokenKey::from_seed(&[9; 32]));
    let header = |algorithm: Option<Algorithm>| {
        let mut header = HeaderBuilder::new().key_id(ours.id().to_vec()).build();
        header.alg = algorithm.map(RegisteredLabelWithPrivate::Assigned);
        header
    };
    let sign = |algorithm: Option<Algorithm>, key: &TokenKey| {
        let sign1 =
            CoseSign1Builder::new().protected(header(algorithm)).payload(good.payload.clone().unwrap());
        sign1.create_signature(&[], |message| key.sign(message)).build()
    };
    let mut swapped = sign(None, &ours);
    swapped.unprotected = header(Some(Algorithm::EdDSA));
    let unsigned = CoseSign1 { signature: Vec::new(), ..sign(Some(Algorithm::EdDSA), &ours) };
    let forged = [
        sign(Some(Algorithm::EdDSA), &strange),
        sign(Some(Algorithm::ES256), &ours),
        sign(Some(Algorithm::HMAC_256_256), &ours),
        sign(None, &ours),
        swapped,
        unsigned,
    ];
    for (number, token) in forged.into_iter().enumerate() {
        let token = token.to_vec().unwrap();
        refused(&server, &format!("forged {number}"), &token, |peer| {
            device.prove(Purpose::Auth, token::auth_subject(&token), peer).to_vec()
        })
        .await;
    }
    // The tool itself makes good tokens.
    let again = sign(Some(Algorithm::EdDSA), &ours).to_vec().unwrap();
    assert!(auth(again, device).await.is_ok());
}

#[tokio::test]
async fn a_proof_names_the_algorithm_of_its_key() {
    let server = TestServer::start().await;
    let Member { device, token, .. } = server.owner().await;
    let subject = token::auth_subject(&token.token);
    for wrong in [algorithm::ES256, 0] {
        refused(&server, "another algorithm", &token.token, |peer| {
            let statement = Statement::new(Purpose::Auth, subject, peer.pin);
            let exporter = peer.exporter(&subject);
            let mut proof =
                CoseSign1::from_slice(&statement.prove(algorithm::EDDSA, &exporter, |_| Vec::new())).unwrap();
            proof.protected.original_data = None;
            proof.protected.header.alg = Algorithm::from_i64(wrong).map(RegisteredLabelWithPrivate::Assigned);
            proof.signature = device.sign(&proof.tbs_data(&exporter));
            proof.to_vec().unwrap()
        })
        .await;
    }
}

/// A key in hardware that knows nothing but P-256.
#[tokio::test]
async fn a_p256_device_is_as_good_and_is_not_taken_for_another() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let point: [u8; 64] = pair.public_key().as_ref()[1..].try_into().unwrap();
    let key = CoseKey::from(&DeviceKey::P256(point));
    let prove = |purpose, subject, named, peer: &RawPeer| {
        let statement = Statement::new(purpose, subject, peer.pin);
        let sign = |message: &[u8]| pair.sign(&random, message).unwrap().as_ref().to_vec();
        Blob::new(statement.prove(named, &peer.exporter(&subject), sign)).unwrap()
    };
    let secret = owner.invite(1).await;
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let redeem = |named| Redeem {
        secret: Blob::new(secret.to_vec()).unwrap(),
        key: key.clone(),
        nickname: "phone".parse().unwrap(),
        device_name: "a phone".parse().unwrap(),
        proof: prove(Purpose::Redeem, token::redeem_subject(&secret, &key), named, &peer),
    };
    let wrong: Result<Token, _> = control.ask(&redeem(algorithm::EDDSA)).await;
    assert_eq!(wrong, Err(unauthenticated()));
    // Half a key of each kind is none.
    let neither = Redeem { key: CoseKey { kty: 1, ..key.clone() }, ..redeem(algorithm::ES256) };
    let wrong: Result<Token, _> = control.ask(&neither).await;
    assert_eq!(wrong, Err(unauthenticated()));
    let token: Token = control.ask(&redeem(algorithm::ES256)).await.unwrap();
    let proof = prove(Purpose::Auth, token::auth_subject(&token.token), algorithm::ES256, &peer);
    let me: Authenticated = control.ask(&Auth { token: token.token, proof }).await.unwrap();
    assert_eq!(me.nickname.as_str(), "phone");
}

#[tokio::test]
async fn an_ended_token_is_refreshed_and_good_again() {
    let server = TestServer::start().await;
    let Member { device, token, .. } = server.owner().await;
    server.clock.advance(TOKEN_LIFE_MS + CLOCK_SKEW_MS);
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let refusal = peer.auth(&mut control, &token.token, &device).await.unwrap_err();
    assert_eq!(refusal.code, Code::EXPIRED);
    let fresh = peer.refresh(&mut control, &token, &device).await.unwrap();
    assert_eq!(fresh.expires_ms, token.expires_ms + TOKEN_LIFE_MS + CLOCK_SKEW_MS);
    let me = peer.auth(&mut control, &fresh.token, &device).await.unwrap();
    assert_eq!((me.user, me.expires_ms), (token.user, fresh.expires_ms));

    // A token from the future is one from a clock that was put back; more than the skew is too much.
    server.clock.set(fresh.expires_ms - TOKEN_LIFE_MS - CLOCK_SKEW_MS - 1);
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let refusal = peer.auth(&mut control, &fresh.token, &device).await.unwrap_err();
    assert_eq!(refusal.code, Code::EXPIRED);
}

/// The clock stands a second before the end of all tokens; only who asks for a fresh one sees the end.
#[tokio::test]
async fn a_session_ends_with_its_token() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let others = [server.join(&owner, "careless").await, server.join(&owner, "wrong").await];
    server.clock.set(owner.token.expires_ms + CLOCK_SKEW_MS - 1_000);
    let mut careful = server.again(owner).await;
    let Member { peer, control, device, token, .. } = &mut careful;
    let fresh = peer.refresh(control, token, device).await.unwrap();
    let [careless, wrong] = others;
    let careless = server.again(careless).await;
    // A refresh for another device is granted, and prolongs that one's sessions, not this one.
    let mut wrong = server.again(wrong).await;
    let of_another = wrong.peer.refresh(&mut wrong.control, &fresh, device).await;
    assert!(of_another.is_ok());
    assert_eq!(careless.peer.closed().await, CloseCode::AuthFailed);
    assert_eq!(wrong.peer.closed().await, CloseCode::AuthFailed);
    careful.is_served().await;
}

#[tokio::test]
async fn a_session_does_not_authenticate_twice_or_guess_for_ever() {
    let server = TestServer::start().await;
    let mut member = server.owner().await;
    let proof = member.device.prove(Purpose::Auth, token::auth_subject(&member.token.token), &member.peer);
    member.control.send(&Auth { token: member.token.token.clone(), proof }).await;
    assert_eq!(member.peer.closed().await, CloseCode::Protocol);

    member = server.again(member).await;
    member.control.send(&our_hello()).await;
    assert_eq!(member.peer.closed().await, CloseCode::Protocol);

    member = server.again(member).await;
    for _ in 0..3 {
        let answer = member.peer.refresh(&mut member.control, &member.token, &Device::new()).await;
        assert_eq!(answer, Err(unauthenticated()));
    }
    assert_eq!(member.peer.closed().await, CloseCode::AuthFailed);
}
