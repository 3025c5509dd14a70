//! quinn's published examples: they fetch our health page, and where no protocol is shared both sides say so and live on.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use quinn::{ConnectionError, TransportErrorCode};
use quipu_protocol::InviteLink;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::ours::Server;
use crate::peers;
use crate::plain::{dial::dial, link::Link};
use crate::process::{Running, first, run, start};

/// The TLS alert `no_application_protocol` (RFC 7301).
const NO_APPLICATION_PROTOCOL: u8 = 120;
/// What `quipu` ends with when a server does not speak its language.
const NO_COMMON_VERSION: i32 = 7;
/// Below the idle timeout of either side: an answer that is not given must not look like one.
const ANSWERED: Duration = Duration::from_secs(20);

/// Goal: what fails further on is ours.
#[test]
fn quinns_client_fetches_from_quinns_server() {
    let theirs = Theirs::start();
    assert_eq!(theirs.fetch(), "hello from a file\n");
}

#[test]
fn quinns_client_fetches_our_health_page() {
    let server = Server::start();
    let page = health(&server);
    assert!(page.contains("quipu-server") && page.contains("up"), "{page}");
}

#[test]
fn quinns_client_does_not_trust_us_without_our_authority() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let fetched = run(client(home.path()).arg(url(server.address.port(), "/")));
    assert_eq!(fetched.status.code(), Some(1), "{fetched:?}");
    assert!(stderr(&fetched).contains("failed to connect"), "{}", stderr(&fetched));
    health(&server);
}

/// A client of somebody else's protocol, as quinn's own would be if we spoke no `hq-29`.
#[tokio::test]
async fn a_peer_without_our_protocols_is_told_so_and_the_server_lives_on() {
    let server = Server::start();
    let link = Link::parse(&server.link).unwrap();
    for protocol in ["hq-interop", "h3", "quipu/2", "quipu"] {
        let dialled = timeout(ANSWERED, dial(server.address, &link.host, link.pin, protocol));
        refused_for_its_protocol(dialled.await.unwrap().map(drop));
    }
    assert!(health(&server).contains("up"));
    let dialled = timeout(ANSWERED, dial(server.address, &link.host, link.pin, "quipu/1"));
    assert!(dialled.await.unwrap().is_ok());
}

#[tokio::test]
async fn their_server_tells_a_peer_with_our_protocol_alone() {
    let theirs = Theirs::start();
    let address = ([127, 0, 0, 1], theirs.port).into();
    let dialled = timeout(ANSWERED, dial(address, "localhost", [0; 32], "quipu/1"));
    refused_for_its_protocol(dialled.await.unwrap().map(drop));
    assert_eq!(theirs.fetch(), "hello from a file\n");
}

#[test]
fn our_command_line_says_what_is_wrong_with_their_server() {
    let theirs = Theirs::start();
    let link = InviteLink {
        host: "localhost".to_owned(),
        port: theirs.port,
        pin: [0; 32],
        secret: [0; 16],
        expires_s: u32::MAX,
    };
    let link = link.to_string();
    let joined = quipu(&["join", &link, "--nick", "ada", "--yes"]);
    assert_eq!(joined.status.code(), Some(NO_COMMON_VERSION), "{}", stderr(&joined));
    assert!(stderr(&joined).contains("speaks no version of the protocol"), "{}", stderr(&joined));
    let looked = quipu(&["doctor", &link]);
    println!("{looked:?}");
    assert_eq!(looked.status.code(), Some(NO_COMMON_VERSION), "{}", stderr(&looked));
    assert_eq!(theirs.fetch(), "hello from a file\n");
}

/// Our command line, with a profile that nobody had before.
fn quipu(arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(peers::quipu());
    run(command.arg("--data-dir").arg(home.path()).args(arguments))
}

#[track_caller]
fn refused_for_its_protocol(dialled: Result<(), ConnectionError>) {
    match dialled {
        Err(ConnectionError::ConnectionClosed(close)) => {
            assert_eq!(close.error_code, TransportErrorCode::crypto(NO_APPLICATION_PROTOCOL));
            assert_eq!(u64::from(close.error_code), 0x178);
        }
        other => panic!("{other:?}"),
    }
}

/// Our health page, fetched by quinn's client.
fn health(server: &Server) -> String {
    let home = tempfile::tempdir().unwrap();
    let mut command = client(home.path());
    command.arg("--ca").arg(server.ca());
    stdout(run(command.arg(url(server.address.port(), "/"))))
}

/// quinn's example server, serving one file.
struct Theirs {
    home: TempDir,
    port: u16,
    _running: Running,
}

impl Theirs {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let served = home.path().join("served");
        fs::create_dir(&served).unwrap();
        fs::write(served.join("hello.txt"), "hello from a file\n").unwrap();
        let mut command = example("server", home.path());
        command.arg(&served).args(["--listen", "127.0.0.1:0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut running = start(&mut command);
        let port = first(running.0.stderr.take().unwrap(), |line| {
            let (_, port) = line.split_once("listening on")?.1.rsplit_once(':')?;
            port.trim().parse().ok()
        });
        Self { home, port: port.expect("the server says where it listens"), _running: running }
    }

    /// The file, by quinn's client. It finds the server's certificate in the home they share.
    fn fetch(&self) -> String {
        stdout(run(client(self.home.path()).arg(url(self.port, "/hello.txt"))))
    }
}

fn client(home: &Path) -> Command {
    example("client", home)
}

/// One of the examples. Both keep certificates under HOME; a folder of their own keeps them off the developer's.
fn example(name: &str, home: &Path) -> Command {
    let mut command = Command::new(peers::quinn_example(name));
    command.env("HOME", home).env("XDG_DATA_HOME", home.join("share"));
    command
}

fn url(port: u16, path: &str) -> String {
    format!("https://localhost:{port}{path}")
}

#[track_caller]
fn stdout(output: Output) -> String {
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
