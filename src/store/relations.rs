//! What can be asked of the store about entries that are about others.

use quipu_protocol::request::Tally;
use quipu_protocol::{Emoji, Nickname, RoomId, Seq, UserId};

use super::{StoreError, StoredEntry};

/// How somebody reacts to an entry, and what they are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactionRow {
    /// How.
    pub emoji: Emoji,
    /// Who.
    pub user: UserId,
    /// What they are called.
    pub nickname: Nickname,
    /// The entry that says so.
    pub seq: Seq,
}

/// Reactions, pins, threads and mentions, as of now.
pub trait Relations: Send {
    /// The entry by which this account reacts so to `target`; none when it does not.
    fn reaction(
        &self,
        room: RoomId,
        target: Seq,
        user: UserId,
        emoji: &str,
    ) -> Result<Option<Seq>, StoreError>;
    /// Who reacts how to `target`: by emoji and account, behind `after`, at most `limit`.
    fn reactions(
        &self,
        room: RoomId,
        target: Seq,
        after: Option<(&str, UserId)>,
        limit: usize,
    ) -> Result<Vec<ReactionRow>, StoreError>;
    /// How many react how to each of the entries in `range`, both ends included, and whether `user` does: by entry and
    /// emoji.
    fn tallies(&self, room: RoomId, range: (Seq, Seq), user: UserId)
    -> Result<Vec<(Seq, Tally)>, StoreError>;
    /// How many different emoji `target` has.
    fn emoji(&self, room: RoomId, target: Seq) -> Result<u64, StoreError>;
    /// Whether `target` has this one.
    fn has_emoji(&self, room: RoomId, target: Seq, emoji: &str) -> Result<bool, StoreError>;
    /// The entry that pinned `target`; none when it is not pinned.
    fn pin(&self, room: RoomId, target: Seq) -> Result<Option<Seq>, StoreError>;
    /// How many entries are pinned.
    fn pins(&self, room: RoomId) -> Result<u64, StoreError>;
    /// Entries that are pinned, each with the one that says so: in the order of the log, behind `after`, at most `limit`.
    fn pinned(&self, room: RoomId, after: Seq, limit: usize) -> Result<Vec<(Seq, Seq)>, StoreError>;
    /// Entry frames of the thread that begins at `root`, as [`super::Reads::entries_after`] gives those of the log.
    fn thread_after(
        &self,
        room: RoomId,
        root: Seq,
        after: Seq,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<StoredEntry>, StoreError>;
    /// The same just before `before`, ascending.
    fn thread_before(
        &self,
        room: RoomId,
        root: Seq,
        before: Seq,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<StoredEntry>, StoreError>;
}
