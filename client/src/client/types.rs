//! What goes into a client's actions and comes out of them.

use std::collections::BTreeMap;
use std::time::Duration;

use quipu_protocol::entry::{Entry, Ext, FileRef, Kind};
use quipu_protocol::inbox::Head;
use quipu_protocol::request::{
    MembershipState, Mention, Notify, PinInfo, RoomInfo, SearchPlace, ServerRole, Tally,
};
use quipu_protocol::{Cursor, Emoji, Incarnation, List, MessageId, Refusal, RoomId, Seq, UserId};

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

    /// The same, in the thread that begins at an entry.
    #[must_use]
    pub fn in_thread(mut self, root: Seq) -> Self {
        self.ext.thread_root = Some(root);
        self
    }

    /// The same, calling people by name, at most [`quipu_protocol::limits::MENTIONS_MAX`].
    #[must_use]
    pub fn mentioning(mut self, users: Vec<UserId>) -> Self {
        self.ext.mentions = (!users.is_empty()).then(|| List::first(users));
        self
    }

    /// The same, calling everybody in the room.
    #[must_use]
    pub fn mentioning_room(mut self) -> Self {
        self.ext.mentions_room = Some(true);
        self
    }

    /// The entry there reads so from now on. Whom it calls is said anew.
    pub fn edit(target: Seq, text: impl Into<String>) -> Self {
        Self::about(Kind::EDIT, target, text.into())
    }

    /// The entry there is gone, and maybe why.
    pub fn redaction(target: Seq, reason: Option<String>) -> Self {
        Self::about(Kind::REDACTION, target, reason.unwrap_or_default())
    }

    /// A reaction to the entry there.
    pub fn reaction(target: Seq, emoji: &Emoji) -> Self {
        Self::about(Kind::REACTION, target, emoji.to_string())
    }

    /// The same reaction, taken back.
    pub fn unreaction(target: Seq, emoji: &Emoji) -> Self {
        Self::about(Kind::UNREACTION, target, emoji.to_string())
    }

    /// The entry there is pinned.
    pub fn pin(target: Seq) -> Self {
        Self::about(Kind::PIN, target, String::new())
    }

    /// It is pinned no longer.
    pub fn unpin(target: Seq) -> Self {
        Self::about(Kind::UNPIN, target, String::new())
    }

    fn about(kind: Kind, target: Seq, body: String) -> Self {
        let ext = Ext { target: Some(target), ..Ext::default() };
        Self { id: None, kind, body: body.into_bytes(), ext }
    }

    /// The same, with files that were brought before, at most [`quipu_protocol::limits::FILES_MAX`].
    #[must_use]
    pub fn with_files(mut self, files: Vec<FileRef>) -> Self {
        self.ext.files = Some(List::first(files));
        self
    }

    /// The same, to be seen by nobody after this time, unix milliseconds of the server.
    #[must_use]
    pub fn vanishing_at(mut self, expires_ms: u64) -> Self {
        self.ext.expires_ms = Some(expires_ms);
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

/// A message of ours that the server refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// Which message.
    pub id: MessageId,
    /// Where it was to go.
    pub room: RoomId,
    /// What that room is called, as far as the profile knows.
    pub room_name: Option<String>,
    /// What kind of entry it was to be.
    pub kind: Kind,
    /// The entry it is about, for kinds that are about one.
    pub target: Option<Seq>,
    /// What it says.
    pub text: String,
    /// Why it was refused.
    pub refusal: Refusal,
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
    /// How people react to those of the entries that have reactions.
    pub reactions: BTreeMap<Seq, Vec<Tally>>,
    /// Whether it comes from the profile because the server cannot be reached.
    pub from_cache: bool,
}

/// An entry that is pinned, as it reads now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// By whom, when.
    pub pin: PinInfo,
    /// The entry.
    pub entry: Entry,
}

/// A room, and how it stands for this account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSummary {
    /// The room.
    pub info: RoomInfo,
    /// Entries that count and were not read, exact; none when the inbox has not told yet.
    pub unread: Option<u64>,
    /// The furthest this account has read, on whichever device.
    pub marker: Option<Seq>,
    /// Unread entries that call this account, exact; none when the inbox has not told yet.
    pub mentions: Option<u64>,
    /// Where what is unread begins again, when that is before the marker.
    pub unread_from: Option<Seq>,
    /// What of the room this account wants to be told of; none when the inbox has not told yet.
    pub notify: Option<Notify>,
}

impl RoomSummary {
    pub(super) fn new(info: RoomInfo, head: Option<&Head>) -> Self {
        // Heads are of rooms that are joined: another one is of a time when this was.
        let head = head.filter(|_| info.membership == MembershipState::JOINED);
        Self {
            info,
            unread: head.map(|head| head.unread),
            marker: head.map(|head| head.marker),
            mentions: head.map(|head| head.ext.mentions.unwrap_or(0)),
            unread_from: head.and_then(|head| head.ext.unread_from),
            notify: head.map(|head| head.ext.notify.unwrap_or(Notify::ALL)),
        }
    }

    /// The newest entry before what is unread.
    pub fn read_to(&self) -> Option<Seq> {
        let from = self.unread_from.map(|from| Seq(from.0.saturating_sub(1)));
        from.or(self.marker)
    }
}

/// Messages that call this account, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calls {
    /// Each, and how it calls.
    pub calls: Vec<(Mention, Entry)>,
    /// Where to go on, if there are more.
    pub next: Option<SearchPlace>,
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
