//! Rows of the directory: what the store keeps beside the logs.

use quipu_protocol::limits::DETAIL_BYTES_MAX;
use quipu_protocol::request::{
    Act, MembershipState, Notify, Permissions, Reason, RoomRole, Sanction, ServerRole, Visibility,
};
use quipu_protocol::{
    Cursor, DeviceId, DeviceName, HookId, InviteId, Nickname, RoomId, RoomName, Seq, Text, Topic, UserId,
};

use super::deleted_nickname;

/// A room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomRow {
    /// Its id.
    pub room: RoomId,
    /// Its name; direct rooms have none.
    pub name: Option<RoomName>,
    /// Who may see it.
    pub visibility: Visibility,
    /// What it is about.
    pub topic: Option<Topic>,
    /// The two people of a direct room, the smaller id first.
    pub direct: Option<(UserId, UserId)>,
    /// Life of the log, and its newest entry.
    pub head: Cursor,
    /// Its oldest entry; one more than the head when there is none.
    pub floor: Seq,
    /// How many have joined. Kept by `set_member`.
    pub members: u64,
    /// Who made it; nobody when the server did.
    pub creator: Option<UserId>,
    /// When, unix milliseconds.
    pub created_ms: u64,
    /// What it forbids.
    pub settings: Settings,
}

/// What a room forbids everybody who is not exempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// Only moderators speak, and members with explicit permissions.
    pub read_only: bool,
    /// Nobody enters uninvited, also where everybody sees the room.
    pub invite_only: bool,
    /// Least time between two messages of one member, milliseconds; 0 for none.
    pub slow_ms: u64,
}

/// How an account stands to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberState {
    /// Invited or joined.
    pub membership: MembershipState,
    /// What they may do there.
    pub role: RoomRole,
    /// What they may do instead of what their role allows.
    pub permissions: Option<Permissions>,
}

/// A membership as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberRow {
    /// Invited or joined, and the role.
    pub state: MemberState,
    /// What is behind it is unread.
    pub marker: Seq,
    /// The furthest they have read: the marker, unless they marked something as unread again.
    pub reached: Seq,
    /// What of the room they want to be told of.
    pub notify: Notify,
}

/// What somebody is denied in a room, member or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SanctionRow {
    /// The room.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// What they are denied.
    pub sanction: Sanction,
    /// Who decided so.
    pub by: UserId,
    /// When, unix milliseconds.
    pub at_ms: u64,
    /// Until when, unix milliseconds; none: until it is lifted.
    pub until_ms: Option<u64>,
    /// Why, for people.
    pub reason: Option<Reason>,
}

impl SanctionRow {
    /// Whether it holds at this time.
    pub fn holds(&self, now_ms: u64) -> bool {
        self.until_ms.is_none_or(|until_ms| now_ms < until_ms)
    }
}

/// An act, for those who moderate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// When, unix milliseconds.
    pub at_ms: u64,
    /// What was done.
    pub act: Act,
    /// Who did it; nobody when the server did.
    pub by: Option<UserId>,
    /// In which room.
    pub room: Option<RoomId>,
    /// Whom it is about.
    pub user: Option<UserId>,
    /// Why.
    pub reason: Option<Reason>,
    /// What exactly, in words.
    pub detail: Option<Text<DETAIL_BYTES_MAX>>,
}

/// A report that waits for a moderator. What was said stays in the log alone, so that erasing it there erases it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRow {
    /// In which room.
    pub room: RoomId,
    /// Which entry.
    pub seq: Seq,
    /// Who wrote that.
    pub author: UserId,
    /// Who reported it.
    pub by: UserId,
    /// When, unix milliseconds.
    pub at_ms: u64,
    /// What is wrong with it.
    pub reason: Reason,
}

/// How one joined room stands for one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadRow {
    /// The room.
    pub room: RoomId,
    /// Life of the log, and its newest entry.
    pub head: Cursor,
    /// How the account stands to it.
    pub member: MemberRow,
    /// Countable entries after the marker that others wrote and that are not erased.
    pub unread: u64,
    /// Those among them that call the account, by name or with everybody.
    pub mentions: u64,
}

/// A message that calls an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallRow {
    /// Its position.
    pub seq: Seq,
    /// Its time, unix milliseconds.
    pub at_ms: u64,
    /// Whether it calls everybody in the room.
    pub everybody: bool,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Its id.
    pub user: UserId,
    /// What people see; unique in its folded form.
    pub nickname: Nickname,
    /// What it may do on the server.
    pub role: ServerRole,
    /// Tokens of an earlier epoch are refused.
    pub epoch: u64,
    /// When it was made, unix milliseconds.
    pub created_ms: u64,
    /// When it was deactivated, unix milliseconds, if it is.
    pub deactivated_ms: Option<u64>,
}

impl UserRow {
    /// Whether all that is left of the account is that it was there.
    pub fn is_deleted(&self) -> bool {
        self.nickname == deleted_nickname(self.user)
    }
}

/// What an account allows others to know, and what is kept because of that. All of it is off at first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountSettings {
    /// Others are told how far it has read.
    pub receipts: bool,
    /// Others are told when it was last there.
    pub last_seen: bool,
    /// When it was last there, unix milliseconds, as coarse as it was written.
    pub seen_ms: Option<u64>,
}

/// A device of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// Its id.
    pub device: DeviceId,
    /// Its account.
    pub user: UserId,
    /// What its owner calls it.
    pub name: DeviceName,
    /// Its public key, an encoded COSE_Key. Unique.
    pub key: Vec<u8>,
    /// The invite that made it.
    pub invite: InviteId,
    /// When it was added, unix milliseconds.
    pub created_ms: u64,
    /// When it last authenticated, unix milliseconds.
    pub seen_ms: u64,
    /// When it was revoked, unix milliseconds.
    pub revoked_ms: Option<u64>,
}

/// An invite. Of its secret only the hash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteRow {
    /// Its id.
    pub invite: InviteId,
    /// SHA-256 of its secret. Unique.
    pub secret_hash: [u8; 32],
    /// Who made it; nobody when the server did.
    pub created_by: Option<UserId>,
    /// On which device: it ends with that.
    pub device: Option<DeviceId>,
    /// The room it leads to.
    pub room: Option<RoomId>,
    /// The newcomer's role.
    pub role: ServerRole,
    /// It adds a device to this account instead of making a new one.
    pub for_user: Option<UserId>,
    /// How often it may still be redeemed.
    pub uses_left: u64,
    /// When it ends, unix milliseconds; or when it ended, if that was earlier.
    pub expires_ms: u64,
    /// Whether it was taken back.
    pub revoked: bool,
    /// When it was made, unix milliseconds.
    pub created_ms: u64,
}

/// What a log keeps: what is beyond any of these goes. Nothing said, everything stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// Entries from this time on, unix milliseconds.
    pub since_ms: Option<u64>,
    /// The newest so many entries.
    pub count: Option<u64>,
    /// The newest entries whose frames take so many bytes.
    pub bytes: Option<u64>,
}

/// A place among what one account said of other entries: behind this row of this room, or before everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RelationPlace {
    /// The room; none before the first.
    pub room: Option<RoomId>,
    /// What it is about.
    pub target: Seq,
    /// How, as the number of a kind.
    pub kind: u64,
    /// The entry that says so.
    pub seq: Seq,
}

/// A place among everything one account wrote: behind this position of this room, or before everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuthoredPlace {
    /// The room; none before the first.
    pub room: Option<RoomId>,
    /// The position in it.
    pub seq: Seq,
}

/// What is said of an account that is a bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotRow {
    /// Its account.
    pub user: UserId,
    /// Whose it is.
    pub owner: UserId,
    /// What it may do at most.
    pub scope: Permissions,
    /// The rooms it is held to, if it is.
    pub rooms: Option<Vec<RoomId>>,
    /// When it was made, unix milliseconds.
    pub created_ms: u64,
    /// When it was revoked, unix milliseconds.
    pub revoked_ms: Option<u64>,
}

impl BotRow {
    /// What it may do at most in this room: nothing when it was revoked, or is held to others.
    pub fn scope_in(&self, room: RoomId) -> Permissions {
        let is_out = self.rooms.as_ref().is_some_and(|rooms| !rooms.contains(&room));
        if is_out || self.revoked_ms.is_some() { Permissions::NONE } else { self.scope }
    }
}

/// A webhook. Of its secret only the hash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRow {
    /// Its id.
    pub hook: HookId,
    /// SHA-256 of its secret. Unique.
    pub secret_hash: [u8; 32],
    /// The room it leads to.
    pub room: RoomId,
    /// The bot it speaks as.
    pub bot: UserId,
    /// Who made it.
    pub created_by: UserId,
    /// When, unix milliseconds.
    pub created_ms: u64,
}
