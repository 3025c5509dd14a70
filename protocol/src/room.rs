//! ROOM: one room's log, from a cursor onwards, on a stream the server opens.
//!
//! ```text
//!   Opened · Snapshot? · Gap? · Entry … CaughtUp · Entry … End
//! ```
//!
//! Invariant: after `Opened{start}` the positions that Entry and Gap cover are contiguous, without overlap.

use serde::{Deserialize, Serialize};

use crate::frame::messages;
use crate::id::{Cursor, RoomId, Seq};
use crate::request::RoomInfo;
use crate::wire::wire_array;

wire_array! {
    /// First frame: which subscription this is, and where it begins.
    pub struct Opened {
        /// The number the Subscribed answer gave.
        subscription: u64,
        /// The room.
        room: RoomId,
        /// The place after which the entries on this stream begin.
        start: Cursor,
        /// The newest entry now.
        head: Seq,
        /// The oldest entry there is.
        floor: Seq,
    }
}

wire_array! {
    /// What the room is, for whoever opens it without a cursor.
    pub struct Snapshot {
        /// True up to and including this entry.
        as_of: Seq,
        /// The room.
        info: RoomInfo,
    }
}

wire_array! {
    /// Entries that are not sent here; history has them unless the reason says otherwise.
    pub struct Gap {
        /// The first that is missing.
        from: Seq,
        /// The last that is missing.
        to: Seq,
        /// Why.
        reason: GapReason,
    }
}

/// Why a reader was not sent a range. By number, so that a new one breaks nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GapReason(pub u64);

impl GapReason {
    /// More than the backlog asked for, or than the server replays.
    pub const BACKLOG: Self = Self(0);
    /// The cursor belongs to another incarnation of the log: forget what you have.
    pub const INCARNATION: Self = Self(1);
    /// Retention removed it.
    pub const RETENTION: Self = Self(2);
}

wire_array! {
    /// Everything up to here was sent; what follows is live.
    pub struct CaughtUp {
        /// The place.
        seq: Seq,
    }
}

wire_array! {
    /// Last frame before the stream finishes.
    pub struct End {
        /// Why.
        reason: EndReason,
    }
}

/// Why a ROOM stream ended. By number, so that a new one breaks nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EndReason(pub u64);

impl EndReason {
    /// The server stops.
    pub const SHUTDOWN: Self = Self(0);
    /// The reader left the room.
    pub const LEFT: Self = Self(1);
    /// The reader may no longer read it.
    pub const REMOVED: Self = Self(2);
    /// The room is no more: forget what you have of it.
    pub const DELETED: Self = Self(3);
}

messages! {
    0x40 => Opened,
    0x44 => Gap,
    0x46 => Snapshot,
    0x48 => End,
    0x4b => CaughtUp,
}
