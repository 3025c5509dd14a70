//! Samples of what follows from entries about entries: reactions, pins, and what a room is called and about.

use quipu_protocol::request::*;
use quipu_protocol::{List, Seq};

use super::{ADA, AT_MS, BOB, LOBBY, Sample, TEAM, fits, frame, name};

pub fn samples() -> Vec<Sample> {
    let list = |after| ListReactions { room: LOBBY, seq: Seq(42), after };
    let row = |emoji: &str, user, nickname: &str, seq| ReactionInfo {
        emoji: name(emoji),
        user,
        nickname: name(nickname),
        seq: Seq(seq),
    };
    let rows = vec![row("+1", ADA, "Ada", 43), row("👍", BOB, "bob", 44)];
    let tallies = vec![
        Tally { emoji: name("+1"), users: 1, own: true },
        Tally { emoji: name("👍"), users: 12, own: false },
    ];
    let pin = |by| PinInfo { seq: Seq(7), pin: Seq(45), at_ms: AT_MS, by };
    vec![
        frame("list-reactions", list(None)),
        frame("list-reactions-after", list(Some(ReactionKey { emoji: name("+1"), user: ADA }))),
        frame("tallies", Tallies { seq: Seq(42), tallies: fits(List::new(tallies)) }),
        frame("reactions", Reactions { reactions: fits(List::new(rows)), more: false }),
        frame("reactions-none", Reactions { reactions: List::default(), more: false }),
        frame("list-pins", ListPins { room: LOBBY, after: None }),
        frame("list-pins-after", ListPins { room: LOBBY, after: Some(Seq(7)) }),
        frame("pins", Pins { pins: fits(List::new(vec![pin(Some(ADA)), pin(None)])), more: true }),
        frame("set-topic", SetTopic { room: TEAM, topic: Some(name("for all")) }),
        frame("set-topic-none", SetTopic { room: TEAM, topic: None }),
        frame("rename-room", RenameRoom { room: TEAM, name: name("team-5") }),
    ]
}
