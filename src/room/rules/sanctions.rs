//! Who may send out, ban, mute, and erase what others wrote; and who is told of all that.

use quipu_protocol::entry::Change;
use quipu_protocol::request::{Permissions, Sanction, ServerRole};
use quipu_protocol::{Code, Refusal, UserId};

use super::{below, effective, is_joined, may, may_manage, may_read, may_see};
use crate::auth::Authenticated;
use crate::room::footing::Footing;

/// What happens when the asker sends somebody out; `None` when there is nobody to send.
pub(in crate::room) fn remove(
    who: &Authenticated,
    at: &Footing,
    (user, target): (UserId, &Footing),
) -> Result<Option<Change>, Refusal> {
    may_manage(who, at, Permissions::KICK)?;
    if target.member.is_none() {
        return Ok(None);
    }
    if user == who.user() {
        return Err(Refusal::because(Code::BAD_REQUEST, "leave the room instead"));
    }
    below(at, target)?;
    Ok(Some(Change::REMOVED))
}

/// Whether the asker may ban or mute somebody.
pub(in crate::room) fn impose(
    who: &Authenticated,
    at: &Footing,
    (user, target): (UserId, &Footing),
    sanction: Sanction,
) -> Result<(), Refusal> {
    may_sanction(who, at, sanction)?;
    if user == who.user() {
        return Err(Refusal::because(Code::BAD_REQUEST, "nobody bans or mutes themselves"));
    }
    below(at, target)
}

/// Whether the asker may lift a ban or a mute.
pub(in crate::room) fn lift(
    who: &Authenticated,
    at: &Footing,
    user: UserId,
    sanction: Sanction,
) -> Result<(), Refusal> {
    may_sanction(who, at, sanction)?;
    if user == who.user() {
        return Err(Refusal::because(Code::FORBIDDEN, "nobody lifts what was decided about themselves"));
    }
    Ok(())
}

fn may_sanction(who: &Authenticated, at: &Footing, sanction: Sanction) -> Result<(), Refusal> {
    may_manage(who, at, Permissions::KICK)?;
    if matches!(sanction, Sanction::BAN | Sanction::MUTE) {
        Ok(())
    } else {
        Err(Refusal::because(Code::BAD_REQUEST, "there is no such sanction"))
    }
}

/// Whether the asker is told of reports and records of the room: its moderators are, and whoever runs the server.
pub(in crate::room) fn may_moderate(
    who: &Authenticated,
    server_role: ServerRole,
    at: &Footing,
) -> Result<(), Refusal> {
    if server_role >= ServerRole::ADMIN && at.active {
        return Ok(());
    }
    may_read(who, &at.room, at.member.as_ref())?;
    let moderates = [Permissions::KICK, Permissions::REDACT_ANY, Permissions::MANAGE_ROLES];
    if moderates.into_iter().any(|one| effective(at).has(one)) {
        return Ok(());
    }
    Err(Refusal::because(Code::FORBIDDEN, "only moderators are told"))
}

/// Whether the asker may erase all that somebody wrote in the room: everybody what they wrote themselves, moderators
/// what those below them wrote, whoever runs the server what accounts below theirs wrote.
pub(in crate::room) fn purge(
    who: &Authenticated,
    at: &Footing,
    (user, target): (UserId, &Footing),
    outranks_on_server: bool,
) -> Result<(), Refusal> {
    if outranks_on_server && at.active {
        return Ok(());
    }
    may_see(who, &at.room, at.member.as_ref())?;
    if user == who.user() {
        return if at.active { Ok(()) } else { Err(Code::UNAUTHENTICATED.into()) };
    }
    may(who, at, Permissions::REDACT_ANY)?;
    below(at, target)
}

/// Whether an account that was asked about may be in the room at all.
pub(in crate::room) fn not_banned(at: &Footing) -> Result<(), Refusal> {
    debug_assert!(!is_joined(at.member.as_ref()) || at.sanction(Sanction::BAN).is_none(), "a ban sends out");
    match at.sanction(Sanction::BAN) {
        Some(_) => Err(Refusal::because(Code::FORBIDDEN, "banned from the room")),
        None => Ok(()),
    }
}
