//! What the server erased is erased here too: a profile keeps no copy of what is gone for everybody else.

use bytes::Bytes;
use rusqlite::{Connection, params};

use quipu_protocol::entry::{Entry, Erasure, Ext, Kind};
use quipu_protocol::note::Erased;
use quipu_protocol::{Blob, RoomId, Seq, UserId, cbor};

use super::{damaged, to_sql};
use crate::error::Error;

/// Does what a note says that was just kept: a [`Kind::ERASURE`] empties all that its account wrote before it.
pub(super) fn heed(db: &Connection, room: RoomId, incarnation: i64, payload: &Bytes) -> Result<(), Error> {
    // What is not an entry is told elsewhere.
    let Ok(note) = cbor::decode::<Entry>(payload, "Entry") else { return Ok(()) };
    if note.kind != Kind::ERASURE {
        return Ok(());
    }
    match cbor::decode::<Erased>(&note.body, "Erased") {
        Ok(erased) => erase(db, room, incarnation, erased.user, note.seq),
        Err(_) => Ok(()),
    }
}

fn erase(db: &Connection, room: RoomId, incarnation: i64, user: UserId, before: Seq) -> Result<(), Error> {
    let mut select =
        db.prepare("SELECT seq, payload FROM entry WHERE room = ?1 AND incarnation = ?2 AND seq < ?3")?;
    let key = params![room.as_bytes(), incarnation, to_sql(before.0)?];
    let rows = select.query_map(key, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    for row in rows {
        let (seq, payload) = row?;
        let entry: Entry =
            cbor::decode(&payload, "Entry").map_err(|_| damaged("an entry that cannot be read"))?;
        if entry.user == Some(user) && entry.kind.is_publishable() && !entry.is_erased() {
            let emptied = cbor::encode(&emptied(entry));
            db.execute(
                "UPDATE entry SET payload = ?4 WHERE room = ?1 AND incarnation = ?2 AND seq = ?3",
                params![room.as_bytes(), incarnation, seq, emptied],
            )?;
        }
    }
    Ok(())
}

/// The entry as the server has it from now on: its place and what it is about, and nothing it said.
fn emptied(entry: Entry) -> Entry {
    let ext = Ext {
        reply_to: entry.ext.reply_to,
        thread_root: entry.ext.thread_root,
        target: entry.ext.target,
        erased: Some(Erasure::AUTHOR_REMOVED),
        ..Ext::default()
    };
    Entry { body: Blob::default(), ext, ..entry }
}
