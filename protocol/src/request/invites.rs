//! Invites to the server. Their secrets are told once, to whoever made them.

use crate::id::{InviteId, RoomId, UserId};
use crate::limits::ROWS_MAX;
use crate::request::ServerRole;
use crate::wire::{Blob, List, wire_map};

wire_map! {
    /// Makes an invite to the server, or another device's way into the asker's own account.
    pub struct CreateInvite {
        required {
            /// How often it may be redeemed.
            1 => uses: u64,
            /// How long it may be redeemed, in milliseconds.
            2 => life_ms: u64,
        }
        optional {
            /// A room the newcomer joins at once.
            3 => room: RoomId,
            /// Role of the newcomer; a member when left out.
            4 => role: ServerRole,
            /// True: a device for the asker's own account instead of a new account.
            5 => own_device: bool,
        }
    }
}

wire_map! {
    /// Answers a [`CreateInvite`]. The secret is shown once and kept nowhere.
    pub struct InviteAnswer {
        required {
            /// Names the invite.
            1 => invite: InviteId,
            /// What the link carries.
            2 => secret: Blob<16>,
            /// When it ends, unix milliseconds.
            3 => expires_ms: u64,
        }
        optional {}
    }
}

wire_map! {
    /// Invites the asker made; an admin sees all.
    pub struct ListInvites {
        required {}
        optional {
            /// Continue behind this invite.
            1 => after: InviteId,
        }
    }
}

wire_map! {
    /// One invite.
    pub struct InviteInfo {
        required {
            /// The invite.
            1 => invite: InviteId,
            /// How often it may still be redeemed.
            2 => uses_left: u64,
            /// When it ends, unix milliseconds.
            3 => expires_ms: u64,
            /// Whether it was taken back.
            4 => revoked: bool,
            /// Who redeemed it.
            5 => redeemed_by: List<UserId, 16>,
        }
        optional {
            /// Who made it; nobody when the server did.
            6 => created_by: UserId,
            /// The room it leads to.
            7 => room: RoomId,
        }
    }
}

wire_map! {
    /// Answers a [`ListInvites`].
    pub struct Invites {
        required {
            /// One row an invite, by id.
            1 => invites: List<InviteInfo, ROWS_MAX>,
            /// Whether there are more.
            2 => more: bool,
        }
        optional {}
    }
}

wire_map! {
    /// Takes an invite back.
    pub struct RevokeInvite {
        required {
            /// Which.
            1 => invite: InviteId,
        }
        optional {}
    }
}
