//! What does a member cost the server that is logged in, has one room open, and does nothing?
//!
//! 1,000 members, or with `--full` 10,000 as well: each an account of its own with INBOX and one ROOM stream, both caught
//! up. Beside it as many raw quinn connections with as many open streams under the same TLS and transport settings: the
//! floor. Prints the growth of memory (anonymous resident pages of the process) per connection, and the ratio.
//!
//! The members enrol with an earlier process of the server, so that what enrolling leaves behind is in no figure.
//!
//! `cargo bench --bench density`, with `-- --short` for 300 members or `-- --full`.

mod support;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use quipu_protocol::RoomId;
use tokio::time::sleep;

use support::Asked;
use support::load::{Load, all};
use support::measured::Measured;
use support::member::{Member, Talk};

/// Connections that pay for what is allocated once, before anything is measured.
const FIRST: usize = 20;
/// Members of one invite: what the server allows.
const INVITE_USES: usize = 1_000;
/// Memory is read when the server has settled.
const SETTLE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    support::main(density)
}

async fn density(asked: Asked) -> Result<()> {
    let sizes: &[usize] = match (asked.short, asked.full) {
        (true, _) => &[300],
        (false, false) => &[1_000],
        (false, true) => &[1_000, 10_000],
    };
    println!("{:>7} {:>16} {:>16} {:>6}", "N", "Quipu bytes each", "floor bytes each", "ratio");
    for size in sizes {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let chat = chat(folder.path(), *size).await?;
        let raw = raw(folder.path(), *size).await?;
        println!("{size:>7} {chat:>16.0} {raw:>16.0} {:>6.2}", chat / raw);
    }
    Ok(())
}

/// Bytes per member of Quipu.
async fn chat(folder: &Path, size: usize) -> Result<f64> {
    let (members, room) = enrol(folder, size + FIRST).await?;
    let quipu = Measured::quipu(folder)?;
    let load = Load::new(size + FIRST, &folder.join("certs"))?;
    let come = async |member: &Member| {
        let online = member.connect(&load, quipu.address).await?;
        let open = online.open(room).await?;
        online.inbox_ready().await;
        Ok((online, open))
    };
    let _first = all(&members[..FIRST], come).await?;
    let before = settled(&quipu).await?;
    let there = all(&members[FIRST..], come).await?;
    let after = settled(&quipu).await?;
    Ok((after - before) / there.len() as f64)
}

async fn enrol(folder: &Path, size: usize) -> Result<(Vec<Member>, RoomId)> {
    let quipu = Measured::quipu(folder)?;
    let load = Load::new(size, &folder.join("certs"))?;
    let invite = quipu.invite.as_ref().context("the invite of a new server")?;
    let owner = Member::enrol(&load, quipu.address, invite.pin, &invite.secret, "owner").await?;
    let owner = owner.connect(&load, quipu.address).await?;
    let room = owner.create_room("room").await?;
    let mut members = Vec::with_capacity(size);
    while members.len() < size {
        let (from, to) = (members.len(), size.min(members.len() + INVITE_USES));
        let secret = owner.invite(to - from, Some(room)).await?;
        let more = all(from..to, async |number| {
            let nickname = format!("m{number}");
            Member::enrol(&load, quipu.address, invite.pin, &secret, &nickname).await
        });
        members.append(&mut more.await?);
    }
    drop(owner);
    quipu.stop().await?;
    Ok((members, room))
}

/// Bytes per connection of the floor.
async fn raw(folder: &Path, size: usize) -> Result<f64> {
    let floor = Measured::floor(folder)?;
    let load = Load::new(size + FIRST, &folder.join("certs"))?;
    let come = async |_| {
        let connection = load.connect(floor.address).await?;
        let talk = Talk::open(&connection, quipu_protocol::BidiType::Control).await?;
        let mut streams = Vec::new();
        for _ in 0..2 {
            let mut stream = connection.accept_uni().await?;
            stream.read_exact(&mut [0]).await?;
            streams.push(stream);
        }
        Ok((connection, talk, streams))
    };
    let _first = all(0..FIRST, come).await?;
    let before = settled(&floor).await?;
    let there = all(0..size, come).await?;
    let after = settled(&floor).await?;
    Ok((after - before) / there.len() as f64)
}

async fn settled(server: &Measured) -> Result<f64> {
    sleep(SETTLE).await;
    Ok(server.memory_bytes()? as f64)
}
