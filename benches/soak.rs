//! Does a server that works for a long time grow?
//!
//! Members stay in a room and check that they hear every message once, in order; visitors come, look, ask for history
//! and a search, and go, one each second; a message is said fifty times a second. Every ten seconds the server's
//! memory and open files are read. What it has allocated in its first quarter is what it needs; how much it grows
//! afterwards is told as a part of that in an hour, by the line that fits best.
//!
//! `cargo bench --bench soak`: an hour, and it fails above 1 % an hour, when files stay open, or when anybody missed a
//! message. `-- --short` for two minutes, which only shows that it runs: the line through so few figures means nothing.

mod support;

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use quipu_protocol::request::{Anchor, Found, History, Page, Search};
use quipu_protocol::{RoomId, Text};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use support::Asked;
use support::board::Board;
use support::load::{Load, all};
use support::measured::Measured;
use support::member::{Member, Online};
use support::publish::{Author, Pace, listen};

const STAYERS: usize = 40;
const VISITORS: usize = 10;
const MESSAGES_PER_SECOND: u64 = 50;
const SAMPLE_EVERY: Duration = Duration::from_secs(10);
/// Growth that fails a whole soak, as a part of what there was, an hour.
const GROWTH_MAX: f64 = 0.01;

fn main() -> ExitCode {
    support::main(soak)
}

async fn soak(asked: Asked) -> Result<()> {
    let length = Duration::from_secs(if asked.short { 120 } else { 3_600 });
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let server = Measured::quipu(folder.path())?;
    let load = Load::new(STAYERS + VISITORS + 1, &folder.path().join("certs"))?;
    let invite = server.invite.as_ref().context("the invite of a new server")?;
    let owner = Member::enrol(&load, server.address, invite.pin, &invite.secret, "owner").await?;
    let owner = owner.connect(&load, server.address).await?;
    let room = owner.create_room("room").await?;
    let secret = owner.invite(STAYERS + VISITORS, Some(room)).await?;
    let members = all(0..STAYERS + VISITORS, async |number| {
        Member::enrol(&load, server.address, invite.pin, &secret, &format!("m{number}")).await
    });
    let mut members = members.await?;
    let visitors = members.split_off(STAYERS);

    let stayers = all(&members, async |member| {
        let online = member.connect(&load, server.address).await?;
        let open = online.open(room).await?;
        Ok((online, open))
    });
    let stayers = stayers.await?;
    let head = stayers.iter().map(|(_, open)| open.head).max().context("somebody stays")?;
    let board = Rc::new(Board::new(STAYERS, head));
    let mut online: Vec<Online> = Vec::new();
    for (stayer, open) in stayers {
        ensure!(open.head == head, "the room is quiet until the author begins");
        tokio::task::spawn_local(listen(open.live, Rc::clone(&board), false));
        online.push(stayer);
    }
    let mut author = Author::member(&owner, room, Rc::clone(&board)).await?;

    let end = Instant::now() + length;
    let visits = visits(&visitors, room, (&load, &server), end);
    let samples = samples(&server, end);
    let (talked, visits, samples) =
        tokio::join!(author.talk(Pace::PerSecond(MESSAGES_PER_SECOND), end), visits, samples);
    talked?;
    author.be_heard().await?;
    let samples = samples?;
    println!("{} messages to {STAYERS}, {} visits", board.said(), visits?);
    judge(&samples, &asked)?;
    drop((online, owner));
    server.stop().await
}

/// Visits, one each second until `end`; gives how many there were.
async fn visits(
    visitors: &[Member],
    room: RoomId,
    (load, server): (&Load, &Measured),
    end: Instant,
) -> Result<usize> {
    let mut seconds = every(Duration::from_secs(1));
    let mut visits = 0;
    while Instant::now() < end {
        seconds.tick().await;
        let online = visitors[visits % visitors.len()].connect(load, server.address).await?;
        let _open = online.open(room).await?;
        let question = History { room, anchor: Anchor::LATEST, limit: 64, thread: None };
        let _: Page = online.ask(&question).await?;
        let _: Found = online.ask(&Search::for_words(Text::cut("xxx*".to_owned()))).await?;
        online.connection.close(0u32.into(), b"");
        visits += 1;
    }
    Ok(visits)
}

/// What the kernel says of the server at one moment.
struct Sample {
    hours: f64,
    bytes: f64,
    files: usize,
}

async fn samples(server: &Measured, end: Instant) -> Result<Vec<Sample>> {
    let (begin, mut turns, mut samples) = (Instant::now(), every(SAMPLE_EVERY), Vec::new());
    while Instant::now() < end {
        turns.tick().await;
        let hours = begin.elapsed().as_secs_f64() / 3_600.0;
        samples.push(Sample { hours, bytes: server.memory_bytes()? as f64, files: server.open_files()? });
    }
    Ok(samples)
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut turns = interval_at(Instant::now() + period, period);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}

fn judge(samples: &[Sample], asked: &Asked) -> Result<()> {
    let warm = &samples[samples.len() / 4..];
    let (first, last) = (warm.first().context("a sample")?, warm.last().context("a sample")?);
    let growth = slope(warm) / first.bytes;
    println!(
        "memory {:.1} MB, then {:.1} MB: {:+.2} % an hour; open files {}, then {}",
        first.bytes / 1e6,
        last.bytes / 1e6,
        growth * 100.0,
        first.files,
        last.files,
    );
    if !asked.short {
        ensure!(growth <= GROWTH_MAX, "it grows by {:.2} % an hour", growth * 100.0);
    }
    // A visitor may be there at either moment.
    ensure!(last.files <= first.files + 2, "files stay open");
    Ok(())
}

/// Bytes an hour, by the line that fits best.
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len() as f64;
    let hours = samples.iter().map(|sample| sample.hours).sum::<f64>() / count;
    let bytes = samples.iter().map(|sample| sample.bytes).sum::<f64>() / count;
    let along = |sample: &Sample| (sample.hours - hours) * (sample.bytes - bytes);
    let spread = samples.iter().map(|sample| (sample.hours - hours).powi(2)).sum::<f64>();
    samples.iter().map(along).sum::<f64>() / spread
}
