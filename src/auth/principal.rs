//! [`Authenticated`]: the value that proves a check was made.

use std::sync::Arc;

use quipu_protocol::request::{Permissions, ServerRole};
use quipu_protocol::{DeviceId, Nickname, RoomId, UserId};

use crate::store::{BotRow, UserRow};

/// A user on a device whose token and proof were accepted on one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    user: UserId,
    device: DeviceId,
    nickname: Nickname,
    role: ServerRole,
    scope: Permissions,
    /// The rooms they are held to.
    rooms: Option<Arc<[RoomId]>>,
}

impl Authenticated {
    pub(in crate::auth) fn new(user: UserId, device: DeviceId, nickname: Nickname, role: ServerRole) -> Self {
        Self { user, device, nickname, role, scope: Permissions::ANYTHING, rooms: None }
    }

    /// An account, held to what its row as a bot says, if it has one. A bot that was revoked may do nothing at all.
    pub(in crate::auth) fn of(user: UserRow, device: DeviceId, bot: Option<BotRow>) -> Self {
        let who = Self::new(user.user, device, user.nickname, user.role);
        match bot {
            None => who,
            Some(BotRow { revoked_ms: Some(_), .. }) => {
                Self { scope: Permissions::NONE, rooms: Some(Arc::default()), ..who }
            }
            Some(BotRow { scope, rooms, .. }) => Self { scope, rooms: rooms.map(Arc::from), ..who },
        }
    }

    /// The account.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The device.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// What people see.
    pub fn nickname(&self) -> &Nickname {
        &self.nickname
    }

    /// What the account may do on the server.
    pub fn role(&self) -> ServerRole {
        self.role
    }

    /// What they may do at most, whatever their roles say.
    pub fn scope(&self) -> Permissions {
        self.scope
    }

    /// The rooms that they are held to, if they are.
    pub fn rooms(&self) -> Option<&[RoomId]> {
        self.rooms.as_deref()
    }

    /// Whether they may know of this room, as far as their own bounds go.
    pub fn may_know(&self, room: RoomId) -> bool {
        self.rooms.as_ref().is_none_or(|rooms| rooms.contains(&room))
    }

    /// One for tests of rules, which need somebody to ask for.
    #[cfg(test)]
    pub(crate) fn for_test(user: UserId, nickname: &str, role: ServerRole) -> Self {
        let device = DeviceId::from_bytes(*user.as_bytes());
        Self::new(user, device, nickname.parse().unwrap(), role)
    }
}
