//! What was received: entries, and per room the place up to which everything was told, and the place up to which
//! the program has shown it.
//!
//! Invariant: a room's cursor moves in the transaction that keeps the entries up to it, never backwards within an
//! incarnation. Entries of another incarnation are dropped when the cursor enters a new one. So are those before a hole: what
//! was not told may have edited or erased them, and they are fetched anew when somebody wants them.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};

use quipu_protocol::entry::{Entry, Kind};
use quipu_protocol::request::Tally;
use quipu_protocol::{Cursor, Emoji, Incarnation, RoomId, Seq, UserId, cbor};

use super::heeding::Place;
use super::{damaged, from_sql, to_sql, vanishing};
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
    let place = Place { db: &step, room, incarnation };
    if before.is_some_and(|before| before.incarnation != cursor.incarnation) {
        step.execute(
            "DELETE FROM entry WHERE room = ?1 AND incarnation <> ?2",
            params![room.as_bytes(), incarnation],
        )?;
    }
    let told_from = entries.first().map_or(cursor.seq.next(), |(seq, _)| *seq);
    if before.is_some_and(|before| before.incarnation == cursor.incarnation && before.seq.next() < told_from)
    {
        step.execute(
            "DELETE FROM entry WHERE room = ?1 AND incarnation = ?2 AND seq < ?3",
            params![room.as_bytes(), incarnation, to_sql(told_from.0)?],
        )?;
    }
    for (seq, payload) in entries {
        // What is no entry of this version is kept as it came.
        let entry: Option<Entry> = cbor::decode(payload, "Entry").ok();
        let target = entry.as_ref().and_then(|entry| entry.ext.target).and_then(|seq| to_sql(seq.0).ok());
        let insert = match &entry {
            // Told again without its body, it is kept without it.
            Some(entry) if entry.is_erased() => "INSERT OR REPLACE INTO entry VALUES (?1, ?2, ?3, ?4, ?5)",
            _ => "INSERT OR IGNORE INTO entry VALUES (?1, ?2, ?3, ?4, ?5)",
        };
        step.prepare_cached(insert)?.execute(params![
            room.as_bytes(),
            incarnation,
            to_sql(seq.0)?,
            &payload[..],
            target
        ])?;
        if let Some(entry) = entry {
            place.heed(&entry)?;
            vanishing::heed(&step, room, incarnation, &entry)?;
        }
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
    local_ms: u64,
) -> Result<Vec<Entry>, Error> {
    let Some(cursor) = cursor_in(db, room)? else {
        return Ok(Vec::new());
    };
    let now_ms = vanishing::now_ms(db, local_ms)?;
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
        let entry = cbor::decode(&payload, "Entry").map_err(|_| damaged("an entry that cannot be read"))?;
        entries.push(vanishing::shown(entry, now_ms));
    }
    if newest {
        entries.reverse();
    }
    Ok(entries)
}

/// How many react how to entries of a room's present incarnation from `first` to `last`, as far as the profile was told:
/// by entry and emoji.
pub(crate) fn reactions(
    db: &mut Connection,
    room: RoomId,
    (first, last): (Seq, Seq),
    me: UserId,
) -> Result<BTreeMap<Seq, Vec<Tally>>, Error> {
    let Some(cursor) = cursor_in(db, room)? else {
        return Ok(BTreeMap::new());
    };
    let place = Place { db, room, incarnation: to_sql(cursor.incarnation.0)? };
    let mut people: BTreeMap<(Seq, Emoji), BTreeSet<UserId>> = BTreeMap::new();
    for entry in place.about(first, last)?.into_iter().filter(|entry| !entry.is_erased()) {
        let emoji = std::str::from_utf8(&entry.body).ok().and_then(|text| text.parse::<Emoji>().ok());
        let (Some(target), Some(user), Some(emoji)) = (entry.ext.target, entry.user, emoji) else { continue };
        let people = people.entry((target, emoji)).or_default();
        match entry.kind {
            Kind::REACTION => people.insert(user),
            Kind::UNREACTION => people.remove(&user),
            _ => false,
        };
    }
    let mut tallies: BTreeMap<Seq, Vec<Tally>> = BTreeMap::new();
    for ((target, emoji), people) in people.into_iter().filter(|(_, people)| !people.is_empty()) {
        let tally = Tally { emoji, users: people.len() as u64, own: people.contains(&me) };
        tallies.entry(target).or_default().push(tally);
    }
    Ok(tallies)
}
