//! What entries do to entries that were kept before them, done here as the server did it: a profile shows what is so
//! now, and keeps no copy of what is gone for everybody else.
//!
//! ```text
//!   EDIT ─▶ its target reads differently      REDACTION ─▶ its target, and edits of it, are emptied
//!   NAME ─▶ the room is found by its new name ERASURE ─▶ everything its account wrote before is emptied
//! ```
//!
//! Invariant: whatever is kept was heeded up to the room's cursor; `log` drops what is older than a hole in what was told.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};

use quipu_protocol::entry::{Edited, Entry, Erasure, Ext, Kind, NameChange};
use quipu_protocol::note::Erased;
use quipu_protocol::{RoomId, Seq, UserId, cbor};

use super::{damaged, names, to_sql};
use crate::error::Error;

/// Entries held in memory at once while all of somebody's are looked for: with full bodies 8 MiB.
const STEP_ENTRIES: i64 = 500;

/// The log of one room in one life of it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) db: &'a Connection,
    pub(super) room: RoomId,
    pub(super) incarnation: i64,
}

impl Place<'_> {
    /// Does what an entry says that was just kept.
    pub(super) fn heed(self, note: &Entry) -> Result<(), Error> {
        if note.is_erased() && note.kind != Kind::REDACTION {
            return Ok(());
        }
        match (note.kind, note.ext.target) {
            (Kind::EDIT, Some(target)) => self.edit(target, note),
            (Kind::REDACTION, Some(target)) => self.redact(target, note),
            (Kind::ERASURE, _) => match cbor::decode::<Erased>(&note.body, "Erased") {
                Ok(erased) => self.erase_all_of(erased.user, note.seq),
                Err(_) => Ok(()),
            },
            (Kind::NAME, _) => match cbor::decode::<NameChange>(&note.body, "NameChange") {
                Ok(change) => names::rename(self.db, self.room, change.name.as_str()),
                Err(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn edit(self, target: Seq, note: &Entry) -> Result<(), Error> {
        let Some(kept) = self.entry(target)?.filter(|kept| !kept.is_erased()) else { return Ok(()) };
        let Some(by) = note.user else { return Ok(()) };
        // What came as it reads now is not taken back by edits that are told after it.
        if kept.ext.edited.as_ref().is_some_and(|last| last.at_ms > note.at_ms) {
            return Ok(());
        }
        let ext = Ext {
            edited: Some(Edited { by, at_ms: note.at_ms }),
            mentions: note.ext.mentions.clone(),
            mentions_room: note.ext.mentions_room,
            ..kept.ext
        };
        self.put(&Entry { body: note.body.clone(), ext, ..kept })
    }

    fn redact(self, target: Seq, note: &Entry) -> Result<(), Error> {
        let why = |of: &Entry| if of.user == note.user { Erasure::RETRACTED } else { Erasure::REMOVED };
        if let Some(kept) = self.entry(target)? {
            self.empty(&kept, why(&kept))?;
        }
        for edit in self.about(target, target)?.into_iter().filter(|entry| entry.kind == Kind::EDIT) {
            self.empty(&edit, why(&edit))?;
        }
        Ok(())
    }

    fn erase_all_of(self, user: UserId, before: Seq) -> Result<(), Error> {
        let sql = "SELECT payload FROM entry WHERE room = ?1 AND incarnation = ?2 AND seq > ?3 AND seq < ?4
             ORDER BY seq LIMIT ?5";
        let (mut after, before) = (0, to_sql(before.0)?);
        loop {
            let step = self
                .found(sql, params![self.room.as_bytes(), self.incarnation, after, before, STEP_ENTRIES])?;
            let Some(last) = step.last() else { return Ok(()) };
            after = to_sql(last.seq.0)?;
            for entry in step {
                if entry.user == Some(user) && entry.kind.is_publishable() {
                    self.empty(&entry, Erasure::AUTHOR_REMOVED)?;
                }
            }
        }
    }

    /// Keeps the entry as the server has it from now on: its place and what it is about, and nothing it said.
    fn empty(self, entry: &Entry, why: Erasure) -> Result<(), Error> {
        if entry.is_erased() { Ok(()) } else { self.put(&entry.erased(why)) }
    }

    fn put(self, entry: &Entry) -> Result<(), Error> {
        self.db
            .prepare_cached(
                "UPDATE entry SET payload = ?4 WHERE room = ?1 AND incarnation = ?2 AND seq = ?3",
            )?
            .execute(params![
                self.room.as_bytes(),
                self.incarnation,
                to_sql(entry.seq.0)?,
                cbor::encode(entry)
            ])?;
        Ok(())
    }

    fn entry(self, seq: Seq) -> Result<Option<Entry>, Error> {
        // No entry is kept at a place beyond what a number may be.
        let Ok(seq) = to_sql(seq.0) else { return Ok(None) };
        let payload: Option<Vec<u8>> = self
            .db
            .prepare_cached("SELECT payload FROM entry WHERE room = ?1 AND incarnation = ?2 AND seq = ?3")?
            .query_row(params![self.room.as_bytes(), self.incarnation, seq], |row| row.get(0))
            .optional()?;
        payload.map(|payload| decoded(&payload.into())).transpose()
    }

    /// Entries about the entries from `first` to `last`, in the order of the log.
    pub(super) fn about(self, first: Seq, last: Seq) -> Result<Vec<Entry>, Error> {
        let clamp = |seq: Seq| i64::try_from(seq.0).unwrap_or(i64::MAX);
        let sql = "SELECT payload FROM entry INDEXED BY entry_about
             WHERE room = ?1 AND incarnation = ?2 AND target BETWEEN ?3 AND ?4 ORDER BY seq";
        self.found(sql, params![self.room.as_bytes(), self.incarnation, clamp(first), clamp(last)])
    }

    fn found(self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Entry>, Error> {
        let mut select = self.db.prepare_cached(sql)?;
        let rows = select.query_map(params, |row| row.get::<_, Vec<u8>>(0))?;
        rows.map(|payload| decoded(&payload?.into())).collect()
    }
}

fn decoded(payload: &Bytes) -> Result<Entry, Error> {
    cbor::decode(payload, "Entry").map_err(|_| damaged("an entry that cannot be read"))
}
