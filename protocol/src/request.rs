//! REQUEST: one question on a stream of its own, and its answer.
//!
//! | question      | answer                      |   | question       | answer        |
//! |---------------|-----------------------------|---|----------------|---------------|
//! | Subscribe     | Subscribed, ROOM streams    |   | Direct         | RoomAnswer    |
//! | History       | Page, then Entry frames     |   | MarkRead       | Done          |
//! | ListRooms     | Rooms                       |   | CreateInvite   | InviteAnswer  |
//! | ListMembers   | Members                     |   | ListInvites    | Invites       |
//! | LookUp        | Users                       |   | RevokeInvite   | Done          |
//! | CreateRoom    | RoomAnswer                  |   | ListDevices    | Devices       |
//! | Join, Leave   | RoomAnswer                  |   | RevokeDevice   | Done          |
//! | InviteMember, RemoveMember | Done           |   |                |               |
//!
//! Any question may be answered by an Error (a [`crate::Refusal`]) instead. Lists are paged: an answer with
//! `more` is continued by the same question with `after` set to the last row's key. All questions that change
//! something may be asked again without harm.

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::frame::messages;
use crate::id::{Cursor, DeviceId, Incarnation, InviteId, RoomId, Seq, UserId};
use crate::limits::{ROWS_MAX, SUBSCRIBE_ROOMS_MAX};
use crate::name::{DeviceName, Nickname, RoomName, Topic};
use crate::wire::{Blob, List, wire_array, wire_map};

macro_rules! numbered {
    ($($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal, $word:literal;)+ })+) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);
        impl $name {
            $($(#[$vmeta])* pub const $variant: Self = Self($number);)+
            /// Its word, for people and for JSON.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ _ => "unknown" }
            }
        }
    )+ };
}

numbered! {
    /// Who may see a room.
    Visibility {
        /// Everybody on the server, who may also join.
        PUBLIC = 0, "public";
        /// Members and those invited.
        PRIVATE = 1, "private";
        /// Exactly two people, for ever.
        DIRECT = 2, "direct";
    }
    /// How an account stands to a room.
    MembershipState {
        /// Not at all.
        NONE = 0, "none";
        /// May join.
        INVITED = 1, "invited";
        /// Is a member.
        JOINED = 2, "joined";
    }
    /// What a member may do in a room. Larger includes smaller.
    RoomRole {
        /// Read.
        READER = 0, "reader";
        /// Also write, and invite others.
        MEMBER = 10, "member";
        /// Also remove members.
        MODERATOR = 50, "moderator";
        /// Everything.
        OWNER = 100, "owner";
    }
    /// What an account may do on the server. Larger includes smaller.
    ServerRole {
        /// Join what they are invited to.
        GUEST = 0, "guest";
        /// As a member, marked as a program.
        BOT = 5, "bot";
        /// Also join public rooms, create rooms.
        MEMBER = 10, "member";
        /// Also invite people to the server.
        ADMIN = 50, "admin";
        /// Everything.
        OWNER = 100, "owner";
    }
}

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
        }
    }
}

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
    pub const LATEST: Self = Self {
        kind: AnchorKind::LATEST,
        seq: Seq::ZERO,
        to: Seq::ZERO,
    };
    /// Those just before `seq`.
    pub const fn before(seq: Seq) -> Self {
        Self {
            kind: AnchorKind::BEFORE,
            seq,
            to: Seq::ZERO,
        }
    }
    /// Those just after `seq`.
    pub const fn after(seq: Seq) -> Self {
        Self {
            kind: AnchorKind::AFTER,
            seq,
            to: Seq::ZERO,
        }
    }
    /// Those around `seq`.
    pub const fn around(seq: Seq) -> Self {
        Self {
            kind: AnchorKind::AROUND,
            seq,
            to: Seq::ZERO,
        }
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
        optional {}
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
            /// Whether they have a connection.
            5 => online: bool,
        }
        optional {}
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
        optional {}
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

wire_map! {
    /// "I have read up to here". Markers only move forward.
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

wire_map! {
    /// It is so now.
    pub struct Done {
        required {}
        optional {}
    }
}

wire_map! {
    /// Makes an invite to the server, or another device's way into the asker's own account.
    pub struct CreateInvite {
        required {
            /// How often it may be redeemed.
            1 => uses: u64,
            /// How long it may be redeemed, in milliseconds.
            2 => life_ms: u64,
        }
        optional {
            /// A room the newcomer joins at once.
            3 => room: RoomId,
            /// Role of the newcomer; a member when left out.
            4 => role: ServerRole,
            /// True: a device for the asker's own account instead of a new account.
            5 => own_device: bool,
        }
    }
}

wire_map! {
    /// Answers a [`CreateInvite`]. The secret is shown once and kept nowhere.
    pub struct InviteAnswer {
        required {
            /// Names the invite.
            1 => invite: InviteId,
            /// What the link carries.
            2 => secret: Blob<16>,
            /// When it ends, unix milliseconds.
            3 => expires_ms: u64,
        }
        optional {}
    }
}

wire_map! {
    /// Invites the asker made; an admin sees all.
    pub struct ListInvites {
        required {}
        optional {
            /// Continue behind this invite.
            1 => after: InviteId,
        }
    }
}

wire_map! {
    /// One invite.
    pub struct InviteInfo {
        required {
            /// The invite.
            1 => invite: InviteId,
            /// How often it may still be redeemed.
            2 => uses_left: u64,
            /// When it ends, unix milliseconds.
            3 => expires_ms: u64,
            /// Whether it was taken back.
            4 => revoked: bool,
            /// Who redeemed it.
            5 => redeemed_by: List<UserId, 16>,
        }
        optional {
            /// Who made it; nobody when the server did.
            6 => created_by: UserId,
            /// The room it leads to.
            7 => room: RoomId,
        }
    }
}

wire_map! {
    /// Answers a [`ListInvites`].
    pub struct Invites {
        required {
            /// One row an invite, by id.
            1 => invites: List<InviteInfo, ROWS_MAX>,
            /// Whether there are more.
            2 => more: bool,
        }
        optional {}
    }
}

wire_map! {
    /// Takes an invite back.
    pub struct RevokeInvite {
        required {
            /// Which.
            1 => invite: InviteId,
        }
        optional {}
    }
}

wire_map! {
    /// The asker's own devices.
    pub struct ListDevices {
        required {}
        optional {}
    }
}

wire_map! {
    /// One device.
    pub struct DeviceInfo {
        required {
            /// The device.
            1 => device: DeviceId,
            /// What it is called.
            2 => name: DeviceName,
            /// When it was added, unix milliseconds.
            3 => created_ms: u64,
            /// When it last authenticated, unix milliseconds.
            4 => seen_ms: u64,
            /// Whether it has a connection.
            5 => online: bool,
        }
        optional {
            /// When it was revoked, unix milliseconds.
            6 => revoked_ms: u64,
        }
    }
}

wire_map! {
    /// Answers a [`ListDevices`].
    pub struct Devices {
        required {
            /// One row a device, by id.
            1 => devices: List<DeviceInfo, ROWS_MAX>,
        }
        optional {}
    }
}

wire_map! {
    /// Shuts a device of the asker's own account out: its connections close at once.
    pub struct RevokeDevice {
        required {
            /// Which.
            1 => device: DeviceId,
        }
        optional {}
    }
}

messages! {
    0x80 => Subscribe,
    0x82 => Subscribed,
    0x84 => History,
    0x86 => Page,
    0x88 => ListRooms,
    0x8a => Rooms,
    0x8c => ListMembers,
    0x8e => Members,
    0x90 => LookUp,
    0x92 => Users,
    0x94 => CreateRoom,
    0x96 => RoomAnswer,
    0x98 => Join,
    0x9a => Leave,
    0x9c => InviteMember,
    0x9e => RemoveMember,
    0xa0 => Direct,
    0xa2 => MarkRead,
    0xa4 => Done,
    0xa6 => CreateInvite,
    0xa8 => InviteAnswer,
    0xaa => ListInvites,
    0xac => Invites,
    0xae => RevokeInvite,
    0xb0 => ListDevices,
    0xb2 => Devices,
    0xb4 => RevokeDevice,
}
