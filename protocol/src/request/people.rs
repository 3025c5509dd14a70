//! People: who is in a room, who an id or a nickname is, and letting others in or sending them out.

use crate::id::{RoomId, UserId};
use crate::inbox::PresenceState;
use crate::limits::ROWS_MAX;
use crate::name::{AwayText, Nickname};
use crate::request::{MembershipState, Permissions, Reason, RoomRole, ServerRole};
use crate::wire::{List, wire_map};

wire_map! {
    /// Who is in a room.
    pub struct ListMembers {
        required {
            /// The room.
            1 => room: RoomId,
        }
        optional {
            /// Continue behind this account.
            2 => after: UserId,
        }
    }
}

wire_map! {
    /// One member.
    pub struct MemberInfo {
        required {
            /// The account.
            1 => user: UserId,
            /// What they are called.
            2 => nickname: Nickname,
            /// Their role in the room.
            3 => role: RoomRole,
            /// Invited or joined.
            4 => membership: MembershipState,
            /// Whether they have a connection, as far as the asker may know.
            5 => online: bool,
        }
        optional {
            /// What they may do instead of what their role allows.
            6 => permissions: Permissions,
            /// How they are there; left out where the room is too large to tell.
            7 => presence: PresenceState,
            /// What they say about being away.
            8 => away_text: AwayText,
            /// When they were last there, rounded down to ten minutes, unix milliseconds; only if they allow it.
            9 => last_seen_ms: u64,
        }
    }
}

wire_map! {
    /// Answers a [`ListMembers`].
    pub struct Members {
        required {
            /// One row a member, by id.
            1 => members: List<MemberInfo, ROWS_MAX>,
            /// Whether there are more.
            2 => more: bool,
        }
        optional {}
    }
}

wire_map! {
    /// Who these accounts are: by id, or one by nickname. Unknown ones are left out of the answer.
    pub struct LookUp {
        required {
            /// The ids.
            1 => users: List<UserId, ROWS_MAX>,
        }
        optional {
            /// The nickname.
            2 => nickname: Nickname,
        }
    }
}

wire_map! {
    /// One account as others see it.
    pub struct UserInfo {
        required {
            /// The account.
            1 => user: UserId,
            /// What they are called.
            2 => nickname: Nickname,
            /// Their role on the server.
            3 => role: ServerRole,
        }
        optional {
            /// True: the account is shut out.
            4 => deactivated: bool,
        }
    }
}

wire_map! {
    /// Answers a [`LookUp`].
    pub struct Users {
        required {
            /// One row an account.
            1 => users: List<UserInfo, ROWS_MAX>,
        }
        optional {}
    }
}

wire_map! {
    /// Allow somebody into a room.
    pub struct InviteMember {
        required {
            /// Which room.
            1 => room: RoomId,
            /// Who.
            2 => user: UserId,
        }
        optional {}
    }
}

wire_map! {
    /// Send somebody out of a room, or take an invitation back.
    pub struct RemoveMember {
        required {
            /// Which room.
            1 => room: RoomId,
            /// Who.
            2 => user: UserId,
        }
        optional {
            /// Why.
            3 => reason: Reason,
        }
    }
}
