//! A server's disk: it outlives every server that used it, and takes nothing from one that has crashed.
//!
//! The tasks of a crashed server end a moment after the crash, when they notice that their socket is gone. Without the
//! switch here they could still commit, which no killed process does.
//!
//! It may also ail: refuse a batch because it is full, or fail while it makes one durable, so that nobody knows
//! whether it did.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use quipu_protocol::{Entry, FrameDecoder, RoomId, Seq, UserId};
use quipu_server::store::{
    CommitError, Effect, HeadRow, Reads, Store, StoreError, StoredEntry, Writes, memory::MemoryStore,
};

use crate::rng::Rng;

/// What is durable. Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    store: MemoryStore,
    /// Opened once: who waits for something on the disk looks a thousand times a second.
    reader: Arc<Mutex<Option<Box<dyn Reads>>>>,
}

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

/// How often a disk fails, and how. Clones are of the same disk.
#[derive(Debug, Clone)]
pub(crate) struct Health(Arc<Mutex<Ailment>>);

#[derive(Debug)]
struct Ailment {
    /// Chance that a batch fails, from 0 to 1.
    chance: f64,
    failures: u32,
    rng: Rng,
}

/// What becomes of a batch on an ailing disk.
enum Failure {
    Full,
    /// Whether it is durable would come to light at the next start; here it is not. That it is, and that nobody was told, is
    /// what a crash between a commit and its answer leaves.
    Unknown,
}

impl Health {
    /// A healthy disk; what happens to it when it ails follows from `rng`.
    pub(crate) fn good(rng: Rng) -> Self {
        Self(Arc::new(Mutex::new(Ailment { chance: 0.0, failures: 0, rng })))
    }

    /// Lets a batch fail with this chance from now on; gives the chance until now.
    pub(crate) fn set_chance(&self, chance: f64) -> f64 {
        std::mem::replace(&mut self.lock().chance, chance)
    }

    /// Batches that failed.
    pub(crate) fn failures(&self) -> u32 {
        self.lock().failures
    }

    fn next(&self) -> Option<Failure> {
        let mut ailment = self.lock();
        let (chance, kind) = (ailment.chance, ailment.rng.unit());
        let fails = ailment.rng.happens(chance);
        ailment.failures += u32::from(fails);
        fails.then_some(if kind < 0.4 { Failure::Full } else { Failure::Unknown })
    }

    fn lock(&self) -> MutexGuard<'_, Ailment> {
        self.0.lock().expect("nothing panics in here")
    }
}

impl Disk {
    /// The disk as a server uses it while `power` is on.
    pub(crate) fn mount(&self, power: Power, health: Health) -> Box<dyn Store> {
        Box::new(Mounted { store: self.store.clone(), power, health })
    }

    /// The whole log of a room, in order.
    pub(crate) fn log(&self, room: RoomId) -> Vec<StoredEntry> {
        const PAGE: usize = 1_000;
        const BYTES: usize = 1 << 20;
        let mut log: Vec<StoredEntry> = Vec::new();
        loop {
            let after = log.last().map_or(Seq::ZERO, |last| last.seq);
            let page = self.read(|reader| reader.entries_after(room, after, PAGE, BYTES));
            if page.is_empty() {
                return log;
            }
            log.extend(page);
        }
    }

    /// The newest position of a room.
    pub(crate) fn head(&self, room: RoomId) -> Seq {
        let newest = self.read(|reader| reader.entries_before(room, Seq(u64::MAX), 1, 1));
        newest.last().map_or(Seq::ZERO, |last| last.seq)
    }

    /// How the server thinks an account stands to its rooms.
    pub(crate) fn heads(&self, user: UserId) -> Vec<HeadRow> {
        self.read(|reader| reader.heads(user, None))
    }

    fn read<T>(&self, ask: impl FnOnce(&dyn Reads) -> Result<T, StoreError>) -> T {
        const NEVER: &str = "the store in memory cannot fail";
        let mut reader = self.reader.lock().expect("nothing panics in here");
        ask(&**reader.get_or_insert_with(|| self.store.reader().expect(NEVER))).expect(NEVER)
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
    health: Health,
}

impl Store for Mounted {
    fn reader(&self) -> Result<Box<dyn Reads>, StoreError> {
        self.store.reader()
    }

    fn commit(&mut self, work: &mut dyn FnMut(&mut dyn Writes)) -> Result<Vec<Effect>, CommitError> {
        if !self.power.0.load(Ordering::Relaxed) {
            return Err(StoreError::Closed.into());
        }
        match self.health.next() {
            None => self.store.commit(work),
            Some(Failure::Full) => Err(StoreError::Full.into()),
            Some(Failure::Unknown) => Err(CommitError::Unknown(StoreError::Io("it failed".to_owned()))),
        }
    }
}
