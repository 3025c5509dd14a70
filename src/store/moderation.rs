//! What the store keeps so that people can be kept in order: a part of `Reads` and of `Writes`.

use quipu_protocol::request::Sanction;
use quipu_protocol::{RoomId, UserId};

use super::{SanctionRow, Settings, StoreError};

/// What can be asked about who is denied what.
pub trait ModerationReads {
    /// What an account is denied in a room: at most one row of each kind, those included whose time is over.
    fn sanctions(&self, room: RoomId, user: UserId) -> Result<Vec<SanctionRow>, StoreError>;
    /// When an account last said something countable in a room, unix milliseconds.
    fn said_ms(&self, room: RoomId, user: UserId) -> Result<Option<u64>, StoreError>;
}

/// What a job can change about it.
pub trait ModerationWrites {
    /// Writes the settings of a room.
    fn put_settings(&mut self, room: RoomId, settings: Settings) -> Result<(), StoreError>;
    /// Writes a sanction, in place of one of its kind.
    fn put_sanction(&mut self, sanction: &SanctionRow) -> Result<(), StoreError>;
    /// Removes a sanction.
    fn drop_sanction(&mut self, room: RoomId, user: UserId, sanction: Sanction) -> Result<(), StoreError>;
}
