//! Bodies of entries the server notes about who may do what: the entry's author is who did it, `ext.reason` is why.
//!
//! The body of a [`crate::Kind::SETTINGS`] entry is a [`crate::request::RoomSettings`] with what changed.

use crate::id::UserId;
use crate::name::Nickname;
use crate::request::{Permissions, RoomRole, Sanction};
use crate::wire::wire_array;

wire_array! {
    /// The body of a [`crate::Kind::ROLE`] entry: what somebody may do from here on.
    pub struct RoleChange {
        /// Who.
        user: UserId,
        /// What they were called then.
        nickname: Nickname,
        /// Their role.
        role: RoomRole,
        /// Their explicit permissions; none: what the role allows.
        permissions: Option<Permissions>,
    }
}

wire_array! {
    /// The body of a [`crate::Kind::SANCTION`] entry: somebody is denied something, or no longer.
    pub struct SanctionChange {
        /// Who.
        user: UserId,
        /// What they were called then.
        nickname: Nickname,
        /// What they are denied.
        sanction: Sanction,
        /// True: from here on. False: no longer.
        imposed: bool,
        /// Until when, unix milliseconds; none: until it is lifted.
        until_ms: Option<u64>,
    }
}

wire_array! {
    /// The body of a [`crate::Kind::ERASURE`] entry: everything this account wrote before it is erased.
    pub struct Erased {
        /// Whose words.
        user: UserId,
        /// What they were called then.
        nickname: Nickname,
    }
}
