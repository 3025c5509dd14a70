//! What is unread: saying that it is again, how much of it is worth a signal, and who was called by name.

use serde::{Deserialize, Serialize};

use super::SearchPlace;
use crate::id::{Cursor, RoomId, Seq};
use crate::limits::ROWS_MAX;
use crate::wire::{List, wire_array, wire_map};

wire_map! {
    /// "Everything from here on is unread again." Marks nothing as read, and leaves the marker where it is. It ends
    /// entry by entry, as they are marked as read again.
    pub struct MarkUnread {
        required {
            /// The room.
            1 => room: RoomId,
            /// The first entry that shall be unread.
            2 => from: Seq,
        }
        optional {}
    }
}

numbered! {
    /// What of a room this account wants to be told of by sound or light. Counts are the same at every level.
    Notify {
        /// Everything; the first.
        ALL = 0, "all";
        /// Only what calls this account.
        MENTIONS = 1, "mentions";
        /// Nothing: the room is muted.
        NOTHING = 2, "nothing";
    }
}

impl Notify {
    /// Whether a new entry is worth a signal, when it calls this account or does not. Unknown levels are as good as all.
    pub const fn signals(self, calls: bool) -> bool {
        match self {
            Self::NOTHING => false,
            Self::MENTIONS => calls,
            _ => true,
        }
    }
}

wire_map! {
    /// Another [`Notify`] for a room, on all devices of the account.
    pub struct SetNotify {
        required {
            /// The room.
            1 => room: RoomId,
            /// From now on.
            2 => level: Notify,
        }
        optional {}
    }
}

wire_map! {
    /// Which messages call this account, by name or with everybody? Newest first, in all rooms it has joined.
    pub struct ListMentions {
        required {
            /// How many at most; the server may give fewer.
            1 => limit: u64,
        }
        optional {
            /// Go on behind this place: [`Mentions::next`] of the answer before.
            2 => after: SearchPlace,
            /// True: only those that are unread.
            3 => unread: bool,
        }
    }
}

wire_array! {
    /// A message that calls the asker.
    pub struct Mention {
        /// Its room.
        room: RoomId,
        /// Where it is in the log.
        at: Cursor,
        /// Whether it is unread.
        unread: bool,
        /// Whether it calls everybody in the room, and not the asker by name.
        everybody: bool,
    }
}

wire_map! {
    /// Answers a [`ListMentions`]; as many Entry frames follow as there are rows, in their order.
    pub struct Mentions {
        required {
            /// One row a message.
            1 => rows: List<Mention, ROWS_MAX>,
        }
        optional {
            /// There are more behind this place.
            2 => next: SearchPlace,
        }
    }
}
