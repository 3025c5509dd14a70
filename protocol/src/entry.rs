//! Entries: what a room's log holds, and drafts: what an author hands in to become one.
//!
//! ```text
//!   draft ──server numbers it──▶ Entry frame ──▶ disk, memory and every reader: the same bytes
//! ```
//!
//! Invariant: an Entry frame holds nothing that differs between readers.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::frame::{Message, messages};
use crate::id::{DeviceId, MessageId, RoomId, Seq, UserId};
use crate::limits::{
    BODY_BYTES_MAX, FILES_MAX, MEDIA_TYPE_BYTES_MAX, MENTIONS_MAX, NICKNAME_BYTES_MAX, TEXT_BYTES_MAX,
};
use crate::name::{FileName, Nickname, RoomName, Topic};
use crate::wire::{Blob, List, Text, wire_array, wire_map};

/// What an entry is. Unknown kinds are kept, counted as they say, and shown as "unsupported", never dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kind(pub u64);

impl Kind {
    /// A message; the body is UTF-8 text, which may be empty when there are files.
    pub const TEXT: Self = Self(0);
    /// The target reads differently from now on; the body is its new text.
    pub const EDIT: Self = Self(1);
    /// The target is gone: its body is erased wherever it was kept. The body may give a reason.
    pub const REDACTION: Self = Self(2);
    /// A reaction to the target; the body is an emoji or a short word.
    pub const REACTION: Self = Self(3);
    /// Takes the author's own reaction with this body back.
    pub const UNREACTION: Self = Self(4);
    /// The target is pinned.
    pub const PIN: Self = Self(5);
    /// It is pinned no longer.
    pub const UNPIN: Self = Self(6);
    /// The room came to be; the body is a [`Created`].
    pub const CREATED: Self = Self(16);
    /// Someone's membership changed; the body is a [`MemberChange`].
    pub const MEMBER: Self = Self(17);
    /// What the room is about changed; the body is a [`TopicChange`].
    pub const TOPIC: Self = Self(18);
    /// The room is called differently; the body is a [`NameChange`].
    pub const NAME: Self = Self(19);
    /// Somebody has another role or other permissions; the body is a [`crate::note::RoleChange`].
    pub const ROLE: Self = Self(20);
    /// Somebody was banned or muted, or no longer is; the body is a [`crate::note::SanctionChange`].
    pub const SANCTION: Self = Self(21);
    /// Settings changed; the body is a [`crate::request::RoomSettings`].
    pub const SETTINGS: Self = Self(22);
    /// Everything one account wrote up to here is erased; the body is a [`crate::note::Erased`].
    pub const ERASURE: Self = Self(23);
    /// What the room keeps has changed; the body is a [`crate::request::Retention`], the room's own word from now on.
    pub const RETENTION: Self = Self(24);
    /// First of the kinds of encrypted groups, opaque to the server. Reserved: 64 to 79.
    pub const GROUP_FIRST: Self = Self(64);
    /// Last of the kinds of encrypted groups.
    pub const GROUP_LAST: Self = Self(79);

    /// Whether a client may publish this kind; all others are made by the server alone.
    pub const fn is_publishable(self) -> bool {
        self.0 <= Self::UNPIN.0
    }

    /// Whether an entry of this kind is about another one, its [`Ext::target`].
    pub const fn has_target(self) -> bool {
        Self::EDIT.0 <= self.0 && self.0 <= Self::UNPIN.0
    }

    /// Whether an entry of this kind makes a room unread for those who have not seen it: what people say does,
    /// what the server notes does not.
    pub const fn is_countable(self) -> bool {
        self.0 == Self::TEXT.0
    }
}

wire_map! {
    /// What a draft or an entry may carry beside its body. All of it is optional.
    #[derive(Default)]
    pub struct Ext {
        required {}
        optional {
            /// The entry this one answers.
            1 => reply_to: Seq,
            /// Publish only if the room's head is this: compare-and-swap. Not kept in the entry.
            2 => if_head: Seq,
            /// Publish only in this epoch of the encrypted group. Reserved.
            3 => if_epoch: u64,
            /// People this message calls.
            4 => mentions: List<UserId, MENTIONS_MAX>,
            /// First entry of the thread.
            5 => thread_root: Seq,
            /// When the entry shall vanish, unix milliseconds.
            6 => expires_ms: u64,
            /// Epoch of the encrypted group the body belongs to. Reserved.
            7 => epoch: u64,
            /// SHA-256 of the entry before, for logs that prove their order. Reserved.
            8 => previous_hash: Blob<32>,
            /// The entry this one is about, where its kind has one.
            9 => target: Seq,
            /// Files that belong to the message.
            10 => files: List<FileRef, FILES_MAX>,
            /// Why it was done, for people.
            11 => reason: Text<TEXT_BYTES_MAX>,
            /// True: the message calls everybody in the room.
            12 => mentions_room: bool,
            /// Where it came from, when it was brought here from elsewhere.
            13 => origin: Origin,
            /// Who changed the text last, and when. Only the server says so.
            14 => edited: Edited,
            /// Why there is no body any more. Only the server says so.
            15 => erased: Erasure,
        }
    }
}

impl Ext {
    /// Whether a draft uses what is not there yet, or what is the server's to say.
    pub fn is_presumptuous(&self) -> bool {
        self.if_epoch.is_some()
            || self.epoch.is_some()
            || self.previous_hash.is_some()
            || self.edited.is_some()
            || self.erased.is_some()
    }
}

wire_map! {
    /// A file as a message refers to it. What it says of the content is the author's word but for hash and size.
    pub struct FileRef {
        required {
            /// SHA-256 of the content.
            1 => hash: Blob<32>,
            /// Size of the content, bytes.
            2 => size: u64,
            /// What it is called: data, never a path.
            3 => name: FileName,
            /// Its media type, as `image/png`.
            4 => media_type: Text<MEDIA_TYPE_BYTES_MAX>,
        }
        optional {
            /// Width of a picture, pixels.
            5 => width: u64,
            /// Height of a picture, pixels.
            6 => height: u64,
        }
    }
}

wire_array! {
    /// What an entry was before it was brought here: data, which proves nothing.
    pub struct Origin {
        /// When it was said there, unix milliseconds.
        at_ms: u64,
        /// Who said it there.
        author: Text<NICKNAME_BYTES_MAX>,
    }
}

wire_array! {
    /// The last change of an entry's text.
    pub struct Edited {
        /// Who made it.
        by: UserId,
        /// When, unix milliseconds.
        at_ms: u64,
    }
}

/// Why the body of an entry is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Erasure(pub u64);

impl Erasure {
    /// Its author took it back.
    pub const RETRACTED: Self = Self(1);
    /// Somebody with the right to do so removed it.
    pub const REMOVED: Self = Self(2);
    /// Its time was over.
    pub const EXPIRED: Self = Self(3);
    /// Everything its author wrote was removed.
    pub const AUTHOR_REMOVED: Self = Self(4);
}

wire_array! {
    /// What an author wants to say: the payload of a Publish frame.
    pub struct Draft {
        /// Where.
        room: RoomId,
        /// The author's name for it. The same id again is the same message.
        message: MessageId,
        /// What it is.
        kind: Kind,
        /// What it says.
        body: Blob<BODY_BYTES_MAX>,
        /// What else.
        ext: Ext,
    }
}

wire_array! {
    /// One place in a room's log: the payload of an Entry frame.
    pub struct Entry {
        /// Its position.
        seq: Seq,
        /// When the server took it, unix milliseconds. It never goes back within a room.
        at_ms: u64,
        /// Who wrote it; nobody when the server did.
        user: Option<UserId>,
        /// On which device.
        device: Option<DeviceId>,
        /// What the author calls it.
        message: Option<MessageId>,
        /// What it is.
        kind: Kind,
        /// What it says.
        body: Blob<BODY_BYTES_MAX>,
        /// What else.
        ext: Ext,
    }
}

impl Entry {
    /// Whether its body is still there.
    pub fn is_erased(&self) -> bool {
        self.ext.erased.is_some()
    }

    /// Whether its time is over: from then on nobody shows what it said.
    pub fn is_expired(&self, now_ms: u64) -> bool {
        !self.is_erased() && self.ext.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms)
    }

    /// What is left of it when its content is gone: its place, who and when, and what it was about.
    pub fn erased(&self, why: Erasure) -> Self {
        let ext = Ext {
            reply_to: self.ext.reply_to,
            thread_root: self.ext.thread_root,
            target: self.ext.target,
            erased: Some(why),
            ..Ext::default()
        };
        Self { body: Blob::default(), ext, ..self.clone() }
    }

    /// The body as text, when it is a message in UTF-8 that was not erased.
    pub fn text(&self) -> Option<&str> {
        (self.kind == Kind::TEXT && !self.is_erased()).then(|| std::str::from_utf8(&self.body).ok()).flatten()
    }

    /// The frame that disk and readers share.
    pub fn frame(&self) -> Bytes {
        self.to_frame()
    }
}

messages! {
    0x20 => Draft,
    0x42 => Entry,
}

/// What happened to someone's membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Change(pub u64);

impl Change {
    /// They came in.
    pub const JOINED: Self = Self(0);
    /// They went.
    pub const LEFT: Self = Self(1);
    /// They may come in.
    pub const INVITED: Self = Self(2);
    /// They were sent away.
    pub const REMOVED: Self = Self(3);
}

wire_array! {
    /// The body of a [`Kind::MEMBER`] entry. The entry's author is who did it.
    pub struct MemberChange {
        /// Whose membership.
        user: UserId,
        /// What happened.
        change: Change,
        /// What they were called then.
        nickname: Nickname,
        /// Their role in the room afterwards, see [`crate::request::RoomRole`].
        role: u64,
    }
}

wire_array! {
    /// The body of a [`Kind::CREATED`] entry, the first of every log.
    pub struct Created {
        /// The room's name; none in a direct room.
        name: Option<RoomName>,
        /// Who may see it, see [`crate::request::Visibility`].
        visibility: u64,
        /// What it is about.
        topic: Option<Topic>,
    }
}

wire_array! {
    /// The body of a [`Kind::TOPIC`] entry. The entry's author is who did it.
    pub struct TopicChange {
        /// What the room is about now; none: nothing in particular.
        topic: Option<Topic>,
    }
}

wire_array! {
    /// The body of a [`Kind::NAME`] entry. The entry's author is who did it.
    pub struct NameChange {
        /// What the room was called.
        before: Option<RoomName>,
        /// What it is called now.
        name: RoomName,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbor;
    use crate::limits::{ENTRY_OVERHEAD_BYTES_MAX, FILE_NAME_BYTES_MAX, FRAME_BYTES_MAX};

    #[test]
    fn the_largest_entry_fits_its_bounds() {
        let entry = Entry {
            seq: Seq(u64::MAX),
            at_ms: u64::MAX,
            user: Some(UserId::from_bytes([1; 16])),
            device: Some(DeviceId::from_bytes([2; 16])),
            message: Some(MessageId::from_bytes([3; 16])),
            kind: Kind(u64::MAX),
            body: Blob::new(vec![0; BODY_BYTES_MAX]).unwrap(),
            ext: Ext {
                reply_to: Some(Seq(u64::MAX)),
                if_head: Some(Seq(u64::MAX)),
                if_epoch: Some(u64::MAX),
                mentions: Some(List::new(vec![UserId::from_bytes([4; 16]); MENTIONS_MAX]).unwrap()),
                thread_root: Some(Seq(u64::MAX)),
                expires_ms: Some(u64::MAX),
                epoch: Some(u64::MAX),
                previous_hash: Some(Blob::new(vec![5; 32]).unwrap()),
                target: Some(Seq(u64::MAX)),
                files: Some(List::new(vec![file(); FILES_MAX]).unwrap()),
                reason: Some(Text::new("r".repeat(TEXT_BYTES_MAX)).unwrap()),
                mentions_room: Some(true),
                origin: Some(Origin {
                    at_ms: u64::MAX,
                    author: Text::new("o".repeat(NICKNAME_BYTES_MAX)).unwrap(),
                }),
                edited: Some(Edited { by: UserId::from_bytes([6; 16]), at_ms: u64::MAX }),
                erased: Some(Erasure(u64::MAX)),
            },
        };
        let payload = cbor::encode(&entry);
        assert!(
            payload.len() <= BODY_BYTES_MAX + ENTRY_OVERHEAD_BYTES_MAX && payload.len() <= FRAME_BYTES_MAX
        );
        assert_eq!(cbor::decode::<Entry>(&payload, "Entry"), Ok(entry));
    }

    fn file() -> FileRef {
        FileRef {
            hash: Blob::new(vec![7; 32]).unwrap(),
            size: u64::MAX,
            name: "f".repeat(FILE_NAME_BYTES_MAX).parse().unwrap(),
            media_type: Text::new("m".repeat(MEDIA_TYPE_BYTES_MAX)).unwrap(),
            width: Some(u64::MAX),
            height: Some(u64::MAX),
        }
    }

    #[test]
    fn an_unknown_key_is_ignored_and_a_missing_field_is_not() {
        assert_eq!(
            cbor::decode::<Ext>(&[0xa2, 0x01, 0x07, 0x18, 0x63, 0x80], "Ext").unwrap().reply_to,
            Some(Seq(7))
        );
        assert!(cbor::decode::<Entry>(&[0x81, 0x01], "Entry").is_err());
        assert!(cbor::decode::<MemberChange>(&[0x85, 0, 0, 0, 0, 0], "MemberChange").is_err());
    }
}
