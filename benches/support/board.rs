//! Who has heard what: every reader reports here, and the author looks here before it says more.
//!
//! Invariant: a reader that misses an entry, or hears one twice or out of order, fails the bench.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// One room while it is measured: its readers and one author, all in one thread.
pub(crate) struct Board {
    readers: u32,
    /// Position of the first message of the bench, less one; every reader starts behind it.
    base: u64,
    said: RefCell<Vec<Said>>,
    acked: Cell<u64>,
    heard_by_all: Cell<u64>,
    deliveries: Cell<u64>,
    waits: RefCell<Waits>,
    fault: RefCell<Option<String>>,
    changed: Notify,
}

struct Said {
    at: Instant,
    heard: u32,
}

impl Board {
    /// A board for `readers`, whose room ends at position `base`.
    pub(crate) fn new(readers: usize, base: u64) -> Self {
        Self {
            readers: readers as u32,
            base,
            said: RefCell::default(),
            acked: Cell::new(0),
            heard_by_all: Cell::new(0),
            deliveries: Cell::new(0),
            waits: RefCell::default(),
            fault: RefCell::default(),
            changed: Notify::new(),
        }
    }

    /// Position before the first message.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Messages said so far.
    pub(crate) fn said(&self) -> u64 {
        self.said.borrow().len() as u64
    }

    /// Messages that were said and are not both acknowledged and heard by all.
    pub(crate) fn in_flight(&self) -> u64 {
        self.said() - self.acked.get().min(self.heard_by_all.get())
    }

    /// The author is about to say one more.
    pub(crate) fn say(&self) {
        let at = Instant::now();
        self.said.borrow_mut().push(Said { at, heard: 0 });
    }

    /// The server has taken everything up to and including this position.
    pub(crate) fn ack(&self, seq: u64) {
        if seq != self.base + self.acked.get() + 1 {
            self.fail(format!("position {seq} was acknowledged out of order"));
        }
        self.acked.set(self.acked.get() + 1);
        self.changed.notify_one();
    }

    /// A reader that has heard everything before it hears this position at `now`.
    pub(crate) fn hear(&self, seq: u64, now: Instant) {
        let mut said = self.said.borrow_mut();
        let index = seq.wrapping_sub(self.base + 1);
        let Some(message) = said.get_mut(index as usize) else {
            return self.fail(format!("position {seq} was heard and never said"));
        };
        message.heard += 1;
        self.deliveries.set(self.deliveries.get() + 1);
        self.waits.borrow_mut().note(now - message.at);
        if message.heard == self.readers {
            // Each reader hears in order, so whatever came before was heard by all, too.
            self.heard_by_all.set(index + 1);
            self.changed.notify_one();
        }
    }

    /// Entries heard, summed over readers.
    pub(crate) fn deliveries(&self) -> u64 {
        self.deliveries.get()
    }

    /// What readers waited since this was last asked.
    pub(crate) fn take_waits(&self) -> Waits {
        self.waits.take()
    }

    /// Notes why the measurement is worth nothing. The first reason stays.
    pub(crate) fn fail(&self, why: String) {
        self.fault.borrow_mut().get_or_insert(why);
        self.changed.notify_one();
    }

    /// Waits for an acknowledgement, a message heard by all, or a failure.
    ///
    /// # Errors
    /// Why the measurement is worth nothing.
    pub(crate) async fn change(&self) -> anyhow::Result<()> {
        self.changed.notified().await;
        match self.fault.borrow().as_ref() {
            None => Ok(()),
            Some(why) => Err(anyhow::anyhow!("{why}")),
        }
    }
}

/// Times from publishing to hearing: counts by size, each class 2 % wider than the one before.
#[derive(Default)]
pub(crate) struct Waits {
    classes: Vec<u64>,
}

const CLASS: f64 = 1.02;

impl Waits {
    fn note(&mut self, wait: Duration) {
        let class = (wait.as_secs_f64() * 1e6).max(1.0).log(CLASS) as usize;
        if self.classes.len() <= class {
            self.classes.resize(class + 1, 0);
        }
        self.classes[class] += 1;
    }

    /// In milliseconds, the wait that `part` of a hundred did not exceed.
    pub(crate) fn percentile_ms(&self, part: u64) -> f64 {
        let wanted = self.classes.iter().sum::<u64>() * part / 100;
        let mut below = 0;
        let class = self.classes.iter().position(|count| {
            below += count;
            below > wanted
        });
        class.map_or(f64::NAN, |class| CLASS.powi(class as i32 + 1) / 1e3)
    }
}
