//! What strangers cost the program in memory, each of them keeping as much of it as they are let.

#![cfg(target_os = "linux")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use quipu_protocol::limits::CONTROL_BYTES_MAX;
use quipu_protocol::varint;
use rustls::pki_types::CertificateDer;
use tokio::time::sleep;

use super::harness::{Grants, Program, RawPeer, RawStream, soon};

/// Some that pay for what is allocated once, and those that are measured. All are there at once, within five seconds.
const FIRST: usize = 20;
const STRANGERS: usize = 250;
const BYTES_EACH_MAX: usize = 64 * 1024;

/// Somebody from a network of their own, who sends all they may: most of a frame on CONTROL, and streams nobody reads.
async fn stranger(
    number: usize,
    address: SocketAddr,
    authority: CertificateDer<'static>,
) -> (RawPeer, Vec<RawStream>) {
    let own = Ipv4Addr::new(127, 1 + (number / 250) as u8, (number % 250) as u8, 1);
    let dial = RawPeer::dial_from((own, 0).into(), address, authority, [0; 32], Grants::default());
    let peer = soon("a handshake", dial).await.unwrap();
    let mut control = peer.greet().await;
    let mut head = Vec::new();
    varint::put(&mut head, 0x02);
    varint::put(&mut head, CONTROL_BYTES_MAX as u64);
    control.write(&[head, vec![0; CONTROL_BYTES_MAX - 1]].concat()).await;
    let mut streams = vec![control];
    while let Some(Ok((mut send, recv))) = peer.connection.open_bi().now_or_never() {
        while send.write(&[0; 512]).now_or_never().is_some() {}
        streams.push(RawStream::of(send, recv));
    }
    (peer, streams)
}

/// Memory of the process that is in use, in bytes.
fn resident(program: &Program) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", program.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1_024
}

#[tokio::test]
async fn a_stranger_costs_64_kib_at_most() {
    let root = tempfile::tempdir().unwrap();
    let program = Program::start(root.path());
    let address = program.listens();
    let authority: CertificateDer<'static> = fs::read(root.path().join("certs/ca.der")).unwrap().into();
    let first = join_all((0..FIRST).map(|n| stranger(n, address, authority.clone()))).await;
    let before = resident(&program);
    let all = join_all((FIRST..FIRST + STRANGERS).map(|n| stranger(n, address, authority.clone()))).await;
    let mut most = 0;
    // It grows while it reads what is under way, and they are closed in five seconds.
    for _ in 0..10 {
        most = resident(&program).max(most);
        sleep(Duration::from_millis(50)).await;
    }
    let each = most.saturating_sub(before) / STRANGERS;
    println!("{each} bytes each");
    assert!(all.iter().all(|(peer, _)| peer.connection.close_reason().is_none()), "some have gone already");
    assert!(each <= BYTES_EACH_MAX, "{each} bytes each");
    drop((first, all));
}
