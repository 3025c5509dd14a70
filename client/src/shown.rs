//! How far the program has come in each room, as opposed to how far the rooms were told.
//!
//! ```text
//!   taken by next_events ──▶ pending ──next_events again, or shown()──▶ profile
//! ```
//!
//! Events that are taken may be lost with the process before anybody sees them, so only asking for more says that
//! they were shown. Invariant: a room's pending place never passes events that the program was not given.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use quipu_protocol::{Cursor, RoomId};

use crate::event::{Event, Numbered};

#[derive(Debug, Default)]
pub(crate) struct Shown {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Taken, and not known to be shown.
    pending: BTreeMap<RoomId, Cursor>,
    /// For each open room the number of the last event before its opening.
    opened: BTreeMap<RoomId, u64>,
    /// Events up to this number may have been lost.
    lost: u64,
}

impl Shown {
    /// A room was opened behind the event with this number; what was taken of it before is of no interest.
    pub(crate) fn opened(&self, room: RoomId, number: u64) {
        let mut inner = self.lock();
        inner.opened.insert(room, number);
        inner.pending.remove(&room);
    }

    /// A room is open no longer. What was taken of it may still be shown.
    pub(crate) fn closed(&self, room: RoomId) {
        self.lock().opened.remove(&room);
    }

    /// Notes what the program was given.
    pub(crate) fn taken(&self, events: &[Numbered]) {
        let mut inner = self.lock();
        for Numbered { number, event } in events {
            match event {
                // Rooms opened before this may have a hole, and count again when they are opened behind it.
                Event::Lagged { to, .. } => inner.lost = *to,
                Event::Entry { room, cursor, .. }
                | Event::Gap { room, cursor, .. }
                | Event::CaughtUp { room, cursor } => {
                    let lost = inner.lost;
                    let is_whole = |opened: &u64| *opened >= lost && number > opened;
                    if inner.opened.get(room).is_some_and(is_whole) {
                        inner.pending.insert(*room, *cursor);
                    }
                }
                _ => {}
            }
        }
    }

    /// Takes out what is now known to be shown.
    pub(crate) fn settle(&self) -> BTreeMap<RoomId, Cursor> {
        std::mem::take(&mut self.lock().pending)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_protocol::{Incarnation, Seq};

    const ROOM: RoomId = RoomId::from_bytes([1; 16]);

    fn at(seq: u64) -> Cursor {
        Cursor { incarnation: Incarnation(1), seq: Seq(seq) }
    }

    fn told(number: u64, seq: u64) -> Numbered {
        let event = Event::CaughtUp { room: ROOM, cursor: at(seq) };
        Numbered { number, event }
    }

    #[test]
    fn the_last_place_taken_counts_unless_it_is_of_an_earlier_opening() {
        let shown = Shown::default();
        shown.taken(&[told(1, 1)]);
        assert!(shown.settle().is_empty(), "not open");
        shown.opened(ROOM, 3);
        shown.taken(&[told(3, 9), told(4, 5), told(5, 6)]);
        assert_eq!(shown.settle().into_iter().collect::<Vec<_>>(), [(ROOM, at(6))]);
        assert!(shown.settle().is_empty(), "once");
    }

    #[test]
    fn what_comes_behind_lost_events_does_not_count_before_the_room_is_opened_again() {
        let shown = Shown::default();
        shown.opened(ROOM, 0);
        let lagged = Event::Lagged { from: 1, to: 7 };
        let lagged = Numbered { number: 7, event: lagged };
        shown.taken(&[lagged, told(8, 40)]);
        assert!(shown.settle().is_empty());
        shown.opened(ROOM, 9);
        shown.taken(&[told(10, 30)]);
        assert_eq!(shown.settle().len(), 1);
    }
}
