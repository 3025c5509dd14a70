//! The words of the command line, and nothing of what they do.
//!
//! Values are parsed here, so that a mistake is told before a profile is opened or a socket exists.

mod bots;
mod exec;
mod files;
mod import;
mod moderation;
mod presence;
mod relating;
mod retention;
#[cfg(test)]
mod tests;
mod unread;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use quipu_client::protocol::request::ServerRole;
use quipu_client::protocol::{DeviceId, InviteId, Nickname, RoomName, Topic};

pub(crate) use self::bots::*;
pub(crate) use self::exec::*;
pub(crate) use self::files::*;
pub(crate) use self::import::*;
pub(crate) use self::moderation::*;
pub(crate) use self::presence::*;
pub(crate) use self::relating::*;
pub(crate) use self::retention::*;
pub(crate) use self::unread::*;
use super::parse::{self, Key, RoomRef, Since};
use super::search::{Place, When};

/// Talk with others over a Quipu server.
#[derive(Debug, Parser)]
#[command(name = "quipu", version, about, after_help = EXIT_CODES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Which profile: one account on one server
    #[arg(long, global = true, env = "QUIPU_PROFILE", value_name = "NAME", default_value = "default", value_parser = parse::profile)]
    pub(crate) profile: String,
    /// Folder of the profiles [default: quipu in the user's data folder]
    #[arg(long, global = true, env = "QUIPU_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print one JSON object per line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show times in UTC instead of local time
    #[arg(long, global = true)]
    pub(crate) utc: bool,
    /// How long to wait for the server
    #[arg(long, global = true, value_name = "DURATION", default_value = "10s", value_parser = parse::duration)]
    pub(crate) timeout: Duration,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Redeem an invite: make this profile an account's device
    Join(Join),
    /// List your rooms, and what is unread in them
    Rooms(Rooms),
    /// Make a room
    Create(Create),
    /// Become a member of a room that is public, or that you were invited to
    Enter(OneRoom),
    /// Be a member of a room no longer
    Leave(OneRoom),
    /// Allow somebody into a room
    Add(RoomAndPerson),
    /// Send somebody out of a room, or take an invitation back
    Remove(RoomAndPerson),
    /// List who is in a room
    #[command(visible_alias = "who")]
    Members(OneRoom),
    /// Say that you are away, on all your devices
    Away(Away),
    /// Say that you are here again
    Back,
    /// What others may know of you; show it or change it
    Settings(Settings),
    /// List how far others have read in a room
    Receipts(OneRoom),
    /// Mark a room as read, on all your devices
    Read(Read),
    /// Let a room be unread again from an entry on
    Unread(Unread),
    /// What of a room is worth a signal; show it or change it
    Notify(Notify),
    /// List messages that call you
    Mentions(Mentions),
    /// Say something
    Send(Send),
    /// Change the text of a message of yours
    Edit(Edit),
    /// Erase a message for everybody
    Redact(Redact),
    /// React to a message
    React(React),
    /// Take a reaction back
    Unreact(React),
    /// List who reacts how to a message
    Reactions(OneEntry),
    /// Pin a message
    Pin(OneEntry),
    /// Take a pin off
    Unpin(OneEntry),
    /// List what is pinned in a room
    Pins(OneRoom),
    /// Say what a room is about, or show it
    Topic(TopicOf),
    /// Call a room differently
    Rename(Rename),
    /// Bring files to the server, for a message to come
    Upload(Upload),
    /// List the files of a room
    Files(Files),
    /// Bring the files of a message to this machine
    Download(Download),
    /// Follow rooms
    Tail(Tail),
    /// Read back in a room
    History(History),
    /// Find messages by what they say
    Search(Search),
    /// Talk in a room, line by line
    Chat(OneRoom),
    /// Invites to the server, and for your other devices
    #[command(subcommand)]
    Invite(Invite),
    /// List your devices, or shut one out
    Devices(Devices),
    /// Give a member another role
    Role(Role),
    /// Give a member explicit permissions, or show what they have
    Permissions(PermissionsOf),
    /// Send somebody out of a room, and say why
    Kick(Against),
    /// Keep somebody out of a room, also who is not there
    Ban(Sanctioned),
    /// Let a banned person in again
    Unban(Against),
    /// Let somebody read a room and not be heard
    Mute(Sanctioned),
    /// Let a muted person be heard again
    Unmute(Against),
    /// List who is banned or muted in a room
    Bans(OneRoom),
    /// Change settings of a room
    #[command(subcommand)]
    Room(RoomCommand),
    /// Make another member the owner of a room
    Transfer(Against),
    /// Tell the moderators of a message
    Report(ReportEntry),
    /// List reports that wait
    Reports(ReportsOf),
    /// Take a report off the list
    Resolve(ResolveReport),
    /// List what was done in a room, or on the server
    Audit(AuditOf),
    /// Shut an account out
    Deactivate(Person),
    /// Let a deactivated account in again
    Reactivate(Person),
    /// Give an account another role on the server
    ServerRole(ServerRoleOf),
    /// Erase everything somebody wrote, in a room or everywhere
    PurgeUser(PurgeUser),
    /// Bring in what was said elsewhere
    #[command(subcommand)]
    Import(ImportCommand),
    /// Print a room's whole log as JSON lines
    ExportRoom(OneRoom),
    /// Bots you own: make, list, hold to a scope, shut out
    Bots(Bots),
    /// Webhooks: addresses at which programs say something in a room
    #[command(subcommand)]
    Hooks(HookCommand),
    /// Show or change what a room keeps
    #[command(subcommand)]
    Retention(RetentionCommand),
    /// Delete a room for good, with everything in it
    DeleteRoom(DeleteRoomArgs),
    /// Delete an account for good
    DeleteAccount(DeleteAccountArgs),
    /// Print all that the server keeps of your account, as JSON
    Export(Export),
    /// Show who this profile is; works offline
    Whoami,
    /// Try each step of connecting, one by one
    Doctor(Doctor),
    /// Print a completion script
    Completions(Completions),
}

#[derive(Debug, Args)]
pub(crate) struct Join {
    /// The invite, or `-` to read it from standard input
    #[arg(value_name = "LINK")]
    pub(crate) link: String,
    /// What people shall call you; asked for on a terminal
    #[arg(long, value_name = "NAME", value_parser = parse::nickname)]
    pub(crate) nick: Option<Nickname>,
    /// What this device shall be called [default: the machine's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) device_name: Option<quipu_client::protocol::DeviceName>,
    /// Do not ask whether the server is the right one
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rooms {
    /// Also public rooms you are not in
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Lowercase letters, digits and `-`
    #[arg(value_name = "NAME", value_parser = room_name)]
    pub(crate) name: RoomName,
    /// Only those who are added see it
    #[arg(long)]
    pub(crate) private: bool,
    /// What it is about
    #[arg(long, value_name = "TEXT")]
    pub(crate) topic: Option<Topic>,
}

#[derive(Debug, Args)]
pub(crate) struct OneRoom {
    /// `name`, `#name`, `@nickname` or an id
    pub(crate) room: RoomRef,
}

#[derive(Debug, Args)]
pub(crate) struct RoomAndPerson {
    /// `name`, `#name` or an id
    pub(crate) room: RoomRef,
    /// Who
    #[arg(value_name = "NICKNAME", value_parser = parse::nickname)]
    pub(crate) person: Nickname,
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// `name`, `#name`, `@nickname` or an id
    pub(crate) room: RoomRef,
    /// What to say; `-` alone: all of standard input is one message
    #[arg(value_name = "TEXT", required_unless_present_any = ["each_line", "file", "attach"])]
    pub(crate) text: Vec<String>,
    /// Every line of standard input (or of --file) is a message of its own
    #[arg(long)]
    pub(crate) each_line: bool,
    /// Send the text in a file instead
    #[arg(long, value_name = "PATH", conflicts_with = "text")]
    pub(crate) file: Option<PathBuf>,
    /// A file that goes with the message; may be repeated
    #[arg(long, value_name = "PATH", conflicts_with = "each_line")]
    pub(crate) attach: Vec<PathBuf>,
    /// Your own name for the message: the same again is sent once
    #[arg(long, value_name = "KEY")]
    pub(crate) id: Option<Key>,
    /// The message this one answers
    #[arg(long, value_name = "SEQ", conflicts_with = "each_line", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) reply_to: Option<u64>,
    /// The first message of the thread this one is in
    #[arg(long, value_name = "SEQ", conflicts_with = "each_line", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) thread: Option<u64>,
    #[command(flatten)]
    pub(crate) calls: Calls,
    /// Nobody sees it any more after this time
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["each_line", "id"], value_parser = parse::duration)]
    pub(crate) expires: Option<Duration>,
    /// Until when to wait
    #[arg(long, value_enum, default_value = "ack")]
    pub(crate) wait: Wait,
}

/// When `send` is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wait {
    /// When the server has it on stable storage
    Ack,
    /// When the outbox of this machine has it
    Queued,
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Which rooms [default: all you are in]
    #[arg(value_name = "ROOM")]
    pub(crate) rooms: Vec<RoomRef>,
    /// Where to begin: 1h, a cursor, a time, `start` or `resume` [default: the newest 10; with --exec `resume`]
    #[arg(long, value_name = "WHERE")]
    pub(crate) since: Option<Since>,
    /// Stop when everything there is was shown
    #[arg(long)]
    pub(crate) until_caught_up: bool,
    /// Stop after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// Also messages of your own account
    #[arg(long)]
    pub(crate) own: bool,
    #[command(flatten)]
    pub(crate) exec: Exec,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// `name`, `#name`, `@nickname` or an id
    pub(crate) room: RoomRef,
    /// Just before this entry
    #[arg(long, value_name = "SEQ", conflicts_with = "after")]
    pub(crate) before: Option<u64>,
    /// Just after this entry
    #[arg(long, value_name = "SEQ")]
    pub(crate) after: Option<u64>,
    /// Around this entry, as `search` shows it
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["before", "after"])]
    pub(crate) around: Option<u64>,
    /// Only the thread that begins at this entry
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) thread: Option<u64>,
    /// How many entries
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=HISTORY_ENTRIES_MAX))]
    pub(crate) limit: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Words that must be there, in any order; '"a phrase"' in quotes of its own, begin* for a beginning
    #[arg(value_name = "WORDS")]
    pub(crate) words: Vec<String>,
    /// Words, or a phrase, that must not be there
    #[arg(long, value_name = "WORDS")]
    pub(crate) without: Vec<String>,
    /// Only in this room [default: all you are in]
    #[arg(long, value_name = "ROOM")]
    pub(crate) room: Vec<RoomRef>,
    /// Only by this person
    #[arg(long, value_name = "NICKNAME", value_parser = parse::nickname)]
    pub(crate) from: Option<Nickname>,
    /// Not before: so long ago (1h), or a time
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<When>,
    /// Before: so long ago (1h), or a time
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<When>,
    /// Only messages with a file
    #[arg(long)]
    pub(crate) has_file: bool,
    /// How many messages
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=HISTORY_ENTRIES_MAX))]
    pub(crate) limit: u64,
    /// Go on where an earlier search stopped, as it printed it
    #[arg(long, value_name = "PLACE")]
    pub(crate) next: Option<Place>,
}

/// What to do with invites.
#[derive(Debug, Subcommand)]
pub(crate) enum Invite {
    /// Make an invite and print its link
    New(InviteNew),
    /// List the invites you made
    List,
    /// Take an invite back
    Revoke {
        /// Its id, as `quipu invite list` shows it
        invite: InviteId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct InviteNew {
    /// How often it may be redeemed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) uses: u64,
    /// How long it may be redeemed [default: 48h, 10m with --device]
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub(crate) expires: Option<Duration>,
    /// A room the newcomer is in at once
    #[arg(long, value_name = "ROOM")]
    pub(crate) room: Option<RoomRef>,
    /// Role of the newcomer: guest, bot, member or admin
    #[arg(long, value_name = "ROLE", value_parser = parse::role)]
    pub(crate) role: Option<ServerRole>,
    /// Another device for your own account instead of a newcomer
    #[arg(long, conflicts_with_all = ["uses", "room", "role"])]
    pub(crate) device: bool,
    /// Also draw the link as a QR code
    #[arg(long)]
    pub(crate) qr: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Devices {
    #[command(subcommand)]
    pub(crate) command: Option<DeviceCommand>,
}

/// What to do with devices.
#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// Shut a device out, at once and for ever
    Revoke {
        /// Its id, as `quipu devices` shows it
        device: DeviceId,
        /// Yes, even this very device
        #[arg(long)]
        this: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// An invite to try instead of this profile's server, or `-` to read it from standard input
    pub(crate) link: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// For which shell
    pub(crate) shell: Shell,
}

fn room_name(text: &str) -> Result<RoomName, quipu_client::protocol::name::NameError> {
    text.strip_prefix('#').unwrap_or(text).parse()
}

/// Entries `history` shows at most: it keeps them all in memory to print them in order.
pub(crate) const HISTORY_ENTRIES_MAX: u64 = 5_000;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 other failure, 2 usage, 3 not found, 4 not allowed, 5 not reachable,
6 the server's key does not match, 7 no common version, 8 kept in the outbox and not yet
acknowledged, 130 interrupted. Data goes to standard output, everything else to standard error.";
