//! Bans and mutes: imposed, lifted, listed. They are of an account and a room, whether or not the one is in the other.
//!
//! A ban is an entry of its own, and for somebody who is there the entry that sends them out follows it. Their end is
//! judged where something is decided, by the server's clock: nothing wakes up to lift them.

use quipu_protocol::entry::{Change, MemberChange};
use quipu_protocol::limits::ROWS_MAX;
use quipu_protocol::note::SanctionChange;
use quipu_protocol::request::{Act, Impose, Lift, ListSanctions, Sanction, SanctionInfo, Sanctions};
use quipu_protocol::{Code, Kind, List, Refusal, UserId, cbor};

use super::chat::Rooms;
use super::deeds::Deed;
use super::footing::Footing;
use super::roles::both;
use super::rules;
use crate::auth::Authenticated;
use crate::limits::{SANCTION_AGAIN, SANCTION_LIFE_MAX};
use crate::store::{MemberState, SanctionRow, UserRow, WriteError, Writes};

impl Rooms {
    /// Bans or mutes somebody; a ban also sends them out. The same again within a minute is the same question.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] for the room or the account, [`Code::FORBIDDEN`] without the permission to kick and
    /// towards a role that is not below the asker's, [`Code::BAD_REQUEST`] for a life that is none.
    pub async fn impose(&self, who: &Authenticated, ask: Impose) -> Result<(), Refusal> {
        let life_max_ms = SANCTION_LIFE_MAX.as_millis() as u64;
        if ask.life_ms.is_some_and(|life_ms| life_ms == 0 || life_ms > life_max_ms) {
            let text = format!("with an end it lasts 1 to {life_max_ms} ms");
            return Err(Refusal::because(Code::BAD_REQUEST, text));
        }
        let (who, clock) = (who.clone(), self.clock());
        let job = self.storage().write(move |store| impose(store, &who, &ask, clock.now_ms()));
        job.await.map_err(WriteError::refusal)
    }

    /// Lifts a ban or a mute; where there is none nothing happens.
    ///
    /// # Errors
    /// As [`Rooms::impose`]; [`Code::FORBIDDEN`] also for what was decided about the asker.
    pub async fn lift(&self, who: &Authenticated, ask: Lift) -> Result<(), Refusal> {
        let (who, clock) = (who.clone(), self.clock());
        let job = self.storage().write(move |store| {
            let now_ms = clock.now_ms();
            let (at, target) = both(store, &who, ask.room, ask.user, now_ms)?;
            rules::lift(&who, &at, ask.user, ask.sanction)?;
            let user = known(store, ask.user)?;
            if target.sanction(ask.sanction).is_none() {
                return Ok(());
            }
            store.drop_sanction(ask.room, ask.user, ask.sanction)?;
            let deed = Deed { who: &who, room: ask.room, now_ms, reason: ask.reason.as_ref() };
            note(store, &deed, &user, &target, (ask.sanction, false, None))?;
            let act = if ask.sanction == Sanction::BAN { Act::UNBAN } else { Act::UNMUTE };
            deed.record(store, act, Some(ask.user), None)
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Bans and mutes that hold in a room, a page by account.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when the room is hidden from the asker, [`Code::FORBIDDEN`] for whoever does not moderate it.
    pub async fn sanctions(&self, who: &Authenticated, ask: ListSanctions) -> Result<Sanctions, Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let question = self.storage().read(move |store| {
            let at = match Footing::of(store, ask.room, who.user(), now_ms) {
                Ok(at) => at,
                Err(error) => return error.answer(),
            };
            let role = store.user(who.user())?.map_or(who.role(), |row| row.role);
            if let Err(no) = rules::may_moderate(&who, role, &at) {
                return Ok(Err(no));
            }
            let after = ask.after.map(|key| (key.user, key.sanction));
            Ok(Ok(store.sanctions_in(ask.room, now_ms, after, ROWS_MAX + 1)?))
        });
        let mut rows = question.await.map_err(|error| error.refusal())??;
        let more = rows.len() > ROWS_MAX;
        rows.truncate(ROWS_MAX);
        let info = |(row, nickname): (SanctionRow, _)| SanctionInfo {
            user: row.user,
            nickname,
            sanction: row.sanction,
            by: row.by,
            at_ms: row.at_ms,
            until_ms: row.until_ms,
            reason: row.reason,
        };
        Ok(Sanctions { sanctions: List::first(rows.into_iter().map(info).collect()), more })
    }
}

fn impose(store: &mut dyn Writes, who: &Authenticated, ask: &Impose, now_ms: u64) -> Result<(), WriteError> {
    let (at, target) = both(store, who, ask.room, ask.user, now_ms)?;
    rules::impose(who, &at, (ask.user, &target), ask.sanction)?;
    let user = known(store, ask.user)?;
    let row = SanctionRow {
        room: ask.room,
        user: ask.user,
        sanction: ask.sanction,
        by: who.user(),
        at_ms: now_ms,
        until_ms: ask.life_ms.map(|life_ms| now_ms.saturating_add(life_ms)),
        reason: ask.reason.clone(),
    };
    if target.sanction(ask.sanction).is_some_and(|holds| is_again(holds, &row)) {
        return Ok(());
    }
    store.put_sanction(&row)?;
    let deed = Deed { who, room: ask.room, now_ms, reason: ask.reason.as_ref() };
    note(store, &deed, &user, &target, (ask.sanction, true, row.until_ms))?;
    let act = if ask.sanction == Sanction::BAN { Act::BAN } else { Act::MUTE };
    if ask.sanction == Sanction::BAN && target.member.is_some() {
        let change =
            MemberChange { user: ask.user, change: Change::REMOVED, nickname: user.nickname, role: 0 };
        deed.note(store, Kind::MEMBER, cbor::encode(&change), Some((ask.user, None)))?;
    }
    let detail = ask.life_ms.map(|life_ms| format!("for {} s", life_ms / 1_000));
    deed.record(store, act, Some(ask.user), detail)
}

/// Whether this is a question asked again because its answer was lost.
fn is_again(holds: &SanctionRow, row: &SanctionRow) -> bool {
    let life = |row: &SanctionRow| row.until_ms.map(|until_ms| until_ms.saturating_sub(row.at_ms));
    let soon = row.at_ms.saturating_sub(holds.at_ms) < SANCTION_AGAIN.as_millis() as u64;
    soon && (holds.by, life(holds), &holds.reason) == (row.by, life(row), &row.reason)
}

fn known(store: &dyn Writes, user: UserId) -> Result<UserRow, WriteError> {
    Ok(store.user(user)?.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?)
}

/// Tells it in the log, and whoever is there on all their devices.
fn note(
    store: &mut dyn Writes,
    deed: &Deed<'_>,
    user: &UserRow,
    target: &Footing,
    (sanction, imposed, until_ms): (Sanction, bool, Option<u64>),
) -> Result<(), WriteError> {
    let nickname = user.nickname.clone();
    let change = SanctionChange { user: user.user, nickname, sanction, imposed, until_ms };
    let state: Option<MemberState> = target.member.map(|member| member.state);
    let same = state.map(|state| (user.user, Some(state)));
    deed.note(store, Kind::SANCTION, cbor::encode(&change), same)
}
