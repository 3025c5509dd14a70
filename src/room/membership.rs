//! Membership: joining, leaving, inviting, sending out.
//!
//! Whatever changes a membership is an entry of the room's log, written in the same transaction as the row.

use quipu_protocol::entry::{Change, MemberChange};
use quipu_protocol::request::{
    Act, InviteMember, MembershipState, Permissions, RemoveMember, RoomInfo, RoomRole, ServerRole,
};
use quipu_protocol::{Code, Kind, Refusal, RoomId, UserId, cbor};
use tracing::warn;

use super::chat::Rooms;
use super::deeds::{Deed, told};
use super::directory::{info_of, room_and_member};
use super::footing::Footing;
use super::rules;
use crate::auth::Authenticated;
use crate::limits::{INVITATIONS_MAX, ROOMS_MADE_MAX, ROOMS_PER_USER_MAX};
use crate::store::{InviteRow, MemberState, NewEntry, Reads, WriteError, Writes};

impl Rooms {
    /// Makes the asker a member. Being one already is no error.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when the room is not there or not to be seen, [`Code::ROOM_FULL`], [`Code::QUOTA`].
    pub async fn join(&self, who: &Authenticated, room: RoomId) -> Result<RoomInfo, Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage().write(move |store| {
            let at = Footing::of(&*store, room, who.user(), now_ms)?;
            if let Some(state) = rules::join(&who, &at)? {
                enter(store, &who, room, state, now_ms)?;
            }
            info_of(&*store, who.user(), room, now_ms)
        });
        job.await.map_err(WriteError::refusal)
    }

    /// What takes a newcomer in, for the job that makes their account: into the lobby, and into the room their invite
    /// leads to, hidden or not, when whoever made it may still let somebody in. A room that takes nobody does not
    /// cost them the account.
    pub fn welcome(
        &self,
        lobby: RoomId,
    ) -> impl FnOnce(&mut dyn Writes, &Authenticated, &InviteRow) -> Result<(), WriteError> + Send + use<>
    {
        let now_ms = self.now_ms();
        move |store, who, invite| {
            unless_refused(lobby, admit_to_lobby(store, who, lobby, now_ms))?;
            let Some(room) = invite.room else { return Ok(()) };
            let led = vouched(&*store, room, invite.created_by, now_ms);
            unless_refused(room, led.and_then(|()| admit(store, who, room, now_ms)))
        }
    }

    /// Whether the asker may make an invite that leads into a room, for the job that makes it.
    pub fn leads(
        &self,
    ) -> impl FnOnce(&dyn Reads, &Authenticated, RoomId) -> Result<(), WriteError> + Send + use<> {
        let now_ms = self.now_ms();
        move |store, who, room| {
            let at = Footing::of(store, room, who.user(), now_ms)?;
            Ok(rules::may_manage(who, &at, Permissions::INVITE)?)
        }
    }

    /// Ends the asker's membership or invitation.
    ///
    /// # Errors
    /// [`Code::CONFLICT`] for the last owner and for direct rooms.
    pub async fn leave(&self, who: &Authenticated, room: RoomId) -> Result<RoomInfo, Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage().write(move |store| {
            let (row, member) = room_and_member(&*store, room, who.user())?;
            let owners = if rules::is_owner(member.as_ref()) { store.owners(room)? } else { 0 };
            let leaves = rules::leave(&who, &row, member.as_ref(), owners)?;
            let seen = info_of(&*store, who.user(), room, now_ms)?;
            if leaves {
                let nickname = who.nickname().clone();
                let change = MemberChange { user: who.user(), change: Change::LEFT, nickname, role: 0 };
                note_member(store, room, now_ms, Some(&who), change, None)?;
            }
            Ok(RoomInfo { membership: MembershipState::NONE, role: RoomRole::READER, ..seen })
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Allows somebody into a room.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] for the room or the account, [`Code::FORBIDDEN`], [`Code::QUOTA`] when too many invitations
    /// wait for that account.
    pub async fn invite_member(&self, who: &Authenticated, ask: InviteMember) -> Result<(), Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage().write(move |store| {
            let at = Footing::of(&*store, ask.room, who.user(), now_ms)?;
            let target = Footing::of(&*store, ask.room, ask.user, now_ms)?;
            if !rules::invite(&who, &at, &target)? {
                return Ok(());
            }
            let user = store.user(ask.user)?.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
            may_be_invited(&*store, user.user)?;
            let state = rules::invited();
            let change = MemberChange {
                user: user.user,
                change: Change::INVITED,
                nickname: user.nickname,
                role: state.role.0,
            };
            note_member(store, ask.room, now_ms, Some(&who), change, Some(state))
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Sends somebody out of a room, or takes an invitation back.
    ///
    /// # Errors
    /// [`Code::FORBIDDEN`] below a moderator, or towards somebody whose role is not below the asker's.
    pub async fn remove_member(&self, who: &Authenticated, ask: RemoveMember) -> Result<(), Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage().write(move |store| {
            let at = Footing::of(&*store, ask.room, who.user(), now_ms)?;
            let target = Footing::of(&*store, ask.room, ask.user, now_ms)?;
            let Some(change) = rules::remove(&who, &at, (ask.user, &target))? else {
                return Ok(());
            };
            let user = store.user(ask.user)?.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
            let deed = Deed { who: &who, room: ask.room, now_ms, reason: ask.reason.as_ref() };
            let change = MemberChange { user: user.user, change, nickname: user.nickname, role: 0 };
            deed.note(store, Kind::MEMBER, cbor::encode(&change), Some((user.user, None)))?;
            deed.record(store, Act::KICK, Some(user.user), None)
        });
        job.await.map_err(WriteError::refusal)
    }
}

/// That whoever made an invite may let somebody into its room now.
fn vouched(store: &dyn Reads, room: RoomId, by: Option<UserId>, now_ms: u64) -> Result<(), WriteError> {
    let by = by.ok_or_else(|| Refusal::from(Code::FORBIDDEN))?;
    Ok(rules::vouch(&Footing::of(store, room, by, now_ms)?)?)
}

fn admit(store: &mut dyn Writes, who: &Authenticated, room: RoomId, now_ms: u64) -> Result<(), WriteError> {
    match rules::admit(&Footing::of(&*store, room, who.user(), now_ms)?)? {
        Some(state) => enter(store, who, room, state, now_ms),
        None => Ok(()),
    }
}

/// Nobody made the lobby, so whoever runs the server keeps order there.
fn admit_to_lobby(
    store: &mut dyn Writes,
    who: &Authenticated,
    room: RoomId,
    now_ms: u64,
) -> Result<(), WriteError> {
    let at = Footing::of(&*store, room, who.user(), now_ms)?;
    let Some(state) = rules::admit(&at)? else { return Ok(()) };
    let role = match who.role() {
        role if role >= ServerRole::OWNER => RoomRole::OWNER,
        role if role >= ServerRole::ADMIN => RoomRole::MODERATOR,
        _ => state.role,
    };
    enter(store, who, room, MemberState { role, ..state }, now_ms)
}

/// Lets a refusal pass, which came before anything was written, and nothing else.
fn unless_refused(room: RoomId, entered: Result<(), WriteError>) -> Result<(), WriteError> {
    if let Err(WriteError::Refused(refusal)) = &entered {
        warn!(%room, code = refusal.code.0, "a newcomer could not enter a room");
        return Ok(());
    }
    entered
}

pub(super) fn may_be_in_another(store: &dyn Reads, user: UserId) -> Result<(), WriteError> {
    let joined = store.memberships(user, MembershipState::JOINED)?;
    below(joined, ROOMS_PER_USER_MAX, "rooms")
}

fn may_be_invited(store: &dyn Reads, user: UserId) -> Result<(), WriteError> {
    let waiting = store.memberships(user, MembershipState::INVITED)?;
    below(waiting, INVITATIONS_MAX, "open invitations")
}

pub(super) fn may_make_another(store: &dyn Reads, user: UserId) -> Result<(), WriteError> {
    let made = store.rooms_made(user)?;
    below(made, ROOMS_MADE_MAX, "rooms it made")
}

fn below(count: u64, max: usize, what: &str) -> Result<(), WriteError> {
    if count < max as u64 {
        return Ok(());
    }
    Err(Refusal::because(Code::QUOTA, format!("an account has at most {max} {what}")).into())
}

pub(super) fn enter(
    store: &mut dyn Writes,
    who: &Authenticated,
    room: RoomId,
    state: MemberState,
    now_ms: u64,
) -> Result<(), WriteError> {
    may_be_in_another(&*store, who.user())?;
    let nickname = who.nickname().clone();
    let change = MemberChange { user: who.user(), change: Change::JOINED, nickname, role: state.role.0 };
    note_member(store, room, now_ms, Some(who), change, Some(state))
}

pub(super) fn note_member(
    store: &mut dyn Writes,
    room: RoomId,
    now_ms: u64,
    who: Option<&Authenticated>,
    change: MemberChange,
    state: Option<MemberState>,
) -> Result<(), WriteError> {
    let membership = Some((change.user, state));
    note(store, room, now_ms, who, Kind::MEMBER, cbor::encode(&change), membership)
}

pub(super) fn note(
    store: &mut dyn Writes,
    room: RoomId,
    now_ms: u64,
    who: Option<&Authenticated>,
    kind: Kind,
    body: Vec<u8>,
    membership: Option<(UserId, Option<MemberState>)>,
) -> Result<(), WriteError> {
    let author = who.map(|who| (who.user(), who.device()));
    store.append(NewEntry { membership, ..told(room, now_ms, author, kind, body) })?;
    Ok(())
}
