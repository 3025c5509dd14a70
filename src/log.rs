//! The way of log lines to stderr: they wait in memory for one thread, so that nobody who logs waits for whoever reads.
//!
//! ```text
//!   tracing ─▶ push ─▶ [ at most LOG_BYTES_MAX ] ─▶ a thread ─▶ stderr       no room: left out, counted, told
//! ```
//!
//! Invariant: a stderr that is closed, on a full disk or never read is nothing to anybody but the log.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::limits::LOG_BYTES_MAX;

/// Where lines are put that somebody else writes. Cloned it is the same.
#[derive(Clone, Default)]
pub struct Log(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Something waits.
    more: Condvar,
    /// All of it was written, or could not be.
    done: Condvar,
}

#[derive(Default)]
struct Waiting {
    text: Vec<u8>,
    /// Lines that found no room or could not be written, and of which nobody was told yet.
    lost: usize,
    /// Whether the thread is at some of it.
    writing: bool,
}

impl Log {
    /// A log that is written to `out`, by a thread that ends with the process.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let log = Self::default();
        let writer = log.clone();
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_out(out))?;
        Ok(log)
    }

    /// Adds whole lines if there is room for them. Never waits.
    pub fn push(&self, lines: &[u8]) {
        let mut waiting = self.waiting();
        if waiting.text.len() + lines.len() > LOG_BYTES_MAX {
            waiting.lost += count(lines);
            return;
        }
        waiting.text.extend_from_slice(lines);
        self.0.more.notify_one();
    }

    /// Waits until everything is written, but no longer than `patience`: perhaps nobody reads.
    pub fn flush(&self, patience: Duration) {
        let is_busy = |waiting: &mut Waiting| waiting.writing || !waiting.text.is_empty();
        drop(self.0.done.wait_timeout_while(self.waiting(), patience, is_busy));
    }

    /// From now on panics are told here: the hook that Rust comes with waits for whoever reads stderr.
    pub fn take_panics(&self) {
        let log = self.clone();
        std::panic::set_hook(Box::new(move |panic| {
            let trace = Backtrace::capture();
            match trace.status() {
                BacktraceStatus::Captured => log.push(format!("{panic}\n{trace}\n").as_bytes()),
                _ => log.push(format!("{panic}\n").as_bytes()),
            }
        }));
    }

    fn write_out(&self, mut out: impl Write) {
        loop {
            let waiting = self.0.more.wait_while(self.waiting(), |waiting| waiting.text.is_empty());
            let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            let (mut text, lost) = (std::mem::take(&mut waiting.text), std::mem::take(&mut waiting.lost));
            waiting.writing = true;
            drop(waiting);
            let lines = count(&text);
            if lost > 0 {
                text.extend_from_slice(format!("{lost} lines of the log are missing here\n").as_bytes());
            }
            let written = out.write_all(&text).and_then(|()| out.flush());
            let mut waiting = self.waiting();
            waiting.writing = false;
            if written.is_err() {
                waiting.lost += lost + lines;
            }
            self.0.done.notify_all();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What `tracing` writes: one event in one write.
impl Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.push(event);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn count(lines: &[u8]) -> usize {
    lines.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    /// Tells what is to be written, and does it as it is told.
    struct Slow(Sender<String>, Receiver<io::Result<()>>);

    impl Write for Slow {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8(text.to_vec()).unwrap()).unwrap();
            self.1.recv().unwrap()?;
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Log, Receiver<String>, Sender<io::Result<()>>) {
        let ((told, texts), (leave, leaves)) = (channel(), channel());
        (Log::start(Slow(told, leaves)).unwrap(), texts, leave)
    }

    #[test]
    fn what_finds_no_room_is_counted_and_told() {
        let (log, texts, leave) = slow();
        log.push(b"first\n");
        assert_eq!(texts.recv_timeout(SOON).unwrap(), "first\n");
        let line = [&[b'x'; 1_023][..], b"\n"].concat();
        let fit = LOG_BYTES_MAX / line.len();
        (0..fit + 3).for_each(|_| log.push(&line));
        leave.send(Ok(())).unwrap();
        let text = texts.recv_timeout(SOON).unwrap();
        assert_eq!(count(text.as_bytes()), fit + 1);
        assert!(text.ends_with("x\n3 lines of the log are missing here\n"));
        leave.send(Ok(())).unwrap();
        log.push(b"last\n");
        assert_eq!(texts.recv_timeout(SOON).unwrap(), "last\n", "told once");
    }

    #[test]
    fn what_cannot_be_written_is_told_when_it_can() {
        let (log, texts, leave) = slow();
        log.push(b"one\ntwo\n");
        texts.recv_timeout(SOON).unwrap();
        leave.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        log.flush(SOON);
        log.push(b"three\n");
        assert_eq!(texts.recv_timeout(SOON).unwrap(), "three\n2 lines of the log are missing here\n");
    }

    #[test]
    fn nobody_waits_long_for_an_end_that_does_not_come() {
        let (log, texts, leave) = slow();
        log.push(b"one\n");
        texts.recv_timeout(SOON).unwrap();
        log.flush(Duration::from_millis(10));
        leave.send(Ok(())).unwrap();
        log.flush(SOON);
        assert!(!log.waiting().writing);
    }
}
