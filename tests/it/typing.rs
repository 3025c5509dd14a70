//! Typing: told to those who read the room, bounded, and never back to whoever types.

use bytes::Bytes;
use quipu_protocol::datagram::{self, Typing};
use quipu_protocol::limits::TYPING_TTL_MS;
use quipu_protocol::request::{
    CreateRoom, Done, Impose, Join, Lift, RoomAnswer, RoomRole, Sanction, SetRole, Visibility,
};
use quipu_protocol::{Message, RoomId, UserId};
use quipu_server::limits::TYPING_INTERVAL;

use super::harness::{Member, TestServer, draft, random, soon};

fn types(member: &Member, room: RoomId, ttl_ms: u64) {
    let typing = Typing { room, user: None, ttl_ms };
    member.peer.connection.send_datagram(typing.to_frame()).unwrap();
}

/// The next notice.
async fn hears(member: &Member) -> (RoomId, Option<UserId>, u64) {
    let bytes = soon("a typing notice", member.peer.connection.read_datagram()).await.unwrap();
    let typing: Typing = datagram::decode(&bytes).unwrap().decode().unwrap();
    (typing.room, typing.user, typing.ttl_ms)
}

/// What has come and was not read.
async fn heard(member: &Member) -> Vec<Bytes> {
    let mut all = Vec::new();
    while let Ok(Ok(bytes)) =
        tokio::time::timeout(std::time::Duration::ZERO, member.peer.connection.read_datagram()).await
    {
        all.push(bytes);
    }
    all
}

#[tokio::test]
async fn typing_is_told_to_the_others_who_read_the_room() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let room = ada.lobby().await;
    let (bob, cyd) = (server.join(&ada, "bob").await, server.join(&ada, "cyd").await);
    let phone = {
        let own =
            quipu_protocol::request::CreateInvite { own_device: Some(true), ..super::harness::invite(1) };
        let answer: quipu_protocol::request::InviteAnswer = bob.peer.ask(&own).await.unwrap();
        server.redeem(&answer.secret[..].try_into().unwrap(), "unused").await
    };
    let den = RoomId::from_bytes(random());
    let create =
        CreateRoom { room: den, name: "den".parse().unwrap(), visibility: Visibility::PRIVATE, topic: None };
    let _: RoomAnswer = ada.peer.ask(&create).await.unwrap();
    let (_, _ada) = ada.read(room, None).await;
    let (_, _den) = ada.read(den, None).await;
    let (_, _bob) = bob.read(room, None).await;
    let (_, _phone) = phone.read(room, None).await;

    // In a room that is not open, or not theirs, nothing; then where it is.
    types(&bob, den, 1_000);
    types(&cyd, room, 1_000);
    types(&bob, room, 60_000);
    assert_eq!(hears(&ada).await, (room, Some(bob.me.user), TYPING_TTL_MS), "the time is capped");
    types(&ada, room, 1_000);
    assert_eq!(hears(&bob).await, (room, Some(ada.me.user), 1_000));
    // The typist's other devices are not told, nor is who has another room open, or none.
    assert_eq!(hears(&phone).await, (room, Some(ada.me.user), 1_000));
    assert!(heard(&cyd).await.is_empty() && heard(&ada).await.is_empty());
}

/// Goal: who may not write in a room does not type there either, and does again as soon as they may.
#[tokio::test]
async fn who_may_only_read_is_not_told_to_type() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let (lobby, den) = (ada.lobby().await, RoomId::from_bytes(random()));
    let create =
        CreateRoom { room: den, name: "den".parse().unwrap(), visibility: Visibility::PUBLIC, topic: None };
    let _: RoomAnswer = ada.peer.ask(&create).await.unwrap();
    let bob = server.join(&ada, "bob").await;
    let user = bob.me.user;
    let _: RoomAnswer = bob.peer.ask(&Join { room: den }).await.unwrap();
    let (_, _ada) = ada.read(lobby, None).await;
    let (_, _ada_too) = ada.read(den, None).await;
    let (_, _bob) = bob.read(lobby, None).await;
    let (_, _bob_too) = bob.read(den, None).await;
    let role = |role| SetRole { room: lobby, user, role, reason: None };
    let _: Done = ada.peer.ask(&role(RoomRole::READER)).await.unwrap();
    let mute = Impose { room: den, user, sanction: Sanction::MUTE, life_ms: None, reason: None };
    let _: Done = ada.peer.ask(&mute).await.unwrap();
    types(&bob, lobby, 1_000);
    types(&bob, den, 1_000);
    tokio::time::sleep(TYPING_INTERVAL).await; // Sooner what follows would be dropped for another reason.

    let _: Done = ada.peer.ask(&role(RoomRole::MEMBER)).await.unwrap();
    let lift = Lift { room: den, user, sanction: Sanction::MUTE, reason: None };
    let _: Done = ada.peer.ask(&lift).await.unwrap();
    types(&bob, lobby, 2_000);
    assert_eq!(hears(&ada).await, (lobby, Some(user), 2_000), "the first is not told");
    types(&bob, den, 2_000);
    assert_eq!(hears(&ada).await, (den, Some(user), 2_000), "nor is the first here");
}

/// Goal: a flood is dropped, not queued, and what is typed later is told.
#[tokio::test]
async fn a_flood_of_typing_is_dropped() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let room = ada.lobby().await;
    let bob = server.join(&ada, "bob").await;
    let (_, _ada) = ada.read(room, None).await;
    let (_, mut log) = bob.read(room, None).await;
    let since = tokio::time::Instant::now();
    for _ in 0..500 {
        types(&bob, room, 1_000);
    }
    hears(&ada).await;
    // Typed all the while, one in two seconds is told.
    while since.elapsed() < TYPING_INTERVAL + TYPING_INTERVAL / 2 {
        types(&bob, room, 2_000);
        bob.is_served().await;
    }
    hears(&ada).await;
    assert!(heard(&ada).await.is_empty());
    // The log goes on beside it.
    let mut author = bob.author().await;
    author.send(&draft(room, "done typing")).await;
    author.published().await.unwrap();
    assert!(log.next().await.is_ok());
}

#[tokio::test]
async fn typing_is_dropped_under_load() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let room = ada.lobby().await;
    let bob = server.join(&ada, "bob").await;
    let (_, _ada) = ada.read(room, None).await;
    let (_, _bob) = bob.read(room, None).await;
    let load = server.load();
    let before = load.held_back();
    load.set_jobs_max(0);
    types(&bob, room, 1_000);
    soon("something dropped", async {
        while load.held_back() == before {
            tokio::task::yield_now().await
        }
    })
    .await;
    load.set_jobs_max(usize::MAX);
    tokio::time::sleep(TYPING_INTERVAL).await; // Sooner it would be dropped for another reason.
    types(&bob, room, 2_000);
    assert_eq!(hears(&ada).await.2, 2_000, "the first was not kept for later");
}
