//! The words about a program that is run for each entry.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use super::super::parse;

#[derive(Debug, Clone, Args)]
pub(crate) struct Exec {
    /// Run this program for each entry, one after the other, with the entry as JSON on its standard input
    #[arg(long = "exec", value_name = "PROGRAM")]
    pub(crate) program: Option<OsString>,
    /// Say what the program prints in the room, as the answer to the message
    #[arg(long, requires = "program")]
    pub(crate) reply: bool,
    /// How long the program may take for one entry
    #[arg(long = "exec-timeout", value_name = "DURATION", default_value = "60s", requires = "program", value_parser = parse::duration)]
    pub(crate) within: Duration,
    /// How often it is tried for one entry
    #[arg(long, value_name = "N", default_value_t = 3, requires = "program", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) attempts: u32,
    /// Go on behind an entry for which every attempt failed, instead of ending there
    #[arg(long, requires = "program")]
    pub(crate) skip_failed: bool,
    /// Arguments of the program
    #[arg(last = true, value_name = "ARG", requires = "program")]
    pub(crate) arguments: Vec<OsString>,
}
