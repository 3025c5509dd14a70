//! Entries whose time is over, between that moment and the one in which the store has erased them: nobody is shown
//! what they said.
//!
//! The store erases as fast as it can, but a reader that asks in between, or after a clock that jumped, must not depend
//! on it. What a reader is given instead is byte for byte what the store will hold.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use quipu_protocol::entry::Erasure;
use quipu_protocol::{Entry, RoomId, Seq};

use crate::limits::TAIL_ENTRIES_MAX;
use crate::store::{Reads, StoreError, StoredEntry, decoded};

/// The frame as it may be shown at this time.
fn faded(frame: &Bytes, now_ms: u64) -> Bytes {
    match decoded(frame) {
        Ok(entry) if entry.is_expired(now_ms) => shown(entry, now_ms).frame(),
        _ => frame.clone(),
    }
}

/// An entry as it may be shown at this time.
pub(super) fn shown(entry: Entry, now_ms: u64) -> Entry {
    if entry.is_expired(now_ms) { entry.erased(Erasure::EXPIRED) } else { entry }
}

/// Entries of a store, as `read` finds them, as they may be shown at this time.
pub(super) fn as_shown(
    store: &dyn Reads,
    room: RoomId,
    now_ms: u64,
    read: impl FnOnce() -> Result<Vec<StoredEntry>, StoreError>,
) -> Result<Vec<StoredEntry>, StoreError> {
    // Asked first: each question sees its own moment, and what is erased in between is no longer among those that are over.
    let over: BTreeSet<Seq> = store.expired(room, Seq::ZERO, Seq(u64::MAX), now_ms)?.into_iter().collect();
    let mut entries = read()?;
    for entry in entries.iter_mut().filter(|entry| over.contains(&entry.seq)) {
        entry.frame = faded(&entry.frame, now_ms);
    }
    Ok(entries)
}

/// When the entries of a tail vanish.
#[derive(Debug, Default)]
pub(super) struct Fading(BTreeMap<Seq, u64>);

impl Fading {
    /// An entry came that vanishes then; what has left the tail is forgotten.
    pub(super) fn add(&mut self, seq: Seq, expires_ms: u64) {
        self.0.insert(seq, expires_ms);
        self.0 = self.0.split_off(&Seq(seq.0.saturating_sub(TAIL_ENTRIES_MAX as u64)));
    }

    /// An entry reads differently now, and the frame says what is to be said.
    pub(super) fn replaced(&mut self, seq: Seq, frame: &Bytes) {
        // What was erased has no end any more, and everything else keeps its own.
        if self.0.get(&seq).is_some_and(|expires_ms| faded(frame, *expires_ms) == *frame) {
            self.0.remove(&seq);
        }
    }

    /// Frames that follow `cursor` as they may be shown at this time.
    pub(super) fn show(&self, cursor: Seq, frames: &mut [Bytes], now_ms: u64) {
        let last = Seq(cursor.0 + frames.len() as u64);
        for (seq, expires_ms) in self.0.range(cursor.next()..=last.max(cursor.next())) {
            let at = (seq.0 - cursor.0 - 1) as usize;
            if let Some(frame) = frames.get_mut(at).filter(|_| *expires_ms <= now_ms) {
                *frame = faded(frame, now_ms);
            }
        }
    }
}
