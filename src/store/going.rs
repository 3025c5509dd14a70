//! What goes: what a room does not keep, what is over, what was deleted. Each step is bounded; the sweeper takes them.

use quipu_protocol::request::Retention;
use quipu_protocol::{RoomId, Seq, UserId};

use super::{AuthoredPage, AuthoredPlace, Keep, RelatedPage, RelationPlace, StoreError, UserRow};

/// What can be asked about what is to go, and about what somebody would take along.
pub trait GoingReads {
    /// What a room itself says it keeps; nothing for one that is not there.
    fn retention(&self, room: RoomId) -> Result<Retention, StoreError>;
    /// Every room, or with `keeping` those that say what they keep, by id, behind `after`, at most `limit`.
    fn all_rooms(
        &self,
        after: Option<RoomId>,
        keeping: bool,
        limit: usize,
    ) -> Result<Vec<RoomId>, StoreError>;
    /// Where a room's log ought to begin for what it keeps; none when it does not reach further back. Looks at a
    /// bounded part of the log, so there may be more when that is gone.
    fn overdue(&self, room: RoomId, keep: &Keep) -> Result<Option<Seq>, StoreError>;
    /// When the next entry vanishes, unix milliseconds.
    fn next_expiry(&self) -> Result<Option<u64>, StoreError>;
    /// Which entries between two positions, both included, are over at `now_ms` and not erased yet.
    fn expired(&self, room: RoomId, from: Seq, to: Seq, now_ms: u64) -> Result<Vec<Seq>, StoreError>;
    /// Whether there was such a room and it was deleted.
    fn is_gone(&self, room: RoomId) -> Result<bool, StoreError>;
    /// Whether something is left of rooms that were deleted.
    fn has_gone_rooms(&self) -> Result<bool, StoreError>;
    /// Who would follow `to` as the owner of a room: of members whose accounts are in use the highest role, and among those
    /// the smallest id.
    fn successor(&self, room: RoomId, to: UserId) -> Result<Option<UserId>, StoreError>;
    /// An account that was deleted and has not left everywhere yet, or of which something is left. Not one of which that
    /// is needed, because a purge looks up where it was.
    fn next_leaver(&self) -> Result<Option<UserId>, StoreError>;
    /// Whether nobody may have this nickname yet, because a deleted account had it.
    fn is_resting(&self, folded: &str, now_ms: u64) -> Result<bool, StoreError>;
    /// Messages somebody wrote, by room and position, behind `after`, at most `limit` and `bytes_max` bytes but at
    /// least one; and where to go on, which is none at the end. Looks at a bounded number of rooms.
    fn authored(
        &self,
        user: UserId,
        after: AuthoredPlace,
        limit: usize,
        bytes_max: usize,
    ) -> Result<AuthoredPage, StoreError>;
    /// Entries somebody made about others: edits, reactions, pins and the like. Looks at `limit` entries about others at
    /// most, whoever made them, and gives at most `bytes_max` bytes but at least one.
    fn related(
        &self,
        user: UserId,
        after: RelationPlace,
        limit: usize,
        bytes_max: usize,
    ) -> Result<RelatedPage, StoreError>;
}

/// Times before which things are forgotten, unix milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Before {
    /// Ids of messages.
    pub messages_ms: u64,
    /// Nicknames that rested.
    pub names_ms: u64,
    /// Invites that ended.
    pub invites_ms: u64,
}

/// Changes that take something away.
pub trait GoingWrites {
    /// Writes what a room itself says it keeps.
    fn set_retention(&mut self, room: RoomId, retention: &Retention) -> Result<(), StoreError>;
    /// Removes the oldest entries of a room below `floor`, at most `rows_max` of them, and whatever is kept because of
    /// them. First it moves the markers below it, at most as many. True when there is more to do.
    fn trim(&mut self, room: RoomId, floor: Seq, rows_max: usize) -> Result<bool, StoreError>;
    /// Erases entries that are over at `now_ms`, at most `rows_max`; gives how many.
    fn expire(&mut self, now_ms: u64, rows_max: usize) -> Result<usize, StoreError>;
    /// Forgets what was over before these times, at most `rows_max` of each; gives how many of that of which there was
    /// most.
    fn forget(&mut self, before: Before, rows_max: usize) -> Result<usize, StoreError>;
    /// Deletes a room: from now on it is not there. What is left of it goes by [`GoingWrites::sweep`].
    fn delete_room(&mut self, room: RoomId) -> Result<(), StoreError>;
    /// Removes what is left of deleted rooms, at most `rows_max` rows. True when there is more to do.
    fn sweep(&mut self, rows_max: usize) -> Result<bool, StoreError>;
    /// Deletes an account but for its row, which says so, and its memberships: devices, invites, tokens end. Its
    /// nickname rests until `rest_ms`.
    fn delete_user(&mut self, user: &UserRow, rest_ms: u64) -> Result<(), StoreError>;
    /// Removes what is left of a deleted account beside its row, at most `rows_max` rows. True when there is more to do
    /// now: where it was stays as long as a purge looks that up.
    fn sweep_user(&mut self, user: UserId, rows_max: usize) -> Result<bool, StoreError>;
    /// Gives free pages back to the disk, at most `pages_max`; gives how many are left to give.
    fn reclaim(&mut self, pages_max: u64) -> Result<u64, StoreError>;
}
