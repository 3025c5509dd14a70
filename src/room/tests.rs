//! Readers against a real log: whatever happens in between, they are given everything once, or told.

use std::sync::Arc;

use bytes::Bytes;
use quipu_protocol::request::{CreateRoom, RemoveMember, ServerRole, SubscribeRoom, Visibility};
use quipu_protocol::room::{EndReason, GapReason};
use quipu_protocol::{Blob, Cursor, Draft, Entry, Ext, FrameDecoder, Kind, MessageId, RoomId, Seq, UserId};

use super::*;
use crate::auth::Authenticated;
use crate::limits::TAIL_ENTRIES_MAX;
use crate::seams::Seams;
use crate::store::memory::MemoryStore;
use crate::store::{Blocking, Effect, Lane, Observer, Storage, UserRow};

mod going;
mod lists;
mod load;
mod matrix;
mod membership;
mod mentions;
mod purging;
mod racing;
mod receipts;
mod relating;
mod search;

struct World {
    rooms: Rooms,
    ada: Authenticated,
    bob: Authenticated,
    room: RoomId,
}

/// Keeps what was committed from the living rooms until it is told otherwise.
struct Late(Arc<Live>, std::sync::Mutex<Option<Vec<Effect>>>);

impl Observer for Late {
    fn committed(&self, effects: &[Effect]) {
        match &mut *self.1.lock().unwrap() {
            Some(kept) => kept.extend_from_slice(effects),
            None => self.0.committed(effects),
        }
    }
}

/// Somebody with an account.
async fn account(storage: &Storage, n: u8, name: &str) -> Authenticated {
    let who = Authenticated::for_test(UserId::from_bytes([n; 16]), name, ServerRole::MEMBER);
    let row = UserRow {
        user: who.user(),
        nickname: who.nickname().clone(),
        role: who.role(),
        epoch: 0,
        created_ms: 0,
        deactivated_ms: None,
    };
    storage.write(move |store| Ok(store.put_user(&row)?)).await.unwrap();
    who
}

impl World {
    async fn new() -> Self {
        let live = Arc::new(Live::default());
        Self::observed_by(live.clone(), live).await
    }

    async fn observed_by(live: Arc<Live>, observer: Arc<dyn Observer>) -> Self {
        let storage = Storage::start(Box::new(MemoryStore::new()), Blocking::Inline, observer).unwrap();
        let rooms = Rooms::new(storage.clone(), live, Seams::system());
        let (ada, bob) = (account(&storage, 1, "ada").await, account(&storage, 2, "bob").await);
        let room = RoomId::from_bytes([7; 16]);
        let name = "den".parse().unwrap();
        let ask = CreateRoom { room, name, visibility: Visibility::PUBLIC, topic: None };
        rooms.create(&ada, ask).await.unwrap(); // Two entries: created, and ada joined.
        rooms.join(&bob, room).await.unwrap(); // The third.
        Self { rooms, ada, bob, room }
    }

    async fn say(&self, id: u32) -> quipu_protocol::publish::Ack {
        self.try_say(&self.ada, id, Ext::default()).await.unwrap()
    }

    async fn try_say(
        &self,
        who: &Authenticated,
        id: u32,
        ext: Ext,
    ) -> Result<quipu_protocol::publish::Ack, quipu_protocol::Refusal> {
        let mut message = [0; 16];
        message[..4].copy_from_slice(&id.to_be_bytes());
        let draft = Draft {
            room: self.room,
            message: MessageId::from_bytes(message),
            kind: Kind::TEXT,
            body: Blob::new(id.to_string().into_bytes()).unwrap(),
            ext,
        };
        let pending = self.rooms.publish(who, draft, &Lane::default()).await?;
        pending.await.map_err(crate::store::WriteError::refusal)
    }

    async fn read(&self, who: &Authenticated, after: Option<Cursor>, backlog: u64) -> (Subscription, Cursor) {
        let ask = SubscribeRoom { room: self.room, after, backlog };
        let opened = self.rooms.subscribe(who, &ask).await.unwrap();
        (opened.subscription, opened.opened.start)
    }
}

/// Positions of the entries, gaps as pairs, up to the place where the reader has caught up or ended.
async fn walk(subscription: &mut Subscription) -> (Vec<u64>, Vec<(u64, u64, GapReason)>, Option<EndReason>) {
    let (mut seqs, mut gaps) = (Vec::new(), Vec::new());
    loop {
        match subscription.next().await.unwrap() {
            Next::Entries(frames) => seqs.extend(frames.iter().map(|frame| seq(frame).0)),
            Next::Gap(from, to, reason) => gaps.push((from.0, to.0, reason)),
            Next::CaughtUp(_) => return (seqs, gaps, None),
            Next::End(reason) => return (seqs, gaps, Some(reason)),
        }
    }
}

fn seq(frame: &Bytes) -> Seq {
    entry(frame).seq
}

fn entry(frame: &Bytes) -> Entry {
    let mut decoder = FrameDecoder::default();
    decoder.feed(frame);
    decoder.next_frame().unwrap().unwrap().decode::<Entry>().unwrap()
}

#[tokio::test]
async fn a_reader_returns_where_it_left() {
    let world = World::new().await;
    let (mut first, start) = world.read(&world.bob, None, 100).await;
    assert_eq!((start.seq, walk(&mut first).await.0), (Seq::ZERO, vec![1, 2, 3]));
    drop(first);
    let at = world.say(1).await.at;
    world.say(2).await;
    let (mut again, _) = world.read(&world.bob, Some(Cursor { seq: Seq(3), ..at }), 100).await;
    assert_eq!(walk(&mut again).await.0, [4, 5]);
    world.say(3).await;
    let Next::Entries(live) = again.next().await.unwrap() else { panic!("an entry is live") };
    assert_eq!(live.iter().map(seq).collect::<Vec<_>>(), [Seq(6)]);
}

#[tokio::test]
async fn a_backlog_is_cut_with_a_gap_and_another_incarnation_is_told() {
    let world = World::new().await;
    let mut at = Cursor::default();
    for id in 0..20 {
        at = world.say(id).await.at;
    }
    let (mut behind, start) = world.read(&world.bob, Some(Cursor { seq: Seq(3), ..at }), 5).await;
    assert_eq!(start.seq, Seq(3));
    assert_eq!(walk(&mut behind).await, ((19..=23).collect(), vec![(4, 18, GapReason::BACKLOG)], None));
    let other = Cursor { incarnation: quipu_protocol::Incarnation(at.incarnation.0 + 1), seq: Seq(20) };
    let (mut restored, start) = world.read(&world.bob, Some(other), 5).await;
    assert_eq!(start, Cursor { seq: Seq::ZERO, ..at });
    assert_eq!(walk(&mut restored).await, ((19..=23).collect(), vec![(1, 18, GapReason::INCARNATION)], None));
}

/// Goal: a reader that stands still is served from the store, and the tail's bound decides nothing but from where.
#[tokio::test]
async fn a_slow_reader_misses_nothing_behind_the_tail() {
    let world = World::new().await;
    let (mut slow, _) = world.read(&world.bob, None, 0).await;
    assert_eq!(walk(&mut slow).await.0, Vec::<u64>::new());
    let many = TAIL_ENTRIES_MAX as u32 + 300;
    for id in 0..many {
        world.say(id).await;
    }
    let mut seen = Vec::new();
    while seen.len() < many as usize {
        let Next::Entries(frames) = slow.next().await.unwrap() else { panic!("entries, no gap") };
        seen.extend(frames.iter().map(|frame| seq(frame).0));
    }
    assert_eq!(seen, (4..4 + u64::from(many)).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_is_sent_out_reads_up_to_that_entry_and_no_further() {
    let world = World::new().await;
    let (mut bobs, _) = world.read(&world.bob, None, 0).await;
    assert_eq!(walk(&mut bobs).await.2, None);
    world.say(1).await;
    world
        .rooms
        .remove_member(&world.ada, RemoveMember { room: world.room, user: world.bob.user(), reason: None })
        .await
        .unwrap();
    world.say(2).await;
    assert_eq!(walk(&mut bobs).await, (vec![4, 5], vec![], Some(EndReason::REMOVED)));
    let refused = world.try_say(&world.bob, 9, Ext::default()).await.unwrap_err();
    assert_eq!(refused.code, quipu_protocol::Code::FORBIDDEN);
}

#[tokio::test]
async fn what_was_acknowledged_stays_acknowledged_after_leaving() {
    let world = World::new().await;
    let first = world.try_say(&world.bob, 1, Ext::default()).await.unwrap();
    world.rooms.leave(&world.bob, world.room).await.unwrap();
    let again = world.try_say(&world.bob, 1, Ext::default()).await.unwrap();
    assert_eq!((again.at, again.duplicate), (first.at, true));
}

#[tokio::test]
async fn a_condition_on_the_head_holds_once() {
    let world = World::new().await;
    let on = |seq| Ext { if_head: Some(Seq(seq)), ..Ext::default() };
    let first = world.try_say(&world.ada, 1, on(3)).await.unwrap();
    assert_eq!(world.try_say(&world.bob, 2, on(3)).await.unwrap_err().code, quipu_protocol::Code::STALE_HEAD);
    // The retry of the winner is no loser.
    assert_eq!(world.try_say(&world.ada, 1, on(3)).await.unwrap().at, first.at);
}

#[tokio::test]
async fn rooms_without_readers_leave_nothing_behind() {
    let world = World::new().await;
    let (one, _) = world.read(&world.bob, None, 0).await;
    let (other, _) = world.read(&world.ada, None, 0).await;
    assert_eq!(world.rooms.live().open_rooms(), 1);
    drop(one);
    assert_eq!(world.rooms.live().open_rooms(), 1);
    drop(other);
    assert_eq!(world.rooms.live().open_rooms(), 0);
}

/// Goal: the store may be ahead of what was observed; nobody reads beyond their own removal because of it.
#[tokio::test]
async fn a_lagging_reader_is_not_given_what_follows_its_removal() {
    let live = Arc::new(Live::default());
    let late = Arc::new(Late(live.clone(), std::sync::Mutex::default()));
    let world = World::observed_by(live.clone(), late.clone()).await;
    let (mut bobs, _) = world.read(&world.bob, None, 100).await;
    *late.1.lock().unwrap() = Some(Vec::new());
    world.say(1).await;
    let out = RemoveMember { room: world.room, user: world.bob.user(), reason: None };
    world.rooms.remove_member(&world.ada, out).await.unwrap();
    world.say(2).await;
    let Next::Entries(known) = bobs.next().await.unwrap() else { panic!("entries he may read") };
    assert_eq!(known.iter().map(|frame| seq(frame).0).collect::<Vec<_>>(), [1, 2, 3]);
    let kept = late.1.lock().unwrap().take().unwrap();
    live.committed(&kept);
    assert_eq!(walk(&mut bobs).await, (vec![4, 5], vec![], Some(EndReason::REMOVED)));
}
