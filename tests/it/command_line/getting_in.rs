//! Invites, and everything that can be wrong with them or with the server behind them: a code and a text each.

use std::collections::HashSet;
use std::sync::Arc;

use quipu_client::protocol::InviteLink;

use crate::binaries::server::free_port;
use crate::binaries::{People, ServerProcess};

/// A link like this one, but for what `change` does.
fn changed(link: &str, change: impl FnOnce(&mut InviteLink)) -> String {
    let mut link: InviteLink = link.parse().unwrap();
    change(&mut link);
    link.to_string()
}

/// Goal: whoever does not get in can tell from the text alone which of all reasons it is.
#[test]
fn every_reason_not_to_get_in_has_its_code_and_its_text() {
    let server = ServerProcess::start();
    let people = People::new();
    let ada = people.join("ada", server.link());
    let good = ada.invite(&["--uses", "5"]);
    let revoked = ada.json(&["invite", "new"]);
    ada.run(["invite", "revoke", revoked["invite"].as_str().unwrap()]).done();

    let cases = [
        ("not a link", "https://example.org".to_owned(), 2),
        ("cut off", good[..good.len() - 3].to_owned(), 2),
        ("used", server.link().to_owned(), 4),
        ("expired", ada.invite(&["--expires", "1ms"]), 4),
        ("revoked", revoked["link"].as_str().unwrap().to_owned(), 4),
        ("unknown", changed(&good, |link| link.secret[0] ^= 1), 4),
        ("wrong pin", changed(&good, |link| link.pin[0] ^= 1), 6),
        ("unresolved", changed(&good, |link| link.host = "no-such-host.invalid".into()), 5),
        ("unreachable", changed(&good, |link| link.port = free_port()), 5),
    ];
    let mut texts = HashSet::new();
    for (case, link, code) in &cases {
        let ran = people.profile("zoe").run(["join", link, "--nick", "zoe"]).code(*code);
        let said = ran.stderr.lines().skip_while(|line| !line.starts_with("quipu: "));
        let text: Vec<&str> = said.collect();
        assert_eq!(text.len(), 2, "{case}: what happened, and what to do: {ran}");
        assert!(texts.insert(text.join("\n")), "{case} says what another case says: {ran}");
        assert_eq!(ran.stdout, "", "{case}");
    }
    // None of it used the profile up, nor the good invite.
    people.join("zoe", &good);
    people.profile("zoe").run(["join", &good, "--nick", "zoe"]).done();
    people.profile("ada").run(["join", &good, "--nick", "ada"]).code(2).says("another profile");
    people.profile("new").run(["rooms"]).code(4).says("quipu join LINK");
}

/// Goal: another server in the old one's place is noticed by those who know the old one, and not talked to.
#[test]
fn another_server_on_the_same_port_is_not_believed() {
    let mut old = ServerProcess::start();
    let people = People::new();
    let ada = people.join("ada", old.link());
    let link = ada.invite(&[]);
    old.kill();
    let _new = ServerProcess::start_on(old.port(), "");
    let ran = ada.run(["rooms"]).code(6).says("do not go on");
    let trouble = ada.run(["send", "lobby", "my secret"]).code(6);
    assert_ne!(trouble.stderr, "", "{ran}");
    people.profile("zoe").run(["join", &link, "--nick", "zoe"]).code(6);
    let doctor = ada.run(["doctor"]).code(6);
    assert!(doctor.stdout.contains("bad       pin"), "{doctor}");
}

/// Goal: something that speaks QUIC but not `quipu/1` is told apart from nothing at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_another_protocol_is_no_server_of_ours() {
    let (endpoint, port) = stranger();
    let answering = tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            let _ = incoming.await; // It fails for want of a common protocol.
        }
    });
    let people = People::new();
    let asking = tokio::task::spawn_blocking(move || {
        let link =
            InviteLink { host: "localhost".into(), port, pin: [1; 32], secret: [2; 16], expires_s: u32::MAX };
        let link = link.to_string();
        let newcomer = people.profile("zoe");
        let ran = newcomer.run(["join", &link, "--nick", "zoe"]).code(7);
        ran.says("no version of the protocol").says("update the older of the two");
        let doctor = newcomer.run(["doctor", &link]).code(7);
        assert!(doctor.stdout.contains("bad       alpn"), "{doctor}");
    });
    asking.await.unwrap();
    answering.abort();
}

/// A QUIC server that offers `irc/1`.
fn stranger() -> (quinn::Endpoint, u16) {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = rustls::pki_types::PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private.into())
        .unwrap();
    tls.alpn_protocols = vec![b"irc/1".to_vec()];
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let port = free_port();
    let endpoint = quinn::Endpoint::server(config, (std::net::Ipv6Addr::UNSPECIFIED, port).into()).unwrap();
    (endpoint, port)
}

/// Goal: an invite does what it was made for: so often, into that room, with that role; and a list that knows.
#[test]
fn an_invite_brings_people_where_it_says() {
    let server = ServerProcess::start();
    let people = People::new();
    let ada = people.join("ada", server.link());
    ada.run(["create", "ops", "--private"]).done();
    let link = ada.invite(&["--uses", "2", "--room", "ops"]);
    let maria = people.join("maria", &link);
    assert!(maria.run(["who", "ops"]).done().stdout.contains("maria"));
    people.join("zoe", &link);
    people.profile("eve").run(["join", &link, "--nick", "eve"]).code(4).says("used");
    let list = ada.run(["invite", "list"]).done();
    assert!(
        list.stdout.contains("used up") && list.stdout.contains("maria") && list.stdout.contains("zoe"),
        "{list}"
    );
    // Whoever is no admin brings nobody in as one.
    maria.run(["invite", "new", "--role", "admin"]).code(4);
    maria.run(["invite", "new", "--room", "never"]).code(3);

    // Another device is the same person.
    let laptop = people.join("laptop", &maria.invite(&["--device"]));
    laptop.run(["send", "ops", "from my laptop"]).done();
    let who = laptop.json(&["whoami"]);
    assert_eq!((who["nickname"].as_str(), who["profile"].as_str()), (Some("maria"), Some("laptop")));
    let own = maria.run(["tail", "ops", "--until-caught-up"]).done();
    own.says("1 message of your own left out");
}
