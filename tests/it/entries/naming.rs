//! What a room is called and what it is about.

use quipu_protocol::entry::{NameChange, TopicChange};
use quipu_protocol::request::{Direct, RenameRoom, RoomInfo, SetTopic};
use quipu_protocol::{cbor, limits};

use super::*;

async fn topic(by: &Member, room: RoomId, topic: Option<&str>) -> Result<RoomInfo, Refusal> {
    let topic = topic.map(|topic| topic.parse().unwrap());
    by.peer.ask::<RoomAnswer>(&SetTopic { room, topic }).await.map(|answer| answer.info)
}

async fn rename(by: &Member, room: RoomId, name: &str) -> Result<RoomInfo, Refusal> {
    let name = name.parse().unwrap();
    by.peer.ask::<RoomAnswer>(&RenameRoom { room, name }).await.map(|answer| answer.info)
}

impl World {
    async fn newest(&self) -> Entry {
        self.history(&self.bob, Anchor::LATEST, None).await.entries.pop().unwrap().1
    }
}

#[tokio::test]
async fn a_topic_is_told_in_the_log_and_said_once() {
    let world = World::new().await;
    let info = topic(&world.ada, world.room, Some("cake and tea")).await.unwrap();
    assert_eq!(info.topic.unwrap().as_str(), "cake and tea");
    let note = world.newest().await;
    let change: TopicChange = cbor::decode(&note.body, "TopicChange").unwrap();
    assert_eq!((note.kind, note.user), (Kind::TOPIC, Some(world.ada.me.user)));
    assert_eq!(change.topic.unwrap().as_str(), "cake and tea");
    topic(&world.ada, world.room, Some("cake and tea")).await.unwrap();
    assert_eq!(world.newest().await.seq, note.seq, "what is so already is no news");
    let longest = "x".repeat(limits::TOPIC_BYTES_MAX);
    assert_eq!(topic(&world.ada, world.room, Some(&longest)).await.unwrap().topic.unwrap().as_str(), longest);
    assert_eq!(topic(&world.ada, world.room, None).await.unwrap().topic, None);
    let change: TopicChange = cbor::decode(&world.newest().await.body, "TopicChange").unwrap();
    assert_eq!(change.topic, None);
}

#[tokio::test]
async fn a_room_is_found_by_its_new_name_alone() {
    let world = World::new().await;
    let info = rename(&world.ada, world.room, "kitchen").await.unwrap();
    assert_eq!(info.name.as_ref().map(|name| name.as_str()), Some("kitchen"));
    let note = world.newest().await;
    let change: NameChange = cbor::decode(&note.body, "NameChange").unwrap();
    assert_eq!((change.before.unwrap().as_str(), change.name.as_str()), ("den", "kitchen"));
    rename(&world.ada, world.room, "kitchen").await.unwrap();
    assert_eq!(world.newest().await.seq, note.seq);
    assert_ne!(made(&world.bob, "den", Visibility::PUBLIC).await, world.room, "the old name is free");
    assert_eq!(code(rename(&world.ada, world.room, "den").await), Code::CONFLICT, "and now it is not");
}

#[tokio::test]
async fn who_may_not_manage_a_room_changes_neither() {
    let world = World::new().await;
    let before = world.newest().await.seq;
    for who in [&world.bob, &world.cyd] {
        assert_eq!(code(topic(who, world.room, Some("mine")).await), Code::FORBIDDEN);
        assert_eq!(code(rename(who, world.room, "mine").await), Code::FORBIDDEN);
    }
    let nowhere = RoomId::from_bytes([9; 16]);
    assert_eq!(code(topic(&world.ada, nowhere, None).await), Code::NOT_FOUND);
    assert_eq!(code(rename(&world.ada, nowhere, "x").await), Code::NOT_FOUND);
    let direct: RoomAnswer = world.ada.peer.ask(&Direct { user: world.bob.me.user }).await.unwrap();
    assert_eq!(code(topic(&world.ada, direct.info.room, None).await), Code::CONFLICT);
    assert_eq!(code(rename(&world.ada, direct.info.room, "two").await), Code::CONFLICT);
    assert_eq!(world.newest().await.seq, before, "none of it is told");
}

/// It is found by its name when the server starts.
#[tokio::test]
async fn the_lobby_keeps_its_name_and_may_have_another_topic() {
    let mut world = World::new().await;
    let lobby = world.owner.lobby().await;
    assert_eq!(code(rename(&world.owner, lobby, "hall").await), Code::CONFLICT);
    topic(&world.owner, lobby, Some("wipe your feet")).await.unwrap();
    world.server.stop().await;
    world.server.restart().await;
    let owner = world.server.again(world.owner).await;
    assert_eq!(owner.lobby().await, lobby);
}
