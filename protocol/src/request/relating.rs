//! What follows from entries about entries, as of now: who reacts how, and what is pinned. And what a room is called and
//! about.

use crate::id::{RoomId, Seq, UserId};
use crate::limits::{EMOJI_PER_ENTRY_MAX, PINS_MAX, ROWS_MAX};
use crate::name::{Emoji, Nickname, RoomName, Topic};
use crate::wire::{List, wire_array, wire_map};

wire_array! {
    /// How many react so to an entry.
    pub struct Tally {
        /// How.
        emoji: Emoji,
        /// How many do.
        users: u64,
        /// Whether the asker is one of them.
        own: bool,
    }
}

wire_map! {
    /// The reactions to the entry that follows, in an answer to a [`super::History`].
    pub struct Tallies {
        required {
            /// The entry.
            1 => seq: Seq,
            /// Each of the reactions once, by emoji.
            2 => tallies: List<Tally, EMOJI_PER_ENTRY_MAX>,
        }
        optional {}
    }
}

wire_array! {
    /// What a reaction is found by.
    pub struct ReactionKey {
        /// How somebody reacts.
        emoji: Emoji,
        /// Who.
        user: UserId,
    }
}

wire_map! {
    /// Who reacts how to an entry.
    pub struct ListReactions {
        required {
            /// The room.
            1 => room: RoomId,
            /// The entry.
            2 => seq: Seq,
        }
        optional {
            /// Continue behind this one.
            3 => after: ReactionKey,
        }
    }
}

wire_map! {
    /// How somebody reacts.
    pub struct ReactionInfo {
        required {
            /// How.
            1 => emoji: Emoji,
            /// Who.
            2 => user: UserId,
            /// What they are called.
            3 => nickname: Nickname,
            /// The entry that says so.
            4 => seq: Seq,
        }
        optional {}
    }
}

wire_map! {
    /// Answers a [`ListReactions`].
    pub struct Reactions {
        required {
            /// One row a reaction, by emoji and account.
            1 => reactions: List<ReactionInfo, ROWS_MAX>,
            /// Whether there are more.
            2 => more: bool,
        }
        optional {}
    }
}

wire_map! {
    /// What is pinned in a room.
    pub struct ListPins {
        required {
            /// The room.
            1 => room: RoomId,
        }
        optional {
            /// Continue behind this entry.
            2 => after: Seq,
        }
    }
}

wire_map! {
    /// That an entry is pinned.
    pub struct PinInfo {
        required {
            /// The entry.
            1 => seq: Seq,
            /// The entry that says so.
            2 => pin: Seq,
            /// When it was pinned, unix milliseconds.
            3 => at_ms: u64,
        }
        optional {
            /// Who pinned it.
            4 => by: UserId,
        }
    }
}

wire_map! {
    /// Stands before the Entry frames of what is pinned: as many as there are rows, in their order.
    pub struct Pins {
        required {
            /// One row a pinned entry, in the order of the log.
            1 => pins: List<PinInfo, PINS_MAX>,
            /// Whether there are more.
            2 => more: bool,
        }
        optional {}
    }
}

wire_map! {
    /// Say what a room is about.
    pub struct SetTopic {
        required {
            /// The room.
            1 => room: RoomId,
        }
        optional {
            /// What it is about from now on; left out: nothing in particular.
            2 => topic: Topic,
        }
    }
}

wire_map! {
    /// Call a room differently. Those made by the server keep their name.
    pub struct RenameRoom {
        required {
            /// The room.
            1 => room: RoomId,
            /// Its name from now on, unique on the server.
            2 => name: RoomName,
        }
        optional {}
    }
}
