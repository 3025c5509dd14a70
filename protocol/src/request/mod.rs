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
//! | InviteMember, RemoveMember | Done           |   | SetRetention   | RoomAnswer    |
//! | DeleteRoom, DeleteAccount  | Done           |   | ExportAccount  | Exported, then ExportRecord frames |
//!
//! Any question may be answered by an Error (a [`crate::Refusal`]) instead. Lists are paged: an answer with
//! `more` is continued by the same question with `after` set to the last row's key. All questions that change
//! something may be asked again without harm.

/// Defines types that are numbers on the wire, each known number with a name and a word.
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

mod devices;
mod history;
mod invites;
mod people;
mod permissions;
mod reading;
mod retention;
mod roles;
mod rooms;

pub use devices::{DeviceInfo, Devices, ListDevices, RevokeDevice};
pub use history::{Anchor, AnchorKind, History, Page};
pub use invites::{CreateInvite, InviteAnswer, InviteInfo, Invites, ListInvites, RevokeInvite};
pub use people::{InviteMember, ListMembers, LookUp, MemberInfo, Members, RemoveMember, UserInfo, Users};
pub use permissions::{Muted, Permissions, RoomSettings};
pub use reading::{MarkRead, Subscribe, SubscribeRoom, Subscribed, SubscribedRoom};
pub use retention::{
    DeleteAccount, DeleteRoom, ExportAccount, ExportRecord, Exported, ExportedAccount, ExportedMembership,
    ExportedMessage, Retention, SetRetention,
};
pub use roles::{MembershipState, RoomRole, Sanction, ServerRole, Visibility};
pub use rooms::{CreateRoom, Direct, Join, Leave, ListRooms, RoomAnswer, RoomInfo, Rooms};

use crate::frame::messages;
use crate::wire::wire_map;

wire_map! {
    /// It is so now.
    pub struct Done {
        required {}
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
    0x140 => SetRetention,
    0x142 => DeleteRoom,
    0x144 => DeleteAccount,
    0x146 => ExportAccount,
    0x148 => Exported,
    0x14a => ExportRecord,
}
