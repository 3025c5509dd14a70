//! Rooms that are followed: where each is, and how to go on when events were lost because we were slow to print.
//!
//! The library promises every entry once and in order, or says `Lagged` when its own bounded queue overflowed. Then
//! the entries are in the profile, and each room is opened again behind the last place that was shown.
//! Invariant: [`Follow::note`] answers true at most once for every place of one life of a log.

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
    last: Option<Cursor>,
}

impl Follow {
    /// Follows a room from here on.
    pub(crate) async fn open(
        &mut self,
        client: &Client,
        room: RoomId,
        from: OpenFrom,
    ) -> Result<(), Failure> {
        client.open_room(room, from).await?;
        self.rooms.insert(room, Followed { from, last: None });
        Ok(())
    }

    /// Notes that a room has come this far. False when it had been there: the event is to be left out.
    pub(crate) fn note(&mut self, room: RoomId, cursor: Cursor) -> bool {
        let Some(followed) = self.rooms.get_mut(&room) else {
            return false;
        };
        // Lives of a log have no order: another one is new.
        let is_new = followed
            .last
            .is_none_or(|last| last.incarnation != cursor.incarnation || last.seq < cursor.seq);
        if is_new {
            followed.last = Some(cursor);
        }
        is_new
    }

    /// A room is followed no longer. False when it was not.
    pub(crate) fn end(&mut self, room: RoomId) -> bool {
        self.rooms.remove(&room).is_some()
    }

    /// Whether any room is followed.
    pub(crate) fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// Starts every room over behind what was shown. Returns events of other kinds that were waiting.
    pub(crate) async fn recover(&mut self, client: &Client) -> Result<Vec<Event>, Failure> {
        for room in self.rooms.keys() {
            client.close_room(*room).await;
        }
        // What is still waiting lies behind the hole: it comes again.
        let mut others = Vec::new();
        loop {
            let events = client.next_events(EVENTS_MAX, Duration::ZERO).await;
            if events.is_empty() {
                break;
            }
            others.extend(
                events
                    .into_iter()
                    .map(|numbered| numbered.event)
                    .filter(is_not_of_a_log),
            );
        }
        for (room, followed) in &self.rooms {
            let from = followed.last.map_or(followed.from, OpenFrom::Cursor);
            client.open_room(*room, from).await?;
        }
        Ok(others)
    }
}

fn is_not_of_a_log(event: &Event) -> bool {
    !matches!(
        event,
        Event::Entry { .. }
            | Event::Gap { .. }
            | Event::CaughtUp { .. }
            | Event::RoomOpened { .. }
            | Event::Lagged { .. }
    )
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
        let at = |incarnation, seq| Cursor {
            incarnation: Incarnation(incarnation),
            seq: Seq(seq),
        };
        let mut follow = Follow::default();
        assert!(!follow.note(room, at(1, 1)), "not followed");
        follow.rooms.insert(
            room,
            Followed {
                from: OpenFrom::Start,
                last: None,
            },
        );
        assert!(follow.note(room, at(1, 1)) && follow.note(room, at(1, 2)));
        assert!(!follow.note(room, at(1, 2)) && !follow.note(room, at(1, 1)));
        // A restored log begins again at a smaller number, in another life.
        assert!(follow.note(room, at(2, 1)));
        assert!(follow.end(room) && !follow.end(room) && follow.is_empty());
    }
}
