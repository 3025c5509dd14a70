//! What a seed of the swarm has in store, and what came of it.
//!
//! A fault that is always there hides what only happens without it, so each is left out in about half of the seeds.

use std::{fmt, time::Duration};

use crate::{
    chat::town::Town,
    net::{Bursts, LinkModel},
    rng::Rng,
};

/// Which faults a seed has.
pub(crate) struct Plan {
    pub(crate) model: LinkModel,
    pub(crate) disk_time: Duration,
    /// Chance that a batch fails, from 0 to 1.
    pub(crate) disk_faults: f64,
    pub(crate) clock_jumps: bool,
    pub(crate) rebindings: bool,
    pub(crate) moves: bool,
    pub(crate) blackouts: bool,
    pub(crate) restarts: bool,
    pub(crate) crashes: bool,
    pub(crate) stops: bool,
}

impl Plan {
    /// What `rng` decides.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let millis = Duration::from_millis;
        let mut model = LinkModel::clean();
        if rng.happens(0.7) {
            model.loss = rng.unit() * 0.25;
        }
        if rng.happens(0.5) {
            model.duplicate = rng.unit() * 0.05;
        }
        if rng.happens(0.5) {
            model.delay = millis(10)..millis(20) + rng.duration(&(millis(0)..millis(150)));
        }
        if rng.happens(0.5) {
            model.flip = rng.unit() * 0.02;
        }
        if rng.happens(0.3) {
            model.bursts = Some(Bursts { start: 0.003, length: millis(100)..millis(3_000) });
        }
        Self {
            model,
            disk_time: rng.duration(&(millis(0)..millis(60))),
            disk_faults: if rng.happens(0.4) { rng.unit() * 0.1 } else { 0.0 },
            clock_jumps: rng.happens(0.3),
            rebindings: rng.happens(0.5),
            moves: rng.happens(0.5),
            blackouts: rng.happens(0.5),
            restarts: rng.happens(0.5),
            crashes: rng.happens(0.5),
            stops: rng.happens(0.3),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LinkModel { loss, duplicate, flip, delay, bursts, .. } = &self.model;
        write!(f, "loss {loss:.2}, duplicates {duplicate:.2}, flips {flip:.3}, delay {delay:?}")?;
        write!(f, ", disk {:?}, fails {:.2}", self.disk_time, self.disk_faults)?;
        let faults = [
            (bursts.is_some(), "bursts"),
            (self.clock_jumps, "clock jumps"),
            (self.rebindings, "rebindings"),
            (self.moves, "moves"),
            (self.blackouts, "blackouts"),
            (self.restarts, "clients restart"),
            (self.crashes, "server crashes"),
            (self.stops, "server stops"),
        ];
        faults.iter().filter(|(there, _)| *there).try_for_each(|(_, name)| write!(f, ", {name}"))
    }
}

/// What happened in some seeds: a swarm in which something never happens proves nothing about it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    packets_lost: u64,
    server_restarts: u32,
    program_restarts: u32,
    disk_failures: u32,
    reconnections: u32,
    /// Messages whose first acknowledgement did not arrive.
    acknowledged_again: usize,
}

impl Tally {
    /// What happened in a town.
    pub(crate) fn of(town: &Town) -> Self {
        let mut tally = Self {
            packets_lost: town.net.trace().lost(),
            server_restarts: town.host.lives - 1,
            disk_failures: town.host.health.failures(),
            ..Self::default()
        };
        for person in &town.people {
            let memory = person.memory();
            tally.program_restarts += person.lives - 1;
            tally.reconnections += memory.connections.saturating_sub(person.lives);
            tally.acknowledged_again += memory.acknowledged.iter().filter(|ack| ack.duplicate).count();
        }
        tally
    }

    /// Adds another day.
    pub(crate) fn add(&mut self, day: &Self) {
        self.packets_lost += day.packets_lost;
        self.server_restarts += day.server_restarts;
        self.program_restarts += day.program_restarts;
        self.disk_failures += day.disk_failures;
        self.reconnections += day.reconnections;
        self.acknowledged_again += day.acknowledged_again;
    }

    /// # Panics
    /// When sixty seeds met too little of something.
    pub(crate) fn everything_happened(&self) {
        let enough = self.packets_lost > 5_000
            && self.server_restarts > 50
            && self.program_restarts > 20
            && self.disk_failures > 50
            && self.reconnections > 100
            && self.acknowledged_again > 20;
        assert!(enough, "too little happened: {self:?}");
    }
}
