//! Reading: opening rooms from a cursor onwards, and remembering how far one has come.

use crate::error::Refusal;
use crate::id::{Cursor, RoomId, Seq};
use crate::limits::SUBSCRIBE_ROOMS_MAX;
use crate::wire::{List, wire_array, wire_map};

wire_array! {
    /// One room of a [`Subscribe`].
    pub struct SubscribeRoom {
        /// The room.
        room: RoomId,
        /// What the reader has; none for a first look.
        after: Option<Cursor>,
        /// Entries to replay at most before the live ones; what is older becomes a gap.
        backlog: u64,
    }
}

wire_map! {
    /// Opens rooms: the server answers for each, and opens a ROOM stream for each it grants.
    pub struct Subscribe {
        required {
            /// Which rooms.
            1 => rooms: List<SubscribeRoom, SUBSCRIBE_ROOMS_MAX>,
        }
        optional {
            /// Scheduling among this connection's ROOM streams. Reserved.
            2 => priority: u64,
        }
    }
}

wire_array! {
    /// What became of one room of a Subscribe: a number or a refusal.
    pub struct SubscribedRoom {
        /// The room.
        room: RoomId,
        /// The number its ROOM stream will carry.
        subscription: Option<u64>,
        /// Why there will be none.
        refusal: Option<Refusal>,
    }
}

wire_map! {
    /// Answers a [`Subscribe`], row by row in its order.
    pub struct Subscribed {
        required {
            /// One row a room.
            1 => rooms: List<SubscribedRoom, SUBSCRIBE_ROOMS_MAX>,
        }
        optional {}
    }
}

wire_map! {
    /// "I have read up to here". Markers only move forward; what was marked as unread again before it is read.
    pub struct MarkRead {
        required {
            /// Which room.
            1 => room: RoomId,
            /// The last entry read.
            2 => seq: Seq,
        }
        optional {}
    }
}
