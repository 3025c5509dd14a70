//! Datagrams: typing, in rooms this connection has open. Whatever is too much or not understood is dropped.

use std::sync::Arc;

use quipu_protocol::datagram::{self, Typing};
use quipu_protocol::limits::TYPING_TTL_MS;
use tokio::time::Instant;
use tracing::trace;

use super::session::Session;
use crate::rate::TokenBucket;

/// Typing notices a second of one connection, and at once: a client sends one every three seconds per room.
const PER_SECOND: u32 = 1;
const BURST: u32 = 8;

/// Serves datagrams until the connection ends.
pub(super) async fn serve(session: Arc<Session>) {
    let mut rate = TokenBucket::new(PER_SECOND, BURST);
    while let Ok(bytes) = session.connection.read_datagram().await {
        let Ok(frame) = datagram::decode(&bytes) else {
            trace!(bytes = bytes.len(), "datagram not understood");
            continue;
        };
        let Ok(typing) = frame.decode::<Typing>() else {
            continue;
        };
        if session.has_open(typing.room) && rate.try_take(Instant::now()) {
            session.shared.rooms.typing(&session.who, typing.room, typing.ttl_ms.min(TYPING_TTL_MS));
        }
    }
}
