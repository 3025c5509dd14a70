//! What strangers and members may put on streams: any bytes at all. Each breach has its code, costs its own stream, and
//! nobody else notices.

use quipu_protocol::control::{Auth, Hello, Refresh};
use quipu_protocol::frame::seal;
use quipu_protocol::request::{ListRooms, Rooms, Subscribe, Subscribed};
use quipu_protocol::stream::{grease, grease_frame};
use quipu_protocol::table::messages;
use quipu_protocol::{BidiType, CloseCode, Draft, FrameType, List, Message, ResetCode, varint};
use serde::Deserialize;

use super::harness::{Ended, Member, RawPeer, RawStream, TestServer, draft, our_hello};

/// Faults one connection survives; fewer, so that the next question is answered too.
const FAULTS_FORGIVEN: usize = 7;

/// Something no peer may send, and the code its stream ends with.
struct Breach {
    name: String,
    bytes: Vec<u8>,
    /// Whether the stream ends behind it. Most breaches are one before anything follows.
    ends: bool,
    reset: ResetCode,
}

/// Payloads outside the profile, whatever the frame.
const PAYLOADS: &[(&str, &[u8])] = &[
    ("nothing", &[]),
    ("a break alone", &[0xff]),
    ("text", b"GET / HTTP/1.1\r\n"),
    ("an indefinite array", &[0x9f, 0xff]),
    ("an indefinite map", &[0xbf, 0xff]),
    ("an indefinite byte string", &[0x5f, 0x40, 0xff]),
    ("a byte behind the map", &[0xa0, 0x00]),
    ("a key twice", &[0xa2, 0x01, 0x00, 0x01, 0x00]),
    ("4 billion items in five bytes", &[0x9a, 0xff, 0xff, 0xff, 0xff]),
    ("4 billion pairs in five bytes", &[0xba, 0xff, 0xff, 0xff, 0xff]),
    ("4 billion bytes in five bytes", &[0x5a, 0xff, 0xff, 0xff, 0xff]),
    ("nested nine deep", &[0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x80]),
    ("nested two thousand deep", &[0x81; 2_000]),
    ("a tag", &[0xc0, 0xa0]),
    ("a float", &[0xf9, 0x00, 0x00]),
    ("text that is not utf-8", &[0x61, 0xff]),
    ("a lone surrogate", &[0x63, 0xed, 0xa0, 0x80]),
    ("a number", &[0x00]),
];

/// All breaches a frame of this type can be.
fn breaches(ty: FrameType) -> Vec<Breach> {
    let breach = |name: &str, bytes: Vec<u8>, ends: bool, reset: ResetCode| Breach {
        name: name.to_owned(),
        bytes,
        ends,
        reset,
    };
    let head = |len: u64| {
        let mut bytes = Vec::new();
        varint::put(&mut bytes, ty.0);
        varint::put(&mut bytes, len);
        bytes
    };
    let payload =
        |(name, payload): &(&str, &[u8])| breach(name, seal(ty, payload).to_vec(), false, ResetCode::BadCbor);
    let cut = |at: usize| {
        let frame = seal(ty, &[0xa1, 0x01, 0x80]);
        breach(&format!("an end after {at} bytes"), frame[..at].to_vec(), true, ResetCode::BadCbor)
    };
    let mut all: Vec<_> = PAYLOADS.iter().map(payload).chain((1..5).map(cut)).collect();
    all.extend([
        breach("65537 bytes announced", head(65_537), false, ResetCode::TooLarge),
        breach("2^32 - 1 bytes announced", head(u64::from(u32::MAX)), false, ResetCode::TooLarge),
        breach("2^62 - 1 bytes announced", head(varint::MAX), false, ResetCode::TooLarge),
        breach("an end inside the largest frame", head(65_536), true, ResetCode::BadCbor),
        breach("a type in two bytes", vec![0x40, ty.0.min(0x3f) as u8], false, ResetCode::BadCbor),
        breach(
            "a length in two bytes",
            [&head(0)[..head(0).len() - 1], &[0x40, 0x01]].concat(),
            false,
            ResetCode::BadCbor,
        ),
        breach(
            "an unknown critical frame",
            seal(FrameType(0x3e), &[0xa0]).to_vec(),
            false,
            ResetCode::UnknownFrame,
        ),
        breach(
            "an unknown critical frame of four bytes",
            seal(FrameType(0x1234_5678), &[]).to_vec(),
            false,
            ResetCode::UnknownFrame,
        ),
    ]);
    all
}

/// Frames that are known and critical, and that a client does not send on this stream.
fn misplaced(belongs: &[u64]) -> Vec<Breach> {
    let known = messages().filter(|(ty, _)| ty.is_critical() && !belongs.contains(&ty.0));
    let breach = |(ty, name): (FrameType, &str)| Breach {
        name: format!("a misplaced {name}"),
        bytes: seal(ty, &[0xa0]).to_vec(),
        ends: false,
        reset: ResetCode::UnknownFrame,
    };
    known.map(breach).collect()
}

const QUESTIONS: &[u64] = &[
    0x80, 0x84, 0x88, 0x8c, 0x90, 0x94, 0x98, 0x9a, 0x9c, 0x9e, 0xa0, 0xa2, 0xa6, 0xaa, 0xae, 0xb0, 0xb4,
    0xb6, 0xba, 0xbe, 0xc0, 0xc4, 0xc6, 0xc8, 0xd0, 0xd2, 0xd4, 0xd6, 0xd8, 0xdc, 0xde, 0xe0, 0xe2, 0xe4,
    0xe6, 0xe8, 0xea, 0xee, 0xf0, 0x100, 0x104, 0x108, 0x10a, 0x110, 0x12a, 0x140, 0x142, 0x144, 0x146,
    0x160, 0x164, 0x166, 0x16a, 0x16c, 0x170, 0x174, 0x178,
];
const GREETINGS: &[u64] = &[0x00, 0x02, 0x0a, 0x0c];

async fn commit(stream: &mut RawStream, breach: &Breach) {
    stream.write(&breach.bytes).await;
    if breach.ends {
        stream.finish();
    }
}

/// Commits each breach on a stream of this type: both halves end with its code, and the connection lives.
async fn check(server: &TestServer, mut member: Member, ty: BidiType, breaches: Vec<Breach>) -> Member {
    for some in breaches.chunks(FAULTS_FORGIVEN) {
        member = server.again(member).await;
        for breach in some {
            let mut stream = member.peer.open(ty.number()).await;
            commit(&mut stream, breach).await;
            let name = &breach.name;
            assert_eq!(stream.read.broken().await, Ended::Reset(breach.reset), "{ty:?}: {name}");
            let stopped = stream.stopped().await;
            // A stream that the peer had ended cannot be stopped.
            assert!(breach.ends || stopped == Some(breach.reset), "{ty:?}: {name}: {stopped:?}");
        }
        member.is_served().await;
    }
    member
}

#[tokio::test]
async fn a_breach_on_publish_or_request_costs_its_stream_alone() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let mut hostile = server.join(&owner, "hostile").await;
    let publish = [breaches(Draft::TYPE), misplaced(&[Draft::TYPE.0])].concat_all();
    hostile = check(&server, hostile, BidiType::Publish, publish).await;
    let request = [breaches(Subscribe::TYPE), misplaced(QUESTIONS)].concat_all();
    check(&server, hostile, BidiType::Request, request).await;
    owner.is_served().await;
}

#[tokio::test]
async fn a_breach_on_control_ends_the_connection() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let mut hostile = server.join(&owner, "hostile").await;
    for breach in [breaches(Auth::TYPE), misplaced(GREETINGS)].concat_all() {
        let stranger = server.dial().await;
        let mut control = stranger.greet().await;
        commit(&mut control, &breach).await;
        assert_eq!(stranger.closed().await, CloseCode::Protocol, "a stranger: {}", breach.name);
    }
    for breach in [breaches(Refresh::TYPE), misplaced(&[Refresh::TYPE.0])].concat_all() {
        hostile = server.again(hostile).await;
        commit(&mut hostile.control, &breach).await;
        assert_eq!(hostile.peer.closed().await, CloseCode::Protocol, "a member: {}", breach.name);
    }
    owner.is_served().await;
}

/// A breach as it stands in the protocol's own vectors.
#[derive(Deserialize)]
struct Vector {
    name: String,
    hex: String,
    reset: Option<u32>,
}

#[tokio::test]
async fn the_hostile_vectors_end_as_they_say() {
    let server = TestServer::start().await;
    let mut hostile = server.owner().await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/protocol/spec/vectors/hostile.json");
    let vectors: Vec<Vector> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(vectors.len() > 30);
    for some in vectors.chunks(FAULTS_FORGIVEN) {
        hostile = server.again(hostile).await;
        for vector in some {
            let mut stream = hostile.peer.open(BidiType::Request.number()).await;
            stream.write(&unhex(&vector.hex)).await;
            stream.finish();
            let ended = match vector.reset {
                Some(_) => Some(stream.read.broken().await),
                None => loop {
                    match stream.read.next().await {
                        Ok(Some(_)) => {}
                        Ok(None) => break None,
                        Err(ended) => break Some(ended),
                    }
                },
            };
            let reset = vector.reset.map(|code| ResetCode::from_number(code.into()).unwrap());
            assert_eq!(ended, reset.map(Ended::Reset), "{}", vector.name);
        }
        hostile.is_served().await;
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

#[tokio::test]
async fn every_question_refuses_noise() {
    let server = TestServer::start().await;
    let hostile = server.owner().await;
    let noise = |ty: &u64| Breach {
        name: format!("noise in {ty:#x}"),
        bytes: seal(FrameType(*ty), &[0xff; 100]).to_vec(),
        ends: false,
        reset: ResetCode::BadCbor,
    };
    check(&server, hostile, BidiType::Request, QUESTIONS.iter().map(noise).collect()).await;
}

#[tokio::test]
async fn frames_that_may_be_skipped_are_skipped() {
    let server = TestServer::start().await;
    let peer = server.dial().await;
    let mut control = peer.open(BidiType::Control.number()).await;
    let grease: Vec<u8> = (0..20).flat_map(|n| seal(FrameType(grease_frame(n)), &[0xff; 70])).collect();
    // Also before Hello: they mean nothing.
    control.write(&grease).await;
    control.send(&our_hello()).await;
    let _: Hello = control.read.expect().await;
    control.write(&grease).await;
    drop((control, peer));

    let mut member = server.owner().await;
    member.control.write(&grease).await;
    let room = member.lobby().await;
    let mut author = member.author().await;
    author.write(&grease).await;
    author.send(&draft(room, "heard")).await;
    assert!(author.published().await.is_ok());
    let mut request = member.peer.open(BidiType::Request.number()).await;
    request.write(&grease).await;
    request.send(&Subscribe { rooms: List::default(), priority: None }).await;
    let _: Subscribed = request.read.expect().await;
    member.is_served().await;
}

#[tokio::test]
async fn streams_nobody_knows_are_reset_and_not_held_against_the_peer() {
    let server = TestServer::start().await;
    let member = server.owner().await;
    for ty in (0..12).map(grease).chain([0x05, 0x20, 0x40, 0x1000, varint::MAX]) {
        let mut stream = member.peer.open(ty).await;
        stream.write(b"whatever it may be").await;
        assert_eq!(stream.read.broken().await, Ended::Reset(ResetCode::UnknownStream), "{ty:#x}");
        assert_eq!(stream.stopped().await, Some(ResetCode::UnknownStream), "{ty:#x}");
    }
    member.is_served().await;
}

#[tokio::test]
async fn a_type_in_a_longer_form_is_no_type() {
    let server = TestServer::start().await;
    let member = server.owner().await;
    let mut stream = member.peer.open_untyped().await;
    stream.write(&[0x40, 0x02]).await;
    assert_eq!(stream.read.broken().await, Ended::Reset(ResetCode::BadCbor));
    assert_eq!(stream.stopped().await, Some(ResetCode::BadCbor));
    member.is_served().await;
}

/// How a stranger begins who is not let in.
async fn begins(server: &TestServer, ty: u64, bytes: &[u8]) -> CloseCode {
    let peer = server.dial().await;
    let mut stream = peer.open(ty).await;
    stream.write(bytes).await;
    peer.closed().await
}

#[tokio::test]
async fn control_comes_first_and_hello_first_on_it() {
    let server = TestServer::start().await;
    for ty in [BidiType::Publish, BidiType::Request, BidiType::Upload].map(BidiType::number) {
        assert_eq!(begins(&server, ty, &[]).await, CloseCode::Protocol, "first {ty:#x}");
    }
    assert_eq!(begins(&server, grease(3), &[]).await, CloseCode::Protocol);
    for ty in [0x02, 0x0a, 0x0c, 0x3e, 0x80] {
        let frame = seal(FrameType(ty), &[0xa0]);
        assert_eq!(begins(&server, 0, &frame).await, CloseCode::Protocol, "before hello: {ty:#x}");
    }
    // An end instead of a beginning.
    let peer = server.dial().await;
    peer.open_untyped().await.finish();
    assert_eq!(peer.closed().await, CloseCode::Protocol);
    let peer = server.dial().await;
    peer.greet().await.finish();
    assert_eq!(peer.closed().await, CloseCode::Protocol);
}

#[tokio::test]
async fn there_is_one_control_and_it_stays_open() {
    let server = TestServer::start().await;
    let mut member = server.owner().await;
    let second = member.peer.open(BidiType::Control.number()).await;
    assert_eq!(member.peer.closed().await, CloseCode::Protocol, "a second one");
    drop(second);

    member = server.again(member).await;
    member.control.finish();
    assert_eq!(member.peer.closed().await, CloseCode::Protocol, "an ended one");

    member = server.again(member).await;
    member.control.send.reset(0u32.into()).unwrap();
    assert_eq!(member.peer.closed().await, CloseCode::Protocol, "a reset one");
}

/// A client may open its streams at once; the server reads them when it knows who asks.
#[tokio::test]
async fn questions_before_authentication_wait_for_it() {
    let server = TestServer::start().await;
    let member = server.owner().await;
    let Member { device, token, .. } = member;
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let mut early = peer.open(BidiType::Request.number()).await;
    early.send(&ListRooms { mine: true, after: None, name: None }).await;
    early.finish();
    // Whatever CONTROL answers next was asked after the question.
    control.send(&our_hello()).await;
    let _: Hello = control.read.expect().await;
    assert!(is_silent(&mut early).await, "answered somebody unknown");
    peer.auth(&mut control, &token.token, &device).await.unwrap();
    let _: Rooms = early.read.expect().await;
}

async fn is_silent(stream: &mut RawStream) -> bool {
    tokio::select! {
        biased;
        _ = stream.read.next() => false,
        () = std::future::ready(()) => true,
    }
}

#[tokio::test]
async fn more_faults_than_are_forgiven_end_the_connection() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let hostile = server.join(&owner, "hostile").await;
    let fault = async |peer: &RawPeer| {
        let mut stream = peer.open(BidiType::Request.number()).await;
        stream.write(&seal(FrameType(0x3e), &[])).await;
        stream.read.broken().await
    };
    for _ in 0..8 {
        assert_eq!(fault(&hostile.peer).await, Ended::Reset(ResetCode::UnknownFrame));
    }
    hostile.is_served().await;
    assert_eq!(fault(&hostile.peer).await, Ended::Closed(CloseCode::Protocol));
    owner.is_served().await;
    server.again(hostile).await.is_served().await;
}

#[tokio::test]
async fn datagrams_of_any_kind_are_survived() {
    let server = TestServer::start_v6().await;
    let member = server.owner().await;
    let noise = [&[][..], &[0xff; 1], &[0x40, 0x71, 0x00], &[0x40, 0x71, 0xff], &[0; 1_100], &[0x81; 1_000]];
    for bytes in noise {
        for _ in 0..50 {
            member.peer.connection.send_datagram(bytes.to_vec().into()).unwrap();
        }
    }
    member.is_served().await;
}

/// `concat` for what cannot be cloned.
trait ConcatAll<T> {
    fn concat_all(self) -> Vec<T>;
}

impl<T, const N: usize> ConcatAll<T> for [Vec<T>; N] {
    fn concat_all(self) -> Vec<T> {
        self.into_iter().flatten().collect()
    }
}
