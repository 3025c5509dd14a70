//! Who may give roles and permissions to whom: nobody gives what they lack, and nobody acts on their equals.

use quipu_protocol::request::{MembershipState, Permissions, RoomRole, ServerRole, Visibility};
use quipu_protocol::{Code, Refusal, UserId};

use super::{
    allowed_by, effective, for_many, granted, is_owner, joined, may, may_manage, may_read, may_see, role,
    within,
};
use crate::auth::Authenticated;
use crate::room::footing::Footing;
use crate::store::{MemberRow, MemberState};

/// Roles there are to be given.
const ROLES: [RoomRole; 4] = [RoomRole::READER, RoomRole::MEMBER, RoomRole::MODERATOR, RoomRole::OWNER];

/// The state of a member whom the asker gives a role; `None` when nothing changes. `owners` counts joined owners.
pub(in crate::room) fn set_role(
    who: &Authenticated,
    at: &Footing,
    (user, target): (UserId, &Footing),
    new: RoomRole,
    owners: u64,
) -> Result<Option<MemberState>, Refusal> {
    may_read(who, &at.room, at.member.as_ref())?;
    for_many(&at.room)?;
    if !at.active {
        return Err(Code::UNAUTHENTICATED.into());
    }
    let own = role(at.member.as_ref());
    let steps_down = user == who.user() && new <= own;
    if !steps_down {
        may(who, at, Permissions::MANAGE_ROLES)?;
    }
    if !ROLES.contains(&new) {
        return Err(Refusal::because(Code::BAD_REQUEST, "a role is reader, member, moderator or owner"));
    }
    let before = member_state(target)?;
    if !steps_down {
        below(at, target)?;
    }
    if new > own {
        return Err(Refusal::because(Code::FORBIDDEN, "nobody gives a role above their own"));
    }
    grants(at, target, allowed_by(new))?;
    if new < RoomRole::OWNER && is_owner(target.member.as_ref()) && owners <= 1 {
        return Err(Refusal::because(Code::CONFLICT, "a room keeps one owner: transfer it first"));
    }
    Ok(Some(joined(new)).filter(|after| *after != before))
}

/// The state of a member whom the asker gives explicit permissions, or takes them from; `None` when nothing changes.
pub(in crate::room) fn set_permissions(
    who: &Authenticated,
    at: &Footing,
    (user, target): (UserId, &Footing),
    new: Option<Permissions>,
) -> Result<Option<MemberState>, Refusal> {
    may_manage(who, at, Permissions::MANAGE_ROLES)?;
    if new.is_some_and(|new| !new.has(Permissions::READ) || !Permissions::ALL.has(new)) {
        let text = "explicit permissions are known ones, and reading is among them";
        return Err(Refusal::because(Code::BAD_REQUEST, text));
    }
    if user == who.user() {
        return Err(Refusal::because(Code::BAD_REQUEST, "nobody gives permissions to themselves"));
    }
    let before = member_state(target)?;
    below(at, target)?;
    grants(at, target, new.unwrap_or(allowed_by(before.role)))?;
    Ok(Some(MemberState { permissions: new, ..before }).filter(|after| *after != before))
}

/// Whether a room gets another owner. Its owners may say so; where no owner is left whose account is in use, whoever
/// runs the server may, if they see the room. `owners` counts owners whose account is in use.
pub(in crate::room) fn transfer(
    who: &Authenticated,
    server_role: ServerRole,
    at: &Footing,
    (user, target): (UserId, &Footing),
    owners: u64,
) -> Result<(), Refusal> {
    may_see(who, &at.room, at.member.as_ref())?;
    for_many(&at.room)?;
    within(who.scope().and(at.scope), Permissions::MANAGE_ROLES)?;
    let is_owner = at.active && is_owner(at.member.as_ref());
    let is_orphan = owners == 0 && server_role >= ServerRole::ADMIN && at.active;
    if !is_owner && !is_orphan {
        may_read(who, &at.room, at.member.as_ref())?;
        return Err(Refusal::because(Code::FORBIDDEN, "only an owner gives a room away"));
    }
    if is_owner && user == who.user() {
        return Err(Refusal::because(Code::BAD_REQUEST, "the room is yours"));
    }
    member_state(target)?;
    if target.active { Ok(()) } else { Err(Refusal::because(Code::GONE, "that account is deactivated")) }
}

/// That somebody who is a member has a role below the asker's: nobody acts on their equals.
pub(in crate::room) fn below(at: &Footing, target: &Footing) -> Result<(), Refusal> {
    let is_member = |member: &&MemberRow| member.state.membership == MembershipState::JOINED;
    match target.member.as_ref().filter(is_member) {
        Some(member) if member.state.role >= role(at.member.as_ref()) => {
            Err(Refusal::because(Code::FORBIDDEN, "their role is not below yours"))
        }
        _ => Ok(()),
    }
}

/// That the asker has all that the target would have in addition.
fn grants(at: &Footing, target: &Footing, new: Permissions) -> Result<(), Refusal> {
    let lacking = new.without(granted(target)).without(effective(at));
    if lacking == Permissions::NONE {
        return Ok(());
    }
    let names = lacking.names().collect::<Vec<_>>().join(", ");
    Err(Refusal::because(Code::FORBIDDEN, format!("nobody gives what they lack: {names}")))
}

fn member_state(target: &Footing) -> Result<MemberState, Refusal> {
    debug_assert!(target.room.visibility != Visibility::DIRECT, "asked before");
    let member = target.member.as_ref().filter(|member| member.state.membership == MembershipState::JOINED);
    let missing = || Refusal::because(Code::NOT_FOUND, "they are no member of the room");
    Ok(member.ok_or_else(missing)?.state)
}
