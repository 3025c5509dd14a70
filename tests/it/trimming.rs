//! `kill -9` in the middle of a long trim, again and again: what is left is the end of the log, whole, and in the end no
//! more than the room keeps.

use std::path::PathBuf;
use std::time::Duration;

use quipu_protocol::request::Retention;
use quipu_protocol::{Blob, Entry, Ext, Kind, RoomId, Seq};
use quipu_server::store::sqlite::SqliteStore;
use quipu_server::store::{NewEntry, Store, Writes};
use tokio::time::{sleep, timeout};

use crate::binaries::server::FAST;
use crate::binaries::{Dice, SOON, ServerProcess};

const CYCLES: u64 = 5;
const ENTRIES: u64 = 12_000;
/// Entries of one batch.
const BATCH: u64 = 1_000;
/// What the room keeps of them.
const KEPT: u64 = 300;
/// The moment of the first kill is this much later than the start, at most, in milliseconds, and of each further one twice
/// that: some fall among the steps of the trim, however fast the machine is.
const TRIMMING_MAX_MS: u64 = 100;

fn folder(server: &ServerProcess) -> PathBuf {
    server.database().parent().unwrap().to_owned()
}

/// How long its file is.
fn bytes(server: &ServerProcess) -> u64 {
    std::fs::metadata(server.database()).unwrap().len()
}

fn lobby(store: &SqliteStore) -> RoomId {
    store.reader().unwrap().room_by_name(&"lobby".parse().unwrap()).unwrap().unwrap().room
}

fn text(number: u64) -> Vec<u8> {
    format!("word{number} ").repeat(80).into_bytes()
}

/// What one says, without an author: the word is all that is told apart.
fn says(room: RoomId, number: u64) -> NewEntry {
    NewEntry {
        room,
        now_ms: 5_000,
        author: None,
        message: None,
        kind: Kind::TEXT,
        body: Blob::new(text(number)).unwrap(),
        ext: Ext::default(),
        membership: None,
    }
}

fn job(store: &mut SqliteStore, mut work: impl FnMut(&mut dyn Writes)) {
    store
        .commit(&mut |writes| {
            writes.begin_job().unwrap();
            work(writes);
            writes.end_job(true).unwrap();
        })
        .unwrap();
}

/// Fills the lobby, and lets it keep little of that; gives the first position that stays.
fn fill(server: &ServerProcess) -> Seq {
    let mut store = SqliteStore::open(&folder(server)).unwrap();
    let room = lobby(&store);
    for batch in 0..ENTRIES / BATCH {
        job(&mut store, |writes| {
            for number in batch * BATCH..(batch + 1) * BATCH {
                writes.append(says(room, number)).unwrap();
            }
        });
    }
    let keep = Retention { count: Some(KEPT), ..Retention::default() };
    job(&mut store, |writes| writes.set_retention(room, &keep).unwrap());
    let head = store.reader().unwrap().room(room).unwrap().unwrap().head.seq;
    Seq(head.0 + 1 - KEPT)
}

/// Where the log begins, after a look at everything that is left: whoever opens the store finds its end, without a hole,
/// and all of it as it was said.
fn look(server: &ServerProcess, stays: Seq) -> Seq {
    let store = SqliteStore::open(&folder(server)).unwrap();
    let (reader, room) = (store.reader().unwrap(), lobby(&store));
    let row = reader.room(room).unwrap().unwrap();
    let entries = reader.entries_after(room, Seq::ZERO, usize::MAX, usize::MAX).unwrap();
    let seqs: Vec<u64> = entries.iter().map(|stored| stored.seq.0).collect();
    assert_eq!(seqs, (row.floor.0..=row.head.seq.0).collect::<Vec<_>>());
    assert_eq!(row.head.seq.0 + 1 - KEPT, stays.0);
    assert!(row.floor <= stays, "{} stays, and the log begins with {}", stays, row.floor);
    let read: Vec<Entry> = entries.iter().map(|stored| stored.entry().unwrap()).collect();
    let said = read.iter().rev().zip((0..ENTRIES).rev());
    assert!(said.into_iter().all(|(entry, number)| entry.body[..] == text(number)[..]));
    row.floor
}

#[tokio::test]
async fn kills_in_the_middle_of_a_trim_lose_nothing_that_stays_and_it_comes_to_its_end() {
    let seed = 1;
    let mut dice = Dice::new(seed);
    let mut server = ServerProcess::start_with(FAST);
    assert!(server.stop().0.success());
    let stays = fill(&server);
    let before = bytes(&server);
    let mut floors = vec![look(&server, stays)];
    for cycle in 0..CYCLES {
        server.restart();
        sleep(Duration::from_millis(dice.below(TRIMMING_MAX_MS << cycle))).await; // The fault's own moment.
        server.kill();
        floors.push(look(&server, stays));
    }
    assert!(floors.is_sorted(), "seed {seed}: {floors:?}");
    // Otherwise no kill fell into the trim, and this test was asleep.
    let within = floors.iter().filter(|floor| **floor > floors[0] && **floor < stays);
    assert!(within.count() > 0, "seed {seed}: {floors:?}");
    server.restart();
    let shrunk = async {
        // In another process, which keeps a mebibyte of free pages.
        while bytes(&server) > before / 3 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(SOON, shrunk).await.is_ok(), "{before} bytes before, {} after", bytes(&server));
    assert!(server.stop().0.success());
    assert_eq!(look(&server, stays), stays);
    println!("seed {seed}: begins with {floors:?}, {before} bytes before and {} after", bytes(&server));
}
