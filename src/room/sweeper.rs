//! The sweeper: removes what is out of date, in small steps between what people write.
//!
//! ```text
//!   next expiry ─┐
//!   something to do (chores) ─┼─▶ expire · sweep deleted rooms · accounts that leave · once a minute all rooms ─▶ sleep
//!   a minute ────┘                └── each step one job of a bounded number of rows: chat comes in between
//! ```
//!
//! Whatever it is in the middle of when the server stops or dies is still marked in the store, and goes on at the next
//! start. Entries whose time was over while nobody looked are erased before anything is served.
//! Invariant: it never has more than one job in the queue.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quipu_protocol::RoomId;
use quipu_protocol::limits::DEDUPE_MS;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use super::chat::Rooms;
use super::leaving;
use crate::limits::{INVITE_REMEMBERED, SWEEP_PAGES_MAX, SWEEP_ROUND, SWEEP_ROWS_MAX};
use crate::store::{Before, WriteError};

/// When to try again after the store failed.
const AGAIN: Duration = Duration::from_secs(10);

/// What wakes the sweeper.
#[derive(Debug, Default)]
pub(super) struct Chores {
    woken: Notify,
    round: AtomicBool,
}

impl Chores {
    /// Something may be due earlier than it seemed.
    pub(super) fn wake(&self) {
        self.woken.notify_one();
    }

    /// Somebody changed what rooms keep: look at all of them now.
    pub(super) fn ask_for_a_round(&self) {
        self.round.store(true, Ordering::Relaxed);
        self.wake();
    }
}

impl Rooms {
    /// Erases what was over before now, so that nothing of it is served.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn erase_expired(&self) -> Result<(), WriteError> {
        while self.next_expiry().await?.is_some_and(|at_ms| at_ms <= self.now_ms()) {
            let now_ms = self.now_ms();
            self.storage().write(move |store| Ok(store.expire(now_ms, SWEEP_ROWS_MAX)?)).await?;
        }
        Ok(())
    }

    /// Removes what is out of date until the server stops.
    pub async fn sweeping(self, stopping: CancellationToken) {
        let mut next_round = Instant::now();
        loop {
            let round =
                self.live().chores().round.swap(false, Ordering::Relaxed) || Instant::now() >= next_round;
            let done = tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                done = self.tidy(round) => done,
            };
            if round && done.is_ok() {
                next_round = Instant::now() + SWEEP_ROUND;
            }
            let until = match done {
                Ok(wait) => (Instant::now() + wait).min(next_round),
                Err(failure) => {
                    error!(error = %failure, "what is out of date cannot be removed");
                    Instant::now() + AGAIN
                }
            };
            tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                () = self.live().chores().woken.notified() => {}
                () = sleep_until(until) => {}
            }
        }
    }

    /// Everything that is to do now; gives how long there will be nothing.
    async fn tidy(&self, round: bool) -> Result<Duration, WriteError> {
        self.erase_expired().await?;
        let left = self.leave_everywhere().await?;
        let swept = self.sweep().await?;
        let trimmed = round && self.look_at_rooms().await?;
        if round {
            self.forget().await?;
        }
        if round || left || swept || trimmed {
            self.reclaim().await?;
        }
        let next = self.next_expiry().await?;
        Ok(next.map_or(SWEEP_ROUND, |at_ms| Duration::from_millis(at_ms.saturating_sub(self.now_ms()))))
    }

    async fn next_expiry(&self) -> Result<Option<u64>, WriteError> {
        Ok(self.storage().read(|store| store.next_expiry()).await?)
    }

    /// Removes from every room what it does not keep. Whether there was something.
    async fn look_at_rooms(&self) -> Result<bool, WriteError> {
        let (policy, mut after, mut any) = (self.policy(), None, false);
        loop {
            let page = self
                .storage()
                .read(move |store| store.all_rooms(after, !policy.is_for_all(), SWEEP_ROWS_MAX))
                .await?;
            let Some(last) = page.last() else { return Ok(any) };
            after = Some(*last);
            for room in page {
                any |= self.trim(room).await?;
            }
        }
    }

    /// Removes from a room what it does not keep. Whether there was something.
    async fn trim(&self, room: RoomId) -> Result<bool, WriteError> {
        let mut any = false;
        loop {
            let (policy, now_ms) = (self.policy(), self.now_ms());
            let question = move |store: &dyn crate::store::Reads| {
                store.overdue(room, &policy.keep(&store.retention(room)?, now_ms))
            };
            let Some(floor) = self.storage().read(question).await? else {
                return Ok(any);
            };
            any = true;
            while self.storage().write(move |store| Ok(store.trim(room, floor, SWEEP_ROWS_MAX)?)).await? {}
            debug!(%room, %floor, "trimmed");
        }
    }

    async fn forget(&self) -> Result<(), WriteError> {
        let now_ms = self.now_ms();
        let before = Before {
            messages_ms: now_ms.saturating_sub(DEDUPE_MS),
            names_ms: now_ms,
            invites_ms: now_ms.saturating_sub(INVITE_REMEMBERED.as_millis() as u64),
        };
        let forget = move |store: &mut dyn crate::store::Writes| Ok(store.forget(before, SWEEP_ROWS_MAX)?);
        while self.storage().write(forget).await? == SWEEP_ROWS_MAX {}
        Ok(())
    }

    /// Removes what is left of deleted rooms. Whether there was something.
    async fn sweep(&self) -> Result<bool, WriteError> {
        if !self.storage().read(|store| store.has_gone_rooms()).await? {
            return Ok(false);
        }
        while self.storage().write(|store| Ok(store.sweep(SWEEP_ROWS_MAX)?)).await? {}
        info!("what was left of deleted rooms is gone");
        Ok(true)
    }

    /// Takes deleted accounts out of their rooms, and away what is kept of them. Whether there was something.
    async fn leave_everywhere(&self) -> Result<bool, WriteError> {
        let mut any = false;
        while let Some(user) = self.storage().read(|store| store.next_leaver()).await? {
            any = true;
            let now_ms = self.now_ms();
            while self.storage().write(move |store| leaving::leave_some(store, user, now_ms)).await? {}
            while self.storage().write(move |store| Ok(store.sweep_user(user, SWEEP_ROWS_MAX)?)).await? {}
            info!(%user, "a deleted account has left everywhere");
        }
        Ok(any)
    }

    /// Gives space back to the disk, bit by bit.
    async fn reclaim(&self) -> Result<(), WriteError> {
        while self.storage().write(|store| Ok(store.reclaim(SWEEP_PAGES_MAX)?)).await? > 0 {}
        Ok(())
    }
}
