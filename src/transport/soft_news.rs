//! What INBOX tells last: who is there, and how far others have read. Held back while the server has too much to do, or
//! while this connection takes what it is told too slowly.
//!
//! ```text
//!   news ─▶ owed ─┬─ time for it ─▶ Presence, Receipts
//!                 └─ not now ─▶ forgotten but for "everybody" ─▶ later: PresenceAnew, everybody as they are then
//! ```
//!
//! Invariant: what was held back is made right by the next that is told.

use bytes::Bytes;
use quipu_protocol::inbox::{PersonPresence, Presence, PresenceAnew};
use quipu_protocol::limits::PRESENCE_MAX;
use quipu_protocol::{List, Message, UserId};

use super::session::Session;
use crate::room::Soft;
use crate::store::StoreError;

/// Keeps news for later, as little of them as makes it right again.
pub(super) fn hold_back(session: &Session, owed: &mut Soft) {
    if !owed.is_empty() {
        owed.hold_back();
        session.shared.rooms.load().hold_back();
    }
}

/// The frames that tell them.
pub(super) async fn compose(session: &Session, soft: Soft) -> Result<Vec<Bytes>, StoreError> {
    let mut frames = Vec::new();
    let people = if soft.everybody {
        frames.push(PresenceAnew {}.to_frame());
        session.shared.rooms.live().around(&session.inbox)
    } else {
        soft.people
    };
    let people: Vec<_> = people.into_iter().map(|user| presence(session, user)).collect();
    frames.extend(
        people.chunks(PRESENCE_MAX).map(|rows| Presence { people: List::first(rows.to_vec()) }.to_frame()),
    );
    for room in soft.receipts {
        // It may have been closed meanwhile.
        if session.inbox.is_open(room)
            && let Some(receipts) = session.shared.rooms.told_receipts(&session.who, room).await?
        {
            frames.push(receipts.to_frame());
        }
    }
    Ok(frames)
}

fn presence(session: &Session, user: UserId) -> PersonPresence {
    let standing = session.shared.rooms.live().presence(&session.inbox, user);
    PersonPresence { user, state: standing.state, text: standing.text }
}
