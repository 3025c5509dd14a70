//! Rooms: what one is, which there are, making one, coming and going.

use crate::id::{Cursor, RoomId, UserId};
use crate::limits::ROWS_MAX;
use crate::name::{Nickname, RoomName, Topic};
use crate::request::{MembershipState, Muted, Permissions, Retention, RoomRole, RoomSettings, Visibility};
use crate::wire::{List, wire_map};

wire_map! {
    /// A room as one account sees it.
    pub struct RoomInfo {
        required {
            /// The room.
            1 => room: RoomId,
            /// Who may see it.
            2 => visibility: Visibility,
            /// Its newest entry.
            3 => head: Cursor,
            /// How many have joined.
            4 => members: u64,
            /// How the asker stands to it.
            5 => membership: MembershipState,
            /// The asker's role in it.
            6 => role: RoomRole,
        }
        optional {
            /// Its name; direct rooms have none.
            7 => name: RoomName,
            /// What it is about.
            8 => topic: Topic,
            /// The other person of a direct room.
            9 => peer: UserId,
            /// What the other person is called.
            10 => peer_nickname: Nickname,
            /// What the asker may do there now: role, explicit permissions, settings and mutes taken together.
            11 => permissions: Permissions,
            /// Its settings, all of them.
            12 => settings: RoomSettings,
            /// That the asker is muted.
            13 => muted: Muted,
            /// What it keeps, where that is bounded: by the room's own word or the server's.
            14 => retention: Retention,
            /// True: it was deleted. Forget what you have of it.
            15 => deleted: bool,
        }
    }
}

wire_map! {
    /// Which rooms there are.
    pub struct ListRooms {
        required {
            /// Only those joined or invited to; else the public ones as well.
            1 => mine: bool,
        }
        optional {
            /// Continue behind this room.
            2 => after: RoomId,
            /// Only the room with this name.
            3 => name: RoomName,
        }
    }
}

wire_map! {
    /// Answers a [`ListRooms`].
    pub struct Rooms {
        required {
            /// One row a room, by id.
            1 => rooms: List<RoomInfo, ROWS_MAX>,
            /// Whether there are more.
            2 => more: bool,
        }
        optional {}
    }
}

wire_map! {
    /// Makes a room, with the asker as its owner. The id is the asker's choice, so that asking twice makes one.
    pub struct CreateRoom {
        required {
            /// The new room's id, random.
            1 => room: RoomId,
            /// Its name, unique on the server.
            2 => name: RoomName,
            /// Public or private.
            3 => visibility: Visibility,
        }
        optional {
            /// What it is about.
            4 => topic: Topic,
        }
    }
}

wire_map! {
    /// Answers questions about one room with the room as it is now.
    pub struct RoomAnswer {
        required {
            /// The room.
            1 => info: RoomInfo,
        }
        optional {}
    }
}

wire_map! {
    /// Become a member.
    pub struct Join {
        required {
            /// Of which room.
            1 => room: RoomId,
        }
        optional {}
    }
}

wire_map! {
    /// Be a member no longer. The last owner cannot, while others are there.
    pub struct Leave {
        required {
            /// Of which room.
            1 => room: RoomId,
        }
        optional {}
    }
}

wire_map! {
    /// The direct room with somebody; made when there is none.
    pub struct Direct {
        required {
            /// Who.
            1 => user: UserId,
        }
        optional {}
    }
}
