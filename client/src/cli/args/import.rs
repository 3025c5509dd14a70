//! The words about bringing in what was said elsewhere, and taking a room's log out.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::super::parse::{self, Day, RoomRef};

/// What to bring in.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// The log of an IRC channel
    Irc(ImportIrc),
    /// A Slack export, unpacked
    Slack(ImportSlack),
}

#[derive(Debug, Args)]
pub(crate) struct ImportIrc {
    /// The log; of several, the oldest first
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The room it goes into; you must be one of those who manage it
    #[arg(long, value_name = "ROOM")]
    pub(crate) room: RoomRef,
    /// The day of the first line, as 2026-11-25 [default: the one in the file's name]
    #[arg(long, value_name = "DAY", value_parser = parse::day)]
    pub(crate) date: Option<Day>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportSlack {
    /// The folder that the export was unpacked into
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Only this channel; may be repeated [default: all of them]
    #[arg(long = "channel", value_name = "NAME")]
    pub(crate) channels: Vec<String>,
    /// The room that the one channel goes into [default: one called like the channel, made if there is none]
    #[arg(long, value_name = "ROOM")]
    pub(crate) room: Option<RoomRef>,
}
