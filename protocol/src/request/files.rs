//! Files of a room: which there are, by the entries that refer to them.

use crate::entry::FileRef;
use crate::id::{RoomId, Seq, UserId};
use crate::limits::{FILE_ENTRIES_MAX, FILES_MAX};
use crate::wire::{List, wire_array, wire_map};

wire_map! {
    /// Entries of a room that refer to files, the newest first.
    pub struct ListFiles {
        required {
            /// Which room.
            1 => room: RoomId,
        }
        optional {
            /// Continue before this entry.
            2 => before: Seq,
        }
    }
}

wire_array! {
    /// An entry, as far as its files go.
    pub struct EntryFiles {
        /// Its position.
        seq: Seq,
        /// When the server took it, unix milliseconds.
        at_ms: u64,
        /// Who wrote it; nobody when the server did.
        user: Option<UserId>,
        /// Its files, as its author described them.
        files: List<FileRef, FILES_MAX>,
    }
}

wire_map! {
    /// Answers a [`ListFiles`].
    pub struct Files {
        required {
            /// One row an entry, the newest first.
            1 => entries: List<EntryFiles, FILE_ENTRIES_MAX>,
            /// Whether there are more before them.
            2 => more: bool,
        }
        optional {}
    }
}
