//! Sanctions, settings, reports and records as SQL.

use quipu_protocol::request::{Act, MembershipState, Permissions, RoomRole, Sanction};
use quipu_protocol::{DeviceId, Nickname, RoomId, Seq, UserId};
use rusqlite::params;

use super::reads::{Access, View, behind, count, many, one, rows_max};
use super::rows::{
    SANCTION_COLUMNS, audit_row, columns, kept, number, position, purge_row, report_row, required,
    sanction_row, stored_entry,
};
use super::writes::Batch;
use crate::limits::{AUDIT_RECORDS_MAX, AUDIT_RECORDS_PER_ROOM_MAX};
use crate::store::common::decoded;
use crate::store::{
    AuditRow, MemberState, ModerationReads, ModerationWrites, PurgeRow, PurgeStage, ReportRow, SanctionRow,
    Settings, StoreError,
};

impl<A: Access> ModerationReads for View<A> {
    fn sanctions(&self, room: RoomId, user: UserId) -> Result<Vec<SanctionRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(sanction), " FROM sanctions WHERE room = ?1 AND user = ?2");
        many(self.0.conn(), sql, params![room.as_bytes(), user.as_bytes()], sanction_row)
    }

    fn sanctions_in(
        &self,
        room: RoomId,
        now_ms: u64,
        after: Option<(UserId, Sanction)>,
        limit: usize,
    ) -> Result<Vec<(SanctionRow, Nickname)>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(sanction),
            ", users.nickname FROM sanctions JOIN users ON users.user = sanctions.user
             WHERE sanctions.room = ?1 AND (sanctions.user, sanctions.sanction) > (?2, ?3)
                AND (sanctions.until_ms IS NULL OR sanctions.until_ms > ?4)
             ORDER BY sanctions.user, sanctions.sanction LIMIT ?5"
        );
        let key = behind(after.as_ref().map(|(user, _)| user.as_bytes()));
        let kind = after.map_or(0, |(_, sanction)| kept(sanction.0));
        let key = params![room.as_bytes(), key, kind, kept(now_ms), rows_max(limit)];
        many(self.0.conn(), sql, key, |row| Ok((sanction_row(row)?, required(row, SANCTION_COLUMNS)?)))
    }

    fn said_ms(&self, room: RoomId, user: UserId) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT seq, checksum, frame FROM entries INDEXED BY entries_authored
            WHERE room = ?1 AND author = ?2 ORDER BY seq DESC LIMIT 1";
        let key = params![room.as_bytes(), user.as_bytes()];
        let last = one(self.0.conn(), sql, key, |row| stored_entry(row, room))?;
        last.map(|stored| Ok(decoded(&stored.frame)?.at_ms)).transpose()
    }

    fn parted(&self, room: RoomId, user: UserId) -> Result<Option<MemberState>, StoreError> {
        let sql = "SELECT role, permissions FROM parted WHERE room = ?1 AND user = ?2";
        one(self.0.conn(), sql, params![room.as_bytes(), user.as_bytes()], |row| {
            Ok(MemberState {
                membership: MembershipState::NONE,
                role: RoomRole(number(row, 0)?),
                permissions: row.get::<_, Option<i64>>(1)?.map(|bits| Permissions(bits.cast_unsigned())),
            })
        })
    }

    fn active_owners(&self, room: RoomId) -> Result<u64, StoreError> {
        let sql =
            "SELECT count(*) FROM members INDEXED BY members_owners JOIN users ON users.user = members.user
            WHERE members.room = ?1 AND members.membership = 2 AND members.role >= 100
                AND users.deactivated_ms IS NULL AND NOT EXISTS
                    (SELECT 1 FROM bots JOIN users AS owners ON owners.user = bots.owner
                    WHERE bots.user = users.user
                        AND (bots.revoked_ms IS NOT NULL OR owners.deactivated_ms IS NOT NULL))";
        count(self.0.conn(), sql, [room.as_bytes()])
    }

    fn server_owners(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM users WHERE role >= 100 AND deactivated_ms IS NULL";
        count(self.0.conn(), sql, [])
    }

    fn audit(
        &self,
        room: Option<RoomId>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, AuditRow)>, StoreError> {
        let all = concat!(
            "SELECT ",
            columns!(audit),
            " FROM audit WHERE record < ?1 ORDER BY record DESC LIMIT ?2"
        );
        let of_room = concat!(
            "SELECT ",
            columns!(audit),
            " FROM audit WHERE record < ?1 AND shelf = ?3 ORDER BY nth DESC LIMIT ?2"
        );
        let before = after.map_or(i64::MAX, |after| i64::try_from(after).unwrap_or(i64::MAX));
        match room {
            None => many(self.0.conn(), all, params![before, rows_max(limit)], audit_row),
            Some(room) => {
                many(self.0.conn(), of_room, params![before, rows_max(limit), room.as_bytes()], audit_row)
            }
        }
    }

    fn report(&self, report: u64) -> Result<Option<ReportRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(report), " FROM reports WHERE report = ?1");
        Ok(one(self.0.conn(), sql, [kept(report)], report_row)?.map(|(_, row)| row))
    }

    fn reports(
        &self,
        room: Option<RoomId>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, ReportRow)>, StoreError> {
        let all =
            concat!("SELECT ", columns!(report), " FROM reports WHERE report > ?1 ORDER BY report LIMIT ?2");
        let of_room = concat!(
            "SELECT ",
            columns!(report),
            " FROM reports WHERE report > ?1 AND room = ?3 ORDER BY report LIMIT ?2"
        );
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        match room {
            None => many(self.0.conn(), all, params![after, rows_max(limit)], report_row),
            Some(room) => {
                many(self.0.conn(), of_room, params![after, rows_max(limit), room.as_bytes()], report_row)
            }
        }
    }

    fn reports_by(&self, user: UserId) -> Result<u64, StoreError> {
        count(self.0.conn(), "SELECT count(*) FROM reports WHERE by_user = ?1", [user.as_bytes()])
    }

    fn is_reported(&self, room: RoomId, seq: Seq, by: UserId) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM reports WHERE room = ?1 AND seq = ?2 AND by_user = ?3";
        Ok(count(self.0.conn(), sql, params![room.as_bytes(), position(seq), by.as_bytes()])? > 0)
    }

    fn purge(&self) -> Result<Option<PurgeRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(purge), " FROM purges ORDER BY purge LIMIT 1");
        one(self.0.conn(), sql, [], purge_row)
    }

    fn is_purging(&self, user: UserId, room: Option<RoomId>) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM purges WHERE user = ?1 AND (?2 IS NULL OR room = ?2)";
        let key = params![user.as_bytes(), room.as_ref().map(RoomId::as_bytes)];
        Ok(count(self.0.conn(), sql, key)? > 0)
    }

    fn rooms_written(
        &self,
        user: UserId,
        after: Option<RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, bool)>, StoreError> {
        let sql = "SELECT room,
                EXISTS (SELECT 1 FROM messages WHERE messages.room = rooms.room AND messages.user = ?1)
                OR EXISTS (SELECT 1 FROM entries WHERE entries.room = rooms.room AND entries.author = ?1)
                OR EXISTS (SELECT 1 FROM members WHERE members.room = rooms.room AND members.user = ?1)
                OR EXISTS (SELECT 1 FROM parted WHERE parted.room = rooms.room AND parted.user = ?1)
            FROM rooms WHERE room > ?2 ORDER BY room LIMIT ?3";
        let key = behind(after.as_ref().map(RoomId::as_bytes));
        many(self.0.conn(), sql, params![user.as_bytes(), key, rows_max(limit)], |row| {
            Ok((RoomId::from_bytes(row.get(0)?), row.get(1)?))
        })
    }
}

/// Among which records this one is, and how many there may be.
fn shelf(row: &AuditRow) -> (&[u8], u64) {
    match (&row.room, row.act) {
        (None, _) => (&[], AUDIT_RECORDS_MAX),
        // It stays when everything else of the room goes.
        (Some(_), Act::DELETE_ROOM) => (&[0], AUDIT_RECORDS_MAX),
        (Some(room), _) => (room.as_bytes(), AUDIT_RECORDS_PER_ROOM_MAX),
    }
}

impl ModerationWrites for View<Batch<'_>> {
    fn put_settings(&mut self, room: RoomId, settings: Settings) -> Result<(), StoreError> {
        self.0.change(
            "UPDATE rooms SET read_only = ?2, invite_only = ?3, slow_ms = ?4 WHERE room = ?1",
            params![room.as_bytes(), settings.read_only, settings.invite_only, kept(settings.slow_ms)],
        )
    }

    fn put_sanction(&mut self, sanction: &SanctionRow) -> Result<(), StoreError> {
        self.0.change(
            "DELETE FROM sanctions WHERE room = ?1 AND until_ms <= ?2",
            params![sanction.room.as_bytes(), kept(sanction.at_ms)],
        )?;
        self.0.change(
            "INSERT OR REPLACE INTO sanctions (room, user, sanction, by_user, at_ms, until_ms, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                sanction.room.as_bytes(),
                sanction.user.as_bytes(),
                kept(sanction.sanction.0),
                sanction.by.as_bytes(),
                kept(sanction.at_ms),
                sanction.until_ms.map(kept),
                sanction.reason.as_ref().map(|reason| reason.as_str()),
            ],
        )
    }

    fn drop_sanction(&mut self, room: RoomId, user: UserId, sanction: Sanction) -> Result<(), StoreError> {
        self.0.change(
            "DELETE FROM sanctions WHERE room = ?1 AND user = ?2 AND sanction = ?3",
            params![room.as_bytes(), user.as_bytes(), kept(sanction.0)],
        )
    }

    fn put_audit(&mut self, row: &AuditRow) -> Result<(), StoreError> {
        let (shelf, records_max) = shelf(row);
        let newest = "SELECT nth FROM audit WHERE shelf = ?1 ORDER BY nth DESC LIMIT 1";
        let newest = count(self.0.conn(), newest, [shelf]);
        let nth = self.0.noting(newest)? + 1;
        self.0.change(
            "INSERT INTO audit (at_ms, act, by_user, room, user, reason, detail, shelf, nth)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                kept(row.at_ms),
                kept(row.act.0),
                row.by.as_ref().map(UserId::as_bytes),
                row.room.as_ref().map(RoomId::as_bytes),
                row.user.as_ref().map(UserId::as_bytes),
                row.reason.as_ref().map(|reason| reason.as_str()),
                row.detail.as_ref().map(|detail| detail.as_str()),
                shelf,
                kept(nth),
            ],
        )?;
        self.0.change(
            "DELETE FROM audit WHERE shelf = ?1 AND nth <= ?2",
            params![shelf, kept(nth.saturating_sub(records_max))],
        )
    }

    fn put_report(&mut self, row: &ReportRow) -> Result<(), StoreError> {
        self.0.change(
            "INSERT INTO reports (room, seq, author, by_user, at_ms, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                row.room.as_bytes(),
                kept(row.seq.0),
                row.author.as_bytes(),
                row.by.as_bytes(),
                kept(row.at_ms),
                row.reason.as_str(),
            ],
        )
    }

    fn drop_report(&mut self, report: u64) -> Result<(), StoreError> {
        self.0.change("DELETE FROM reports WHERE report = ?1", [kept(report)])
    }

    fn revoke_invites(&mut self, by: UserId, now_ms: u64) -> Result<(), StoreError> {
        self.0.change(
            "UPDATE invites SET revoked = 1, expires_ms = min(expires_ms, ?2) WHERE created_by = ?1",
            params![by.as_bytes(), kept(now_ms)],
        )
    }

    fn revoke_invites_of_device(
        &mut self,
        by: UserId,
        device: DeviceId,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        self.0.change(
            "UPDATE invites SET revoked = 1, expires_ms = min(expires_ms, ?3)
             WHERE created_by = ?1 AND (device = ?2 OR for_user = ?1) AND revoked = 0 AND uses_left > 0",
            params![by.as_bytes(), device.as_bytes(), kept(now_ms)],
        )
    }

    fn put_purge(&mut self, purge: &PurgeRow) -> Result<(), StoreError> {
        let (room, up_to, done, behind) = match purge.stage {
            PurgeStage::Looking(room, done) => (Some(room), Seq::ZERO, done, None),
            PurgeStage::Room(room, up_to, done) => (Some(room), up_to, done, None),
            PurgeStage::Everywhere(behind) => (None, Seq::ZERO, Seq::ZERO, behind),
        };
        let (by_user, by_device) = purge.by;
        self.0.change(
            "INSERT OR REPLACE INTO purges (purge, user, room, up_to, done, behind, by_user, by_device, reason)
             VALUES (NULLIF(?1, 0), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                kept(purge.purge),
                purge.user.as_bytes(),
                room.as_ref().map(RoomId::as_bytes),
                kept(up_to.0),
                kept(done.0),
                behind.as_ref().map(RoomId::as_bytes),
                by_user.as_bytes(),
                by_device.as_bytes(),
                purge.reason.as_ref().map(|reason| reason.as_str()),
            ],
        )
    }

    fn drop_purge(&mut self, purge: u64) -> Result<(), StoreError> {
        self.0.change("DELETE FROM purges WHERE purge = ?1", [kept(purge)])
    }
}

impl Batch<'_> {
    /// Keeps as what somebody was in a room while they are away from it.
    pub(super) fn keep_parted(
        &self,
        room: RoomId,
        user: UserId,
        before: Option<&MemberState>,
        is_back: bool,
    ) -> Result<(), StoreError> {
        if is_back {
            let sql = "DELETE FROM parted WHERE room = ?1 AND user = ?2";
            return self.execute(sql, params![room.as_bytes(), user.as_bytes()]);
        }
        let Some(before) = before else { return Ok(()) };
        self.execute(
            "INSERT OR REPLACE INTO parted (room, user, role, permissions) VALUES (?1, ?2, ?3, ?4)",
            params![
                room.as_bytes(),
                user.as_bytes(),
                kept(before.role.0),
                before.permissions.map(|permissions| kept(permissions.0)),
            ],
        )
    }
}
