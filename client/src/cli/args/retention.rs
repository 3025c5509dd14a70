//! The words for how long things stay.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use quipu_client::protocol::Nickname;

use super::moderation::Why;
use crate::cli::parse::{self, RoomRef};

/// What to do about what a room keeps.
#[derive(Debug, Subcommand)]
pub(crate) enum RetentionCommand {
    /// Show what a room keeps
    Show {
        /// `name`, `#name`, `@nickname` or an id
        room: RoomRef,
    },
    /// Change what a room keeps; 0 takes the room's own word back
    Set(RetentionSet),
}

#[derive(Debug, Args)]
// Not `group` of the struct itself: the room would be one of it.
#[command(group(ArgGroup::new("keeps").required(true).multiple(true).args(["age", "count", "bytes", "life"])))]
pub(crate) struct RetentionSet {
    /// `name`, `#name`, `@nickname` or an id
    pub(crate) room: RoomRef,
    /// No entry older than this; 0s for no bound of the room's own
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub(crate) age: Option<Duration>,
    /// The newest so many entries
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// The newest entries that take so many bytes
    #[arg(long, value_name = "N")]
    pub(crate) bytes: Option<u64>,
    /// How long a message stays that does not say so itself
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub(crate) life: Option<Duration>,
    #[command(flatten)]
    pub(crate) why: Why,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteRoomArgs {
    /// `name`, `#name`, `@nickname` or an id
    pub(crate) room: RoomRef,
    /// The room's name once more, or the id of one that has none: it is for good
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm: String,
    #[command(flatten)]
    pub(crate) why: Why,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteAccountArgs {
    /// Whose account [default: your own]
    #[arg(value_name = "NICKNAME", value_parser = parse::nickname)]
    pub(crate) person: Option<Nickname>,
    /// Its nickname once more: it is for good
    #[arg(long, value_name = "NICKNAME", value_parser = parse::nickname)]
    pub(crate) confirm: Nickname,
    /// Also erase everything it wrote
    #[arg(long)]
    pub(crate) erase: bool,
    #[command(flatten)]
    pub(crate) why: Why,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Also bring the files of your messages, into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) files: Option<PathBuf>,
}
