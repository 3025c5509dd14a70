//! How a conversation begins: in the room, and at what is unread.

use quipu_client::protocol::request::{MembershipState, RoomInfo, Visibility};
use quipu_client::protocol::{Cursor, Seq};
use quipu_client::{Client, OpenFrom};

use crate::cli::exit::Failure;
use crate::cli::out::note;
use crate::cli::room::Room;

/// Becomes a member where that needs nobody's leave.
pub(super) async fn enter(client: &Client, info: RoomInfo) -> Result<RoomInfo, Failure> {
    let open = info.visibility == Visibility::PUBLIC || info.membership == MembershipState::INVITED;
    if info.membership == MembershipState::JOINED || !open {
        return Ok(info);
    }
    let info = client.join_room(info.room).await?;
    note(format!("-- entered {}", Room::of(&info).label));
    Ok(info)
}

/// Where the conversation begins: at what is unread, with a little before it.
pub(super) fn origin(marker: Option<Seq>, head: Cursor) -> OpenFrom {
    let before = head.seq.0.saturating_sub(CONTEXT_ENTRIES);
    let start = marker.map_or(before, |marker| marker.0.min(before));
    if head.seq.0 - start > UNREAD_ENTRIES_MAX {
        return OpenFrom::Latest(UNREAD_ENTRIES_MAX);
    }
    OpenFrom::Cursor(Cursor { seq: Seq(start), ..head })
}

/// Entries shown before what is unread.
const CONTEXT_ENTRIES: u64 = 20;
/// Unread entries shown at most: more than anybody scrolls through. `history` has the rest.
const UNREAD_ENTRIES_MAX: u64 = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_client::protocol::Incarnation;

    #[test]
    fn a_conversation_begins_at_what_is_unread() {
        let head = |seq| Cursor { incarnation: Incarnation(7), seq: Seq(seq) };
        let from = |seq| OpenFrom::Cursor(head(seq));
        assert_eq!(origin(None, head(0)), from(0));
        assert_eq!(origin(None, head(100)), from(80));
        assert_eq!(origin(Some(Seq(99)), head(100)), from(80));
        assert_eq!(origin(Some(Seq(10)), head(100)), from(10));
        assert_eq!(origin(Some(Seq(10)), head(511)), OpenFrom::Latest(500));
        // A marker from before a restore lies ahead of the head.
        assert_eq!(origin(Some(Seq(900)), head(100)), from(80));
    }
}
