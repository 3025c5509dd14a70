//! The walk back through several logs at once. See the module above.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use quipu_protocol::request::{Hit, Match, Search, SearchPlace};
use quipu_protocol::{Cursor, Entry, Incarnation, List, RoomId, Seq, Text};

use super::first_behind;
use crate::limits::{SEARCH_ENTRIES_MAX, SEARCH_QUESTION_ENTRIES, SEARCH_READS_MAX};
use crate::store::{Reads, RoomRow, StoreError, Wanted, decoded};

/// Positions taken from the index at once.
const NAMED_MAX: usize = 64;

/// How far one search goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Entries passed over in the index.
    pub(super) entries: u64,
    /// What asking the index costs of them.
    pub(super) question: u64,
    /// Messages read.
    pub(super) reads: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { entries: SEARCH_ENTRIES_MAX, question: SEARCH_QUESTION_ENTRIES, reads: SEARCH_READS_MAX }
    }
}

/// One search on its way.
pub(super) struct Walk<'a> {
    store: &'a dyn Reads,
    wanted: &'a Wanted,
    since_ms: u64,
    now_ms: u64,
    /// Only what is older than this place.
    below: Option<Key>,
    /// Entries one stretch has at most, so that every room moves in one search.
    stretch: u64,
    left: Bounds,
}

/// The order of the walk: by time, then by room and position.
type Key = (u64, RoomId, Seq);

/// How far the walk has come in one room.
struct Front {
    key: Key,
    incarnation: Incarnation,
    /// A message the index named; none when the stretch below is to be looked through.
    message: Option<Entry>,
    /// Further positions the index named, newest first.
    named: VecDeque<Seq>,
    /// What is below this was not looked through yet.
    below: Seq,
    floor: Seq,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        store: &'a dyn Reads,
        wanted: &'a Wanted,
        ask: &Search,
        now_ms: u64,
        rooms: usize,
        bounds: Bounds,
    ) -> Self {
        let until = ask.until_ms.map(|at_ms| (at_ms, RoomId::from_bytes([0; 16]), Seq::ZERO));
        let after = ask.after.as_ref().map(|place| (place.at_ms, place.room, place.seq));
        let stretch = (bounds.entries / 2 / rooms.max(1) as u64).max(1);
        Self {
            store,
            wanted,
            since_ms: ask.since_ms.unwrap_or(0),
            now_ms,
            below: until.into_iter().chain(after).min(),
            stretch,
            left: Bounds { question: bounds.question.min(stretch), ..bounds },
        }
    }

    /// What was found, newest first, and where to go on.
    pub(super) fn run(
        mut self,
        rooms: Vec<RoomRow>,
        limit: usize,
    ) -> Result<(Vec<Hit>, Option<SearchPlace>), StoreError> {
        let mut fronts = BinaryHeap::new();
        for room in rooms {
            fronts.extend(self.enter(&room)?);
        }
        let mut hits = Vec::new();
        while let Some(mut front) = fronts.pop() {
            // What was found already is given even when nothing more is looked through: else the next search would
            // look through the same again, and stop at the same place.
            let is_over = front.message.is_none() && self.left.entries == 0;
            if is_over || self.left.reads == 0 || hits.len() == limit {
                return Ok((hits, Some(self.stop(front.key))));
            }
            match front.message.take() {
                Some(message) => hits.extend(self.hit(&front, &message)),
                None => self.look_through(&mut front)?,
            }
            fronts.extend(self.forward(front)?);
        }
        Ok((hits, None))
    }

    fn enter(&mut self, room: &RoomRow) -> Result<Option<Front>, StoreError> {
        let below = self.below;
        let is_wanted = |at_ms, seq| below.is_none_or(|below| (at_ms, room.room, seq) < below);
        let end = first_behind(self.store, room, is_wanted)?;
        self.forward(Front {
            key: (0, room.room, Seq::ZERO),
            incarnation: room.head.incarnation,
            message: None,
            named: VecDeque::new(),
            below: end,
            floor: room.floor,
        })
    }

    /// The next place of a room; none when everything that is wanted of it was looked through.
    fn forward(&mut self, mut front: Front) -> Result<Option<Front>, StoreError> {
        let room = front.key.1;
        while let Some(seq) = front.named.pop_front() {
            self.left.reads = self.left.reads.saturating_sub(1);
            // It may have gone since the index named it.
            if let Some(entry) = self.store.entry(room, seq)? {
                front.key = (entry.at_ms, room, seq);
                front.message = Some(entry);
                return Ok(Some(front).filter(|front| front.key.0 >= self.since_ms));
            }
        }
        let newest = newest_before(self.store, room, front.below)?;
        let newest = newest.filter(|(at_ms, seq)| *at_ms >= self.since_ms && *seq >= front.floor);
        Ok(newest.map(|(at_ms, seq)| {
            front.key = (at_ms, room, seq);
            front.below = seq.next();
            front
        }))
    }

    /// Asks the index for the next stretch of a room.
    fn look_through(&mut self, front: &mut Front) -> Result<(), StoreError> {
        let (room, newest) = (front.key.1, front.key.2);
        let entries = self.stretch.min(self.left.entries).max(1);
        let oldest = Seq(newest.next().0.saturating_sub(entries)).max(front.floor);
        let named = self.store.matching(room, self.wanted, (oldest, newest), NAMED_MAX)?;
        // As far as the index was asked, or as far as it had room to answer.
        front.below = match named.last() {
            Some(last) if named.len() == NAMED_MAX => *last,
            _ => oldest,
        };
        let passed = newest.next().0 - front.below.0;
        self.left.entries = self.left.entries.saturating_sub(passed + self.left.question);
        front.named = named.into();
        Ok(())
    }

    fn hit(&self, front: &Front, message: &Entry) -> Option<Hit> {
        let shown = self.wanted.show(message).filter(|_| !message.is_expired(self.now_ms))?;
        let marks = shown.matches.iter().map(|at| Match { start: at.start as u64, end: at.end as u64 });
        Some(Hit {
            room: front.key.1,
            at: Cursor { incarnation: front.incarnation, seq: message.seq },
            at_ms: message.at_ms,
            text: Text::cut(shown.text),
            matches: List::first(marks.collect()),
            more_before: shown.more_before,
            more_after: shown.more_after,
            user: message.user,
        })
    }

    /// The place just before `key` in the walk: what comes behind it begins with `key`.
    fn stop(&self, (at_ms, room, seq): Key) -> SearchPlace {
        SearchPlace { at_ms, room, seq: seq.next() }
    }
}

/// Time and position of the newest entry before `seq`.
pub(super) fn newest_before(
    store: &dyn Reads,
    room: RoomId,
    seq: Seq,
) -> Result<Option<(u64, Seq)>, StoreError> {
    let found = store.entries_before(room, seq, 1, 0)?;
    found.first().map(|stored| Ok((decoded(&stored.frame)?.at_ms, stored.seq))).transpose()
}

/// Time and position of the oldest entry from `seq` on.
pub(super) fn oldest_from(
    store: &dyn Reads,
    room: RoomId,
    seq: Seq,
) -> Result<Option<(u64, Seq)>, StoreError> {
    let found = store.entries_after(room, Seq(seq.0.saturating_sub(1)), 1, 0)?;
    found.first().map(|stored| Ok((decoded(&stored.frame)?.at_ms, stored.seq))).transpose()
}

impl Ord for Front {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl PartialOrd for Front {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Front {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Front {}
