//! Datagrams: typing, in rooms this connection has open. Whatever is too much or not understood is dropped.

use std::collections::HashMap;
use std::sync::Arc;

use quipu_protocol::RoomId;
use quipu_protocol::datagram::{self, Typing};
use quipu_protocol::limits::{ROOMS_OPEN_MAX, TYPING_TTL_MS};
use tokio::time::Instant;
use tracing::trace;

use super::session::Session;
use crate::limits::{TYPING_BURST, TYPING_INTERVAL, TYPING_PER_SECOND};
use crate::rate::TokenBucket;

/// Serves datagrams until the connection ends.
pub(super) async fn serve(session: Arc<Session>) {
    let mut pace = Pace::default();
    while let Ok(bytes) = session.connection.read_datagram().await {
        let Ok(frame) = datagram::decode(&bytes) else {
            trace!(bytes = bytes.len(), "datagram not understood");
            continue;
        };
        let Ok(typing) = frame.decode::<Typing>() else {
            continue;
        };
        if session.has_open(typing.room) && pace.allows(typing.room, Instant::now()) {
            let ttl_ms = typing.ttl_ms.min(TYPING_TTL_MS);
            session.shared.rooms.typing(&session.who, typing.room, ttl_ms).await;
        }
    }
}

/// How often one connection types, in all rooms together and in each of them.
struct Pace {
    all: TokenBucket,
    rooms: HashMap<RoomId, Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { all: TokenBucket::new(TYPING_PER_SECOND, TYPING_BURST), rooms: HashMap::new() }
    }
}

impl Pace {
    /// Takes a notice, unless it comes too soon.
    fn allows(&mut self, room: RoomId, now: Instant) -> bool {
        let since = self.rooms.get(&room).map(|last| now.duration_since(*last));
        if since.is_some_and(|since| since < TYPING_INTERVAL) || !self.all.try_take(now) {
            return false;
        }
        if self.rooms.len() >= ROOMS_OPEN_MAX {
            // What is left out was too long ago to matter.
            self.rooms.retain(|_, last| now.duration_since(*last) < TYPING_INTERVAL);
        }
        self.rooms.insert(room, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn room(n: u8) -> RoomId {
        RoomId::from_bytes([n; 16])
    }

    #[tokio::test(start_paused = true)]
    async fn a_room_is_typed_in_every_two_seconds_and_many_rooms_share_a_burst() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert!(pace.allows(room(0), now) && !pace.allows(room(0), now));
        assert!(!pace.allows(room(0), now + TYPING_INTERVAL - Duration::from_millis(1)));
        assert!(pace.allows(room(0), now + TYPING_INTERVAL));
        let later = now + Duration::from_secs(60);
        let taken = (1..100).filter(|n| pace.allows(room(*n), later)).count();
        assert_eq!(taken, TYPING_BURST as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn rooms_are_not_remembered_for_ever() {
        let (mut pace, begin) = (Pace::default(), Instant::now());
        for n in 0..=255 {
            assert!(pace.allows(room(n), begin + Duration::from_secs(u64::from(n))));
            assert!(pace.rooms.len() <= ROOMS_OPEN_MAX);
        }
    }
}
