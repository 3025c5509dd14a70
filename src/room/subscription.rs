//! A reader: a cursor on one room's log, and a wake-up.
//!
//! ```text
//!   Opened at cursor ─▶ Gap? ─▶ entries from the store ─▶ entries from the tail ─▶ caught up ─▶ live …
//! ```
//!
//! Joining, resuming, lagging and following are this one walk at different distances from the head.
//! Invariant: what [`Next`] covers is contiguous, from the cursor given to wherever it ended.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use quipu_protocol::datagram::Typing;
use quipu_protocol::room::{EndReason, GapReason};
use quipu_protocol::{Cursor, RoomId, Seq, UserId};
use tokio::sync::broadcast;

use super::chat::Rooms;
use super::fading;
use super::live::{LiveRoom, lock};
use super::tail::Found;
use crate::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, TAIL_ENTRIES_MAX};
use crate::store::StoreError;
use quipu_protocol::limits::BACKLOG_ENTRIES_MAX;

/// A cursor that moves along one log for one account.
pub struct Subscription {
    rooms: Rooms,
    room: Arc<LiveRoom>,
    user: UserId,
    /// Everything up to here was given, or told missing.
    cursor: Seq,
    /// The head when the right to read was checked; a departure after it ends the reading.
    checked_at: Seq,
    /// Gaps to tell first, in order.
    gaps: VecDeque<(Seq, Seq, GapReason)>,
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
    pub(super) fn attach(rooms: &Rooms, room: RoomId, user: UserId) -> Self {
        let room = rooms.live().attach(room, user);
        Self {
            rooms: rooms.clone(),
            user,
            room,
            cursor: Seq::ZERO,
            checked_at: Seq::ZERO,
            gaps: VecDeque::new(),
            caught_up: false,
        }
    }

    /// Sets the cursor, once the right to read was checked at `head`: no further back than `backlog` entries, as the
    /// reader wishes. Gives where the reading starts.
    pub(super) fn begin(&mut self, head: Cursor, floor: Seq, after: Option<Cursor>, backlog: u64) -> Cursor {
        let backlog = backlog.min(BACKLOG_ENTRIES_MAX);
        let newest = Seq(head.seq.0.saturating_sub(backlog).max(floor.0.saturating_sub(1)));
        self.cursor = match after {
            None => newest,
            Some(after) if after.incarnation != head.incarnation || after.seq > head.seq => {
                self.gaps.extend((newest > Seq::ZERO).then_some((Seq(1), newest, GapReason::INCARNATION)));
                newest
            }
            Some(after) => {
                let below = Seq(floor.0.saturating_sub(1));
                let is_trimmed = after.seq < below;
                self.gaps.extend(is_trimmed.then_some((after.seq.next(), below, GapReason::RETENTION)));
                let from = after.seq.max(below);
                self.gaps.extend((from < newest).then_some((from.next(), newest, GapReason::BACKLOG)));
                from.max(newest)
            }
        };
        let start = self.gaps.front().map_or(self.cursor, |(from, _, _)| Seq(from.0 - 1));
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
            let Look { found, last, gone, usable, floor, deleted } = self.look();
            if deleted {
                return Ok(Next::End(EndReason::DELETED));
            }
            if let Some((from, to, reason)) = self.gaps.pop_front() {
                return Ok(Next::Gap(from, to, reason));
            }
            if let Some((_, reason)) = gone.filter(|(seq, _)| self.cursor >= *seq) {
                return Ok(Next::End(reason));
            }
            if self.cursor.next() < floor {
                return Ok(self.trimmed(floor, gone));
            }
            match found {
                Found::Frames(frames) => {
                    let frames = self.up_to(frames, gone);
                    self.cursor = Seq(self.cursor.0 + frames.len() as u64);
                    return Ok(Next::Entries(frames));
                }
                // More is told missing instead of replayed.
                Found::Older if last.0 - self.cursor.0 > BACKLOG_ENTRIES_MAX => {
                    let to = Seq(last.0 - TAIL_ENTRIES_MAX as u64 / 2);
                    let from = std::mem::replace(&mut self.cursor, to).next();
                    return Ok(Next::Gap(from, to, GapReason::BACKLOG));
                }
                Found::Older => {
                    // The store may be ahead of what was observed here, and a departure among that would be missed.
                    let mut frames = match self.older().await? {
                        Older::Frames(frames) => frames,
                        Older::Trimmed(floor) => return Ok(self.trimmed(floor, gone)),
                        Older::Deleted => return Ok(Next::End(EndReason::DELETED)),
                    };
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
        let now_ms = self.rooms.now_ms();
        let state = lock(&self.room.state);
        let mut found = state.tail.read(self.cursor);
        if let Found::Frames(frames) = &mut found {
            state.fading.show(self.cursor, frames, now_ms);
        }
        Look {
            found,
            floor: state.floor,
            deleted: state.deleted,
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

    /// Everything below the floor is told missing; to whoever has gone, only up to there.
    fn trimmed(&mut self, floor: Seq, gone: Option<(Seq, EndReason)>) -> Next {
        let below = Seq(floor.0.saturating_sub(1));
        let to = gone.map_or(below, |(seq, _)| below.min(seq));
        let from = std::mem::replace(&mut self.cursor, to).next();
        Next::Gap(from, to, GapReason::RETENTION)
    }

    async fn older(&self) -> Result<Older, StoreError> {
        let (room, cursor, now_ms) = (self.room.room, self.cursor, self.rooms.now_ms());
        let question = move |store: &dyn crate::store::Reads| {
            let older = || store.entries_after(room, cursor, BATCH_ENTRIES_MAX, BATCH_BYTES_MAX);
            let shown = fading::as_shown(store, room, now_ms, older)?;
            if shown.first().is_some_and(|first| first.seq == cursor.next()) {
                return Ok(Older::Frames(shown.into_iter().map(|entry| entry.frame).collect()));
            }
            match store.room(room)? {
                None => Ok(Older::Deleted),
                Some(row) if row.floor > cursor.next() => Ok(Older::Trimmed(row.floor)),
                Some(_) => Err(StoreError::Damaged(format!(
                    "room {room} has no entry after {cursor} below its head"
                ))),
            }
        };
        self.rooms.storage().read(question).await
    }
}

/// What the store has behind a cursor that left memory.
enum Older {
    Frames(Vec<Bytes>),
    /// Nothing: the log begins here now.
    Trimmed(Seq),
    /// Nothing: there is no such room any more.
    Deleted,
}

/// One look at a room's state.
struct Look {
    found: Found,
    /// The oldest entry there is, as far as is known here.
    floor: Seq,
    deleted: bool,
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
        self.rooms.live().detach(&self.room, self.user);
    }
}
