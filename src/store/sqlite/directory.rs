//! Rows of the directory as they are written: rooms, accounts, devices, invites.

use quipu_protocol::{DeviceId, RoomId, UserId};
use rusqlite::params;

use super::rows::kept;
use super::writes::Batch;
use crate::store::{DeviceRow, InviteRow, RoomRow, StoreError, UserRow};

impl Batch<'_> {
    pub(super) fn insert_room(&self, room: &RoomRow) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO rooms (room, name, visibility, topic, direct_one, direct_other, incarnation, head, floor,
                members, creator, created_ms, read_only, invite_only, slow_ms, countable, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, 0, 0)",
            params![
                room.room.as_bytes(),
                room.name.as_ref().map(|name| name.as_str()),
                kept(room.visibility.0),
                room.topic.as_ref().map(|topic| topic.as_str()),
                room.direct.as_ref().map(|(one, _)| one.as_bytes()),
                room.direct.as_ref().map(|(_, other)| other.as_bytes()),
                kept(room.head.incarnation.0),
                kept(room.head.seq.0),
                kept(room.floor.0),
                kept(room.members),
                room.creator.as_ref().map(UserId::as_bytes),
                kept(room.created_ms),
                room.settings.read_only,
                room.settings.invite_only,
                kept(room.settings.slow_ms),
            ],
        )
    }

    pub(super) fn put_user(&self, user: &UserRow) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO users (user, nickname, folded, role, epoch, created_ms, deactivated_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (user) DO UPDATE SET nickname = ?2, folded = ?3, role = ?4, epoch = ?5, created_ms = ?6,
                deactivated_ms = ?7",
            params![
                user.user.as_bytes(),
                user.nickname.as_str(),
                user.nickname.folded(),
                kept(user.role.0),
                kept(user.epoch),
                kept(user.created_ms),
                user.deactivated_ms.map(kept),
            ],
        )
    }

    pub(super) fn put_device(&self, device: &DeviceRow) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO devices (device, user, name, key, invite, created_ms, seen_ms, revoked_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (device) DO UPDATE SET user = ?2, name = ?3, key = ?4, invite = ?5, created_ms = ?6,
                seen_ms = ?7, revoked_ms = ?8",
            params![
                device.device.as_bytes(),
                device.user.as_bytes(),
                device.name.as_str(),
                device.key,
                device.invite.as_bytes(),
                kept(device.created_ms),
                kept(device.seen_ms),
                device.revoked_ms.map(kept),
            ],
        )
    }

    pub(super) fn put_invite(&self, invite: &InviteRow) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO invites (invite, secret_hash, created_by, room, role, for_user, uses_left, expires_ms,
                revoked, created_ms, device)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (invite) DO UPDATE SET secret_hash = ?2, created_by = ?3, room = ?4, role = ?5,
                for_user = ?6, uses_left = ?7, expires_ms = ?8, revoked = ?9, created_ms = ?10, device = ?11",
            params![
                invite.invite.as_bytes(),
                invite.secret_hash,
                invite.created_by.as_ref().map(UserId::as_bytes),
                invite.room.as_ref().map(RoomId::as_bytes),
                kept(invite.role.0),
                invite.for_user.as_ref().map(UserId::as_bytes),
                kept(invite.uses_left),
                kept(invite.expires_ms),
                invite.revoked,
                kept(invite.created_ms),
                invite.device.as_ref().map(DeviceId::as_bytes),
            ],
        )
    }
}
