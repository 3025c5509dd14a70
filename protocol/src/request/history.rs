//! History: pages of a room's log by position, never by time, so that no two answers can tie.

use serde::{Deserialize, Serialize};

use crate::id::{Incarnation, RoomId, Seq};
use crate::wire::{wire_array, wire_map};

wire_array! {
    /// Where a page of history lies: `[kind]`, with positions as the kind needs them; zero where it does not.
    pub struct Anchor {
        /// See the constants of [`AnchorKind`].
        kind: AnchorKind,
        /// The position, exclusive, or the first of two.
        seq: Seq,
        /// The second of two positions, exclusive.
        to: Seq,
    }
}

numbered! {
    /// Kinds of [`Anchor`].
    AnchorKind {
        /// The newest entries.
        LATEST = 0, "latest";
        /// The entries just before a position.
        BEFORE = 1, "before";
        /// The entries just after a position.
        AFTER = 2, "after";
        /// The entries around a position, it included.
        AROUND = 3, "around";
        /// From after the first position to before the second.
        BETWEEN = 4, "between";
    }
}

impl Anchor {
    /// The newest entries.
    pub const LATEST: Self = Self { kind: AnchorKind::LATEST, seq: Seq::ZERO, to: Seq::ZERO };
    /// Those just before `seq`.
    pub const fn before(seq: Seq) -> Self {
        Self { kind: AnchorKind::BEFORE, seq, to: Seq::ZERO }
    }
    /// Those just after `seq`.
    pub const fn after(seq: Seq) -> Self {
        Self { kind: AnchorKind::AFTER, seq, to: Seq::ZERO }
    }
    /// Those around `seq`.
    pub const fn around(seq: Seq) -> Self {
        Self { kind: AnchorKind::AROUND, seq, to: Seq::ZERO }
    }
}

wire_map! {
    /// A page of a room's log, always in ascending order.
    pub struct History {
        required {
            /// The room.
            1 => room: RoomId,
            /// Where.
            2 => anchor: Anchor,
            /// How many at most; the server may give fewer.
            3 => limit: u64,
        }
        optional {
            /// Only entries of the thread that begins here: its root, and messages in it.
            4 => thread: Seq,
        }
    }
}

wire_map! {
    /// Stands before the Entry frames of a page.
    pub struct Page {
        required {
            /// Entry frames that follow.
            1 => entries: u64,
            /// The oldest entry there is.
            2 => floor: Seq,
            /// The newest entry now.
            3 => head: Seq,
            /// Whether there are entries before the page.
            4 => more_before: bool,
            /// Whether there are entries after it.
            5 => more_after: bool,
            /// The log's life.
            6 => incarnation: Incarnation,
        }
        optional {}
    }
}
