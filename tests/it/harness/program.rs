//! The program as an operator has it: its binary in folders of its own, its words line by line, and its end.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use quipu_protocol::InviteLink;

/// What a start or an end must come in.
const SOON: Duration = Duration::from_secs(30);

/// A running server; it ends with its test.
pub(crate) struct Program {
    pub(crate) child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self::logging_to(Stdio::piped(), command)
    }

    /// The same with a stderr of the test's own, which nobody reads here.
    pub(crate) fn logging_to(stderr: impl Into<Stdio>, command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.env_remove("CARGO").spawn().unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = child.stderr.take().map_or_else(|| channel().1, lines);
        Self { child, stdout, stderr }
    }

    /// Starts in the folders below `root`, on a free port of IPv4.
    pub(crate) fn start(root: &Path) -> Self {
        Self::spawn(&mut here(root))
    }

    /// Waits until it listens; tells where.
    pub(crate) fn listens(&self) -> SocketAddr {
        let line = wait_for(&self.stderr, "address=");
        let address = line.split("address=").nth(1).unwrap();
        address.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The invite of a server without accounts.
    pub(crate) fn invite(&self) -> InviteLink {
        let line = wait_for(&self.stdout, "quipu://");
        line.split('\'').nth(1).unwrap().parse().unwrap()
    }

    /// Asks it politely to end.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn exit(mut self) -> Exit {
        let [stdout, stderr] = [&self.stdout, &self.stderr].map(|output| {
            let mut all = String::new();
            loop {
                match output.recv_timeout(SOON) {
                    Ok(line) => all = all + &line + "\n",
                    Err(RecvTimeoutError::Disconnected) => return all,
                    Err(RecvTimeoutError::Timeout) => panic!("no end within {SOON:?}: {all}"),
                }
            }
        });
        let code = self.child.wait().unwrap().code();
        Exit { code, stdout, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn wait_for(lines: &Receiver<String>, what: &str) -> String {
    loop {
        match lines.recv_timeout(SOON) {
            Ok(line) if line.contains(what) => return line,
            Ok(_) => {}
            Err(error) => panic!("{what} was to come: {error}"),
        }
    }
}

/// The binary with nothing but what a test gives it, away from the folders of whoever runs it.
pub(crate) fn binary(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quipu-server"));
    command.current_dir(root);
    command
}

pub(crate) fn here(root: &Path) -> Command {
    let mut command = binary(root);
    command.args(["--listen", "127.0.0.1:0"]);
    command
}
