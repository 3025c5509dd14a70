//! How many durable appends a second does the store take, and how long does one of them wait?
//!
//! So many authors, each with one append in flight, on the disk that holds the target folder; 200-byte bodies in
//! one room and spread over 64. Prints appends per second, the middle and the slowest hundredth of the waits, and
//! fsyncs of the same file system for comparison: one append cannot be faster than one fsync.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quipu_protocol::request::Visibility;
use quipu_protocol::{Blob, Cursor, DeviceId, Ext, Incarnation, Kind, MessageId, RoomId, Seq, UserId};
use quipu_server::store::memory::MemoryStore;
use quipu_server::store::sqlite::SqliteStore;
use quipu_server::store::{Blocking, Effect, NewEntry, Observer, RoomRow, Storage, Store};
use tokio::time::Instant;

const BODY_BYTES: usize = 200;
const MEASURED: Duration = Duration::from_millis(1_500);

struct Nobody;

impl Observer for Nobody {
    fn committed(&self, _entries: &[Effect]) {}
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // A test runner that only looks what there is shall not wait for a measurement.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    println!("fsync alone: {:.2} ms", fsync_ms(target)?);
    println!(
        "{:>8} {:>6} {:>10} {:>12} {:>9} {:>9}",
        "store", "rooms", "in flight", "appends/s", "p50 ms", "p99 ms"
    );
    for (rooms, in_flight) in [(1, 1), (1, 16), (1, 256), (1, 4_096), (64, 256), (64, 4_096)] {
        let folder = tempfile::tempdir_in(target)?;
        measure("sqlite", Box::new(SqliteStore::open(folder.path())?), rooms, in_flight).await?;
    }
    measure("memory", Box::new(MemoryStore::new()), 64, 256).await
}

fn fsync_ms(target: &Path) -> anyhow::Result<f64> {
    const SYNCS: u32 = 50;
    let folder = tempfile::tempdir_in(target)?;
    let mut file = File::create(folder.path().join("file"))?;
    let begin = Instant::now();
    for _ in 0..SYNCS {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
    }
    Ok(begin.elapsed().as_secs_f64() * 1_000.0 / f64::from(SYNCS))
}

async fn measure(name: &str, store: Box<dyn Store>, rooms: u8, in_flight: u64) -> anyhow::Result<()> {
    let storage = Storage::start(store, Blocking::Pool, Arc::new(Nobody))?;
    for number in 0..rooms {
        storage.write(move |writes| Ok(writes.insert_room(&room(number))?)).await?;
    }
    let begin = Instant::now();
    let authors = (0..in_flight).map(|author| {
        let storage = storage.clone();
        let room = RoomId::from_bytes([(author % u64::from(rooms)) as u8; 16]);
        tokio::spawn(async move {
            let mut waits = Vec::new();
            while begin.elapsed() < MEASURED {
                let new = says(room, author, waits.len() as u64);
                let asked = Instant::now();
                storage.write(move |writes| Ok(writes.append(new)?)).await?;
                waits.push(asked.elapsed());
            }
            anyhow::Ok(waits)
        })
    });
    let mut waits = Vec::new();
    for author in authors.collect::<Vec<_>>() {
        waits.extend(author.await??);
    }
    let per_second = waits.len() as f64 / begin.elapsed().as_secs_f64();
    storage.close().await;
    waits.sort_unstable();
    let wait_ms =
        |part: usize| waits.get(waits.len() * part / 100).map_or(0.0, |wait| wait.as_secs_f64() * 1_000.0);
    println!(
        "{name:>8} {rooms:>6} {in_flight:>10} {per_second:>12.0} {:>9.2} {:>9.2}",
        wait_ms(50),
        wait_ms(99)
    );
    Ok(())
}

fn room(number: u8) -> RoomRow {
    RoomRow {
        room: RoomId::from_bytes([number; 16]),
        name: None,
        visibility: Visibility::PUBLIC,
        topic: None,
        direct: None,
        head: Cursor { incarnation: Incarnation(1), seq: Seq::ZERO },
        floor: Seq(1),
        members: 0,
        creator: None,
        created_ms: 0,
        settings: quipu_server::store::Settings::default(),
    }
}

fn says(room: RoomId, author: u64, number: u64) -> NewEntry {
    let id = |high: u64, low: u64| (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    // Spread like the random ids of real clients.
    let message = id(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), author);
    NewEntry {
        room,
        now_ms: 0,
        author: Some((
            UserId::from_bytes(id(author.wrapping_mul(0x9e37_79b9_7f4a_7c15), 1)),
            DeviceId::from_bytes(id(author, 2)),
        )),
        message: Some(MessageId::from_bytes(message)),
        kind: Kind::TEXT,
        body: Blob::new(vec![b'x'; BODY_BYTES]).unwrap_or_default(),
        ext: Ext::default(),
        membership: None,
    }
}
