//! How a deleted account leaves its rooms: a few at a time, each with an entry that says so.
//!
//! A room that would be empty goes too, but for the one the server made; one that would have no owner whose account is in
//! use gets the next.

use quipu_protocol::entry::{Change, MemberChange};
use quipu_protocol::request::{Act, RoomRole, Visibility};
use quipu_protocol::{Text, UserId};

use super::membership::note_member;
use super::rules;
use crate::limits::SWEEP_ROOMS_MAX;
use crate::store::{AuditRow, MemberRow, RoomRow, WriteError, Writes, deleted_nickname};

/// Takes a deleted account out of some rooms. True when there are more.
pub(super) fn leave_some(store: &mut dyn Writes, user: UserId, now_ms: u64) -> Result<bool, WriteError> {
    let rooms = store.rooms_of(user, None, SWEEP_ROOMS_MAX)?;
    for (room, member) in &rooms {
        leave(store, room, user, member, now_ms)?;
    }
    Ok(rooms.len() == SWEEP_ROOMS_MAX)
}

fn leave(
    store: &mut dyn Writes,
    room: &RoomRow,
    user: UserId,
    member: &MemberRow,
    now_ms: u64,
) -> Result<(), WriteError> {
    let joined = rules::is_joined(Some(member));
    if joined && room.members == 1 && room.creator.is_some() {
        let detail = room.name.as_ref().map(|name| Text::cut(name.to_string()));
        let (act, room) = (Act::DELETE_ROOM, room.room);
        let (by, reason) = (None, None);
        store.put_audit(&AuditRow {
            at_ms: now_ms,
            act,
            by,
            room: Some(room),
            user: Some(user),
            reason,
            detail,
        })?;
        return Ok(store.delete_room(room)?);
    }
    if rules::is_owner(Some(member))
        && room.visibility != Visibility::DIRECT
        && store.active_owners(room.room)? == 0
        && let Some(next) = store.successor(room.room, user)?.map_or(Ok(None), |next| store.user(next))?
    {
        let (change, state) = (Change::JOINED, rules::joined(RoomRole::OWNER));
        let change = MemberChange { user: next.user, change, nickname: next.nickname, role: state.role.0 };
        note_member(store, room.room, now_ms, None, change, Some(state))?;
    }
    let change = MemberChange { user, change: Change::LEFT, nickname: deleted_nickname(user), role: 0 };
    note_member(store, room.room, now_ms, None, change, None)
}
