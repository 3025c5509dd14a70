//! The server as an operator runs it: the real binary, a folder of its own, a port it keeps through every restart.

use std::fs;
use std::net::{Ipv6Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use tempfile::TempDir;

use super::{Lines, Running, program};

/// Ports that systems do not hand out by themselves: between a kill and a restart nobody else takes ours.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// Limits as high as they go, for tests that are about something else.
pub(crate) const FAST: &str = "[limits]\npublish_per_second = 1000\npublish_burst = 10000\n\
                               room_publish_per_second = 10000\nconnections_per_device = 16\n";

/// A server, running or not, and what it keeps.
pub(crate) struct ServerProcess {
    folder: TempDir,
    port: u16,
    running: Option<(Running, Lines)>,
    link: Option<String>,
}

impl ServerProcess {
    /// A new server that nobody has joined, with the usual settings.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// A new server with these settings, in TOML.
    pub(crate) fn start_with(settings: &str) -> Self {
        Self::start_on(free_port(), settings)
    }

    /// A new server, with an identity and data of its own, on this port.
    pub(crate) fn start_on(port: u16, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("quipu.toml"), settings).unwrap();
        let mut server = Self { folder, port, running: None, link: None };
        let mut stdout = server.spawn();
        server.wait_listening();
        let line = stdout.until("quipu://");
        let link = &line[line.find("quipu://").unwrap()..];
        server.link = Some(link.trim_end_matches('\'').to_owned());
        server
    }

    /// The owner's invite, as it was printed.
    pub(crate) fn link(&self) -> &str {
        self.link.as_deref().unwrap()
    }

    /// Its UDP port, the same for its whole life.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The folder it runs in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its database. Look into it only while nothing runs.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("data/quipu.db")
    }

    /// Starts the process and gives what it prints, without waiting for anything.
    pub(crate) fn spawn(&mut self) -> Lines {
        self.spawn_by(Command::new(program("quipu-server")))
    }

    /// The same by a command that becomes the server.
    fn spawn_by(&mut self, mut command: Command) -> Lines {
        assert!(self.running.is_none(), "one server at a time");
        let mut child = command
            .current_dir(self.folder.path())
            .args(["--config", "quipu.toml"])
            .args(["--listen", &format!("[::]:{}", self.port)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        self.running = Some((Running(child), stderr));
        stdout
    }

    /// Waits until it says that it listens.
    pub(crate) fn wait_listening(&mut self) {
        let (_, log) = self.running.as_mut().expect("a server was started");
        log.until("listening");
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let (mut running, _) = self.running.take().expect("a server runs");
        running.kill();
    }

    /// Starts it again on the same port and the same data, and waits until it listens.
    pub(crate) fn restart(&mut self) {
        self.spawn();
        self.wait_listening();
    }

    /// The same where no file may become larger than so many bytes: the system then refuses to write, as on a full disk.
    #[cfg(unix)]
    pub(crate) fn restart_with_files_of_at_most(&mut self, bytes: u64) {
        let mut shell = Command::new("sh");
        // The limit counts blocks of 512 bytes; without the trap it would be a signal instead of an error.
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", bytes / 512);
        shell.args(["-c", &script]).arg(program("quipu-server"));
        self.spawn_by(shell);
        self.wait_listening();
    }

    /// Asks it to stop with SIGTERM and waits until it did; gives its log too.
    pub(crate) fn stop(&mut self) -> (ExitStatus, String) {
        let (mut running, mut log) = self.running.take().expect("a server runs");
        running.signal("TERM");
        let log = log.all(); // Ends with the process.
        (running.wait(), log)
    }
}

/// A failed test shows what the server said.
impl Drop for ServerProcess {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        if let Some((mut running, mut log)) = self.running.take() {
            running.kill();
            eprintln!("the server's log:\n{}", log.all());
        }
    }
}

/// A port that is free now and that nobody is given by chance. Processes begin looking at different places.
pub(crate) fn free_port() -> u16 {
    let begin = std::process::id().wrapping_mul(37);
    let span = u32::from(PORTS.end - PORTS.start);
    (0..span)
        .map(|step| PORTS.start + u16::try_from(begin.wrapping_add(step) % span).unwrap())
        .find(|port| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, *port)).is_ok())
        .expect("a free UDP port")
}
