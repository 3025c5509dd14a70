//! What the index of words does on a disk: it fills after an upgrade, and forgets for good.

use std::fs;
use std::path::Path;

use quipu_protocol::entry::Erasure;
use rusqlite::{Connection, params};

use super::*;
use crate::store::common::entry;
use crate::store::conformance::{ADA, BOB, LOBBY, says};
use crate::store::sqlite::rows::checksum;
use crate::store::sqlite::{SqliteStore, schema};
use crate::store::{Reads, Store, Writes};

/// A store as the first version left it: so many messages of one room.
fn first_version(folder: &Path, messages: u64) {
    let conn = Connection::open(folder.join("quipu.db")).unwrap();
    schema::create_first(&conn);
    let room = "INSERT INTO rooms (room, incarnation, head, floor, countable, at_ms, members, visibility, created_ms)
        VALUES (?1, 7, ?2, 1, ?2, 0, 0, 0, 0)";
    conn.execute(room, params![LOBBY.as_bytes(), kept(messages)]).unwrap();
    for number in 1..=messages {
        let frame = entry(&says(ADA, number, &format!("old {number}")), Seq(number), 5_000).frame();
        let sql =
            "INSERT INTO entries (room, seq, nth, author, checksum, frame) VALUES (?1, ?2, ?2, ?3, ?4, ?5)";
        let sum = checksum(LOBBY, Seq(number), &frame);
        conn.execute(sql, params![LOBBY.as_bytes(), kept(number), ADA.as_bytes(), sum, &*frame]).unwrap();
    }
}

fn write<T>(store: &mut SqliteStore, job: impl Fn(&mut dyn Writes) -> Result<T, StoreError>) -> T {
    let mut answer = None;
    store
        .commit(&mut |writes| {
            writes.begin_job().unwrap();
            answer = Some(job(writes).unwrap());
            writes.end_job(true).unwrap();
        })
        .unwrap();
    answer.unwrap()
}

fn named(reads: &dyn Reads, typed: &str) -> Vec<u64> {
    let found = reads.matching(LOBBY, &Wanted::words(typed), (Seq::ZERO, Seq(u64::MAX)), 1_000).unwrap();
    found.into_iter().map(|seq| seq.0).collect()
}

#[test]
fn what_was_there_before_the_index_comes_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    first_version(folder.path(), 5);
    let mut store = SqliteStore::open(folder.path()).unwrap();
    let reader = store.reader().unwrap();
    let since = |reader: &dyn Reads| reader.indexed_from(LOBBY).unwrap();
    assert_eq!((since(&*reader), named(&*reader, "old")), (Seq(6), vec![]));
    write(&mut store, |writes| writes.append(says(ADA, 6, "new")));
    // What changes before its turn comes as it reads then, and what changes afterwards changes.
    write(&mut store, |writes| writes.erase(LOBBY, Seq(2), Erasure::RETRACTED));
    assert!(write(&mut store, |writes| writes.index_more(2)));
    assert_eq!((since(&*reader), named(&*reader, "old")), (Seq(4), vec![5, 4]));
    write(&mut store, |writes| {
        writes.index_more(1)?;
        writes.erase(LOBBY, Seq(3), Erasure::RETRACTED)?;
        writes.erase(LOBBY, Seq(4), Erasure::RETRACTED)
    });
    assert_eq!((since(&*reader), named(&*reader, "old")), (Seq(3), vec![5]));
    while write(&mut store, |writes| writes.index_more(2)) {}
    assert_eq!((since(&*reader), named(&*reader, "old")), (Seq::ZERO, vec![5, 1]));
    assert_eq!(named(&*reader, "new"), [6]);
}

#[test]
fn words_of_other_rules_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(folder.path()).unwrap();
    write(&mut store, |writes| writes.insert_room(&crate::store::conformance::room_row(LOBBY)));
    write(&mut store, |writes| writes.append(says(ADA, 1, "hello")));
    drop(store);
    let conn = Connection::open(folder.path().join("quipu.db")).unwrap();
    conn.execute("UPDATE words_version SET version = 'other rules'", []).unwrap();
    drop(conn);
    let mut store = SqliteStore::open(folder.path()).unwrap();
    let reader = store.reader().unwrap();
    assert_eq!((reader.indexed_from(LOBBY).unwrap(), named(&*reader, "hello")), (Seq(2), vec![]));
    while write(&mut store, |writes| writes.index_more(100)) {}
    assert_eq!((reader.indexed_from(LOBBY).unwrap(), named(&*reader, "hello")), (Seq::ZERO, vec![1]));
    drop((store, reader));
    let store = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(named(&*store.reader().unwrap(), "hello"), [1], "and once only");
}

/// Goal: words that were taken out are in no row of the index, not merely marked.
#[test]
fn what_is_erased_leaves_no_word_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(folder.path()).unwrap();
    write(&mut store, |writes| writes.insert_room(&crate::store::conformance::room_row(LOBBY)));
    for number in 1..=300 {
        let text =
            if number == 150 { "qzyzzplugh is the password".into() } else { format!("message {number}") };
        write(&mut store, |writes| writes.append(says(BOB, number, &text)));
    }
    let rows = |store: &SqliteStore| -> usize {
        let mut rows = store.writer.prepare("SELECT block FROM words_data").unwrap();
        let blocks = rows.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap().map(Result::unwrap);
        let has = |block: &Vec<u8>| block.windows(9).any(|part| part == b"zyzzplugh");
        blocks.filter(has).count()
    };
    assert_eq!(rows(&store), 1);
    write(&mut store, |writes| writes.erase(LOBBY, Seq(150), Erasure::REMOVED));
    assert_eq!((rows(&store), named(&*store.reader().unwrap(), "message").len()), (0, 299));
    let whole = "INSERT INTO words (words) VALUES ('integrity-check')";
    store.writer.execute(whole, []).unwrap();
    assert!(fs::metadata(folder.path().join("quipu.db")).unwrap().len() > 0);
}
