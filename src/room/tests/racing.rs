//! What is decided about somebody against what they have under way, in every order there is.

use quipu_protocol::request::{Impose, RoomSettings, Sanction, SetRoom};
use quipu_protocol::{Code, publish::Ack};

use super::*;
use crate::store::{Pending, WriteError};

/// What moderators may do to keep somebody silent.
#[derive(Debug, Clone, Copy)]
enum Blow {
    Kick,
    Ban,
    Mute,
    ReadOnly,
}

impl World {
    /// Takes a place in the queue for something Bob says.
    async fn under_way(&self, id: u32) -> Pending<Ack> {
        let mut message = [0; 16];
        message[..4].copy_from_slice(&id.to_be_bytes());
        let draft = Draft {
            room: self.room,
            message: MessageId::from_bytes(message),
            kind: Kind::TEXT,
            body: Blob::new(id.to_string().into_bytes()).unwrap(),
            ext: Ext::default(),
        };
        self.rooms.publish(&self.bob, draft, &Lane::default()).await.unwrap()
    }

    async fn strike(&self, blow: Blow) {
        let (room, user, reason) = (self.room, self.bob.user(), None);
        let sanction = |sanction| Impose { room, user, sanction, life_ms: None, reason: None };
        match blow {
            Blow::Kick => {
                self.rooms.remove_member(&self.ada, RemoveMember { room, user, reason }).await.unwrap()
            }
            Blow::Ban => self.rooms.impose(&self.ada, sanction(Sanction::BAN)).await.unwrap(),
            Blow::Mute => self.rooms.impose(&self.ada, sanction(Sanction::MUTE)).await.unwrap(),
            Blow::ReadOnly => {
                let settings = RoomSettings { read_only: Some(true), ..RoomSettings::default() };
                self.rooms.set_room(&self.ada, SetRoom { room, settings, reason }).await.map(drop).unwrap();
            }
        }
    }
}

/// Goal: the place in the log decides, for each place among messages that are under way.
#[tokio::test]
async fn what_stands_before_the_blow_was_said_and_nothing_behind_it_was() {
    const MESSAGES: u32 = 4;
    for blow in [Blow::Kick, Blow::Ban, Blow::Mute, Blow::ReadOnly] {
        for place in 0..=MESSAGES {
            let world = World::new().await;
            let mut pending = Vec::new();
            for id in 0..place {
                pending.push(world.under_way(id).await);
            }
            // In this order each takes its place in the queue.
            let behind = async {
                let mut behind = Vec::new();
                for id in place..MESSAGES {
                    behind.push(world.under_way(id).await);
                }
                behind
            };
            let ((), behind) = tokio::join!(biased; world.strike(blow), behind);
            pending.extend(behind);
            let mut outcomes = Vec::new();
            for answer in pending {
                outcomes.push(answer.await.map_err(WriteError::refusal));
            }
            let head = world.rooms.info(world.ada.user(), world.room).await.unwrap().head;
            let (mut all, _) = world.read(&world.ada, Some(Cursor { seq: Seq(3), ..head }), 100).await;
            let Next::Entries(frames) = all.next().await.unwrap() else { panic!("entries") };
            let entries: Vec<Entry> = frames.iter().map(entry).collect();
            let said = |entry: &&Entry| entry.kind == Kind::TEXT;
            let first = entries.iter().position(|entry| entry.kind != Kind::TEXT).unwrap();
            assert_eq!(first, place as usize, "{blow:?} at {place}");
            assert_eq!(entries.iter().filter(said).count(), place as usize, "{blow:?} at {place}");
            for (id, outcome) in (0..).zip(outcomes) {
                match outcome {
                    Ok(ack) => {
                        assert!(id < place && ack.at.seq == entries[id as usize].seq, "{blow:?} at {place}")
                    }
                    Err(no) => {
                        assert!(id >= place && no.code == Code::FORBIDDEN, "{blow:?} at {place}: {no}")
                    }
                }
            }
        }
    }
}
