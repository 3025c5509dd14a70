//! What anybody can send to a UDP port: it is hardly answered, it fills no log, and who is inside notices nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use quipu_protocol::request::{ListRooms, Rooms};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

use super::harness::{Device, Grants, Program, RawPeer, RawStream, random, soon};

/// Longest datagram that is tried: more than any packet of ours.
const LENGTH_MAX: usize = 1_500;
/// Shortest datagram with the first packet of a connection (RFC 9000 section 14.1).
const FIRST_BYTES_MIN: usize = 1_200;
/// When nothing more is coming.
const SILENCE: Duration = Duration::from_millis(500);

/// Somebody whom the program knows, and who asks something now and then.
async fn resident(program: &Program, root: &std::path::Path) -> (RawPeer, RawStream) {
    let (invite, address) = (program.invite(), program.listens());
    let authority = std::fs::read(root.join("certs/ca.der")).unwrap();
    let dial = RawPeer::dial(address, authority.into(), invite.pin, Grants::default());
    let peer = soon("a handshake", dial).await.unwrap();
    let (mut control, device) = (peer.greet().await, Device::new());
    let token = peer.redeem(&mut control, &invite.secret, &device, "ada").await.unwrap();
    peer.auth(&mut control, &token.token, &device).await.unwrap();
    (peer, control)
}

async fn is_served(peer: &RawPeer) {
    let _: Rooms = peer.ask(&ListRooms { mine: true, after: None, name: None }).await.unwrap();
}

/// Datagrams that are no packets of ours: noise, another version, ids of connections that never were.
fn garbage() -> Vec<Vec<u8>> {
    let noise = |length: usize| random::<LENGTH_MAX>()[..length].to_vec();
    let of_version = |length: usize, version: u32| {
        let mut datagram = noise(length);
        let head = [&[0xc0][..], &version.to_be_bytes(), &[8], &random::<8>(), &[8], &random::<8>()].concat();
        let fits = head.len().min(length);
        datagram[..fits].copy_from_slice(&head[..fits]);
        datagram
    };
    let mut all = Vec::new();
    for length in 0..=LENGTH_MAX {
        all.extend([vec![0; length], noise(length)]);
        // Short headers: a packet for a connection that is not there.
        all.push([&[0x40][..], &noise(length)].concat());
        all.extend([of_version(length, 0), of_version(length, 1), of_version(length, 0x1a2a_3a4a)]);
    }
    all
}

/// What came back.
struct Answers {
    buffer: Vec<u8>,
    /// Which versions the server speaks.
    versions: usize,
    /// Resets, for connections that it does not know.
    others: u64,
    bytes: usize,
}

impl Default for Answers {
    fn default() -> Self {
        Self { buffer: vec![0; 2 * LENGTH_MAX], versions: 0, others: 0, bytes: 0 }
    }
}

impl Answers {
    fn count(&mut self, length: usize) {
        let is_versions = self.buffer[0] & 0x80 != 0 && self.buffer[1..5] == [0; 4];
        self.versions += usize::from(is_versions);
        self.others += u64::from(!is_versions);
        self.bytes += length;
    }
}

#[tokio::test]
async fn garbage_is_hardly_answered_and_not_noted() {
    let root = tempfile::tempdir().unwrap();
    let program = Program::start(root.path());
    let (peer, _control) = resident(&program, root.path()).await;
    let address: SocketAddr = peer.connection.remote_address();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let all = garbage();
    let mut answers = Answers::default();
    let since = Instant::now();
    for datagram in &all {
        socket.send_to(datagram, address).await.unwrap();
        while let Ok(length) = socket.try_recv(&mut answers.buffer) {
            answers.count(length);
        }
        // The kernel drops what comes too fast, and this is about the server.
        if datagram.len().is_multiple_of(50) {
            is_served(&peer).await;
        }
    }
    while let Ok(Ok(length)) = timeout(SILENCE, socket.recv(&mut answers.buffer)).await {
        answers.count(length);
    }
    let seconds = since.elapsed().as_secs() + 1;
    let Answers { versions, others, bytes, .. } = answers;
    let sent: usize = all.iter().map(Vec::len).sum();
    // Whoever forges addresses gains nothing: much less comes back, and to what is smaller than a first packet next to nothing.
    let large = all.iter().filter(|datagram| datagram.len() >= FIRST_BYTES_MIN).count();
    assert!(
        versions > 0 && versions <= large && bytes <= sent / 10,
        "{versions} answers, {bytes} of {sent} bytes"
    );
    assert!(others > 0 && others <= 50 * seconds, "{others} answers in {seconds} s");
    is_served(&peer).await;
    program.terminate();
    let exit = program.exit();
    let lines = exit.stderr.lines().count() as u64;
    assert!(lines <= seconds + 10, "{lines} lines in {seconds} s");
}

/// Each of them is refused, and the log says so of one a second and how many it left out.
#[tokio::test]
async fn strangers_write_a_line_a_second() {
    const STRANGERS: usize = 30;
    let root = tempfile::tempdir().unwrap();
    let program = Program::start(root.path());
    let (invite, address) = (program.invite(), program.listens());
    let authority = std::fs::read(root.path().join("certs/ca.der")).unwrap();
    let since = Instant::now();
    for _ in 0..STRANGERS {
        let dial = RawPeer::dial(address, authority.clone().into(), invite.pin, Grants::default());
        let peer = soon("a handshake", dial).await.unwrap();
        let mut control = peer.greet().await;
        for _ in 0..3 {
            peer.auth(&mut control, &random::<300>(), &Device::new()).await.unwrap_err();
        }
        peer.closed().await;
    }
    let seconds = since.elapsed().as_secs() + 1;
    program.terminate();
    let exit = program.exit();
    let lines = exit.stderr.lines().filter(|line| line.contains("authentication refused")).count() as u64;
    assert!(lines >= 1 && lines <= seconds, "{lines} lines in {seconds} s: {}", exit.stderr);
    assert!(exit.stderr.lines().count() as u64 <= seconds + 10, "{}", exit.stderr);
}
