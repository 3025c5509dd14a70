//! What moderators are told and what they did: reports of messages, and the record of every act.

use serde::{Deserialize, Serialize};

use crate::id::{RoomId, Seq, UserId};
use crate::limits::{DETAIL_BYTES_MAX, ROWS_MAX};
use crate::request::Reason;
use crate::wire::{List, Text, wire_map};

wire_map! {
    /// Tell the moderators of a message.
    pub struct Report {
        required {
            /// In which room.
            1 => room: RoomId,
            /// Which entry.
            2 => seq: Seq,
            /// What is wrong with it.
            3 => reason: Reason,
        }
        optional {}
    }
}

wire_map! {
    /// Reports that wait for a moderator: of a room, or of every room for those who run the server.
    pub struct ListReports {
        required {}
        optional {
            /// The room.
            1 => room: RoomId,
            /// Continue behind this report.
            2 => after: u64,
        }
    }
}

wire_map! {
    /// A report. What was said is in the room, for those who may read it there.
    pub struct ReportInfo {
        required {
            /// Its number.
            1 => report: u64,
            /// In which room.
            2 => room: RoomId,
            /// Which entry.
            3 => seq: Seq,
            /// Who wrote that.
            4 => author: UserId,
            /// Who reported it.
            5 => by: UserId,
            /// When, unix milliseconds.
            6 => at_ms: u64,
            /// What is wrong with it.
            7 => reason: Reason,
        }
        optional {}
    }
}

wire_map! {
    /// Answers a [`ListReports`].
    pub struct Reports {
        required {
            /// One row a report, oldest first.
            1 => reports: List<ReportInfo, ROWS_MAX>,
            /// Whether there are more.
            2 => more: bool,
        }
        optional {}
    }
}

wire_map! {
    /// A report needs nobody any more.
    pub struct Resolve {
        required {
            /// Its number.
            1 => report: u64,
        }
        optional {
            /// What was done about it.
            2 => reason: Reason,
        }
    }
}

numbered! {
    /// What was done.
    Act {
        /// A member has another role.
        ROLE = 1, "role";
        /// A member has explicit permissions, or none any more.
        PERMISSIONS = 2, "permissions";
        /// Somebody was sent out, or their invitation taken back.
        KICK = 3, "kick";
        /// Somebody was banned.
        BAN = 4, "ban";
        /// Their ban was lifted.
        UNBAN = 5, "unban";
        /// Somebody was muted.
        MUTE = 6, "mute";
        /// Their mute was lifted.
        UNMUTE = 7, "unmute";
        /// Settings of a room changed.
        SETTINGS = 8, "settings";
        /// A room has another owner.
        TRANSFER = 9, "transfer";
        /// Everything somebody wrote was erased.
        PURGE = 10, "purge";
        /// A message was reported.
        REPORT = 11, "report";
        /// A report was resolved.
        RESOLVE = 12, "resolve";
        /// An account was deactivated.
        DEACTIVATE = 13, "deactivate";
        /// It was let in again.
        REACTIVATE = 14, "reactivate";
        /// An account has another role on the server.
        SERVER_ROLE = 15, "server-role";
        /// A room keeps something else.
        RETENTION = 16, "retention";
        /// A room was deleted.
        DELETE_ROOM = 17, "delete-room";
        /// An account was deleted.
        DELETE_ACCOUNT = 18, "delete-account";
    }
}

wire_map! {
    /// What was done: in a room for its moderators, or anywhere for those who run the server.
    pub struct ListAudit {
        required {}
        optional {
            /// The room.
            1 => room: RoomId,
            /// Continue behind this record, which is with an older one.
            2 => after: u64,
        }
    }
}

wire_map! {
    /// One act: who, what, whom, when, why.
    pub struct AuditRecord {
        required {
            /// Its number.
            1 => record: u64,
            /// When, unix milliseconds.
            2 => at_ms: u64,
            /// What.
            3 => act: Act,
        }
        optional {
            /// Who; nobody when the server did.
            4 => by: UserId,
            /// In which room.
            5 => room: RoomId,
            /// Whom it is about.
            6 => user: UserId,
            /// Why.
            7 => reason: Reason,
            /// What exactly, in words.
            8 => detail: Text<DETAIL_BYTES_MAX>,
        }
    }
}

wire_map! {
    /// Answers a [`ListAudit`].
    pub struct Audit {
        required {
            /// One row an act, newest first.
            1 => records: List<AuditRecord, ROWS_MAX>,
            /// Whether there are more.
            2 => more: bool,
        }
        optional {}
    }
}
