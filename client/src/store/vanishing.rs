//! What was received and vanishes: at its time, or when the server no longer has it.
//!
//! An entry says itself when nobody may be shown what it says any more, and nobody is told when that moment comes.
//! So the profile keeps when, and what is over is emptied as the server empties it. Whoever reads before that happened is
//! given the same.
//!
//! Invariant: a wrong clock shows nothing for longer. It is late when our clock, set right by the last greeting, says so,
//! or when the server has said so since.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use quipu_protocol::entry::{Entry, Erasure};
use quipu_protocol::{Incarnation, RoomId, Seq, cbor};

use super::{damaged, from_sql, to_sql};
use crate::error::Error;

/// Entries that are emptied in one transaction.
const STEP_ENTRIES: i64 = 500;

/// What time it is for the server: our clock, set right by the last greeting. What is still to be said goes by this, since
/// it does not remember for ever that a server's clock was once ahead.
pub(crate) fn clock_ms(db: &Connection, local_ms: u64) -> Result<u64, Error> {
    let skew_ms: Option<i64> =
        db.prepare_cached("SELECT skew_ms FROM account")?.query_row([], |row| row.get(0)).optional()?;
    Ok(local_ms.saturating_add_signed(skew_ms.unwrap_or(0)))
}

/// How late it is at least, for what is to be shown no more: so late as somebody has said something, whatever our clock says.
pub(crate) fn now_ms(db: &Connection, local_ms: u64) -> Result<u64, Error> {
    let seen_ms: Option<i64> =
        db.prepare_cached("SELECT seen_ms FROM server_time")?.query_row([], |row| row.get(0)).optional()?;
    Ok(clock_ms(db, local_ms)?.max(from_sql(seen_ms.unwrap_or(0))?))
}

/// Notes when an entry vanishes that was just kept, and that it was so late when it was said.
pub(super) fn heed(db: &Connection, room: RoomId, incarnation: i64, entry: &Entry) -> Result<(), Error> {
    // Beyond what a clock can say nothing vanishes.
    let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    db.prepare_cached(
        "INSERT INTO server_time VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET seen_ms = excluded.seen_ms
         WHERE seen_ms < excluded.seen_ms",
    )?
    .execute([ms(entry.at_ms)])?;
    let Some(expires_ms) = entry.ext.expires_ms.filter(|_| !entry.is_erased()) else { return Ok(()) };
    let mut note = db.prepare_cached("INSERT OR IGNORE INTO vanishing VALUES (?1, ?2, ?3, ?4)")?;
    note.execute(params![ms(expires_ms), room.as_bytes(), incarnation, to_sql(entry.seq.0)?])?;
    Ok(())
}

/// The entry as it may be shown at this time.
pub(crate) fn shown(entry: Entry, now_ms: u64) -> Entry {
    if entry.is_expired(now_ms) { entry.erased(Erasure::EXPIRED) } else { entry }
}

/// Empties everything that is over; gives in how many milliseconds the next entry vanishes.
pub(crate) fn erase(db: &mut Connection, local_ms: u64) -> Result<Option<u64>, Error> {
    let now_ms = now_ms(db, local_ms)?;
    let mut erased = false;
    loop {
        let step = db.transaction()?;
        let due = due(&step, now_ms)?;
        for (at_ms, room, incarnation, seq) in &due {
            empty(&step, room, *incarnation, *seq)?;
            step.prepare_cached(
                "DELETE FROM vanishing WHERE at_ms = ?1 AND room = ?2 AND incarnation = ?3 AND seq = ?4",
            )?
            .execute(params![at_ms, room, incarnation, seq])?;
        }
        step.commit()?;
        erased |= !due.is_empty();
        if (due.len() as i64) < STEP_ENTRIES {
            break;
        }
    }
    if erased {
        // The log still has the pages as they were. When somebody reads them, the next time does it.
        let _ = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
    let next: Option<i64> = db
        .query_row("SELECT at_ms FROM vanishing ORDER BY at_ms LIMIT 1", [], |row| row.get(0))
        .optional()?;
    next.map(|next_ms| Ok(from_sql(next_ms)?.saturating_sub(now_ms))).transpose()
}

type Due = (i64, Vec<u8>, i64, i64);

fn due(db: &Transaction<'_>, now_ms: u64) -> Result<Vec<Due>, Error> {
    let mut select = db.prepare_cached(
        "SELECT at_ms, room, incarnation, seq FROM vanishing WHERE at_ms <= ?1 ORDER BY at_ms LIMIT ?2",
    )?;
    let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
    let rows = select.query_map(params![now_ms, STEP_ENTRIES], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn empty(db: &Transaction<'_>, room: &[u8], incarnation: i64, seq: i64) -> Result<(), Error> {
    let key = params![room, incarnation, seq];
    let kept: Option<Vec<u8>> = db
        .prepare_cached("SELECT payload FROM entry WHERE room = ?1 AND incarnation = ?2 AND seq = ?3")?
        .query_row(key, |row| row.get(0))
        .optional()?;
    // It may have left the profile for another reason.
    let Some(kept) = kept else { return Ok(()) };
    let entry: Entry = cbor::decode(&kept, "Entry").map_err(|_| damaged("an entry that cannot be read"))?;
    if !entry.is_erased() {
        db.prepare_cached("UPDATE entry SET payload = ?4 WHERE room = ?1 AND incarnation = ?2 AND seq = ?3")?
            .execute(params![room, incarnation, seq, cbor::encode(&entry.erased(Erasure::EXPIRED))])?;
    }
    Ok(())
}

/// Forgets what the server no longer has: everything before the room's oldest entry.
pub(crate) fn forget_below(
    db: &mut Connection,
    room: RoomId,
    incarnation: Incarnation,
    floor: Seq,
) -> Result<(), Error> {
    let floor = i64::try_from(floor.0).unwrap_or(i64::MAX);
    let step = db.transaction()?;
    for table in ["entry", "vanishing"] {
        step.prepare_cached(&format!(
            "DELETE FROM {table} WHERE room = ?1 AND incarnation = ?2 AND seq < ?3"
        ))?
        .execute(params![room.as_bytes(), to_sql(incarnation.0)?, floor])?;
    }
    Ok(step.commit()?)
}

/// Forgets a room that is no more, as if it had never been.
pub(crate) fn forget_room(db: &mut Connection, room: RoomId) -> Result<(), Error> {
    let step = db.transaction()?;
    for table in ["entry", "vanishing", "cursor", "shown", "room"] {
        step.execute(&format!("DELETE FROM {table} WHERE room = ?1"), [room.as_bytes()])?;
    }
    step.commit()?;
    let _ = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Store, log, testing};
    use super::*;
    use quipu_protocol::entry::{Ext, Kind};
    use quipu_protocol::{Blob, Cursor};

    const ROOM: RoomId = RoomId::from_bytes([1; 16]);

    fn received(seq: u64, at_ms: u64, expires_ms: Option<u64>) -> log::Received {
        let entry = Entry {
            seq: Seq(seq),
            at_ms,
            user: None,
            device: None,
            message: None,
            kind: Kind::TEXT,
            body: Blob::new(b"a secret".to_vec()).unwrap(),
            ext: Ext { expires_ms, ..Ext::default() },
        };
        (Seq(seq), cbor::encode(&entry).into())
    }

    async fn keep(store: &Store, entries: Vec<log::Received>) {
        let last = entries.last().unwrap().0;
        let cursor = Cursor { incarnation: Incarnation(1), seq: last };
        store.run(move |db| log::append(db, ROOM, &entries, cursor)).await.unwrap();
    }

    /// What is shown at a time of our clock: the positions whose text is there.
    async fn read(store: &Store, local_ms: u64) -> Vec<u64> {
        let all = (Seq::ZERO, Seq(u64::MAX));
        let entries = store.run(move |db| log::between(db, ROOM, all, false, 99, local_ms)).await.unwrap();
        entries.iter().filter(|entry| entry.text().is_some()).map(|entry| entry.seq.0).collect()
    }

    fn holds_the_text(folder: &tempfile::TempDir) -> bool {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let mut bytes = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        bytes.any(|bytes| bytes.windows(8).any(|part| part == b"a secret"))
    }

    #[tokio::test]
    async fn what_is_over_is_not_shown_and_leaves_the_disk() {
        let (store, folder) = testing::store().await;
        keep(&store, vec![received(1, 50, Some(100)), received(2, 50, None), received(3, 50, Some(200))])
            .await;
        assert_eq!(read(&store, 99).await, [1, 2, 3]);
        assert_eq!(read(&store, 100).await, [2, 3], "before it is erased");
        assert_eq!(store.run(|db| erase(db, 99)).await.unwrap(), Some(1));
        assert_eq!(store.run(|db| erase(db, 150)).await.unwrap(), Some(50));
        // A clock that is set back brings nothing back.
        assert_eq!(read(&store, 60).await, [2, 3]);
        keep(&store, vec![received(4, 60, Some(70))]).await;
        assert_eq!(store.run(|db| erase(db, u64::MAX)).await.unwrap(), None);
        assert_eq!(read(&store, 0).await, [2]);
        store.run(|db| forget_below(db, ROOM, Incarnation(1), Seq(3))).await.unwrap();
        store.close().await;
        assert!(!holds_the_text(&folder));
    }

    #[tokio::test]
    async fn the_time_the_server_said_last_holds_against_a_clock_that_is_set_back() {
        let (store, _folder) = testing::store().await;
        keep(&store, vec![received(1, 50, Some(100)), received(2, 120, None)]).await;
        assert_eq!(read(&store, 0).await, [2], "something was said at 120");
        let told = store.run(|db| Ok((now_ms(db, 7)?, clock_ms(db, 7)?))).await.unwrap();
        assert_eq!(told, (120, 7), "what is said next goes by the clock");
    }

    #[tokio::test]
    async fn what_the_server_no_longer_has_is_forgotten() {
        let (store, folder) = testing::store().await;
        keep(&store, (1..=5).map(|seq| received(seq, seq, None)).collect()).await;
        store.run(|db| forget_below(db, ROOM, Incarnation(2), Seq(9))).await.unwrap();
        assert_eq!(read(&store, 9).await, [1, 2, 3, 4, 5], "another life of the log");
        store.run(|db| forget_below(db, ROOM, Incarnation(1), Seq(4))).await.unwrap();
        assert_eq!(read(&store, 9).await, [4, 5]);
        store.run(|db| forget_room(db, ROOM)).await.unwrap();
        assert_eq!(store.run(|db| log::cursor(db, ROOM)).await.unwrap(), None);
        store.close().await;
        assert!(!holds_the_text(&folder));
    }
}
