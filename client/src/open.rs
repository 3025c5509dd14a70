//! Which rooms the program has open, and how far each was told.
//!
//! It outlives connections: a session reads the wishes and moves the cursors, the next session goes on from them.
//! Invariant: after a room is opened anew, nothing is told for its earlier opening.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use quipu_protocol::limits::ROOMS_OPEN_MAX;
use quipu_protocol::{Cursor, RoomId};
use tokio::sync::watch;

use crate::error::Error;

/// Where a room that was never told begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// With the oldest entry.
    Start,
    /// With the newest so many.
    Latest(u64),
    /// With the first entry at or after this time, unix milliseconds.
    Since(u64),
}

/// A room the program wants to be told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Which opening of the room this is.
    pub(crate) generation: u64,
    /// Where to begin while nothing was told.
    pub(crate) begin: Begin,
    /// Everything up to here was told.
    pub(crate) told: Option<Cursor>,
    /// Whether gaps the server leaves for bulk are filled from history.
    pub(crate) fill: bool,
}

#[derive(Debug, Default)]
pub(crate) struct OpenRooms {
    inner: Mutex<Inner>,
    /// Moves whenever a room is opened or closed.
    pub(crate) changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    wishes: BTreeMap<RoomId, Wish>,
    generations: u64,
}

impl OpenRooms {
    /// Opens a room, or starts an open one over. `mark` runs while nothing can be told.
    pub(crate) fn open<T>(
        &self,
        room: RoomId,
        begin: Begin,
        told: Option<Cursor>,
        fill: bool,
        mark: impl FnOnce() -> T,
    ) -> Result<T, Error> {
        let mut inner = self.lock();
        if !inner.wishes.contains_key(&room) && inner.wishes.len() >= ROOMS_OPEN_MAX {
            return Err(Error::usage(format!("at most {ROOMS_OPEN_MAX} rooms can be open")));
        }
        inner.generations += 1;
        let generation = inner.generations;
        inner.wishes.insert(room, Wish { generation, begin, told, fill });
        let marked = mark();
        drop(inner);
        self.changed.send_modify(|version| *version += 1);
        Ok(marked)
    }

    /// Closes a room.
    pub(crate) fn close(&self, room: RoomId) {
        if self.lock().wishes.remove(&room).is_some() {
            self.changed.send_modify(|version| *version += 1);
        }
    }

    /// Closes one opening of a room, and tells so, unless it was opened anew meanwhile.
    pub(crate) fn end(&self, room: RoomId, generation: u64, tell: impl FnOnce()) {
        let mut inner = self.lock();
        if inner.wishes.get(&room).is_some_and(|wish| wish.generation == generation) {
            inner.wishes.remove(&room);
            tell();
        }
    }

    /// Notes that one opening of a room was told up to `cursor`, and tells it; `false` when it is closed.
    pub(crate) fn advance(&self, room: RoomId, generation: u64, cursor: Cursor, tell: impl FnOnce()) -> bool {
        let mut inner = self.lock();
        match inner.wishes.get_mut(&room) {
            Some(wish) if wish.generation == generation => {
                wish.told = Some(cursor);
                tell();
                true
            }
            _ => false,
        }
    }

    /// All that is wished now.
    pub(crate) fn wishes(&self) -> BTreeMap<RoomId, Wish> {
        self.lock().wishes.clone()
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

    fn cursor(seq: u64) -> Cursor {
        Cursor { incarnation: Incarnation(1), seq: Seq(seq) }
    }

    #[test]
    fn an_earlier_opening_tells_nothing_more() {
        let rooms = OpenRooms::default();
        rooms.open(ROOM, Begin::Start, None, true, || ()).unwrap();
        let first = rooms.wishes()[&ROOM].generation;
        assert!(rooms.advance(ROOM, first, cursor(5), || ()));
        rooms.open(ROOM, Begin::Latest(3), None, false, || ()).unwrap();
        assert!(!rooms.advance(ROOM, first, cursor(6), || panic!("told")));
        rooms.end(ROOM, first, || panic!("told"));
        assert_eq!(rooms.wishes()[&ROOM].told, None);
        rooms.close(ROOM);
        assert!(rooms.wishes().is_empty());
    }

    #[test]
    fn open_rooms_are_bounded_and_reopening_one_is_no_more() {
        let rooms = OpenRooms::default();
        let room = |n: usize| RoomId::from_bytes([n as u8; 16]);
        for n in 0..ROOMS_OPEN_MAX {
            rooms.open(room(n), Begin::Start, None, true, || ()).unwrap();
        }
        assert!(rooms.open(room(ROOMS_OPEN_MAX), Begin::Start, None, true, || ()).is_err());
        assert!(rooms.open(room(0), Begin::Start, None, true, || ()).is_ok());
    }
}
