//! Purging: everything one account wrote is erased, in a room or everywhere, a little at a time.
//!
//! ```text
//!   Purge ─▶ a row ─▶ the eraser: look for the first ─▶ ERASURE entry, up to which ─▶ look at some, erase some, note how far
//! ```
//!
//! The request only says that it shall be so; one task of the server does it, in steps that each are a short job
//! like any other, so nobody waits long for the writer. How far it has come is in the store: after a crash it goes on.
//! A room in which nothing is to be erased is told nothing: else whoever may not speak there would be heard by erasing.
//! Invariant: at most one step is under way, and a row goes only when nothing is left to erase for it.

use std::sync::Arc;
use std::time::Duration;

use quipu_protocol::entry::Erasure;
use quipu_protocol::note::Erased;
use quipu_protocol::request::{Act, Permissions, Purge, Reason, ServerRole};
use quipu_protocol::{Code, Ext, Kind, Refusal, RoomId, Seq, UserId, cbor};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::chat::Rooms;
use super::deeds::told;
use super::footing::Footing;
use super::roles::both;
use super::rules;
use crate::auth::{Authenticated, acting};
use crate::limits::{PAGE_BYTES_MAX, PURGE_ENTRIES_MAX, PURGE_ERASED_MAX, PURGE_ROOMS_MAX};
use crate::store::{AuditRow, NewEntry, PurgeRow, PurgeStage, Reads, StoreError, WriteError, Writes};

/// How long to wait after the store failed.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// How the eraser is woken, and how those who wait for it learn that it got on.
#[derive(Debug, Default)]
pub(super) struct Eraser {
    wake: Notify,
    steps: watch::Sender<u64>,
}

impl Eraser {
    /// There is something to erase.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }
}

impl Rooms {
    /// Erases everything an account wrote; returns when it is erased. Asked again while that goes on, it waits for the
    /// same end.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] for the account, or a room that is hidden from the asker; [`Code::FORBIDDEN`].
    pub async fn purge(&self, who: &Authenticated, ask: Purge) -> Result<(), Refusal> {
        let (user, room) = (ask.user, ask.room);
        let mut steps = self.eraser().steps.subscribe();
        let (who, clock) = (who.clone(), self.clock());
        let job = self.storage().write(move |store| begin(store, &who, &ask, clock.now_ms()));
        job.await.map_err(WriteError::refusal)?;
        self.eraser().wake();
        loop {
            steps.borrow_and_update();
            let waiting = self.storage().read(move |store| store.is_purging(user, room)).await;
            if !waiting.map_err(|error| error.refusal())? {
                return Ok(());
            }
            if steps.changed().await.is_err() {
                return Err(Code::UNAVAILABLE.into());
            }
        }
    }

    /// Erases what is to be erased, until the server stops.
    pub async fn erase_purged(&self, stopping: CancellationToken) {
        loop {
            let step = tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                step = self.step() => step,
            };
            let pause = match step {
                Ok(true) => {
                    self.eraser().steps.send_modify(|steps| *steps += 1);
                    continue;
                }
                Ok(false) => None,
                Err(error) => {
                    warn!(%error, "a purge cannot go on");
                    Some(AFTER_FAILURE)
                }
            };
            tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                () = self.eraser().wake.notified(), if pause.is_none() => {}
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            }
        }
    }

    /// One step; false when there is nothing to do.
    async fn step(&self) -> Result<bool, WriteError> {
        let Some(row) = self.storage().read(|store| store.purge()).await? else { return Ok(false) };
        match row.stage {
            PurgeStage::Everywhere(behind) => {
                let user = row.user;
                let question = move |store: &dyn Reads| store.rooms_written(user, behind, PURGE_ROOMS_MAX);
                let rooms = self.storage().read(question).await?;
                self.storage().write(move |store| spread(store, &row, &rooms)).await?;
                // A deleted account may go on leaving.
                self.live().chores().wake();
            }
            PurgeStage::Looking(room, done) => {
                let user = row.user;
                let question = move |store: &dyn Reads| {
                    let head = store.room(room)?.map_or(done, |room| room.head.seq);
                    Ok((written(store, room, user, done, head)?, head))
                };
                let ((written, looked), head) = self.storage().read(question).await?;
                let clock = self.clock();
                let found = move |store: &mut dyn Writes| match (written.is_empty(), looked < head) {
                    (false, _) => tell(store, &row, (room, done), clock.now_ms()),
                    (true, true) => {
                        let stage = PurgeStage::Looking(room, looked);
                        Ok(store.put_purge(&PurgeRow { stage, ..row.clone() })?)
                    }
                    (true, false) => Ok(store.drop_purge(row.purge)?),
                };
                self.storage().write(found).await?;
            }
            PurgeStage::Room(room, up_to, done) => {
                let user = row.user;
                let question = move |store: &dyn Reads| written(store, room, user, done, up_to);
                let (written, done) = self.storage().read(question).await?;
                self.storage().write(move |store| erase(store, &row, (room, up_to), &written, done)).await?;
            }
        }
        Ok(true)
    }

    pub(super) fn eraser(&self) -> &Arc<Eraser> {
        &self.eraser
    }
}

/// Notes what is to be erased, unless that goes on already.
fn begin(store: &mut dyn Writes, who: &Authenticated, ask: &Purge, now_ms: u64) -> Result<(), WriteError> {
    let missing = || Refusal::from(Code::NOT_FOUND);
    let asker = acting(&*store, who)?;
    let user = store.user(ask.user)?;
    let outranks =
        asker.role >= ServerRole::ADMIN && user.as_ref().is_some_and(|user| user.role < asker.role);
    let is_own = ask.user == who.user();
    if let Some(room) = ask.room {
        let (at, target) = both(store, who, room, ask.user, now_ms)?;
        rules::purge(who, &at, (ask.user, &target), outranks)?;
        if is_own {
            rules::may_say_why(who, &at, ask.reason.as_ref())?;
        }
    } else if !outranks && !is_own {
        // Accounts are no secret: whoever may look them up is told what is not allowed.
        let text = "only whoever runs the server erases everything somebody else wrote";
        return Err(Refusal::because(Code::FORBIDDEN, text).into());
    }
    user.ok_or_else(missing)?;
    if store.is_purging(ask.user, ask.room)? {
        return Ok(());
    }
    let by = (who.user(), who.device());
    let stage = match ask.room {
        Some(room) => PurgeStage::Looking(room, Seq::ZERO),
        None => PurgeStage::Everywhere(None),
    };
    store.put_purge(&PurgeRow { purge: 0, user: ask.user, stage, by, reason: ask.reason.clone() })?;
    // In a room it is recorded where something is erased.
    if ask.room.is_none() && !is_own {
        record(store, (who.user(), ask.user), None, ask.reason.clone(), now_ms)?;
    }
    Ok(())
}

/// There is something to erase in a room behind `done`: tells it that everything up to here is erased, and goes on.
fn tell(
    store: &mut dyn Writes,
    row: &PurgeRow,
    (room, done): (RoomId, Seq),
    now_ms: u64,
) -> Result<(), WriteError> {
    let (Some(user), true) = (store.user(row.user)?, store.room(room)?.is_some()) else {
        return Ok(store.drop_purge(row.purge)?);
    };
    let reason = carried(&*store, row, room, now_ms)?;
    let body = cbor::encode(&Erased { user: row.user, nickname: user.nickname });
    let ext = Ext { reason: reason.clone(), ..Ext::default() };
    store.append(NewEntry { ext, ..told(room, now_ms, Some(row.by), Kind::ERASURE, body) })?;
    record(store, (row.by.0, row.user), Some(room), reason, now_ms)?;
    let head = store.room(room)?.map_or(Seq::ZERO, |room| room.head.seq);
    let stage = PurgeStage::Room(room, head, done);
    Ok(store.put_purge(&PurgeRow { stage, ..row.clone() })?)
}

/// The reason as a room is told it: why somebody erases their own words is told where they may speak.
fn carried(
    store: &dyn Reads,
    row: &PurgeRow,
    room: RoomId,
    now_ms: u64,
) -> Result<Option<Reason>, WriteError> {
    let by = row.by.0;
    if by != row.user || row.reason.is_none() {
        return Ok(row.reason.clone());
    }
    let at = Footing::of(store, room, by, now_ms)?;
    Ok(row.reason.clone().filter(|_| rules::effective(&at).has(Permissions::SEND)))
}

fn record(
    store: &mut dyn Writes,
    (by, user): (UserId, UserId),
    room: Option<RoomId>,
    reason: Option<Reason>,
    at_ms: u64,
) -> Result<(), WriteError> {
    let (by, user) = (Some(by), Some(user));
    Ok(store.put_audit(&AuditRow { at_ms, act: Act::PURGE, by, room, user, reason, detail: None })?)
}

/// The next rooms of a purge of everything, each with a purge of its own.
fn spread(store: &mut dyn Writes, row: &PurgeRow, rooms: &[(RoomId, bool)]) -> Result<(), WriteError> {
    for (room, _) in rooms.iter().filter(|(_, wrote)| *wrote) {
        let stage = PurgeStage::Looking(*room, Seq::ZERO);
        store.put_purge(&PurgeRow { purge: 0, stage, ..row.clone() })?;
    }
    match rooms.last() {
        Some((last, _)) if rooms.len() == PURGE_ROOMS_MAX => {
            Ok(store.put_purge(&PurgeRow { stage: PurgeStage::Everywhere(Some(*last)), ..row.clone() })?)
        }
        _ => Ok(store.drop_purge(row.purge)?),
    }
}

/// Positions of what an account wrote and is still there, a few of them, and how far that was looked for.
fn written(
    store: &dyn Reads,
    room: RoomId,
    user: UserId,
    done: Seq,
    up_to: Seq,
) -> Result<(Vec<Seq>, Seq), StoreError> {
    let frames = store.entries_after(room, done, PURGE_ENTRIES_MAX, PAGE_BYTES_MAX)?;
    let (mut written, mut looked) = (Vec::new(), up_to);
    for frame in &frames {
        if frame.seq > up_to || written.len() == PURGE_ERASED_MAX {
            return Ok((written, looked));
        }
        looked = frame.seq;
        let entry = frame.entry()?;
        let says = !entry.body.is_empty() || entry.ext.files.is_some();
        if entry.user == Some(user) && entry.kind.is_publishable() && says && !entry.is_erased() {
            written.push(frame.seq);
        }
    }
    Ok((written, if frames.is_empty() { up_to } else { looked }))
}

fn erase(
    store: &mut dyn Writes,
    row: &PurgeRow,
    (room, up_to): (RoomId, Seq),
    written: &[Seq],
    done: Seq,
) -> Result<(), WriteError> {
    for seq in written {
        // It may have gone between the look and now.
        if store.entry(room, *seq)?.is_some() {
            store.erase(room, *seq, Erasure::AUTHOR_REMOVED)?;
        }
    }
    if done < up_to {
        let stage = PurgeStage::Room(room, up_to, done);
        return Ok(store.put_purge(&PurgeRow { stage, ..row.clone() })?);
    }
    info!(%room, user = %row.user, "purged");
    Ok(store.drop_purge(row.purge)?)
}
