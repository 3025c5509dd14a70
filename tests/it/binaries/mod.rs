//! The two programs as people run them: real processes, real files, real signals.
//!
//! ```text
//!   server  quipu-server in a folder of its own: start, kill, start again, stop
//!   cli     quipu with profiles of its own: run to the end, or follow while it runs
//! ```
//!
//! Nothing here knows what a test is about. Waiting is always for something seen, with [`SOON`] as the bound.
//! Invariant: no process outlives the value that stands for it.

pub(crate) mod cli;
pub(crate) mod server;

use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

pub(crate) use cli::{Cli, People};
pub(crate) use server::ServerProcess;

/// What a program has to do what we wait for. Far more than it takes, for machines with much else to do.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// The program `name` of this workspace, built.
pub(crate) fn program(name: &str) -> PathBuf {
    let server = PathBuf::from(env!("CARGO_BIN_EXE_quipu-server"));
    let path = server.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is missing: run cargo build --workspace first", path.display());
    path
}

/// A process that ends with the value.
pub(crate) struct Running(Child);

impl Running {
    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Ends it as a power cut would: SIGKILL, and gone when this returns.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill(); // It may have ended by itself.
        let _ = self.0.wait();
    }

    /// Sends a signal, `TERM` or `INT`, through the shell: the standard library has none but KILL.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.id())]).status().unwrap();
        assert!(sent.success(), "kill -{name} {}", self.id());
    }

    /// Waits for its end. Its outputs must have ended, or be about to.
    fn wait(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a process says, line by line, read by a thread so that nobody fails at speaking on.
pub(crate) struct Lines {
    arriving: Receiver<String>,
    /// All that was read so far.
    pub(crate) seen: Vec<String>,
}

impl Lines {
    /// Reads `output` to its end. What is not UTF-8 shows as replacement characters.
    pub(crate) fn of(output: impl Read + Send + 'static) -> Self {
        let (sender, arriving) = channel();
        thread::spawn(move || {
            let mut reader = BufReader::new(output);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
                let _ = sender.send(text); // Nobody may listen any longer.
                line.clear();
            }
        });
        Self { arriving, seen: Vec::new() }
    }

    /// The next line; none at the end.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<String> {
        match self.arriving.recv_timeout(SOON) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing for {SOON:?} after {}", self.tail()),
        }
    }

    /// Reads until a line says `what`, and gives that line.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str) -> String {
        loop {
            match self.next() {
                Some(line) if line.contains(what) => return line,
                Some(_) => {}
                None => panic!("it ended without {what:?} after {}", self.tail()),
            }
        }
    }

    /// Reads to the end; gives everything, also what was read before.
    #[track_caller]
    pub(crate) fn all(&mut self) -> String {
        while self.next().is_some() {}
        self.seen.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The newest lines, for a message.
    fn tail(&self) -> String {
        let from = self.seen.len().saturating_sub(20);
        format!("{:#?}", &self.seen[from..])
    }
}

/// Small deterministic randomness: the same seed, the same choices (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// From 0 to `end`, without it.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
