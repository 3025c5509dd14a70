//! A reader: a cursor on one room's log, and a wake-up.
//!
//! ```text
//!   Opened at cursor ─▶ Gap? ─▶ entries from the store ─▶ entries from the tail ─▶ caught up ─▶ live …
//! ```
//!
//! Joining, resuming, lagging and following are this one walk at different distances from the head.
//! Invariant: what [`Next`] covers is contiguous, from the cursor given to wherever it ended.

use std::sync::Arc;

use bytes::Bytes;
use quipu_protocol::datagram::Typing;
use quipu_protocol::room::{EndReason, GapReason};
use quipu_protocol::{Cursor, RoomId, Seq, UserId};
use tokio::sync::broadcast;

use super::live::{Live, LiveRoom, lock};
use super::tail::Found;
use crate::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, TAIL_ENTRIES_MAX};
use crate::store::{Storage, StoreError};
use quipu_protocol::limits::BACKLOG_ENTRIES_MAX;

/// A cursor that moves along one log for one account.
pub struct Subscription {
    live: Arc<Live>,
    room: Arc<LiveRoom>,
    storage: Storage,
    user: UserId,
    /// Everything up to here was given, or told missing.
    cursor: Seq,
    /// The head when the right to read was checked; a departure after it ends the reading.
    checked_at: Seq,
    /// Entries beyond which a range is told missing instead of replayed; the first time, the reader's own wish.
    backlog: u64,
    /// A gap to tell first.
    gap: Option<(Seq, Seq, GapReason)>,
    caught_up: bool,
}

/// What a reader is to be told next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Entry frames that follow directly.
    Entries(Vec<Bytes>),
    /// Entries from the first to the second position are not given here.
    Gap(Seq, Seq, GapReason),
    /// Everything up to here was given; said once.
    CaughtUp(Seq),
    /// Nothing will follow.
    End(EndReason),
}

impl Subscription {
    /// Attaches a reader; it reads nothing until [`Subscription::begin`].
    pub(super) fn attach(live: &Arc<Live>, storage: &Storage, room: RoomId, user: UserId) -> Self {
        let room = live.attach(room, user);
        Self {
            live: Arc::clone(live),
            storage: storage.clone(),
            user,
            room,
            cursor: Seq::ZERO,
            checked_at: Seq::ZERO,
            backlog: BACKLOG_ENTRIES_MAX,
            gap: None,
            caught_up: false,
        }
    }

    /// Sets the cursor, once the right to read was checked at `head`. Gives where the reading starts.
    pub(super) fn begin(&mut self, head: Cursor, floor: Seq, after: Option<Cursor>, backlog: u64) -> Cursor {
        let backlog = backlog.min(BACKLOG_ENTRIES_MAX);
        let newest = Seq(head.seq.0.saturating_sub(backlog).max(floor.0.saturating_sub(1)));
        self.cursor = match after {
            None => newest,
            Some(after) if after.incarnation != head.incarnation || after.seq > head.seq => {
                self.gap = (newest > Seq::ZERO).then_some((Seq(1), newest, GapReason::INCARNATION));
                newest
            }
            Some(after) if after.seq.next() < floor => {
                self.gap = Some((after.seq.next(), newest.max(Seq(floor.0 - 1)), GapReason::RETENTION));
                newest
            }
            Some(after) if after.seq < newest => {
                self.gap = Some((after.seq.next(), newest, GapReason::BACKLOG));
                newest
            }
            Some(after) => after.seq,
        };
        let start = self.gap.map_or(self.cursor, |(from, _, _)| Seq(from.0 - 1));
        self.checked_at = head.seq;
        lock(&self.room.state).tail.seen(head.seq);
        Cursor { incarnation: head.incarnation, seq: start }
    }

    /// Which room.
    pub fn room(&self) -> RoomId {
        self.room.room
    }

    /// Waits for what is to be told next. Cancel-safe: the cursor moves only in the poll that returns.
    ///
    /// # Errors
    /// When older entries cannot be read from the store.
    pub async fn next(&mut self) -> Result<Next, StoreError> {
        let room = Arc::clone(&self.room);
        loop {
            // Listening before looking: an append after the look still wakes us.
            let appended = room.appended.notified();
            if let Some((from, to, reason)) = self.gap.take() {
                return Ok(Next::Gap(from, to, reason));
            }
            let Look { found, last, gone, usable } = self.look();
            if let Some((_, reason)) = gone.filter(|(seq, _)| self.cursor >= *seq) {
                return Ok(Next::End(reason));
            }
            match found {
                Found::Frames(frames) => {
                    let frames = self.up_to(frames, gone);
                    self.cursor = Seq(self.cursor.0 + frames.len() as u64);
                    return Ok(Next::Entries(frames));
                }
                Found::Older if last.0 - self.cursor.0 > self.backlog => {
                    let to = Seq(last.0 - TAIL_ENTRIES_MAX as u64 / 2);
                    let from = std::mem::replace(&mut self.cursor, to).next();
                    return Ok(Next::Gap(from, to, GapReason::BACKLOG));
                }
                Found::Older => {
                    // The store may be ahead of what was observed here, and a departure among that would be missed.
                    let mut frames = self.older().await?;
                    frames.truncate(usable.0.saturating_sub(self.cursor.0) as usize);
                    if frames.is_empty() {
                        appended.await;
                        continue;
                    }
                    let frames = self.up_to(frames, gone);
                    self.cursor = Seq(self.cursor.0 + frames.len() as u64);
                    return Ok(Next::Entries(frames));
                }
                Found::Nothing if !self.caught_up => {
                    self.caught_up = true;
                    return Ok(Next::CaughtUp(self.cursor));
                }
                Found::Nothing => appended.await,
            }
        }
    }

    /// What people type in this room from now on.
    pub fn typists(&self) -> Typists {
        Typists(self.room.typing.subscribe())
    }

    fn look(&self) -> Look {
        let state = lock(&self.room.state);
        Look {
            found: state.tail.read(self.cursor),
            last: state.tail.last(),
            gone: state.gone(self.user).filter(|(seq, _)| *seq > self.checked_at),
            usable: state.observed.max(self.checked_at),
        }
    }

    /// A member who goes still reads the entry that says so, and nothing after it.
    fn up_to(&self, mut frames: Vec<Bytes>, gone: Option<(Seq, EndReason)>) -> Vec<Bytes> {
        if let Some((seq, _)) = gone {
            frames.truncate(seq.0.saturating_sub(self.cursor.0) as usize);
        }
        frames
    }

    async fn older(&self) -> Result<Vec<Bytes>, StoreError> {
        let (room, cursor) = (self.room.room, self.cursor);
        let question = move |store: &dyn crate::store::Reads| {
            store.entries_after(room, cursor, BATCH_ENTRIES_MAX, BATCH_BYTES_MAX)
        };
        let entries = self.storage.read(question).await?;
        match entries.first() {
            Some(first) if first.seq == cursor.next() => {
                Ok(entries.into_iter().map(|entry| entry.frame).collect())
            }
            _ => Err(StoreError::Damaged(format!("room {room} has no entry after {cursor} below its head"))),
        }
    }
}

/// One look at a room's state.
struct Look {
    found: Found,
    last: Seq,
    gone: Option<(Seq, EndReason)>,
    /// Up to here the right to read is known.
    usable: Seq,
}

/// Who types in a room.
pub struct Typists(broadcast::Receiver<Typing>);

impl Typists {
    /// Waits for somebody to type. Cancel-safe. Notices that came too fast are left out.
    pub async fn next(&mut self) -> Typing {
        loop {
            match self.0.recv().await {
                Ok(typing) => return typing,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.live.detach(&self.room, self.user);
    }
}
