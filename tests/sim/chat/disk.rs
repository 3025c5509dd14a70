//! A server's disk: it outlives every server that used it, and takes nothing from one that has crashed.
//!
//! The tasks of a crashed server end a moment after the crash, when they notice that their socket is gone. Without the
//! switch here they could still commit, which no killed process does.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use quipu_protocol::{Entry, FrameDecoder, RoomId, Seq, UserId};
use quipu_server::store::{
    CommitError, Effect, HeadRow, Reads, Store, StoreError, StoredEntry, Writes, memory::MemoryStore,
};

/// What is durable. Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct Disk(MemoryStore);

/// Cut once, it never comes back: the next server has one of its own.
#[derive(Debug, Clone)]
pub(crate) struct Power(Arc<AtomicBool>);

impl Power {
    pub(crate) fn on() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    pub(crate) fn cut(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Disk {
    /// The disk as a server uses it while `power` is on.
    pub(crate) fn mount(&self, power: Power) -> Box<dyn Store> {
        Box::new(Mounted { store: self.0.clone(), power })
    }

    /// The whole log of a room, in order.
    pub(crate) fn log(&self, room: RoomId) -> Vec<StoredEntry> {
        const PAGE: usize = 1_000;
        const BYTES: usize = 1 << 20;
        let reader = self.reader();
        let mut log: Vec<StoredEntry> = Vec::new();
        loop {
            let after = log.last().map_or(Seq::ZERO, |last| last.seq);
            let page = reader.entries_after(room, after, PAGE, BYTES);
            let page = page.expect("the store in memory cannot fail");
            if page.is_empty() {
                return log;
            }
            log.extend(page);
        }
    }

    /// The newest position of a room.
    pub(crate) fn head(&self, room: RoomId) -> Seq {
        let newest = self.reader().entries_before(room, Seq(u64::MAX), 1, 1);
        let newest = newest.expect("the store in memory cannot fail");
        newest.last().map_or(Seq::ZERO, |last| last.seq)
    }

    /// How the server thinks an account stands to its rooms.
    pub(crate) fn heads(&self, user: UserId) -> Vec<HeadRow> {
        self.reader().heads(user, None).expect("the store in memory cannot fail")
    }

    fn reader(&self) -> Box<dyn Reads> {
        self.0.reader().expect("the store in memory cannot fail")
    }
}

/// An entry as the disk has it.
pub(crate) fn entry(frame: &Bytes) -> Entry {
    let mut decoder = FrameDecoder::default();
    decoder.feed(frame);
    let frame = decoder.next_frame().expect("a stored frame is a frame");
    let frame = frame.expect("a stored frame is whole");
    frame.decode().expect("a stored frame is an entry")
}

struct Mounted {
    store: MemoryStore,
    power: Power,
}

impl Store for Mounted {
    fn reader(&self) -> Result<Box<dyn Reads>, StoreError> {
        self.store.reader()
    }

    fn commit(&mut self, work: &mut dyn FnMut(&mut dyn Writes)) -> Result<Vec<Effect>, CommitError> {
        if self.power.0.load(Ordering::Relaxed) {
            self.store.commit(work)
        } else {
            Err(StoreError::Closed.into())
        }
    }
}
