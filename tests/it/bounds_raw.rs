//! Bounds against peers that mean harm: what they may make the server keep, wait for or do.

use std::time::Duration;

use futures_util::FutureExt as _;
use quipu_protocol::control::Hello;
use quipu_protocol::limits::{CONTROL_BYTES_MAX, ROOMS_OPEN_MAX};
use quipu_protocol::request::{
    Anchor, AnchorKind, CreateRoom, History, Join, Leave, Page, RoomAnswer, Visibility,
};
use quipu_protocol::stream::grease_frame;
use quipu_protocol::{BidiType, CloseCode, Code, ResetCode, RoomId, Seq, varint};
use tokio::time::Instant;

use super::harness::{Grants, Member, TestServer, draft, our_hello, random};

/// What a stranger may have under way, in bytes and in streams; a member has as many streams as rooms.
const STRANGER_BYTES: usize = 8 * 1024;
const STRANGER_STREAMS: usize = 8;

/// A public room of `owner` alone.
async fn room_of(owner: &Member) -> RoomId {
    let room = RoomId::from_bytes(random());
    let create =
        CreateRoom { room, name: "den".parse().unwrap(), visibility: Visibility::PUBLIC, topic: None };
    let _: RoomAnswer = owner.peer.ask(&create).await.unwrap();
    room
}

#[tokio::test]
async fn a_stranger_is_granted_little() {
    let server = TestServer::start().await;
    let stranger = server.dial().await;
    let _control = stranger.greet().await;
    let (mut streams, mut sent) = (Vec::new(), 0);
    for _ in 1..STRANGER_STREAMS {
        let mut stream = stranger.open_untyped().await;
        while let Some(written) = stream.send.write(&[0; 4_096]).now_or_never() {
            sent += written.unwrap();
        }
        streams.push(stream);
    }
    assert!(sent > 0 && sent <= STRANGER_BYTES, "{sent}");
    assert!(stranger.connection.open_bi().now_or_never().is_none(), "one stream too many");
    let owner = server.owner().await;
    let mut streams = Vec::new();
    for _ in 1..ROOMS_OPEN_MAX {
        streams.push(owner.peer.open_untyped().await);
    }
}

/// Whoever is not known yet cannot make the server keep more than a few kilobytes of one frame.
#[tokio::test]
async fn a_frame_on_control_is_small() {
    let server = TestServer::start().await;
    let head = |len: usize| {
        let mut head = Vec::new();
        varint::put(&mut head, grease_frame(0));
        varint::put(&mut head, len as u64);
        head
    };
    let stranger = server.dial().await;
    let mut control = stranger.greet().await;
    control.write(&[head(CONTROL_BYTES_MAX), vec![0; CONTROL_BYTES_MAX]].concat()).await;
    control.send(&our_hello()).await;
    let _: Hello = control.read.expect().await;
    control.write(&head(CONTROL_BYTES_MAX + 1)).await;
    assert_eq!(stranger.closed().await, CloseCode::Protocol);
    let mut owner = server.owner().await;
    owner.control.write(&head(CONTROL_BYTES_MAX + 1)).await;
    assert_eq!(owner.peer.closed().await, CloseCode::Protocol);
}

#[tokio::test]
async fn an_author_who_stops_listening_is_not_read_on() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let room = owner.lobby().await;
    let mut author = owner.author().await;
    author.send(&draft(room, "heard")).await;
    author.published().await.unwrap();
    author.read.recv.stop(quinn::VarInt::from_u32(ResetCode::Cancelled.number())).unwrap();
    author.send(&draft(room, "not heard")).await;
    assert_eq!(author.stopped().await, Some(ResetCode::Cancelled));
    owner.is_served().await;
}

/// A page that is not read holds one of two places; who asks for a third waits, and only for pages.
#[tokio::test]
async fn two_pages_are_under_way_at_most() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let room = owner.lobby().await;
    let mut author = owner.author().await;
    for _ in 0..4 {
        author.send(&draft(room, vec![b'x'; 8_000])).await;
        author.published().await.unwrap();
    }
    let narrow = Grants { stream_bytes: 1_024, ..Grants::default() };
    let owner = server.again_granting(owner, narrow).await;
    let ask = History {
        room,
        anchor: Anchor { kind: AnchorKind::AFTER, seq: Seq::ZERO, to: Seq::ZERO },
        limit: 100,
        thread: None,
    };
    let mut pages = Vec::new();
    for _ in 0..2 {
        let mut stream = owner.peer.open(BidiType::Request.number()).await;
        stream.send(&ask).await;
        let _: Page = stream.read.expect().await;
        pages.push(stream);
    }
    let mut third = owner.peer.open(BidiType::Request.number()).await;
    third.send(&ask).await;
    for _ in 0..20 {
        owner.is_served().await;
    }
    assert!(third.read.recv.read_chunk(1, true).now_or_never().is_none(), "a third page");
    let mut first = pages.remove(0);
    while first.read.next().await.unwrap().is_some() {}
    let _: Page = third.read.expect().await;
}

#[tokio::test]
async fn a_stranger_to_a_room_does_not_take_its_rate() {
    let server = TestServer::start_with(|config| {
        config.limits.publish_per_second = 1_000;
        config.limits.publish_burst = 1_000;
        config.limits.room_publish_per_second = 1;
    })
    .await;
    let owner = server.owner().await;
    let stranger = server.join(&owner, "stranger").await;
    let room = room_of(&owner).await;
    let since = Instant::now();
    let mut outside = stranger.author().await;
    for _ in 0..30 {
        outside.send(&draft(room, "let me in")).await;
        let refused = outside.published().await.unwrap_err().refusal;
        assert_eq!(refused.code, Code::FORBIDDEN);
    }
    let mut inside = owner.author().await;
    inside.send(&draft(room, "quiet here")).await;
    inside.published().await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
}

/// Each is an entry for everybody in the room, so it costs what a message does: five at once and five a second.
#[tokio::test]
async fn coming_and_going_has_the_rate_of_messages() {
    let server = TestServer::start_with(|config| {
        config.limits.publish_per_second = 5;
        config.limits.publish_burst = 5;
    })
    .await;
    let owner = server.owner().await;
    let restless = server.join(&owner, "restless").await;
    let room = room_of(&owner).await;
    let since = Instant::now();
    for _ in 0..8 {
        let _: RoomAnswer = restless.peer.ask(&Join { room }).await.unwrap();
        let _: RoomAnswer = restless.peer.ask(&Leave { room }).await.unwrap();
    }
    assert!(since.elapsed() > Duration::from_secs(2), "{:?}", since.elapsed());
}
