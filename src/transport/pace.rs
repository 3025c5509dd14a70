//! How fast one account, and all members of one room together, may write.
//!
//! Nobody is refused for being fast. Whoever is waits here, and waiting means not being read: QUIC passes that on. Only where
//! so many write to a room that whoever came next would wait too long are they told to come later.
//! Invariant: a room's rate is taken by its members alone, so a stranger cannot make them wait; and an account has one rate on
//! whatever connections, so that coming anew is no way around it.

use quipu_protocol::request::MembershipState;
use quipu_protocol::{Code, Refusal, RoomId};
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::session::Session;
use crate::limits::OWED_MAX;

/// Waits until this account may write once more.
pub(super) async fn own_turn(session: &Session) {
    while !is_over(session) {
        let now = Instant::now();
        match session.shared.author_rates.take_within(session.who.user(), now, OWED_MAX) {
            Ok(ready_at) => return wait(session, ready_at).await,
            // What it owes already is bounded, too: connections that are gone have taken, and never wrote.
            Err(again) => wait(session, Some(now + again)).await,
        }
    }
}

/// Waits until this account may write once more, and to this room if it is a member's.
///
/// # Errors
/// [`Code::RATE`] when the room has no turn for so long that it makes no sense to wait.
pub(super) async fn draft_turn(session: &Session, room: RoomId) -> Result<(), Refusal> {
    own_turn(session).await;
    if is_member(session, room).await {
        let ready_at = of_room(&session.shared, room)?;
        wait(session, ready_at).await;
    }
    Ok(())
}

/// Takes an entry that a request has made from the room's rate: whoever writes next waits for it.
pub(super) fn entry_made(shared: &Shared, room: RoomId) {
    // It is made: a room that owes all it may owes no more.
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

fn is_over(session: &Session) -> bool {
    session.ended.is_cancelled() || session.shared.stopping.is_cancelled()
}

/// Known here without asking, but for a new connection's first moments and for strangers, who pay with their own rate.
async fn is_member(session: &Session, room: RoomId) -> bool {
    if session.inbox.follows(room) {
        return true;
    }
    let info = session.shared.rooms.info(session.who.user(), room).await;
    info.is_ok_and(|info| info.membership == MembershipState::JOINED)
}

fn of_room(shared: &Shared, room: RoomId) -> Result<Option<Instant>, Refusal> {
    let taken = shared.room_rates.take_within(room, Instant::now(), OWED_MAX);
    taken.map_err(|again| {
        let again_ms = u64::try_from(again.as_millis()).unwrap_or(u64::MAX).max(AGAIN_MS);
        Refusal::because(Code::RATE, "too many write to this room").retry_after(again_ms)
    })
}

/// Whoever was told to come later comes no sooner, in milliseconds: until then others have had their turn.
const AGAIN_MS: u64 = 1_000;
