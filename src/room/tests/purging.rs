//! What somebody wrote is erased wherever it is, and whoever may not speak says nothing by that.

use quipu_protocol::request::{Impose, Purge, RoomRole, Sanction, SetRole};
use quipu_protocol::{Code, Text};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::relating::{about, head, text};
use super::*;
use crate::store::Before;

impl World {
    /// Lets the eraser do its work, as a server does.
    fn erasing(&self) -> DropGuard {
        let (rooms, stopping) = (self.rooms.clone(), CancellationToken::new());
        let stop = stopping.clone();
        tokio::spawn(async move { rooms.erase_purged(stop).await });
        stopping.drop_guard()
    }

    async fn purge(&self, who: &Authenticated, room: Option<RoomId>, why: Option<&str>) -> Result<(), Code> {
        let reason = why.map(|why| Text::new(why).unwrap());
        let ask = Purge { user: who.user(), room, reason };
        self.rooms.purge(who, ask).await.map_err(|refusal| refusal.code)
    }

    async fn log(&self, room: RoomId) -> Vec<Entry> {
        let question = move |store: &dyn crate::store::Reads| {
            let entries = store.entries_after(room, Seq::ZERO, usize::MAX, usize::MAX)?;
            entries.iter().map(|stored| stored.entry()).collect()
        };
        self.rooms.storage().read(question).await.unwrap()
    }

    /// What the room was told last, and why.
    async fn told(&self, room: RoomId) -> (Kind, Option<String>) {
        let entry = self.log(room).await.pop().unwrap();
        (entry.kind, entry.ext.reason.map(|reason| reason.as_str().to_owned()))
    }

    async fn mute(&self, user: UserId) {
        let ask = Impose { room: self.room, user, sanction: Sanction::MUTE, life_ms: None, reason: None };
        self.rooms.impose(&self.ada, ask).await.unwrap();
    }

    async fn records(&self) -> usize {
        self.rooms.storage().read(|store| store.audit(None, None, 99)).await.unwrap().len()
    }

    /// Lets all message ids be forgotten, as after a week.
    async fn forget_ids(&self) {
        let before = Before { messages_ms: u64::MAX >> 1, ..Before::default() };
        let job = self.rooms.storage().write(move |store| Ok(store.forget(before, usize::MAX)?));
        assert!(job.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn who_may_not_speak_says_nothing_by_erasing() {
    let world = World::new().await;
    let _eraser = world.erasing();
    let garden = RoomId::from_bytes([8; 16]);
    let ask = CreateRoom {
        room: garden,
        name: "garden".parse().unwrap(),
        visibility: Visibility::PUBLIC,
        topic: None,
    };
    world.rooms.create(&world.ada, ask).await.unwrap();
    world.rooms.join(&world.bob, garden).await.unwrap();
    text(&world, &world.bob, "one").await;
    world.mute(world.bob.user()).await;
    let before = head(&world).await;
    assert_eq!(world.purge(&world.bob, Some(world.room), Some("listen")).await, Err(Code::FORBIDDEN));
    assert_eq!((head(&world).await, world.log(world.room).await[3].text()), (before, Some("one")));
    let in_garden = World { room: garden, ..world };
    text(&in_garden, &in_garden.bob, "two").await;
    let world = World { room: RoomId::from_bytes([7; 16]), ..in_garden };
    world.purge(&world.bob, None, Some("listen")).await.unwrap();
    // Where he is heard, and nowhere else.
    assert_eq!(world.told(garden).await, (Kind::ERASURE, Some("listen".to_owned())));
    assert_eq!(world.told(world.room).await, (Kind::ERASURE, None));
    for room in [garden, world.room] {
        assert!(world.log(room).await.iter().all(|entry| entry.text().is_none()));
    }
}

#[tokio::test]
async fn a_purge_that_finds_nothing_leaves_nothing() {
    let world = World::new().await;
    let _eraser = world.erasing();
    let stranger = account(world.rooms.storage(), 3, "cyd").await;
    let before = head(&world).await;
    for who in [&stranger, &world.bob] {
        for room in [Some(world.room), None] {
            world.purge(who, room, None).await.unwrap();
        }
    }
    assert_eq!((head(&world).await, world.records().await), (before, 0));
    text(&world, &world.bob, "one").await;
    for _ in 0..3 {
        world.purge(&world.bob, Some(world.room), None).await.unwrap();
    }
    // The message, and that it is gone.
    assert_eq!((head(&world).await.0, world.records().await), (before.0 + 2, 1));
}

#[tokio::test]
async fn who_may_not_speak_says_nothing_by_stepping_down() {
    let world = World::new().await;
    let (room, user) = (world.room, world.bob.user());
    world.mute(user).await;
    let step = |reason| SetRole { room, user, role: RoomRole::READER, reason };
    let aloud = world.rooms.set_role(&world.bob, step(Some(Text::new("listen").unwrap()))).await;
    assert_eq!(aloud.unwrap_err().code, Code::FORBIDDEN);
    world.rooms.set_role(&world.bob, step(None)).await.unwrap();
    assert_eq!(world.told(room).await, (Kind::ROLE, None));
}

/// Goal: whatever is left of somebody's words is found, also where they never wrote a message, or are no longer.
#[tokio::test]
async fn a_purge_of_everything_finds_what_is_older_than_message_ids() {
    for leaves in [false, true] {
        let world = World::new().await;
        let _eraser = world.erasing();
        let said = text(&world, &world.ada, "shall we?").await;
        let word = about(&world, &world.bob, Kind::REACTION, said, "no").await.unwrap().at.seq;
        if leaves {
            world.rooms.leave(&world.bob, world.room).await.unwrap();
        }
        world.forget_ids().await;
        world.purge(&world.bob, None, None).await.unwrap();
        let log = world.log(world.room).await;
        assert!(log[word.0 as usize - 1].is_erased(), "left: {leaves}");
        assert_eq!(log[said.0 as usize - 1].text(), Some("shall we?"));
    }
}
