//! Accounts as those see them who run the server, and the end of everything one account wrote.

use crate::id::{RoomId, UserId};
use crate::request::{Reason, ServerRole};
use crate::wire::wire_map;

wire_map! {
    /// Shut an account out: its tokens are refused, its connections closed, its invites dead. What it said stays.
    pub struct Deactivate {
        required {
            /// Which.
            1 => user: UserId,
        }
        optional {
            /// Why.
            2 => reason: Reason,
        }
    }
}

wire_map! {
    /// Let a deactivated account in again. Its invites stay dead.
    pub struct Reactivate {
        required {
            /// Which.
            1 => user: UserId,
        }
        optional {
            /// Why.
            2 => reason: Reason,
        }
    }
}

wire_map! {
    /// Give an account another role on the server.
    pub struct SetServerRole {
        required {
            /// Which.
            1 => user: UserId,
            /// Its role from now on.
            2 => role: ServerRole,
        }
        optional {
            /// Why.
            3 => reason: Reason,
        }
    }
}

wire_map! {
    /// Erase everything one account wrote, in a room or everywhere.
    pub struct Purge {
        required {
            /// Whose words.
            1 => user: UserId,
        }
        optional {
            /// In which room; left out: everywhere.
            2 => room: RoomId,
            /// Why.
            3 => reason: Reason,
        }
    }
}
