//! Order, deduplication, jobs, pages, restarts.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use quipu_protocol::entry::Erasure;
use quipu_protocol::{Code, Entry, FrameDecoder, Refusal, Seq};

use super::*;
use crate::store::{Pending, StoreError};

pub(super) async fn order_is_dense_from_one(world: World) {
    world.create(LOBBY).await;
    world.create(room(2)).await;
    for number in 1..=20 {
        let mut new = says(ADA, number, "hello");
        let at = place(world.append(new.clone()).await).at;
        assert_eq!(at, Cursor { seq: Seq(number), ..room_row(LOBBY).head });
        new.room = room(2);
        assert_eq!(place(world.append(new).await).at.seq, Seq(number));
    }
    let log = world.log(LOBBY).await;
    assert_eq!(log.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    let entry = decoded(&log[6]);
    assert_eq!(
        (entry.seq, entry.user, entry.message, entry.text()),
        (Seq(7), Some(ADA), Some(message(7)), Some("hello"))
    );
    let row = world.storage.read(|reads| reads.room(LOBBY)).await.unwrap().unwrap();
    assert_eq!((row.head.seq, row.floor), (Seq(20), Seq(1)));
}

pub(super) async fn a_retry_gets_the_first_place(world: World) {
    world.create(LOBBY).await;
    let first = world.append(says(ADA, 1, "hello")).await;
    world.append(says(ADA, 2, "more")).await;
    let again = world.append(NewEntry { now_ms: 9_000, ..says(ADA, 1, "hello") }).await;
    assert_eq!(again, Appended::Duplicate(place(first)));
    // Also when both are in one job, and so in one batch.
    let twice = |writes: &mut dyn crate::store::Writes| {
        Ok((writes.append(says(BOB, 1, "hi"))?, writes.append(says(BOB, 1, "hi"))?))
    };
    let (first, again) = world.storage.write(twice).await.unwrap();
    assert_eq!(again, Appended::Duplicate(place(first)));
    assert_eq!(world.seen.of(LOBBY), [1, 2, 3]);
}

pub(super) async fn another_content_under_the_id_is_a_conflict(world: World) {
    world.create(LOBBY).await;
    world.append(says(ADA, 1, "hello")).await;
    let reply = Ext { reply_to: Some(Seq(1)), ..Ext::default() };
    for other in [
        says(ADA, 1, "hell0"),
        says(ADA, 1, ""),
        NewEntry { kind: Kind(64), ..says(ADA, 1, "hello") },
        NewEntry { ext: reply, ..says(ADA, 1, "hello") },
    ] {
        assert_eq!(world.append(other).await, Appended::Conflict);
    }
    assert_eq!(world.log(LOBBY).await.len(), 1);
}

pub(super) async fn ids_are_the_authors_own(world: World) {
    world.create(LOBBY).await;
    world.create(room(2)).await;
    for new in [
        says(ADA, 1, "a"),
        says(BOB, 1, "b"),
        NewEntry { room: room(2), ..says(ADA, 1, "c") },
        // The server's own notes have no id and are never the same.
        becomes(ADA, Some(INVITED)),
        becomes(ADA, Some(INVITED)),
    ] {
        assert!(matches!(world.append(new).await, Appended::New(_)));
    }
    assert_eq!(world.seen.of(LOBBY), [1, 2, 3, 4]);
}

pub(super) async fn conditions_are_not_kept(world: World) {
    world.create(LOBBY).await;
    let conditional = Ext { if_head: Some(Seq(0)), if_epoch: Some(4), epoch: Some(5), ..Ext::default() };
    let kept = Ext { epoch: Some(5), ..Ext::default() };
    world.append(NewEntry { ext: conditional, ..says(ADA, 1, "hello") }).await;
    assert_eq!(decoded(&world.log(LOBBY).await[0]).ext, kept);
    let again = world.append(NewEntry { ext: kept, ..says(ADA, 1, "hello") }).await;
    assert!(matches!(again, Appended::Duplicate(_)));
}

pub(super) async fn time_never_goes_back(world: World) {
    world.create(LOBBY).await;
    let mut times = Vec::new();
    for (number, now_ms) in [(1, 5_000), (2, 4_000), (3, 6_000), (4, 0)] {
        times.push(place(world.append(NewEntry { now_ms, ..says(ADA, number, "x") }).await).at_ms);
    }
    assert_eq!(times, [5_000, 5_000, 6_000, 6_000]);
    let kept = world.log(LOBBY).await.iter().map(|entry| decoded(entry).at_ms).collect::<Vec<_>>();
    assert_eq!(kept, times);
}

pub(super) async fn a_failed_job_leaves_no_trace(world: World) {
    world.create(LOBBY).await;
    let mut jobs: Vec<Pending<()>> = Vec::new();
    // All in one batch or in several: the others must not notice.
    for number in 1..=30 {
        let job = move |writes: &mut dyn crate::store::Writes| {
            writes.append(says(ADA, number, "hello"))?;
            if number % 3 != 0 {
                return Ok(());
            }
            writes.append(becomes(BOB, Some(JOINED)))?;
            writes.set_member(LOBBY, ADA, Some(JOINED))?;
            writes.insert_room(&room_row(room(2)))?;
            writes.put_user(&user_row(ADA, "ada"))?;
            Err(Refusal::new(Code::FORBIDDEN).into())
        };
        jobs.push(world.storage.enqueue(job).await.unwrap());
    }
    for (job, number) in jobs.into_iter().zip(1..) {
        match job.await {
            Ok(()) => assert_ne!(number % 3, 0),
            outcome => assert_eq!((refused(outcome), number % 3), (Code::FORBIDDEN, 0)),
        }
    }
    let dense = (1..=20).collect::<Vec<_>>();
    assert_eq!(world.seen.of(LOBBY), dense);
    assert_eq!(world.log(LOBBY).await.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(), dense);
    let traces = |reads: &dyn crate::store::Reads| {
        let members = reads.room(LOBBY)?.map(|room| room.members);
        Ok((
            members,
            reads.member(LOBBY, ADA)?,
            reads.member(LOBBY, BOB)?,
            reads.room(room(2))?,
            reads.users()?,
        ))
    };
    assert_eq!(world.storage.read(traces).await.unwrap(), (Some(0), None, None, None, 0));
    // The ids of what was undone are free.
    assert!(matches!(world.append(says(ADA, 3, "other")).await, Appended::New(_)));
}

pub(super) async fn a_panic_harms_only_its_job(world: World) {
    world.create(LOBBY).await;
    let before = world.storage.enqueue(|writes| Ok(writes.append(says(ADA, 1, "a"))?)).await.unwrap();
    let panics = |writes: &mut dyn crate::store::Writes| -> Result<(), WriteError> {
        writes.append(says(ADA, 2, "b"))?;
        std::panic::resume_unwind(Box::new("a bug"))
    };
    let panics = world.storage.enqueue(panics).await.unwrap();
    let after = world.storage.enqueue(|writes| Ok(writes.append(says(ADA, 3, "c"))?)).await.unwrap();
    assert_eq!(place(before.await.unwrap()).at.seq, Seq(1));
    assert!(matches!(panics.await, Err(WriteError::Store(StoreError::Failed(_)))));
    assert_eq!(place(after.await.unwrap()).at.seq, Seq(2));

    let question = |_: &dyn crate::store::Reads| -> Result<(), StoreError> {
        std::panic::resume_unwind(Box::new("a bug"))
    };
    for _ in 0..10 {
        assert!(matches!(world.storage.read(question).await, Err(StoreError::Failed(_))));
    }
    assert_eq!(world.log(LOBBY).await.len(), 2);
}

pub(super) async fn a_batch_is_observed_before_it_is_answered(world: World) {
    world.create(LOBBY).await;
    let world = Arc::new(world);
    let authors = (1..=8).map(|author| {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let mut places = Vec::new();
            for number in 1..=40 {
                let seq = place(world.append(says(user(author), number, "hello")).await).at.seq;
                assert!(world.seen.of(LOBBY).contains(&seq.0), "answered before it was observed");
                let read =
                    world.storage.read(move |reads| reads.entries_before(LOBBY, seq.next(), 1, 0)).await;
                assert_eq!(read.unwrap()[0].seq, seq, "answered before it could be read");
                places.push(seq.0);
            }
            assert!(places.is_sorted());
            places
        })
    });
    let mut places = BTreeSet::new();
    for author in authors.collect::<Vec<_>>() {
        places.extend(author.await.unwrap());
    }
    assert_eq!(places, (1..=320).collect());
    assert_eq!(world.seen.of(LOBBY), (1..=320).collect::<Vec<_>>());
}

const NOTHING: RangeInclusive<u64> = RangeInclusive::new(1, 0);

pub(super) async fn pages_go_both_ways(world: World) {
    world.create(LOBBY).await;
    world.create(room(2)).await;
    for number in 1..=30 {
        world.append(says(ADA, number, "hello")).await;
        world.append(NewEntry { room: room(2), ..says(ADA, number, "elsewhere") }).await;
    }
    let size = world.log(LOBBY).await[0].frame.len();
    for (after, limit, bytes_max, expected) in [
        (0, 10, usize::MAX, 1..=10),
        (25, 10, usize::MAX, 26..=30),
        (30, 10, usize::MAX, NOTHING),
        (u64::MAX, 10, usize::MAX, NOTHING),
        (10, 10, 3 * size + 5, 11..=13),
        (10, 10, 0, 11..=11),
        (10, 0, usize::MAX, NOTHING),
    ] {
        let page = world.storage.read(move |reads| reads.entries_after(LOBBY, Seq(after), limit, bytes_max));
        check_page(&page.await.unwrap(), expected);
    }
    for (before, limit, bytes_max, expected) in [
        (31, 10, usize::MAX, 21..=30),
        (u64::MAX, 2, usize::MAX, 29..=30),
        (5, 10, usize::MAX, 1..=4),
        (1, 10, usize::MAX, NOTHING),
        (0, 10, usize::MAX, NOTHING),
        (20, 10, 3 * size + 5, 17..=19),
        (20, 10, 0, 19..=19),
    ] {
        let page =
            world.storage.read(move |reads| reads.entries_before(LOBBY, Seq(before), limit, bytes_max));
        check_page(&page.await.unwrap(), expected);
    }
}

fn check_page(page: &[StoredEntry], expected: RangeInclusive<u64>) {
    assert_eq!(page.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert!(
        page.iter().all(|entry| decoded(entry).seq == entry.seq && decoded(entry).text() == Some("hello"))
    );
}

pub(super) async fn what_was_answered_outlives_a_restart(mut world: World) {
    world.create(LOBBY).await;
    world.append(becomes(BOB, Some(JOINED))).await;
    let mut places = Vec::new();
    for round in 0..3 {
        for number in 1..=10 {
            places.push(place(world.append(says(ADA, round * 10 + number, "hello")).await));
        }
        let before = world.log(LOBBY).await;
        world = world.restarted().await;
        assert_eq!(world.log(LOBBY).await, before);
    }
    for (first, number) in places.into_iter().zip(1..) {
        assert_eq!(world.append(says(ADA, number, "hello")).await, Appended::Duplicate(first));
        assert_eq!(world.append(says(ADA, number, "other")).await, Appended::Conflict);
    }
    assert_eq!(world.unread(LOBBY, BOB).await, Some(30));
    assert_eq!(place(world.append(says(ADA, 99, "next")).await).at.seq, Seq(32));
}

pub(super) async fn a_closed_store_refuses(world: World) {
    world.create(LOBBY).await;
    let queued = world.storage.enqueue(|writes| Ok(writes.append(says(ADA, 1, "a"))?)).await.unwrap();
    let other = world.storage.clone();
    tokio::join!(world.storage.close(), other.close());
    assert_eq!(place(queued.await.unwrap()).at.seq, Seq(1));
    let late = world.storage.write(|writes| Ok(writes.append(says(ADA, 2, "b"))?)).await;
    assert!(matches!(late, Err(WriteError::Store(StoreError::Closed))));
    assert!(matches!(world.storage.read(|reads| reads.users()).await, Err(StoreError::Closed)));
}

pub(super) async fn the_last_handle_finishes_the_queue(world: World) {
    world.create(LOBBY).await;
    let queued = world.storage.enqueue(|writes| Ok(writes.append(says(ADA, 1, "a"))?)).await.unwrap();
    let World { storage, seen, data: _data, .. } = world;
    drop(storage);
    assert_eq!(place(queued.await.unwrap()).at.seq, Seq(1));
    assert_eq!(seen.of(LOBBY), [1]);
}

fn decoded(entry: &StoredEntry) -> Entry {
    let mut frames = FrameDecoder::default();
    frames.feed(&entry.frame);
    frames.next_frame().unwrap().unwrap().decode().unwrap()
}

pub(super) async fn an_erased_entry_is_empty_everywhere_and_unread_by_nobody(world: World) {
    world.create(LOBBY).await;
    world.set_member(LOBBY, BOB, Some(JOINED)).await;
    world.append(says(ADA, 1, "one")).await;
    world.append(says(ADA, 2, "two")).await;
    let edit = Ext { target: Some(Seq(1)), ..Ext::default() };
    world.append(NewEntry { kind: Kind::EDIT, ext: edit, ..says(ADA, 3, "uno") }).await;
    let entry = world.entry(1).await;
    let edited = Entry { body: Blob::new("uno").unwrap(), ..entry };
    world.storage.write(move |writes| Ok(writes.rewrite(LOBBY, &edited)?)).await.unwrap();
    assert_eq!(world.entry(1).await.text(), Some("uno"));
    assert_eq!(world.unread(LOBBY, BOB).await, Some(2));

    let erase = || world.storage.write(|writes| Ok(writes.erase(LOBBY, Seq(1), Erasure::REMOVED)?));
    assert!(erase().await.unwrap());
    assert!(!erase().await.unwrap(), "there is nothing left to erase");
    for seq in [1, 3] {
        let entry = world.entry(seq).await;
        assert_eq!((entry.body.len(), entry.ext.erased), (0, Some(Erasure::REMOVED)), "{seq}");
    }
    assert_eq!(world.unread(LOBBY, BOB).await, Some(1));
    let missing = world.storage.write(|writes| Ok(writes.erase(LOBBY, Seq(9), Erasure::REMOVED)?)).await;
    assert!(missing.is_err());
}
