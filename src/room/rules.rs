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
    MemberState { membership: MembershipState::JOINED, role }
}

/// A state of membership that may become [`joined`].
pub(super) fn invited() -> MemberState {
    MemberState { membership: MembershipState::INVITED, role: RoomRole::MEMBER }
}

fn is_joined(member: Option<&MemberRow>) -> bool {
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
    if public || member.is_some() { Ok(()) } else { Err(Code::NOT_FOUND.into()) }
}

/// Whether the asker may read the log.
pub(super) fn may_read(
    who: &Authenticated,
    room: &RoomRow,
    member: Option<&MemberRow>,
) -> Result<(), Refusal> {
    may_see(who, room, member)?;
    if is_joined(member) { Ok(()) } else { Err(Refusal::because(Code::FORBIDDEN, "join the room first")) }
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

/// Whether a member may remove what others said.
pub(super) fn may_redact(member: Option<&MemberRow>) -> Result<(), Refusal> {
    moderates(member, "only a moderator removes what others said")
}

/// Whether a member may pin messages, and take pins off.
pub(super) fn may_pin(member: Option<&MemberRow>) -> Result<(), Refusal> {
    moderates(member, "only a moderator pins messages")
}

/// Whether a member may call everybody in the room.
pub(super) fn may_call_all(member: Option<&MemberRow>) -> Result<(), Refusal> {
    moderates(member, "only a moderator calls the whole room")
}

fn moderates(member: Option<&MemberRow>, otherwise: &str) -> Result<(), Refusal> {
    if is_joined(member) && role(member) >= RoomRole::MODERATOR {
        Ok(())
    } else {
        Err(Refusal::because(Code::FORBIDDEN, otherwise))
    }
}

/// Whether the asker may make rooms, direct ones too.
pub(super) fn may_make(who: &Authenticated) -> Result<(), Refusal> {
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
pub(super) fn join(
    who: &Authenticated,
    room: &RoomRow,
    member: Option<&MemberRow>,
) -> Result<Option<MemberState>, Refusal> {
    may_see(who, room, member)?;
    admit(room, member)
}

/// The same for somebody who need not see the room: an invite leads them there.
pub(super) fn admit(room: &RoomRow, member: Option<&MemberRow>) -> Result<Option<MemberState>, Refusal> {
    if is_joined(member) {
        return Ok(None);
    }
    if room.members >= MEMBERS_MAX {
        return Err(Code::ROOM_FULL.into());
    }
    Ok(Some(joined(member.map_or(RoomRole::MEMBER, |member| member.state.role))))
}

/// Whether an invite of this member still leads into the room.
pub(super) fn vouch(room: &RoomRow, inviter: Option<&MemberRow>) -> Result<(), Refusal> {
    if room.visibility == Visibility::DIRECT {
        return Err(Refusal::because(Code::CONFLICT, "a direct room is for exactly two"));
    }
    if is_joined(inviter) && role(inviter) >= RoomRole::MEMBER {
        Ok(())
    } else {
        Err(Refusal::because(Code::FORBIDDEN, "whoever made the invite may not let anybody in"))
    }
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
pub(super) fn invite(
    who: &Authenticated,
    room: &RoomRow,
    member: Option<&MemberRow>,
    target: Option<&MemberRow>,
) -> Result<bool, Refusal> {
    may_publish(who, room, member)?;
    if room.visibility == Visibility::DIRECT {
        return Err(Refusal::because(Code::CONFLICT, "a direct room is for exactly two"));
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
        return Err(Refusal::because(Code::CONFLICT, "a direct room is for exactly two"));
    }
    if role(member) < RoomRole::MODERATOR {
        return Err(Refusal::because(Code::FORBIDDEN, "only a moderator sends people out"));
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

#[cfg(test)]
mod tests {
    use quipu_protocol::{Cursor, RoomId, Seq};

    use super::*;

    fn who(role: ServerRole) -> Authenticated {
        Authenticated::for_test(UserId::from_bytes([1; 16]), "ada", role)
    }

    fn room(visibility: Visibility) -> RoomRow {
        RoomRow {
            room: RoomId::from_bytes([9; 16]),
            name: None,
            visibility,
            topic: None,
            direct: None,
            head: Cursor::default(),
            floor: Seq(1),
            members: 2,
            creator: None,
            created_ms: 0,
        }
    }

    fn member(state: MemberState) -> MemberRow {
        MemberRow { state, marker: Seq::ZERO }
    }

    fn code<T>(outcome: Result<T, Refusal>) -> Option<Code> {
        outcome.err().map(|refusal| refusal.code)
    }

    /// Seeing, reading and publishing, for every kind of asker and room.
    #[test]
    fn what_each_may_do_with_a_room() {
        const OK: Option<Code> = None;
        const NOT: Option<Code> = Some(Code::NOT_FOUND);
        const NO: Option<Code> = Some(Code::FORBIDDEN);
        let (public, private) = (Visibility::PUBLIC, Visibility::PRIVATE);
        let (reader, speaker) = (joined(RoomRole::READER), joined(RoomRole::MEMBER));
        for (role, visibility, state, see, read, publish) in [
            (ServerRole::MEMBER, public, None, OK, NO, NO),
            (ServerRole::GUEST, public, None, NOT, NOT, NOT),
            (ServerRole::GUEST, public, Some(speaker), OK, OK, OK),
            (ServerRole::OWNER, private, None, NOT, NOT, NOT),
            (ServerRole::MEMBER, private, Some(invited()), OK, NO, NO),
            (ServerRole::MEMBER, private, Some(reader), OK, OK, NO),
            (ServerRole::BOT, private, Some(speaker), OK, OK, OK),
        ] {
            let (who, room, member) = (who(role), room(visibility), state.map(member));
            let member = member.as_ref();
            let case = format!("{role:?} {visibility:?} {state:?}");
            assert_eq!(code(may_see(&who, &room, member)), see, "see: {case}");
            assert_eq!(code(may_read(&who, &room, member)), read, "read: {case}");
            assert_eq!(code(may_publish(&who, &room, member)), publish, "publish: {case}");
        }
    }

    #[test]
    fn the_last_owner_stays_while_others_are_there() {
        let (who, owner) = (who(ServerRole::MEMBER), member(joined(RoomRole::OWNER)));
        let shared = room(Visibility::PUBLIC);
        assert_eq!(code(leave(&who, &shared, Some(&owner), 1)), Some(Code::CONFLICT));
        assert_eq!(leave(&who, &shared, Some(&owner), 2), Ok(true));
        let alone = RoomRow { members: 1, ..room(Visibility::PUBLIC) };
        assert_eq!(leave(&who, &alone, Some(&owner), 1), Ok(true));
        assert_eq!(code(leave(&who, &room(Visibility::DIRECT), Some(&owner), 2)), Some(Code::CONFLICT));
    }

    #[test]
    fn only_a_higher_role_sends_out() {
        let (who, room) = (who(ServerRole::MEMBER), room(Visibility::PRIVATE));
        let other = UserId::from_bytes([2; 16]);
        let [speaker, moderator, owner] =
            [RoomRole::MEMBER, RoomRole::MODERATOR, RoomRole::OWNER].map(|role| member(joined(role)));
        assert_eq!(code(remove(&who, &room, Some(&speaker), Some((other, &speaker)))), Some(Code::FORBIDDEN));
        assert_eq!(
            code(remove(&who, &room, Some(&moderator), Some((other, &moderator)))),
            Some(Code::FORBIDDEN)
        );
        assert_eq!(remove(&who, &room, Some(&owner), Some((other, &moderator))), Ok(Some(Change::REMOVED)));
        assert_eq!(remove(&who, &room, Some(&owner), None), Ok(None));
        assert_eq!(
            code(remove(&who, &room, Some(&owner), Some((who.user(), &owner)))),
            Some(Code::BAD_REQUEST)
        );
    }

    #[test]
    fn a_full_room_takes_nobody_and_joining_twice_is_once() {
        let (who, full) =
            (who(ServerRole::MEMBER), RoomRow { members: MEMBERS_MAX, ..room(Visibility::PUBLIC) });
        assert_eq!(code(join(&who, &full, None)), Some(Code::ROOM_FULL));
        assert_eq!(join(&who, &full, Some(&member(joined(RoomRole::OWNER)))), Ok(None));
        assert_eq!(
            join(&who, &room(Visibility::PRIVATE), Some(&member(invited()))),
            Ok(Some(joined(RoomRole::MEMBER)))
        );
    }
}
