//! What happens, told in order and numbered.

use quipu_protocol::entry::Entry;
use quipu_protocol::inbox::{Head, PresenceState};
use quipu_protocol::request::{Receipt, RoomInfo, Settings};
use quipu_protocol::room::{EndReason, GapReason};
use quipu_protocol::{AwayText, Cursor, MessageId, Refusal, RoomId, Seq, UserId};

use crate::state::ConnState;

/// An event and its place in this client's sequence: 1, 2, 3 … since [`crate::Client::open`].
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered {
    /// Its place.
    pub number: u64,
    /// What happened.
    pub event: Event,
}

/// What happened. New kinds may be added.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The connection stands differently.
    State(ConnState),
    /// The next entry of an open room. It is in the profile already.
    Entry {
        /// The room.
        room: RoomId,
        /// Its place: give it back to [`crate::OpenFrom::Cursor`] to continue behind it.
        cursor: Cursor,
        /// The entry.
        entry: Box<Entry>,
    },
    /// Entries of an open room that are not told one by one; history has them unless the reason says otherwise.
    Gap {
        /// The room.
        room: RoomId,
        /// The place behind the gap.
        cursor: Cursor,
        /// The first that is missing.
        from: Seq,
        /// The last that is missing.
        to: Seq,
        /// Why.
        reason: GapReason,
    },
    /// Everything an open room had was told; what follows is live.
    CaughtUp {
        /// The room.
        room: RoomId,
        /// The place.
        cursor: Cursor,
    },
    /// What an open room is, told when it is opened without a cursor.
    RoomOpened {
        /// The room as it is now.
        info: RoomInfo,
    },
    /// A room is open no longer, and not by our wish.
    RoomEnded {
        /// The room.
        room: RoomId,
        /// Why, when the server said it in the log's stream.
        reason: Option<EndReason>,
        /// Why, when it was refused.
        refusal: Option<Refusal>,
    },
    /// A message of ours is in the log for ever.
    Sent {
        /// Which.
        id: MessageId,
        /// In which room.
        room: RoomId,
        /// Its place.
        at: Cursor,
        /// When the server took it, unix milliseconds.
        at_ms: u64,
        /// Whether an earlier attempt had already done it.
        duplicate: bool,
    },
    /// A message of ours will not be sent, unless [`crate::Client::retry`] says so.
    Refused {
        /// Which.
        id: MessageId,
        /// In which room.
        room: RoomId,
        /// Why.
        refusal: Refusal,
    },
    /// How a joined room stands: newest entry, read marker, exact unread count.
    Head(Head),
    /// The membership of a room changed; `info.membership` says to what.
    Membership {
        /// The room as it is now.
        info: RoomInfo,
    },
    /// All rooms' heads were told once.
    InboxReady {
        /// Rooms joined.
        rooms: u64,
    },
    /// Somebody came, went, or is there differently.
    Presence {
        /// Who.
        user: UserId,
        /// Whether they are there.
        state: PresenceState,
        /// What somebody who is away says about it.
        text: Option<AwayText>,
    },
    /// Everybody is offline but those who are told from here on: a new connection, or there was too much to tell.
    PresenceAnew,
    /// How far others have read in an open room, in place of what was told before.
    Receipts {
        /// The room.
        room: RoomId,
        /// One row a person.
        rows: Vec<Receipt>,
    },
    /// This account's settings were changed, on whichever device. These are all of them.
    Settings(Settings),
    /// Somebody is typing.
    Typing {
        /// Where.
        room: RoomId,
        /// Who.
        user: UserId,
        /// For how long this holds, in milliseconds.
        ttl_ms: u64,
    },
    /// The server says something to people.
    Notice {
        /// What.
        text: String,
    },
    /// Something a person should worry about.
    Security(Security),
    /// Events that nobody took in time. Entries among them are in the profile: open the room at the last cursor
    /// seen.
    Lagged {
        /// The first that is gone.
        from: u64,
        /// The last that is gone.
        to: u64,
    },
}

/// Something a person should worry about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Security {
    /// Something answers in the server's place that is not the server.
    PinMismatch {
        /// Which key was expected and which was shown.
        detail: String,
    },
    /// This device was shut out.
    Revoked,
}
