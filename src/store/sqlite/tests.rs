//! What only a store on a disk must survive: other files, damage, a full disk, kills.

use std::fs;
use std::path::Path;
use std::sync::mpsc;

use proptest::prelude::*;
use quipu_protocol::request::Act;
use quipu_protocol::{RoomId, Seq};
use rusqlite::Connection;

use super::reads::{GONE_ROOMS_MADE, INVITES_MADE, MEMBERSHIPS, OWNERS, ROOMS_MADE};
use super::*;
use crate::limits::{AUDIT_RECORDS_MAX, AUDIT_RECORDS_PER_ROOM_MAX};
use crate::store::conformance::{ADA, BOB, JOINED, LOBBY, World, becomes, block_on, room_row, says};
use crate::store::{Appended, AuditRow, Blocking, NewEntry};

#[test]
fn a_second_opener_is_kept_out_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let reader = store.reader().unwrap();
    assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::Locked(_))));
    drop(store);
    assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::Locked(_))), "a reader is left");
    drop(reader);
    SqliteStore::open(folder.path()).unwrap();
}

#[test]
fn readers_see_nothing_before_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = filled(folder.path(), 3);
    let reader = store.reader().unwrap();
    store
        .commit(&mut |writes| {
            job(writes, says(ADA, 4, "hello")).unwrap();
            assert_eq!(writes.room(LOBBY).unwrap().unwrap().head.seq, Seq(4));
            assert_eq!(reader.room(LOBBY).unwrap().unwrap().head.seq, Seq(3));
            assert_eq!(seqs(&*reader), [1, 2, 3]);
        })
        .unwrap();
    assert_eq!(seqs(&*reader), [1, 2, 3, 4]);
}

/// The same through `Storage`, while the job waits in the middle.
#[test]
fn a_question_beside_a_job_sees_what_was_before() {
    block_on(false, async {
        let world = World::sqlite(Blocking::Pool);
        world.create(LOBBY).await;
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let job = move |writes: &mut dyn Writes| {
            writes.append(says(ADA, 1, "hello"))?;
            begun.send(()).unwrap();
            may_go_on.recv().unwrap();
            Ok(())
        };
        let job = world.storage.enqueue(job).await.unwrap();
        has_begun.await.unwrap();
        assert_eq!(world.log(LOBBY).await, []);
        go_on.send(()).unwrap();
        job.await.unwrap();
        assert_eq!(world.log(LOBBY).await.len(), 1);
    });
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path(), 3));
    let path = folder.path().join("quipu.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 77).unwrap();
    let before = fs::read(&path).unwrap();
    let refused = SqliteStore::open(folder.path());
    assert!(matches!(refused, Err(StoreError::Newer { found: 77, known: 2 })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// What the writer counts before it decides must not depend on how large a room is.
#[test]
fn counts_look_only_at_what_they_count() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path(), 3));
    let conn = Connection::open(folder.path().join("quipu.db")).unwrap();
    for (sql, index) in [
        (OWNERS, "members_owners"),
        (MEMBERSHIPS, "members_by_user"),
        (ROOMS_MADE, "rooms_by_creator"),
        (GONE_ROOMS_MADE, "gone_rooms_by_creator"),
        (INVITES_MADE, "invites_by_creator"),
    ] {
        let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let unbound = vec![rusqlite::types::Null; plan.parameter_count()];
        let steps = plan.query_map(rusqlite::params_from_iter(unbound), |row| row.get::<_, String>(3));
        let steps: Vec<_> = steps.unwrap().map(Result::unwrap).collect();
        assert!(steps.len() == 1 && steps[0].contains(index), "{sql}: {steps:?}");
    }
}

#[test]
fn files_that_are_not_ours_are_refused_and_left_alone() {
    for content in [&b""[..], &b"hello"[..], &[0; 8192][..], &[0xa5; 70_000][..]] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quipu.db");
        fs::write(&path, content).unwrap();
        assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::Damaged(_))));
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quipu.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE stamps (id INTEGER)").unwrap();
    assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::Damaged(_))));
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("quipu.db")).unwrap();
    assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::Io(_))));
}

#[test]
fn a_log_without_its_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("quipu.db-wal"), "the last words of a store").unwrap();
    assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::Damaged(_))));
}

#[test]
fn a_folder_that_cannot_be_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(SqliteStore::open(&file), Err(StoreError::Io(_))));
    assert!(matches!(SqliteStore::open(&file.join("below")), Err(StoreError::Io(_))));
}

#[test]
fn a_truncated_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path(), 200));
    let path = folder.path().join("quipu.db");
    let whole = fs::read(&path).unwrap();
    for bytes in [1, 100, 4096, whole.len() / 2, whole.len() - 4096, whole.len() - 1] {
        fs::write(&path, &whole[..bytes]).unwrap();
        let refused = SqliteStore::open(folder.path());
        assert!(matches!(refused, Err(StoreError::Damaged(_) | StoreError::Failed(_))), "{bytes} bytes");
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(seqs(&*SqliteStore::open(folder.path()).unwrap().reader().unwrap()).len(), 200);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Damage is refused, or found when it is read, or harmless: never a panic, never another frame.
    #[test]
    fn damaged_bytes_are_never_served(at in any::<prop::sample::Index>(), len in 1..600_usize, with in any::<u8>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quipu.db");
        let (file, frames) = whole_store();
        let mut bytes = file.clone();
        let at = at.index(bytes.len());
        let end = bytes.len().min(at + len);
        bytes[at..end].iter_mut().for_each(|byte| *byte ^= with);
        fs::write(&path, &bytes).unwrap();
        // A start may refuse it, and so may any question.
        if let Ok(store) = SqliteStore::open(folder.path()) {
            let reader = store.reader().unwrap();
            for seq in 1..=frames.len() as u64 {
                if let Ok(page) = reader.entries_after(LOBBY, Seq(seq - 1), 1, usize::MAX) {
                    let known = |entry: &crate::store::StoredEntry| {
                        frames.get(entry.seq.0 as usize - 1) == Some(&entry.frame)
                    };
                    prop_assert!(page.iter().all(known), "another frame at {} for damage at {}", seq, at);
                }
            }
            drop((reader.rooms_of(ADA, None, 9), reader.members(LOBBY, None, 9), reader.heads(BOB, None)));
        }
    }
}

#[test]
fn a_kill_during_the_first_creation_is_healed() {
    // Whatever was written of it by then.
    let whole = &whole_store().0;
    for leftover in [&b""[..], &whole[..100], &whole[..5000], &whole[..]] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("quipu.db.new"), leftover).unwrap();
        let store = SqliteStore::open(folder.path()).unwrap();
        assert_eq!(store.reader().unwrap().users().unwrap(), 0);
        assert!(!folder.path().join("quipu.db.new").exists());
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_may_look_inside() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("new").join("data");
    let store = filled(&folder, 3);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect::<Vec<_>>();
    assert_eq!(files.len(), 4, "the store, its log, its index, the lock");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    drop(store);
}

#[test]
fn a_full_disk_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = filled(folder.path(), 10);
    let reader = store.reader().unwrap();
    let pages: u32 = store.writer.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.writer.pragma_update(None, "max_page_count", pages + 4).unwrap();
    let mut taken = 10;
    let refused = loop {
        match append(&mut store, taken + 1) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1_000);
    };
    assert!(matches!(refused, CommitError::Undone(StoreError::Full)));
    for _ in 0..3 {
        assert!(matches!(append(&mut store, taken + 1), Err(CommitError::Undone(StoreError::Full))));
        assert_eq!(seqs(&*reader), (1..=taken).collect::<Vec<_>>());
    }
    store.writer.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    // Ids of refused messages were not remembered, those of taken ones were.
    assert!(matches!(append(&mut store, taken + 1), Ok(Appended::New(_))));
    assert!(matches!(append(&mut store, taken), Ok(Appended::Duplicate(_))));
    drop((store, reader));
    let store = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(seqs(&*store.reader().unwrap()), (1..=taken + 1).collect::<Vec<_>>());
}

#[test]
fn the_log_is_brought_into_the_file_now_and_then() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = filled(folder.path(), 1);
    let body = "x".repeat(16_000);
    for batch in 0..150 {
        store
            .commit(&mut |writes| {
                for number in 2 + batch * 20..22 + batch * 20 {
                    job(writes, says(ADA, number, &body)).unwrap();
                }
            })
            .unwrap();
    }
    let wal_bytes = fs::metadata(folder.path().join("quipu.db-wal")).unwrap().len();
    assert!(wal_bytes < 2 * 4096 * WAL_PAGES_MAX as u64, "{wal_bytes} bytes");
}

#[test]
fn after_a_fault_the_store_proves_itself_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = filled(folder.path(), 3);
    let reader = store.reader().unwrap();
    store.note(StoreError::Io("a test".into()));
    assert!(matches!(append(&mut store, 4), Ok(Appended::New(_))));
    assert_eq!((seqs(&*reader), store.fault.is_none()), (vec![1, 2, 3, 4], true));
    // And refuses as long as it cannot.
    store.note(StoreError::Io("a test".into()));
    let path = folder.path().join("quipu.db");
    fs::rename(&path, folder.path().join("away")).unwrap();
    assert!(matches!(append(&mut store, 5), Err(CommitError::Undone(StoreError::Io(_)))));
    fs::rename(folder.path().join("away"), &path).unwrap();
    assert!(matches!(append(&mut store, 5), Ok(Appended::New(_))));
}

/// Answers stay true whatever the disk does. By itself the disk does nothing; faults are injected with
/// `strace -f -e inject=fsync,fdatasync:error=EIO:when=30+7 <test binary> answers_are_true --exact …`.
#[test]
fn answers_are_true() {
    block_on(false, async {
        let world = World::sqlite(Blocking::Pool);
        world.create(LOBBY).await;
        let (mut places, mut unknown, mut refused) = (Vec::new(), 0, 0);
        for number in 1..=100 {
            let place = loop {
                let append =
                    world.storage.write(move |writes| Ok(writes.append(says(ADA, number, "hello"))?));
                match append.await {
                    Ok(appended) => break crate::store::conformance::place(appended),
                    Err(crate::store::WriteError::Unknown(_)) => unknown += 1,
                    Err(_) => refused += 1,
                }
                assert!(unknown + refused < 1_000);
            };
            places.push(place.at.seq.0);
            assert_eq!(world.seen.of(LOBBY), places);
        }
        println!("{unknown} unknown, {refused} refused");
        assert_eq!(places, (1..=100).collect::<Vec<_>>());
        let world = world.restarted().await;
        assert_eq!(world.log(LOBBY).await.len(), 100);
    });
}

pub(super) fn filled(folder: &Path, entries: u64) -> SqliteStore {
    let mut store = SqliteStore::open(folder).unwrap();
    store
        .commit(&mut |writes| {
            writes.begin_job().unwrap();
            writes.insert_room(&room_row(LOBBY)).unwrap();
            writes.set_member(LOBBY, BOB, Some(JOINED)).unwrap();
            for number in 1..=entries {
                writes.append(says(ADA, number, "hello")).unwrap();
            }
            writes.end_job(true).unwrap();
        })
        .unwrap();
    store
}

/// A closed store as its bytes, and the frames in it.
fn whole_store() -> &'static (Vec<u8>, Vec<bytes::Bytes>) {
    static WHOLE: std::sync::OnceLock<(Vec<u8>, Vec<bytes::Bytes>)> = std::sync::OnceLock::new();
    WHOLE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut store = filled(folder.path(), 150);
        store.commit(&mut |writes| drop(job(writes, becomes(ADA, Some(JOINED))))).unwrap();
        let entries = store.reader().unwrap().entries_after(LOBBY, Seq::ZERO, 999, usize::MAX).unwrap();
        drop(store);
        let file = fs::read(folder.path().join("quipu.db")).unwrap();
        (file, entries.into_iter().map(|entry| entry.frame).collect())
    })
}

fn append(store: &mut SqliteStore, number: u64) -> Result<Appended, CommitError> {
    let mut appended = Err(StoreError::Closed);
    store.commit(&mut |writes| appended = job(writes, says(ADA, number, &"x".repeat(700))))?;
    Ok(appended?)
}

pub(super) fn job(writes: &mut dyn Writes, new: NewEntry) -> Result<Appended, StoreError> {
    writes.begin_job()?;
    let appended = writes.append(new);
    writes.end_job(appended.is_ok())?;
    appended
}

pub(super) fn seqs(reads: &dyn Reads) -> Vec<u64> {
    let entries = reads.entries_after(LOBBY, Seq::ZERO, usize::MAX, usize::MAX).unwrap();
    entries.iter().map(|entry| entry.seq.0).collect()
}

fn record(act: Act, room: Option<RoomId>, at_ms: u64) -> AuditRow {
    AuditRow { at_ms, act, by: Some(ADA), room, user: Some(BOB), reason: None, detail: None }
}

/// Goal: records are bounded; the oldest go, and numbers are not used again.
#[test]
fn the_oldest_records_go_when_there_are_too_many() {
    const MORE: u64 = 3;
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(folder.path()).unwrap();
    let record = |at_ms| record(Act::DEACTIVATE, None, at_ms);
    let fill = |writes: &mut dyn Writes| {
        (0..AUDIT_RECORDS_MAX + MORE).for_each(|at_ms| writes.put_audit(&record(at_ms)).unwrap());
        let newest = writes.audit(None, None, 1).unwrap();
        assert_eq!(newest[0].0, AUDIT_RECORDS_MAX + MORE);
        let oldest = writes.audit(None, Some(MORE + 2), 9).unwrap();
        assert_eq!(oldest.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [MORE + 1]);
    };
    store.commit(&mut |writes| fill(writes)).unwrap();
}

/// Goal: whoever does much in a room of their own, and ends it, takes nothing from what others can look up.
#[test]
fn records_of_a_room_displace_their_own_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(folder.path()).unwrap();
    let (other, ended) = (RoomId::from_bytes([2; 16]), RoomId::from_bytes([3; 16]));
    let fill = |writes: &mut dyn Writes| {
        writes.put_audit(&record(Act::DEACTIVATE, None, 1)).unwrap();
        writes.put_audit(&record(Act::DELETE_ROOM, Some(ended), 2)).unwrap();
        writes.put_audit(&record(Act::BAN, Some(other), 3)).unwrap();
        for at_ms in 4..AUDIT_RECORDS_MAX {
            writes.put_audit(&record(Act::SETTINGS, Some(LOBBY), at_ms)).unwrap();
        }
        let times = |room, limit| -> Vec<_> {
            writes.audit(room, None, limit).unwrap().into_iter().map(|(_, row)| row.at_ms).collect()
        };
        let newest = AUDIT_RECORDS_MAX - AUDIT_RECORDS_PER_ROOM_MAX..AUDIT_RECORDS_MAX;
        assert_eq!(times(Some(LOBBY), usize::MAX), newest.clone().rev().collect::<Vec<_>>());
        assert_eq!(times(None, usize::MAX), newest.rev().chain([3, 2, 1]).collect::<Vec<_>>());
    };
    store.commit(&mut |writes| fill(writes)).unwrap();
}
