//! Changes as SQL, each job in a savepoint of its own.

use quipu_protocol::entry::Erasure;
use quipu_protocol::request::Notify;
use quipu_protocol::{Cursor, Entry, HookId, Incarnation, RoomId, RoomName, Seq, Topic, UserId};
use rusqlite::{Connection, Params, params};

use super::fault::store_error;
use super::marking::own_to;
use super::reads::{Access, View, member, one};
use super::rows::{checksum, kept, number};
use super::search::Reworded;
use crate::store::common::{Standing, content_hash, entry};
use crate::store::{
    AccountSettings, Appended, BotRow, DeviceRow, Effect, Fresh, HookRow, InviteRow, MemberState, NewEntry,
    Placed, RoomRow, StoreError, UserRow, Writes,
};

/// The open transaction.
pub(super) struct Batch<'a> {
    pub(super) conn: &'a mut Connection,
    pub(super) effects: Vec<Effect>,
    pub(super) reworded: Vec<Reworded>,
    /// Whether pages were given back, and the file may end earlier.
    pub(super) shrinks: bool,
    job_begins: (usize, usize),
    /// What the running job met last.
    met: Option<StoreError>,
    /// Why the whole batch cannot be kept.
    lost: Option<StoreError>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(conn: &'a mut Connection) -> Self {
        let (effects, reworded) = (Vec::new(), Vec::new());
        Self { conn, effects, reworded, shrinks: false, job_begins: (0, 0), met: None, lost: None }
    }

    /// What the batch did to the logs, ready to be committed, and whether it gave pages back.
    pub(super) fn finish(mut self) -> Result<(Vec<Effect>, bool), StoreError> {
        if self.lost.is_none() {
            self.write_words()?;
        }
        self.lost.map_or(Ok((self.effects, self.shrinks)), Err)
    }

    pub(super) fn noting<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        outcome.inspect_err(|error| self.met = Some(error.clone()))
    }

    /// A change by one statement, whose failure is remembered.
    pub(super) fn change(&mut self, sql: &str, params: impl Params) -> Result<(), StoreError> {
        let outcome = self.execute(sql, params);
        self.noting(outcome)
    }

    fn lose(&mut self, error: StoreError) -> StoreError {
        self.lost.get_or_insert(error).clone()
    }
}

impl Access for Batch<'_> {
    fn conn(&self) -> &Connection {
        self.conn
    }
}

impl Writes for View<Batch<'_>> {
    fn begin_job(&mut self) -> Result<(), StoreError> {
        let batch = &mut self.0;
        if let Some(error) = &batch.lost {
            return Err(error.clone());
        }
        batch.met = None;
        batch.job_begins = (batch.effects.len(), batch.reworded.len());
        batch.execute("SAVEPOINT job", []).map_err(|error| batch.lose(error))
    }

    fn end_job(&mut self, keep: bool) -> Result<(), StoreError> {
        let batch = &mut self.0;
        if batch.conn.is_autocommit() {
            // SQLite answers some failures, a full disk among them, by undoing the whole transaction.
            let met = batch.met.take();
            let error = met.unwrap_or_else(|| StoreError::Io("the disk undid the batch".into()));
            return Err(batch.lose(error));
        }
        if !keep {
            batch.effects.truncate(batch.job_begins.0);
            batch.reworded.truncate(batch.job_begins.1);
            batch.execute("ROLLBACK TO job", []).map_err(|error| batch.lose(error))?;
        }
        batch.execute("RELEASE job", []).map_err(|error| batch.lose(error))
    }

    fn append(&mut self, new: NewEntry) -> Result<Appended, StoreError> {
        let outcome = self.0.append(&new);
        self.0.noting(outcome)
    }

    fn find(&self, new: &NewEntry) -> Result<Option<Appended>, StoreError> {
        let log = self.0.log(new.room)?;
        self.0.sent_before(new, &log, &content_hash(new))
    }

    fn settle(&mut self, new: &NewEntry, first: Seq) -> Result<Appended, StoreError> {
        let outcome = self.0.settle(new, first);
        self.0.noting(outcome)
    }

    fn rewrite(&mut self, room: RoomId, entry: &Entry) -> Result<(), StoreError> {
        let outcome = self.0.rewrite(room, entry);
        self.0.noting(outcome)
    }

    fn erase(&mut self, room: RoomId, seq: Seq, why: Erasure) -> Result<bool, StoreError> {
        let outcome = self.0.erase(room, seq, why);
        self.0.noting(outcome)
    }

    fn index_more(&mut self, entries_max: usize) -> Result<bool, StoreError> {
        let outcome = self.0.index_more(entries_max);
        self.0.noting(outcome)
    }

    fn put_topic(&mut self, room: RoomId, topic: Option<&Topic>) -> Result<(), StoreError> {
        let row = params![room.as_bytes(), topic.map(|topic| topic.as_str())];
        self.0.change("UPDATE rooms SET topic = ?2 WHERE room = ?1", row)
    }

    fn put_name(&mut self, room: RoomId, name: &RoomName) -> Result<(), StoreError> {
        self.0.change("UPDATE rooms SET name = ?2 WHERE room = ?1", params![room.as_bytes(), name.as_str()])
    }

    fn insert_room(&mut self, room: &RoomRow) -> Result<(), StoreError> {
        let outcome = self.0.insert_room(room);
        self.0.noting(outcome)
    }

    fn set_member(
        &mut self,
        room: RoomId,
        user: UserId,
        member: Option<MemberState>,
    ) -> Result<(), StoreError> {
        let outcome = self.0.set_member(room, user, member);
        self.0.noting(outcome)
    }

    fn mark_read(&mut self, room: RoomId, user: UserId, seq: Seq) -> Result<Seq, StoreError> {
        let outcome = self.0.mark_read(room, user, seq);
        self.0.noting(outcome)
    }

    fn mark_unread(&mut self, room: RoomId, user: UserId, from: Seq) -> Result<(), StoreError> {
        let outcome = self.0.mark_unread(room, user, from);
        self.0.noting(outcome)
    }

    fn set_notify(&mut self, room: RoomId, user: UserId, level: Notify) -> Result<(), StoreError> {
        let outcome = self.0.set_notify(room, user, level);
        self.0.noting(outcome)
    }

    fn put_user(&mut self, user: &UserRow) -> Result<(), StoreError> {
        let outcome = self.0.put_user(user);
        self.0.noting(outcome)
    }

    fn put_device(&mut self, device: &DeviceRow) -> Result<(), StoreError> {
        let outcome = self.0.put_device(device);
        self.0.noting(outcome)
    }

    fn put_invite(&mut self, invite: &InviteRow) -> Result<(), StoreError> {
        let outcome = self.0.put_invite(invite);
        self.0.noting(outcome)
    }

    fn put_account_settings(
        &mut self,
        user: UserId,
        row: &AccountSettings,
    ) -> Result<Vec<RoomId>, StoreError> {
        let outcome = self.0.put_account_settings(user, row);
        self.0.noting(outcome)
    }

    fn put_receipt(&mut self, room: RoomId, user: UserId, seq: Seq) -> Result<bool, StoreError> {
        let outcome = self.0.put_receipt(room, user, seq);
        self.0.noting(outcome)
    }

    fn put_bot(&mut self, bot: &BotRow) -> Result<(), StoreError> {
        let outcome = self.0.put_bot(bot);
        self.0.noting(outcome)
    }

    fn put_hook(&mut self, hook: &HookRow) -> Result<(), StoreError> {
        let outcome = self.0.put_hook(hook);
        self.0.noting(outcome)
    }

    fn remove_hook(&mut self, hook: HookId) -> Result<(), StoreError> {
        let outcome = self.0.remove_hook(hook);
        self.0.noting(outcome)
    }

    fn remove_hooks_of(&mut self, bot: UserId) -> Result<(), StoreError> {
        let outcome = self.0.remove_hooks_of(bot);
        self.0.noting(outcome)
    }
}

/// What an append needs to know of a log.
pub(super) struct Log {
    incarnation: Incarnation,
    pub(super) head: Seq,
    pub(super) countable: u64,
    at_ms: u64,
    /// How long a message stays that does not say so itself.
    ttl_ms: Option<u64>,
}

impl Log {
    pub(super) fn place(&self, seq: Seq, at_ms: u64) -> Placed {
        Placed { at: Cursor { incarnation: self.incarnation, seq }, at_ms }
    }
}

impl Batch<'_> {
    fn append(&mut self, new: &NewEntry) -> Result<Appended, StoreError> {
        let mut log = self.log(new.room)?;
        let hash = content_hash(new);
        if let Some(before) = self.sent_before(new, &log, &hash)? {
            return Ok(before);
        }

        log.head = log.head.next();
        log.at_ms = log.at_ms.max(new.now_ms);
        log.countable += u64::from(new.kind.is_countable());
        let mut entry = entry(new, log.head, log.at_ms);
        entry.ext.expires_ms = self.end_of(new.room, &entry, log.ttl_ms)?.or(entry.ext.expires_ms);
        let frame = entry.frame();
        let author = new.author.map(|(user, _)| user).filter(|_| new.kind.is_countable());
        let own_nth = author.map(|author| own_to(self.conn, new.room, author, log.head)).transpose()?;
        self.execute(
            "INSERT INTO entries (room, seq, nth, author, checksum, frame, own_nth)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                new.room.as_bytes(),
                kept(log.head.0),
                kept(log.countable),
                author.as_ref().map(UserId::as_bytes),
                checksum(new.room, log.head, &frame),
                &*frame,
                own_nth.map(|before| kept(before + 1)),
            ],
        )?;
        let place = log.place(log.head, log.at_ms);
        self.remember(new, &place, &hash)?;
        self.entered(new.room, &entry)?;
        self.execute(
            "UPDATE rooms SET head = ?2, countable = ?3, at_ms = ?4, bytes = bytes + ?5 WHERE room = ?1",
            params![
                new.room.as_bytes(),
                kept(log.head.0),
                kept(log.countable),
                kept(log.at_ms),
                kept(frame.len() as u64)
            ],
        )?;
        if let Some(author) = author {
            let sql = "UPDATE members SET own_after = own_after + 1 WHERE room = ?1 AND user = ?2 AND membership = 2";
            self.execute(sql, params![new.room.as_bytes(), author.as_bytes()])?;
        }
        if let Some((user, member)) = new.membership {
            self.set_member(new.room, user, member)?;
        }
        self.effects.push(Effect::Appended(Fresh {
            room: new.room,
            seq: log.head,
            frame,
            author: new.author.map(|(user, _)| user),
            membership: new.membership,
            expires_ms: entry.ext.expires_ms,
        }));
        Ok(Appended::New(place))
    }

    fn sent_before(
        &self,
        new: &NewEntry,
        log: &Log,
        hash: &[u8; 32],
    ) -> Result<Option<Appended>, StoreError> {
        let Some(((user, _), message)) = new.author.zip(new.message) else {
            return Ok(None);
        };
        let sql = "SELECT seq, at_ms, hash FROM messages WHERE room = ?1 AND user = ?2 AND message = ?3";
        let key = params![new.room.as_bytes(), user.as_bytes(), message.as_bytes()];
        one(self.conn, sql, key, |row| {
            let is_same = row.get::<_, [u8; 32]>(2)? == *hash;
            let place = log.place(Seq(number(row, 0)?), number(row, 1)?);
            Ok(if is_same { Appended::Duplicate(place) } else { Appended::Conflict })
        })
    }

    /// Lets a message id name a place, so that it is not taken twice; since when that is so is not when the entry came.
    pub(super) fn remember(&self, new: &NewEntry, place: &Placed, hash: &[u8; 32]) -> Result<(), StoreError> {
        let Some(((user, _), message)) = new.author.zip(new.message) else {
            return Ok(());
        };
        self.execute(
            "INSERT INTO messages (room, user, message, seq, at_ms, hash, heard_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                new.room.as_bytes(),
                user.as_bytes(),
                message.as_bytes(),
                kept(place.at.seq.0),
                kept(place.at_ms),
                hash,
                kept(place.at_ms.max(new.now_ms)),
            ],
        )
    }

    fn set_member(&self, room: RoomId, user: UserId, state: Option<MemberState>) -> Result<(), StoreError> {
        let log = self.log(room)?;
        let before = member(self.conn, room, user)?;
        let after = state.map(|state| Standing::changed(before.as_ref(), state, log.head, log.countable));
        match after {
            Some(after) => self.put_standing(room, user, &after)?,
            None => self.execute(
                "DELETE FROM members WHERE room = ?1 AND user = ?2",
                params![room.as_bytes(), user.as_bytes()],
            )?,
        }
        let joined = |standing: Option<&Standing>| {
            standing.filter(|standing| standing.is_joined()).map(|it| it.row.state)
        };
        if joined(before.as_ref()).is_some() != joined(after.as_ref()).is_some() {
            self.keep_parted(room, user, joined(before.as_ref()).as_ref(), joined(after.as_ref()).is_some())?;
        }
        if !after.as_ref().is_some_and(Standing::is_joined) {
            self.drop_receipt(room, user)?;
        }
        let counted =
            |standing: Option<Standing>| i64::from(standing.is_some_and(|standing| standing.is_joined()));
        match counted(after) - counted(before) {
            0 => Ok(()),
            more => self.execute(
                "UPDATE rooms SET members = members + ?2 WHERE room = ?1",
                params![room.as_bytes(), more],
            ),
        }
    }

    pub(super) fn log(&self, room: RoomId) -> Result<Log, StoreError> {
        let sql = "SELECT incarnation, head, countable, at_ms, ttl_ms FROM rooms WHERE room = ?1";
        let log = one(self.conn, sql, [room.as_bytes()], |row| {
            Ok(Log {
                incarnation: Incarnation(number(row, 0)?),
                head: Seq(number(row, 1)?),
                countable: number(row, 2)?,
                at_ms: number(row, 3)?,
                ttl_ms: row.get::<_, Option<i64>>(4)?.map(i64::cast_unsigned),
            })
        })?;
        log.ok_or_else(|| StoreError::Failed("no such room".into()))
    }

    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached(sql).map_err(store_error)?;
        statement.execute(params).map(drop).map_err(store_error)
    }
}
