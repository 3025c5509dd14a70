//! The words of files.

use std::path::PathBuf;

use clap::Args;

use super::HISTORY_ENTRIES_MAX;
use crate::cli::parse::RoomRef;

#[derive(Debug, Args)]
pub(crate) struct Upload {
    /// `name`, `#name`, `@nickname` or an id
    pub(crate) room: RoomRef,
    /// Which files
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Files {
    /// `name`, `#name`, `@nickname` or an id
    pub(crate) room: RoomRef,
    /// Just before this entry
    #[arg(long, value_name = "SEQ")]
    pub(crate) before: Option<u64>,
    /// How many messages with files
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=HISTORY_ENTRIES_MAX))]
    pub(crate) limit: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Download {
    /// `name`, `#name`, `@nickname` or an id
    pub(crate) room: RoomRef,
    /// The message with the files
    #[arg(value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seq: u64,
    /// Folder they are kept in
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) to: PathBuf,
    /// Go on with what an earlier try has brought
    #[arg(long)]
    pub(crate) resume: bool,
}
