//! Our server, as an operator starts it: the real binary, folders of its own, a free port.

use std::fs::{self, File};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::process::{self, Running};

/// A running server that nobody has joined yet.
pub(crate) struct Server {
    folder: TempDir,
    running: Running,
    /// The owner's invite, as it was printed.
    pub(crate) link: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a server and waits for its invite.
    pub(crate) fn start() -> Self {
        // Where the name leads first: quinn's client goes there and nowhere else.
        Self::at(("localhost", 0).to_socket_addrs().unwrap().next().unwrap())
    }

    /// The same on this address, whose port is 0.
    pub(crate) fn at(mut address: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_quipu-server"));
        command
            .current_dir(folder.path())
            .args(["--listen", &address.to_string()])
            .arg("--data")
            .arg(folder.path().join("data"))
            .arg("--certs")
            .arg(folder.path().join("certs"))
            .args(["--log", "info,quipu_server=debug"])
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("log")).unwrap());
        let mut running = process::start(&mut command);
        let link = process::first(running.0.stdout.take().unwrap(), |line| {
            let link = &line[line.find("quipu://")?..];
            Some(link.trim_end_matches('\'').to_owned())
        });
        let Some(link) = link else {
            panic!("the server printed no invite: {}", log_of(&folder));
        };
        let (host, _) = link["quipu://".len()..].split_once('/').unwrap();
        address.set_port(host.rsplit(':').next().unwrap().parse().unwrap());
        Self { folder, running, link, address }
    }

    /// The certificate of its authority, in DER.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("certs/ca.der")
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.running.0.id()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        log_of(&self.folder)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}

fn log_of(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("log")).unwrap_or_default()
}
