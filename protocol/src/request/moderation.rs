//! Moderation of a room: roles and permissions, bans and mutes, settings, and who owns it.

use crate::id::{RoomId, UserId};
use crate::limits::{ROWS_MAX, TEXT_BYTES_MAX};
use crate::name::Nickname;
use crate::request::{Permissions, RoomRole, RoomSettings, Sanction};
use crate::wire::{List, Text, wire_array, wire_map};

/// Why something was done, for people.
pub type Reason = Text<TEXT_BYTES_MAX>;

wire_map! {
    /// Give a member another role. It takes explicit permissions away.
    pub struct SetRole {
        required {
            /// In which room.
            1 => room: RoomId,
            /// Who.
            2 => user: UserId,
            /// Their role from now on.
            3 => role: RoomRole,
        }
        optional {
            /// Why.
            4 => reason: Reason,
        }
    }
}

wire_map! {
    /// Give a member explicit permissions, or take them away.
    pub struct SetPermissions {
        required {
            /// In which room.
            1 => room: RoomId,
            /// Who.
            2 => user: UserId,
        }
        optional {
            /// What they may do from now on; left out: what their role allows.
            3 => permissions: Permissions,
            /// Why.
            4 => reason: Reason,
        }
    }
}

wire_map! {
    /// Ban or mute somebody, who need not be there. A ban also sends them out.
    pub struct Impose {
        required {
            /// In which room.
            1 => room: RoomId,
            /// Who.
            2 => user: UserId,
            /// What they are denied.
            3 => sanction: Sanction,
        }
        optional {
            /// For how long, milliseconds by the server's clock; left out: until it is lifted.
            4 => life_ms: u64,
            /// Why.
            5 => reason: Reason,
        }
    }
}

wire_map! {
    /// Lift a ban or a mute.
    pub struct Lift {
        required {
            /// In which room.
            1 => room: RoomId,
            /// Whose.
            2 => user: UserId,
            /// Which.
            3 => sanction: Sanction,
        }
        optional {
            /// Why.
            4 => reason: Reason,
        }
    }
}

wire_array! {
    /// What a sanction is found by.
    #[derive(Copy)]
    pub struct SanctionKey {
        /// Whose.
        user: UserId,
        /// Which.
        sanction: Sanction,
    }
}

wire_map! {
    /// Which bans and mutes hold in a room.
    pub struct ListSanctions {
        required {
            /// The room.
            1 => room: RoomId,
        }
        optional {
            /// Continue behind this one.
            2 => after: SanctionKey,
        }
    }
}

wire_map! {
    /// A ban or a mute that holds.
    pub struct SanctionInfo {
        required {
            /// Who is denied it.
            1 => user: UserId,
            /// What they are called.
            2 => nickname: Nickname,
            /// What they are denied.
            3 => sanction: Sanction,
            /// Who decided so.
            4 => by: UserId,
            /// When, unix milliseconds.
            5 => at_ms: u64,
        }
        optional {
            /// Until when, unix milliseconds; left out: until it is lifted.
            6 => until_ms: u64,
            /// Why.
            7 => reason: Reason,
        }
    }
}

wire_map! {
    /// Answers a [`ListSanctions`].
    pub struct Sanctions {
        required {
            /// One row a sanction, by account.
            1 => sanctions: List<SanctionInfo, ROWS_MAX>,
            /// Whether there are more.
            2 => more: bool,
        }
        optional {}
    }
}

wire_map! {
    /// Change the settings of a room.
    pub struct SetRoom {
        required {
            /// Which room.
            1 => room: RoomId,
            /// Those that change.
            2 => settings: RoomSettings,
        }
        optional {
            /// Why.
            3 => reason: Reason,
        }
    }
}

wire_map! {
    /// Make another member the owner. The asker is a moderator from then on.
    pub struct Transfer {
        required {
            /// Which room.
            1 => room: RoomId,
            /// To whom.
            2 => user: UserId,
        }
        optional {
            /// Why.
            3 => reason: Reason,
        }
    }
}
