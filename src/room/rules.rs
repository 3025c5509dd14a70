//! Who may do what: pure functions over rows, called inside the write transaction, at the head of the log.
//!
//! ```text
//!   role ─▶ what it allows ─┐
//!   explicit permissions ───┴▶ granted ─▶ within a bot's scope, without what a read-only room or a mute takes ─▶ effective ─▶ may
//! ```
//!
//! A room that is hidden from the asker and a room that does not exist give the same answer. A role on the server
//! allows nothing within a room: whoever runs the server is no reader of what others say in private.
//! Invariant: whatever is done in a room, [`may`] was asked for the permission it takes.

mod roles;
mod sanctions;

use quipu_protocol::request::{
    MembershipState, Permissions, Reason, RoomRole, Sanction, ServerRole, Visibility,
};
use quipu_protocol::{Code, Kind, Refusal};

use super::footing::Footing;
use crate::auth::Authenticated;
use crate::limits::MEMBERS_MAX;
use crate::store::{MemberRow, MemberState, RoomRow};

pub(super) use roles::{below, set_permissions, set_role, transfer};
pub(super) use sanctions::{impose, lift, may_moderate, not_banned, purge, remove};

/// A state of membership that reads, speaks and counts.
pub(super) fn joined(role: RoomRole) -> MemberState {
    MemberState { membership: MembershipState::JOINED, role, permissions: None }
}

/// A state of membership that may become [`joined`].
pub(super) fn invited() -> MemberState {
    MemberState { membership: MembershipState::INVITED, role: RoomRole::MEMBER, permissions: None }
}

/// What it takes to be heard: what a mute and a read-only room take away.
const VOICE: Permissions = Permissions::SEND.or(Permissions::REACT).or(Permissions::UPLOAD);
/// What a member may do.
const MEMBER: Permissions = VOICE.or(Permissions::READ).or(Permissions::INVITE);
/// What a moderator may do.
const MODERATOR: Permissions = MEMBER
    .or(Permissions::PIN)
    .or(Permissions::KICK)
    .or(Permissions::REDACT_ANY)
    .or(Permissions::MENTION_ROOM);
/// What either of the two may do in a direct room, for ever: there is nobody to let in, to send out or to call.
const DIRECT: Permissions = VOICE.or(Permissions::READ).or(Permissions::PIN).or(Permissions::MANAGE_ROOM);

/// What a role allows where nothing else was said.
pub(super) fn allowed_by(role: RoomRole) -> Permissions {
    match role {
        role if role >= RoomRole::OWNER => Permissions::ALL,
        role if role >= RoomRole::MODERATOR => MODERATOR,
        role if role >= RoomRole::MEMBER => MEMBER,
        _ => Permissions::READ,
    }
}

/// What somebody was given in a room, whatever forbids it at the moment.
pub(super) fn granted(at: &Footing) -> Permissions {
    match at.member.as_ref().filter(|member| is_joined(Some(member))) {
        None => Permissions::NONE,
        Some(_) if at.room.visibility == Visibility::DIRECT => DIRECT,
        Some(member) => member.state.permissions.unwrap_or(allowed_by(member.state.role)),
    }
}

/// What somebody may do in a room now.
pub(super) fn effective(at: &Footing) -> Permissions {
    if !at.active {
        return Permissions::NONE;
    }
    let silent = at.sanction(Sanction::MUTE).is_some() || silenced(at);
    let held = granted(at).and(at.scope);
    if silent { held.without(VOICE) } else { held }
}

/// Whether the room's being read-only concerns this member.
fn silenced(at: &Footing) -> bool {
    let is_exempt = |member: &MemberRow| member.state.permissions.is_some() || is_moderator(Some(member));
    at.room.settings.read_only && !at.member.as_ref().is_some_and(is_exempt)
}

/// Whether the asker may do this in the room now.
pub(super) fn may(who: &Authenticated, at: &Footing, what: Permissions) -> Result<(), Refusal> {
    if !at.active {
        return Err(Code::UNAUTHENTICATED.into());
    }
    may_read(who, &at.room, at.member.as_ref())?;
    within(who.scope().and(at.scope), what)?;
    if effective(at).has(what) {
        return Ok(());
    }
    let lacking = what.without(granted(at)).names().collect::<Vec<_>>().join(", ");
    let text = if !lacking.is_empty() {
        format!("you lack a permission here: {lacking}")
    } else if at.sanction(Sanction::MUTE).is_some() {
        "you are muted here".to_owned()
    } else {
        "only moderators speak here".to_owned()
    };
    Err(Refusal::because(Code::FORBIDDEN, text))
}

/// Whether the asker may change the room, who is in it or what others may do in it: not done in a direct room.
pub(super) fn may_manage(who: &Authenticated, at: &Footing, what: Permissions) -> Result<(), Refusal> {
    may_read(who, &at.room, at.member.as_ref())?;
    for_many(&at.room)?;
    may(who, at, what)
}

/// Whether the room's slow mode concerns somebody.
pub(super) fn slowed(at: &Footing) -> bool {
    at.room.settings.slow_ms > 0 && !is_moderator(at.member.as_ref())
}

/// Whether the asker may say something now, who last did at this time, unix milliseconds; see [`Footing::said_ms`].
pub(super) fn may_send(who: &Authenticated, at: &Footing, said_ms: Option<u64>) -> Result<(), Refusal> {
    may(who, at, Permissions::SEND)?;
    let ready_ms =
        said_ms.filter(|_| slowed(at)).map_or(0, |said_ms| said_ms.saturating_add(at.room.settings.slow_ms));
    match ready_ms.saturating_sub(at.now_ms) {
        0 => Ok(()),
        wait_ms => Err(Refusal::because(Code::RATE, "the room is in slow mode").retry_after(wait_ms)),
    }
}

/// Whether the asker may publish an entry of this kind now, whatever it is about. Who may speak no longer may still
/// take back what they said.
pub(super) fn may_speak(
    who: &Authenticated,
    at: &Footing,
    kind: Kind,
    said_ms: Option<u64>,
) -> Result<(), Refusal> {
    match kind {
        Kind::TEXT => may_send(who, at, said_ms),
        Kind::EDIT => may(who, at, Permissions::SEND),
        Kind::REACTION | Kind::UNREACTION => may(who, at, Permissions::REACT),
        Kind::PIN | Kind::UNPIN => may(who, at, Permissions::PIN),
        _ => may(who, at, Permissions::READ),
    }
}

/// Whether the asker may say why they do what everybody may do to themselves. A reason is something that is said.
pub(super) fn may_say_why(who: &Authenticated, at: &Footing, reason: Option<&Reason>) -> Result<(), Refusal> {
    reason.map_or(Ok(()), |_| may(who, at, Permissions::SEND))
}

fn is_moderator(member: Option<&MemberRow>) -> bool {
    is_joined(member) && role(member) >= RoomRole::MODERATOR
}

/// Whether this is somebody who reads, speaks and counts.
pub(super) fn is_joined(member: Option<&MemberRow>) -> bool {
    member.is_some_and(|member| member.state.membership == MembershipState::JOINED)
}

/// Whether this is a joined owner.
pub(super) fn is_owner(member: Option<&MemberRow>) -> bool {
    is_joined(member) && role(member) >= RoomRole::OWNER
}

/// Whether the asker may know of rooms they are not in.
pub(super) fn sees_public(who: &Authenticated) -> bool {
    who.role() >= ServerRole::BOT
}

/// Whether the asker may know that the room exists.
pub(super) fn may_see(
    who: &Authenticated,
    room: &RoomRow,
    member: Option<&MemberRow>,
) -> Result<(), Refusal> {
    let public = room.visibility == Visibility::PUBLIC && sees_public(who);
    if who.may_know(room.room) && (public || member.is_some()) { Ok(()) } else { Err(Code::NOT_FOUND.into()) }
}

/// Whether the asker may read the log.
pub(super) fn may_read(
    who: &Authenticated,
    room: &RoomRow,
    member: Option<&MemberRow>,
) -> Result<(), Refusal> {
    may_see(who, room, member)?;
    within(who.scope(), Permissions::READ)?;
    if is_joined(member) { Ok(()) } else { Err(Refusal::because(Code::FORBIDDEN, "join the room first")) }
}

/// That a bot's scope does not hold it back from this, whatever its role.
fn within(scope: Permissions, what: Permissions) -> Result<(), Refusal> {
    if scope.has(what) {
        Ok(())
    } else {
        Err(Refusal::because(Code::FORBIDDEN, "outside of the bot's scope"))
    }
}

/// Whether the asker may make rooms, direct ones too.
pub(super) fn may_make(who: &Authenticated) -> Result<(), Refusal> {
    within(who.scope(), Permissions::MANAGE_ROOM)?;
    if who.rooms().is_some() {
        return Err(Refusal::because(Code::FORBIDDEN, "the bot is held to some rooms"));
    }
    if who.role() < ServerRole::BOT {
        return Err(Refusal::because(Code::FORBIDDEN, "guests make no rooms"));
    }
    Ok(())
}

/// Whether the asker may make a named room.
pub(super) fn may_create(who: &Authenticated, visibility: Visibility) -> Result<(), Refusal> {
    may_make(who)?;
    if matches!(visibility, Visibility::PUBLIC | Visibility::PRIVATE) {
        Ok(())
    } else {
        Err(Refusal::because(Code::BAD_REQUEST, "a room is public or private"))
    }
}

/// The state a joining account gets; `None` when it already is a member.
pub(super) fn join(who: &Authenticated, at: &Footing) -> Result<Option<MemberState>, Refusal> {
    may_see(who, &at.room, at.member.as_ref())?;
    if at.room.settings.invite_only && at.member.is_none() {
        return Err(Refusal::because(Code::FORBIDDEN, "only those who are invited enter"));
    }
    admit(at)
}

/// The same for somebody who need not see the room: an invite leads them there.
pub(super) fn admit(at: &Footing) -> Result<Option<MemberState>, Refusal> {
    let member = at.member.as_ref();
    if is_joined(member) {
        return Ok(None);
    }
    if !at.active {
        return Err(Code::UNAUTHENTICATED.into());
    }
    not_banned(at)?;
    if at.room.members >= MEMBERS_MAX {
        return Err(Code::ROOM_FULL.into());
    }
    let invited = member.map_or(RoomRole::MEMBER, |member| member.state.role);
    Ok(Some(returning(at.before.as_ref(), invited)))
}

/// As what somebody enters who was there before: with no more than they had, so that leaving is no way around what
/// was taken from them.
fn returning(before: Option<&MemberState>, role: RoomRole) -> MemberState {
    let Some(before) = before else { return joined(role) };
    let role = role.min(before.role);
    MemberState { permissions: before.permissions.map(|had| had.and(allowed_by(role))), ..joined(role) }
}

/// Whether an invite of the one who stands there still leads into the room.
pub(super) fn vouch(inviter: &Footing) -> Result<(), Refusal> {
    for_many(&inviter.room)?;
    if effective(inviter).has(Permissions::INVITE) {
        Ok(())
    } else {
        Err(Refusal::because(Code::FORBIDDEN, "whoever made the invite may not let anybody in"))
    }
}

/// That the room is not one of two people, who are in it for ever.
fn for_many(room: &RoomRow) -> Result<(), Refusal> {
    if room.visibility == Visibility::DIRECT {
        return Err(Refusal::because(Code::CONFLICT, "a direct room is for exactly two"));
    }
    Ok(())
}

/// Whether the asker may go: the last owner stays while others are there. `owners` counts joined owners, and matters
/// only when the asker is one.
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
    if is_owner(member) && owners <= 1 && room.members > 1 {
        return Err(Refusal::because(Code::CONFLICT, "the last owner cannot leave while others are there"));
    }
    Ok(true)
}

/// Whether the asker may let somebody in; `Ok(false)` when that one is in, or may come in, already.
pub(super) fn invite(who: &Authenticated, at: &Footing, target: &Footing) -> Result<bool, Refusal> {
    may_manage(who, at, Permissions::INVITE)?;
    not_banned(target)?;
    if !target.active {
        return Err(Refusal::because(Code::GONE, "that account is deactivated"));
    }
    Ok(target.member.is_none())
}

fn role(member: Option<&MemberRow>) -> RoomRole {
    member.map_or(RoomRole::READER, |member| member.state.role)
}

/// Whether the asker may delete the room: its owner, or an admin of the server, who need not see it.
pub(super) fn delete(who: &Authenticated, role: ServerRole, at: &Footing) -> Result<(), Refusal> {
    if role < ServerRole::ADMIN {
        may_see(who, &at.room, at.member.as_ref())?;
        within(who.scope().and(at.scope), Permissions::MANAGE_ROOM)?;
        if at.room.visibility == Visibility::DIRECT {
            return Err(Refusal::because(Code::CONFLICT, "a direct room is for ever"));
        }
        if !is_owner(at.member.as_ref()) {
            return Err(Refusal::because(Code::FORBIDDEN, "only an owner deletes the room"));
        }
    }
    if at.room.creator.is_none() {
        return Err(Refusal::because(Code::CONFLICT, "the room of the server stays"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
