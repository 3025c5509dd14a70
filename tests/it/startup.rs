//! The program itself: what it says and how it exits when it cannot start, what it leaves on disk, and how it ends.
//!
//! Tests run as whoever runs them, often root, for whom no mode forbids anything. So what cannot be written is a file where a
//! folder should be, or lies below /proc.

#![cfg(unix)]

use std::fs;
use std::io::{Write as _, pipe};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

use quipu_protocol::BidiType;
use quipu_protocol::request::{ListRooms, Rooms};
use tempfile::TempDir;
use tokio::time::Instant;

use super::harness::{Device, Grants, Program, RawPeer, binary, draft, here, soon};

/// Runs to the end, which must be a refusal with this code that says all of `says`.
#[track_caller]
fn refuses(command: &mut Command, code: i32, says: &[&str]) {
    let exit = Program::spawn(command).exit();
    assert_eq!(exit.code, Some(code), "{exit:?}");
    for text in says {
        assert!(exit.stderr.contains(text), "it does not say {text:?}: {}", exit.stderr);
    }
    assert_eq!(exit.stdout, "", "a refusal is no output");
}

/// Folders in which a server has run once.
fn used() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let program = Program::start(root.path());
    program.listens();
    program.terminate();
    assert_eq!(program.exit().code, Some(0));
    root
}

#[test]
fn a_busy_port_is_named() {
    let root = tempfile::tempdir().unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refuses(binary(root.path()).args(["--listen", &address]), 3, &["cannot listen on UDP", &address]);
    // And free again it is taken, in the same folders.
    drop(taken);
    let program = Program::spawn(binary(root.path()).args(["--listen", &address]));
    assert_eq!(program.listens().to_string(), address);
    assert_eq!(program.invite().port, program_port(&address));
}

fn program_port(address: &str) -> u16 {
    address.parse::<SocketAddr>().unwrap().port()
}

#[test]
fn folders_that_cannot_be_written_are_named() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "no folder").unwrap();
    refuses(here(root.path()).args(["--data", "file"]), 4, &["file"]);
    refuses(here(root.path()).args(["--data", "file/data"]), 4, &["file/data"]);
    refuses(here(root.path()).args(["--certs", "file"]), 4, &["file"]);
    #[cfg(target_os = "linux")]
    refuses(here(root.path()).args(["--data", "/proc/quipu"]), 4, &["/proc/quipu"]);
    assert_eq!(fs::read(root.path().join("file")).unwrap(), b"no folder");
}

#[test]
fn a_second_server_keeps_out_of_the_first_ones_data() {
    let root = tempfile::tempdir().unwrap();
    let first = Program::start(root.path());
    first.listens();
    refuses(&mut here(root.path()), 4, &["another quipu-server uses the data folder data"]);
    // The first one does not notice.
    first.terminate();
    assert_eq!(first.exit().code, Some(0));
    Program::start(root.path()).listens();
}

#[test]
fn data_of_a_later_version_is_left_alone() {
    let root = used();
    let path = root.path().join("data/quipu.db");
    let store = rusqlite::Connection::open(&path).unwrap();
    store.pragma_update(None, "user_version", 4_711).unwrap();
    store.close().unwrap();
    refuses(&mut here(root.path()), 5, &["schema 4711", "newer quipu-server"]);
    let store = rusqlite::Connection::open(&path).unwrap();
    let version: i64 = store.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 4_711);
}

#[test]
fn damaged_data_is_left_alone() {
    for (damage, says) in
        [("noise", ""), ("another program's", "application id"), ("cut", "not whole pages"), ("a hole", "")]
    {
        let root = used();
        let path = root.path().join("data/quipu.db");
        let whole = fs::read(&path).unwrap();
        match damage {
            "noise" => fs::write(&path, vec![0x5a; 16 * 4_096]).unwrap(),
            "cut" => fs::write(&path, &whole[..whole.len() - 100]).unwrap(),
            "a hole" => {
                let mut holed = whole.clone();
                holed[4_096..].fill(0xaa);
                fs::write(&path, holed).unwrap();
            }
            _ => {
                fs::remove_file(&path).unwrap();
                let other = rusqlite::Connection::open(&path).unwrap();
                other.execute_batch("CREATE TABLE theirs (x)").unwrap();
                other.close().unwrap();
            }
        }
        let damaged = fs::read(&path).unwrap();
        refuses(&mut here(root.path()), 5, &["damaged", says]);
        assert_eq!(fs::read(&path).unwrap(), damaged, "{damage}: it was touched");
    }
}

#[test]
fn mistakes_in_the_configuration_have_their_line() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("quipu.toml");
    for (text, says) in [
        ("# ours\nlisten = \"[::]:4433\"\nlissen = 1\n", "quipu.toml:3: unknown field `lissen`"),
        ("\nlisten = \"localhost\"\n", "quipu.toml:2: "),
        ("[limits]\n\npublish_burst = 0\n", "quipu.toml:3: publish_burst is 0 and must be from 1 to "),
        ("data = \"a\n", "quipu.toml:1: "),
    ] {
        fs::write(&path, text).unwrap();
        refuses(here(root.path()).args(["--config", "quipu.toml"]), 2, &[says]);
        refuses(here(root.path()).args(["--config", "quipu.toml", "--check-config"]), 2, &[says]);
    }
    refuses(here(root.path()).args(["--config", "none.toml"]), 2, &["none.toml"]);
    refuses(here(root.path()).arg("--verbose"), 2, &["--verbose"]);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "nothing was made");
}

#[test]
fn a_configuration_is_checked_without_a_start() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("quipu.toml"), "listen = \"[::]:4433\"\n[limits]\npublish_burst = 7\n")
        .unwrap();
    for args in [&["--check-config"][..], &["--check-config", "--config", "quipu.toml"]] {
        let exit = Program::spawn(binary(root.path()).args(args)).exit();
        assert_eq!((exit.code, exit.stderr.contains("valid")), (Some(0), true), "{exit:?}");
    }
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "nothing was made");
}

#[test]
fn a_key_that_others_may_read_is_refused_by_name() {
    let root = used();
    for key in ["data/secrets/token.key", "data/secrets/reset.key", "certs/ca.key.pem", "certs/leaf.key.pem"]
    {
        let path = root.path().join(key);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        refuses(&mut here(root.path()), 4, &[key, "0644"]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    Program::start(root.path()).listens();
}

/// Also when whoever starts it lets everybody read everything.
#[test]
fn what_it_makes_is_its_owners_alone() {
    let root = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    let script = "umask 000; exec \"$0\" --listen 127.0.0.1:0";
    shell.current_dir(root.path()).args(["-c", script, env!("CARGO_BIN_EXE_quipu-server")]);
    let program = Program::spawn(&mut shell);
    program.listens();
    let mut seen = 0;
    let mut folders = vec![root.path().join("data"), root.path().join("certs")];
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for file in fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // Certificates are public; nobody else writes anything.
            let is_public = path.extension().is_some_and(|kind| kind == "pem" || kind == "der")
                && !path.to_str().unwrap().ends_with(".key.pem");
            let wanted = if is_public { 0o644 } else { 0o600 };
            assert_eq!(mode(&path), wanted, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 12, "only {seen} files");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn it_ends_when_it_is_asked_and_keeps_its_identity() {
    let root = tempfile::tempdir().unwrap();
    let mut invites = Vec::new();
    for _ in 0..3 {
        let program = Program::start(root.path());
        program.listens();
        invites.push(program.invite());
        let asked = Instant::now();
        program.terminate();
        let exit = program.exit();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    }
    // One server to whoever pinned it; the links of earlier starts are void, so each is another.
    assert!(invites.iter().all(|invite| invite.pin == invites[0].pin));
    assert!(invites[0].secret != invites[1].secret && invites[1].secret != invites[2].secret);
}

/// Somebody comes, says something and goes, a few times; then it is asked to end.
async fn serves(program: Program, root: &Path) {
    let invite = program.invite();
    let (address, device) = (SocketAddr::from(([127, 0, 0, 1], invite.port)), Device::new());
    let authority = fs::read(root.join("certs/ca.der")).unwrap();
    let mut token = None;
    for _ in 0..5 {
        let dial = RawPeer::dial(address, authority.clone().into(), invite.pin, Grants::default());
        let peer = soon("a handshake", dial).await.unwrap();
        let mut control = peer.greet().await;
        let known = match token.take() {
            Some(token) => token,
            None => peer.redeem(&mut control, &invite.secret, &device, "ada").await.unwrap(),
        };
        // Refused, which is a line of the log, too.
        peer.auth(&mut control, &known.token, &Device::new()).await.unwrap_err();
        peer.auth(&mut control, &known.token, &device).await.unwrap();
        let mine: Rooms = peer.ask(&ListRooms { mine: true, after: None, name: None }).await.unwrap();
        let mut author = peer.open(BidiType::Publish.number()).await;
        author.send(&draft(mine.rooms[0].room, "still here")).await;
        author.published().await.unwrap();
        peer.leave().await;
        token = Some(known);
    }
    program.terminate();
    assert_eq!(program.exit().code, Some(0));
}

/// Whoever collects the log may end before the server does.
#[tokio::test]
async fn a_stderr_that_is_closed_harms_nobody() {
    let root = tempfile::tempdir().unwrap();
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    serves(Program::logging_to(writer, &mut here(root.path())), root.path()).await;
}

/// Or hang: the log is cut, and nobody waits.
#[tokio::test]
async fn a_stderr_that_nobody_reads_harms_nobody() {
    let root = tempfile::tempdir().unwrap();
    let (reader, writer) = pipe().unwrap();
    let mut full = writer.try_clone().unwrap();
    // It waits in its last write until the reader is gone.
    let filling = std::thread::spawn(move || while full.write_all(&[b'.'; 4_096]).is_ok() {});
    let program = Program::logging_to(writer, here(root.path()).args(["--log", "trace"]));
    serves(program, root.path()).await;
    drop(reader);
    filling.join().unwrap();
}

/// Goal: whenever the very first start is killed, the next one works, and lets its owner in.
#[test]
fn a_first_start_killed_at_any_moment_is_begun_again() {
    const MOMENTS: u32 = 20;
    let whole = {
        let root = tempfile::tempdir().unwrap();
        let since = Instant::now();
        let program = Program::start(root.path());
        program.invite();
        since.elapsed()
    };
    for moment in 0..MOMENTS {
        let root = tempfile::tempdir().unwrap();
        let mut killed = Program::start(root.path());
        // Nothing is waited for here: the time itself is what is tried.
        let (_keep, never) = channel::<()>();
        let _ = never.recv_timeout(whole * moment / MOMENTS);
        killed.child.kill().unwrap();
        killed.child.wait().unwrap();
        let next = Program::start(root.path());
        let address = next.listens();
        assert_eq!(next.invite().port, address.port(), "killed at {moment} of {MOMENTS} of {whole:?}");
        next.terminate();
        assert_eq!(next.exit().code, Some(0));
    }
}
