//! How long people wait under loss: for a message, and for a connection. Virtual time, so the figures are the protocol's
//! and not this machine's.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    chat::town::Town,
    net::{LinkModel, Rate},
    seeds, world,
};

const SECOND: Duration = Duration::from_secs(1);
const TURNS: usize = 100;

fn lossy(loss: f64) -> LinkModel {
    LinkModel { loss, delay: SECOND * 50 / 1_000..SECOND * 70 / 1_000, ..LinkModel::clean() }
}

#[test]
fn one_packet_in_a_hundred_lost_is_hardly_noticed() {
    waits(0.01).are_within(450, 2_500);
}

#[test]
fn one_packet_in_twenty_lost_delays_little() {
    waits(0.05).are_within(700, 2_500);
}

#[test]
fn one_packet_in_five_lost_delays_by_seconds_and_disconnects_nobody() {
    waits(0.20).are_within(2_100, 7_000);
}

/// From a closed program to an authenticated connection: the handshake and three answers, 15 ms each way, 10 Mbit/s.
#[test]
fn whoever_signs_in_through_heavy_loss_waits_seconds_at_most() {
    let mut waits = sign_ins(0.3, 0..125);
    waits.say("sign-ins at 30 % loss");
    assert!(waits.percentile(50.0) <= SECOND, "{:?}", waits.percentile(50.0));
    assert!(waits.percentile(100.0) <= 20 * SECOND, "{:?}", waits.percentile(100.0));
}

#[test]
fn half_of_all_packets_lost_keeps_hardly_anybody_out() {
    let mut waits = sign_ins(0.5, 200..225);
    waits.say("sign-ins at 50 % loss");
    assert!(waits.percentile(98.0) <= 40 * SECOND, "{:?}", waits.percentile(98.0));
}

/// Times, in order once asked.
struct Waits(Vec<Duration>);

impl Waits {
    fn percentile(&mut self, percent: f64) -> Duration {
        self.0.sort();
        let at = (self.0.len() as f64 * percent / 100.0) as usize;
        self.0[at.min(self.0.len() - 1)]
    }

    fn say(&mut self, what: &str) {
        let [p50, p99, max] = [50.0, 99.0, 100.0].map(|percent| self.percentile(percent));
        eprintln!("{} {what}: p50 {p50:?}, p99 {p99:?}, worst {max:?}", self.0.len());
    }

    fn are_within(&mut self, p99_ms: u64, max_ms: u64) {
        let [p99, max] = [p99_ms, max_ms].map(Duration::from_millis);
        assert!(self.percentile(99.0) <= p99, "p99 {:?}", self.percentile(99.0));
        assert!(self.percentile(100.0) <= max, "worst {:?}", self.percentile(100.0));
    }
}

/// From saying something to each of three others reading it, four people saying something each second.
fn waits(loss: f64) -> Waits {
    let mut waits = Waits(Vec::new());
    seeds::each(0..6, |seed| {
        waits.0.extend(world::run(seed, async |world| {
            let mut town = Town::found(world, 4, |_| {}).await;
            let _teller = town.chronicle.told_on_panic();
            let before: Vec<u32> = town.people.iter().map(|person| person.memory().connections).collect();
            world.net.set_model(lossy(loss));
            for turn in 0..TURNS {
                for person in &mut town.people {
                    person.say(town.rooms[turn % 2], format!("turn {turn}")).await;
                    sleep(SECOND / 4).await;
                }
            }
            sleep(30 * SECOND).await;
            let after: Vec<u32> = town.people.iter().map(|person| person.memory().connections).collect();
            assert_eq!(after, before, "seed {seed}: somebody was disconnected");
            town.settle().await;
            between(&town)
        }));
    });
    waits.say(&format!("messages at {:.0} % loss", loss * 100.0));
    waits
}

/// How long each message took to each other person.
fn between(town: &Town) -> Vec<Duration> {
    let mut waits = Vec::new();
    for author in &town.people {
        for other in town.people.iter().filter(|other| other.user != author.user) {
            let memory = other.memory();
            waits.extend(author.said.iter().map(|said| memory.heard_at[&said.id].saturating_sub(said.at)));
        }
    }
    waits
}

fn sign_ins(loss: f64, of: std::ops::Range<u64>) -> Waits {
    let mut waits = Waits(Vec::new());
    let rate = Some(Rate { bits_per_second: 10_000_000, queue: SECOND / 4 });
    seeds::each(of, |seed| {
        waits.0.extend(world::run(seed, async |world| {
            let mut town = Town::found(world, 4, |_| {}).await;
            let _teller = town.chronicle.told_on_panic();
            let delay = SECOND * 15 / 1_000..SECOND * 15 / 1_000;
            world.net.set_model(LinkModel { loss, delay, rate, ..LinkModel::clean() });
            let mut waits = Vec::new();
            for person in &mut town.people {
                person.crash().await;
                person.reopen(true).await;
                waits.push(person.online().await);
            }
            town.settle().await;
            waits
        }));
    });
    waits
}
