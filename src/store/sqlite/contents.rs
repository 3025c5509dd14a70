//! What an entry says, and everything that is kept because of it: when it comes, reads differently, or is gone.
//!
//! The frame in `entries` is the truth; whatever else knows something of its content (what is about what, what
//! counts) changes here, in the same transaction, and nowhere else.

use quipu_protocol::entry::Erasure;
use quipu_protocol::{Entry, Kind, RoomId, Seq};
use rusqlite::params;

use super::reads::{about, entry_at};
use super::rows::{checksum, kept};
use super::writes::Batch;
use crate::store::{Effect, StoreError};

impl Batch<'_> {
    /// An entry has come.
    pub(super) fn entered(&mut self, room: RoomId, entry: &Entry) -> Result<(), StoreError> {
        self.files_entered(room, entry)?;
        self.reworded(room, None, Some(entry))?;
        self.relate(room, entry)?;
        self.expires(room, entry)?;
        let Some(target) = entry.ext.target else { return Ok(()) };
        self.execute(
            "INSERT INTO relations (room, target, kind, seq) VALUES (?1, ?2, ?3, ?4)",
            params![room.as_bytes(), kept(target.0), kept(entry.kind.0), kept(entry.seq.0)],
        )
    }

    /// An entry reads differently from now on; `before` is how it read.
    fn changed(&mut self, room: RoomId, before: &Entry, entry: &Entry) -> Result<(), StoreError> {
        self.call_no_longer(room, entry.seq)?;
        self.call(room, entry)?;
        self.reworded(room, Some(before), Some(entry))
    }

    /// An entry's content is gone; this is what it was.
    fn emptied(&mut self, room: RoomId, before: &Entry) -> Result<(), StoreError> {
        self.files_emptied(room, before)?;
        self.reworded(room, Some(before), None)?;
        self.unrelate(room, before)?;
        if let Some(at_ms) = before.ext.expires_ms {
            self.expires_no_more(room, before.seq, at_ms)?;
        }
        let Some(author) = before.user.filter(|_| before.kind.is_countable()) else { return Ok(()) };
        self.execute(
            "INSERT INTO uncounted (room, seq, author) VALUES (?1, ?2, ?3)",
            params![room.as_bytes(), kept(before.seq.0), author.as_bytes()],
        )
    }

    /// An entry leaves the log together with everything before it; this is how it read.
    pub(super) fn left(&mut self, room: RoomId, entry: &Entry) -> Result<(), StoreError> {
        self.files_emptied(room, entry)?;
        self.reworded(room, Some(entry), None)?;
        if let Some(at_ms) = entry.ext.expires_ms {
            self.expires_no_more(room, entry.seq, at_ms)?;
        }
        self.unrelate(room, entry)?;
        self.leave_thread(room, entry)?;
        if let Some(target) = entry.ext.target {
            for target in [target, Seq::ZERO] {
                self.execute(
                    "DELETE FROM relations WHERE room = ?1 AND target = ?2 AND kind = ?3 AND seq = ?4",
                    params![room.as_bytes(), kept(target.0), kept(entry.kind.0), kept(entry.seq.0)],
                )?;
            }
        }
        let key = params![room.as_bytes(), kept(entry.seq.0)];
        // What is about it stays, and an edit says all that it said.
        self.execute("UPDATE relations SET target = 0 WHERE room = ?1 AND target = ?2", key)?;
        self.execute("DELETE FROM reports WHERE room = ?1 AND seq = ?2", key)?;
        self.execute("DELETE FROM uncounted WHERE room = ?1 AND seq = ?2", key)
    }

    pub(super) fn rewrite(&mut self, room: RoomId, entry: &Entry) -> Result<(), StoreError> {
        let before = self.present(room, entry.seq)?;
        let entry = Entry { body: entry.body.clone(), ext: entry.ext.clone(), ..before.clone() };
        self.put_frame(room, &entry)?;
        self.changed(room, &before, &entry)
    }

    pub(super) fn erase(&mut self, room: RoomId, seq: Seq, why: Erasure) -> Result<bool, StoreError> {
        let before = self.present(room, seq)?;
        if before.is_erased() {
            return Ok(false);
        }
        self.put_frame(room, &before.erased(why))?;
        self.emptied(room, &before)?;
        for edit in about(self.conn, room, seq, Kind::EDIT, Seq::ZERO, usize::MAX)? {
            self.erase(room, edit, why)?;
        }
        Ok(true)
    }

    pub(super) fn present(&self, room: RoomId, seq: Seq) -> Result<Entry, StoreError> {
        entry_at(self.conn, room, seq)?.ok_or_else(|| StoreError::Failed("no such entry".into()))
    }

    fn put_frame(&mut self, room: RoomId, entry: &Entry) -> Result<(), StoreError> {
        let frame = entry.frame();
        self.execute(
            "UPDATE rooms SET bytes = bytes + ?3 -
                (SELECT length(frame) FROM entries WHERE room = ?1 AND seq = ?2) WHERE room = ?1",
            params![room.as_bytes(), kept(entry.seq.0), kept(frame.len() as u64)],
        )?;
        self.execute(
            "UPDATE entries SET checksum = ?3, frame = ?4 WHERE room = ?1 AND seq = ?2",
            params![room.as_bytes(), kept(entry.seq.0), checksum(room, entry.seq, &frame), &*frame],
        )?;
        self.effects.push(Effect::Rewritten { room, seq: entry.seq, frame });
        Ok(())
    }
}
