//! What happened, for whoever reads a failure: one line an event, with its virtual time.
//!
//! Nothing is decided by it. It is printed when a scenario panics, newest part only.

use std::{
    fmt::Display,
    sync::{Arc, Mutex},
    thread,
};

use crate::net::Network;

/// Lines printed with a failure.
const LINES_PRINTED: usize = 300;

/// The events of one world. Clones write to the same one.
#[derive(Debug, Clone)]
pub(crate) struct Chronicle {
    net: Network,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Chronicle {
    pub(crate) fn new(net: Network) -> Self {
        Self { net, lines: Arc::default() }
    }

    /// Writes down that `who` did or saw `what`.
    pub(crate) fn note(&self, who: impl Display, what: impl Display) {
        let line = format!("{:10.3} {who}: {what}", self.net.elapsed().as_secs_f64());
        self.lines.lock().expect("no note panics").push(line);
    }

    /// While it lives, a panic prints the chronicle.
    pub(crate) fn told_on_panic(&self) -> Teller {
        Teller(self.clone())
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no note panics").clone()
    }
}

/// Prints the chronicle when it is dropped by a panic.
pub(crate) struct Teller(Chronicle);

impl Drop for Teller {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let lines = self.0.lines();
        let skipped = lines.len().saturating_sub(LINES_PRINTED);
        eprintln!("what happened, without the first {skipped} events:");
        for line in &lines[skipped..] {
            eprintln!("{line}");
        }
    }
}
