//! What goes into a client's actions and comes out of them.

use std::time::Duration;

use quipu_protocol::entry::{Entry, Ext, FileRef, Kind};
use quipu_protocol::request::{RoomInfo, ServerRole};
use quipu_protocol::{Cursor, Incarnation, List, MessageId, RoomId, Seq};

/// What a person wants to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The message's own name. Left out, a random one is drawn; given, the same draft may be handed in any number of
    /// times and is sent once.
    pub id: Option<MessageId>,
    /// What it is.
    pub kind: Kind,
    /// What it says: at most [`quipu_protocol::limits::BODY_BYTES_MAX`] bytes, UTF-8 when it is text.
    pub body: Vec<u8>,
    /// What else: a reply, mentions, a condition.
    pub ext: Ext,
}

impl Draft {
    /// A plain message.
    pub fn text(text: impl Into<String>) -> Self {
        Self { id: None, kind: Kind::TEXT, body: text.into().into_bytes(), ext: Ext::default() }
    }

    /// The same, as the answer to an entry.
    #[must_use]
    pub fn replying_to(mut self, seq: Seq) -> Self {
        self.ext.reply_to = Some(seq);
        self
    }

    /// The same, with files that were brought before, at most [`quipu_protocol::limits::FILES_MAX`].
    #[must_use]
    pub fn with_files(mut self, files: Vec<FileRef>) -> Self {
        self.ext.files = Some(List::first(files));
        self
    }

    /// The same, under a name of the caller's choice.
    #[must_use]
    pub fn with_id(mut self, id: MessageId) -> Self {
        self.id = Some(id);
        self
    }
}

/// Where the events of a room that is opened begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenFrom {
    /// Behind what the program has shown, see [`crate::Client::next_events`]; the newest [`crate::protocol::limits::PAGE_ENTRIES_MAX`] entries if it never was.
    Resume,
    /// Behind this place. Everything since is told, however much it is.
    Cursor(Cursor),
    /// With the oldest entry there is. Everything is told.
    Start,
    /// With the newest so many entries, at most 5,000; what is older becomes a `Gap`.
    Latest(u64),
    /// With the first entry at or after this time, unix milliseconds. Everything since is told.
    Since(u64),
}

/// Where a message of ours went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Which message.
    pub id: MessageId,
    /// In which room.
    pub room: RoomId,
    /// Its place in the room's log.
    pub at: Cursor,
    /// When the server took it, unix milliseconds.
    pub at_ms: u64,
    /// Whether an earlier attempt had already done it.
    pub duplicate: bool,
}

/// A page of a room's log, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// The log's life.
    pub incarnation: Incarnation,
    /// The oldest entry there is, as far as is known.
    pub floor: Seq,
    /// The newest entry there is, as far as is known.
    pub head: Seq,
    /// Whether there are entries before the page.
    pub more_before: bool,
    /// Whether there are entries after it.
    pub more_after: bool,
    /// Whether it comes from the profile because the server cannot be reached.
    pub from_cache: bool,
}

/// A room, and how it stands for this account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSummary {
    /// The room.
    pub info: RoomInfo,
    /// Entries that count and were not read, exact; none when the inbox has not told yet.
    pub unread: Option<u64>,
    /// Up to where this account has read, on whichever device.
    pub marker: Option<Seq>,
}

/// What an invite shall allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvite {
    /// How often it may be redeemed.
    pub uses: u64,
    /// How long it may be redeemed.
    pub life: Duration,
    /// A room the newcomer joins at once.
    pub room: Option<RoomId>,
    /// Role of the newcomer; a member when left out.
    pub role: Option<ServerRole>,
    /// True: another device for this account instead of a new account.
    pub own_device: bool,
}
