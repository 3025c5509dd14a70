//! Does the network do to real QUIC connections what it says, and does it do so again?
//!
//! Goal of each test but the last ones: whatever the network does, all echoes arrive once and in order on the same
//! connection, or the client is told that the connection is over.

#![allow(clippy::unwrap_used, reason = "in a file of tests an unwrap is an assertion")]

use std::{net::SocketAddr, time::Duration};

use quinn::{Connection, ConnectionError, Endpoint};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    echo::{EchoServer, IDLE_MAX, talk, transport, worst},
    net::{Bursts, Cut, LinkModel, Rate, SERVER_NAME},
    seeds,
    world::{self, World},
};

const SECOND: Duration = Duration::from_secs(1);
/// Messages of an ordinary conversation: two minutes at one a second.
const MESSAGES: u64 = 120;
const RESET_KEY: [u8; 64] = [7; 64];

#[test]
fn loss_duplicates_flips_and_reordering_are_not_noticed() {
    seeds::each(0..10, |seed| {
        world::run(seed, async |world| {
            world.net.set_model(LinkModel::rough());
            let (_server, _client, connection) = connect(world).await;
            let worst = worst(&talk(&connection, 600, SECOND).await.unwrap());
            assert!(worst < 30 * SECOND, "seed {seed}: the worst echo took {worst:?}");
        });
    });
}

#[test]
fn bursts_of_loss_are_survived() {
    seeds::each(0..5, |seed| {
        world::run(seed, async |world| {
            let bursts = Some(Bursts { start: 0.02, length: SECOND / 10..2 * SECOND });
            world.net.set_model(LinkModel { bursts, ..LinkModel::clean() });
            converse(world).await;
        });
    });
}

#[test]
fn a_slow_lossy_link_is_survived() {
    seeds::each(0..5, |seed| {
        world::run(seed, async |world| {
            let rate = Some(Rate { bits_per_second: 256_000, queue: Duration::from_millis(300) });
            world.net.set_model(LinkModel { loss: 0.2, rate, ..LinkModel::clean() });
            converse(world).await;
        });
    });
}

#[test]
fn a_blackout_below_the_idle_limit_costs_little_more_than_itself() {
    for blackout in [5, 20, 29].map(Duration::from_secs) {
        world::run(1, async |world| {
            world.net.cut_during(client_addr(), 30 * SECOND..30 * SECOND + blackout);
            let worst = worst(&converse(world).await);
            // Messages said at its very beginning wait for all of it.
            let allowed = blackout - SECOND..blackout + 3 * SECOND;
            assert!(allowed.contains(&worst), "{blackout:?} of blackout became {worst:?}");
        });
    }
}

/// Most connections live on, not all: quinn 0.11 sends no acknowledgement while its own data waits for the congestion
/// window, and its probes back off to half a minute and more. What never happens is a wrong echo or silence for ever.
#[test]
fn a_blackout_on_a_rough_network_is_survived_or_noticed() {
    let usual_seeds = 0..20;
    let mut survived = 0;
    seeds::each(usual_seeds.clone(), |seed| {
        survived += world::run(seed, async |world| {
            world.net.set_model(LinkModel::rough());
            let (_server, _client, connection) = connect(world).await;
            world.net.cut_during(client_addr(), 30 * SECOND..50 * SECOND);
            let began = Instant::now();
            match talk(&connection, MESSAGES, SECOND).await {
                Ok(_) => 1,
                Err(ConnectionError::TimedOut | ConnectionError::Reset) => {
                    let (noticed, allowed) = (began.elapsed(), Duration::from_secs(MESSAGES) + 2 * IDLE_MAX);
                    assert!(noticed < allowed, "seed {seed}: noticed only after {noticed:?}");
                    0
                }
                Err(other) => panic!("seed {seed}: {other}"),
            }
        });
    });
    if seeds::seeds(usual_seeds.clone()) == usual_seeds {
        assert!(survived >= 18, "only {survived} of 20 survived");
    }
}

#[test]
fn a_nat_that_forgets_every_five_seconds_is_survived() {
    seeds::each(0..5, |seed| {
        world::run(seed, async |world| {
            world.net.set_model(LinkModel::rough());
            let (server, _client, connection) = connect(world).await;
            let forget = async {
                for port in 1..=20 {
                    sleep(5 * SECOND).await;
                    world.net.rebind_nat(client_addr(), SocketAddr::from(([192, 0, 2, 1], port)));
                }
            };
            let (talk, ()) = tokio::join!(talk(&connection, MESSAGES, SECOND), forget);
            talk.unwrap();
            let paths = server.notes().paths;
            assert!(paths.len() > 10, "seed {seed}: the server saw only {paths:?}");
            assert_eq!(paths.last(), Some(&SocketAddr::from(([192, 0, 2, 1], 20))));
        });
    });
}

#[test]
fn a_client_moves_to_another_socket_when_its_link_dies() {
    seeds::each(0..5, |seed| {
        world::run(seed, async |world| {
            let (server, client, connection) = connect(world).await;
            let elsewhere = SocketAddr::from(([10, 0, 0, 3], 1));
            let walk = async {
                sleep(30 * SECOND).await;
                world.net.cut(client_addr());
                sleep(2 * SECOND).await;
                client.rebind_abstract(world.net.bind(elsewhere)).unwrap();
            };
            let (talk, ()) = tokio::join!(talk(&connection, MESSAGES, SECOND), walk);
            let worst = worst(&talk.unwrap());
            assert!(worst < 3 * SECOND, "seed {seed}: two seconds without a link became {worst:?}");
            assert_eq!(server.notes().paths, [client_addr(), elsewhere]);
        });
    });
}

#[test]
fn a_restarted_server_that_kept_its_reset_key_tells_its_old_clients() {
    seeds::each(0..5, |seed| {
        world::run(seed, async |world| {
            world.net.set_model(LinkModel::rough());
            let noticed_after =
                restart_server_under_conversation(world, RESET_KEY, ConnectionError::Reset).await;
            assert!(noticed_after < 10 * SECOND, "seed {seed}: noticed only after {noticed_after:?}");
        });
    });
}

#[test]
fn a_restarted_server_that_lost_its_reset_key_leaves_clients_waiting() {
    world::run(1, async |world| {
        let noticed_after =
            restart_server_under_conversation(world, [8; 64], ConnectionError::TimedOut).await;
        assert!(noticed_after >= IDLE_MAX - SECOND, "noticed after {noticed_after:?}");
    });
}

#[test]
fn both_sides_let_go_when_one_direction_is_dead() {
    world::run(1, async |world| {
        let (server, _client, connection) = connect(world).await;
        world.net.cut(Cut::OneWay { from: server_addr(), to: client_addr() });
        let cut_at = Instant::now();
        assert_eq!(talk(&connection, MESSAGES, SECOND).await, Err(ConnectionError::TimedOut));
        assert!(cut_at.elapsed() <= IDLE_MAX + 5 * SECOND);
        // The server heard the client until it gave up, and may wait as long again.
        sleep(IDLE_MAX + 5 * SECOND).await;
        assert_eq!(server.notes().ends, [ConnectionError::TimedOut]);
    });
}

#[test]
fn a_shrinking_mtu_stalls_no_more_than_three_seconds() {
    world::run(1, async |world| {
        let (_server, _client, connection) = connect(world).await;
        for mtu_bytes in [1472, 1280, 1200] {
            world.net.set_model(LinkModel { mtu_bytes, ..LinkModel::clean() });
            // All at once, so that packets are as large as quinn dares.
            let delays = talk(&connection, 500, Duration::ZERO).await.unwrap();
            assert!(worst(&delays) < 3 * SECOND, "at {mtu_bytes} bytes: {:?}", worst(&delays));
        }
    });
}

#[test]
fn a_partition_lasts_until_healed_and_spares_others() {
    world::run(1, async |world| {
        let (_server, _client, connection) = connect(world).await;
        world.net.cut(Cut::Between(client_addr(), server_addr()));
        let other = world.client(SocketAddr::from(([10, 0, 0, 3], 1)), transport());
        let elsewhere = other.connect(server_addr(), SERVER_NAME).unwrap().await.unwrap();
        assert!(worst(&talk(&elsewhere, 10, SECOND).await.unwrap()) < SECOND);

        let mut conversation = Box::pin(talk(&connection, 1, SECOND));
        timeout(10 * SECOND, &mut conversation).await.expect_err("nothing crosses a partition");
        world.net.heal(Cut::Between(client_addr(), server_addr()));
        conversation.await.unwrap();
    });
}

#[test]
fn one_bad_link_leaves_the_others_clean() {
    world::run(1, async |world| {
        let (_server, _client, connection) = connect(world).await;
        world.net.set_model_of(client_addr(), LinkModel { delay: SECOND..SECOND, ..LinkModel::clean() });
        let other = world.client(SocketAddr::from(([10, 0, 0, 3], 1)), transport());
        let elsewhere = other.connect(server_addr(), SERVER_NAME).unwrap().await.unwrap();
        assert_eq!(worst(&talk(&elsewhere, 1, SECOND).await.unwrap()), Duration::from_millis(40));
        assert_eq!(worst(&talk(&connection, 1, SECOND).await.unwrap()), 2 * SECOND);
    });
}

#[test]
fn a_dual_stack_server_is_reached_over_ipv4() {
    world::run(1, async |world| {
        let dual = SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0x0a00, 1], 4433));
        let server = EchoServer::start(world.server(dual, RESET_KEY, transport()));
        let client = world.client(client_addr(), transport());
        let connection = client.connect(server_addr(), SERVER_NAME).unwrap().await.unwrap();
        talk(&connection, 3, SECOND).await.unwrap();
        assert!(server.notes().paths.iter().all(SocketAddr::is_ipv6));
    });
}

#[test]
fn the_same_seed_gives_the_same_packets() {
    seeds::each(0..5, |seed| {
        let trace = world::run_twice(seed, everything_at_once);
        assert!(trace.lines().len() > 200, "seed {seed}: only {} packets", trace.lines().len());
    });
}

#[test]
fn another_seed_gives_other_packets() {
    let hash = |seed| {
        world::run(seed, async |world| {
            everything_at_once(world).await;
            world.net.trace_hash()
        })
    };
    assert_ne!(hash(1), hash(2));
}

#[test]
#[should_panic(expected = "seed 1 does not replay: packet ")]
fn a_scenario_that_chance_decides_is_caught() {
    let lives = std::sync::atomic::AtomicU64::new(1);
    world::run_twice(1, async |world| {
        let messages = lives.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (_server, _client, connection) = connect(world).await;
        talk(&connection, messages, SECOND).await.unwrap();
    });
}

/// A conversation over a rough network with a blackout, NAT rebindings, a move and a restart: all that has to replay.
async fn everything_at_once(world: &World) {
    let rates = Some(Rate { bits_per_second: 256_000, queue: Duration::from_millis(300) });
    world.net.set_model(LinkModel { rate: rates, ..LinkModel::rough() });
    let (_server, client, connection) = connect(world).await;
    world.net.cut_during(client_addr(), 10 * SECOND..20 * SECOND);
    let mut rng = world.rng();
    let trouble = async {
        for port in 1..=3 {
            sleep(rng.duration(&(5 * SECOND..10 * SECOND))).await;
            world.net.rebind_nat(client_addr(), SocketAddr::from(([192, 0, 2, 1], port)));
        }
        client.rebind_abstract(world.net.bind(SocketAddr::from(([10, 0, 0, 3], 1)))).unwrap();
    };
    let (talk, ()) = tokio::join!(talk(&connection, 60, SECOND), trouble);
    talk.unwrap();
    restart_server(world, &client, RESET_KEY).await;
}

async fn converse(world: &World) -> Vec<Duration> {
    let (_server, _client, connection) = connect(world).await;
    talk(&connection, MESSAGES, SECOND).await.unwrap()
}

async fn connect(world: &World) -> (EchoServer, Endpoint, Connection) {
    let server = EchoServer::start(world.server(server_addr(), RESET_KEY, transport()));
    let client = world.client(client_addr(), transport());
    let connection = handshake(&client).await;
    (server, client, connection)
}

/// Connects, again if need be, as any client would: while nothing is authenticated yet, one flipped bit can turn a
/// packet into a Retry, which only a server may send, and quinn ends the connection over it.
async fn handshake(client: &Endpoint) -> Connection {
    let mut failures = Vec::new();
    while failures.len() < 3 {
        let attempt = async {
            let connection = client.connect(server_addr(), SERVER_NAME).unwrap().await?;
            // The client thinks itself connected before its last handshake packet has arrived.
            talk(&connection, 1, SECOND).await.map(|_| connection)
        };
        match attempt.await {
            Ok(connection) => return connection,
            Err(error) => failures.push(error),
        }
    }
    panic!("no connection in {} attempts: {failures:?}", failures.len());
}

/// The server dies without a word and comes back; a new connection then works.
async fn restart_server(world: &World, client: &Endpoint, reset_key: [u8; 64]) -> EchoServer {
    world.net.crash(server_addr());
    let server = EchoServer::start(world.server(server_addr(), reset_key, transport()));
    let connection = handshake(client).await;
    talk(&connection, 10, SECOND).await.unwrap();
    server
}

/// Restarts the server in the middle of a conversation and returns how long its client took to notice, which must be
/// by `expected`.
async fn restart_server_under_conversation(
    world: &World,
    reset_key: [u8; 64],
    expected: ConnectionError,
) -> Duration {
    let (old_server, client, connection) = connect(world).await;
    let restart = async {
        sleep(30 * SECOND).await;
        let died_at = Instant::now();
        let server = restart_server(world, &client, reset_key).await;
        (died_at, server)
    };
    let noticed = async {
        let end = talk(&connection, MESSAGES, SECOND).await;
        (end, Instant::now())
    };
    let ((died_at, _server), (end, noticed_at)) = tokio::join!(restart, noticed);
    assert_eq!(end, Err(expected));
    // Its own tasks ended too, since its socket was taken away. quinn names the reason in more than one way.
    assert_eq!(old_server.notes().ends.len(), 1);
    noticed_at - died_at
}

fn server_addr() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 4433))
}

fn client_addr() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 1))
}
