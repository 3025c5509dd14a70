//! Rules against cases written down one by one.

use quipu_protocol::entry::Change;
use quipu_protocol::request::Notify;
use quipu_protocol::{Cursor, RoomId, Seq, UserId};

use super::*;
use crate::store::{SanctionRow, Settings};

const NOW_MS: u64 = 1_000_000;

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
        settings: Settings::default(),
    }
}

fn member(state: MemberState) -> MemberRow {
    MemberRow { state, marker: Seq::ZERO, reached: Seq::ZERO, notify: Notify::ALL }
}

fn at(room: RoomRow, state: Option<MemberState>) -> Footing {
    Footing {
        room,
        member: state.map(member),
        before: None,
        active: true,
        scope: Permissions::ANYTHING,
        sanctions: Vec::new(),
        now_ms: NOW_MS,
    }
}

fn sanctioned(at: Footing, sanction: Sanction, until_ms: Option<u64>) -> Footing {
    let user = UserId::from_bytes([1; 16]);
    let row = SanctionRow { room: at.room.room, user, sanction, by: user, at_ms: 0, until_ms, reason: None };
    Footing { sanctions: vec![row], ..at }
}

/// Goal: a bot does what its role and its scope both allow, by the scope of this moment.
#[test]
fn a_scope_holds_a_bot_to_less_than_its_role() {
    let held = |scope| Footing { scope, ..at(room(Visibility::PUBLIC), Some(joined(RoomRole::MEMBER))) };
    let bot = who(ServerRole::BOT);
    let scope = Permissions::READ.or(Permissions::SEND).or(Permissions::KICK);
    assert_eq!(effective(&held(scope)), Permissions::READ.or(Permissions::SEND));
    assert_eq!(code(may_send(&bot, &held(scope), None)), None);
    assert_eq!(code(may(&bot, &held(scope), Permissions::KICK)), Some(Code::FORBIDDEN));
    // Whatever it was authenticated as.
    assert_eq!(code(may_send(&bot, &held(Permissions::READ), None)), Some(Code::FORBIDDEN));
    assert_eq!(code(vouch(&held(scope))), Some(Code::FORBIDDEN));
}

/// Goal: what a bot owns is no way around the scope it is held to later.
#[test]
fn a_bot_deletes_and_gives_away_what_its_scope_allows() {
    let bot = who(ServerRole::BOT);
    let own = || RoomRow { creator: Some(bot.user()), ..room(Visibility::PUBLIC) };
    let owns = |scope| Footing { scope, ..at(own(), Some(joined(RoomRole::OWNER))) };
    let (other, member) = (UserId::from_bytes([2; 16]), at(own(), Some(joined(RoomRole::MEMBER))));
    let gives = |scope| code(transfer(&bot, ServerRole::BOT, &owns(scope), (other, &member), 1));
    let deletes = |scope| code(delete(&bot, ServerRole::BOT, &owns(scope)));
    let no = Some(Code::FORBIDDEN);
    assert_eq!((deletes(Permissions::READ), gives(Permissions::READ)), (no, no));
    assert_eq!((deletes(Permissions::MANAGE_ROLES), gives(Permissions::MANAGE_ROOM)), (no, no));
    assert_eq!((deletes(Permissions::MANAGE_ROOM), gives(Permissions::MANAGE_ROLES)), (None, None));
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
        let (who, at) = (who(role), at(room(visibility), state));
        let (room, member) = (&at.room, at.member.as_ref());
        let case = format!("{role:?} {visibility:?} {state:?}");
        assert_eq!(code(may_see(&who, room, member)), see, "see: {case}");
        assert_eq!(code(may_read(&who, room, member)), read, "read: {case}");
        assert_eq!(code(may_send(&who, &at, None)), publish, "publish: {case}");
    }
}

/// The table of the document, written down once more.
#[test]
fn each_role_allows_what_the_document_says() {
    let member = "read send react upload invite";
    let moderator = "read send react upload pin invite kick redact-any mention-room";
    for (role, names) in [
        (RoomRole::READER, "read"),
        (RoomRole::MEMBER, member),
        (RoomRole::MODERATOR, moderator),
        (
            RoomRole::OWNER,
            "read send react upload pin invite kick redact-any mention-room manage-room manage-roles",
        ),
        // One this version does not know is taken for the next smaller.
        (RoomRole(70), moderator),
        (RoomRole(1), "read"),
    ] {
        let at = at(room(Visibility::PUBLIC), Some(joined(role)));
        assert_eq!(effective(&at).names().collect::<Vec<_>>().join(" "), names, "{role:?}");
    }
    let direct = at(room(Visibility::DIRECT), Some(joined(RoomRole::OWNER)));
    assert_eq!(
        effective(&direct).names().collect::<Vec<_>>().join(" "),
        "read send react upload pin manage-room"
    );
    assert_eq!(effective(&at(room(Visibility::PUBLIC), Some(invited()))), Permissions::NONE);
}

#[test]
fn explicit_permissions_stand_in_the_place_of_the_role() {
    let only = Permissions::READ.or(Permissions::PIN);
    let state = MemberState { permissions: Some(only), ..joined(RoomRole::MODERATOR) };
    let at = at(room(Visibility::PUBLIC), Some(state));
    assert_eq!(effective(&at), only);
    let who = who(ServerRole::OWNER);
    assert_eq!(may(&who, &at, Permissions::PIN), Ok(()));
    assert_eq!(code(may(&who, &at, only.or(Permissions::SEND))), Some(Code::FORBIDDEN));
}

#[test]
fn a_read_only_room_silences_whoever_is_not_exempt() {
    let read_only = || RoomRow {
        settings: Settings { read_only: true, ..Settings::default() },
        ..room(Visibility::PUBLIC)
    };
    let speaks = |state| effective(&at(read_only(), Some(state))).has(VOICE);
    assert!(!speaks(joined(RoomRole::MEMBER)) && speaks(joined(RoomRole::MODERATOR)));
    assert!(speaks(MemberState { permissions: Some(MEMBER), ..joined(RoomRole::MEMBER) }));
    let silent = effective(&at(read_only(), Some(joined(RoomRole::MEMBER))));
    assert!(silent.has(Permissions::READ.or(Permissions::INVITE)));
}

#[test]
fn a_mute_ends_by_the_clock_and_exempts_nobody() {
    let muted = |role, until_ms| {
        let at = at(room(Visibility::PUBLIC), Some(joined(role)));
        effective(&sanctioned(at, Sanction::MUTE, until_ms))
    };
    assert!(muted(RoomRole::MEMBER, Some(NOW_MS)).has(VOICE), "over");
    for until_ms in [None, Some(NOW_MS + 1)] {
        assert!(!muted(RoomRole::MEMBER, until_ms).has(Permissions::SEND));
        let moderator = muted(RoomRole::MODERATOR, until_ms);
        assert!(moderator.has(Permissions::KICK) && moderator.and(VOICE) == Permissions::NONE);
    }
}

#[test]
fn slow_mode_says_how_long_to_wait() {
    let slow = |role, said_ms| {
        let settings = Settings { slow_ms: 30_000, ..Settings::default() };
        let at = at(RoomRow { settings, ..room(Visibility::PUBLIC) }, Some(joined(role)));
        may_send(&who(ServerRole::MEMBER), &at, said_ms)
    };
    let refused = slow(RoomRole::MEMBER, Some(NOW_MS - 10_000)).unwrap_err();
    assert_eq!((refused.code, refused.retry_after_ms), (Code::RATE, Some(20_000)));
    assert_eq!(slow(RoomRole::MEMBER, Some(NOW_MS - 30_000)), Ok(()));
    assert_eq!(slow(RoomRole::MEMBER, None), Ok(()));
    assert_eq!(slow(RoomRole::MODERATOR, Some(NOW_MS)), Ok(()));
}

#[test]
fn who_is_banned_gets_in_by_no_way() {
    let (asker, banned) =
        (who(ServerRole::MEMBER), sanctioned(at(room(Visibility::PUBLIC), None), Sanction::BAN, None));
    assert_eq!(code(join(&asker, &banned)), Some(Code::FORBIDDEN));
    assert_eq!(code(admit(&banned)), Some(Code::FORBIDDEN));
    let owner = at(room(Visibility::PUBLIC), Some(joined(RoomRole::OWNER)));
    assert_eq!(code(invite(&asker, &owner, &banned)), Some(Code::FORBIDDEN));
    let over = sanctioned(at(room(Visibility::PUBLIC), None), Sanction::BAN, Some(NOW_MS));
    assert_eq!(join(&asker, &over), Ok(Some(joined(RoomRole::MEMBER))));
    // Whoever may not see the room is told nothing of a ban.
    let hidden = sanctioned(at(room(Visibility::PRIVATE), None), Sanction::BAN, None);
    assert_eq!(code(join(&asker, &hidden)), Some(Code::NOT_FOUND));
}

#[test]
fn nobody_enters_an_invite_only_room_uninvited() {
    let settings = Settings { invite_only: true, ..Settings::default() };
    let room = || RoomRow { settings, ..room(Visibility::PUBLIC) };
    let who = who(ServerRole::OWNER);
    assert_eq!(code(join(&who, &at(room(), None))), Some(Code::FORBIDDEN));
    assert_eq!(join(&who, &at(room(), Some(invited()))), Ok(Some(joined(RoomRole::MEMBER))));
    assert_eq!(
        admit(&at(room(), None)),
        Ok(Some(joined(RoomRole::MEMBER))),
        "an invite link is an invitation"
    );
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
    let who = who(ServerRole::MEMBER);
    let other = UserId::from_bytes([2; 16]);
    let stands = |role| at(room(Visibility::PRIVATE), Some(joined(role)));
    let [speaker, moderator, owner] = [RoomRole::MEMBER, RoomRole::MODERATOR, RoomRole::OWNER].map(stands);
    let remove = |by: &Footing, user, whom: &Footing| super::remove(&who, by, (user, whom));
    assert_eq!(code(remove(&speaker, other, &speaker)), Some(Code::FORBIDDEN));
    assert_eq!(code(remove(&moderator, other, &moderator)), Some(Code::FORBIDDEN));
    assert_eq!(remove(&owner, other, &moderator), Ok(Some(Change::REMOVED)));
    assert_eq!(remove(&owner, other, &at(room(Visibility::PRIVATE), None)), Ok(None));
    assert_eq!(code(remove(&owner, who.user(), &owner)), Some(Code::BAD_REQUEST));
}

#[test]
fn a_full_room_takes_nobody_and_joining_twice_is_once() {
    let who = who(ServerRole::MEMBER);
    let full = || RoomRow { members: MEMBERS_MAX, ..room(Visibility::PUBLIC) };
    assert_eq!(code(join(&who, &at(full(), None))), Some(Code::ROOM_FULL));
    assert_eq!(join(&who, &at(full(), Some(joined(RoomRole::OWNER)))), Ok(None));
    assert_eq!(
        join(&who, &at(room(Visibility::PRIVATE), Some(invited()))),
        Ok(Some(joined(RoomRole::MEMBER)))
    );
}

#[test]
fn leaving_is_no_way_around_what_was_taken() {
    let who = who(ServerRole::MEMBER);
    let back = |before| {
        let at = Footing { before: Some(before), ..at(room(Visibility::PUBLIC), None) };
        join(&who, &at).unwrap().unwrap()
    };
    assert_eq!(back(joined(RoomRole::READER)), joined(RoomRole::READER));
    assert_eq!(back(joined(RoomRole::OWNER)), joined(RoomRole::MEMBER));
    let masked = |set| MemberState { permissions: Some(set), ..joined(RoomRole::MODERATOR) };
    let kept = back(masked(Permissions::READ.or(Permissions::KICK)));
    assert_eq!((kept.role, kept.permissions), (RoomRole::MEMBER, Some(Permissions::READ)));
}

/// Asker, target, role given, outcome: written down one by one.
#[test]
fn nobody_gives_what_they_lack() {
    const NO: Option<Code> = Some(Code::FORBIDDEN);
    let (asker, other) = (who(ServerRole::OWNER), UserId::from_bytes([2; 16]));
    let stands = |state| at(room(Visibility::PUBLIC), state);
    let [reader, member, moderator, owner] =
        [RoomRole::READER, RoomRole::MEMBER, RoomRole::MODERATOR, RoomRole::OWNER].map(joined);
    let with = |set| MemberState { permissions: Some(set), ..moderator };
    let trusted = with(MODERATOR.or(Permissions::MANAGE_ROLES));
    let dumb = with(Permissions::READ.or(Permissions::MANAGE_ROLES));
    for (by, target, role, outcome) in [
        (owner, Some(member), RoomRole::OWNER, None),
        (owner, Some(moderator), RoomRole::READER, None),
        (owner, Some(owner), RoomRole::MEMBER, NO),
        (owner, Some(member), RoomRole(11), Some(Code::BAD_REQUEST)),
        (owner, None, RoomRole::MEMBER, Some(Code::NOT_FOUND)),
        (owner, Some(invited()), RoomRole::MEMBER, Some(Code::NOT_FOUND)),
        (moderator, Some(reader), RoomRole::MEMBER, NO),
        (trusted, Some(member), RoomRole::MODERATOR, None),
        (trusted, Some(member), RoomRole::OWNER, NO),
        (trusted, Some(moderator), RoomRole::MEMBER, NO),
        (dumb, Some(reader), RoomRole::MEMBER, NO),
        (dumb, Some(member), RoomRole::READER, None),
    ] {
        let given = set_role(&asker, &stands(Some(by)), (other, &stands(target)), role, 2);
        assert_eq!(code(given), outcome, "{by:?} gives {target:?} {role:?}");
    }
    let give = |by, target, set| {
        code(set_permissions(&asker, &stands(Some(by)), (other, &stands(Some(target))), Some(set)))
    };
    assert_eq!(give(owner, member, Permissions::ALL), None);
    assert_eq!(give(owner, owner, Permissions::READ), NO);
    assert_eq!(give(trusted, member, MODERATOR), None);
    assert_eq!(give(trusted, member, MEMBER.or(Permissions::MANAGE_ROOM)), NO);
    assert_eq!(give(owner, member, Permissions::SEND), Some(Code::BAD_REQUEST), "without reading");
    assert_eq!(give(owner, member, Permissions(1 << 40).or(Permissions::READ)), Some(Code::BAD_REQUEST));
}

#[test]
fn who_steps_down_needs_no_permission_and_the_last_owner_does_not() {
    let asker = who(ServerRole::MEMBER);
    let own = |role, new, owners| {
        let at = at(room(Visibility::PUBLIC), Some(joined(role)));
        set_role(&asker, &at, (asker.user(), &at), new, owners)
    };
    assert_eq!(own(RoomRole::MODERATOR, RoomRole::MEMBER, 1), Ok(Some(joined(RoomRole::MEMBER))));
    assert_eq!(own(RoomRole::MODERATOR, RoomRole::MODERATOR, 1), Ok(None));
    assert_eq!(code(own(RoomRole::MODERATOR, RoomRole::OWNER, 1)), Some(Code::FORBIDDEN));
    assert_eq!(code(own(RoomRole::OWNER, RoomRole::MEMBER, 1)), Some(Code::CONFLICT));
    assert_eq!(own(RoomRole::OWNER, RoomRole::MEMBER, 2), Ok(Some(joined(RoomRole::MEMBER))));
    // Their own explicit permissions do not go this way.
    let masked = MemberState { permissions: Some(Permissions::READ), ..joined(RoomRole::MEMBER) };
    let at = at(room(Visibility::PUBLIC), Some(masked));
    assert_eq!(code(set_role(&asker, &at, (asker.user(), &at), RoomRole::MEMBER, 1)), Some(Code::FORBIDDEN));
}

#[test]
fn a_room_without_an_owner_is_given_by_whoever_runs_the_server() {
    let (asker, other) = (who(ServerRole::ADMIN), UserId::from_bytes([2; 16]));
    let member = at(room(Visibility::PUBLIC), Some(joined(RoomRole::MEMBER)));
    let give = |role, at: &Footing, owners| code(transfer(&asker, role, at, (other, &member), owners));
    let outside = at(room(Visibility::PUBLIC), None);
    assert_eq!(give(ServerRole::ADMIN, &outside, 0), None);
    assert_eq!(give(ServerRole::ADMIN, &outside, 1), Some(Code::FORBIDDEN));
    assert_eq!(give(ServerRole::MEMBER, &member, 0), Some(Code::FORBIDDEN));
    let hidden = at(room(Visibility::PRIVATE), None);
    assert_eq!(give(ServerRole::OWNER, &hidden, 0), Some(Code::NOT_FOUND));
    let owner = at(room(Visibility::PRIVATE), Some(joined(RoomRole::OWNER)));
    assert_eq!(give(ServerRole::GUEST, &owner, 1), None);
}

#[test]
fn a_deactivated_account_does_nothing() {
    let asker = who(ServerRole::OWNER);
    let out = Footing { active: false, ..at(room(Visibility::PUBLIC), Some(joined(RoomRole::OWNER))) };
    assert_eq!(effective(&out), Permissions::NONE);
    assert_eq!(code(may(&asker, &out, Permissions::READ)), Some(Code::UNAUTHENTICATED));
    let invited = at(room(Visibility::PUBLIC), Some(joined(RoomRole::OWNER)));
    let absent = Footing { active: false, ..at(room(Visibility::PUBLIC), None) };
    assert_eq!(code(invite(&asker, &invited, &absent)), Some(Code::GONE));
}
