//! One room's stream: every entry checked to follow the one before, kept, and then told.
//!
//! ```text
//!   frames ──▶ Track ──▶ batch ──▶ profile (entries and cursor, one transaction) ──▶ events
//! ```
//!
//! Invariant: nothing is told that is not in the profile, and the cursor of the opening moves in the same instant as
//! the telling. A cut anywhere costs a repetition that is dropped, never a hole and never a double.

use std::sync::Arc;

use bytes::Bytes;
use quipu_protocol::entry::Entry;
use quipu_protocol::limits::PAGE_ENTRIES_MAX;
use quipu_protocol::request::{Anchor, AnchorKind, History, Page};
use quipu_protocol::room::{CaughtUp, End, EndReason, Gap, GapReason, Opened, Snapshot};
use quipu_protocol::{Cursor, Frame, RoomId, Seq};

use super::frames::FrameReader;
use super::request::{Link, Read};
use super::track::Track;
use crate::core::Core;
use crate::ending::Ending;
use crate::event::Event;
use crate::limits::{ANSWER_TIMEOUT, BATCH_BYTES, BATCH_ENTRIES};
use crate::open::{Begin, Wish};
use crate::store::{log, vanishing};

/// How following a room ended, when it did not end the session.
#[derive(Debug)]
pub(super) enum Followed {
    /// By the server's word.
    Ended(EndReason),
    /// Without one: ask again behind what was told.
    Broken,
}

/// Follows one room until its stream ends.
pub(super) async fn follow(
    core: Arc<Core>,
    link: Link,
    opened: Opened,
    reader: FrameReader,
    wish: Wish,
) -> Result<Followed, Ending> {
    let track = Track::open(&opened, wish.told).map_err(Ending::Order)?;
    let mut follower =
        Follower { core, link, room: opened.room, wish, track, batch: Vec::new(), batch_bytes: 0 };
    match follower.run(reader, &opened).await {
        Ok(reason) => Ok(Followed::Ended(reason)),
        // A stream may fail alone, and a question may go unanswered; all else is the session's end.
        Err(Ending::Reset(code)) if code == u64::from(quipu_protocol::ResetCode::Revoked.number()) => {
            Ok(Followed::Ended(EndReason::REMOVED))
        }
        Err(Ending::Reset(_) | Ending::Finished(_) | Ending::Late(_)) => Ok(Followed::Broken),
        Err(ending) => Err(ending),
    }
}

struct Follower {
    core: Arc<Core>,
    link: Link,
    room: RoomId,
    wish: Wish,
    track: Track,
    /// Entries not yet kept and told.
    batch: Vec<(Entry, Bytes)>,
    /// Bytes of their bodies.
    batch_bytes: usize,
}

impl Follower {
    async fn run(&mut self, mut reader: FrameReader, opened: &Opened) -> Result<EndReason, Ending> {
        self.forget_below(opened.floor).await?;
        if self.wish.told.is_none() && self.wish.begin == Begin::Start {
            let first = opened.floor.max(Seq(1));
            self.fill(first, opened.start.seq, GapReason::BACKLOG).await?;
        }
        loop {
            let mut frame = Some(reader.next().await?.ok_or(Ending::Finished("a room"))?);
            while let Some(next) = frame {
                if let Some(reason) = self.take(next).await? {
                    return Ok(reason);
                }
                frame = if self.is_full() { None } else { reader.ready()? };
            }
            self.tell_batch().await?;
        }
    }

    fn add(&mut self, entry: Entry, payload: Bytes) {
        self.batch_bytes += entry.body.len();
        self.batch.push((entry, payload));
    }

    /// Whether it is time to tell: more at once would leave a reader no time to take it.
    fn is_full(&self) -> bool {
        self.batch.len() >= BATCH_ENTRIES || self.batch_bytes >= BATCH_BYTES
    }

    /// Takes a frame; the end's reason when it is the last.
    async fn take(&mut self, frame: Frame) -> Result<Option<EndReason>, Ending> {
        if frame.is::<Entry>() {
            let entry: Entry = frame.decode()?;
            if self.track.entry(entry.seq).map_err(Ending::Order)? {
                self.add(entry, frame.payload);
            }
            return Ok(None);
        }
        if !frame.ty.is_critical() && !frame.is::<CaughtUp>() {
            return Ok(None);
        }
        self.tell_batch().await?;
        if frame.is::<Gap>() {
            let gap: Gap = frame.decode()?;
            if let Some((from, to)) = self.track.gap(gap.from, gap.to).map_err(Ending::Order)? {
                self.gap(from, to, gap.reason).await?;
            }
        } else if frame.is::<CaughtUp>() {
            let CaughtUp { seq } = frame.decode()?;
            let cursor = self.track.cursor();
            if seq == cursor.seq {
                self.tell(cursor, Vec::new(), vec![Event::CaughtUp { room: self.room, cursor }]).await?;
            }
        } else if frame.is::<Snapshot>() {
            let Snapshot { info, .. } = frame.decode()?;
            self.core.events.push([Event::RoomOpened { info }]);
        } else if frame.is::<End>() {
            let End { reason } = frame.decode()?;
            if reason == EndReason::DELETED {
                let room = self.room;
                self.core.store.run(move |db| vanishing::forget_room(db, room)).await?;
            }
            // A stopping server ends every room; they go on after it.
            return if reason == EndReason::SHUTDOWN {
                Err(Ending::Finished("a room"))
            } else {
                Ok(Some(reason))
            };
        } else {
            return Err(frame.unexpected().into());
        }
        Ok(None)
    }

    async fn gap(&mut self, from: Seq, to: Seq, reason: GapReason) -> Result<(), Ending> {
        if self.wish.fill && reason != GapReason::INCARNATION {
            self.fill(from, to, reason).await
        } else {
            self.tell_gap(from, to, reason).await
        }
    }

    /// Tells a range by pages of history instead of the stream. What history lacks is told as missing.
    async fn fill(&mut self, mut from: Seq, to: Seq, reason: GapReason) -> Result<(), Ending> {
        while from <= to {
            let anchor =
                Anchor { kind: AnchorKind::BETWEEN, seq: Seq(from.0.saturating_sub(1)), to: to.next() };
            let question = History { room: self.room, anchor, limit: PAGE_ENTRIES_MAX as u64, thread: None };
            let Read { page, entries, .. } = match self.link.page(&question, ANSWER_TIMEOUT).await {
                Err(Ending::Refused(refusal)) if !refusal.code.retryable() => {
                    return self.tell_gap(from, to, reason).await;
                }
                Err(Ending::Refused(_)) => return Err(Ending::Late("a question about history")),
                answer => answer?,
            };
            let Some(first) = entries.first().map(|(entry, _)| entry.seq) else {
                return self.tell_gap(from, to, reason).await;
            };
            if first > to {
                return Err(Ending::Order("a page of history beyond what was asked for"));
            }
            if page.incarnation != self.track.cursor().incarnation || first < from {
                return Err(Ending::Finished("a room that began anew"));
            }
            if first > from {
                self.tell_gap(from, Seq(first.0 - 1), GapReason::RETENTION).await?;
            }
            from = self.tell_page(first, to, entries).await?;
        }
        Ok(())
    }

    /// Tells a page that must be dense; gives the position behind it.
    async fn tell_page(&mut self, first: Seq, to: Seq, entries: Vec<(Entry, Frame)>) -> Result<Seq, Ending> {
        let mut next = first;
        for (entry, frame) in entries {
            if entry.seq != next || entry.seq > to {
                return Err(Ending::Order("a page of history with a hole"));
            }
            next = entry.seq.next();
            self.add(entry, frame.payload);
            if self.is_full() {
                self.tell_batch().await?;
            }
        }
        self.tell_batch().await?;
        Ok(next)
    }

    async fn tell_gap(&mut self, from: Seq, to: Seq, reason: GapReason) -> Result<(), Ending> {
        if reason == GapReason::RETENTION {
            self.forget_below(to.next()).await?;
        }
        let cursor = self.at(to);
        let gap = Event::Gap { room: self.room, cursor, from, to, reason };
        self.tell(cursor, Vec::new(), vec![gap]).await
    }

    async fn tell_batch(&mut self) -> Result<(), Ending> {
        match self.batch.last() {
            Some((last, _)) => self.tell_batch_up_to(last.seq).await,
            None => Ok(()),
        }
    }

    async fn tell_batch_up_to(&mut self, last: Seq) -> Result<(), Ending> {
        let room = self.room;
        let incarnation = self.track.cursor().incarnation;
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let kept = batch.iter().map(|(entry, payload)| (entry.seq, payload.clone())).collect();
        let events = batch.into_iter().map(|(entry, _)| {
            let cursor = Cursor { incarnation, seq: entry.seq };
            Event::Entry { room, cursor, entry: Box::new(entry) }
        });
        self.tell(self.at(last), kept, events.collect()).await
    }

    /// The server no longer has what is before the room's oldest entry, and so the profile has not either.
    async fn forget_below(&self, floor: Seq) -> Result<(), Ending> {
        let (room, incarnation) = (self.room, self.track.cursor().incarnation);
        Ok(self.core.store.run(move |db| vanishing::forget_below(db, room, incarnation, floor)).await?)
    }

    fn at(&self, seq: Seq) -> Cursor {
        Cursor { incarnation: self.track.cursor().incarnation, seq }
    }

    /// Keeps, then tells.
    async fn tell(&self, cursor: Cursor, kept: Vec<log::Received>, events: Vec<Event>) -> Result<(), Ending> {
        let room = self.room;
        let vanishes =
            |event: &Event| matches!(event, Event::Entry { entry, .. } if entry.ext.expires_ms.is_some());
        let vanish = events.iter().any(vanishes);
        self.core.events.has_room().await;
        self.core.store.run(move |db| log::append(db, room, &kept, cursor)).await?;
        let told =
            self.core.rooms.advance(room, self.wish.generation, cursor, || self.core.events.push(events));
        if vanish {
            self.core.vanishes.notify_one();
        }
        // Closed meanwhile: the task is about to be aborted, and nobody looks at how it ended.
        if told { Ok(()) } else { Err(Ending::Finished("a room that was closed")) }
    }
}

/// The place before the first entry at or after a time: found by halving, as time never goes back within a room.
pub(super) async fn place_before(link: &Link, room: RoomId, ms: u64) -> Result<Cursor, Ending> {
    let newest = History { room, anchor: Anchor::LATEST, limit: 1, thread: None };
    let Page { floor, head, incarnation, .. } = link.page(&newest, ANSWER_TIMEOUT).await?.page;
    // Everything up to `before` is too old; whatever lies behind `from` is not known to be young enough yet.
    let (mut before, mut from) = (floor.0.saturating_sub(1), head.0);
    while before < from {
        let middle = before + (from - before) / 2;
        let question = History { room, anchor: Anchor::after(Seq(middle)), limit: 1, thread: None };
        let Read { entries, .. } = link.page(&question, ANSWER_TIMEOUT).await?;
        match entries.first() {
            Some((entry, _)) if entry.at_ms < ms && entry.seq.0 > middle => before = entry.seq.0.min(from),
            _ => from = middle,
        }
    }
    Ok(Cursor { incarnation, seq: Seq(before) })
}
