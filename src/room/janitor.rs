//! The janitor: removes what is out of date, in small steps between what people write.
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

use quipu_protocol::entry::Erasure;
use quipu_protocol::limits::DEDUPE_MS;
use quipu_protocol::{RoomId, Seq, UserId};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use super::chat::Rooms;
use super::leaving;
use crate::limits::{JANITOR_PAGES_MAX, JANITOR_ROUND, JANITOR_ROWS_MAX, PAGE_BYTES_MAX};
use crate::store::{AuthoredPlace, WriteError};

/// When to try again after the store failed.
const AGAIN: Duration = Duration::from_secs(10);

/// What wakes the janitor.
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
            self.storage().write(move |store| Ok(store.expire(now_ms, JANITOR_ROWS_MAX)?)).await?;
        }
        Ok(())
    }

    /// Removes what is out of date until the server stops.
    pub async fn janitor(self, stopping: CancellationToken) {
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
                next_round = Instant::now() + JANITOR_ROUND;
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
        let purged = round && self.look_at_rooms().await?;
        if round {
            self.forget().await?;
        }
        if round || left || swept || purged {
            self.reclaim().await?;
        }
        let next = self.next_expiry().await?;
        Ok(next.map_or(JANITOR_ROUND, |at_ms| Duration::from_millis(at_ms.saturating_sub(self.now_ms()))))
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
                .read(move |store| store.all_rooms(after, !policy.is_for_all(), JANITOR_ROWS_MAX))
                .await?;
            let Some(last) = page.last() else { return Ok(any) };
            after = Some(*last);
            for room in page {
                any |= self.purge(room).await?;
            }
        }
    }

    /// Removes from a room what it does not keep. Whether there was something.
    async fn purge(&self, room: RoomId) -> Result<bool, WriteError> {
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
            while self.storage().write(move |store| Ok(store.purge(room, floor, JANITOR_ROWS_MAX)?)).await? {}
            debug!(%room, %floor, "purged");
        }
    }

    async fn forget(&self) -> Result<(), WriteError> {
        let now_ms = self.now_ms();
        let remembered_ms = now_ms.saturating_sub(DEDUPE_MS);
        let forget = move |store: &mut dyn crate::store::Writes| {
            Ok(store.forget(remembered_ms, now_ms, JANITOR_ROWS_MAX)?)
        };
        while self.storage().write(forget).await? == JANITOR_ROWS_MAX {}
        Ok(())
    }

    /// Removes what is left of deleted rooms. Whether there was something.
    async fn sweep(&self) -> Result<bool, WriteError> {
        if !self.storage().read(|store| store.has_gone_rooms()).await? {
            return Ok(false);
        }
        while self.storage().write(|store| Ok(store.sweep(JANITOR_ROWS_MAX)?)).await? {}
        info!("what was left of deleted rooms is gone");
        Ok(true)
    }

    /// Takes deleted accounts out of their rooms, and what they wrote if that was asked. Whether there was something.
    async fn leave_everywhere(&self) -> Result<bool, WriteError> {
        let mut any = false;
        while let Some((user, erase)) = self.storage().read(|store| store.next_leaver()).await? {
            any = true;
            let now_ms = self.now_ms();
            while self.storage().write(move |store| leaving::leave_some(store, user, now_ms)).await? {}
            if erase {
                self.erase_all_of(user).await?;
            }
            self.storage().write(move |store| Ok(store.forget_leaver(user)?)).await?;
            info!(%user, erase, "a deleted account has left everywhere");
        }
        Ok(any)
    }

    async fn erase_all_of(&self, user: UserId) -> Result<(), WriteError> {
        let mut after = AuthoredPlace::default();
        loop {
            let page = move |store: &dyn crate::store::Reads| {
                store.authored(user, after, JANITOR_ROWS_MAX, PAGE_BYTES_MAX)
            };
            let (entries, next) = self.storage().read(page).await?;
            let places: Vec<(RoomId, Seq)> =
                entries.into_iter().map(|(room, entry)| (room, entry.seq)).collect();
            let erase = move |store: &mut dyn crate::store::Writes| {
                for (room, seq) in places {
                    // It may have been purged meanwhile.
                    if store.entry(room, seq)?.is_some() {
                        store.erase(room, seq, Erasure::AUTHOR_REMOVED)?;
                    }
                }
                Ok(())
            };
            self.storage().write(erase).await?;
            match next {
                Some(place) => after = place,
                None => return Ok(()),
            }
        }
    }

    /// Gives space back to the disk, bit by bit.
    async fn reclaim(&self) -> Result<(), WriteError> {
        while self.storage().write(|store| Ok(store.reclaim(JANITOR_PAGES_MAX)?)).await? > 0 {}
        Ok(())
    }
}
