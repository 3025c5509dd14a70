//! How long does a message take from one author to all members of a room, and what does it cost the server?
//!
//! One author, N members that stay, 100-byte messages, loopback QUIC; connecting is not measured. Beside it, in the same
//! minute on the same core, raw quinn writes the same bytes to as many streams with no chat behind it: the floor. A
//! *delivery* is one message heard by one member. Every member must hear every message once and in order, or the bench
//! fails.
//!
//! Prints for both deliveries per second, user and system time of the server per delivery, UDP datagrams from the
//! server per delivery, the share of its core it used, and publish-to-hear; then the ratio of the times per delivery.
//! Quipu makes every message durable first, the floor does not even acknowledge.
//!
//! `cargo bench --bench fanout`, with `-- --short` for seconds instead of minutes.

mod support;

use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use quinn::Connection;
use tokio::time::{Instant, sleep};

use support::Asked;
use support::board::{Board, Waits};
use support::load::{Load, all};
use support::measured::{Measured, datagrams_dropped};
use support::member::{Member, Online, Talk};
use support::publish::{Author, Pace, listen};

const PACES: [Pace; 4] = [Pace::InFlight(1), Pace::InFlight(16), Pace::InFlight(256), Pace::PerSecond(100)];
const WARM_UP: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    support::main(fanout)
}

async fn fanout(asked: Asked) -> Result<()> {
    let (sizes, measured): (&[usize], _) = match asked.short {
        true => (&[10, 100], Duration::from_millis(1_500)),
        false => (&[10, 100, 1_000], Duration::from_secs(5)),
    };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let quipu = Measured::quipu(folder.path())?;
    let floor = Measured::floor(folder.path())?;
    let owner = Owner::enrol(&quipu, folder.path()).await?;
    let dropped = datagrams_dropped();
    println!("{}", Row::head());
    for size in sizes {
        let load = Load::new(2 * size + 2, &folder.path().join("certs"))?;
        let mut with_chat = owner.room(&quipu, &load, *size).await?;
        let mut without = raw_room(&floor, &load, *size).await?;
        for pace in PACES {
            let chat = with_chat.measure(&quipu, pace, measured).await?;
            let raw = without.measure(&floor, pace, measured).await?;
            println!("{size:>5} {pace:>13} |{chat} |{raw} | {:>5.2}", chat.micros / raw.micros);
        }
    }
    let dropped = datagrams_dropped() - dropped;
    if dropped > 0 {
        println!(
            "{dropped} datagrams were thrown away at full sockets of this machine meanwhile, and sent again"
        );
    }
    Ok(())
}

/// The owner of the server: makes rooms and talks in them.
struct Owner {
    online: Online,
    pin: [u8; 32],
}

impl Owner {
    async fn enrol(quipu: &Measured, folder: &Path) -> Result<Self> {
        let invite = quipu.invite.as_ref().context("the invite of a new server")?;
        let load = Load::new(1, &folder.join("certs"))?;
        let owner = Member::enrol(&load, quipu.address, invite.pin, &invite.secret, "owner").await?;
        let online = owner.connect(&load, quipu.address).await?;
        Ok(Self { online, pin: invite.pin })
    }

    /// A new room with `size` new members, all of them reading.
    async fn room(&self, quipu: &Measured, load: &Load, size: usize) -> Result<Room> {
        let room = self.online.create_room(&format!("room-{size}")).await?;
        let secret = self.online.invite(size, Some(room)).await?;
        let members = all(0..size, async |number| {
            let nickname = format!("m{size}-{number}");
            Member::enrol(load, quipu.address, self.pin, &secret, &nickname).await
        });
        let members = members.await?;
        let readers = all(&members, async |member| {
            let online = member.connect(load, quipu.address).await?;
            let open = online.open(room).await?;
            online.inbox_ready().await;
            Ok((online, open))
        });
        let readers = readers.await?;
        let head = readers.first().map_or(0, |(_, open)| open.head);
        let board = Rc::new(Board::new(size, head));
        let author = Author::member(&self.online, room, Rc::clone(&board)).await?;
        let mut connections = Vec::with_capacity(size);
        let mut sessions = Vec::with_capacity(size);
        for (online, open) in readers {
            tokio::task::spawn_local(listen(open.live, Rc::clone(&board), false));
            connections.push(online.connection.clone());
            sessions.push(online);
        }
        Ok(Room { board, author, connections, _sessions: sessions, _talks: Vec::new() })
    }
}

/// The same on the floor.
async fn raw_room(floor: &Measured, load: &Load, size: usize) -> Result<Room> {
    let board = Rc::new(Board::new(size, 1_000));
    let readers = all(0..size, async |_| {
        let connection = load.connect(floor.address).await?;
        let talk = Talk::open(&connection, quipu_protocol::BidiType::Control).await?;
        for _ in 0..2 {
            let mut stream = connection.accept_uni().await?;
            let mut kind = [0];
            stream.read_exact(&mut kind).await?;
            if kind == [1] {
                return Ok((connection, talk, stream));
            }
            // The other one stays open and says no more; its end would be noticed by the floor.
            tokio::task::spawn_local(async move { stream.read_chunk(1, true).await.is_ok() });
        }
        anyhow::bail!("no stream with entries")
    });
    let (mut connections, mut talks) = (Vec::new(), Vec::new());
    for (number, (connection, talk, stream)) in readers.await?.into_iter().enumerate() {
        tokio::task::spawn_local(listen(stream, Rc::clone(&board), number == 0));
        connections.push(connection);
        talks.push(talk);
    }
    let connection = load.connect(floor.address).await?;
    let author = Author::raw(connection, Rc::clone(&board)).await?;
    Ok(Room { board, author, connections, _sessions: Vec::new(), _talks: talks })
}

/// Readers that listen and an author that waits.
struct Room {
    board: Rc<Board>,
    author: Author,
    connections: Vec<Connection>,
    _sessions: Vec<Online>,
    _talks: Vec<Talk>,
}

/// What was counted up to a moment.
struct Counted {
    at: Instant,
    cpu: Duration,
    deliveries: u64,
    datagrams: u64,
}

impl Room {
    async fn measure(&mut self, server: &Measured, pace: Pace, measured: Duration) -> Result<Row> {
        let end = Instant::now() + WARM_UP + measured;
        let (board, connections) = (Rc::clone(&self.board), self.connections.clone());
        let watch = async {
            sleep(WARM_UP).await;
            board.take_waits();
            let before = count(server, &board, &connections)?;
            sleep(measured).await;
            let after = count(server, &board, &connections)?;
            Ok(Row::new(&before, &after, &board.take_waits()))
        };
        let (row, talked) = tokio::join!(watch, self.author.talk(pace, end));
        talked?;
        self.author.be_heard().await?;
        row
    }
}

fn count(server: &Measured, board: &Board, connections: &[Connection]) -> Result<Counted> {
    Ok(Counted {
        at: Instant::now(),
        cpu: server.cpu()?,
        deliveries: board.deliveries(),
        datagrams: connections.iter().map(|one| one.stats().udp_rx.datagrams).sum(),
    })
}

/// One server at one pace.
struct Row {
    per_second: f64,
    micros: f64,
    datagrams: f64,
    core_percent: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Row {
    fn new(before: &Counted, after: &Counted, waits: &Waits) -> Self {
        let deliveries = (after.deliveries - before.deliveries) as f64;
        let seconds = (after.at - before.at).as_secs_f64();
        let cpu_seconds = (after.cpu - before.cpu).as_secs_f64();
        Self {
            per_second: deliveries / seconds,
            micros: cpu_seconds * 1e6 / deliveries,
            datagrams: (after.datagrams - before.datagrams) as f64 / deliveries,
            core_percent: cpu_seconds / seconds * 100.0,
            p50_ms: waits.percentile_ms(50),
            p99_ms: waits.percentile_ms(99),
        }
    }

    fn head() -> String {
        let half = format!(
            "{:>10} {:>7} {:>6} {:>4} {:>7} {:>7}",
            "deliver/s", "µs each", "pkts", "cpu%", "p50 ms", "p99 ms"
        );
        format!(
            "{:>5} {:>13} | Quipu{:>41} | floor{:>41} |\n{:>5} {:>13} |{half} |{half} | ratio",
            "", "", "", "", "N", "pace"
        )
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:>10.0} {:>7.2} {:>6.3} {:>4.0} {:>7.2} {:>7.2}",
            self.per_second, self.micros, self.datagrams, self.core_percent, self.p50_ms, self.p99_ms
        )
    }
}
