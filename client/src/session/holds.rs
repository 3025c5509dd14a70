//! Rooms that refused a message for now: what is meant for them waits in the outbox, and nothing else does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quipu_protocol::{Code, Refusal, RoomId};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::limits::{HOLD_MAX, HOLD_MIN};

/// What a refusal of a message says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It will never be sent as it is.
    Final,
    /// Its room takes it later, and other rooms take theirs now.
    RoomLater,
    /// The server is in trouble: everything behind it was refused with it.
    StreamLater,
}

/// What a code means for a message.
pub(super) fn verdict(code: Code) -> Verdict {
    match code {
        // A quota of reactions, edits or pins: asking again frees nothing.
        Code::QUOTA | Code::ROOM_FULL => Verdict::Final,
        Code(400..=499) => Verdict::RoomLater,
        code if code.retryable() => Verdict::StreamLater,
        _ => Verdict::Final,
    }
}

/// When rooms are to be tried again.
#[derive(Debug, Default)]
pub(super) struct Holds {
    until: Mutex<BTreeMap<RoomId, Instant>>,
    /// There is one more.
    added: Notify,
}

impl Holds {
    /// A room said "later".
    pub(super) fn add(&self, room: RoomId, refusal: &Refusal) {
        let wait = refusal.retry_after_ms.map_or(HOLD_MAX, Duration::from_millis);
        // However long the server says: the room's settings may change before that.
        let until = Instant::now() + wait.clamp(HOLD_MIN, HOLD_MAX);
        // Those behind it were refused because of it, and say nothing new.
        self.lock().entry(room).or_insert(until);
        self.added.notify_one();
    }

    /// Waits until a room is to be tried again, or it may be another one that is first.
    pub(super) async fn change(&self) {
        tokio::select! {
            biased;
            () = self.added.notified() => {}
            () = sleep_until(self.next()) => {}
        }
    }

    /// Whether messages to a room wait.
    pub(super) fn hold(&self, room: RoomId) -> bool {
        self.lock().contains_key(&room)
    }

    /// The rooms whose messages wait.
    pub(super) fn rooms(&self) -> BTreeSet<RoomId> {
        self.lock().keys().copied().collect()
    }

    /// When the first of them is to be tried again.
    fn next(&self) -> Instant {
        // An hour stands for never: whoever waits only looks again.
        self.lock().values().min().copied().unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600))
    }

    /// Whether a room is to be tried again.
    pub(super) fn are_over(&self) -> bool {
        self.next() <= Instant::now()
    }

    /// Lets those go whose time has come.
    pub(super) fn release(&self) {
        let now = Instant::now();
        self.lock().retain(|_, until| *until > now);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RoomId, Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_pass_is_final_and_what_a_room_says_is_the_rooms() {
        for code in [Code::QUOTA, Code::ROOM_FULL, Code::FORBIDDEN, Code::GONE, Code(699)] {
            assert_eq!(verdict(code), Verdict::Final, "{code}");
        }
        for code in [Code::RATE, Code(499)] {
            assert_eq!(verdict(code), Verdict::RoomLater, "{code}");
        }
        for code in [Code::INTERNAL, Code::TIMEOUT, Code(599)] {
            assert_eq!(verdict(code), Verdict::StreamLater, "{code}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_notices_a_room_that_is_held_meanwhile() {
        let holds = Holds::default();
        let began = Instant::now();
        let add =
            async { holds.add(RoomId::from_bytes([1; 16]), &Refusal::new(Code::RATE).retry_after(500)) };
        tokio::join!(holds.change(), add);
        assert_eq!(began.elapsed(), Duration::ZERO);
        holds.change().await;
        assert!(holds.are_over() && began.elapsed() == Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_room_waits_as_long_as_it_said_within_reason() {
        let [slow, absurd] = [1, 2].map(|n| RoomId::from_bytes([n; 16]));
        let later = |ms| Refusal::new(Code::RATE).retry_after(ms);
        let holds = Holds::default();
        assert!(!holds.are_over());
        holds.add(slow, &later(5_000));
        holds.add(slow, &later(9_000));
        holds.add(absurd, &later(u64::MAX));
        tokio::time::sleep(Duration::from_millis(4_999)).await;
        assert!(!holds.are_over() && holds.hold(slow));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(holds.are_over());
        holds.release();
        assert_eq!(holds.rooms(), BTreeSet::from([absurd]));
        tokio::time::sleep(HOLD_MAX).await;
        holds.release();
        holds.add(slow, &later(0));
        assert!(!holds.are_over(), "a server that says nothing sensible is not asked at once");
    }
}
