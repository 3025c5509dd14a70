//! The real server and the real client in one process over loopback, and the rules of the tree.
//!
//! One binary for all of it: linking is most of what a test build costs. A module each world, named after it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

mod abuse_raw;
mod auth_raw;
mod backup;
mod binaries;
mod bots;
mod bounds_raw;
mod command_line;
mod crash;
mod devices_raw;
mod entries;
mod files_raw;
mod frames;
mod garbage;
mod harness;
mod invites_raw;
mod limits_raw;
mod memory;
mod moderation;
mod panics;
mod power;
mod presence;
mod receipts;
mod relay_raw;
mod replay;
mod retention;
mod room_invites_raw;
mod search;
mod secrets;
mod startup;
mod stop;
mod tidy;
mod tour;
mod trimming;
mod typing;
mod unread;
mod webhooks;
