//! The program whose calls are traced: it says messages, some of which it takes back, and notes what it was told.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use quipu_protocol::entry::Erasure;
use quipu_protocol::request::Visibility;
use quipu_protocol::{Blob, Cursor, DeviceId, Ext, Incarnation, Kind, MessageId, RoomId, Seq, UserId};
use quipu_server::store::sqlite::SqliteStore;
use quipu_server::store::{CommitError, NewEntry, RoomRow, Settings, Store as _, StoreError};

pub(super) const LOBBY: RoomId = RoomId::from_bytes([1; 16]);
/// The store's folder, and the file of what was said, in the folder of a run.
pub(super) const DATA: &str = "data";
pub(super) const NOTES: &str = "notes";
/// Messages of a run.
pub(super) const MESSAGES: u64 = 160;
/// Messages between two starts.
const LIFE: u64 = 40;
/// Failures of one message, or of the start, after which the disk counts as gone.
const TRIES: usize = 4;

const FOLDER: &str = "QUIPU_POWER_FOLDER";

/// What the writer has said by a moment.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Messages it began to say.
    pub(super) asked: u64,
    /// Messages that were acknowledged.
    pub(super) acked: u64,
    /// Those that were acknowledged to be gone.
    pub(super) erased: BTreeSet<u64>,
}

impl Said {
    pub(super) fn of(folder: &Path) -> Self {
        let mut said = Self::default();
        fs::read_to_string(folder.join(NOTES)).unwrap().lines().for_each(|line| said.hear(line));
        said
    }

    pub(super) fn hear(&mut self, line: &str) {
        let (what, number) = line.trim_end().split_once(' ').unwrap();
        let number = number.parse().unwrap();
        match what {
            "asked" => self.asked = number,
            "acked" => self.acked = number,
            "erased" => drop(self.erased.insert(number)),
            other => panic!("the writer notes no {other}"),
        }
    }
}

/// Runs the writer under `strace`, in a folder of its own.
pub(super) fn run(strace: &mut Command, folder: &Path) {
    let name = "power::writer::says_what_it_is_told_to_say";
    strace.arg(env::current_exe().unwrap()).args(["--exact", name, "--ignored", "--test-threads=1"]);
    let output = strace.env(FOLDER, folder).output().expect("strace is there");
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

#[test]
#[ignore = "it is the program that the tests of power cuts trace"]
fn says_what_it_is_told_to_say() {
    let folder = env::var_os(FOLDER).expect("a folder to write to");
    let folder = Path::new(&folder);
    let mut notes = File::create(folder.join(NOTES)).unwrap();
    let mut note =
        |what: &str, number: u64| notes.write_all(format!("{what} {number}\n").as_bytes()).unwrap();
    for first in (1..=MESSAGES).step_by(usize::try_from(LIFE).unwrap()) {
        let Some(mut store) = patiently(|| SqliteStore::open(&folder.join(DATA))) else { return };
        if first == 1 && patiently(|| begin(&mut store)).is_none() {
            return;
        }
        for number in first..first + LIFE {
            note("asked", number);
            if patiently(|| append(&mut store, number)).is_none() {
                return;
            }
            note("acked", number);
            if number.is_multiple_of(8) {
                if patiently(|| erase(&mut store, number - 3)).is_none() {
                    return;
                }
                note("erased", number - 3);
            }
        }
    }
}

/// Does something again when it failed, not for ever.
fn patiently<T, E>(mut act: impl FnMut() -> Result<T, E>) -> Option<T> {
    (0..TRIES).find_map(|_| act().ok())
}

fn begin(store: &mut SqliteStore) -> Result<(), CommitError> {
    let row = RoomRow {
        room: LOBBY,
        name: None,
        visibility: Visibility::PUBLIC,
        topic: None,
        direct: None,
        head: Cursor { incarnation: Incarnation(1), seq: Seq::ZERO },
        floor: Seq(1),
        members: 0,
        creator: None,
        created_ms: 1_000,
        settings: Settings::default(),
    };
    job(store, |writes| if writes.room(LOBBY)?.is_none() { writes.insert_room(&row) } else { Ok(()) })
}

/// Says the message with this number, under an id of its own: said again, it is the same message.
pub(super) fn append(store: &mut SqliteStore, number: u64) -> Result<(), CommitError> {
    job(store, |writes| {
        writes.append(NewEntry {
            room: LOBBY,
            now_ms: 5_000,
            author: Some((UserId::from_bytes([2; 16]), DeviceId::from_bytes([9; 16]))),
            message: Some(MessageId::from_bytes(u128::from(number).to_be_bytes())),
            kind: Kind::TEXT,
            body: Blob::new(text(number).into_bytes()).unwrap(),
            ext: Ext::default(),
            membership: None,
        })?;
        Ok(())
    })
}

fn erase(store: &mut SqliteStore, number: u64) -> Result<(), CommitError> {
    job(store, |writes| writes.erase(LOBBY, Seq(number), Erasure::RETRACTED).map(drop))
}

fn job(
    store: &mut SqliteStore,
    mut act: impl FnMut(&mut dyn quipu_server::store::Writes) -> Result<(), StoreError>,
) -> Result<(), CommitError> {
    let mut done = Ok(());
    store.commit(&mut |writes| {
        done = writes.begin_job().and_then(|()| act(writes));
        done = std::mem::replace(&mut done, Ok(())).and(writes.end_job(true));
    })?;
    Ok(done?)
}

/// What the message with this number says: of many lengths, and nothing repeats.
pub(super) fn text(number: u64) -> String {
    (0..2 + number * number % 60).map(|word| format!("{:x} ", number * 7_919 + word)).collect()
}
