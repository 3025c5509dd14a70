//! What was received: entries, and per room the place up to which everything was told, and the place up to which
//! the program has shown it.
//!
//! Invariant: a room's cursor moves in the transaction that keeps the entries up to it, never backwards within an
//! incarnation. Entries of another incarnation are dropped when the cursor enters a new one.

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};

use quipu_protocol::entry::Entry;
use quipu_protocol::{Cursor, Incarnation, RoomId, Seq, cbor};

use super::{damaged, erasing, from_sql, to_sql};
use crate::error::Error;
use crate::limits::CACHED_ENTRIES_MAX;

/// An entry as it came: its place and the payload of its frame.
pub(crate) type Received = (Seq, Bytes);

/// Keeps entries of one room, ascending, and that everything up to `cursor` was told.
pub(crate) fn append(
    db: &mut Connection,
    room: RoomId,
    entries: &[Received],
    cursor: Cursor,
) -> Result<(), Error> {
    let step = db.transaction()?;
    let before = cursor_in(&step, room)?;
    let incarnation = to_sql(cursor.incarnation.0)?;
    if before.is_some_and(|before| before.incarnation != cursor.incarnation) {
        step.execute(
            "DELETE FROM entry WHERE room = ?1 AND incarnation <> ?2",
            params![room.as_bytes(), incarnation],
        )?;
    }
    for (seq, payload) in entries {
        step.prepare_cached("INSERT OR IGNORE INTO entry VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            room.as_bytes(),
            incarnation,
            to_sql(seq.0)?,
            &payload[..]
        ])?;
        erasing::heed(&step, room, incarnation, payload)?;
    }
    if before.is_none_or(|before| before.incarnation != cursor.incarnation || before.seq < cursor.seq) {
        step.prepare_cached("INSERT OR REPLACE INTO cursor VALUES (?1, ?2, ?3)")?.execute(params![
            room.as_bytes(),
            incarnation,
            to_sql(cursor.seq.0)?
        ])?;
        trim(&step, room, before, cursor)?;
    }
    Ok(step.commit()?)
}

/// Drops what is older than the profile keeps, once in a while.
fn trim(db: &Connection, room: RoomId, before: Option<Cursor>, cursor: Cursor) -> Result<(), Error> {
    const EVERY: u64 = 256; // Positions: cursors move by batches of any size, so passing one counts.
    let floor = cursor.seq.0.saturating_sub(CACHED_ENTRIES_MAX);
    let before = before.map_or(0, |before| before.seq.0);
    if floor > 0 && before / EVERY != cursor.seq.0 / EVERY {
        db.execute(
            "DELETE FROM entry WHERE room = ?1 AND incarnation = ?2 AND seq <= ?3",
            params![room.as_bytes(), to_sql(cursor.incarnation.0)?, to_sql(floor)?],
        )?;
    }
    Ok(())
}

/// Up to where a room was told.
pub(crate) fn cursor(db: &mut Connection, room: RoomId) -> Result<Option<Cursor>, Error> {
    cursor_in(db, room)
}

/// Up to where the program has shown a room.
pub(crate) fn shown(db: &mut Connection, room: RoomId) -> Result<Option<Cursor>, Error> {
    place(db, "SELECT incarnation, seq FROM shown WHERE room = ?1", room)
}

/// Notes how far the program has shown rooms; never backwards within an incarnation.
pub(crate) fn show(db: &mut Connection, places: &BTreeMap<RoomId, Cursor>) -> Result<(), Error> {
    let step = db.transaction()?;
    for (room, cursor) in places {
        step.prepare_cached(
            "INSERT INTO shown VALUES (?1, ?2, ?3) ON CONFLICT (room) DO UPDATE
             SET incarnation = excluded.incarnation, seq = excluded.seq
             WHERE incarnation <> excluded.incarnation OR seq < excluded.seq",
        )?
        .execute(params![room.as_bytes(), to_sql(cursor.incarnation.0)?, to_sql(cursor.seq.0)?])?;
    }
    Ok(step.commit()?)
}

fn cursor_in(db: &Connection, room: RoomId) -> Result<Option<Cursor>, Error> {
    place(db, "SELECT incarnation, seq FROM cursor WHERE room = ?1", room)
}

fn place(db: &Connection, select: &str, room: RoomId) -> Result<Option<Cursor>, Error> {
    let row: Option<(i64, i64)> = db
        .prepare_cached(select)?
        .query_row([room.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    row.map(|(incarnation, seq)| {
        Ok(Cursor { incarnation: Incarnation(from_sql(incarnation)?), seq: Seq(from_sql(seq)?) })
    })
    .transpose()
}

/// Entries of a room's present incarnation strictly between two places, ascending: the last `limit` of them when
/// `newest`, else the first.
pub(crate) fn between(
    db: &mut Connection,
    room: RoomId,
    (after, before): (Seq, Seq),
    newest: bool,
    limit: u64,
) -> Result<Vec<Entry>, Error> {
    let Some(cursor) = cursor_in(db, room)? else {
        return Ok(Vec::new());
    };
    let clamp = |seq: Seq| i64::try_from(seq.0).unwrap_or(i64::MAX);
    let order = if newest { "DESC" } else { "ASC" };
    let mut select = db.prepare_cached(&format!(
        "SELECT payload FROM entry WHERE room = ?1 AND incarnation = ?2 AND seq > ?3 AND seq < ?4
         ORDER BY seq {order} LIMIT ?5"
    ))?;
    let mut rows = select.query(params![
        room.as_bytes(),
        to_sql(cursor.incarnation.0)?,
        clamp(after),
        clamp(before),
        to_sql(limit)?
    ])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let payload: Vec<u8> = row.get(0)?;
        entries.push(cbor::decode(&payload, "Entry").map_err(|_| damaged("an entry that cannot be read"))?);
    }
    if newest {
        entries.reverse();
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use quipu_protocol::Blob;
    use quipu_protocol::entry::{Ext, Kind};

    const ROOM: RoomId = RoomId::from_bytes([1; 16]);

    fn at(incarnation: u64, seq: u64) -> Cursor {
        Cursor { incarnation: Incarnation(incarnation), seq: Seq(seq) }
    }

    fn received(seqs: std::ops::RangeInclusive<u64>) -> Vec<Received> {
        let entry = |seq| Entry {
            seq: Seq(seq),
            at_ms: seq,
            user: None,
            device: None,
            message: None,
            kind: Kind::TEXT,
            body: Blob::default(),
            ext: Ext::default(),
        };
        seqs.map(|seq| (Seq(seq), cbor::encode(&entry(seq)).into())).collect()
    }

    async fn seqs(store: &super::super::Store) -> Vec<u64> {
        let all = (Seq::ZERO, Seq(u64::MAX));
        let entries = store.run(move |db| between(db, ROOM, all, false, 1_000)).await.unwrap();
        entries.iter().map(|entry| entry.seq.0).collect()
    }

    #[tokio::test]
    async fn told_twice_is_kept_once_and_the_cursor_never_goes_back() {
        let (store, _folder) = testing::store().await;
        store.run(|db| append(db, ROOM, &received(1..=5), at(1, 5))).await.unwrap();
        store.run(|db| append(db, ROOM, &received(3..=4), at(1, 4))).await.unwrap();
        assert_eq!(seqs(&store).await, [1, 2, 3, 4, 5]);
        assert_eq!(store.run(|db| cursor(db, ROOM)).await, Ok(Some(at(1, 5))));
    }

    #[tokio::test]
    async fn what_somebody_wrote_is_gone_when_a_note_says_so() {
        use quipu_protocol::UserId;
        use quipu_protocol::note::Erased;

        let (store, _folder) = testing::store().await;
        let (bob, ada) = (UserId::from_bytes([2; 16]), UserId::from_bytes([1; 16]));
        let entry = |seq, user, kind, body: Vec<u8>| {
            let body = Blob::new(body).unwrap();
            let entry = Entry {
                seq: Seq(seq),
                at_ms: seq,
                user: Some(user),
                device: None,
                message: None,
                kind,
                body,
                ext: Ext::default(),
            };
            (Seq(seq), cbor::encode(&entry).into())
        };
        let erased = cbor::encode(&Erased { user: bob, nickname: "bob".parse().unwrap() });
        let entries = [
            entry(1, bob, Kind::TEXT, b"secret".to_vec()),
            entry(2, ada, Kind::TEXT, b"mine".to_vec()),
            entry(3, ada, Kind::ERASURE, erased),
            entry(4, bob, Kind::TEXT, b"later".to_vec()),
        ];
        let [before, rest] = [entries[..2].to_vec(), entries[2..].to_vec()];
        store.run(move |db| append(db, ROOM, &before, at(1, 2))).await.unwrap();
        store.run(move |db| append(db, ROOM, &rest, at(1, 4))).await.unwrap();
        let all = (Seq::ZERO, Seq(u64::MAX));
        let kept = store.run(move |db| between(db, ROOM, all, false, 9)).await.unwrap();
        let texts: Vec<_> = kept.iter().map(|entry| (entry.text(), entry.is_erased())).collect();
        assert_eq!(texts, [(None, true), (Some("mine"), false), (None, false), (Some("later"), false)]);
    }

    #[tokio::test]
    async fn a_new_incarnation_replaces_what_was_known() {
        let (store, _folder) = testing::store().await;
        store.run(|db| append(db, ROOM, &received(1..=5), at(1, 5))).await.unwrap();
        store.run(|db| append(db, ROOM, &received(2..=3), at(2, 3))).await.unwrap();
        assert_eq!(seqs(&store).await, [2, 3]);
        assert_eq!(store.run(|db| cursor(db, ROOM)).await, Ok(Some(at(2, 3))));
    }

    #[tokio::test]
    async fn old_entries_leave() {
        let (store, _folder) = testing::store().await;
        let last = (CACHED_ENTRIES_MAX / 256 + 2) * 256 + 3;
        store.run(|db| append(db, ROOM, &received(1..=600), at(1, 600))).await.unwrap();
        store.run(move |db| append(db, ROOM, &received(last..=last), at(1, last))).await.unwrap();
        assert_eq!(seqs(&store).await.first(), Some(&(last - CACHED_ENTRIES_MAX + 1)));
    }
}
