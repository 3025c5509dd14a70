//! What goes, and those who stay: deleted rooms, accounts that are not in use, receipts of leavers, entries that are over.

use quipu_protocol::file::Download;
use quipu_protocol::request::*;
use quipu_protocol::{Code, List, Refusal, Text};

use super::*;
use crate::room::{fading, leaving};
use crate::store::{MemberState, NewEntry, RoomRow, Store as _};

fn code<T>(answer: Result<T, Refusal>) -> Code {
    answer.err().expect("a refusal").code
}

/// Goal: who was in a room that was deleted, and comes back later, is told so whatever they ask.
#[tokio::test]
async fn a_deleted_room_is_gone_in_every_reading() {
    let world = World::new().await;
    let (rooms, room, who) = (&world.rooms, world.room, &world.bob);
    let confirm = Text::new("den").unwrap();
    rooms.delete(&world.ada, DeleteRoom { room, confirm, reason: None }).await.unwrap();
    let words = Search::for_words(Text::new("quiet").unwrap());
    let (seq, hash) = (Seq(1), Blob::new(vec![5; 32]).unwrap());
    let answers = [
        code(rooms.subscribe(who, &SubscribeRoom { room, after: None, backlog: 1 }).await),
        code(rooms.history(who, History { room, anchor: Anchor::LATEST, limit: 1, thread: None }).await),
        code(rooms.members(who, ListMembers { room, after: None }).await),
        code(rooms.files(who, ListFiles { room, before: None }).await),
        code(rooms.file(who, &Download { room, seq, hash, offset: 0, length: None }).await),
        code(rooms.search(who, Search { rooms: Some(List::first(vec![room])), ..words }).await),
        code(rooms.reactions(who, ListReactions { room, seq, after: None }).await),
        code(rooms.pins(who, ListPins { room, after: None }).await),
        code(rooms.receipts(who, ListReceipts { room }).await),
        code(rooms.mark_read(who, MarkRead { room, seq }).await),
        code(rooms.mark_unread(who, MarkUnread { room, from: seq }).await),
        code(rooms.set_notify(who, SetNotify { room, level: Notify::MENTIONS }).await),
        code(rooms.leave(who, room).await),
    ];
    assert_eq!(answers, [Code::GONE; 13]);
    let never = RoomId::from_bytes([1; 16]);
    assert_eq!(code(rooms.members(who, ListMembers { room: never, after: None }).await), Code::NOT_FOUND);
}

/// Goal: a room whose last owner in use goes is left to somebody who can look after it.
#[tokio::test]
async fn the_next_owner_is_somebody_whose_account_is_in_use() {
    let world = World::new().await;
    let storage = world.rooms.storage();
    let (room, ada) = (world.room, world.ada.user());
    let (cyd, dan) = (account(storage, 3, "cyd").await.user(), account(storage, 4, "dan").await.user());
    let bob = world.bob.user();
    let job = storage.write(move |store| {
        let as_a = |role| Some(MemberState { role, ..rules::joined(RoomRole::MEMBER) });
        store.set_member(room, bob, as_a(RoomRole::OWNER))?;
        store.set_member(room, cyd, as_a(RoomRole::MODERATOR))?;
        store.set_member(room, dan, as_a(RoomRole::MEMBER))?;
        for user in [ada, bob, cyd] {
            let row = store.user(user)?.unwrap();
            store.put_user(&UserRow { deactivated_ms: Some(1), ..row })?;
        }
        leaving::leave_some(store, ada, 2)?;
        [ada, bob, cyd, dan].into_iter().map(|user| Ok(store.member(room, user)?)).collect()
    });
    let members: Vec<_> = job.await.unwrap();
    let roles: Vec<_> = members.iter().map(|member| member.map(|member| member.state.role)).collect();
    let (owner, moderator) = (Some(RoomRole::OWNER), Some(RoomRole::MODERATOR));
    assert_eq!(roles, [None, owner, moderator, owner]);
}

#[tokio::test]
async fn nobody_is_brought_into_a_direct_room_who_cannot_come() {
    let world = World::new().await;
    let bob = world.bob.user();
    let deactivate = |deactivated_ms| {
        world.rooms.storage().write(move |store| {
            let row = store.user(bob)?.unwrap();
            Ok(store.put_user(&UserRow { deactivated_ms, ..row })?)
        })
    };
    deactivate(Some(1)).await.unwrap();
    assert_eq!(code(world.rooms.direct(&world.ada, Direct { user: bob }).await), Code::GONE);
    deactivate(None).await.unwrap();
    let room = world.rooms.direct(&world.ada, Direct { user: bob }).await.unwrap().room;
    deactivate(Some(1)).await.unwrap();
    // What they said there stays to be read.
    assert_eq!(world.rooms.direct(&world.ada, Direct { user: bob }).await.unwrap().room, room);
}

impl World {
    /// A connection's inbox that has told everything; with the room open, or not.
    async fn inbox(&self, who: &Authenticated, is_open: bool) -> Arc<Inbox> {
        let inbox = Arc::new(Inbox::new(who.user()));
        self.rooms.live().register(&inbox);
        assert!(self.rooms.live().follow(&inbox, [self.room], 0));
        if is_open {
            inbox.opened(self.room);
        }
        inbox.take().await;
        inbox
    }
}

#[tokio::test]
async fn the_receipt_of_somebody_who_leaves_is_taken_back() {
    let world = World::new().await;
    let reader = world.inbox(&world.ada, true).await;
    world.rooms.leave(&world.bob, world.room).await.unwrap();
    assert_eq!(reader.take().await.soft.receipts, [world.room].into());
}

#[tokio::test]
async fn what_one_says_is_summed_up_only_where_the_room_is_not_open() {
    let world = World::new().await;
    let open = world.inbox(&world.ada, true).await;
    let closed = world.inbox(&world.ada, false).await;
    while open.has_news() {
        open.take().await; // That the other one came.
    }
    world.say(1).await;
    assert!(!open.has_news(), "its stream says it");
    assert_eq!(closed.take().await.heads, [world.room].into());
}

/// Goal: the sweeper may erase at any moment, and nobody is shown what was over before they asked.
#[tokio::test]
async fn what_is_erased_between_two_questions_is_not_shown() {
    let mut store = MemoryStore::new();
    let room = RoomId::from_bytes([7; 16]);
    let row = RoomRow {
        room,
        name: None,
        visibility: Visibility::PUBLIC,
        topic: None,
        direct: None,
        head: Cursor::default(),
        floor: Seq(1),
        members: 0,
        creator: None,
        created_ms: 0,
        settings: crate::store::Settings::default(),
    };
    let said = NewEntry {
        room,
        now_ms: 1,
        author: None,
        message: None,
        kind: Kind::TEXT,
        body: Blob::new(b"a secret".to_vec()).unwrap(),
        ext: Ext { expires_ms: Some(9_000), ..Ext::default() },
        membership: None,
    };
    store
        .commit(&mut |writes| {
            writes.insert_room(&row).unwrap();
            writes.append(said.clone()).unwrap();
        })
        .unwrap();
    let reader = store.reader().unwrap();
    let read = || {
        let entries = reader.entries_after(room, Seq::ZERO, 9, usize::MAX);
        store.commit(&mut |writes| assert_eq!(writes.expire(9_000, 9).unwrap(), 1)).unwrap();
        entries
    };
    let shown = fading::as_shown(&*reader, room, 9_000, read).unwrap();
    assert!(entry(&shown[0].frame).is_erased());
}
