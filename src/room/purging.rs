//! Purging: everything one account wrote is erased, in a room or everywhere, a little at a time.
//!
//! ```text
//!   Purge ─▶ one job: ERASURE entry + a row that says up to where ─▶ the eraser: look at some, erase some, note how far
//! ```
//!
//! The request only says that it shall be so; one task of the server does it, in steps that each are a short job
//! like any other, so nobody waits long for the writer. How far it has come is in the store: after a crash it goes on.
//! Invariant: at most one step is under way, and a row goes only when nothing is left to erase for it.

use std::sync::Arc;
use std::time::Duration;

use quipu_protocol::entry::Erasure;
use quipu_protocol::note::Erased;
use quipu_protocol::request::{Act, Purge, ServerRole};
use quipu_protocol::{Blob, Code, Ext, Kind, Refusal, RoomId, Seq, UserId, cbor};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::chat::Rooms;
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
                let clock = self.clock();
                self.storage().write(move |store| spread(store, &row, &rooms, clock.now_ms())).await?;
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
    if let Some(room) = ask.room {
        let (at, target) = both(store, who, room, ask.user, now_ms)?;
        rules::purge(who, &at, (ask.user, &target), outranks)?;
    } else if !outranks && ask.user != who.user() {
        // Accounts are no secret: whoever may look them up is told what is not allowed.
        let text = "only whoever runs the server erases everything somebody else wrote";
        return Err(Refusal::because(Code::FORBIDDEN, text).into());
    }
    user.ok_or_else(missing)?;
    if store.is_purging(ask.user, ask.room)? {
        return Ok(());
    }
    let by = (who.user(), who.device());
    let reason = ask.reason.clone();
    let row = PurgeRow { purge: 0, user: ask.user, stage: PurgeStage::Everywhere(None), by, reason };
    match ask.room {
        Some(room) => erase_in(store, &row, room, now_ms)?,
        None => store.put_purge(&row)?,
    }
    let record = AuditRow {
        at_ms: now_ms,
        act: Act::PURGE,
        by: Some(who.user()),
        room: ask.room,
        user: Some(ask.user),
        reason: ask.reason.clone(),
        detail: None,
    };
    Ok(store.put_audit(&record)?)
}

/// Tells a room that everything up to here is erased, and notes that it is to be.
fn erase_in(store: &mut dyn Writes, row: &PurgeRow, room: RoomId, now_ms: u64) -> Result<(), WriteError> {
    let Some(user) = store.user(row.user)? else { return Ok(()) };
    let body = cbor::encode(&Erased { user: row.user, nickname: user.nickname });
    let entry = NewEntry {
        room,
        now_ms,
        author: Some(row.by),
        message: None,
        kind: Kind::ERASURE,
        body: Blob::new(body).expect("an id and a name are far below the limit of a body"),
        ext: Ext { reason: row.reason.clone(), ..Ext::default() },
        membership: None,
    };
    store.append(entry)?;
    let head = store.room(room)?.map_or(Seq::ZERO, |room| room.head.seq);
    let stage = PurgeStage::Room(room, head, Seq::ZERO);
    Ok(store.put_purge(&PurgeRow { purge: 0, stage, ..row.clone() })?)
}

/// The next rooms of a purge of everything, each with a purge of its own.
fn spread(
    store: &mut dyn Writes,
    row: &PurgeRow,
    rooms: &[(RoomId, bool)],
    now_ms: u64,
) -> Result<(), WriteError> {
    for (room, _) in rooms.iter().filter(|(_, wrote)| *wrote) {
        if store.room(*room)?.is_some() {
            erase_in(store, row, *room, now_ms)?;
        }
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
