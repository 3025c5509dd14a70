//! Who this profile is, and what a link says before anything is dialled.

use quipu_protocol::request::ServerRole;
use quipu_protocol::{DeviceId, DeviceName, InviteLink, Nickname, UserId};

use crate::error::Error;

/// Who this profile is on which server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The server's name or address, without brackets.
    pub host: String,
    /// Its UDP port.
    pub port: u16,
    /// SHA-256 of the server identity's public key.
    pub pin: [u8; 32],
    /// The account.
    pub user: UserId,
    /// This device.
    pub device: DeviceId,
    /// What people see.
    pub nickname: Nickname,
    /// What this device is called.
    pub device_name: DeviceName,
    /// Role on the server.
    pub role: ServerRole,
}

/// What an invite link says. Nothing was dialled, and nothing here is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitePreview {
    /// The server's name or address.
    pub host: String,
    /// Its UDP port.
    pub port: u16,
    /// The server's fingerprint: the first 16 bytes of its pin in groups, to compare by eye.
    pub fingerprint: String,
    /// When it ends, unix milliseconds.
    pub expires_ms: u64,
}

impl InvitePreview {
    /// Reads a link.
    ///
    /// # Errors
    /// [`crate::ErrorCode::LinkDamaged`], or [`crate::ErrorCode::Version`] for a later kind of link.
    pub fn of(link: &str) -> Result<Self, Error> {
        let link: InviteLink = link.parse()?;
        Ok(Self {
            fingerprint: fingerprint(&link.pin),
            expires_ms: u64::from(link.expires_s) * 1_000,
            host: link.host,
            port: link.port,
        })
    }
}

/// A pin as people compare it: its first 16 bytes in groups.
pub fn fingerprint(pin: &[u8; 32]) -> String {
    let groups = pin[..16].chunks(2).map(|pair| format!("{:02x}{:02x}", pair[0], pair[1]));
    groups.collect::<Vec<_>>().join(" ")
}
