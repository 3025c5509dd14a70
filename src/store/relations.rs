//! What can be asked of the store about entries that are about others.

use quipu_protocol::{RoomId, Seq, UserId};

use super::StoreError;

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
    /// How many different emoji `target` has.
    fn emoji(&self, room: RoomId, target: Seq) -> Result<u64, StoreError>;
    /// Whether `target` has this one.
    fn has_emoji(&self, room: RoomId, target: Seq, emoji: &str) -> Result<bool, StoreError>;
    /// The entry that pinned `target`; none when it is not pinned.
    fn pin(&self, room: RoomId, target: Seq) -> Result<Option<Seq>, StoreError>;
    /// How many entries are pinned.
    fn pins(&self, room: RoomId) -> Result<u64, StoreError>;
}
