//! The tables, and the journal that can undo a job.
//!
//! Every table is an ordered map, the indexes too, so one function changes them all and remembers how to undo it.

use std::collections::BTreeMap;

use bytes::Bytes;
use quipu_protocol::{DeviceId, InviteId, MessageId, RoomId, RoomName, Seq, UserId};

use crate::store::common::Standing;
use crate::store::{DeviceRow, InviteRow, RoomRow, UserRow};

#[derive(Default)]
pub(super) struct State {
    pub(super) rooms: BTreeMap<RoomId, Room>,
    pub(super) room_names: BTreeMap<RoomName, RoomId>,
    pub(super) direct_rooms: BTreeMap<(UserId, UserId), RoomId>,
    pub(super) entries: BTreeMap<(RoomId, Seq), Kept>,
    /// Countable entries by author.
    pub(super) authored: BTreeMap<(RoomId, UserId, Seq), ()>,
    pub(super) messages: BTreeMap<(RoomId, UserId, MessageId), Sent>,
    pub(super) members: BTreeMap<(RoomId, UserId), Standing>,
    pub(super) memberships: BTreeMap<(UserId, RoomId), ()>,
    pub(super) users: BTreeMap<UserId, UserRow>,
    pub(super) nicknames: BTreeMap<String, UserId>,
    pub(super) devices: BTreeMap<DeviceId, DeviceRow>,
    pub(super) device_keys: BTreeMap<Vec<u8>, DeviceId>,
    pub(super) invites: BTreeMap<InviteId, InviteRow>,
    pub(super) invite_hashes: BTreeMap<[u8; 32], InviteId>,
}

#[derive(Clone)]
pub(super) struct Room {
    pub(super) row: RoomRow,
    /// Countable entries in the whole log.
    pub(super) countable: u64,
    /// Time of the newest entry.
    pub(super) at_ms: u64,
}

pub(super) struct Kept {
    pub(super) frame: Bytes,
    /// Countable entries up to and with this one.
    pub(super) nth: u64,
}

/// What is remembered of a message for when it comes again.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) seq: Seq,
    pub(super) at_ms: u64,
    pub(super) hash: [u8; 32],
}

/// A table of the state.
pub(super) type Table<K, V> = fn(&mut State) -> &mut BTreeMap<K, V>;

type Undo = Box<dyn FnOnce(&mut State) + Send>;

/// The state in the writer's hands, and how to undo the job that runs. Dropped in the middle, it undoes.
pub(super) struct Journal<'a> {
    state: &'a mut State,
    undos: Vec<Undo>,
}

impl<'a> Journal<'a> {
    pub(super) fn new(state: &'a mut State) -> Self {
        Self { state, undos: Vec::new() }
    }

    pub(super) fn state(&self) -> &State {
        self.state
    }

    /// Sets or removes what `table` has under `key`.
    pub(super) fn put<K, V>(&mut self, table: Table<K, V>, key: K, value: Option<V>)
    where
        K: Ord + Clone + Send + 'static,
        V: Send + 'static,
    {
        let before = swap(table(self.state), key.clone(), value);
        self.undos.push(Box::new(move |state| {
            swap(table(state), key, before);
        }));
    }

    pub(super) fn keep(&mut self) {
        self.undos.clear();
    }

    pub(super) fn undo(&mut self) {
        while let Some(undo) = self.undos.pop() {
            undo(self.state);
        }
    }
}

impl Drop for Journal<'_> {
    fn drop(&mut self) {
        self.undo();
    }
}

fn swap<K: Ord, V>(table: &mut BTreeMap<K, V>, key: K, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => table.insert(key, value),
        None => table.remove(&key),
    }
}
