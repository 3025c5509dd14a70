//! The outbox: what one message meets holds up nothing but what must not overtake it.

use std::time::Duration;

use quipu_client::protocol::limits::EMOJI_PER_ENTRY_MAX;
use quipu_client::protocol::request::{RoomSettings, Visibility};
use quipu_client::protocol::{Code, MessageId, RoomId, Seq};
use quipu_client::{Draft, ErrorCode, Event, OpenFrom};

use crate::world::{PATIENCE, Person, World, text_of};

impl Person {
    /// Makes a public room in which one may speak so often, and brings somebody there.
    async fn slow_room(&self, name: &str, slow_ms: u64, guest: &Person) -> RoomId {
        let room = self.client.create_room(name.parse().unwrap(), Visibility::PUBLIC, None).await.unwrap();
        let settings = RoomSettings { slow_ms: Some(slow_ms), ..RoomSettings::default() };
        self.client.set_room(room.room, settings, None).await.unwrap();
        guest.client.join_room(room.room).await.unwrap().room
    }

    async fn queues(&self, room: RoomId, texts: &[&str]) -> Vec<MessageId> {
        let drafts = texts.iter().map(|text| Draft::text(*text)).collect();
        self.client.send_all(room, drafts).await.unwrap()
    }
}

/// Goal: what the server will never take is told at once, and everything behind it goes out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_that_is_used_up_refuses_one_message_and_holds_up_none() {
    let world = World::new().await;
    let ada = world.ada().await;
    let said = Seq(ada.says("react to this").await);
    let mut last = None;
    for n in 0..=EMOJI_PER_ENTRY_MAX {
        last = Some(ada.client.react(ada.lobby, said, &format!("e{n}").parse().unwrap()).await.unwrap());
    }
    ada.says("and what is behind it").await;
    let refused = ada.client.wait_sent(last.unwrap(), PATIENCE).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Refused(Code::QUOTA));
    assert_eq!(ada.client.unsent().await.unwrap(), 0);
}

/// Goal: a room in slow mode makes its own messages wait and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_in_slow_mode_holds_up_no_other_room() {
    let world = World::new().await;
    let ada = world.ada().await;
    let bob = ada.brings("bob").await;
    let slow = ada.slow_room("slow", 3_600_000, &bob).await;
    let [first, second] = bob.queues(slow, &["one", "two"]).await.try_into().unwrap();
    bob.client.wait_sent(first, PATIENCE).await.unwrap();
    for n in 0..3 {
        bob.says(&format!("meanwhile {n}")).await;
    }
    assert_eq!(bob.client.wait_sent(second, Duration::ZERO).await.unwrap_err().code, ErrorCode::Timeout);
    assert_eq!(bob.client.unsent().await.unwrap(), 1);
}

/// Goal: what waits for a slow room goes out in the order in which it was said, by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_slow_room_comes_in_order() {
    let world = World::new().await;
    let ada = world.ada().await;
    let bob = ada.brings("bob").await;
    let slow = ada.slow_room("slow", 300, &bob).await;
    ada.client.open_room(slow, OpenFrom::Start).await.unwrap();
    let first = bob.queues(slow, &["one"]).await[0];
    bob.client.wait_sent(first, PATIENCE).await.unwrap();
    // From here on nothing but refusals comes: nothing else wakes whoever sends.
    bob.queues(slow, &["two", "three", "four"]).await;
    let is_last = |event: &Event| text_of(event).is_some_and(|(_, text)| text == "four");
    let events = ada.events_until(is_last).await;
    let said: Vec<String> = events.iter().filter_map(text_of).map(|(_, text)| text).collect();
    assert_eq!(said, ["one", "two", "three", "four"]);
}
