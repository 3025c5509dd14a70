//! The words of what is unread: `read`, `unread`, `notify` and `mentions`.

use clap::{Args, ValueEnum};
use quipu_client::protocol::request;

use crate::cli::parse::RoomRef;

#[derive(Debug, Args)]
pub(crate) struct Read {
    /// `name`, `#name`, `@nickname` or an id
    pub(crate) room: RoomRef,
    /// Up to this entry [default: all there is]
    pub(crate) seq: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Unread {
    /// `name`, `#name`, `@nickname` or an id
    pub(crate) room: RoomRef,
    /// The first entry that shall be unread
    pub(crate) seq: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Notify {
    /// `name`, `#name`, `@nickname` or an id
    pub(crate) room: RoomRef,
    /// From now on; left out: show what it is
    #[arg(value_enum)]
    pub(crate) level: Option<Level>,
}

/// What of a room is worth a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// Everything
    All,
    /// What calls you
    Mentions,
    /// Nothing: the room is muted
    Nothing,
}

impl From<Level> for request::Notify {
    fn from(level: Level) -> Self {
        match level {
            Level::All => Self::ALL,
            Level::Mentions => Self::MENTIONS,
            Level::Nothing => Self::NOTHING,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Mentions {
    /// Only in what is unread
    #[arg(long)]
    pub(crate) unread: bool,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(crate) limit: u64,
}
