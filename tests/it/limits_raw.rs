//! Bounds, from the side of whoever runs into them: some wait, some are refused with a reason, none hurts another.

use std::time::Duration;

use quipu_protocol::limits::{BODY_BYTES_MAX, PUBLISH_STREAMS_MAX, ROOMS_OPEN_MAX};
use quipu_protocol::request::{CreateRoom, ListRooms, RoomAnswer, Rooms, Visibility};
use quipu_protocol::room::{CaughtUp, Gap};
use quipu_protocol::{
    BidiType, Blob, CloseCode, Code, Draft, Entry, Ext, Kind, List, Message, ResetCode, RoomId, Seq, UniType,
    UserId, cbor, frame,
};
use tokio::time::Instant;

use super::harness::{Ended, Grants, Member, RawReader, TestServer, draft, random, soon};

/// A server on which nobody is too fast.
async fn hasty() -> TestServer {
    TestServer::start_with(|config| {
        config.limits.publish_per_second = 1_000;
        config.limits.publish_burst = 10_000;
        config.limits.room_publish_per_second = 10_000;
    })
    .await
}

/// Publishes on a stream of its own; gives the code of the refusal, if it is one.
async fn publish(member: &Member, draft: &Draft) -> Result<Seq, Code> {
    let mut author = member.author().await;
    author.send(draft).await;
    let answer = author.published().await;
    author.finish();
    author.read.end().await;
    answer.map(|ack| ack.at.seq).map_err(|refused| refused.refusal.code)
}

/// Burst and rate are 200 and 50 a second: 300 questions take two seconds, and all are answered.
#[tokio::test]
async fn a_flood_of_questions_waits() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let other = server.join(&owner, "other").await;
    let since = Instant::now();
    let flood = async {
        for _ in 0..300 {
            owner.is_served().await;
        }
    };
    let meanwhile = async {
        for _ in 0..20 {
            let asked = Instant::now();
            other.is_served().await;
            assert!(asked.elapsed() < Duration::from_secs(1), "another's flood is mine");
        }
    };
    tokio::join!(flood, meanwhile);
    assert!(since.elapsed() > Duration::from_millis(1_800), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_question_is_one() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let mut stream = owner.peer.open(BidiType::Request.number()).await;
    let ask = ListRooms { mine: true, after: None, name: None };
    stream.write(&[ask.to_frame(), ask.to_frame()].concat()).await;
    stream.finish();
    let _: Rooms = stream.read.expect().await;
    stream.read.end().await;
    // None is none.
    let mut stream = owner.peer.open(BidiType::Request.number()).await;
    stream.finish();
    stream.read.end().await;
    owner.is_served().await;
}

#[tokio::test]
async fn a_publish_stream_too_many_is_reset_and_a_free_place_is_given_again() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let room = owner.lobby().await;
    let mut authors = Vec::new();
    for _ in 0..PUBLISH_STREAMS_MAX {
        let mut author = owner.author().await;
        author.send(&draft(room, "here")).await;
        author.published().await.unwrap();
        authors.push(author);
    }
    let mut fifth = owner.author().await;
    fifth.send(&draft(room, "there")).await;
    assert_eq!(fifth.read.broken().await, Ended::Reset(ResetCode::Limit));
    assert_eq!(fifth.stopped().await, Some(ResetCode::Limit));
    let mut last = authors.pop().unwrap();
    last.finish();
    last.read.end().await;
    authors.push(owner.author().await);
    for author in &mut authors {
        author.send(&draft(room, "still here")).await;
        author.published().await.unwrap();
    }
}

#[tokio::test]
async fn a_room_too_many_is_refused_and_a_closed_one_makes_place() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let mut rooms = Vec::new();
    for n in 0..=ROOMS_OPEN_MAX {
        let room = RoomId::from_bytes(random());
        let name = format!("room-{n}").parse().unwrap();
        let create = CreateRoom { room, name, visibility: Visibility::PUBLIC, topic: None };
        let _: RoomAnswer = owner.peer.ask(&create).await.unwrap();
        rooms.push(room);
    }
    let (last, open) = rooms.split_last().unwrap();
    let numbers = owner.subscribe(open, None).await;
    assert!(numbers.iter().all(Result::is_ok), "{numbers:?}");
    let refused = owner.subscribe(&[*last], None).await.remove(0).unwrap_err();
    assert_eq!(refused.code, Code::STREAM_LIMIT);
    let twice = owner.subscribe(&open[..1], None).await.remove(0).unwrap_err();
    assert_eq!(twice.code, Code::CONFLICT);

    let stream = loop {
        if let (UniType::Room, stream) = owner.peer.accept().await {
            break stream;
        }
    };
    stream.unsubscribe();
    // The server learns of it in its own time.
    soon("the free place", async { while owner.subscribe(&[*last], None).await.remove(0).is_err() {} }).await;
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_with_its_reason() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let room = owner.lobby().await;
    let with = |ext: Ext| Draft { ext, ..draft(room, "text") };
    let none = Ext::default;
    let reserved = [
        Ext { if_epoch: Some(1), ..none() },
        Ext { epoch: Some(1), ..none() },
        Ext { previous_hash: Some(Blob::new(vec![0; 32]).unwrap()), ..none() },
    ];
    for ext in reserved {
        assert_eq!(publish(&owner, &with(ext)).await, Err(Code::UNSUPPORTED));
    }
    let past = with(Ext { expires_ms: Some(1), ..none() });
    assert_eq!(publish(&owner, &past).await, Err(Code::EXPIRED));
    for kind in [Kind::CREATED, Kind::MEMBER, Kind::GROUP_FIRST, Kind(7), Kind(u64::MAX)] {
        let draft = Draft { kind, ..draft(room, "text") };
        assert_eq!(publish(&owner, &draft).await, Err(Code::UNSUPPORTED), "{kind:?}");
    }
    for body in [&b""[..], b"\xff", b"cut \xe2\x82", b"\xed\xa0\x80", b"\xc0\x80"] {
        assert_eq!(publish(&owner, &draft(room, body)).await, Err(Code::BAD_REQUEST), "{body:?}");
    }
    let nowhere = draft(RoomId::from_bytes(random()), "text");
    assert_eq!(publish(&owner, &nowhere).await, Err(Code::NOT_FOUND));
    let stale = with(Ext { if_head: Some(Seq(u64::MAX)), ..none() });
    assert_eq!(publish(&owner, &stale).await, Err(Code::STALE_HEAD));
    // Of all that nothing stayed, and NUL and the like are text.
    let first = publish(&owner, &draft(room, "\0\u{202e}")).await.unwrap();
    assert_eq!(publish(&owner, &draft(room, "text")).await, Ok(first.next()));

    let mut author = owner.author().await;
    author.send(&draft(room, "")).await;
    author.send(&draft(room, "text")).await;
    assert_eq!(author.published().await.unwrap_err().refusal.code, Code::BAD_REQUEST);
    assert!(author.published().await.is_ok(), "the stream lives on");
}

/// What is above a bound of the wire does not decode: the stream ends, with BAD_CBOR.
#[tokio::test]
async fn a_body_has_16384_bytes_at_most() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let room = owner.lobby().await;
    let largest = draft(room, vec![b'x'; BODY_BYTES_MAX]);
    publish(&owner, &largest).await.unwrap();
    let payload = cbor::encode(&largest);
    let at = payload.windows(3).position(|head| head == [0x59, 0x40, 0x00]).unwrap();
    let larger = [&payload[..at], &[0x59, 0x40, 0x01, b'x'], &payload[at + 3..]].concat();
    cbor::check(&larger).unwrap();
    let many =
        Ext { mentions: Some(List::new(vec![UserId::from_bytes([1; 16]); 32]).unwrap()), ..Ext::default() };
    let many = Draft { ext: many, ..draft(room, "all of you") };
    publish(&owner, &many).await.unwrap();
    let payload = cbor::encode(&many);
    let at = payload.windows(3).position(|head| head == [0x98, 0x20, 0x50]).unwrap();
    let user = payload[at + 2..at + 19].to_vec();
    let more = [&payload[..at], &[0x98, 0x21], &user, &payload[at + 2..]].concat();
    cbor::check(&more).unwrap();
    for payload in [larger, more] {
        let mut author = owner.author().await;
        author.write(&frame::seal(Draft::TYPE, &payload)).await;
        assert_eq!(author.read.broken().await, Ended::Reset(ResetCode::BadCbor));
    }
    owner.is_served().await;
}

/// Five at once and five a second: of twenty large messages the last is taken after three seconds. Nothing is refused,
/// the writer is just not read.
#[tokio::test]
async fn a_fast_author_is_read_slowly() {
    let server = TestServer::start_with(|config| {
        config.limits.publish_per_second = 5;
        config.limits.publish_burst = 5;
    })
    .await;
    let owner = server.owner().await;
    let room = owner.lobby().await;
    let mut author = owner.author().await;
    let drafts: Vec<_> = (0..20).map(|_| draft(room, vec![b'x'; BODY_BYTES_MAX])).collect();
    let since = Instant::now();
    let (send, read) = (&mut author.send, &mut author.read);
    let write = async {
        for draft in &drafts {
            soon("room to write", send.write_all(&draft.to_frame())).await.unwrap();
        }
        since.elapsed()
    };
    let hear = async {
        let mut seqs = Vec::new();
        for draft in &drafts {
            let ack: quipu_protocol::publish::Ack = read.expect().await;
            assert_eq!(ack.message, draft.message, "in their order");
            seqs.push(ack.at.seq);
        }
        (seqs, since.elapsed())
    };
    let (written, (seqs, heard)) = tokio::join!(write, hear);
    assert!(heard >= Duration::from_millis(2_800) && heard < Duration::from_secs(10), "{heard:?}");
    // 128 KiB may be under way, so a good half had to be taken before the last could be sent.
    assert!(written >= Duration::from_millis(500), "the writer never waited: {written:?}");
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0].next()), "{seqs:?}");
    owner.is_served().await;
}

#[tokio::test]
async fn a_client_that_takes_no_stream_is_told() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let since = Instant::now();
    let none = Grants { uni_streams: 0, ..Grants::default() };
    let closed = server.again_granting(owner, none).await;
    assert_eq!(closed.peer.closed().await, CloseCode::Protocol);
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());

    let one = Grants { uni_streams: 1, ..Grants::default() };
    let narrow = server.again_granting(closed, one).await;
    let (ty, _inbox) = narrow.peer.accept().await;
    assert_eq!(ty, UniType::Inbox);
    let room = narrow.lobby().await;
    let refused = narrow.subscribe(&[room], None).await.remove(0).unwrap_err();
    assert_eq!(refused.code, Code::STREAM_LIMIT);
    assert!(refused.retry_after_ms.is_some());
    // The place was given back: the same answer, not "it is open". And all rooms together wait once.
    let since = Instant::now();
    let answers = narrow.subscribe(&[room; 8], None).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap_err().code == Code::STREAM_LIMIT));
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    narrow.is_served().await;
}

/// Reads a room until `until`; every position is covered once, in order.
async fn read_to(reader: &mut RawReader, mut next: Seq, until: Seq) {
    while next <= until {
        let frame = reader.next().await.unwrap().expect("the room goes on");
        if frame.is::<Entry>() {
            let entry: Entry = frame.decode().unwrap();
            assert_eq!(entry.seq, next);
            next = entry.seq.next();
        } else if frame.is::<Gap>() {
            let gap: Gap = frame.decode().unwrap();
            assert_eq!(gap.from, next);
            next = gap.to.next();
        } else {
            assert!(frame.is::<CaughtUp>() || frame.ty.0 == 0x46, "{frame:?}");
        }
    }
}

/// A reader that does not read costs the others nothing: not even its own other streams.
#[tokio::test]
async fn a_slow_reader_slows_nobody() {
    let server = hasty().await;
    let owner = server.owner().await;
    let (slow, quick) = (server.join(&owner, "slow").await, server.join(&owner, "quick").await);
    let room = owner.lobby().await;
    let (opened_slow, mut unread) = slow.read(room, None).await;
    let (opened, mut reader) = quick.read(room, None).await;

    // Many times what may be under way to one stream.
    let drafts: Vec<_> = (0..400).map(|_| draft(room, vec![b'x'; 8_000])).collect();
    let mut author = owner.author().await;
    let (send, read) = (&mut author.send, &mut author.read);
    let last = Seq(opened.head.0 + drafts.len() as u64);
    let write = async {
        for draft in &drafts {
            soon("room to write", send.write_all(&draft.to_frame())).await.unwrap();
        }
    };
    let acks = async {
        for _ in &drafts {
            let _: quipu_protocol::publish::Ack = read.expect().await;
        }
    };
    tokio::join!(write, acks, read_to(&mut reader, opened.start.seq.next(), last));
    slow.is_served().await;
    assert_eq!(publish(&slow, &draft(room, "I can still speak")).await, Ok(last.next()));
    // Whoever begins to read is given all of it.
    read_to(&mut unread, opened_slow.start.seq.next(), last.next()).await;
}

/// Two strangers may come as they are, two more must prove their address, and the fifth stays outside until one goes.
#[tokio::test]
async fn strangers_beyond_the_cap_wait_outside() {
    let server = TestServer::start_with(|config| config.limits.unauthenticated_per_prefix_max = 4).await;
    let owner = server.owner().await;
    let mut strangers = Vec::new();
    for _ in 0..4 {
        strangers.push(server.dial().await);
    }
    let fifth = server.dial();
    tokio::pin!(fifth);
    tokio::select! {
        biased;
        _ = &mut fifth => panic!("five strangers are in"),
        // Members do not count, and are served meanwhile.
        () = async { for _ in 0..50 { owner.is_served().await } } => {}
    }
    drop(strangers.pop());
    fifth.await.greet().await;
}
