//! Peers we did not write: quinn's published examples, and Python's aioquic.
//!
//! The first tests here leave ourselves out of it. While they pass, a failing one further on is ours.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod peers;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A process that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn quinns_client_fetches_from_quinns_server() {
    let home = tempfile::tempdir().unwrap();
    let served = home.path().join("served");
    fs::create_dir(&served).unwrap();
    fs::write(served.join("hello.txt"), "hello from a file\n").unwrap();
    // Both keep certificates under HOME; a folder of their own keeps them off the developer's.
    let example = |name| {
        let mut command = Command::new(peers::quinn_example(name));
        command
            .env("HOME", home.path())
            .env("XDG_DATA_HOME", home.path().join("share"));
        command
    };

    let mut server = example("server");
    server
        .arg(&served)
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut server = Running(server.spawn().unwrap());
    // Kept until the end: a server that nobody listens to may fail at its next word.
    let mut said = BufReader::new(server.0.stderr.take().unwrap());
    let port = listening_port(&mut said);

    let url = format!("https://localhost:{port}/hello.txt");
    let fetched = example("client").args([&url]).output().unwrap();
    assert!(
        fetched.status.success(),
        "{}",
        String::from_utf8_lossy(&fetched.stderr)
    );
    assert_eq!(String::from_utf8(fetched.stdout).unwrap(), "hello from a file\n");
}

/// The port that quinn's example server says it listens on, once it does.
fn listening_port(said: &mut impl BufRead) -> u16 {
    let mut lines = said.lines().map(Result::unwrap);
    let line = lines
        .find(|line| line.contains("listening on"))
        .expect("the server says where it listens");
    line.trim().rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn python_has_its_own_quic_and_cbor() {
    let code = "import aioquic.quic.connection, cbor2; print(cbor2.dumps([1, 'a']).hex())";
    let said = Command::new(peers::python()).args(["-c", code]).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert_eq!(String::from_utf8(said.stdout).unwrap().trim(), "82016161");
}
