//! A server in a process of its own, on a core of its own, and what the kernel says it has used.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use quipu_protocol::InviteLink;

/// The core of what is measured.
const SERVER_CORE: &str = "0";
/// The core of what makes it work.
const LOAD_CORE: &str = "1";
/// Clock ticks a second in /proc: 100 on every Linux that has not been rebuilt to be odd.
const TICKS_PER_SECOND: u64 = 100;
/// Time a server has to come up.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Bounds that would otherwise be what is measured.
const CONFIG: &str = "
[limits]
publish_per_second = 1000000
publish_burst = 1000000
room_publish_per_second = 1000000
unauthenticated_max = 100000
unauthenticated_per_prefix_max = 10000
[files]
server_bytes_max = 1000000000000
account_bytes_max = 1000000000000
file_bytes_max = 10000000000
";

/// A process that serves.
pub(crate) struct Measured {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its owner's way in, when it has no owner yet.
    pub(crate) invite: Option<InviteLink>,
}

impl Measured {
    /// The server we ship, with its folders in `folder`.
    pub(crate) fn quipu(folder: &Path) -> Result<Self> {
        let config = folder.join("quipu.toml");
        fs::write(&config, CONFIG)?;
        let mut command = pinned(env!("CARGO_BIN_EXE_quipu-server"));
        command
            .args(["--listen", "127.0.0.1:0"])
            .args(["--log", "warn,quipu_server=info,quipu_server::transport=warn"])
            .arg("--config")
            .arg(&config)
            .arg("--data")
            .arg(folder.join("data"))
            .arg("--certs")
            .arg(folder.join("certs"));
        let is_new = !folder.join("data").exists();
        Self::start(command, is_new)
    }

    /// Raw quinn under the same identity: the floor.
    pub(crate) fn floor(folder: &Path) -> Result<Self> {
        let itself = std::env::current_exe()?;
        let mut command = pinned(itself.to_str().context("a path in utf-8")?);
        command.arg("--floor").arg(folder.join("certs"));
        Self::start(command, false)
    }

    fn start(mut command: Command, invites: bool) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting a server")?;
        let (sender, said) = channel();
        listen(child.stdout.take().context("its output")?, sender.clone());
        listen(child.stderr.take().context("its log")?, sender);
        let mut measured = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), invite: None };
        measured.understand(&said, invites)?;
        Ok(measured)
    }

    fn understand(&mut self, said: &Receiver<Said>, invites: bool) -> Result<()> {
        while self.address.port() == 0 || (invites && self.invite.is_none()) {
            match said.recv_timeout(START_TIMEOUT).context("a server did not start")? {
                Said::Address(address) => self.address = address,
                Said::Invite(invite) => self.invite = Some(invite),
            }
        }
        Ok(())
    }

    /// User and system time since it was started, in whole hundredths of a second.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        // The name in parentheses may hold anything, spaces too; behind it the fields are counted from the third.
        let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
        let ticks = fields.split_ascii_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(str::parse::<u64>).sum::<Result<_, _>>()?;
        Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
    }

    /// Memory that is its own, in bytes: what it allocated and touched, without its program file.
    pub(crate) fn memory_bytes(&self) -> Result<u64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.split_ascii_whitespace().next());
        Ok(kib.context("no RssAnon in status")?.parse::<u64>()? * 1024)
    }

    /// Files and sockets it has open.
    pub(crate) fn open_files(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    fn proc(&self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", self.child.id());
        fs::read_to_string(&path)
            .with_context(|| format!("reading {path}: is this Linux, and the server alive?"))
    }

    /// Asks it to end, and waits until it has, while its clients are still there to say goodbye.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let end = move || {
            let pid = self.child.id().to_string();
            let asked = Command::new("kill").args(["-TERM", &pid]).status()?;
            let ended = self.child.wait()?;
            if !asked.success() || !ended.success() {
                bail!("a server ended with {ended}");
            }
            Ok(())
        };
        tokio::task::spawn_blocking(end).await?
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a starting server says that we need.
enum Said {
    Address(SocketAddr),
    Invite(InviteLink),
}

/// Reads what a server says to its end, so that it never waits for us; shows what it warns of.
fn listen(from: impl Read + Send + 'static, to: Sender<Said>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let address = line.split("address=").nth(1).and_then(|rest| rest.split(' ').next());
            if let Some(Ok(address)) = address.map(str::parse) {
                // Nobody listens any more once a server has started.
                let _ = to.send(Said::Address(address));
            } else if let Some(Ok(invite)) = line.split('\'').nth(1).map(str::parse) {
                let _ = to.send(Said::Invite(invite));
            } else if line.contains(" WARN ") || line.contains("ERROR") || line.contains("error") {
                eprintln!("server: {line}");
            }
        }
    });
}

/// A command on the server's core, where the machine has two and knows how.
fn pinned(program: &str) -> Command {
    if !has_two_cores() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER_CORE, program]);
    command
}

/// Moves this process off the server's core. Must come before it has a second thread.
pub(crate) fn stay_on_the_load_core() {
    let pid = std::process::id().to_string();
    let moved = has_two_cores()
        && Command::new("taskset")
            .args(["-cp", LOAD_CORE, &pid])
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    if !moved {
        println!("server and load share their cores: times between publishing and hearing say little");
    }
}

fn has_two_cores() -> bool {
    // Asked of the kernel, not of this process, which may have been moved to one of them.
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    cores >= 2 && Command::new("taskset").arg("--version").output().is_ok()
}

/// UDP datagrams this machine threw away because a socket was full, since it was started.
pub(crate) fn datagrams_dropped() -> u64 {
    let text = fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (Some(names), Some(values)) = (rows.next(), rows.next()) else {
        return 0;
    };
    let mut columns = names.split(' ').zip(values.split(' '));
    let dropped = columns.find(|(name, _)| *name == "RcvbufErrors");
    dropped.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}
