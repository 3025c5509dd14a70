//! A task that panics costs its own connection and nothing else. What panics here is the log: it is called everywhere.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quipu_protocol::control::Auth;
use quipu_protocol::frame::{FrameType, seal};
use quipu_protocol::request::{CreateInvite, Devices, InviteAnswer, ListDevices};
use quipu_protocol::token::{self, Purpose};
use quipu_protocol::{BidiType, CloseCode};
use tracing::subscriber::DefaultGuard;

use super::harness::{Ended, TestServer, invite};

/// Panics at the first line that says this.
#[derive(Clone)]
struct Trap(&'static str, Arc<AtomicBool>);

impl io::Write for Trap {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let says = String::from_utf8_lossy(line).contains(self.0);
        assert!(!says || self.1.swap(true, Ordering::Relaxed), "the trap");
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sets it for the thread of this test, in which the server runs too.
fn trap(says: &'static str) -> (DefaultGuard, Arc<AtomicBool>) {
    let sprung = Arc::new(AtomicBool::new(false));
    let trap = Trap(says, Arc::clone(&sprung));
    let log = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || trap.clone());
    (tracing::subscriber::set_default(log.finish()), sprung)
}

#[tokio::test]
async fn a_login_that_panics_leaves_nothing_behind() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let ask = CreateInvite { own_device: Some(true), ..invite(1) };
    let answer: InviteAnswer = owner.peer.ask(&ask).await.unwrap();
    let other = server.redeem(&answer.secret[..].try_into().unwrap(), "unused").await;
    other.peer.leave().await;
    let (log, sprung) = trap("session user=");
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let subject = token::auth_subject(&other.token.token);
    let proof = other.device.prove(Purpose::Auth, subject, &peer);
    control.send(&Auth { token: other.token.token.clone(), proof }).await;
    // It may have the answer before: what follows it fails.
    assert_eq!(peer.closed().await, CloseCode::Internal);
    assert!(sprung.load(Ordering::Relaxed));
    drop(log);
    let devices: Devices = owner.peer.ask(&ListDevices {}).await.unwrap();
    let online = devices.devices.iter().find(|row| row.device == other.me.device).unwrap().online;
    assert!(!online, "a connection that is gone");
    server.again(other).await.is_served().await;
    owner.is_served().await;
}

#[tokio::test]
async fn a_task_that_panics_closes_its_connection_alone() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let other = server.join(&owner, "other").await;
    let (_log, sprung) = trap("stream ended");
    let mut stream = other.peer.open(BidiType::Request.number()).await;
    stream.write(&seal(FrameType(0x3e), &[])).await;
    assert_eq!(stream.read.broken().await, Ended::Closed(CloseCode::Internal));
    assert!(sprung.load(Ordering::Relaxed));
    owner.is_served().await;
    server.again(other).await.is_served().await;
}
