//! Rooms that are followed: where each is, and how to go on when events were lost because we were slow to print.
//!
//! The library promises every entry once and in order, or says `Lagged` when its own bounded queue overflowed. Then
//! each room is opened again behind the last place that was shown; what still waits from before is left out.
//! Invariant: [`Follow::takes`] answers true at most once for every place of one life of a log.

use std::collections::HashMap;
use std::time::Duration;

use quipu_client::protocol::{Cursor, RoomId};
use quipu_client::{Client, Event, OpenFrom};

use super::exit::Failure;

/// Rooms that are followed.
#[derive(Debug, Default)]
pub(crate) struct Follow {
    rooms: HashMap<RoomId, Followed>,
}

#[derive(Debug)]
struct Followed {
    from: OpenFrom,
    /// Events up to this number belong to an earlier opening.
    opened: u64,
    last: Option<Cursor>,
    /// Up to here the profile knows that it was shown.
    shown: Option<Cursor>,
}

impl Follow {
    /// Follows a room from here on.
    pub(crate) async fn open(
        &mut self,
        client: &Client,
        room: RoomId,
        from: OpenFrom,
    ) -> Result<(), Failure> {
        let opened = client.open_room(room, from).await?;
        self.rooms.insert(room, Followed { from, opened, last: None, shown: None });
        Ok(())
    }

    /// Whether an event is to be shown, and notes how far its room has come. Events of other kinds always are.
    pub(crate) fn takes(&mut self, number: u64, event: &Event) -> bool {
        match event {
            Event::Entry { room, cursor, .. } | Event::Gap { room, cursor, .. } => {
                self.note(number, *room, *cursor)
            }
            Event::CaughtUp { room, .. } | Event::RoomEnded { room, .. } => self.is_current(number, *room),
            _ => true,
        }
    }

    /// Whether an event with this number is about a room as it is followed now.
    fn is_current(&self, number: u64, room: RoomId) -> bool {
        self.rooms.get(&room).is_some_and(|followed| followed.opened < number)
    }

    /// Notes that a room has come this far. False when the event is to be left out: it belongs to an earlier
    /// opening, or tells of a place that was shown.
    fn note(&mut self, number: u64, room: RoomId, cursor: Cursor) -> bool {
        if !self.is_current(number, room) {
            return false;
        }
        let Some(followed) = self.rooms.get_mut(&room) else {
            return false;
        };
        // Lives of a log have no order: another one is new.
        let is_further = |last: Cursor| last.incarnation != cursor.incarnation || last.seq < cursor.seq;
        let is_new = followed.last.is_none_or(is_further);
        if is_new {
            followed.last = Some(cursor);
        }
        is_new
    }

    /// A room is followed no longer.
    pub(crate) fn end(&mut self, room: RoomId) {
        self.rooms.remove(&room);
    }

    /// Whether any room is followed.
    pub(crate) fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// Says that everything up to here is on standard output, so that `--since resume` goes on behind it.
    pub(crate) async fn shown(&mut self, client: &Client) -> Result<(), Failure> {
        for (room, followed) in &mut self.rooms {
            if let Some(last) = followed.last.filter(|last| followed.shown != Some(*last)) {
                client.shown(*room, last).await?;
                followed.shown = Some(last);
            }
        }
        Ok(())
    }

    /// Events were lost: starts every room over, behind what was shown.
    pub(crate) async fn recover(&mut self, client: &Client) -> Result<(), Failure> {
        for (room, followed) in &mut self.rooms {
            let from = followed.last.map_or(followed.from, OpenFrom::Cursor);
            followed.opened = client.open_room(*room, from).await?;
        }
        Ok(())
    }
}

/// Events taken at once.
pub(crate) const EVENTS_MAX: usize = 256;
/// How long to wait for events before looking around.
pub(crate) const EVENTS_WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_client::protocol::{Incarnation, Seq};

    #[test]
    fn every_place_is_shown_once() {
        let room = RoomId::from_bytes([1; 16]);
        let at = |incarnation, seq| Cursor { incarnation: Incarnation(incarnation), seq: Seq(seq) };
        let mut follow = Follow::default();
        assert!(!follow.note(9, room, at(1, 1)), "not followed");
        let followed = Followed { from: OpenFrom::Start, opened: 3, last: None, shown: None };
        follow.rooms.insert(room, followed);
        assert!(!follow.note(3, room, at(1, 5)), "of an earlier opening");
        assert!(follow.note(4, room, at(1, 1)) && follow.note(5, room, at(1, 2)));
        assert!(!follow.note(6, room, at(1, 2)) && !follow.note(7, room, at(1, 1)));
        // A restored log begins again at a smaller number, in another life.
        assert!(follow.note(8, room, at(2, 1)));
        follow.end(room);
        assert!(follow.is_empty() && !follow.is_current(9, room));
    }
}
