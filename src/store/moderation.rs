//! What the store keeps so that people can be kept in order: a part of `Reads` and of `Writes`.

use quipu_protocol::request::{Reason, Sanction};
use quipu_protocol::{DeviceId, Nickname, RoomId, Seq, UserId};

use super::{AuditRow, MemberState, ReportRow, SanctionRow, Settings, StoreError};

/// What can be asked about who is denied what, and about what was done.
pub trait ModerationReads {
    /// What an account is denied in a room: at most one row of each kind, those included whose time is over.
    fn sanctions(&self, room: RoomId, user: UserId) -> Result<Vec<SanctionRow>, StoreError>;
    /// What holds in a room at this time, and what those are called: by account, behind `after`, at most `limit`.
    fn sanctions_in(
        &self,
        room: RoomId,
        now_ms: u64,
        after: Option<(UserId, Sanction)>,
        limit: usize,
    ) -> Result<Vec<(SanctionRow, Nickname)>, StoreError>;
    /// When an account last said something countable in a room, unix milliseconds.
    fn said_ms(&self, room: RoomId, user: UserId) -> Result<Option<u64>, StoreError>;
    /// As what an account was in a room when it left; none while it is there.
    fn parted(&self, room: RoomId, user: UserId) -> Result<Option<MemberState>, StoreError>;
    /// Joined owners of a room whose account is not deactivated.
    fn active_owners(&self, room: RoomId) -> Result<u64, StoreError>;
    /// Accounts with the server role of an owner that are not deactivated.
    fn server_owners(&self) -> Result<u64, StoreError>;
    /// What was done, in a room or anywhere, newest first, behind the record `after`, at most `limit`.
    fn audit(
        &self,
        room: Option<RoomId>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, AuditRow)>, StoreError>;
    /// A report that waits.
    fn report(&self, report: u64) -> Result<Option<ReportRow>, StoreError>;
    /// Reports that wait, of a room or of all, oldest first, behind `after`, at most `limit`.
    fn reports(
        &self,
        room: Option<RoomId>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, ReportRow)>, StoreError>;
    /// How many reports of this account wait.
    fn reports_by(&self, user: UserId) -> Result<u64, StoreError>;
    /// Whether this account's report of an entry waits.
    fn is_reported(&self, room: RoomId, seq: Seq, by: UserId) -> Result<bool, StoreError>;
    /// The first purge that is not done.
    fn purge(&self) -> Result<Option<PurgeRow>, StoreError>;
    /// Whether something an account wrote is still to be erased: in this room, or anywhere.
    fn is_purging(&self, user: UserId, room: Option<RoomId>) -> Result<bool, StoreError>;
    /// Ids of rooms behind `after`, at most `limit`, and in which of them the account may have written: it is or was
    /// there, or left something that says so.
    fn rooms_written(
        &self,
        user: UserId,
        after: Option<RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, bool)>, StoreError>;
}

/// What a job can change about it.
pub trait ModerationWrites {
    /// Writes the settings of a room.
    fn put_settings(&mut self, room: RoomId, settings: Settings) -> Result<(), StoreError>;
    /// Writes a sanction, in place of one of its kind; those of its room whose time is over go.
    fn put_sanction(&mut self, sanction: &SanctionRow) -> Result<(), StoreError>;
    /// Removes a sanction.
    fn drop_sanction(&mut self, room: RoomId, user: UserId, sanction: Sanction) -> Result<(), StoreError>;
    /// Records an act; the oldest record goes when there are too many.
    fn put_audit(&mut self, row: &AuditRow) -> Result<(), StoreError>;
    /// Writes a report.
    fn put_report(&mut self, row: &ReportRow) -> Result<(), StoreError>;
    /// Removes a report.
    fn drop_report(&mut self, report: u64) -> Result<(), StoreError>;
    /// Takes back every invite this account made.
    fn revoke_invites(&mut self, by: UserId, now_ms: u64) -> Result<(), StoreError>;
    /// Takes back what this account made on this device, and whatever would still give the account another one.
    fn revoke_invites_of_device(
        &mut self,
        by: UserId,
        device: DeviceId,
        now_ms: u64,
    ) -> Result<(), StoreError>;
    /// Writes a purge, new with number 0, or changed.
    fn put_purge(&mut self, purge: &PurgeRow) -> Result<(), StoreError>;
    /// Removes a purge that is done.
    fn drop_purge(&mut self, purge: u64) -> Result<(), StoreError>;
}

/// What is still to be erased of what somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeRow {
    /// Its number; 0 before it is written.
    pub purge: u64,
    /// Whose words.
    pub user: UserId,
    /// How far it has come.
    pub stage: PurgeStage,
    /// Who wants it, on which device.
    pub by: (UserId, DeviceId),
    /// Why.
    pub reason: Option<Reason>,
}

/// How far a purge has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurgeStage {
    /// In one room, of which entries up to this position were looked at and nothing was found: the room knows nothing yet.
    Looking(RoomId, Seq),
    /// In one room: entries up to the first position, of which those up to the second were looked at.
    Room(RoomId, Seq, Seq),
    /// In all rooms behind this one.
    Everywhere(Option<RoomId>),
}
