//! One fault at a time, with the real server and the real client: what it may cost, and what it must not.

#![allow(clippy::unwrap_used, reason = "in a file of tests an unwrap is an assertion")]

use std::{net::SocketAddr, time::Duration};

use quipu_client::{ConnState, Network as Platform};
use tokio::time::{Instant, sleep};

use crate::{
    chat::town::{Town, home},
    net::{Cut, LinkModel},
    seeds, world,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_conversation_under_loss_loses_nothing() {
    seeds::each(0..3, |seed| {
        world::run(seed, async |world| {
            let mut town = Town::found(world, 3, |_| {}).await;
            let _teller = town.chronicle.told_on_panic();
            world.net.set_model(LinkModel::rough());
            converse(&mut town, 20, SECOND).await;
            town.settle().await;
        });
    });
}

#[test]
fn a_blackout_of_five_minutes_is_noticed_and_made_up_for() {
    seeds::each(0..3, |seed| {
        world::run(seed, async |world| {
            let mut town = Town::found(world, 3, |_| {}).await;
            let _teller = town.chronicle.told_on_panic();
            let cut = Cut::Machine(town.people[2].transport.ip());
            world.net.cut(cut);
            let cut_at = Instant::now();
            while town.people[2].client().state().is_online() {
                sleep(SECOND).await;
            }
            let noticed = cut_at.elapsed();
            assert!(noticed <= 80 * SECOND, "seed {seed}: noticed after {noticed:?}");
            converse(&mut town, 22, 10 * SECOND).await;
            world.net.heal(cut);
            let back = Instant::now();
            town.people[2].client().network(Platform::Back).await;
            until_caught_up(&town, 2).await;
            let took = back.elapsed();
            assert!(took <= 3 * SECOND, "seed {seed}: back after {took:?}");
            town.settle().await;
        });
    });
}

/// A handshake that began without a network repeats itself more and more rarely.
#[test]
fn who_is_dialling_when_the_network_comes_back_dials_anew() {
    seeds::each(0..5, |seed| {
        world::run(seed, async |world| {
            let mut town = Town::found(world, 2, |_| {}).await;
            let _teller = town.chronicle.told_on_panic();
            let cut = Cut::Machine(town.people[1].transport.ip());
            world.net.cut(cut);
            converse(&mut town, 10, 10 * SECOND).await;
            while !matches!(town.people[1].client().state(), ConnState::Connecting { .. }) {
                sleep(SECOND / 10).await;
            }
            sleep(5 * SECOND).await;
            world.net.heal(cut);
            let back = Instant::now();
            town.people[1].client().network(Platform::Back).await;
            until_caught_up(&town, 1).await;
            assert!(back.elapsed() <= SECOND, "seed {seed}: {:?}", back.elapsed());
            town.settle().await;
        });
    });
}

#[test]
fn nobody_has_to_be_told_that_the_network_is_back() {
    seeds::each(0..3, |seed| {
        world::run(seed, async |world| {
            let mut town = Town::found(world, 2, |_| {}).await;
            let _teller = town.chronicle.told_on_panic();
            let cut = Cut::Machine(town.people[1].transport.ip());
            world.net.cut(cut);
            converse(&mut town, 30, 10 * SECOND).await;
            world.net.heal(cut);
            let back = Instant::now();
            until_caught_up(&town, 1).await;
            // The longest back-off, and a dial that just began into the void.
            assert!(back.elapsed() <= 40 * SECOND, "seed {seed}: {:?}", back.elapsed());
            town.settle().await;
        });
    });
}

#[test]
fn a_short_blackout_costs_no_connection_and_little_time() {
    let mut worst = Duration::ZERO;
    seeds::each(0..10, |seed| {
        let took = world::run(seed, async |world| {
            let mut town = Town::found(world, 2, |_| {}).await;
            let _teller = town.chronicle.told_on_panic();
            let before = town.people[1].memory().connections;
            let machine = Cut::Machine(town.people[1].transport.ip());
            world.net.cut_during(machine, Duration::ZERO..20 * SECOND);
            converse(&mut town, 20, SECOND).await;
            let back = Instant::now();
            until_caught_up(&town, 1).await;
            let took = back.elapsed();
            town.settle().await;
            assert_eq!(town.people[1].memory().connections, before, "seed {seed}: a new connection");
            took
        });
        worst = worst.max(took);
    });
    assert!(worst <= 3 * SECOND, "the worst took {worst:?} after the path was back");
}

#[test]
fn a_connection_moves_in_the_middle_of_a_stream() {
    seeds::each(0..5, |seed| {
        world::run(seed, async |world| {
            let mut town = Town::found(world, 2, |_| {}).await;
            let _teller = town.chronicle.told_on_panic();
            let before = [0, 1].map(|number| town.people[number].memory().connections);
            for moves in 1..=6 {
                converse(&mut town, 2, SECOND).await;
                // One moves and says so, the other one's address translator forgets.
                town.people[0].move_to(home(0, moves)).await;
                let seen = SocketAddr::from(([192, 0, 2, 1], moves.into()));
                town.people[1].rebind_nat(seen);
                converse(&mut town, 2, SECOND).await;
            }
            town.settle().await;
            let after = [0, 1].map(|number| town.people[number].memory().connections);
            assert_eq!(after, before, "seed {seed}: a new connection");
        });
    });
}

#[test]
fn a_graceful_restart_under_load_loses_nothing_and_is_quick() {
    seeds::each(0..5, |seed| {
        world::run(seed, async |world| {
            let mut town = Town::found(world, 3, |host| host.set_disk_time(SECOND / 20)).await;
            let _teller = town.chronicle.told_on_panic();
            for _ in 0..3 {
                converse(&mut town, 5, SECOND / 10).await;
                for (number, person) in town.people.iter_mut().enumerate() {
                    // In flight while the server is asked to stop.
                    person.say(town.rooms[number % 2], "and then".to_owned()).await;
                }
                sleep(SECOND / 50).await;
                let took = town.host.stop().await;
                assert!(took <= 4 * SECOND, "seed {seed}: it took {took:?} to stop");
                town.nothing_was_taken_back();
                town.host.start().await;
                let back = Instant::now();
                for person in &town.people {
                    person.online().await;
                }
                assert!(back.elapsed() <= 5 * SECOND, "seed {seed}: back after {:?}", back.elapsed());
            }
            town.settle().await;
        });
    });
}

#[test]
fn a_crashed_server_is_noticed_soon_and_nothing_acknowledged_is_gone() {
    seeds::each(0..5, |seed| {
        world::run(seed, async |world| {
            let mut town = Town::found(world, 3, |host| host.set_disk_time(SECOND / 10)).await;
            let _teller = town.chronicle.told_on_panic();
            let mut rng = world.rng();
            for _ in 0..5 {
                converse(&mut town, 3, SECOND / 5).await;
                // Somewhere inside a commit, or between two.
                sleep(rng.duration(&(Duration::ZERO..SECOND / 4))).await;
                town.crash_server();
                sleep(SECOND).await;
                town.host.start().await;
                let back = Instant::now();
                for person in &town.people {
                    person.online().await;
                }
                assert!(back.elapsed() <= 20 * SECOND, "seed {seed}: back after {:?}", back.elapsed());
            }
            town.settle().await;
        });
    });
}

/// Everybody in turn says something in one of the rooms.
async fn converse(town: &mut Town, turns: usize, every: Duration) {
    for turn in 0..turns {
        let room = town.rooms[turn % 2];
        for person in &mut town.people {
            person.say(room, format!("turn {turn}")).await;
        }
        sleep(every).await;
    }
}

/// Waits until somebody has read all there is, and said all they had to say.
async fn until_caught_up(town: &Town, number: usize) {
    let person = &town.people[number];
    let behind =
        |room| person.memory().cursor(room).is_none_or(|cursor| cursor.seq < town.host.disk.head(room));
    while town.rooms.into_iter().any(behind) || person.client().unsent().await.unwrap() > 0 {
        sleep(SECOND / 10).await;
    }
}
