//! How long things stay: what a room keeps, and how rooms and accounts end for real.

use crate::entry::Entry;
use crate::id::{RoomId, Seq, UserId};
use crate::limits::{EXPORT_PLACE_BYTES_MAX, ROOM_NAME_BYTES_MAX};
use crate::name::{Nickname, RoomName};
use crate::request::{DeviceInfo, InviteInfo, MembershipState, Reason, RoomRole, ServerRole, Settings};
use crate::wire::{Blob, Text, wire_array, wire_map};

wire_map! {
    /// What a room keeps. What is beyond any of the three bounds is removed, oldest first.
    #[derive(Default)]
    pub struct Retention {
        required {}
        optional {
            /// No entry older than this, milliseconds.
            1 => age_ms: u64,
            /// The newest so many entries.
            2 => count: u64,
            /// The newest entries that take so many bytes.
            3 => bytes: u64,
            /// How long a message stays that does not say so itself, milliseconds.
            4 => ttl_ms: u64,
        }
    }
}

wire_map! {
    /// Changes what a room keeps. What is absent stays as it is; zero takes the room's own word back.
    pub struct SetRetention {
        required {
            /// Of which room.
            1 => room: RoomId,
            /// What to change.
            2 => retention: Retention,
        }
        optional {
            /// Why.
            3 => reason: Reason,
        }
    }
}

wire_map! {
    /// Removes a room with all that was said in it, for everybody and for good.
    pub struct DeleteRoom {
        required {
            /// Which.
            1 => room: RoomId,
            /// Its name once more, or its id in hexadecimal if it has none: so that it is no accident.
            2 => confirm: Text<ROOM_NAME_BYTES_MAX>,
        }
        optional {
            /// Why.
            3 => reason: Reason,
        }
    }
}

wire_map! {
    /// Removes an account: the asker's own, or as an admin somebody else's.
    pub struct DeleteAccount {
        required {
            /// Which.
            1 => user: UserId,
            /// Its nickname once more.
            2 => confirm: Nickname,
        }
        optional {
            /// True: also erase everything it wrote.
            3 => erase: bool,
            /// Why.
            4 => reason: Reason,
        }
    }
}

wire_map! {
    /// What the server keeps about the asker's account, a page at a time.
    pub struct ExportAccount {
        required {}
        optional {
            /// Continue here, as the page before said.
            1 => after: Blob<EXPORT_PLACE_BYTES_MAX>,
        }
    }
}

wire_map! {
    /// Answers an [`ExportAccount`]; so many [`ExportRecord`] frames follow.
    pub struct Exported {
        required {
            /// Frames that follow.
            1 => records: u64,
        }
        optional {
            /// Where the next page begins; absent after the last.
            2 => next: Blob<EXPORT_PLACE_BYTES_MAX>,
        }
    }
}

wire_map! {
    /// One thing the server keeps about an account: exactly one of these. Skip what you do not know.
    #[derive(Default)]
    pub struct ExportRecord {
        required {}
        optional {
            /// The account itself.
            1 => account: ExportedAccount,
            /// A device.
            2 => device: DeviceInfo,
            /// How it stands to a room.
            3 => membership: ExportedMembership,
            /// An invite it made.
            4 => invite: InviteInfo,
            /// A message it wrote, or an entry of its about another.
            5 => message: ExportedMessage,
            /// A file it holds: its content is fetched from an entry that refers to it.
            6 => file: ExportedFile,
            /// Its settings.
            7 => settings: Settings,
        }
    }
}

wire_map! {
    /// An account.
    pub struct ExportedAccount {
        required {
            /// Its id.
            1 => user: UserId,
            /// What people see.
            2 => nickname: Nickname,
            /// What it may do on the server.
            3 => role: ServerRole,
            /// When it was made, unix milliseconds.
            4 => created_ms: u64,
        }
        optional {
            /// When it was last there, unix milliseconds; only if it tells others.
            5 => seen_ms: u64,
        }
    }
}

wire_map! {
    /// How an account stands to a room.
    pub struct ExportedMembership {
        required {
            /// The room.
            1 => room: RoomId,
            /// Invited or joined.
            2 => membership: MembershipState,
            /// Its role there.
            3 => role: RoomRole,
            /// Up to where it has read.
            4 => marker: Seq,
        }
        optional {
            /// The room's name; direct rooms have none.
            5 => name: RoomName,
        }
    }
}

wire_map! {
    /// A file an account holds.
    pub struct ExportedFile {
        required {
            /// SHA-256 of its content.
            1 => hash: Blob<32>,
            /// Its size, bytes.
            2 => size: u64,
        }
        optional {}
    }
}

wire_array! {
    /// A message, and where it was said.
    pub struct ExportedMessage {
        /// The room.
        room: RoomId,
        /// The entry, as it reads now.
        entry: Entry,
    }
}
