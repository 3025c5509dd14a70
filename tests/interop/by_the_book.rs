//! The client of `plain/` against our server: what PROTOCOL.md promises is what happens.

use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ciborium::Value;
use quinn::{ConnectionError, VarInt};
use tokio::time::timeout;

use crate::ours::Server;
use crate::plain::device::{Device, random, sha256};
use crate::plain::dial::dial;
use crate::plain::link::Link;
use crate::plain::session::{
    ACK, AUTHENTICATED, Cursor, HEADS, INBOX_READY, Publisher, REFUSED, Session, TOKEN,
};
use crate::plain::wire::{Item, cbor, map};

/// Goal: the tests below test the document, and not our code against itself.
#[test]
fn the_plain_client_has_nothing_of_ours() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/plain");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for ours in ["quipu_protocol", "quipu_client", "quipu_server", "CARGO_BIN_EXE"] {
            assert!(!text.contains(ours), "{} names {ours}", file.display());
        }
    }
}

#[test]
fn links_are_read_and_damage_is_seen() {
    let samples = vectors("links.json");
    for sample in samples.as_array().unwrap() {
        let text = sample["link"].as_str().unwrap();
        let link = Link::parse(text).unwrap();
        assert_eq!(link.host, sample["host"].as_str().unwrap());
        assert_eq!(u64::from(link.port), sample["port"].as_u64().unwrap());
        assert_eq!(hex(&link.pin), sample["pin"].as_str().unwrap());
        assert_eq!(hex(&link.secret), sample["secret"].as_str().unwrap());
        assert_eq!(u64::from(link.expires_s), sample["expires_s"].as_u64().unwrap());

        let fragment = text.find('#').unwrap() + 1;
        for place in fragment..text.len() {
            let mut damaged = text.as_bytes().to_vec();
            damaged[place] = if damaged[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(Link::parse(std::str::from_utf8(&damaged).unwrap()), None, "at {place}");
        }
    }
}

#[test]
fn the_worked_example_comes_out_the_same() {
    let steps = vectors("signed.json");
    let step = |name: &str| {
        let mut steps = steps.as_array().unwrap().iter();
        let step = steps.find(|step| step["name"] == name).unwrap();
        step["hex"].as_str().unwrap().to_owned()
    };
    let device = Device::from_seed([0xde; 32]);
    let subject = device.redeem_subject(&[0x5e; 16]);
    let proof = device.proof("quipu-redeem-v1", subject, [0x91; 32], [0xe0; 32]);
    assert_eq!(hex(&cbor(&device.cose_key())), step("device-key"));
    assert_eq!(hex(&subject), step("redeem-subject"));
    assert_eq!(hex(&proof), step("redeem-proof"));
}

#[tokio::test]
async fn a_server_with_another_pin_is_not_spoken_to() {
    let server = Server::start();
    let link = Link::parse(&server.link).unwrap();
    let dialled = dial(server.address, &link.host, sha256(&link.pin), "quipu/1");
    let error = soon(dialled).await.map(drop).unwrap_err();
    assert!(matches!(error, ConnectionError::TransportError(_)), "{error:?}");
    assert!(soon(dial(server.address, &link.host, link.pin, "quipu/1")).await.is_ok());
}

#[tokio::test]
async fn two_people_talk_and_one_comes_back_to_all_of_it() {
    soon(async {
        let server = Server::start();
        let ada = Person::first_of(&server, "ada").await;
        let mut here = ada.connect().await;
        let lobby = lobby(&here).await;
        let mut room = here.subscribe(&lobby, None).await;
        assert_eq!(room.snapshot().await.nth(1).key(1).bytes(), lobby);
        // How it began: the room was made, and she came in.
        let began: Vec<_> = room.backlog().await.iter().map(|entry| entry.nth(5).uint()).collect();
        assert_eq!(began, [CREATED, MEMBER]);

        let bob = ada.invites(&here, "bob").await;
        let there = bob.connect().await;
        let mut bob_says = there.publisher().await;
        let joined = room.entry().await;
        assert_eq!((joined.nth(5).uint(), joined.nth(2).bytes()), (MEMBER, bob.user.clone()));

        let place = acked(&mut bob_says, &lobby, "are you there?").await;
        let heard = room.entry().await;
        assert_eq!(text(&heard), "are you there?");
        assert_eq!((room.cursor(), heard.nth(2).bytes()), (place, bob.user.clone()));

        let read = map([(1, Value::Bytes(lobby.clone())), (2, place.1.into())]);
        here.ask(MARK_READ, &read).await[0].expect(DONE);
        let cursor = room.cursor();
        drop((here, room));

        let mut places = Vec::new();
        for said in ["hello?", "böses Wetter ☔", "\u{feff}good bye"] {
            places.push(acked(&mut bob_says, &lobby, said).await);
        }
        let mut here = ada.connect().await;
        assert_eq!(unread(&mut here, &lobby).await, (places[2], 3));
        let mut room = here.subscribe(&lobby, Some(cursor)).await;
        assert_eq!(room.cursor(), cursor);
        let missed = room.backlog().await;
        let said: Vec<_> = missed.iter().map(text).collect();
        assert_eq!(said, ["hello?", "böses Wetter ☔", "\u{feff}good bye"]);
        assert_eq!(room.cursor(), places[2]);

        let mut ada_says = here.publisher().await;
        let place = acked(&mut ada_says, &lobby, "here I am").await;
        assert_eq!(text(&room.entry().await), "here I am");
        assert_eq!(room.cursor(), place);
    })
    .await;
}

#[tokio::test]
async fn saying_it_twice_says_it_once() {
    soon(async {
        let server = Server::start();
        let ada = Person::first_of(&server, "ada").await;
        let session = ada.connect().await;
        let lobby = lobby(&session).await;
        let message = random();
        let first = session.publisher().await.publish(&lobby, message, "once").await.expect(ACK);
        assert_eq!((first.nth(0).bytes(), first.nth(3).bool()), (message.to_vec(), false));

        // A retry mostly comes on another connection: the answer was lost with the first.
        let mut again = ada.connect().await;
        let mut retries = again.publisher().await;
        for _ in 0..2 {
            let retried = retries.publish(&lobby, message, "once").await.expect(ACK);
            assert_eq!(retried.nth(1), first.nth(1));
            assert!(retried.nth(3).bool());
        }
        let other = retries.publish(&lobby, message, "twice").await.expect(REFUSED);
        assert_eq!(other.nth(0).bytes(), message);
        assert_eq!(other.nth(1).key(1).uint(), MESSAGE_CONFLICT);

        let mut room = again.subscribe(&lobby, None).await;
        room.snapshot().await;
        let told = room.backlog().await;
        let texts: Vec<_> = told.iter().filter(|entry| entry.nth(5).uint() == TEXT).map(text).collect();
        assert_eq!(texts, ["once"]);
    })
    .await;
}

#[tokio::test]
async fn a_token_and_its_proof_are_worthless_on_another_connection() {
    soon(async {
        let server = Server::start();
        let ada = Person::first_of(&server, "ada").await;
        let mut session = Session::open(&ada.link, server.address).await;
        let stolen = session.auth(&ada.device, &ada.token);
        session.say(&stolen).await.expect(AUTHENTICATED);

        let mut thief = Session::open(&ada.link, server.address).await;
        for _ in 0..3 {
            assert_eq!(thief.say(&stolen).await.code(), UNAUTHENTICATED);
        }
        assert_eq!(closed(&thief).await, AUTH_FAILED);
        let mut thief = Session::open(&ada.link, server.address).await;
        let forged = thief.auth(&Device::new(), &ada.token);
        assert_eq!(thief.say(&forged).await.code(), UNAUTHENTICATED);

        // The connection is as good as any to whoever has the key, and the first one has noticed nothing.
        let own = thief.auth(&ada.device, &ada.token);
        thief.say(&own).await.expect(AUTHENTICATED);
        assert!(session.connection.close_reason().is_none());
    })
    .await;
}

#[tokio::test]
async fn an_invite_lets_in_one_device_however_often_it_asks() {
    soon(async {
        let server = Server::start();
        let ada = Person::first_of(&server, "ada").await;
        // The answer was lost: the same key asks again, on another connection.
        let mut session = Session::open(&ada.link, server.address).await;
        let again = session.redeem(&ada.device, "ada").await.expect(TOKEN);
        assert_eq!(again.key(3).bytes(), ada.user);

        let mut session = Session::open(&ada.link, server.address).await;
        assert_eq!(session.redeem(&Device::new(), "eve").await.code(), USED);
        let unknown = Link { secret: random(), ..ada.link.clone() };
        let mut session = Session::open(&unknown, server.address).await;
        assert_eq!(session.redeem(&Device::new(), "eve").await.code(), NOT_FOUND);
    })
    .await;
}

/// Somebody with an account.
struct Person {
    link: Link,
    address: SocketAddr,
    device: Device,
    token: Vec<u8>,
    user: Vec<u8>,
}

impl Person {
    /// Redeems the invite that the server printed.
    async fn first_of(server: &Server, nickname: &str) -> Self {
        Self::join(Link::parse(&server.link).unwrap(), server.address, nickname).await
    }

    async fn join(link: Link, address: SocketAddr, nickname: &str) -> Self {
        let device = Device::new();
        let mut session = Session::open(&link, address).await;
        let answer = session.redeem(&device, nickname).await.expect(TOKEN);
        let (token, user) = (answer.key(1).bytes(), answer.key(3).bytes());
        // On the same connection, as the document says.
        let auth = session.auth(&device, &token);
        let who = session.say(&auth).await.expect(AUTHENTICATED);
        assert_eq!((who.key(1).bytes(), who.key(2)), (user.clone(), answer.key(4)));
        Self { link, address, device, token, user }
    }

    /// Makes an invite and lets somebody else redeem it.
    async fn invites(&self, session: &Session, nickname: &str) -> Self {
        let ask = map([(1, 1.into()), (2, 60_000.into())]);
        let invite = session.ask(CREATE_INVITE, &ask).await[0].expect(INVITE_ANSWER);
        let secret = invite.key(2).bytes().try_into().unwrap();
        Self::join(Link { secret, ..self.link.clone() }, self.address, nickname).await
    }

    /// A new connection, authenticated.
    async fn connect(&self) -> Session {
        let mut session = Session::open(&self.link, self.address).await;
        let auth = session.auth(&self.device, &self.token);
        session.say(&auth).await.expect(AUTHENTICATED);
        session
    }
}

/// The room that everybody is in.
async fn lobby(session: &Session) -> Vec<u8> {
    let ask = map([(1, true.into()), (3, "lobby".into())]);
    let rooms = session.ask(LIST_ROOMS, &ask).await[0].expect(ROOMS);
    assert_eq!(rooms.key(1).len(), 1);
    rooms.key(1).nth(0).key(1).bytes()
}

/// Publishes, and gives the place it got.
async fn acked(author: &mut Publisher, room: &[u8], said: &str) -> Cursor {
    let ack = author.publish(room, random(), said).await.expect(ACK);
    assert!(!ack.nth(3).bool());
    (ack.nth(1).nth(0).uint(), ack.nth(1).nth(1).uint())
}

/// Goal: a client that was written before there was presence is told what it knows, and skips the rest.
#[tokio::test]
async fn frames_of_inbox_that_are_not_known_may_be_skipped() {
    soon(async {
        let server = Server::start();
        let ada = Person::first_of(&server, "ada").await;
        let here = ada.connect().await;
        let lobby = lobby(&here).await;
        let bob = ada.invites(&here, "bob").await;
        let mut there = bob.connect().await;
        let mut inbox = there.inbox().await;
        inbox.until(HEADS).await;
        inbox.until(INBOX_READY).await;
        let mut room = there.subscribe(&lobby, None).await;
        // Ada is told to have read; and goes away, which bob's old client does not know of.
        for session in [&here, &there] {
            let on = map([(1, map([(1, true.into())]))]);
            session.ask(CHANGE_SETTINGS, &on).await[0].expect(SETTINGS);
        }
        let mut ada_says = here.publisher().await;
        let place = acked(&mut ada_says, &lobby, "still there?").await;
        let read = map([(1, Value::Bytes(lobby.clone())), (2, place.1.into())]);
        here.ask(MARK_READ, &read).await[0].expect(DONE);
        here.ask(SET_PRESENCE, &map([(1, AWAY.into())])).await[0].expect(PRESENCE_SET);
        there.ask(MARK_READ, &read).await[0].expect(DONE);

        let (mut skipped, mut marker) = (BTreeSet::new(), 0);
        while marker < place.1 || !SKIPPED.iter().all(|ty| skipped.contains(ty)) {
            let frame = inbox.next().await.expect("the stream goes on");
            if frame.ty == HEADS {
                marker = frame.expect(HEADS).nth(0).nth(0).nth(2).uint();
            } else {
                assert!(!frame.ty.is_multiple_of(2), "{frame:?} could not be skipped");
                skipped.insert(frame.ty);
            }
        }
        room.snapshot().await;
        room.backlog().await;
        assert_eq!(text(&room.entry().await), "still there?");
    })
    .await;
}

/// What INBOX says first about the only room: its head, and how much is unread.
async fn unread(session: &mut Session, room: &[u8]) -> (Cursor, u64) {
    let mut inbox = session.inbox().await;
    let rooms = inbox.until(HEADS).await.nth(0);
    assert_eq!(inbox.until(INBOX_READY).await.nth(0).uint(), 1);
    let row = rooms.nth(0);
    assert_eq!(row.nth(0).bytes(), room);
    let head = row.nth(1);
    ((head.nth(0).uint(), head.nth(1).uint()), row.nth(3).uint())
}

async fn closed(session: &Session) -> VarInt {
    match session.connection.closed().await {
        ConnectionError::ApplicationClosed(close) => close.error_code,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn text(entry: &Item) -> String {
    assert_eq!(entry.nth(5).uint(), TEXT, "{entry:?}");
    String::from_utf8(entry.nth(6).bytes()).unwrap()
}

/// Everything here answers in milliseconds; what takes this long is hanging.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), work).await.expect("an end")
}

fn vectors(file: &str) -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol/spec/vectors").join(file);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const LIST_ROOMS: u64 = 0x88;
const ROOMS: u64 = 0x8a;
const MARK_READ: u64 = 0xa2;
const DONE: u64 = 0xa4;
const CREATE_INVITE: u64 = 0xa6;
const INVITE_ANSWER: u64 = 0xa8;
const SET_PRESENCE: u64 = 0x100;
const PRESENCE_SET: u64 = 0x102;
const CHANGE_SETTINGS: u64 = 0x10a;
const SETTINGS: u64 = 0x10c;

/// Presence, Receipts, SettingsChanged.
const SKIPPED: [u64; 3] = [0x63, 0x69, 0x6b];
const AWAY: u64 = 3;

const TEXT: u64 = 0;
const CREATED: u64 = 16;
const MEMBER: u64 = 17;

const UNAUTHENTICATED: u64 = 200;
const NOT_FOUND: u64 = 202;
const USED: u64 = 204;
const MESSAGE_CONFLICT: u64 = 301;
const AUTH_FAILED: VarInt = VarInt::from_u32(0x04);
