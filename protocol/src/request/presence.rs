//! Presence: saying how one is there, and how far others have read.

use crate::id::{RoomId, Seq, UserId};
use crate::inbox::PresenceState;
use crate::limits::RECEIPTS_MAX;
use crate::name::AwayText;
use crate::wire::{List, wire_array, wire_map};

wire_map! {
    /// How this connection is there. It begins online; the account is as present as the most present of its
    /// connections: online before idle before away.
    pub struct SetPresence {
        required {
            /// Online, idle or away.
            1 => state: PresenceState,
        }
        optional {
            /// What somebody who is away says about it.
            2 => text: AwayText,
            /// True: all connections the account has now, not this one alone.
            3 => everywhere: bool,
        }
    }
}

wire_map! {
    /// Answers a [`SetPresence`].
    pub struct PresenceSet {
        required {
            /// Connections the account has, this one included.
            1 => connections: u64,
        }
        optional {}
    }
}

wire_map! {
    /// How far have others read in a room? Only who tells it is told it: see [`crate::request::Settings`].
    pub struct ListReceipts {
        required {
            /// The room.
            1 => room: RoomId,
        }
        optional {}
    }
}

wire_array! {
    /// How far somebody has read. It only moves forward, also when they mark entries as unread again.
    pub struct Receipt {
        /// Who.
        user: UserId,
        /// The furthest entry they have marked as read.
        seq: Seq,
    }
}

wire_map! {
    /// Answers a [`ListReceipts`].
    pub struct ReceiptList {
        required {
            /// One row for each who tells it, the asker left out, by id.
            1 => rows: List<Receipt, RECEIPTS_MAX>,
        }
        optional {}
    }
}
