//! What follows from entries about entries: the reactions of now, what is pinned, what is in a thread, who is called.
//!
//! All of it can be read off the log; it is kept so that nobody has to. It changes with the entries it follows from,
//! in the same transaction, and is called by `contents` alone.

use quipu_protocol::request::Tally;
use quipu_protocol::{Entry, Kind, RoomId, Seq, UserId};
use rusqlite::{Connection, params};

use super::reads::{Access, View, behind, count, framed, many, member, one, rows_max};
use super::rows::{kept, number, position, required};
use super::writes::Batch;
use crate::store::common::content_hash;
use crate::store::{Appended, NewEntry, ReactionRow, Relations, StoreError, StoredEntry};

impl Batch<'_> {
    /// An entry has come.
    pub(super) fn relate(&self, room: RoomId, entry: &Entry) -> Result<(), StoreError> {
        if entry.is_erased() {
            return Ok(());
        }
        if let Some(root) = entry.ext.thread_root {
            self.add_to_thread(room, root, entry.seq)?;
        }
        let Some(target) = entry.ext.target else { return self.call(room, entry) };
        let emoji = std::str::from_utf8(&entry.body).unwrap_or_default();
        match (entry.kind, entry.user) {
            (Kind::REACTION, Some(user)) => self.react(room, target, emoji, user, entry.seq),
            (Kind::UNREACTION, Some(user)) => self.react_no_longer(room, target, emoji, user),
            (Kind::PIN, _) => self.execute(
                "INSERT OR IGNORE INTO pins (room, target, seq) VALUES (?1, ?2, ?3)",
                params![room.as_bytes(), kept(target.0), kept(entry.seq.0)],
            ),
            (Kind::UNPIN, _) => self.unpin(room, target),
            _ => Ok(()),
        }
    }

    /// An entry's content is gone; this is what it was.
    pub(super) fn unrelate(&self, room: RoomId, before: &Entry) -> Result<(), StoreError> {
        if let (Kind::REACTION, Some(target), Some(user)) = (before.kind, before.ext.target, before.user) {
            let emoji = std::str::from_utf8(&before.body).unwrap_or_default();
            if reaction(self.conn, room, target, user, emoji)? == Some(before.seq) {
                self.react_no_longer(room, target, emoji, user)?;
            }
        }
        if before.kind != Kind::TEXT {
            return Ok(());
        }
        for sql in [
            "DELETE FROM reactions WHERE room = ?1 AND target = ?2",
            "DELETE FROM tallies WHERE room = ?1 AND target = ?2",
        ] {
            self.execute(sql, params![room.as_bytes(), kept(before.seq.0)])?;
        }
        self.unpin(room, before.seq)?;
        self.call_no_longer(room, before.seq)
    }

    /// Whom a message calls: members by name, or everybody. Names of others call nobody.
    pub(super) fn call(&self, room: RoomId, entry: &Entry) -> Result<(), StoreError> {
        let Some(author) = entry.user.filter(|_| entry.kind.is_countable()) else { return Ok(()) };
        let (seq, at_ms) = (kept(entry.seq.0), kept(entry.at_ms));
        if entry.ext.mentions_room == Some(true) {
            return self.execute(
                "INSERT INTO calls (room, seq, author, at_ms) VALUES (?1, ?2, ?3, ?4)",
                params![room.as_bytes(), seq, author.as_bytes(), at_ms],
            );
        }
        for user in entry.ext.mentions.iter().flat_map(|list| list.iter()).filter(|user| **user != author) {
            if member(self.conn, room, *user)?.is_some_and(|standing| standing.is_joined()) {
                self.execute(
                    "INSERT OR IGNORE INTO mentions (user, room, seq, at_ms) VALUES (?1, ?2, ?3, ?4)",
                    params![user.as_bytes(), room.as_bytes(), seq, at_ms],
                )?;
            }
        }
        Ok(())
    }

    /// A message calls nobody any more.
    pub(super) fn call_no_longer(&self, room: RoomId, seq: Seq) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM calls WHERE room = ?1 AND seq = ?2",
            "DELETE FROM mentions WHERE room = ?1 AND seq = ?2",
        ] {
            self.execute(sql, params![room.as_bytes(), kept(seq.0)])?;
        }
        Ok(())
    }

    /// Lets a message id name an entry that says the same already.
    pub(super) fn settle(&self, new: &NewEntry, first: Seq) -> Result<Appended, StoreError> {
        let log = self.log(new.room)?;
        let entry = self.present(new.room, first)?;
        let place = log.place(first, entry.at_ms);
        self.remember(new, &place, &content_hash(new))?;
        Ok(Appended::Duplicate(place))
    }

    fn add_to_thread(&self, room: RoomId, root: Seq, seq: Seq) -> Result<(), StoreError> {
        for seq in [root, seq] {
            self.execute(
                "INSERT OR IGNORE INTO threads (room, root, seq) VALUES (?1, ?2, ?3)",
                params![room.as_bytes(), kept(root.0), kept(seq.0)],
            )?;
        }
        Ok(())
    }

    /// An entry is no longer in the log; what is left of its thread stays a thread.
    pub(super) fn leave_thread(&self, room: RoomId, entry: &Entry) -> Result<(), StoreError> {
        let root = entry.ext.thread_root.unwrap_or(entry.seq);
        self.execute(
            "DELETE FROM threads WHERE room = ?1 AND root = ?2 AND seq = ?3",
            params![room.as_bytes(), kept(root.0), kept(entry.seq.0)],
        )
    }

    fn react(
        &self,
        room: RoomId,
        target: Seq,
        emoji: &str,
        user: UserId,
        seq: Seq,
    ) -> Result<(), StoreError> {
        if reaction(self.conn, room, target, user, emoji)?.is_some() {
            return Ok(());
        }
        self.execute(
            "INSERT INTO reactions (room, target, emoji, user, seq) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![room.as_bytes(), kept(target.0), emoji, user.as_bytes(), kept(seq.0)],
        )?;
        self.execute(
            "INSERT INTO tallies (room, target, emoji, users) VALUES (?1, ?2, ?3, 1)
             ON CONFLICT (room, target, emoji) DO UPDATE SET users = users + 1",
            params![room.as_bytes(), kept(target.0), emoji],
        )
    }

    fn react_no_longer(
        &self,
        room: RoomId,
        target: Seq,
        emoji: &str,
        user: UserId,
    ) -> Result<(), StoreError> {
        if reaction(self.conn, room, target, user, emoji)?.is_none() {
            return Ok(());
        }
        self.execute(
            "DELETE FROM reactions WHERE room = ?1 AND target = ?2 AND emoji = ?3 AND user = ?4",
            params![room.as_bytes(), kept(target.0), emoji, user.as_bytes()],
        )?;
        for sql in [
            "UPDATE tallies SET users = users - 1 WHERE room = ?1 AND target = ?2 AND emoji = ?3",
            "DELETE FROM tallies WHERE room = ?1 AND target = ?2 AND emoji = ?3 AND users <= 0",
        ] {
            self.execute(sql, params![room.as_bytes(), kept(target.0), emoji])?;
        }
        Ok(())
    }

    fn unpin(&self, room: RoomId, target: Seq) -> Result<(), StoreError> {
        let sql = "DELETE FROM pins WHERE room = ?1 AND target = ?2";
        self.execute(sql, params![room.as_bytes(), kept(target.0)])
    }
}

impl<A: Access> Relations for View<A> {
    fn reaction(
        &self,
        room: RoomId,
        target: Seq,
        user: UserId,
        emoji: &str,
    ) -> Result<Option<Seq>, StoreError> {
        reaction(self.0.conn(), room, target, user, emoji)
    }

    fn reactions(
        &self,
        room: RoomId,
        target: Seq,
        after: Option<(&str, UserId)>,
        limit: usize,
    ) -> Result<Vec<ReactionRow>, StoreError> {
        let sql = "SELECT reactions.emoji, reactions.user, users.nickname, reactions.seq
             FROM reactions JOIN users ON users.user = reactions.user
             WHERE room = ?1 AND target = ?2 AND (reactions.emoji, reactions.user) > (?3, ?4)
             ORDER BY reactions.emoji, reactions.user LIMIT ?5";
        let emoji = after.map_or("", |(emoji, _)| emoji);
        let user = behind(after.as_ref().map(|(_, user)| user.as_bytes()));
        let key = params![room.as_bytes(), position(target), emoji, user, rows_max(limit)];
        many(self.0.conn(), sql, key, |row| {
            Ok(ReactionRow {
                emoji: required(row, 0)?,
                user: UserId::from_bytes(row.get(1)?),
                nickname: required(row, 2)?,
                seq: Seq(number(row, 3)?),
            })
        })
    }

    fn tallies(
        &self,
        room: RoomId,
        (first, last): (Seq, Seq),
        user: UserId,
    ) -> Result<Vec<(Seq, Tally)>, StoreError> {
        let sql = "SELECT target, emoji, users,
                EXISTS (SELECT 1 FROM reactions WHERE reactions.room = tallies.room
                    AND reactions.target = tallies.target AND reactions.emoji = tallies.emoji AND user = ?4)
             FROM tallies WHERE room = ?1 AND target BETWEEN ?2 AND ?3 ORDER BY target, emoji";
        let key = params![room.as_bytes(), position(first), position(last), user.as_bytes()];
        many(self.0.conn(), sql, key, |row| {
            let tally = Tally { emoji: required(row, 1)?, users: number(row, 2)?, own: row.get(3)? };
            Ok((Seq(number(row, 0)?), tally))
        })
    }

    fn emoji(&self, room: RoomId, target: Seq) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM tallies WHERE room = ?1 AND target = ?2";
        count(self.0.conn(), sql, params![room.as_bytes(), position(target)])
    }

    fn has_emoji(&self, room: RoomId, target: Seq, emoji: &str) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM tallies WHERE room = ?1 AND target = ?2 AND emoji = ?3";
        Ok(count(self.0.conn(), sql, params![room.as_bytes(), position(target), emoji])? > 0)
    }

    fn pin(&self, room: RoomId, target: Seq) -> Result<Option<Seq>, StoreError> {
        let sql = "SELECT seq FROM pins WHERE room = ?1 AND target = ?2";
        one(self.0.conn(), sql, params![room.as_bytes(), position(target)], |row| Ok(Seq(number(row, 0)?)))
    }

    fn pins(&self, room: RoomId) -> Result<u64, StoreError> {
        count(self.0.conn(), "SELECT count(*) FROM pins WHERE room = ?1", [room.as_bytes()])
    }

    fn pinned(&self, room: RoomId, after: Seq, limit: usize) -> Result<Vec<(Seq, Seq)>, StoreError> {
        let sql = "SELECT target, seq FROM pins WHERE room = ?1 AND target > ?2 ORDER BY target LIMIT ?3";
        let key = params![room.as_bytes(), position(after), rows_max(limit)];
        many(self.0.conn(), sql, key, |row| Ok((Seq(number(row, 0)?), Seq(number(row, 1)?))))
    }

    fn thread_after(
        &self,
        room: RoomId,
        root: Seq,
        after: Seq,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let sql = "SELECT entries.seq, checksum, frame FROM threads
             JOIN entries ON entries.room = threads.room AND entries.seq = threads.seq
             WHERE threads.room = ?1 AND root = ?2 AND threads.seq > ?3 ORDER BY threads.seq LIMIT ?4";
        let key = params![room.as_bytes(), position(root), position(after), rows_max(limit)];
        framed(self.0.conn(), sql, room, key, bytes_max)
    }

    fn thread_before(
        &self,
        room: RoomId,
        root: Seq,
        before: Seq,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let sql = "SELECT entries.seq, checksum, frame FROM threads
             JOIN entries ON entries.room = threads.room AND entries.seq = threads.seq
             WHERE threads.room = ?1 AND root = ?2 AND threads.seq < ?3 ORDER BY threads.seq DESC LIMIT ?4";
        let key = params![room.as_bytes(), position(root), position(before), rows_max(limit)];
        let mut entries = framed(self.0.conn(), sql, room, key, bytes_max)?;
        entries.reverse();
        Ok(entries)
    }
}

fn reaction(
    conn: &Connection,
    room: RoomId,
    target: Seq,
    user: UserId,
    emoji: &str,
) -> Result<Option<Seq>, StoreError> {
    let sql = "SELECT seq FROM reactions WHERE room = ?1 AND target = ?2 AND emoji = ?3 AND user = ?4";
    let key = params![room.as_bytes(), position(target), emoji, user.as_bytes()];
    one(conn, sql, key, |row| Ok(Seq(number(row, 0)?)))
}
