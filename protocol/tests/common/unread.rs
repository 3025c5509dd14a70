//! Samples of what is unread again, and who is called.

use quipu_protocol::request::{ListMentions, MarkUnread, Mention, Mentions, Notify, SearchPlace, SetNotify};
use quipu_protocol::{List, Seq};

use super::{AT_MS, LOBBY, Sample, TEAM, at, fits, frame};

pub fn samples() -> Vec<Sample> {
    let place = || Some(SearchPlace { at_ms: AT_MS, room: TEAM, seq: Seq(9) });
    let row = |room, seq, unread, everybody| Mention { room, at: at(seq), unread, everybody };
    let rows = vec![row(LOBBY, 42, true, false), row(TEAM, 9, false, true)];
    vec![
        frame("mark-unread", MarkUnread { room: LOBBY, from: Seq(12) }),
        frame("set-notify", SetNotify { room: LOBBY, level: Notify::MENTIONS }),
        frame("list-mentions", ListMentions { limit: 64, after: None, unread: None }),
        frame("list-mentions-unread", ListMentions { limit: 2, after: place(), unread: Some(true) }),
        frame("mentions", Mentions { rows: fits(List::new(rows)), next: place() }),
        frame("mentions-none", Mentions { rows: List::default(), next: None }),
    ]
}
