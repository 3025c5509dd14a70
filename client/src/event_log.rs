//! The events of one client, numbered and bounded, for whoever takes them.
//!
//! ```text
//!   session ──push──▶ [ 41 42 43 … ] ──take──▶ program           oldest go when full; the taker is told which
//! ```
//!
//! It does not know what an event means. Nothing waits inside its lock.
//! Invariant: `taken < next`, and all events from `max(taken + 1, first kept)` to `next - 1` are kept.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::event::{Event, Numbered};
use crate::limits::{EVENT_BYTES_HIGH, EVENT_BYTES_MAX, EVENTS_HIGH, EVENTS_MAX, EVENTS_PATIENCE};

#[derive(Debug, Default)]
pub(crate) struct EventLog {
    ring: Mutex<Ring>,
    pushed: Notify,
    taken: Notify,
}

#[derive(Debug)]
struct Ring {
    events: VecDeque<Numbered>,
    bytes: usize,
    /// Of these, what was not taken yet.
    untaken_bytes: usize,
    next: u64,
    taken: u64,
    /// Nobody took anything for so long that rooms no longer wait.
    deserted: bool,
}

impl EventLog {
    /// Adds events, in order.
    pub(crate) fn push(&self, events: impl IntoIterator<Item = Event>) {
        let mut ring = self.lock();
        for event in events {
            ring.push(event);
        }
        drop(ring);
        self.pushed.notify_waiters();
    }

    /// Waits at most `wait` until there is something to take, and takes nothing.
    pub(crate) async fn arrives(&self, wait: Duration) {
        let arriving = async {
            loop {
                // Listening before looking, so that nothing is pushed unnoticed in between.
                let pushed = self.pushed.notified();
                if self.lock().has_news() {
                    return;
                }
                pushed.await;
            }
        };
        // Whoever takes sees whether something came.
        let _ = timeout(wait, arriving).await;
    }

    /// The next events for the program. They are its own from here on.
    pub(crate) fn take(&self, max: usize) -> Vec<Numbered> {
        let events = self.lock().take(max);
        if !events.is_empty() {
            self.taken.notify_waiters();
        }
        events
    }

    /// Events after a number, without moving what [`EventLog::take`] gives.
    pub(crate) fn after(&self, number: u64, max: usize) -> Vec<Numbered> {
        self.lock().after(number, max)
    }

    /// The number of the last event so far.
    pub(crate) fn last(&self) -> u64 {
        self.lock().next - 1
    }

    /// Waits until the program has taken some of what is there; not for ever, and not for a program that takes
    /// nothing.
    pub(crate) async fn has_room(&self) {
        let draining = async {
            loop {
                let taken = self.taken.notified();
                if self.lock().has_room() {
                    return;
                }
                taken.await;
            }
        };
        if timeout(EVENTS_PATIENCE, draining).await.is_err() {
            self.lock().deserted = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn push(&mut self, event: Event) {
        self.bytes += weight(&event);
        self.untaken_bytes += weight(&event);
        self.events.push_back(Numbered { number: self.next, event });
        self.next += 1;
        while self.events.len() > EVENTS_MAX || self.bytes > EVENT_BYTES_MAX {
            let Some(oldest) = self.events.pop_front() else {
                return;
            };
            self.bytes -= weight(&oldest.event);
            if oldest.number > self.taken {
                self.untaken_bytes -= weight(&oldest.event);
            }
        }
    }

    fn take(&mut self, max: usize) -> Vec<Numbered> {
        let events = self.after(self.taken, max);
        if let Some(last) = events.last() {
            let taken = events.iter().filter(|taken| !matches!(taken.event, Event::Lagged { .. }));
            self.untaken_bytes -= taken.map(|taken| weight(&taken.event)).sum::<usize>();
            self.taken = last.number;
            self.deserted = false;
        }
        events
    }

    fn after(&self, number: u64, max: usize) -> Vec<Numbered> {
        let first = self.next - self.events.len() as u64;
        let mut events = Vec::new();
        let wanted = number.saturating_add(1);
        if max > 0 && wanted < first {
            let lagged = Event::Lagged { from: wanted, to: first - 1 };
            events.push(Numbered { number: first - 1, event: lagged });
        }
        let skip = usize::try_from(wanted.saturating_sub(first)).unwrap_or(usize::MAX);
        let room = max - events.len();
        events.extend(self.events.iter().skip(skip).take(room).cloned());
        events
    }

    fn has_news(&self) -> bool {
        self.next - 1 > self.taken
    }

    fn has_room(&self) -> bool {
        self.deserted
            || self.next - 1 - self.taken < EVENTS_HIGH as u64 && self.untaken_bytes < EVENT_BYTES_HIGH
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self { events: VecDeque::new(), bytes: 0, untaken_bytes: 0, next: 1, taken: 0, deserted: false }
    }
}

/// About what an event costs, in bytes.
fn weight(event: &Event) -> usize {
    let body = match event {
        Event::Entry { entry, .. } => entry.body.len(),
        Event::Notice { text } => text.len(),
        Event::Presence { text: Some(text), .. } => text.as_str().len(),
        Event::Receipts { rows, .. } => size_of_val(&rows[..]),
        _ => 0,
    };
    size_of::<Numbered>() + body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(rooms: u64) -> Event {
        Event::InboxReady { rooms }
    }

    fn numbers(events: &[Numbered]) -> Vec<u64> {
        events.iter().map(|event| event.number).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_given_once_and_in_order() {
        let log = EventLog::default();
        log.push((0..5).map(ready));
        assert_eq!(numbers(&log.take(3)), [1, 2, 3]);
        assert_eq!(numbers(&log.take(9)), [4, 5]);
        log.arrives(Duration::from_secs(1)).await;
        assert!(log.take(9).is_empty());
        assert_eq!(numbers(&log.after(2, 2)), [3, 4], "and may be looked at again");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_woken() {
        let log = EventLog::default();
        let push = async { log.push([ready(1)]) };
        let began = tokio::time::Instant::now();
        tokio::join!(log.arrives(Duration::from_secs(60)), push);
        assert_eq!((numbers(&log.take(1)), began.elapsed()), (vec![1], Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_took_in_time_is_named() {
        let log = EventLog::default();
        log.push((0..EVENTS_MAX as u64 + 7).map(ready));
        let events = log.take(2);
        assert_eq!(events[0], Numbered { number: 7, event: Event::Lagged { from: 1, to: 7 } });
        assert_eq!(numbers(&events), [7, 8]);
        assert_eq!(numbers(&log.take(1)), [9]);
    }

    #[tokio::test(start_paused = true)]
    async fn rooms_wait_for_bytes_as_well_and_a_taker_never_lags() {
        let notice = |bytes: usize| Event::Notice { text: "x".repeat(bytes) };
        let log = EventLog::default();
        let mut given = 0;
        while given < 3 * EVENT_BYTES_MAX {
            // Two rooms, and each tells as much as a room tells at once.
            log.has_room().await;
            log.push([notice(crate::limits::BATCH_BYTES), notice(crate::limits::BATCH_BYTES)]);
            given += 2 * crate::limits::BATCH_BYTES;
            if !log.lock().has_room() {
                let events = log.take(1);
                assert!(!matches!(events[0].event, Event::Lagged { .. }));
            }
        }
        while !log.take(100).is_empty() {}
        assert_eq!(log.lock().untaken_bytes, 0);
        assert!(log.after(u64::MAX, 5).is_empty(), "there is nothing after the last number");
    }

    #[tokio::test(start_paused = true)]
    async fn rooms_wait_for_a_slow_taker_and_not_for_an_absent_one() {
        let log = EventLog::default();
        log.push((0..EVENTS_HIGH as u64).map(ready));
        let began = tokio::time::Instant::now();
        let take = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            log.take(1)
        };
        tokio::join!(log.has_room(), take);
        assert_eq!(began.elapsed().as_secs(), 1);
        log.push([ready(0)]);
        log.has_room().await;
        assert_eq!(began.elapsed().as_secs(), 1 + EVENTS_PATIENCE.as_secs());
        log.has_room().await;
        assert_eq!(began.elapsed().as_secs(), 1 + EVENTS_PATIENCE.as_secs(), "not a second time");
    }
}
