//! Keeping order: roles, bans and mutes, settings, reports, the audit, accounts. A call for each question.
//!
//! All of them may be asked again without harm when an answer was lost.

use std::time::Duration;

use quipu_protocol::request::{
    Audit, AuditRecord, Deactivate, Impose, Lift, ListAudit, ListReports, ListSanctions, Permissions, Purge,
    Reactivate, Reason, RemoveMember, Report, ReportInfo, Reports, Resolve, RoomInfo, RoomRole, RoomSettings,
    Sanction, SanctionInfo, SanctionKey, Sanctions, ServerRole, SetPermissions, SetRole, SetRoom,
    SetServerRole, Transfer,
};
use quipu_protocol::{RoomId, Seq, UserId};

use super::Client;
use super::requests::goes_on;
use crate::error::Error;

impl Client {
    /// Gives a member another role, which takes explicit permissions away.
    ///
    /// # Errors
    /// A refusal, or why there is no connection; the same for all below.
    pub async fn set_role(
        &self,
        room: RoomId,
        user: UserId,
        role: RoomRole,
        reason: Option<Reason>,
    ) -> Result<(), Error> {
        self.done(&SetRole { room, user, role, reason }).await
    }

    /// Gives a member explicit permissions; with none, those of the role again.
    pub async fn set_permissions(
        &self,
        room: RoomId,
        user: UserId,
        permissions: Option<Permissions>,
        reason: Option<Reason>,
    ) -> Result<(), Error> {
        self.done(&SetPermissions { room, user, permissions, reason }).await
    }

    /// Sends somebody out of a room, and says why.
    pub async fn kick(&self, room: RoomId, user: UserId, reason: Option<Reason>) -> Result<(), Error> {
        self.done(&RemoveMember { room, user, reason }).await
    }

    /// Bans or mutes somebody, who need not be in the room; without a life until it is lifted.
    pub async fn impose(
        &self,
        room: RoomId,
        user: UserId,
        sanction: Sanction,
        life: Option<Duration>,
        reason: Option<Reason>,
    ) -> Result<(), Error> {
        let life_ms = life.map(|life| u64::try_from(life.as_millis()).unwrap_or(u64::MAX));
        self.done(&Impose { room, user, sanction, life_ms, reason }).await
    }

    /// Lifts a ban or a mute.
    pub async fn lift(
        &self,
        room: RoomId,
        user: UserId,
        sanction: Sanction,
        reason: Option<Reason>,
    ) -> Result<(), Error> {
        self.done(&Lift { room, user, sanction, reason }).await
    }

    /// Bans and mutes that hold in a room.
    pub async fn sanctions(&self, room: RoomId) -> Result<Vec<SanctionInfo>, Error> {
        let mut rows: Vec<SanctionInfo> = Vec::new();
        loop {
            let after = rows.last().map(|row| SanctionKey { user: row.user, sanction: row.sanction });
            let page: Sanctions = self.ask(&ListSanctions { room, after }).await?;
            let (before, more) = (rows.len(), page.more);
            rows.extend(page.sanctions.into_vec());
            if !goes_on("bans", rows.len(), rows.len() - before, more)? {
                return Ok(rows);
            }
        }
    }

    /// Changes the settings that are given.
    pub async fn set_room(
        &self,
        room: RoomId,
        settings: RoomSettings,
        reason: Option<Reason>,
    ) -> Result<RoomInfo, Error> {
        self.room(&SetRoom { room, settings, reason }).await
    }

    /// Makes another member the owner of a room.
    pub async fn transfer(&self, room: RoomId, user: UserId, reason: Option<Reason>) -> Result<(), Error> {
        self.done(&Transfer { room, user, reason }).await
    }

    /// Shuts an account out.
    pub async fn deactivate(&self, user: UserId, reason: Option<Reason>) -> Result<(), Error> {
        self.done(&Deactivate { user, reason }).await
    }

    /// Lets a deactivated account in again.
    pub async fn reactivate(&self, user: UserId, reason: Option<Reason>) -> Result<(), Error> {
        self.done(&Reactivate { user, reason }).await
    }

    /// Gives an account another role on the server.
    pub async fn set_server_role(
        &self,
        user: UserId,
        role: ServerRole,
        reason: Option<Reason>,
    ) -> Result<(), Error> {
        self.done(&SetServerRole { user, role, reason }).await
    }

    /// Erases everything an account wrote, in a room or everywhere. It may take longer than one's patience, and then
    /// goes on: asking again waits for the same end.
    pub async fn purge(
        &self,
        user: UserId,
        room: Option<RoomId>,
        reason: Option<Reason>,
    ) -> Result<(), Error> {
        self.done(&Purge { user, room, reason }).await
    }

    /// Tells the moderators of an entry.
    pub async fn report(&self, room: RoomId, seq: Seq, reason: Reason) -> Result<(), Error> {
        self.done(&Report { room, seq, reason }).await
    }

    /// Reports that wait: of a room for its moderators, of all for whoever runs the server.
    pub async fn reports(&self, room: Option<RoomId>) -> Result<Vec<ReportInfo>, Error> {
        let mut rows: Vec<ReportInfo> = Vec::new();
        loop {
            let after = rows.last().map(|row| row.report);
            let page: Reports = self.ask(&ListReports { room, after }).await?;
            let (before, more) = (rows.len(), page.more);
            rows.extend(page.reports.into_vec());
            if !goes_on("reports", rows.len(), rows.len() - before, more)? {
                return Ok(rows);
            }
        }
    }

    /// Takes a report off the list.
    pub async fn resolve(&self, report: u64, reason: Option<Reason>) -> Result<(), Error> {
        self.done(&Resolve { report, reason }).await
    }

    /// What was done, newest first, at most `limit`: in a room for its moderators, anywhere for whoever runs the server.
    pub async fn audit(&self, room: Option<RoomId>, limit: usize) -> Result<Vec<AuditRecord>, Error> {
        let mut rows: Vec<AuditRecord> = Vec::new();
        loop {
            let after = rows.last().map(|row| row.record);
            let page: Audit = self.ask(&ListAudit { room, after }).await?;
            let (before, more) = (rows.len(), page.more);
            rows.extend(page.records.into_vec());
            let wanted = rows.len() < limit;
            if !wanted || !goes_on("acts", rows.len(), rows.len() - before, more)? {
                rows.truncate(limit);
                return Ok(rows);
            }
        }
    }
}
