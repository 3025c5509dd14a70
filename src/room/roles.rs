//! Roles and permissions of members, and who owns a room.

use quipu_protocol::note::RoleChange;
use quipu_protocol::request::{Act, Permissions, RoomRole, SetPermissions, SetRole, Transfer};
use quipu_protocol::{Code, Kind, Refusal, RoomId, UserId, cbor};

use super::chat::Rooms;
use super::deeds::Deed;
use super::footing::Footing;
use super::rules;
use crate::auth::Authenticated;
use crate::store::{MemberState, WriteError, Writes};

impl Rooms {
    /// Gives a member another role, which takes explicit permissions away.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] for the room or the member, [`Code::FORBIDDEN`] for what the asker lacks or cannot give,
    /// [`Code::CONFLICT`] in a direct room, and for the last owner.
    pub async fn set_role(&self, who: &Authenticated, ask: SetRole) -> Result<(), Refusal> {
        let (who, clock) = (who.clone(), self.clock());
        let job = self.storage().write(move |store| {
            let now_ms = clock.now_ms();
            let (at, target) = both(store, &who, ask.room, ask.user, now_ms)?;
            let owners = store.owners(ask.room)?;
            let Some(state) = rules::set_role(&who, &at, (ask.user, &target), ask.role, owners)? else {
                return Ok(());
            };
            if ask.user == who.user() {
                rules::may_say_why(&who, &at, ask.reason.as_ref())?;
            }
            let deed = Deed { who: &who, room: ask.room, now_ms, reason: ask.reason.as_ref() };
            enact(store, &deed, ask.user, state)?;
            let before = target.member.map_or("none", |member| member.state.role.word());
            deed.record(store, Act::ROLE, Some(ask.user), Some(format!("{before} to {}", state.role.word())))
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Gives a member explicit permissions, or takes them away.
    ///
    /// # Errors
    /// As [`Rooms::set_role`]; [`Code::BAD_REQUEST`] for a set that is none, and for oneself.
    pub async fn set_permissions(&self, who: &Authenticated, ask: SetPermissions) -> Result<(), Refusal> {
        let (who, clock) = (who.clone(), self.clock());
        let job = self.storage().write(move |store| {
            let now_ms = clock.now_ms();
            let (at, target) = both(store, &who, ask.room, ask.user, now_ms)?;
            let after = rules::set_permissions(&who, &at, (ask.user, &target), ask.permissions)?;
            let Some(state) = after else { return Ok(()) };
            let deed = Deed { who: &who, room: ask.room, now_ms, reason: ask.reason.as_ref() };
            enact(store, &deed, ask.user, state)?;
            deed.record(store, Act::PERMISSIONS, Some(ask.user), Some(words(state.permissions)))
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Makes another member the owner of a room; the asker is a moderator from then on.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] for the room or the member, [`Code::FORBIDDEN`] for whoever does not own it,
    /// [`Code::GONE`] when that account is deactivated.
    pub async fn transfer(&self, who: &Authenticated, ask: Transfer) -> Result<(), Refusal> {
        let (who, clock) = (who.clone(), self.clock());
        let job = self.storage().write(move |store| {
            let now_ms = clock.now_ms();
            let (at, target) = both(store, &who, ask.room, ask.user, now_ms)?;
            let server_role = store.user(who.user())?.map(|row| row.role).unwrap_or(who.role());
            let owners = store.active_owners(ask.room)?;
            rules::transfer(&who, server_role, &at, (ask.user, &target), owners)?;
            if rules::is_owner(target.member.as_ref()) && !rules::is_owner(at.member.as_ref()) {
                return Ok(());
            }
            let deed = Deed { who: &who, room: ask.room, now_ms, reason: ask.reason.as_ref() };
            // The new owner first: at no place of the log is the room without one.
            enact(store, &deed, ask.user, rules::joined(RoomRole::OWNER))?;
            if rules::is_owner(at.member.as_ref()) {
                enact(store, &deed, who.user(), rules::joined(RoomRole::MODERATOR))?;
            }
            deed.record(store, Act::TRANSFER, Some(ask.user), None)
        });
        job.await.map_err(WriteError::refusal)
    }
}

/// Where the asker and somebody else stand in a room.
pub(super) fn both(
    store: &dyn Writes,
    who: &Authenticated,
    room: RoomId,
    user: UserId,
    now_ms: u64,
) -> Result<(Footing, Footing), WriteError> {
    Ok((Footing::of(store, room, who.user(), now_ms)?, Footing::of(store, room, user, now_ms)?))
}

/// Notes that a member may do something else from here on.
fn enact(
    store: &mut dyn Writes,
    deed: &Deed<'_>,
    user: UserId,
    state: MemberState,
) -> Result<(), WriteError> {
    let row = store.user(user)?.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
    let MemberState { role, permissions, .. } = state;
    let change = RoleChange { user, nickname: row.nickname, role, permissions };
    deed.note(store, Kind::ROLE, cbor::encode(&change), Some((user, Some(state))))
}

/// Explicit permissions in words.
fn words(permissions: Option<Permissions>) -> String {
    permissions.map_or_else(|| "of the role".to_owned(), |set| set.names().collect::<Vec<_>>().join(" "))
}
