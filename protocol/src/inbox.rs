//! INBOX: one stream per connection that sums up everything without a ROOM stream of its own.
//!
//! ```text
//!   Heads … Membership … Presence · InboxReady · Heads · Membership · Presence … Receipts …
//! ```
//!
//! Rows are states, not events: a later row for the same room or person replaces an earlier one, so the server
//! may leave out what was overtaken.

use serde::{Deserialize, Serialize};

use crate::frame::messages;
use crate::id::{Cursor, RoomId, Seq, UserId};
use crate::limits::{HEADS_MAX, PRESENCE_MAX, RECEIPTS_MAX};
use crate::name::AwayText;
use crate::request::{Notify, Receipt, RoomInfo, Settings};
use crate::wire::{List, wire_array, wire_map};

wire_array! {
    /// How one joined room stands for this account.
    pub struct Head {
        /// The room.
        room: RoomId,
        /// Its newest entry.
        head: Cursor,
        /// The furthest this account has read, on whichever device. It only moves forward.
        marker: Seq,
        /// Unread entries that count and that others wrote: exact.
        unread: u64,
        /// Whom they call, and what else the account has said about the room.
        ext: HeadExt,
    }
}

impl Head {
    /// The newest entry before what is unread.
    pub fn read_to(&self) -> Seq {
        self.ext.unread_from.map_or(self.marker, |from| Seq(from.0.saturating_sub(1)))
    }
}

wire_map! {
    /// What else a [`Head`] may say.
    #[derive(Default)]
    pub struct HeadExt {
        required {}
        optional {
            /// Unread entries that call this account, by name or with everybody: exact. Left out: none.
            1 => mentions: u64,
            /// What of the room it wants to be told of. Left out: everything.
            2 => notify: Notify,
            /// It said that everything from here on is unread again, though the marker is behind. Left out: what is behind
            /// the marker is what is unread.
            3 => unread_from: Seq,
        }
    }
}

wire_array! {
    /// Rooms that changed.
    pub struct Heads {
        /// One row a room.
        rooms: List<Head, HEADS_MAX>,
    }
}

wire_array! {
    /// The account's membership of a room changed; `info.membership` says to what.
    pub struct Membership {
        /// The room as it is now.
        info: RoomInfo,
    }
}

/// Whether somebody is there. By number, so that a new state breaks nobody; an unknown one is as good as online.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PresenceState(pub u64);

impl PresenceState {
    /// No connection, as far as the asker may know.
    pub const OFFLINE: Self = Self(0);
    /// At least one connection at which somebody is.
    pub const ONLINE: Self = Self(1);
    /// Connected, and nobody has touched it for a while.
    pub const IDLE: Self = Self(2);
    /// Connected, and has said to be elsewhere.
    pub const AWAY: Self = Self(3);

    /// Its word, for people and for JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::OFFLINE => "offline",
            Self::IDLE => "idle",
            Self::AWAY => "away",
            _ => "online",
        }
    }
}

wire_map! {
    /// One person's presence.
    pub struct PersonPresence {
        required {
            /// Who.
            1 => user: UserId,
            /// Whether they are there.
            2 => state: PresenceState,
        }
        optional {
            /// What somebody who is away says about it.
            3 => text: AwayText,
        }
    }
}

wire_array! {
    /// People whose presence changed. May be skipped.
    pub struct Presence {
        /// One row a person.
        people: List<PersonPresence, PRESENCE_MAX>,
    }
}

wire_map! {
    /// Everybody is offline but those who are told from here on: what was told before is forgotten. May be skipped.
    pub struct PresenceAnew {
        required {}
        optional {}
    }
}

wire_array! {
    /// How far others have read in a room: all who tell it, in place of all who were told before. May be skipped.
    pub struct Receipts {
        /// The room.
        room: RoomId,
        /// One row a person.
        rows: List<Receipt, RECEIPTS_MAX>,
    }
}

wire_array! {
    /// Another device of the account changed its settings; these are all of them. May be skipped.
    pub struct SettingsChanged {
        /// All settings.
        settings: Settings,
    }
}

wire_array! {
    /// All rooms have been told once; what follows are changes. May be skipped.
    pub struct InboxReady {
        /// Joined rooms at that moment.
        rooms: u64,
    }
}

messages! {
    0x60 => Heads,
    0x62 => Membership,
    0x63 => Presence,
    0x65 => InboxReady,
    0x67 => PresenceAnew,
    0x69 => Receipts,
    0x6b => SettingsChanged,
}
