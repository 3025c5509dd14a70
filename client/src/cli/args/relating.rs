//! The words for saying something about what was said.

use clap::Args;
use quipu_client::protocol::{Emoji, Nickname, RoomName, Topic};

use super::moderation::Why;
use crate::cli::parse::{self, RoomRef};

/// An entry of a room.
#[derive(Debug, Args)]
pub(crate) struct OneEntry {
    /// `name`, `#name`, `@nickname` or an id
    pub(crate) room: RoomRef,
    /// Which entry
    #[arg(value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seq: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Edit {
    #[command(flatten)]
    pub(crate) at: OneEntry,
    /// What it shall say
    #[arg(value_name = "TEXT", required = true)]
    pub(crate) text: Vec<String>,
    #[command(flatten)]
    pub(crate) calls: Calls,
}

/// Whom a message calls.
#[derive(Debug, Args)]
pub(crate) struct Calls {
    /// Somebody the message calls; may be repeated
    #[arg(long, value_name = "NICKNAME", value_parser = parse::nickname)]
    pub(crate) mention: Vec<Nickname>,
    /// It calls everybody in the room
    #[arg(long)]
    pub(crate) mention_room: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Redact {
    #[command(flatten)]
    pub(crate) at: OneEntry,
    #[command(flatten)]
    pub(crate) why: Why,
}

#[derive(Debug, Args)]
pub(crate) struct React {
    #[command(flatten)]
    pub(crate) at: OneEntry,
    /// An emoji, or a short word
    #[arg(value_name = "EMOJI")]
    pub(crate) emoji: Emoji,
}

#[derive(Debug, Args)]
pub(crate) struct TopicOf {
    /// `name`, `#name` or an id
    pub(crate) room: RoomRef,
    /// What it is about from now on; left out: show what it is about
    #[arg(value_name = "TEXT")]
    pub(crate) topic: Option<Topic>,
    /// Nothing in particular
    #[arg(long, conflicts_with = "topic")]
    pub(crate) none: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rename {
    /// `name`, `#name` or an id
    pub(crate) room: RoomRef,
    /// Lowercase letters, digits and `-`
    #[arg(value_name = "NAME", value_parser = super::room_name)]
    pub(crate) name: RoomName,
}
