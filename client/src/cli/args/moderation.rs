//! The words for keeping order.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use quipu_client::protocol::Nickname;
use quipu_client::protocol::request::{Permissions, Reason, RoomRole, ServerRole};

use crate::cli::parse::{self, RoomRef};

/// Somebody in a room, and why.
#[derive(Debug, Args)]
pub(crate) struct Against {
    /// `name`, `#name` or an id
    pub(crate) room: RoomRef,
    /// Who
    #[arg(value_name = "NICKNAME", value_parser = parse::nickname)]
    pub(crate) person: Nickname,
    #[command(flatten)]
    pub(crate) why: Why,
}

/// The same for a time.
#[derive(Debug, Args)]
pub(crate) struct Sanctioned {
    #[command(flatten)]
    pub(crate) whom: Against,
    /// For how long [default: until it is lifted]
    #[arg(long = "for", value_name = "DURATION", value_parser = parse::duration)]
    pub(crate) life: Option<Duration>,
}

/// An account.
#[derive(Debug, Args)]
pub(crate) struct Person {
    /// Who
    #[arg(value_name = "NICKNAME", value_parser = parse::nickname)]
    pub(crate) person: Nickname,
    #[command(flatten)]
    pub(crate) why: Why,
}

#[derive(Debug, Args)]
pub(crate) struct Why {
    /// Why, for people
    #[arg(long, value_name = "TEXT", value_parser = parse::reason)]
    pub(crate) reason: Option<Reason>,
}

#[derive(Debug, Args)]
pub(crate) struct Role {
    /// `name`, `#name` or an id
    pub(crate) room: RoomRef,
    /// Who
    #[arg(value_name = "NICKNAME", value_parser = parse::nickname)]
    pub(crate) person: Nickname,
    /// reader, member, moderator or owner
    #[arg(value_name = "ROLE", value_parser = parse::room_role)]
    pub(crate) role: RoomRole,
    #[command(flatten)]
    pub(crate) why: Why,
}

#[derive(Debug, Args)]
pub(crate) struct PermissionsOf {
    /// `name`, `#name` or an id
    pub(crate) room: RoomRef,
    /// Who
    #[arg(value_name = "NICKNAME", value_parser = parse::nickname)]
    pub(crate) person: Nickname,
    /// What they may do from now on, instead of what their role allows; without any: show what they have
    #[arg(value_name = "PERMISSION", value_parser = parse::permission)]
    pub(crate) set: Vec<Permissions>,
    /// What their role allows again
    #[arg(long, conflicts_with = "set")]
    pub(crate) of_role: bool,
    #[command(flatten)]
    pub(crate) why: Why,
}

#[derive(Debug, Args)]
pub(crate) struct ServerRoleOf {
    /// Who
    #[arg(value_name = "NICKNAME", value_parser = parse::nickname)]
    pub(crate) person: Nickname,
    /// guest, member, admin or owner
    #[arg(value_name = "ROLE", value_parser = parse::server_role)]
    pub(crate) role: ServerRole,
    #[command(flatten)]
    pub(crate) why: Why,
}

/// What to do with a room.
#[derive(Debug, Subcommand)]
pub(crate) enum RoomCommand {
    /// Change settings of a room
    Set(RoomSet),
}

#[derive(Debug, Args)]
// Not `group` of the struct itself: the room would be one of it.
#[command(group(ArgGroup::new("settings").required(true).multiple(true).args(["read_only", "invite_only", "slow"])))]
pub(crate) struct RoomSet {
    /// `name`, `#name` or an id
    pub(crate) room: RoomRef,
    /// Only moderators speak, and members with explicit permissions
    #[arg(long, value_name = "ON|OFF", value_enum)]
    pub(crate) read_only: Option<Switch>,
    /// Nobody enters who was not invited
    #[arg(long, value_name = "ON|OFF", value_enum)]
    pub(crate) invite_only: Option<Switch>,
    /// Least time between two messages of one member; 0s for none
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub(crate) slow: Option<Duration>,
    #[command(flatten)]
    pub(crate) why: Why,
}

/// A setting that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// It holds.
    On,
    /// It does not.
    Off,
}

impl From<Switch> for bool {
    fn from(switch: Switch) -> Self {
        switch == Switch::On
    }
}

#[derive(Debug, Args)]
#[group(id = "where", required = true, multiple = false, args = ["room", "everywhere"])]
pub(crate) struct PurgeUser {
    /// Whose words
    #[arg(value_name = "NICKNAME", value_parser = parse::nickname)]
    pub(crate) person: Nickname,
    /// In this room
    #[arg(long, value_name = "ROOM")]
    pub(crate) room: Option<RoomRef>,
    /// In all rooms
    #[arg(long, conflicts_with = "room")]
    pub(crate) everywhere: bool,
    #[command(flatten)]
    pub(crate) why: Why,
}

#[derive(Debug, Args)]
pub(crate) struct ReportEntry {
    /// `name`, `#name`, `@nickname` or an id
    pub(crate) room: RoomRef,
    /// Which entry
    #[arg(value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seq: u64,
    /// What is wrong with it
    #[arg(value_name = "TEXT", value_parser = parse::reason)]
    pub(crate) reason: Reason,
}

#[derive(Debug, Args)]
pub(crate) struct ReportsOf {
    /// Of this room; without it of all, for those who run the server
    pub(crate) room: Option<RoomRef>,
}

#[derive(Debug, Args)]
pub(crate) struct ResolveReport {
    /// Its number, as `quipu reports` shows it
    #[arg(value_name = "NUMBER")]
    pub(crate) report: u64,
    #[command(flatten)]
    pub(crate) why: Why,
}

#[derive(Debug, Args)]
pub(crate) struct AuditOf {
    /// Of this room; without it of everything, for those who run the server
    pub(crate) room: Option<RoomRef>,
    /// How many acts
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=5_000))]
    pub(crate) limit: u64,
}
