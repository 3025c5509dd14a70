//! The swarm: many seeds, each with its own mixture of faults, and the five guarantees after every one.
//!
//! ```text
//!   seed ──▶ Plan: which faults, how bad ──▶ everybody lives their day at once ──▶ settle: calm, wait, check
//! ```
//!
//! `plan` says what a seed has in store.

use std::{
    net::SocketAddr,
    ops::Range,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use quipu_protocol::RoomId;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    chat::{
        check,
        host::Host,
        person::{Person, Witness},
        seams::Skew,
        town::{Town, home},
    },
    net::{Cut, Network},
    plan::{Plan, Tally},
    rng::Rng,
    seeds,
    world::{self, World},
};

const PEOPLE: usize = 3;
/// Messages each of them says.
const MESSAGES: usize = 40;
/// Longest pause between two things a person does.
const PAUSE_MAX: Duration = Duration::from_millis(2_500);
/// How long the server's misfortunes go on.
const TROUBLE: Duration = Duration::from_secs(90);

// Several tests, so that they run side by side.
#[test]
fn seeds_0_to_59_keep_every_promise() {
    swarm(0..60);
}

#[test]
fn seeds_60_to_119_keep_every_promise() {
    swarm(60..120);
}

#[test]
fn seeds_120_to_179_keep_every_promise() {
    swarm(120..180);
}

#[test]
fn seeds_180_to_239_keep_every_promise() {
    swarm(180..240);
}

#[test]
fn seeds_240_to_299_keep_every_promise() {
    swarm(240..300);
}

#[test]
fn seeds_300_to_359_keep_every_promise() {
    swarm(300..360);
}

#[test]
fn seeds_360_to_419_keep_every_promise() {
    swarm(360..420);
}

#[test]
fn seeds_420_to_479_keep_every_promise() {
    swarm(420..480);
}

#[test]
fn seeds_480_to_539_keep_every_promise() {
    swarm(480..540);
}

#[test]
fn a_day_replays_to_the_packet() {
    for seed in seeds::seeds(1_000..1_004) {
        world::run_twice(seed, async |world| {
            day(seed, world).await;
        });
    }
}

fn swarm(usual: Range<u64>) {
    let mut tally = Tally::default();
    seeds::each(usual.clone(), |seed| {
        tally.add(&world::run(seed, async |world| day(seed, world).await));
    });
    eprintln!("{tally:?}");
    if seeds::seeds(usual.clone()) == usual {
        tally.everything_happened();
    }
}

/// One seed, from the founding of the town to the last check.
async fn day(seed: u64, world: &World) -> Tally {
    let mut rng = world.rng();
    let plan = Plan::draw(&mut rng);
    let mut town = Town::found(world, PEOPLE, |host| host.set_disk_time(plan.disk_time)).await;
    let _teller = town.chronicle.told_on_panic();
    town.chronicle.note("seed", format_args!("{seed}: {plan}"));
    world.net.set_model(plan.model.clone());
    let witnesses = town.witnesses();
    let Town { host, people, rooms, net, .. } = &mut town;
    let nat_ports = AtomicU16::new(0);
    let lives = people.iter_mut().enumerate().map(|(number, person)| {
        let surroundings = Surroundings { number, rooms: *rooms, plan: &plan, net, nat_ports: &nat_ports };
        surroundings.live(person, rng.fork())
    });
    let lives: Vec<_> = lives.collect();
    host.health.set_chance(plan.disk_faults);
    let jumps = jumps(host.skew.clone(), plan.clock_jumps, rng.fork());
    let misfortunes = misfortunes(host, (&witnesses, *rooms), &plan, rng.fork());
    tokio::join!(join_all(lives), misfortunes, jumps);
    town.settle().await;
    Tally::of(&town)
}

/// The server's part of the day.
async fn misfortunes(
    host: &mut Host,
    (witnesses, rooms): (&[Witness], [RoomId; 2]),
    plan: &Plan,
    mut rng: Rng,
) {
    let seconds = Duration::from_secs;
    let end = Instant::now() + TROUBLE;
    if !plan.crashes && !plan.stops {
        return;
    }
    loop {
        let next = Instant::now() + rng.duration(&(seconds(3)..seconds(30)));
        if next > end {
            return;
        }
        sleep_until(next).await;
        // Either kind when both are there.
        if plan.crashes && (!plan.stops || rng.happens(0.5)) {
            if rng.happens(0.5) {
                committed(host, rooms).await;
            }
            host.crash();
        } else {
            host.stop().await;
        }
        check::nothing_was_taken_back(&host.disk, witnesses);
        sleep(rng.duration(&(seconds(0)..seconds(8)))).await;
        host.start().await;
    }
}

/// Somebody sets the server's clock, by an hour at most, again and again; it stays as it was left.
async fn jumps(skew: Skew, are_there: bool, mut rng: Rng) {
    const HOUR_MS: i64 = 3_600_000;
    let end = Instant::now() + TROUBLE;
    while are_there && Instant::now() < end {
        sleep(rng.duration(&(Duration::from_secs(5)..Duration::from_secs(40)))).await;
        skew.set_ms((rng.unit() * 2.0 * HOUR_MS as f64) as i64 - HOUR_MS);
    }
}

/// Waits, not for ever, for the moment in which something is durable and nobody was told yet.
async fn committed(host: &Host, rooms: [RoomId; 2]) {
    let heads = || rooms.map(|room| host.disk.head(room));
    let before = heads();
    let mut looks = 0..2_000;
    while heads() == before && looks.next().is_some() {
        sleep(Duration::from_millis(1)).await;
    }
}

/// What one person finds around them.
struct Surroundings<'a> {
    number: usize,
    rooms: [RoomId; 2],
    plan: &'a Plan,
    net: &'a Network,
    nat_ports: &'a AtomicU16,
}

impl Surroundings<'_> {
    /// A person's part of the day: says all they have to say, and meets faults in between.
    async fn live(self, person: &mut Person, mut rng: Rng) {
        let (mut said, mut moves) = (0, 0);
        while said < MESSAGES {
            sleep(rng.duration(&(Duration::ZERO..PAUSE_MAX))).await;
            let room = self.rooms[usize::from(rng.happens(0.4))];
            let plan = self.plan;
            match rng.next_u64() % 40 {
                0 if plan.rebindings => self.rebind(person),
                1 if plan.moves => {
                    moves += 1;
                    person.move_to(home(self.number, moves)).await;
                }
                2 if plan.blackouts => self.black_out(person, &mut rng),
                3 if plan.restarts => self.restart(person, &mut rng).await,
                4..7 => person.mark_read(room).await,
                7..10 => {
                    // All at once, and in both rooms.
                    for _ in 0..(MESSAGES - said).min(8) {
                        said += 1;
                        person.say(self.rooms[said % 2], format!("burst {said}")).await;
                    }
                }
                _ => {
                    said += 1;
                    person.say(room, format!("message {said}")).await;
                }
            }
        }
    }

    fn rebind(&self, person: &Person) {
        let port = self.nat_ports.fetch_add(1, Ordering::Relaxed);
        person.rebind_nat(SocketAddr::from(([192, 0, 2, 1], port + 1)));
    }

    fn black_out(&self, person: &Person, rng: &mut Rng) {
        let seconds = Duration::from_secs;
        let length = rng.duration(&(seconds(1)..seconds(90)));
        person.note(format_args!("is cut off for {length:?}"));
        let machine = Cut::Machine(person.transport.ip());
        self.net.cut_during(machine, Duration::ZERO..length);
    }

    async fn restart(&self, person: &mut Person, rng: &mut Rng) {
        if rng.happens(0.7) {
            person.crash().await;
        } else {
            person.quit().await;
        }
        sleep(rng.duration(&(Duration::ZERO..Duration::from_secs(20)))).await;
        person.reopen(rng.happens(0.5)).await;
    }
}
