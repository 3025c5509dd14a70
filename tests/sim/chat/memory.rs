//! What one person remembers: everything the library told, in the order it was told.
//!
//! Pure. It judges only what no order of events can excuse; the rest is for `check`, which knows the log.

use std::{collections::BTreeMap, fmt, time::Duration};

use quipu_client::{ConnState, Event};
use quipu_protocol::{Cursor, Entry, MessageId, RoomId, Seq};

/// Something told about one room.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// An entry.
    Entry(Cursor, Box<Entry>),
    /// A range that is not told one by one.
    Gap(Cursor, Seq, Seq),
}

impl Told {
    /// The place behind it.
    pub(crate) fn cursor(&self) -> Cursor {
        match self {
            Self::Entry(cursor, _) | Self::Gap(cursor, ..) => *cursor,
        }
    }
}

/// A message the library says is in the log for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) id: MessageId,
    pub(crate) room: RoomId,
    pub(crate) at: Cursor,
    pub(crate) duplicate: bool,
}

/// Everything one person was told.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// By room, in the order told.
    pub(crate) rooms: BTreeMap<RoomId, Vec<Told>>,
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// When each message was told first, in virtual time.
    pub(crate) heard_at: BTreeMap<MessageId, Duration>,
    /// What must never be told in a simulation, in words.
    pub(crate) faults: Vec<String>,
    /// Connections there were.
    pub(crate) connections: u32,
    /// When the last one began, in virtual time.
    pub(crate) online_at: Duration,
}

impl Memory {
    /// Remembers one event; gives what a chronicle should say of it.
    pub(crate) fn hear(&mut self, event: &Event, now: Duration) -> Option<String> {
        match event {
            Event::Entry { room, cursor, entry } => {
                let line = format!("reads {} {:?} of {}", Short(room), entry.seq.0, Author(entry));
                if let Some(message) = entry.message {
                    self.heard_at.entry(message).or_insert(now);
                }
                self.tell(*room, Told::Entry(*cursor, entry.clone()));
                return Some(line);
            }
            Event::Gap { room, cursor, from, to, reason } => {
                self.tell(*room, Told::Gap(*cursor, *from, *to));
                return Some(format!("gap {} {from:?} to {to:?}, {reason:?}", Short(room)));
            }
            Event::Sent { id, room, at, duplicate, .. } => {
                self.acknowledged.push(Acknowledged { id: *id, room: *room, at: *at, duplicate: *duplicate });
                let again = if *duplicate { " again" } else { "" };
                return Some(format!("acknowledged{again} {id} at {} {}", Short(room), at.seq.0));
            }
            Event::State(state) => {
                if let ConnState::Online { .. } = state {
                    self.connections += 1;
                    self.online_at = now;
                }
                if let ConnState::Stopped { why } = state {
                    self.faults.push(format!("stopped for good: {why}"));
                }
                return Some(format!("{state:?}"));
            }
            Event::Refused { id, refusal, .. } => self.faults.push(format!("{id} refused: {refusal:?}")),
            Event::RoomEnded { .. } | Event::Lagged { .. } | Event::Security(_) => {
                self.faults.push(format!("{event:?}"));
            }
            _ => return None,
        }
        self.faults.last().cloned()
    }

    /// The place behind what was told last about a room.
    pub(crate) fn cursor(&self, room: RoomId) -> Option<Cursor> {
        self.rooms.get(&room)?.last().map(Told::cursor)
    }

    /// How many messages of people were told in a room.
    pub(crate) fn messages(&self, room: RoomId) -> usize {
        let told = self.rooms.get(&room).map_or(&[][..], Vec::as_slice);
        let is_message = |told: &&Told| matches!(told, Told::Entry(_, entry) if entry.text().is_some());
        told.iter().filter(is_message).count()
    }

    pub(crate) fn tell(&mut self, room: RoomId, told: Told) {
        self.rooms.entry(room).or_default().push(told);
    }
}

/// The first bytes of a room's id: enough to tell two rooms apart.
pub(crate) struct Short<'a>(pub(crate) &'a RoomId);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string()[..4])
    }
}

struct Author<'a>(&'a Entry);

impl fmt::Display for Author<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.message, &self.0.user) {
            (Some(message), Some(user)) => write!(f, "{} as {message}", &user.to_string()[..4]),
            _ => f.write_str("the server"),
        }
    }
}
