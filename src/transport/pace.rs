//! How fast one connection, and all members of one room together, may write.
//!
//! Nobody is refused for being fast. Whoever is waits here, and waiting means not being read: QUIC passes that on.
//! Invariant: a room's rate is taken by its members alone, so a stranger cannot make them wait.

use std::sync::PoisonError;

use quipu_protocol::RoomId;
use quipu_protocol::request::MembershipState;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::session::Session;

/// Waits until this connection may write once more.
pub(super) async fn own_turn(session: &Session) {
    let ready_at = session.publish_rate.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
    wait(session, ready_at).await;
}

/// Waits until this connection may write once more, and to this room if it is a member's.
pub(super) async fn draft_turn(session: &Session, room: RoomId) {
    own_turn(session).await;
    if is_member(session, room).await {
        wait(session, of_room(&session.shared, room)).await;
    }
}

/// Takes an entry that a request has made from the room's rate: whoever writes next waits for it.
pub(super) fn entry_made(shared: &Shared, room: RoomId) {
    let _ = of_room(shared, room);
}

async fn wait(session: &Session, ready_at: Option<Instant>) {
    let Some(ready_at) = ready_at else { return };
    tokio::select! {
        biased;
        () = sleep_until(ready_at) => {}
        // There is nothing left to slow down.
        () = session.shared.stopping.cancelled() => {}
        () = session.ended.cancelled() => {}
    }
}

/// Known here without asking, but for a new connection's first moments and for strangers, who pay with their own rate.
async fn is_member(session: &Session, room: RoomId) -> bool {
    if session.inbox.follows(room) {
        return true;
    }
    let info = session.shared.rooms.info(session.who.user(), room).await;
    info.is_ok_and(|info| info.membership == MembershipState::JOINED)
}

fn of_room(shared: &Shared, room: RoomId) -> Option<Instant> {
    shared.room_rates.take(room, Instant::now())
}
