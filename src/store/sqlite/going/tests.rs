//! What goes leaves nothing behind, and the disk gets its space back.

use std::fs;
use std::path::Path;

use quipu_protocol::Seq;
use rusqlite::Connection;

use super::{OF_ROOMS, OF_USERS};
use crate::store::conformance::{ADA, LOBBY, says};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::home::BUSY_TIMEOUT;
use crate::store::sqlite::marking::{OWN_BEFORE, OWN_BEHIND};
use crate::store::sqlite::outdated::{BEHIND, DUE, KEEPING};
use crate::store::sqlite::tests::{filled, job, seqs};
use crate::store::{Store as _, Writes};

/// Goal: whatever a later version keeps of a room is not left behind when the room is deleted.
#[test]
fn everything_that_is_kept_of_a_room_goes_with_it() {
    /// `rooms` and `entries` go by themselves, and `file_references` and `expiries` with the entries; `gone_rooms` remembers that
    /// it was. An invite to a room that is no more leads nowhere, an upload for it is given up in a day, and the audit tells that
    /// it went.
    const OTHERWISE: [&str; 8] =
        ["rooms", "entries", "file_references", "expiries", "gone_rooms", "invites", "uploads", "audit"];
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path(), 1));
    let conn = Connection::open(folder.path().join("quipu.db")).unwrap();
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table'
        AND EXISTS (SELECT 1 FROM pragma_table_info(sqlite_master.name) AS field WHERE field.name = 'room')";
    let mut tables = conn.prepare(sql).unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let goes = |table: &str| OTHERWISE.contains(&table) || OF_ROOMS.iter().any(|(name, _)| *name == table);
    let left: Vec<_> = tables.iter().filter(|table| !goes(table)).collect();
    assert!(tables.len() >= OTHERWISE.len() + OF_ROOMS.len() && left.is_empty(), "left behind: {left:?}");
    for (table, key) in OF_ROOMS {
        let sql = "SELECT group_concat(name, ', ') FROM (SELECT name FROM pragma_table_info(?1) WHERE pk > 0 AND name <> 'room' ORDER BY cid)";
        let found: String = conn.query_row(sql, [table], |row| row.get(0)).unwrap();
        assert_eq!(found, *key, "the key of {table}");
    }
}

/// Goal: whatever a later version keeps of an account is not left behind when the account is deleted.
#[test]
fn everything_that_is_kept_of_an_account_goes_with_it() {
    /// `users` says that it is gone and `gone_users` marks it, `members` go with an entry each; `devices`, `invites`,
    /// `uploads`, `file_holdings`, `account_settings` and `bots` end in the same moment. Ids of its messages are forgotten
    /// with everybody's, purges are what erases its words, its reactions among them, and what it did to others stays in the
    /// audit and in the reports.
    const OTHERWISE: [&str; 14] = [
        "users",
        "gone_users",
        "members",
        "devices",
        "uploads",
        "file_holdings",
        "file_references",
        "messages",
        "purges",
        "audit",
        "reports",
        "reactions",
        "account_settings",
        "bots",
    ];
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path(), 1));
    let conn = Connection::open(folder.path().join("quipu.db")).unwrap();
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table'
        AND EXISTS (SELECT 1 FROM pragma_table_info(sqlite_master.name) AS field WHERE field.name IN ('user', 'by_user'))";
    let mut tables = conn.prepare(sql).unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let goes = |table: &str| OTHERWISE.contains(&table) || OF_USERS.iter().any(|(name, _)| *name == table);
    let left: Vec<_> = tables.iter().filter(|table| !goes(table)).collect();
    assert!(tables.len() >= OTHERWISE.len() + OF_USERS.len() && left.is_empty(), "left behind: {left:?}");
}

#[test]
fn what_is_out_of_date_is_found_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path(), 3));
    let conn = Connection::open(folder.path().join("quipu.db")).unwrap();
    for (sql, index) in [
        (BEHIND, "members_by_marker"),
        (KEEPING, "rooms_keeping"),
        (DUE, "PRIMARY KEY"),
        (OWN_BEFORE, "COVERING INDEX entries_authored"),
        (OWN_BEHIND, "COVERING INDEX entries_authored"),
    ] {
        let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let unbound = vec![rusqlite::types::Null; plan.parameter_count()];
        let steps = plan.query_map(rusqlite::params_from_iter(unbound), |row| row.get::<_, String>(3));
        let steps: Vec<_> = steps.unwrap().map(Result::unwrap).collect();
        assert!(steps.len() == 1 && steps[0].contains(index), "{sql}: {steps:?}");
    }
}

/// Bytes of the store's files.
fn disk_bytes(folder: &Path) -> u64 {
    let bytes = |name: &str| fs::metadata(folder.join(name)).map_or(0, |file| file.len());
    bytes("quipu.db") + bytes("quipu.db-wal")
}

/// A store with a room of many long messages, brought into the file.
fn large(folder: &Path) -> SqliteStore {
    let mut store = filled(folder, 0);
    for batch in 0..20 {
        let said = batch * 50..batch * 50 + 50;
        store
            .commit(&mut |writes| {
                for number in said.clone() {
                    job(writes, says(ADA, number, &"x".repeat(9_000))).unwrap();
                }
            })
            .unwrap();
    }
    store
}

fn run<T>(store: &mut SqliteStore, mut work: impl FnMut(&mut dyn Writes) -> T) -> T {
    let mut answer = None;
    store
        .commit(&mut |writes| {
            writes.begin_job().unwrap();
            answer = Some(work(writes));
            writes.end_job(true).unwrap();
        })
        .unwrap();
    answer.unwrap()
}

/// Trims everything, and gives the space back. Chat comes in between every two steps.
fn trim_all(store: &mut SqliteStore) {
    while timed(store, |writes| writes.trim(LOBBY, Seq(u64::MAX), 100).unwrap()) {}
    while timed(store, |writes| writes.reclaim(64).unwrap()) > 0 {}
}

/// One step, which waits for nobody.
fn timed<T>(store: &mut SqliteStore, work: impl FnMut(&mut dyn Writes) -> T) -> T {
    let began = tokio::time::Instant::now();
    let answer = run(store, work);
    assert!(began.elapsed() < BUSY_TIMEOUT, "a step waited for a reader");
    answer
}

#[test]
fn the_disk_gets_back_what_was_trimmed() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = large(folder.path());
    let before = disk_bytes(folder.path());
    trim_all(&mut store);
    let after = disk_bytes(folder.path());
    println!("{before} bytes before, {after} after");
    assert!(before > 9_000_000 && after < 2_500_000, "{before} bytes before, {after} after");
    // What was said is nowhere in what is left.
    for file in fs::read_dir(folder.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(64).any(|window| window == [b'x'; 64]));
    }
    drop(store);
    let store = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(store.reader().unwrap().room(LOBBY).unwrap().unwrap().floor, Seq(1_001));
}

/// Goal: a reader in the middle of a question keeps the file long for a moment, and nobody waits for it.
#[test]
fn a_reader_is_no_hindrance_to_a_trim() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = large(folder.path());
    let reader = Connection::open(folder.path().join("quipu.db")).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let count = |reader: &Connection| {
        reader.query_row("SELECT count(*) FROM entries", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(count(&reader), 1_000);
    trim_all(&mut store);
    assert_eq!(count(&reader), 1_000, "its moment is still there");
    reader.execute_batch("COMMIT").unwrap();
    run(&mut store, |writes| {
        writes.append(says(ADA, 5_000, "hello")).unwrap();
    });
    drop((store, reader));
    drop(SqliteStore::open(folder.path()).unwrap());
    assert!(disk_bytes(folder.path()) < 2_500_000);
}

/// Goal: a file of the first version, in which there is something, becomes one that shrinks; a kill in between is healed.
#[test]
fn a_file_of_the_first_version_learns_to_shrink() {
    let folder = tempfile::tempdir().unwrap();
    drop(large(folder.path()));
    let path = folder.path().join("quipu.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM;").unwrap();
    drop(conn);
    let mut store = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(seqs(&*store.reader().unwrap()).len(), 1_000);
    trim_all(&mut store);
    assert!(disk_bytes(folder.path()) < 2_500_000, "{} bytes", disk_bytes(folder.path()));
}
