//! `kill -9` under load, again and again: nothing acknowledged is lost, doubled or reordered, and nothing is made up.
//!
//! ```text
//!   authors ──pipelined, own ids──▶ quipu-server ──▶ readers          every cycle, at a moment drawn from a seed:
//!      │ what they said, what was acknowledged │         │            kill the server, sometimes an author or a
//!      └──────────────▶ verdict ◀──────────────┴─ logs ──┘            reader too, sometimes the server while it starts
//! ```
//!
//! The server is the real binary; authors and readers are the client library, each with a profile on disk that
//! outlives its own crashes. `QUIPU_KILL_CYCLES` says how many kills (default 20; 2,000 for a night), and
//! `QUIPU_KILL_SEED` which moments.

mod author;
mod peer;
mod reader;
mod verdict;

use std::time::Duration;

use quipu_client::NewInvite;
use quipu_client::protocol::{RoomId, Seq};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::binaries::server::FAST;
use crate::binaries::{Dice, SOON, ServerProcess};
use author::Author;
use peer::Peer;
use reader::{Habit, Reader};
use verdict::{Spoken, judge};

const AUTHORS: usize = 4;
const CYCLES: u64 = 20;
/// Acknowledgements between a start and the next kill, at most.
const ACKS_MAX: u64 = 400;
/// The moment of a kill is this much later than an acknowledgement, at most, in microseconds: a few batches.
const AFTER_ACK_MAX_US: u64 = 15_000;
/// How far a server that starts may come before it is killed, in milliseconds.
const STARTING_MAX_MS: u64 = 120;

/// Goal: the promise of the first page, under the harshest fault one machine offers.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kills_under_load_lose_double_and_reorder_nothing() {
    let cycles = number("QUIPU_KILL_CYCLES", CYCLES);
    let seed = number("QUIPU_KILL_SEED", 1);
    let mut dice = Dice::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start_with(FAST);
    let (room, peers) = join_all(&server, &folder).await;
    let mut peers = peers.into_iter();
    let authors: Vec<Author> =
        (0..AUTHORS).map(|number| Author::start(number, peers.next().unwrap(), room)).collect();
    let habits = [Habit::Marking, Habit::Marking, Habit::Silent];
    let mut readers: Vec<Reader> =
        habits.map(|habit| Reader::start(peers.next().unwrap(), room, habit)).into();

    for cycle in 0..cycles {
        let goal = acked(&authors) + 1 + dice.below(ACKS_MAX);
        wait_for("acknowledgements", || acked(&authors) >= goal).await;
        sleep(Duration::from_micros(dice.below(AFTER_ACK_MAX_US))).await; // The fault's own moment.
        server.kill();
        if dice.below(4) == 0 {
            let victim = usize::try_from(dice.below(AUTHORS as u64)).unwrap();
            authors[victim].crash();
        }
        if dice.below(4) == 0 {
            readers[1].crash();
        }
        if dice.below(5) == 0 {
            server.spawn();
            sleep(Duration::from_millis(dice.below(STARTING_MAX_MS))).await;
            server.kill();
        }
        server.restart();
        if cycle % 100 == 99 {
            println!("{} kills, {} acknowledgements", cycle + 1, acked(&authors));
        }
    }

    let mut spoken: Vec<Spoken> = Vec::new();
    for author in authors {
        spoken.push(author.finish().await);
    }
    let total: usize = spoken.iter().map(|author| author.said.len()).sum();
    let head = readers[0].head(total).await;
    for reader in &mut readers {
        reader.reaches(head).await;
    }
    // Read by somebody who saw nothing of all this: what is in the store, and not what was live.
    let newcomer = peers.next().unwrap().client;
    let log = reader::whole_log(&newcomer, room, head).await;
    assert_eq!(judge(&log, &spoken), Vec::<String>::new(), "seed {seed}");
    for reader in &readers {
        assert_eq!(verdict::difference(&log, &reader.log()), None, "seed {seed}");
    }
    for reader in readers {
        // Some are at the end, some in the middle: the count is exact wherever the marker is.
        let marker = Seq(head.0 - dice.below(head.0));
        reader.unread_is_exact(marker, &log).await;
    }
    newcomer.shutdown().await;

    let repeated = spoken.iter().map(|author| author.duplicates).sum::<u64>();
    let (status, said) = server.stop();
    assert!(status.success(), "{status}: {said}");
    assert_eq!(integrity(&server), "ok");
    println!(
        "seed {seed}: {cycles} kills, {total} messages in {head} entries, {repeated} of them acknowledged only when \
         they were sent again"
    );
    // Otherwise no kill fell between a commit and its acknowledgement, and the half of this test was asleep.
    assert!(repeated > 0 || cycles < CYCLES, "no retry met its own first attempt");
}

/// The lobby, and a joined and connected client for each author and reader and one more.
async fn join_all(server: &ServerProcess, folder: &TempDir) -> (RoomId, Vec<Peer>) {
    let mut peers: Vec<Peer> = Vec::new();
    let mut link = server.link().to_owned();
    for number in 0..AUTHORS + 4 {
        let peer = Peer::open(folder.path().join(number.to_string())).await;
        peer.client.join(&link, &format!("p{number}"), "test").await.unwrap();
        peer.client.start().await.unwrap();
        if number == 0 {
            let invite = NewInvite {
                uses: AUTHORS as u64 + 3,
                life: Duration::from_secs(3_600),
                room: None,
                role: None,
                own_device: false,
            };
            link = peer.client.create_invite(invite).await.unwrap().1.to_string();
        }
        peers.push(peer);
    }
    let lobby = peers[0].client.room_named(&"lobby".parse().unwrap()).await;
    (lobby.unwrap().room, peers)
}

fn acked(authors: &[Author]) -> u64 {
    authors.iter().map(Author::acked).sum()
}

/// Waits until `happened`, looking often: what is waited for happens in other tasks and another process.
async fn wait_for(what: &str, happened: impl Fn() -> bool) {
    let looking = async {
        while !happened() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(timeout(SOON, looking).await.is_ok(), "no {what} for {SOON:?}");
}

/// What SQLite says about the file that was killed so often.
fn integrity(server: &ServerProcess) -> String {
    let db = rusqlite::Connection::open(server.database()).unwrap();
    db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}

/// A number from the environment.
fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")),
        Err(_) => default,
    }
}
