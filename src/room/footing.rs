//! Where somebody stands in a room: everything that decides what they may do there, looked up in one go.
//!
//! Inside a job it is the head of the log, so what is decided by it is decided once. [`super::rules`] decides.

use quipu_protocol::request::{MembershipState, Permissions, Sanction, ServerRole};
use quipu_protocol::{Code, Refusal, RoomId, UserId};

use super::rules;
use crate::auth::{Authenticated, is_in_use};
use crate::store::{MemberRow, MemberState, Reads, RoomRow, SanctionRow, StoreError, WriteError};

/// How an account stands to a room at one moment.
#[derive(Debug, Clone)]
pub(super) struct Footing {
    /// The room.
    pub(super) room: RoomRow,
    /// As what they are there, if they are.
    pub(super) member: Option<MemberRow>,
    /// As what they were there when they left, if they did.
    pub(super) before: Option<MemberState>,
    /// Whether the account is there and in use.
    pub(super) active: bool,
    /// What the account may do here at most, whatever its role says: a bot is held to its scope.
    pub(super) scope: Permissions,
    /// What they were denied; some of it may be over.
    pub(super) sanctions: Vec<SanctionRow>,
    /// The server's clock, unix milliseconds.
    pub(super) now_ms: u64,
}

/// The answer about a room that is not there. That one was deleted is told to whoever knows its id: they were in it once.
pub(super) fn missing(store: &dyn Reads, room: RoomId) -> Result<Refusal, StoreError> {
    Ok(if store.is_gone(room)? { Code::GONE } else { Code::NOT_FOUND }.into())
}

/// A room the asker may read, and as what they are in it; or why not. The room is looked up first: what is said after
/// the asker was sent out is not in this row's log.
pub(super) fn readable(
    store: &dyn Reads,
    who: &Authenticated,
    room: RoomId,
) -> Result<Result<(RoomRow, Option<MemberRow>), Refusal>, StoreError> {
    let Some(row) = store.room(room)? else { return Ok(Err(missing(store, room)?)) };
    let member = store.member(room, who.user())?;
    Ok(rules::may_read(who, &row, member.as_ref()).map(|()| (row, member)))
}

impl Footing {
    /// Looks it up.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when there is no such room, [`Code::GONE`] when there was.
    pub(super) fn of(store: &dyn Reads, room: RoomId, user: UserId, now_ms: u64) -> Result<Self, WriteError> {
        let Some(row) = store.room(room)? else { return Err(missing(store, room)?.into()) };
        let member = store.member(room, user)?;
        Ok(Self::with(store, row, member, user, now_ms)?)
    }

    /// The same for a room and a membership that were looked up already.
    pub(super) fn with(
        store: &dyn Reads,
        room: RoomRow,
        member: Option<MemberRow>,
        user: UserId,
        now_ms: u64,
    ) -> Result<Self, StoreError> {
        let sanctions = store.sanctions(room.room, user)?;
        let is_joined = member.is_some_and(|member| member.state.membership == MembershipState::JOINED);
        let before = if is_joined { None } else { store.parted(room.room, user)? };
        let account = store.user(user)?;
        // Only bots are asked about: a bot's role never changes.
        let bot = match &account {
            Some(account) if account.role == ServerRole::BOT => store.bot(user)?,
            _ => None,
        };
        let active = match &account {
            Some(account) => is_in_use(store, account, bot.as_ref())?,
            None => false,
        };
        let scope = bot.map_or(Permissions::ANYTHING, |bot| bot.scope_in(room.room));
        Ok(Self { room, member, before, active, scope, sanctions, now_ms })
    }

    /// The sanction of this kind that holds now.
    pub(super) fn sanction(&self, kind: Sanction) -> Option<&SanctionRow> {
        self.sanctions.iter().find(|row| row.sanction == kind && row.holds(self.now_ms))
    }

    /// When this account last spoke in the room, where that matters: unix milliseconds.
    pub(super) fn said_ms(&self, store: &dyn Reads, user: UserId) -> Result<Option<u64>, WriteError> {
        if rules::slowed(self) { Ok(store.said_ms(self.room.room, user)?) } else { Ok(None) }
    }
}
