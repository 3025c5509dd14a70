//! The end of a server: everybody is told, what was taken is answered and kept, and it does not take long.

use std::net::Ipv4Addr;
use std::time::Duration;

use quipu_protocol::control::Goaway;
use quipu_protocol::publish::Ack;
use quipu_protocol::request::{Anchor, AnchorKind, History, Page};
use quipu_protocol::room::{End, EndReason};
use quipu_protocol::{
    BidiType, CloseCode, Cursor, Entry, Frame, Message as _, MessageId, ResetCode, RoomId, Seq,
};
use tokio::net::UdpSocket;

use super::harness::{Ended, Grants, Member, RawPeer, RawReader, RawStream, TestServer, draft, soon};

/// From being asked to the end, whatever peers do.
const STOP_MAX: Duration = Duration::from_secs(5);

async fn hasty() -> TestServer {
    TestServer::start_with(|config| {
        config.limits.publish_per_second = 1_000;
        config.limits.publish_burst = 10_000;
        config.limits.room_publish_per_second = 10_000;
    })
    .await
}

/// The rest of a ROOM stream that a stopping server ends in order; gives the last entry on it.
async fn read_to_end(reader: &mut RawReader) -> Option<Seq> {
    let mut last = None;
    loop {
        let frame: Frame = reader.next().await.unwrap().expect("an End before the end");
        if frame.is::<Entry>() {
            last = Some(frame.decode::<Entry>().unwrap().seq);
        } else if frame.is::<End>() {
            assert_eq!(frame.decode::<End>().unwrap().reason, EndReason::SHUTDOWN);
            reader.end().await;
            return last;
        }
    }
}

/// Everything a PUBLISH stream still answers, until its end in order.
async fn acks_to_end(author: &mut RawStream) -> Vec<Ack> {
    let mut acks = Vec::new();
    while let Some(frame) = author.read.next().await.unwrap() {
        acks.push(frame.decode().unwrap());
    }
    acks
}

/// All of a room, by history.
async fn history(member: &Member, room: RoomId) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let from = all.last().map_or(Seq::ZERO, |entry| entry.seq);
        let mut stream = member.peer.open(BidiType::Request.number()).await;
        let anchor = Anchor { kind: AnchorKind::AFTER, seq: from, to: Seq::ZERO };
        stream.send(&History { room, anchor, limit: 500, thread: None }).await;
        stream.finish();
        let page: Page = stream.read.expect().await;
        while let Some(frame) = stream.read.next().await.unwrap() {
            all.push(frame.decode().unwrap());
        }
        if !page.more_after {
            return all;
        }
    }
}

#[tokio::test]
async fn everyone_is_told_and_what_was_acknowledged_is_there_after_the_restart() {
    let mut server = hasty().await;
    let mut owner = server.owner().await;
    let room = owner.lobby().await;
    let mut reader = server.join(&owner, "reader").await;
    let (opened, mut log) = reader.read(room, None).await;

    let drafts: Vec<_> = (0..200).map(|n| draft(room, format!("message {n}"))).collect();
    let mut author = owner.author().await;
    let all: Vec<u8> = drafts.iter().flat_map(|draft| draft.to_frame()).collect();
    author.write(&all).await;
    // In the middle of it, as the first answers come.
    let mut acks = vec![author.published().await.unwrap()];
    server.ask_to_stop();

    acks.extend(acks_to_end(&mut author).await);
    assert_eq!(author.stopped().await, Some(ResetCode::Shutdown));
    for member in [&mut owner, &mut reader] {
        let goaway: Goaway = member.control.read.expect().await;
        assert!(goaway.grace_ms > 0 && goaway.redirect.is_none());
        member.control.read.end().await;
    }
    let last = read_to_end(&mut log).await;
    owner.peer.leave().await;
    reader.peer.leave().await;
    let took = server.stop().await;
    assert!(took < Duration::from_secs(2), "nobody was left, and yet it took {took:?}");

    let acked: Vec<MessageId> = acks.iter().map(|ack| ack.message).collect();
    let asked: Vec<MessageId> = drafts.iter().map(|draft| draft.message).collect();
    assert_eq!(acked, asked[..acked.len()], "answers in the order of the drafts");

    server.restart().await;
    let owner = server.again(owner).await;
    let entries = history(&owner, room).await;
    for ack in &acks {
        let entry = &entries[ack.at.seq.0 as usize - 1];
        assert_eq!((entry.seq, entry.message), (ack.at.seq, Some(ack.message)));
    }
    // Saying all of it again says it once.
    let mut author = owner.author().await;
    author.write(&all).await;
    for draft in &drafts {
        let again = author.published().await.unwrap();
        let before = acks.iter().find(|ack| ack.message == draft.message);
        assert!(before.is_none_or(|before| again.duplicate && again.at == before.at));
    }
    let texts: Vec<_> = history(&owner, room).await.into_iter().filter_map(|entry| entry.message).collect();
    assert_eq!(texts, asked);

    // The reader goes on where its stream ended.
    let reader = server.again(reader).await;
    let cursor = Cursor { incarnation: opened.start.incarnation, seq: last.unwrap_or(opened.head) };
    let (opened, mut log) = reader.read(room, Some(cursor)).await;
    assert_eq!(opened.start, cursor);
    let next: Option<Entry> = (cursor.seq < opened.head).then_some(log.expect().await);
    assert!(next.is_none_or(|next| next.seq == cursor.seq.next()));
}

/// Peers that do nothing they are told: they are closed when the grace is over.
#[tokio::test]
async fn a_server_ends_in_time_whatever_its_peers_do() {
    let mut server = TestServer::start_with(|config| {
        config.limits.publish_per_second = 1;
        config.limits.publish_burst = 1;
    })
    .await;
    let owner = server.owner().await;
    let deaf = server.join(&owner, "deaf").await;
    let room = owner.lobby().await;
    let (_, _unread) = deaf.read(room, None).await;
    // Drafts that wait for their rate, a question without its end, and somebody who only knocks.
    let mut author = owner.author().await;
    for n in 0..50 {
        author.send(&draft(room, format!("message {n}"))).await;
    }
    let mut half = deaf.peer.open(BidiType::Request.number()).await;
    half.write(&[0x40, 0x80, 0x20]).await;
    let stranger = server.dial().await;
    let _control = stranger.greet().await;

    let took = server.stop().await;
    assert!(took < STOP_MAX, "{took:?}");
    for peer in [&owner.peer, &deaf.peer, &stranger] {
        assert_eq!(peer.closed().await, CloseCode::Shutdown);
    }
    assert!(matches!(author.read.broken_or_end().await, None | Some(Ended::Closed(CloseCode::Shutdown))));
    server.restart().await;
    server.again(owner).await.is_served().await;
}

/// A draft that waits for its rate is taken at once when the server stops: nobody's goodbye takes as long as their debts.
#[tokio::test]
async fn drafts_that_wait_for_their_rate_do_not_delay_the_end() {
    let mut server = TestServer::start_with(|config| {
        config.limits.publish_per_second = 1;
        config.limits.publish_burst = 1;
    })
    .await;
    let owner = server.owner().await;
    let room = owner.lobby().await;
    let mut authors = Vec::new();
    for _ in 0..4 {
        let mut author = owner.author().await;
        for _ in 0..3 {
            author.send(&draft(room, "patience")).await;
        }
        authors.push(author);
    }
    // The first of all passes, the other three streams owe a second, two and three.
    let first = authors[0].published().await.unwrap();
    owner.is_served().await;
    server.ask_to_stop();
    let mut acks = vec![first];
    for author in &mut authors {
        acks.extend(acks_to_end(author).await);
    }
    assert!(acks.len() >= 4, "{} answers", acks.len());
    owner.peer.leave().await;
    let took = server.stop().await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn a_server_without_peers_ends_at_once() {
    let mut server = TestServer::start_v6().await;
    let took = server.stop().await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    server.restart().await;
    server.owner().await.is_served().await;
}

/// Whoever keeps knocking while the server is away comes in when it is back.
#[tokio::test]
async fn a_restart_keeps_accounts_pin_and_port() {
    let mut server = TestServer::start().await;
    let owner = server.owner().await;
    let (address, pin) = (server.address, server.invite().pin);
    for _ in 0..3 {
        owner.peer.leave().await;
        server.stop().await;
        server.restart().await;
        assert_eq!((server.address, server.invite().pin), (address, pin));
    }
    let owner = server.again(owner).await;
    owner.is_served().await;
    server.join(&owner, "ada").await.is_served().await;
}

impl RawReader {
    /// Reads on to whatever end the stream has.
    async fn broken_or_end(&mut self) -> Option<Ended> {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(ended) => return Some(ended),
            }
        }
    }
}

/// Somebody whose first packets come, and to whom no answer does.
#[tokio::test]
async fn a_handshake_that_stalls_delays_no_stop() {
    let mut server = hasty().await;
    let between = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (via, pin) = (between.local_addr().unwrap(), server.invite().pin);
    let dialling = tokio::spawn(RawPeer::dial(via, server.authority(), pin, Grants::default()));
    let mut packet = [0; 2_000];
    let half_open = async {
        loop {
            let (length, from) = between.recv_from(&mut packet).await.unwrap();
            if from == server.address {
                return;
            }
            between.send_to(&packet[..length], server.address).await.unwrap();
        }
    };
    soon("an answer that goes nowhere", half_open).await;

    let took = server.stop().await;
    assert!(took < STOP_MAX / 3, "{took:?}");
    dialling.abort();
}
