//! Incoming webhooks: addresses at which programs without a device may have a bot say something in one room.

use crate::id::{HookId, RoomId, UserId};
use crate::limits::{ROWS_MAX, TEXT_BYTES_MAX};
use crate::wire::{Blob, List, Text, wire_map};

wire_map! {
    /// Makes a webhook into a room.
    pub struct CreateHook {
        required {
            /// The room.
            1 => room: RoomId,
            /// The bot it speaks as, which is a member of the room and may write there.
            2 => bot: UserId,
        }
        optional {}
    }
}

wire_map! {
    /// Answers a [`CreateHook`]. The secret is shown once and kept nowhere.
    pub struct HookAnswer {
        required {
            /// Names the webhook.
            1 => hook: HookId,
            /// What its address carries.
            2 => secret: Blob<16>,
            /// Where the server listens for webhooks, as `http://host:port`, before anything put in front of it.
            3 => listens_at: Text<TEXT_BYTES_MAX>,
        }
        optional {}
    }
}

wire_map! {
    /// Webhooks into a room.
    pub struct ListHooks {
        required {
            /// The room.
            1 => room: RoomId,
        }
        optional {
            /// Continue behind this webhook.
            2 => after: HookId,
        }
    }
}

wire_map! {
    /// One webhook.
    pub struct HookInfo {
        required {
            /// The webhook.
            1 => hook: HookId,
            /// The bot it speaks as.
            2 => bot: UserId,
            /// Who made it.
            3 => created_by: UserId,
            /// When, unix milliseconds.
            4 => created_ms: u64,
        }
        optional {}
    }
}

wire_map! {
    /// Answers a [`ListHooks`].
    pub struct Hooks {
        required {
            /// One row a webhook, by id.
            1 => hooks: List<HookInfo, ROWS_MAX>,
            /// Whether there are more.
            2 => more: bool,
        }
        optional {}
    }
}

wire_map! {
    /// Ends a webhook.
    pub struct RevokeHook {
        required {
            /// Which.
            1 => hook: HookId,
        }
        optional {}
    }
}
