//! Which device has which connections: to close them when it is revoked, and to keep them few.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use quinn::Connection;
use quipu_protocol::{CloseCode, DeviceId};

use super::frames::code;

/// Authenticated connections, by device, oldest first.
pub(super) struct Sessions {
    by_device: Mutex<HashMap<DeviceId, Vec<(u64, Connection)>>>,
    per_device_max: usize,
    next: std::sync::atomic::AtomicU64,
}

impl Sessions {
    pub(super) fn new(per_device_max: usize) -> Self {
        Self { by_device: Mutex::default(), per_device_max, next: Default::default() }
    }

    /// Adds a connection; the oldest of too many gives way to it. Gives the number to remove it by: quinn's own
    /// number for a connection may come again.
    pub(super) fn add(&self, device: DeviceId, connection: &Connection) -> u64 {
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut by_device = self.by_device.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = by_device.entry(device).or_default();
        connections.push((number, connection.clone()));
        if connections.len() > self.per_device_max {
            close(&connections.remove(0).1, CloseCode::Replaced);
        }
        number
    }

    pub(super) fn remove(&self, device: DeviceId, number: u64) {
        let mut by_device = self.by_device.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(connections) = by_device.get_mut(&device) else {
            return;
        };
        connections.retain(|(other, _)| *other != number);
        if connections.is_empty() {
            by_device.remove(&device);
        }
    }

    /// Closes all connections of a device that was revoked, at once.
    pub(super) fn revoke(&self, device: DeviceId) {
        self.end(device, CloseCode::Revoked);
    }

    /// Closes all connections of a device at once.
    pub(super) fn end(&self, device: DeviceId, why: CloseCode) {
        let mut by_device = self.by_device.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, connection) in by_device.remove(&device).unwrap_or_default() {
            close(&connection, why);
        }
    }

    pub(super) fn is_online(&self, device: DeviceId) -> bool {
        self.by_device.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&device)
    }
}

/// Closes a connection and says why in words, too.
pub(super) fn close(connection: &Connection, reason: CloseCode) {
    connection.close(code(reason.number()), format!("{reason:?}").as_bytes());
}
