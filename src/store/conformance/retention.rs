//! What goes: old entries, expired ones, ids, rooms, accounts. Every step may be the last before a restart.

use quipu_protocol::entry::Erasure;
use quipu_protocol::request::Retention;
use quipu_protocol::{InviteId, Kind};

use super::*;
use crate::store::{
    AuthoredPlace, Before, DeviceRow, Keep, PurgeRow, PurgeStage, RelationPlace, deleted_nickname,
};

impl World {
    /// One step of a trim. Whether there is more.
    async fn trim(&self, floor: u64, rows: usize) -> bool {
        self.storage.write(move |writes| Ok(writes.trim(LOBBY, Seq(floor), rows)?)).await.unwrap()
    }

    async fn floor(&self) -> u64 {
        self.storage.read(|reads| reads.room(LOBBY)).await.unwrap().unwrap().floor.0
    }

    async fn marker(&self, user: UserId) -> u64 {
        let member = self.storage.read(move |reads| reads.member(LOBBY, user)).await.unwrap();
        member.unwrap().marker.0
    }

    async fn overdue(&self, keep: Keep) -> Option<u64> {
        let floor = self.storage.read(move |reads| reads.overdue(LOBBY, &keep)).await.unwrap();
        floor.map(|floor| floor.0)
    }
}

fn about(target: u64, kind: Kind) -> NewEntry {
    let ext = Ext { target: Some(Seq(target)), ..Ext::default() };
    NewEntry { kind, message: None, ext, ..says(BOB, 0, "new") }
}

fn vanishing(number: u64, expires_ms: u64) -> NewEntry {
    let ext = Ext { expires_ms: Some(expires_ms), ..Ext::default() };
    NewEntry { ext, ..says(ADA, number, "soon gone") }
}

pub(super) async fn a_trim_takes_the_oldest_in_small_steps_and_moves_markers(world: World) {
    world.create(LOBBY).await;
    for user in [ADA, BOB] {
        world.set_member(LOBBY, user, Some(JOINED)).await;
    }
    for number in 1..=9 {
        world.append(says(if number % 3 == 0 { BOB } else { ADA }, number, "hello")).await;
    }
    world.append(about(2, Kind::EDIT)).await;
    world.append(about(8, Kind::EDIT)).await;
    assert_eq!((world.unread(LOBBY, ADA).await, world.unread(LOBBY, BOB).await), (Some(3), Some(6)));

    // Both markers, one a step, and then the entries.
    assert!(world.trim(7, 1).await);
    assert!(world.trim(7, 1).await);
    assert_eq!((world.marker(ADA).await, world.marker(BOB).await, world.floor().await), (6, 6, 1));
    let mut world = world;
    for floor in [3, 5, 7] {
        assert_eq!(world.trim(7, 2).await, floor < 7);
        // Whenever it is interrupted, the log begins where it says.
        world = world.restarted().await;
        assert_eq!((world.floor().await, world.log(LOBBY).await[0].seq.0), (floor, floor));
    }
    assert!(!world.trim(7, 2).await, "it is done");
    assert_eq!((world.unread(LOBBY, ADA).await, world.unread(LOBBY, BOB).await), (Some(1), Some(2)));
    let edits = |target| {
        move |reads: &dyn crate::store::Reads| reads.about(LOBBY, Seq(target), Kind::EDIT, Seq::ZERO, 9)
    };
    assert!(world.storage.read(edits(2)).await.unwrap().is_empty());
    assert_eq!(world.storage.read(edits(8)).await.unwrap(), [Seq(11)]);
    // Everything may go; the positions go on.
    assert!(!world.trim(u64::MAX, 99).await);
    assert_eq!((world.floor().await, world.unread(LOBBY, BOB).await), (12, Some(0)));
    assert_eq!(place(world.append(says(ADA, 50, "again")).await).at.seq, Seq(12));
    assert_eq!((world.log(LOBBY).await.len(), world.unread(LOBBY, BOB).await), (1, Some(1)));
}

pub(super) async fn what_a_trim_takes_is_no_longer_among_the_words(world: World) {
    world.create(LOBBY).await;
    for number in 1..=6 {
        world.say(number, "hello").await;
    }
    world.trim(3, 99).await;
    assert_eq!(world.named("hello").await, [6, 5, 4, 3]);
    let world = world.restarted().await;
    world.trim(u64::MAX, 2).await;
    assert_eq!(world.named("hello").await, [6, 5]);
    // A deleted room leaves no word either, and another that takes its number finds none of them.
    world.storage.write(|writes| Ok(writes.delete_room(LOBBY)?)).await.unwrap();
    while world.storage.write(|writes| Ok(writes.sweep(2)?)).await.unwrap() {}
    world.create(LOBBY).await;
    world.say(9, "world").await;
    assert_eq!((world.named("hello").await, world.named("world").await), (vec![], vec![1]));
}

pub(super) async fn what_a_room_keeps_says_where_its_log_begins(world: World) {
    world.create(LOBBY).await;
    for number in 1..=20 {
        world.append(NewEntry { now_ms: 1_000 * number, ..says(ADA, number, "hello") }).await;
    }
    let bytes: Vec<u64> = world.log(LOBBY).await.iter().map(|entry| entry.frame.len() as u64).collect();
    let keep = Keep::default();
    assert_eq!(world.overdue(keep).await, None);
    for (keep, floor) in [
        (Keep { count: Some(20), ..keep }, None),
        (Keep { count: Some(5), ..keep }, Some(16)),
        (Keep { count: Some(0), ..keep }, Some(21)),
        (Keep { since_ms: Some(1_000), ..keep }, None),
        (Keep { since_ms: Some(7_001), ..keep }, Some(8)),
        (Keep { since_ms: Some(99_000), ..keep }, Some(21)),
        (Keep { bytes: Some(bytes.iter().sum()), ..keep }, None),
        (Keep { bytes: Some(bytes[17..].iter().sum()), ..keep }, Some(18)),
        (Keep { bytes: Some(0), ..keep }, Some(21)),
        (Keep { since_ms: Some(7_001), count: Some(5), bytes: Some(1 << 40) }, Some(16)),
    ] {
        assert_eq!(world.overdue(keep).await, floor, "{keep:?}");
    }
    // The size follows what is trimmed, erased and said.
    world.trim(11, 99).await;
    let erase = |writes: &mut dyn crate::store::Writes| Ok(writes.erase(LOBBY, Seq(12), Erasure::REMOVED)?);
    world.storage.write(erase).await.unwrap();
    let bytes: u64 = world.log(LOBBY).await.iter().map(|entry| entry.frame.len() as u64).sum();
    assert_eq!(world.overdue(Keep { bytes: Some(bytes), ..keep }).await, None);
    assert_eq!(world.overdue(Keep { bytes: Some(bytes - 1), ..keep }).await, Some(12));
}

pub(super) async fn what_is_over_is_erased_in_order_of_time(world: World) {
    world.create(LOBBY).await;
    world.append(vanishing(1, 9_000)).await;
    world.append(vanishing(2, 7_000)).await;
    world.append(vanishing(3, 8_000)).await;
    world.append(about(2, Kind::EDIT)).await;
    let next = || world.storage.read(|reads| reads.next_expiry());
    let over = |now_ms| world.storage.read(move |reads| reads.expired(LOBBY, Seq(1), Seq(9), now_ms));
    let expire = |now_ms| world.storage.write(move |writes| Ok(writes.expire(now_ms, 2)?));
    assert_eq!(world.entry(4).await.ext.expires_ms, Some(7_000), "an edit goes with what it edits");
    assert_eq!((next().await.unwrap(), over(6_999).await.unwrap()), (Some(7_000), vec![]));
    assert_eq!(expire(6_999).await.unwrap(), 0);
    assert_eq!(over(8_000).await.unwrap(), [2, 4, 3].map(Seq));
    assert_eq!((expire(8_000).await.unwrap(), expire(8_000).await.unwrap()), (2, 1));
    assert_eq!((next().await.unwrap(), over(8_000).await.unwrap()), (Some(9_000), vec![]));
    for seq in [2, 3, 4] {
        let entry = world.entry(seq).await;
        assert_eq!((entry.ext.erased, entry.body.len()), (Some(Erasure::EXPIRED), 0));
    }
    // What is removed before its time expires no more.
    let erase = |writes: &mut dyn crate::store::Writes| Ok(writes.erase(LOBBY, Seq(1), Erasure::REMOVED)?);
    world.storage.write(erase).await.unwrap();
    assert_eq!(world.storage.read(|reads| reads.next_expiry()).await.unwrap(), None);
    world.append(vanishing(5, 9_500)).await;
    world.trim(u64::MAX, 99).await;
    assert_eq!(world.storage.read(|reads| reads.next_expiry()).await.unwrap(), None);
}

pub(super) async fn a_message_takes_the_time_of_its_room_and_a_retry_is_the_same(world: World) {
    world.create(LOBBY).await;
    let said = Retention { age_ms: Some(1), count: Some(2), bytes: None, ttl_ms: Some(500) };
    let set = said.clone();
    world.storage.write(move |writes| Ok(writes.set_retention(LOBBY, &set)?)).await.unwrap();
    assert_eq!(world.storage.read(|reads| reads.retention(LOBBY)).await.unwrap(), said);
    let first = world.append(says(ADA, 1, "hello")).await;
    assert_eq!(world.entry(1).await.ext.expires_ms, Some(5_500));
    assert_eq!(
        world.append(NewEntry { now_ms: 5_200, ..says(ADA, 1, "hello") }).await,
        Appended::Duplicate(place(first))
    );
    world.append(vanishing(2, 5_100)).await;
    assert_eq!(world.entry(2).await.ext.expires_ms, Some(5_100), "its own word goes first");
    world.append(becomes(BOB, Some(JOINED))).await;
    assert_eq!(world.entry(3).await.ext.expires_ms, None, "what the server notes stays");
}

pub(super) async fn message_ids_are_forgotten_after_their_time(world: World) {
    world.create(LOBBY).await;
    for number in 1..=5 {
        world.append(NewEntry { now_ms: 1_000 * number, ..says(ADA, number, "hello") }).await;
    }
    let before = Before { messages_ms: 4_000, ..Before::default() };
    let forget = |rows| world.storage.write(move |writes| Ok(writes.forget(before, rows)?));
    assert_eq!((forget(2).await.unwrap(), forget(2).await.unwrap()), (2, 1));
    assert!(matches!(world.append(says(ADA, 4, "hello")).await, Appended::Duplicate(_)));
    assert!(
        matches!(world.append(says(ADA, 3, "hello")).await, Appended::New(_)),
        "it is another message now"
    );
}

pub(super) async fn a_deleted_room_is_gone_at_once_and_its_rows_in_steps(world: World) {
    world.create(LOBBY).await;
    world.create(room(2)).await;
    world.set_member(LOBBY, ADA, Some(JOINED)).await;
    world.set_member(LOBBY, BOB, Some(INVITED)).await;
    for number in 1..=7 {
        world.append(vanishing(number, 9_000)).await;
        world.append(NewEntry { room: room(2), ..says(ADA, number, "stays") }).await;
    }
    world.append(about(3, Kind::EDIT)).await;
    world.storage.write(|writes| Ok(writes.delete_room(LOBBY)?)).await.unwrap();
    assert_eq!(world.storage.read(|reads| reads.room(LOBBY)).await.unwrap(), None);
    assert!(world.storage.read(|reads| reads.rooms_of(ADA, None, 9)).await.unwrap().is_empty());
    assert!(world.storage.read(|reads| reads.heads(ADA, None)).await.unwrap().is_empty());
    // Killed after every single step, it is finished all the same.
    let (mut world, mut steps) = (world, 0);
    while world.storage.write(|writes| Ok(writes.sweep(3)?)).await.unwrap() {
        assert!(steps < 40);
        steps += 1;
        world = world.restarted().await;
    }
    assert!(steps > 5, "{steps} steps");
    assert!(!world.storage.read(|reads| reads.has_gone_rooms()).await.unwrap());
    assert!(world.storage.read(|reads| reads.is_gone(LOBBY)).await.unwrap(), "who comes back later is told");
    assert!(world.log(LOBBY).await.is_empty());
    assert_eq!(world.storage.read(|reads| reads.next_expiry()).await.unwrap(), None);
    assert_eq!(world.storage.read(|reads| reads.member(LOBBY, ADA)).await.unwrap(), None);
    assert_eq!(world.log(room(2)).await.len(), 7);
    // The same id is a new room, in which the same message is a new one.
    world.create(LOBBY).await;
    assert_eq!(place(world.append(vanishing(1, 9_000)).await).at.seq, Seq(1));
}

pub(super) async fn a_deleted_account_cannot_come_in_and_its_nickname_rests(world: World) {
    let (device, key) = (DeviceId::from_bytes([9; 16]), vec![1, 2, 3]);
    let row = DeviceRow {
        device,
        user: ADA,
        name: "laptop".parse().unwrap(),
        key: key.clone(),
        invite: InviteId::from_bytes([8; 16]),
        created_ms: 1,
        seen_ms: 1,
        revoked_ms: None,
    };
    let ada = user_row(ADA, "Ada");
    let made = ada.clone();
    let make = move |writes: &mut dyn crate::store::Writes| {
        writes.put_user(&made)?;
        Ok(writes.put_device(&row)?)
    };
    world.storage.write(make).await.unwrap();
    world.create(LOBBY).await;
    world.set_member(LOBBY, ADA, Some(JOINED)).await;
    world.set_member(LOBBY, ADA, None).await;
    assert!(world.storage.read(|reads| reads.parted(LOBBY, ADA)).await.unwrap().is_some());
    world.storage.write(move |writes| Ok(writes.delete_user(&ada, 9_000)?)).await.unwrap();
    let world = world.restarted().await;
    assert_eq!(world.storage.read(move |reads| reads.device(device)).await.unwrap(), None);
    let row = world.storage.read(|reads| reads.user(ADA)).await.unwrap().unwrap();
    assert_eq!((row.nickname, row.role, row.epoch), (deleted_nickname(ADA), ServerRole::GUEST, 4));
    let rests = |now_ms| world.storage.read(move |reads| reads.is_resting("ada", now_ms));
    assert_eq!((rests(8_999).await.unwrap(), rests(9_000).await.unwrap()), (true, false));
    let before = Before { names_ms: 9_001, ..Before::default() };
    assert_eq!(world.storage.write(move |writes| Ok(writes.forget(before, 9)?)).await.unwrap(), 1);
    assert!(!rests(8_999).await.unwrap());
    assert_eq!(world.storage.read(|reads| reads.next_leaver()).await.unwrap(), Some(ADA));
    // What it was in a room it had left goes in steps as well.
    while world.storage.write(|writes| Ok(writes.sweep_user(ADA, 1)?)).await.unwrap() {}
    assert_eq!(world.storage.read(|reads| reads.parted(LOBBY, ADA)).await.unwrap(), None);
    assert_eq!(world.storage.read(|reads| reads.next_leaver()).await.unwrap(), None);
}

/// Goal: where a deleted account was is known until the purge of what it wrote has looked there, and no longer.
pub(super) async fn where_somebody_was_is_kept_while_it_is_looked_up(world: World) {
    world.create(LOBBY).await;
    world.set_member(LOBBY, ADA, Some(JOINED)).await;
    let (ada, by) = (user_row(ADA, "Ada"), (BOB, DeviceId::from_bytes([9; 16])));
    let delete = move |writes: &mut dyn crate::store::Writes| {
        let stage = PurgeStage::Everywhere(None);
        writes.put_purge(&PurgeRow { purge: 0, user: ADA, stage, by, reason: None })?;
        Ok(writes.delete_user(&ada, 9_000)?)
    };
    world.storage.write(delete).await.unwrap();
    let leaver = || world.storage.read(|reads| reads.next_leaver());
    let sweep = async || while world.storage.write(|writes| Ok(writes.sweep_user(ADA, 1)?)).await.unwrap() {};
    assert_eq!(leaver().await.unwrap(), Some(ADA), "it leaves at once");
    world.set_member(LOBBY, ADA, None).await;
    sweep().await;
    assert_eq!(leaver().await.unwrap(), None, "and waits");
    let purge = world.storage.read(|reads| Ok((reads.purge()?, reads.rooms_written(ADA, None, 9)?)));
    let (purge, rooms) = purge.await.unwrap();
    assert_eq!(rooms, [(LOBBY, true)]);
    world.storage.write(move |writes| Ok(writes.drop_purge(purge.unwrap().purge)?)).await.unwrap();
    assert_eq!(leaver().await.unwrap(), Some(ADA));
    sweep().await;
    assert_eq!(leaver().await.unwrap(), None);
    assert_eq!(world.storage.read(|reads| reads.parted(LOBBY, ADA)).await.unwrap(), None);
}

/// Goal: what somebody said of a message is theirs, also when the message is no longer in the log.
pub(super) async fn what_is_about_something_that_went_is_still_somebodys(world: World) {
    world.create(LOBBY).await;
    world.append(says(ADA, 1, "frist")).await;
    world.append(about(1, Kind::EDIT)).await;
    world.append(says(ADA, 2, "second")).await;
    world.append(about(3, Kind::EDIT)).await;
    let related = || async {
        let page = world.storage.read(|reads| reads.related(BOB, RelationPlace::default(), 9, usize::MAX));
        page.await.unwrap().0.into_iter().map(|(_, entry)| entry.seq.0).collect::<Vec<_>>()
    };
    assert_eq!(related().await, [2, 4]);
    world.trim(2, 9).await;
    assert_eq!(related().await, [2, 4]);
    world.trim(3, 9).await;
    assert_eq!(related().await, [4]);
    world.trim(5, 9).await;
    assert!(related().await.is_empty());
}

/// Goal: an id that was found to say what an old entry says is not as old as that entry.
pub(super) async fn an_id_that_names_an_older_entry_is_remembered_from_when_it_came(world: World) {
    world.create(LOBBY).await;
    let late = NewEntry { now_ms: 9_000, ..says(ADA, 2, "hello") };
    let (first, again) = (NewEntry { now_ms: 1_000, ..says(ADA, 1, "hello") }, late.clone());
    world.append(first).await;
    let settle = move |writes: &mut dyn crate::store::Writes| Ok(writes.settle(&late, Seq(1))?);
    let settled = place(world.storage.write(settle).await.unwrap());
    assert_eq!((settled.at.seq, settled.at_ms), (Seq(1), 1_000));
    let before = Before { messages_ms: 4_000, ..Before::default() };
    let forgotten = world.storage.write(move |writes| Ok(writes.forget(before, 9)?));
    assert_eq!(forgotten.await.unwrap(), 1, "the first id alone");
    assert_eq!(world.append(again).await, Appended::Duplicate(settled));
}

pub(super) async fn what_somebody_wrote_comes_in_pages(world: World) {
    for number in 1..=3 {
        world.create(room(number)).await;
        for message in 1..=4 {
            let by = if message % 2 == 0 { ADA } else { BOB };
            world.append(NewEntry { room: room(number), ..says(by, message, "hello") }).await;
        }
    }
    for limit in [1, 2, 5, 6, 99] {
        let (mut after, mut found) = (AuthoredPlace::default(), Vec::new());
        loop {
            let page = world.storage.read(move |reads| reads.authored(ADA, after, limit, usize::MAX));
            let (entries, next) = page.await.unwrap();
            assert!(entries.len() <= limit);
            found.extend(entries.into_iter().map(|(room, entry)| (room, entry.seq.0)));
            match next {
                Some(place) => after = place,
                None => break,
            }
        }
        let all = (1..=3).flat_map(|number| [(room(number), 2), (room(number), 4)]);
        assert_eq!(found, all.collect::<Vec<_>>(), "{limit} at a time");
    }
}
