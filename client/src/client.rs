//! The client as a program sees it: one value, cheap to clone, safe to use from everywhere.

use std::time::Duration;

use quipu_protocol::entry::{Entry, Ext, Kind};
use quipu_protocol::request::{
    Anchor, DeviceInfo, InviteInfo, MemberInfo, RoomInfo, ServerRole, UserInfo, Visibility,
};
use quipu_protocol::{
    Cursor, DeviceId, Incarnation, InviteId, InviteLink, MessageId, Nickname, RoomId, RoomName, Seq, Topic, UserId,
};

use crate::account::{Account, InvitePreview};
use crate::config::Config;
use crate::diagnose::Report;
use crate::error::{Error, ErrorCode};
use crate::event::Numbered;
use crate::state::{AppState, ConnState, Network};

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
    /// Where this profile last was; the newest [`crate::protocol::limits::PAGE_ENTRIES_MAX`] entries if it never was.
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

/// A client of one profile. Clones are the same client.
#[derive(Debug, Clone)]
pub struct Client {}

fn unfinished<T>() -> Result<T, Error> {
    Err(Error::never(ErrorCode::Internal, "not finished"))
}

#[allow(unused_variables)]
impl Client {
    /// Opens a profile. No network: what is in the profile can be read offline. The profile is locked until the last
    /// clone is gone or [`Client::shutdown`] returned.
    ///
    /// # Errors
    /// [`ErrorCode::Locked`] when another process has it, [`ErrorCode::StorageNewer`], [`ErrorCode::Storage`].
    pub async fn open(config: Config) -> Result<Self, Error> {
        unfinished()
    }

    /// What a link says, without dialling.
    ///
    /// # Errors
    /// [`ErrorCode::LinkDamaged`], [`ErrorCode::Version`].
    pub fn preview(link: &str) -> Result<InvitePreview, Error> {
        InvitePreview::of(link)
    }

    /// Who this profile is, if it joined a server.
    pub async fn whoami(&self) -> Result<Option<Account>, Error> {
        unfinished()
    }

    /// Redeems an invite and makes this profile an account's device. Asking again with the same link after a lost
    /// answer gives the same account. Does not [`Client::start`].
    ///
    /// # Errors
    /// One code per reason: see [`ErrorCode`].
    pub async fn join(&self, link: &str, nickname: &str, device_name: &str) -> Result<Account, Error> {
        unfinished()
    }

    /// Connects, and stays connected until [`Client::stop`]. Returns at once; calling it twice is calling it once.
    ///
    /// # Errors
    /// [`ErrorCode::NotJoined`], [`ErrorCode::Stopped`] after a shutdown.
    pub async fn start(&self) -> Result<(), Error> {
        unfinished()
    }

    /// Disconnects. What is in the outbox stays there. Idempotent.
    pub async fn stop(&self) {}

    /// Stops, and gives the profile free. Idempotent; afterwards every action fails with [`ErrorCode::Stopped`].
    pub async fn shutdown(&self) {}

    /// How the connection stands.
    pub fn state(&self) -> ConnState {
        ConnState::Idle
    }

    /// Waits until there is a connection.
    ///
    /// # Errors
    /// At once what makes trying pointless; after `wait` why it did not work so far.
    pub async fn wait_online(&self, wait: Duration) -> Result<(), Error> {
        unfinished()
    }

    /// The next events, at most `max`, waiting for the first at most `wait`; empty when none came. Every event is
    /// given once, in order. Cancelling loses nothing.
    pub async fn next_events(&self, max: usize, wait: Duration) -> Vec<Numbered> {
        Vec::new()
    }

    /// Events after number `after`, without waiting and without moving [`Client::next_events`]. Begins with a
    /// [`crate::Event::Lagged`] when some are gone.
    pub async fn events_after(&self, after: u64, max: usize) -> Vec<Numbered> {
        Vec::new()
    }

    /// Puts a message into the outbox. It is on disk when this returns, and sent as soon as there is a connection, in
    /// the order of the calls; the outcome comes as an event, or from [`Client::wait_sent`].
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] for an empty or too large body, or an id used for another content; [`ErrorCode::NotJoined`],
    /// [`ErrorCode::Busy`] when the outbox is full, [`ErrorCode::Storage`].
    pub async fn send(&self, room: RoomId, draft: Draft) -> Result<MessageId, Error> {
        unfinished()
    }

    /// Puts many messages into the outbox of one room, in order, all or none.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_all(&self, room: RoomId, drafts: Vec<Draft>) -> Result<Vec<MessageId>, Error> {
        unfinished()
    }

    /// Waits for the outcome of a message: its place in the log.
    ///
    /// # Errors
    /// The refusal; [`ErrorCode::Timeout`] after `wait`, and the message stays in the outbox;
    /// [`ErrorCode::NotFound`] for an unknown id.
    pub async fn wait_sent(&self, id: MessageId, wait: Duration) -> Result<Sent, Error> {
        unfinished()
    }

    /// Sends a refused message again, under the same id.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`].
    pub async fn retry(&self, id: MessageId) -> Result<(), Error> {
        unfinished()
    }

    /// Takes a message out of the outbox. One that is on its way may still arrive.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when it is not there, because it was sent for instance.
    pub async fn cancel_send(&self, id: MessageId) -> Result<(), Error> {
        unfinished()
    }

    /// Messages in the outbox, refused ones included.
    pub async fn unsent(&self) -> Result<u64, Error> {
        unfinished()
    }

    /// Opens a room: its entries come as events from here on, through every reconnection, until
    /// [`Client::close_room`]. Opening an open room starts it over.
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] beyond 32 rooms. A refusal by the server comes as [`crate::Event::RoomEnded`].
    pub async fn open_room(&self, room: RoomId, from: OpenFrom) -> Result<(), Error> {
        unfinished()
    }

    /// Closes a room. Idempotent.
    pub async fn close_room(&self, room: RoomId) {}

    /// A page of a room's log, from the server, or from the profile when there is no connection.
    ///
    /// # Errors
    /// A refusal, or why there is no connection.
    pub async fn history(&self, room: RoomId, anchor: Anchor, limit: u64) -> Result<Page, Error> {
        unfinished()
    }

    /// Rooms: `mine` those joined or invited to, else the public ones as well.
    ///
    /// # Errors
    /// A refusal, or why there is no connection; the same for all requests below.
    pub async fn rooms(&self, mine: bool) -> Result<Vec<RoomSummary>, Error> {
        unfinished()
    }

    /// The room with this name.
    pub async fn room_named(&self, name: &RoomName) -> Result<RoomInfo, Error> {
        unfinished()
    }

    /// Who is in a room.
    pub async fn members(&self, room: RoomId) -> Result<Vec<MemberInfo>, Error> {
        unfinished()
    }

    /// Who has this nickname.
    pub async fn lookup(&self, nickname: &Nickname) -> Result<UserInfo, Error> {
        unfinished()
    }

    /// Who these accounts are; unknown ones are left out.
    pub async fn users(&self, users: &[UserId]) -> Result<Vec<UserInfo>, Error> {
        unfinished()
    }

    /// Makes a room.
    pub async fn create_room(
        &self,
        name: RoomName,
        visibility: Visibility,
        topic: Option<Topic>,
    ) -> Result<RoomInfo, Error> {
        unfinished()
    }

    /// Becomes a member.
    pub async fn join_room(&self, room: RoomId) -> Result<RoomInfo, Error> {
        unfinished()
    }

    /// Is a member no longer.
    pub async fn leave_room(&self, room: RoomId) -> Result<RoomInfo, Error> {
        unfinished()
    }

    /// Allows somebody into a room.
    pub async fn invite_member(&self, room: RoomId, user: UserId) -> Result<(), Error> {
        unfinished()
    }

    /// Sends somebody out of a room.
    pub async fn remove_member(&self, room: RoomId, user: UserId) -> Result<(), Error> {
        unfinished()
    }

    /// The direct room with somebody.
    pub async fn direct(&self, user: UserId) -> Result<RoomInfo, Error> {
        unfinished()
    }

    /// "I have read up to here."
    pub async fn mark_read(&self, room: RoomId, seq: Seq) -> Result<(), Error> {
        unfinished()
    }

    /// Makes an invite to the server. The link is shown once and kept nowhere.
    pub async fn create_invite(&self, invite: NewInvite) -> Result<(InviteId, InviteLink), Error> {
        unfinished()
    }

    /// Invites this account made.
    pub async fn invites(&self) -> Result<Vec<InviteInfo>, Error> {
        unfinished()
    }

    /// Takes an invite back.
    pub async fn revoke_invite(&self, invite: InviteId) -> Result<(), Error> {
        unfinished()
    }

    /// This account's devices.
    pub async fn devices(&self) -> Result<Vec<DeviceInfo>, Error> {
        unfinished()
    }

    /// Shuts a device of this account out.
    pub async fn revoke_device(&self, device: DeviceId) -> Result<(), Error> {
        unfinished()
    }

    /// Tells an open room that this person is typing. Best effort: nothing is sent when there is no connection.
    pub fn typing(&self, room: RoomId) {}

    /// What the platform says about the network.
    pub async fn network(&self, network: Network) {}

    /// What the platform says about the program.
    pub async fn app_state(&self, state: AppState) {}

    /// Tries each step of connecting, one by one, on a connection of its own. Without an account, give a link.
    ///
    /// # Errors
    /// [`ErrorCode::NotJoined`] without account and link, [`ErrorCode::LinkDamaged`].
    pub async fn diagnose(&self, link: Option<&str>) -> Result<Report, Error> {
        unfinished()
    }
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
