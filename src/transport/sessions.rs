//! Which device has which connections: to close them when it is revoked, and to keep them few, as those of its account.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use quinn::Connection;
use quipu_protocol::{CloseCode, DeviceId, UserId};
use tracing::error;

use super::frames::code;
use crate::limits::CONNECTIONS_PER_USER_MAX;

/// Authenticated connections.
pub(super) struct Sessions {
    places: Mutex<Places>,
    per_device_max: usize,
    next: std::sync::atomic::AtomicU64,
}

#[derive(Default)]
struct Places {
    /// By device, oldest first.
    by_device: HashMap<DeviceId, Vec<Place>>,
    /// How many each account has.
    of_user: HashMap<UserId, usize>,
}

struct Place {
    number: u64,
    user: UserId,
    connection: Connection,
}

impl Places {
    fn left(&mut self, user: UserId) {
        if let Some(count) = self.of_user.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                self.of_user.remove(&user);
            }
        }
    }
}

impl Sessions {
    pub(super) fn new(per_device_max: usize) -> Self {
        Self { places: Mutex::default(), per_device_max, next: Default::default() }
    }

    /// Adds a connection; the oldest of too many of its device gives way to it. Gives the number to remove it by: quinn's
    /// own number for a connection may come again. None when the account has too many on all its devices.
    pub(super) fn add(&self, user: UserId, device: DeviceId, connection: &Connection) -> Option<u64> {
        let mut places = self.places();
        let of_device = places.by_device.get_mut(&device).filter(|all| all.len() >= self.per_device_max);
        // Its place is free, so the account has one.
        if let Some(oldest) = of_device.map(|all| all.remove(0)) {
            close(&oldest.connection, CloseCode::Replaced);
            places.left(oldest.user);
        }
        let count = places.of_user.entry(user).or_default();
        if *count >= CONNECTIONS_PER_USER_MAX {
            return None;
        }
        *count += 1;
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let place = Place { number, user, connection: connection.clone() };
        places.by_device.entry(device).or_default().push(place);
        Some(number)
    }

    pub(super) fn remove(&self, device: DeviceId, number: u64) {
        let mut places = self.places();
        let Some(of_device) = places.by_device.get_mut(&device) else {
            return;
        };
        let at = of_device.iter().position(|place| place.number == number);
        let left = at.map(|at| of_device.remove(at).user);
        if of_device.is_empty() {
            places.by_device.remove(&device);
        }
        left.into_iter().for_each(|user| places.left(user));
    }

    /// All there are, with their numbers.
    pub(super) fn all(&self) -> Vec<(u64, Connection)> {
        let places = self.places();
        let all = places.by_device.values().flatten();
        all.map(|place| (place.number, place.connection.clone())).collect()
    }

    /// Closes all connections of a device at once, for good.
    pub(super) fn revoke(&self, device: DeviceId) {
        self.end(device, CloseCode::Revoked);
    }

    /// Closes all connections of a device at once: it comes back as what it is by then.
    pub(super) fn begin_anew(&self, device: DeviceId) {
        self.end(device, CloseCode::None);
    }

    fn end(&self, device: DeviceId, reason: CloseCode) {
        let mut places = self.places();
        for place in places.by_device.remove(&device).unwrap_or_default() {
            close(&place.connection, reason);
            places.left(place.user);
        }
    }

    pub(super) fn is_online(&self, device: DeviceId) -> bool {
        self.places().by_device.contains_key(&device)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes a connection and says why in words, too.
pub(super) fn close(connection: &Connection, reason: CloseCode) {
    connection.close(code(reason.number()), format!("{reason:?}").as_bytes());
}

/// Closes the connection of a task that panicked.
pub(super) struct PanicGuard(Connection);

impl PanicGuard {
    pub(super) fn new(connection: &Connection) -> Self {
        Self(connection.clone())
    }
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            close(&self.0, CloseCode::Internal);
            error!("a task failed; its connection is closed");
        }
    }
}
