//! Who may do what: pure functions over rows, called inside the write transaction, at the head of the log.
//!
//! A room that is hidden from the asker and a room that does not exist give the same answer.

use quipu_protocol::entry::Change;
use quipu_protocol::request::{MembershipState, RoomRole, ServerRole, Visibility};
use quipu_protocol::{Code, Refusal, UserId};

use crate::auth::Authenticated;
use crate::limits::MEMBERS_MAX;
use crate::store::{MemberRow, MemberState, RoomRow};

/// A state of membership that reads, speaks and counts.
pub(super) fn joined(role: RoomRole) -> MemberState {
    MemberState {
        membership: MembershipState::JOINED,
        role,
    }
}

/// A state of membership that may become [`joined`].
pub(super) fn invited() -> MemberState {
    MemberState {
        membership: MembershipState::INVITED,
        role: RoomRole::MEMBER,
    }
}

fn is_joined(member: Option<&MemberRow>) -> bool {
    member.is_some_and(|member| member.state.membership == MembershipState::JOINED)
}

/// Whether the asker may know that the room exists.
pub(super) fn may_see(
    who: &Authenticated,
    room: &RoomRow,
    member: Option<&MemberRow>,
) -> Result<(), Refusal> {
    let public = room.visibility == Visibility::PUBLIC && who.role() >= ServerRole::BOT;
    if public || member.is_some() {
        Ok(())
    } else {
        Err(Code::NOT_FOUND.into())
    }
}

/// Whether the asker may read the log.
pub(super) fn may_read(
    who: &Authenticated,
    room: &RoomRow,
    member: Option<&MemberRow>,
) -> Result<(), Refusal> {
    may_see(who, room, member)?;
    if is_joined(member) {
        Ok(())
    } else {
        Err(Refusal::because(Code::FORBIDDEN, "join the room first"))
    }
}

/// Whether the asker may publish.
pub(super) fn may_publish(
    who: &Authenticated,
    room: &RoomRow,
    member: Option<&MemberRow>,
) -> Result<(), Refusal> {
    may_read(who, room, member)?;
    if role(member) >= RoomRole::MEMBER {
        Ok(())
    } else {
        Err(Refusal::because(Code::FORBIDDEN, "you may only read here"))
    }
}

/// Whether the asker may make rooms.
pub(super) fn may_create(who: &Authenticated, visibility: Visibility) -> Result<(), Refusal> {
    if who.role() < ServerRole::BOT {
        return Err(Refusal::because(Code::FORBIDDEN, "guests make no rooms"));
    }
    if matches!(visibility, Visibility::PUBLIC | Visibility::PRIVATE) {
        Ok(())
    } else {
        Err(Refusal::because(Code::BAD_REQUEST, "a room is public or private"))
    }
}

/// The state a joining account gets; `None` when it already is a member.
pub(super) fn join(
    who: &Authenticated,
    room: &RoomRow,
    member: Option<&MemberRow>,
) -> Result<Option<MemberState>, Refusal> {
    may_see(who, room, member)?;
    if is_joined(member) {
        return Ok(None);
    }
    if room.members >= MEMBERS_MAX {
        return Err(Code::ROOM_FULL.into());
    }
    Ok(Some(joined(
        member.map_or(RoomRole::MEMBER, |member| member.state.role),
    )))
}

/// Whether the asker may go: the last owner stays while others are there. `owners` counts joined owners.
pub(super) fn leave(
    who: &Authenticated,
    room: &RoomRow,
    member: Option<&MemberRow>,
    owners: u64,
) -> Result<bool, Refusal> {
    may_see(who, room, member)?;
    if room.visibility == Visibility::DIRECT {
        return Err(Refusal::because(Code::CONFLICT, "a direct room is for ever"));
    }
    if !is_joined(member) {
        return Ok(member.is_some());
    }
    if role(member) >= RoomRole::OWNER && owners <= 1 && room.members > 1 {
        return Err(Refusal::because(
            Code::CONFLICT,
            "the last owner cannot leave while others are there",
        ));
    }
    Ok(true)
}

/// Whether the asker may let somebody in; `Ok(false)` when that one is in, or may come in, already.
pub(super) fn invite(
    who: &Authenticated,
    room: &RoomRow,
    member: Option<&MemberRow>,
    target: Option<&MemberRow>,
) -> Result<bool, Refusal> {
    may_publish(who, room, member)?;
    if room.visibility == Visibility::DIRECT {
        return Err(Refusal::because(
            Code::CONFLICT,
            "a direct room is for exactly two",
        ));
    }
    Ok(target.is_none())
}

/// What happens when the asker sends somebody out; `None` when there is nobody to send.
pub(super) fn remove(
    who: &Authenticated,
    room: &RoomRow,
    member: Option<&MemberRow>,
    target: Option<(UserId, &MemberRow)>,
) -> Result<Option<Change>, Refusal> {
    may_read(who, room, member)?;
    if room.visibility == Visibility::DIRECT {
        return Err(Refusal::because(
            Code::CONFLICT,
            "a direct room is for exactly two",
        ));
    }
    if role(member) < RoomRole::MODERATOR {
        return Err(Refusal::because(
            Code::FORBIDDEN,
            "only a moderator sends people out",
        ));
    }
    match target {
        None => Ok(None),
        Some((user, _)) if user == who.user() => {
            Err(Refusal::because(Code::BAD_REQUEST, "leave the room instead"))
        }
        Some((_, target)) if target.state.role >= role(member) && is_joined(Some(target)) => {
            Err(Refusal::because(Code::FORBIDDEN, "their role is not below yours"))
        }
        Some(_) => Ok(Some(Change::REMOVED)),
    }
}

fn role(member: Option<&MemberRow>) -> RoomRole {
    member.map_or(RoomRole::READER, |member| member.state.role)
}
