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
//! | InviteMember, RemoveMember | Done           |   | ListFiles      | Files         |
//! | SetRole, SetPermissions, Impose, Lift, Transfer | Done | | SetRoom | RoomAnswer |
//! | ListSanctions | Sanctions                   |   | ListReports    | Reports       |
//! | Report, Resolve, Purge | Done               |   | ListAudit      | Audit         |
//! | Deactivate, Reactivate, SetServerRole | Done |  | Search         | Found         |
//! | MarkUnread, SetNotify | Done                |   | ListMentions   | Mentions, then Entry frames |
//! | ListReceipts  | ReceiptList                 |   | SetPresence    | PresenceSet   |
//! | ShowSettings, ChangeSettings | SettingsAnswer |  |                |               |
//! | ListReactions | Reactions                   |   | SetTopic, RenameRoom | RoomAnswer |
//! | ListPins      | Pins, then Entry frames     |   |                |               |
//! | DeleteRoom, DeleteAccount  | Done           |   | SetRetention   | RoomAnswer    |
//! | ExportAccount | Exported, then ExportRecord frames | | |          |
//! | CreateBot, InviteBot | BotAnswer            |   | CreateHook     | HookAnswer    |
//! | ListBots      | Bots                        |   | ListHooks      | Hooks         |
//! | ChangeBot, RevokeBot | Done                 |   | RevokeHook     | Done          |
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

mod accounts;
mod bots;
mod devices;
mod files;
mod history;
mod hooks;
mod invites;
mod moderation;
mod people;
mod permissions;
mod presence;
mod reading;
mod records;
mod relating;
mod retention;
mod roles;
mod rooms;
mod search;
mod settings;
mod unread;

pub use accounts::{Deactivate, Purge, Reactivate, SetServerRole};
pub use bots::{BotAnswer, BotInfo, Bots, ChangeBot, CreateBot, InviteBot, ListBots, RevokeBot};
pub use devices::{DeviceInfo, Devices, ListDevices, RevokeDevice};
pub use files::{EntryFiles, Files, ListFiles};
pub use history::{Anchor, AnchorKind, History, Page};
pub use hooks::{CreateHook, HookAnswer, HookInfo, Hooks, ListHooks, RevokeHook};
pub use invites::{CreateInvite, InviteAnswer, InviteInfo, Invites, ListInvites, RevokeInvite};
pub use moderation::{
    Impose, Lift, ListSanctions, Reason, SanctionInfo, SanctionKey, Sanctions, SetPermissions, SetRole,
    SetRoom, Transfer,
};
pub use people::{InviteMember, ListMembers, LookUp, MemberInfo, Members, RemoveMember, UserInfo, Users};
pub use permissions::{Muted, Permissions, RoomSettings};
pub use presence::{ListReceipts, PresenceSet, Receipt, ReceiptList, SetPresence};
pub use reading::{MarkRead, Subscribe, SubscribeRoom, Subscribed, SubscribedRoom};
pub use records::{Act, Audit, AuditRecord, ListAudit, ListReports, Report, ReportInfo, Reports, Resolve};
pub use relating::{
    ListPins, ListReactions, PinInfo, Pins, ReactionInfo, ReactionKey, Reactions, RenameRoom, SetTopic,
    Tallies, Tally,
};
pub use retention::{
    DeleteAccount, DeleteRoom, ExportAccount, ExportRecord, Exported, ExportedAccount, ExportedFile,
    ExportedMembership, ExportedMessage, Retention, SetRetention,
};
pub use roles::{MembershipState, RoomRole, Sanction, ServerRole, Visibility};
pub use rooms::{CreateRoom, Direct, Join, Leave, ListRooms, RoomAnswer, RoomInfo, Rooms};
pub use search::{Found, Hit, Match, PartialRoom, Search, SearchPlace};
pub use settings::{ChangeSettings, Settings, SettingsAnswer, ShowSettings};
pub use unread::{ListMentions, MarkUnread, Mention, Mentions, Notify, SetNotify};

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
    0xb6 => ListReactions,
    0xb7 => Tallies,
    0xb8 => Reactions,
    0xba => ListPins,
    0xbc => Pins,
    0xbe => SetTopic,
    0xc0 => RenameRoom,
    0xc4 => MarkUnread,
    0xc6 => SetNotify,
    0xc8 => ListMentions,
    0xca => Mentions,
    0xd0 => SetRole,
    0xd2 => SetPermissions,
    0xd4 => Impose,
    0xd6 => Lift,
    0xd8 => ListSanctions,
    0xda => Sanctions,
    0xdc => SetRoom,
    0xde => Transfer,
    0xe0 => Deactivate,
    0xe2 => Reactivate,
    0xe4 => SetServerRole,
    0xe6 => Purge,
    0xe8 => Report,
    0xea => ListReports,
    0xec => Reports,
    0xee => Resolve,
    0xf0 => ListAudit,
    0xf2 => Audit,
    0x12a => ListFiles,
    0x12c => Files,
    0x110 => Search,
    0x112 => Found,
    0x100 => SetPresence,
    0x102 => PresenceSet,
    0x104 => ListReceipts,
    0x106 => ReceiptList,
    0x108 => ShowSettings,
    0x10a => ChangeSettings,
    0x10c => SettingsAnswer,
    0x140 => SetRetention,
    0x142 => DeleteRoom,
    0x144 => DeleteAccount,
    0x146 => ExportAccount,
    0x148 => Exported,
    0x14a => ExportRecord,
    0x160 => CreateBot,
    0x162 => BotAnswer,
    0x164 => InviteBot,
    0x166 => ListBots,
    0x168 => Bots,
    0x16a => ChangeBot,
    0x16c => RevokeBot,
    0x170 => CreateHook,
    0x172 => HookAnswer,
    0x174 => ListHooks,
    0x176 => Hooks,
    0x178 => RevokeHook,
}
