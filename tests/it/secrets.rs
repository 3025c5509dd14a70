//! What must not be found: neither what people said nor what would let somebody in, in any log, whatever is logged, and no
//! credential in the data folder.

use std::fs;
use std::path::Path;

use quipu_protocol::request::{ListRooms, Rooms};
use quipu_protocol::{BidiType, Draft, Message as _, RoomId, frame};

use super::harness::{Device, Grants, Program, RawPeer, TestServer, draft, here, random};

/// `secret` as it may stand in text: as it is, in both kinds of hexadecimal digits, as Rust lists bytes, and in base64.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    use std::fmt::Write as _;
    let (mut lower, mut upper) = (String::new(), String::new());
    for byte in secret {
        write!(lower, "{byte:02x}").unwrap();
        write!(upper, "{byte:02X}").unwrap();
    }
    let list = format!("{secret:?}").trim_matches(['[', ']']).to_owned();
    let escaped = secret.escape_ascii().to_string();
    [lower, upper, list, escaped].map(String::into_bytes).into_iter().chain([secret.to_vec()]).collect()
}

fn has(bytes: &[u8], secret: &[u8]) -> bool {
    spellings(secret).iter().any(|secret| bytes.windows(secret.len()).any(|window| window == secret))
}

#[test]
fn spellings_are_found() {
    let secret = b"\x01\xff~open";
    for text in
        ["01ff7e6f70656e", "01FF7E6F70656E", "[1, 255, 126, 111, 112, 101, 110]", "b\"\\x01\\xff~open\""]
    {
        assert!(has(format!("a {text} b").as_bytes(), secret), "{text}");
    }
    assert!(!has(b"01ff7e6f70656f", secret));
}

/// At the most talkative level, of all libraries too.
#[tokio::test]
async fn no_log_has_a_body_or_a_credential() {
    const BODY: &[u8] = b"what ada said to bob alone";
    let root = tempfile::tempdir().unwrap();
    let program = Program::spawn(here(root.path()).args(["--log", "trace"]));
    let (address, invite) = (program.listens(), program.invite());
    let authority = fs::read(root.path().join("certs/ca.der")).unwrap();
    let peer = RawPeer::dial(address, authority.into(), invite.pin, Grants::default()).await.unwrap();
    let (mut control, seed) = (peer.greet().await, random());
    let device = Device::from_seed(&seed);
    let wrong: [u8; 16] = random();
    peer.redeem(&mut control, &wrong, &device, "ada").await.unwrap_err();
    let token = peer.redeem(&mut control, &invite.secret, &device, "ada").await.unwrap();
    peer.auth(&mut control, &token.token, &Device::new()).await.unwrap_err();
    peer.auth(&mut control, &token.token, &device).await.unwrap();
    let fresh = peer.refresh(&mut control, &token, &device).await.unwrap();
    let named = ListRooms { mine: true, after: None, name: None };
    let rooms: Rooms = peer.ask(&named).await.unwrap();
    let mut author = peer.open(BidiType::Publish.number()).await;
    author.send(&draft(rooms.rooms[0].room, BODY)).await;
    author.published().await.unwrap();
    // Also what is refused, and what does not even decode.
    author.send(&draft(RoomId::from_bytes(random()), BODY)).await;
    author.published().await.unwrap_err();
    author.write(&frame::seal(Draft::TYPE, BODY)).await;
    author.read.broken().await;
    peer.leave().await;
    program.terminate();
    let exit = program.exit();
    assert!(exit.stderr.contains("TRACE") && exit.stderr.len() > 10_000, "it did not talk");
    let log = exit.stderr.as_bytes();
    // The signature and the random parts of a token; its beginning names a key.
    let ends = [&token, &fresh].map(|token| token.token[token.token.len() - 64..].to_vec());
    for secret in [BODY, &invite.secret, &wrong, &seed, &ends[0], &ends[1]] {
        assert!(!has(log, secret), "{} bytes of a secret", secret.len());
    }
    let link = invite.to_string();
    assert!(!exit.stderr.contains(link.split('#').nth(1).unwrap()));
}

#[tokio::test]
async fn no_credential_is_kept() {
    let mut server = TestServer::start().await;
    let owner = server.owner().await;
    let secret = owner.invite(1).await;
    let member = server.redeem(&secret, "ada").await;
    let room = member.lobby().await;
    let mut author = member.author().await;
    author.send(&draft(room, "this is kept")).await;
    author.published().await.unwrap();
    owner.peer.leave().await;
    member.peer.leave().await;
    server.stop().await;
    let kept = all_of(&server.config.data);
    assert!(has(&kept, b"this is kept"), "the folder was not read");
    let token = &member.token.token;
    for secret in [&secret, &server.invite().secret, &token[token.len() - 64..]] {
        assert!(!has(&kept, secret), "{} bytes of a secret", secret.len());
    }
}

fn all_of(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        all.extend(if path.is_dir() { all_of(&path) } else { fs::read(&path).unwrap() });
    }
    all
}
