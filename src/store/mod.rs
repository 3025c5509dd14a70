//! The log of record, and the directory beside it: rooms, members, accounts, devices, invites.
//!
//! ```text
//!   room, auth ──job──▶ Storage ──batch of jobs──▶ Store: one transaction, one fsync ──▶ observer ──▶ answers
//!        └──────question──▶ a reader, beside the writer
//! ```
//!
//! A *job* is a closure that runs inside the write transaction: it sees the head of every log, decides, and
//! writes, so permission and order are decided at one place and one moment. Jobs that arrive while a batch
//! commits form the next batch. Nothing here knows QUIC, tokens or rules.
//!
//! Invariant: a job's answer is given after its batch is durable, and after the observer has seen its entries.

mod common;
#[cfg(test)]
mod conformance;
mod files;
mod going;
mod lane;
mod moderation;
mod readers;
mod refusal;
mod relations;
pub(crate) mod search;
mod storage;
mod writer;

pub mod memory;
pub mod rows;
pub mod sqlite;

pub(crate) use common::decoded;
pub use common::{DELETED_PREFIX, deleted_nickname};
pub use files::{FileHash, FileReads, FileRow, FileSpace, FileWrites, UploadRow};
pub use going::{Before, GoingReads, GoingWrites};
pub use lane::Lane;
pub use moderation::{ModerationReads, ModerationWrites, PurgeRow, PurgeStage};
pub use relations::{ReactionRow, Relations};
pub use rows::*;
pub use search::Wanted;
pub use storage::{BATCH_JOBS_MAX, Blocking, JOBS_QUEUED_MAX, Observer, Pending, Storage, WriteError};

use bytes::Bytes;
use quipu_protocol::entry::Erasure;
use quipu_protocol::request::{MembershipState, Notify};
use quipu_protocol::{
    DeviceId, Entry, HookId, InviteId, Kind, MessageId, RoomId, RoomName, Seq, Topic, UserId,
};

/// An implementation of the log of record. Its calls block; [`Storage`] keeps them off the async threads.
pub trait Store: Send + 'static {
    /// Another view for reading, which never waits for the writer.
    ///
    /// # Errors
    /// When the store cannot be opened once more.
    fn reader(&self) -> Result<Box<dyn Reads>, StoreError>;

    /// Runs `work` in one transaction and makes it durable; gives back what it did to the logs, in order.
    ///
    /// # Errors
    /// Then nothing of `work` happened, unless the error says that the outcome is unknown. A store whose disk
    /// failed to make a batch durable commits nothing more until it has proved that the disk works again.
    fn commit(&mut self, work: &mut dyn FnMut(&mut dyn Writes)) -> Result<Vec<Effect>, CommitError>;
}

/// What can be asked of the store.
pub trait Reads: FileReads + ModerationReads + Relations + GoingReads + Send {
    /// A room.
    fn room(&self, room: RoomId) -> Result<Option<RoomRow>, StoreError>;
    /// The room with this name.
    fn room_by_name(&self, name: &RoomName) -> Result<Option<RoomRow>, StoreError>;
    /// The direct room of two accounts, in either order.
    fn direct_room(&self, one: UserId, other: UserId) -> Result<Option<RoomRow>, StoreError>;
    /// Rooms this account has joined or is invited to, by id, behind `after`, at most `limit`.
    fn rooms_of(
        &self,
        user: UserId,
        after: Option<RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomRow, MemberRow)>, StoreError>;
    /// The same and the public rooms as well; the membership is none where there is none.
    fn rooms_visible(
        &self,
        user: UserId,
        after: Option<RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomRow, Option<MemberRow>)>, StoreError>;
    /// How an account stands to a room; none when not at all.
    fn member(&self, room: RoomId, user: UserId) -> Result<Option<MemberRow>, StoreError>;
    /// Joined and invited members, by account id, behind `after`, at most `limit`.
    fn members(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<(UserRow, MemberRow)>, StoreError>;
    /// Joined owners of a room. Looks at nobody else.
    fn owners(&self, room: RoomId) -> Result<u64, StoreError>;
    /// Rooms an account has joined, or is invited to.
    fn memberships(&self, user: UserId, state: MembershipState) -> Result<u64, StoreError>;
    /// Rooms an account has made, whether or not it is there, and whether or not they still are.
    fn rooms_made(&self, user: UserId) -> Result<u64, StoreError>;
    /// How joined rooms stand for an account: those named, or with `None` all of them.
    fn heads(&self, user: UserId, rooms: Option<&[RoomId]>) -> Result<Vec<HeadRow>, StoreError>;
    /// Messages of a room that call an account, newest first, in `range`: behind a position, and before a time and a
    /// position; at most `limit`.
    fn calls(
        &self,
        room: RoomId,
        user: UserId,
        range: (Seq, (u64, Seq)),
        limit: usize,
    ) -> Result<Vec<CallRow>, StoreError>;

    /// Entry frames just after `after`, ascending: at most `limit`, and no more than `bytes_max` bytes but at
    /// least one. Never a slice of something larger.
    fn entries_after(
        &self,
        room: RoomId,
        after: Seq,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<StoredEntry>, StoreError>;
    /// Entry frames just before `before`, ascending, with the same bounds.
    fn entries_before(
        &self,
        room: RoomId,
        before: Seq,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<StoredEntry>, StoreError>;

    /// One entry as it reads now; none when it is not there.
    fn entry(&self, room: RoomId, seq: Seq) -> Result<Option<Entry>, StoreError>;
    /// Positions of the entries of this kind about `target`, ascending, behind `after`, at most `limit`.
    fn about(
        &self,
        room: RoomId,
        target: Seq,
        kind: Kind,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Seq>, StoreError>;

    /// Positions of messages that may have what is wanted, newest first, of those in `range`, both ends included: at
    /// most `limit`. None that has it is missing from [`Reads::indexed_from`] on; whoever asks looks at each.
    fn matching(
        &self,
        room: RoomId,
        wanted: &Wanted,
        range: (Seq, Seq),
        limit: usize,
    ) -> Result<Vec<Seq>, StoreError>;
    /// From which entry on a room can be searched: those before are not in the index yet. Zero when all are.
    fn indexed_from(&self, room: RoomId) -> Result<Seq, StoreError>;
    /// An account.
    fn user(&self, user: UserId) -> Result<Option<UserRow>, StoreError>;
    /// The account whose nickname folds to `folded`.
    fn user_by_nickname(&self, folded: &str) -> Result<Option<UserRow>, StoreError>;
    /// How many accounts there are.
    fn users(&self) -> Result<u64, StoreError>;
    /// A device.
    fn device(&self, device: DeviceId) -> Result<Option<DeviceRow>, StoreError>;
    /// The device with this public key (an encoded COSE_Key).
    fn device_by_key(&self, key: &[u8]) -> Result<Option<DeviceRow>, StoreError>;
    /// All devices of an account, by id.
    fn devices(&self, user: UserId) -> Result<Vec<DeviceRow>, StoreError>;
    /// An invite.
    fn invite(&self, invite: InviteId) -> Result<Option<InviteRow>, StoreError>;
    /// The invite whose secret has this hash.
    fn invite_by_hash(&self, hash: &[u8; 32]) -> Result<Option<InviteRow>, StoreError>;
    /// Invites, by id, behind `after`, at most `limit`: those one account made, or with `None` all.
    fn invites(
        &self,
        by: Option<UserId>,
        after: Option<InviteId>,
        limit: usize,
    ) -> Result<Vec<InviteRow>, StoreError>;
    /// How many invites an account has made that are not forgotten.
    fn invites_made(&self, by: UserId) -> Result<u64, StoreError>;
    /// Accounts of devices that this invite made, at most `limit`.
    fn redeemed_by(&self, invite: InviteId, limit: usize) -> Result<Vec<UserId>, StoreError>;

    /// Settings of an account; of one that never changed any, the first ones.
    fn account_settings(&self, user: UserId) -> Result<AccountSettings, StoreError>;
    /// How far joined members have read, of those who tell it, by account id, at most `limit`.
    fn receipts(&self, room: RoomId, limit: usize) -> Result<Vec<(UserId, Seq)>, StoreError>;
    /// What is said of an account that is a bot.
    fn bot(&self, user: UserId) -> Result<Option<BotRow>, StoreError>;
    /// Bots, by id, behind `after`, at most `limit`: those of one owner, or with `None` all.
    fn bots(
        &self,
        owner: Option<UserId>,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<BotRow>, StoreError>;
    /// How many bots of this owner are not revoked.
    fn bots_alive(&self, owner: UserId) -> Result<u64, StoreError>;
    /// How many bots this owner has made, revoked ones among them.
    fn bots_made(&self, owner: UserId) -> Result<u64, StoreError>;
    /// A webhook.
    fn hook(&self, hook: HookId) -> Result<Option<HookRow>, StoreError>;
    /// The webhook whose secret has this hash.
    fn hook_by_hash(&self, hash: &[u8; 32]) -> Result<Option<HookRow>, StoreError>;
    /// Webhooks into a room, by id, behind `after`, at most `limit`.
    fn hooks(&self, room: RoomId, after: Option<HookId>, limit: usize) -> Result<Vec<HookRow>, StoreError>;
}

/// What a job can change. A job that fails leaves no trace.
pub trait Writes: Reads + FileWrites + ModerationWrites + GoingWrites {
    /// Begins a job: what follows is undone together by `end_job(false)`.
    fn begin_job(&mut self) -> Result<(), StoreError>;
    /// Keeps or undoes what happened since `begin_job`.
    fn end_job(&mut self, keep: bool) -> Result<(), StoreError>;

    /// Gives the entry the room's next position, unless its author already used its message id in this room.
    /// Keeps the room's head, its count of countable entries and the author's own count.
    fn append(&mut self, new: NewEntry) -> Result<Appended, StoreError>;
    /// What `append` would say of an entry whose message id its author has used in this room: `None` when they
    /// have not. It changes nothing.
    fn find(&self, new: &NewEntry) -> Result<Option<Appended>, StoreError>;
    /// Lets the message id of an entry name the place `first`, whose entry says the same already. No entry is added.
    fn settle(&mut self, new: &NewEntry, first: Seq) -> Result<Appended, StoreError>;
    /// Lets an entry read differently: its body and its ext are those of `entry`, everything else stays. What else
    /// was kept of its content follows.
    fn rewrite(&mut self, room: RoomId, entry: &Entry) -> Result<(), StoreError>;
    /// Erases the body of an entry and of all its edits, everywhere it was kept, and what makes it countable: nobody
    /// has it unread any more. False when there was nothing to erase.
    fn erase(&mut self, room: RoomId, seq: Seq, why: Erasure) -> Result<bool, StoreError>;
    /// Brings a part of what is not in the index yet into it, at most `entries_max`; false when nothing is left.
    fn index_more(&mut self, entries_max: usize) -> Result<bool, StoreError>;
    /// Writes what a room is about.
    fn put_topic(&mut self, room: RoomId, topic: Option<&Topic>) -> Result<(), StoreError>;
    /// Writes what a room is called. The name is free, the caller has looked.
    fn put_name(&mut self, room: RoomId, name: &RoomName) -> Result<(), StoreError>;
    /// Writes a new room. Its id, its name and its pair of people are free, the caller has looked.
    fn insert_room(&mut self, room: &RoomRow) -> Result<(), StoreError>;
    /// Sets or removes a membership; keeps the room's number of joined members. A new joined member's marker is
    /// the room's head.
    fn set_member(
        &mut self,
        room: RoomId,
        user: UserId,
        member: Option<MemberState>,
    ) -> Result<(), StoreError>;
    /// Moves a member's marker forward to `seq`, or to the head if that is less; never back. Gives the marker.
    fn mark_read(&mut self, room: RoomId, user: UserId, seq: Seq) -> Result<Seq, StoreError>;
    /// Lets everything from `from` on be unread again for a joined member who has read it. What they have reached stays.
    fn mark_unread(&mut self, room: RoomId, user: UserId, from: Seq) -> Result<(), StoreError>;
    /// Sets what of a room a member wants to be told of. It ends with the membership.
    fn set_notify(&mut self, room: RoomId, user: UserId, level: Notify) -> Result<(), StoreError>;
    /// Writes an account, new or changed.
    fn put_user(&mut self, user: &UserRow) -> Result<(), StoreError>;
    /// Writes a device, new or changed.
    fn put_device(&mut self, device: &DeviceRow) -> Result<(), StoreError>;
    /// Writes an invite, new or changed.
    fn put_invite(&mut self, invite: &InviteRow) -> Result<(), StoreError>;
    /// Writes an account's settings, and deletes what they allow no longer; gives the rooms in which it had receipts.
    fn put_account_settings(
        &mut self,
        user: UserId,
        row: &AccountSettings,
    ) -> Result<Vec<RoomId>, StoreError>;
    /// Moves a joined member's receipt forward; false when it is there already. It ends with the membership.
    fn put_receipt(&mut self, room: RoomId, user: UserId, seq: Seq) -> Result<bool, StoreError>;
    /// Writes what is said of a bot, new or changed.
    fn put_bot(&mut self, bot: &BotRow) -> Result<(), StoreError>;
    /// Writes a new webhook.
    fn put_hook(&mut self, hook: &HookRow) -> Result<(), StoreError>;
    /// Removes a webhook.
    fn remove_hook(&mut self, hook: HookId) -> Result<(), StoreError>;
    /// Removes all webhooks that speak as this bot.
    fn remove_hooks_of(&mut self, bot: UserId) -> Result<(), StoreError>;
}

/// What became of an [`Writes::append`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// It has this place now.
    New(Placed),
    /// It had this place already: the answer to a retry.
    Duplicate(Placed),
    /// The message id names another content.
    Conflict,
}

/// A place in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Life of the log and position.
    pub at: quipu_protocol::Cursor,
    /// When it was taken, unix milliseconds.
    pub at_ms: u64,
}

/// What a batch made durable, in the order in which it happened.
#[derive(Debug, Clone)]
pub enum Effect {
    /// An entry has its place.
    Appended(Fresh),
    /// An entry reads differently from now on, at its old place.
    Rewritten {
        /// Its room.
        room: RoomId,
        /// Its position.
        seq: Seq,
        /// The whole Entry frame, in a buffer of its own.
        frame: Bytes,
    },
    /// The oldest entries are gone.
    Trimmed {
        /// Their room.
        room: RoomId,
        /// The oldest that is left, or one more than the head.
        floor: Seq,
    },
    /// A room is gone.
    Deleted {
        /// Which.
        room: RoomId,
        /// Who was invited to it, and is to be told.
        invited: Vec<UserId>,
    },
}

impl Effect {
    /// The room in which it happened.
    pub fn room(&self) -> RoomId {
        match self {
            Self::Appended(fresh) => fresh.room,
            Self::Rewritten { room, .. } | Self::Trimmed { room, .. } | Self::Deleted { room, .. } => *room,
        }
    }

    /// The entry that was appended, if that is what happened.
    pub fn appended(&self) -> Option<&Fresh> {
        match self {
            Self::Appended(fresh) => Some(fresh),
            Self::Rewritten { .. } | Self::Trimmed { .. } | Self::Deleted { .. } => None,
        }
    }
}

/// An entry that a batch made durable.
#[derive(Debug, Clone)]
pub struct Fresh {
    /// Its room.
    pub room: RoomId,
    /// Its position.
    pub seq: Seq,
    /// The whole Entry frame, in a buffer of its own.
    pub frame: Bytes,
    /// Who wrote it; nobody when the server did.
    pub author: Option<UserId>,
    /// Whose membership it changed, and to what.
    pub membership: Option<(UserId, Option<MemberState>)>,
    /// When it vanishes, unix milliseconds.
    pub expires_ms: Option<u64>,
}

/// The same for entries about others.
pub type RelatedPage = (Vec<(RoomId, StoredEntry)>, Option<RelationPlace>);
/// Messages of one account with their rooms, and where the next page begins; none at the end.
pub type AuthoredPage = (Vec<(RoomId, StoredEntry)>, Option<AuthoredPlace>);

/// An Entry frame as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its position.
    pub seq: Seq,
    /// The whole frame, in a buffer of its own.
    pub frame: Bytes,
}

impl StoredEntry {
    /// What it says.
    pub fn entry(&self) -> Result<Entry, StoreError> {
        common::decoded(&self.frame)
    }
}

/// Why the store could not do what was asked. Never the asker's fault.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No space left for the data folder.
    #[error("the data folder's disk is full")]
    Full,
    /// The operating system refused to read or write.
    #[error("the data folder cannot be read or written: {0}")]
    Io(String),
    /// The data are damaged.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The data were written by a later version.
    #[error("the store has schema {found}, this program knows up to {known}: use a newer quipu-server")]
    Newer {
        /// What the file says.
        found: u32,
        /// What this program knows.
        known: u32,
    },
    /// Another process uses the same data.
    #[error("another quipu-server uses the data folder {0}")]
    Locked(String),
    /// The store has closed: the server stops.
    #[error("the store is closed")]
    Closed,
    /// Everything else, with the engine's words.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Why a batch was not made durable.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// Nothing of it happened.
    #[error(transparent)]
    Undone(#[from] StoreError),
    /// It may be on the disk, and come to light at the next start.
    #[error("the outcome is unknown: {0}")]
    Unknown(StoreError),
}

impl From<CommitError> for WriteError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Undone(error) => Self::Store(error),
            CommitError::Unknown(error) => Self::Unknown(error),
        }
    }
}

/// A message that a job appends: a draft that was allowed, or the server's own note.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// The room; it exists.
    pub room: RoomId,
    /// The server's clock, unix milliseconds. The entry's time is this, or the entry's before if that is later.
    pub now_ms: u64,
    /// Who wrote it, on which device.
    pub author: Option<(UserId, DeviceId)>,
    /// What the author calls it: the key of deduplication, together with room and author.
    pub message: Option<MessageId>,
    /// What it is.
    pub kind: Kind,
    /// What it says.
    pub body: quipu_protocol::Blob<{ quipu_protocol::limits::BODY_BYTES_MAX }>,
    /// What else, without the conditions.
    pub ext: quipu_protocol::Ext,
    /// A membership it changes, see [`Writes::set_member`], which `append` does for it.
    pub membership: Option<(UserId, Option<MemberState>)>,
}
