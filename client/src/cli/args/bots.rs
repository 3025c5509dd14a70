//! The words about programs: bots and webhooks.

use clap::{Args, Subcommand};
use quipu_client::protocol::request::Permissions;
use quipu_client::protocol::{HookId, Nickname};

use super::super::parse::{self, RoomRef};

#[derive(Debug, Args)]
pub(crate) struct Bots {
    #[command(subcommand)]
    pub(crate) command: Option<BotCommand>,
}

/// What to do with bots.
#[derive(Debug, Subcommand)]
pub(crate) enum BotCommand {
    /// Make a bot and print the link for its device
    New {
        /// What it shall be called
        #[arg(value_name = "NICKNAME", value_parser = parse::nickname)]
        nickname: Nickname,
        #[command(flatten)]
        bounds: Bounds,
    },
    /// Print a link for one more device of a bot
    Invite {
        /// Which bot
        #[arg(value_name = "NICKNAME", value_parser = parse::nickname)]
        nickname: Nickname,
    },
    /// Change what a bot may do, at once
    Hold {
        /// Which bot
        #[arg(value_name = "NICKNAME", value_parser = parse::nickname)]
        nickname: Nickname,
        #[command(flatten)]
        bounds: Bounds,
    },
    /// Shut a bot out, at once and for ever
    Revoke {
        /// Which bot
        #[arg(value_name = "NICKNAME", value_parser = parse::nickname)]
        nickname: Nickname,
    },
}

/// What a bot may do at most.
#[derive(Debug, Args)]
pub(crate) struct Bounds {
    /// Permissions, comma-separated: read, send, react, upload, pin, invite, … or `all`
    #[arg(long, value_name = "PERMISSIONS", default_value = "read,send,react", value_parser = parse::scope)]
    pub(crate) may: Permissions,
    /// It sees this room and no others but those named so; a new bot joins it. May be repeated
    #[arg(long = "room", value_name = "ROOM")]
    pub(crate) rooms: Vec<RoomRef>,
}

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
pub(crate) enum HookCommand {
    /// Make a webhook into a room and print its address
    New {
        /// `name`, `#name` or an id
        room: RoomRef,
        /// The bot it speaks as
        #[arg(long, value_name = "NICKNAME", value_parser = parse::nickname)]
        bot: Nickname,
    },
    /// List the webhooks into a room
    List {
        /// `name`, `#name` or an id
        room: RoomRef,
    },
    /// End a webhook
    Revoke {
        /// Its id, as `quipu hooks list` shows it
        hook: HookId,
    },
}
