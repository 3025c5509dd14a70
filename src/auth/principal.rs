//! [`Authenticated`]: the value that proves a check was made.

use quipu_protocol::request::ServerRole;
use quipu_protocol::{DeviceId, Nickname, UserId};

/// A user on a device whose token and proof were accepted on one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    user: UserId,
    device: DeviceId,
    nickname: Nickname,
    role: ServerRole,
}

impl Authenticated {
    pub(in crate::auth) fn new(user: UserId, device: DeviceId, nickname: Nickname, role: ServerRole) -> Self {
        Self { user, device, nickname, role }
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

    /// One for tests of rules, which need somebody to ask for.
    #[cfg(test)]
    pub(crate) fn for_test(user: UserId, nickname: &str, role: ServerRole) -> Self {
        let device = DeviceId::from_bytes(*user.as_bytes());
        Self::new(user, device, nickname.parse().unwrap(), role)
    }
}
