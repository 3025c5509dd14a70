//! Bots: accounts of programs. Somebody owns each of them, and each may do less than it might: its scope.

use crate::id::{InviteId, RoomId, UserId};
use crate::limits::{BOT_ROOMS_MAX, ROWS_MAX};
use crate::name::Nickname;
use crate::request::Permissions;
use crate::wire::{Blob, List, wire_map};

wire_map! {
    /// Makes an account for a program of the asker's, and an invite for its first device.
    pub struct CreateBot {
        required {
            /// What it shall be called.
            1 => nickname: Nickname,
            /// What it may do at most.
            2 => scope: Permissions,
        }
        optional {
            /// Rooms it joins at once; it sees no others. Left out: it sees whatever a member of the server does.
            3 => rooms: List<RoomId, BOT_ROOMS_MAX>,
        }
    }
}

wire_map! {
    /// Makes an invite for one more device of a bot: for its first key after the invite ended, or for another key.
    pub struct InviteBot {
        required {
            /// Which bot.
            1 => user: UserId,
        }
        optional {}
    }
}

wire_map! {
    /// Answers [`CreateBot`] and [`InviteBot`]. The secret is shown once and kept nowhere.
    pub struct BotAnswer {
        required {
            /// The bot's account.
            1 => user: UserId,
            /// Names the invite.
            2 => invite: InviteId,
            /// What the link carries.
            3 => secret: Blob<16>,
            /// When it ends, unix milliseconds.
            4 => expires_ms: u64,
        }
        optional {}
    }
}

wire_map! {
    /// The asker's bots; an admin sees all.
    pub struct ListBots {
        required {}
        optional {
            /// Continue behind this account.
            1 => after: UserId,
        }
    }
}

wire_map! {
    /// One bot.
    pub struct BotInfo {
        required {
            /// Its account.
            1 => user: UserId,
            /// What it is called.
            2 => nickname: Nickname,
            /// Whose it is.
            3 => owner: UserId,
            /// What it may do at most.
            4 => scope: Permissions,
            /// When it was made, unix milliseconds.
            5 => created_ms: u64,
            /// How many devices it has, without those that were revoked.
            6 => devices: u64,
        }
        optional {
            /// The rooms it is held to.
            7 => rooms: List<RoomId, BOT_ROOMS_MAX>,
            /// When it was revoked, unix milliseconds.
            8 => revoked_ms: u64,
        }
    }
}

wire_map! {
    /// Answers a [`ListBots`].
    pub struct Bots {
        required {
            /// One row a bot, by id.
            1 => bots: List<BotInfo, ROWS_MAX>,
            /// Whether there are more.
            2 => more: bool,
        }
        optional {}
    }
}

wire_map! {
    /// Changes what a bot may do at most. Its connections end, and come back with the new scope.
    pub struct ChangeBot {
        required {
            /// Which bot.
            1 => user: UserId,
            /// What it may do at most from now on.
            2 => scope: Permissions,
        }
        optional {
            /// The rooms it is held to from now on; those it is not in, it does not join by this.
            3 => rooms: List<RoomId, BOT_ROOMS_MAX>,
        }
    }
}

wire_map! {
    /// Shuts a bot out for ever: its devices, its invites and its webhooks end. What it wrote stays.
    pub struct RevokeBot {
        required {
            /// Which bot.
            1 => user: UserId,
        }
        optional {}
    }
}
