//! Holds what everybody was told against the log on the server's disk.
//!
//! The five guarantees of the design, as questions to facts: nothing acknowledged is gone; nothing is there twice; every
//! reader saw the same log without a hole; nobody saw what a crash took back; unread counts are what a recount gives.
//! All that is wrong is told at once.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use quipu_protocol::{Entry, Kind, MessageId, RoomId, Seq, UserId};

use super::{
    disk::{self, Disk},
    memory::{Acknowledged, Short, Told},
    person::{Person, Said, Witness},
};

/// Everything that is wrong with what `people` were told, if there is anything.
pub(crate) fn faults(disk: &Disk, people: &[&Person], rooms: &[RoomId]) -> Vec<String> {
    let mut check = Check {
        logs: rooms.iter().map(|room| (*room, Log::read(disk, *room))).collect(),
        faults: Vec::new(),
    };
    for room in rooms {
        check.log_is_dense(*room);
        check.only_what_was_said(*room, people);
    }
    for person in people {
        check.faults.extend(person.memory().faults.iter().map(|fault| format!("{}: {fault}", person.name)));
        check.nothing_lost(person);
        check.in_the_order_said(person);
        check.acknowledged_is_there(person);
        for room in person.rooms() {
            check.read_without_a_hole(person, *room);
        }
        check.unread_is_exact(disk, person);
    }
    check.faults
}

/// Everything readers were told that the disk does not have, at this very moment: what a crash took back.
///
/// # Panics
/// When there is any.
pub(crate) fn nothing_was_taken_back(disk: &Disk, witnesses: &[Witness]) {
    let mut taken = Vec::new();
    for person in witnesses {
        let memory = person.memory();
        for (room, told) in &memory.rooms {
            let log = Log::read(disk, *room);
            taken.extend(told.iter().filter_map(|told| log.unlike(told)).map(|unlike| {
                format!("{} saw in {} what is not on the disk: {unlike}", person.name, Short(room))
            }));
        }
        for ack in &memory.acknowledged {
            if disk.head(ack.room) < ack.at.seq {
                taken.push(format!("{} was acknowledged {} beyond the head", person.name, ack.id));
            }
        }
    }
    assert!(taken.is_empty(), "a crash took back:\n{}", taken.join("\n"));
}

struct Check {
    logs: BTreeMap<RoomId, Log>,
    faults: Vec<String>,
}

/// A room's log, as bytes and as what they say. The entry with seq n is at n - 1.
struct Log(Vec<(Seq, Bytes, Entry)>);

impl Log {
    fn read(disk: &Disk, room: RoomId) -> Self {
        let stored = disk.log(room).into_iter();
        Self(stored.map(|stored| (stored.seq, stored.frame.clone(), disk::entry(&stored.frame))).collect())
    }

    fn at(&self, seq: Seq) -> Option<&(Seq, Bytes, Entry)> {
        self.0.get(usize::try_from(seq.0).ok()?.checked_sub(1)?)
    }

    fn head(&self) -> Seq {
        self.0.last().map_or(Seq::ZERO, |(seq, ..)| *seq)
    }

    fn by(&self, user: UserId) -> impl Iterator<Item = &Entry> {
        let messages = self.0.iter().map(|(.., entry)| entry);
        messages.filter(move |entry| entry.user == Some(user) && entry.message.is_some())
    }

    /// What is wrong with something told, if it does not agree with the log.
    fn unlike(&self, told: &Told) -> Option<String> {
        match told {
            Told::Gap(_, from, to) => (*to > self.head()).then(|| format!("gap {} to {}", from.0, to.0)),
            Told::Entry(_, entry) => match self.at(entry.seq) {
                Some((_, frame, _)) if *frame == entry.frame() => None,
                Some(_) => Some(format!("other bytes at {}", entry.seq.0)),
                None => Some(format!("an entry at {}, the head is {}", entry.seq.0, self.head().0)),
            },
        }
    }
}

impl Check {
    fn log_is_dense(&mut self, room: RoomId) {
        let log = &self.logs[&room];
        for (expected, (seq, _, entry)) in (1..).map(Seq).zip(&log.0) {
            if *seq != expected || entry.seq != expected {
                self.faults.push(format!("{} has {} in place {}", Short(&room), seq.0, expected.0));
            }
        }
    }

    /// No phantom, nothing twice, no other words.
    fn only_what_was_said(&mut self, room: RoomId, people: &[&Person]) {
        let said: BTreeMap<(UserId, MessageId), &str> = people
            .iter()
            .flat_map(|person| person.said.iter().map(move |said| (person, said)))
            .filter(|(_, said)| said.room == room)
            .map(|(person, said)| ((person.user, said.id), said.body.as_str()))
            .collect();
        let mut seen = BTreeSet::new();
        for (seq, _, entry) in &self.logs[&room].0 {
            let (Some(user), Some(message)) = (entry.user, entry.message) else {
                continue;
            };
            if entry.kind != Kind::TEXT {
                continue;
            }
            let place = format!("{} {}", Short(&room), seq.0);
            if !seen.insert((user, message)) {
                self.faults.push(format!("{place} is {message} a second time"));
            }
            match said.get(&(user, message)) {
                None => self.faults.push(format!("{place} is {message}, which nobody said")),
                Some(body) if body.as_bytes() != &entry.body[..] => {
                    self.faults.push(format!("{place} says something else than {message} did"));
                }
                Some(_) => {}
            }
        }
    }

    fn nothing_lost(&mut self, person: &Person) {
        let kept: BTreeSet<(RoomId, MessageId)> = self
            .logs
            .iter()
            .flat_map(|(room, log)| log.by(person.user).map(move |entry| (*room, entry)))
            .filter_map(|(room, entry)| Some((room, entry.message?)))
            .collect();
        for Said { room, id, .. } in &person.said {
            if !kept.contains(&(*room, *id)) {
                let gone = format!("{} said {id} in {}, and it is gone", person.name, Short(room));
                self.faults.push(gone);
            }
        }
    }

    fn in_the_order_said(&mut self, person: &Person) {
        for (room, log) in &self.logs {
            let said = person.said.iter().filter(|said| said.room == *room).map(|said| said.id);
            let kept = log.by(person.user).filter(|entry| entry.kind == Kind::TEXT);
            if let Some((said, entry)) = said.zip(kept).find(|(said, entry)| entry.message != Some(*said)) {
                self.faults.push(format!(
                    "{} said {said} before what is {} {}",
                    person.name,
                    Short(room),
                    entry.seq.0
                ));
            }
        }
    }

    fn acknowledged_is_there(&mut self, person: &Person) {
        for Acknowledged { id, room, at, duplicate } in &person.memory().acknowledged {
            let entry = self.logs[room].at(at.seq).map(|(.., entry)| entry);
            if entry.is_none_or(|entry| entry.message != Some(*id) || entry.user != Some(person.user)) {
                let again = if *duplicate { " again" } else { "" };
                self.faults.push(format!(
                    "{id} of {} was acknowledged{again} at {} {} and is not there",
                    person.name,
                    Short(room),
                    at.seq.0
                ));
            }
        }
    }

    /// Every position once, in order, with the log's bytes, up to the head.
    fn read_without_a_hole(&mut self, person: &Person, room: RoomId) {
        let log = &self.logs[&room];
        let memory = person.memory();
        let mut next = Seq(1);
        for told in memory.rooms.get(&room).into_iter().flatten() {
            let (from, to) = match told {
                Told::Entry(_, entry) => (entry.seq, entry.seq),
                Told::Gap(_, from, to) => (*from, *to),
            };
            if from != next {
                self.faults.push(format!(
                    "{} was told {} {} when {} was next",
                    person.name,
                    Short(&room),
                    from.0,
                    next.0
                ));
            }
            next = to.next();
            let unlike = log.unlike(told);
            self.faults.extend(unlike.map(|unlike| format!("{} in {}: {unlike}", person.name, Short(&room))));
        }
        if next != log.head().next() {
            self.faults.push(format!(
                "{} knows {} up to {} and the head is {}",
                person.name,
                Short(&room),
                next.0 - 1,
                log.head().0
            ));
        }
    }

    fn unread_is_exact(&mut self, disk: &Disk, person: &Person) {
        for row in disk.heads(person.user) {
            let Some(log) = self.logs.get(&row.room) else {
                continue;
            };
            let others = |entry: &&Entry| entry.kind.is_countable() && entry.user != Some(person.user);
            let behind = log.0.iter().map(|(.., entry)| entry).filter(|entry| entry.seq > row.member.marker);
            let recount = behind.filter(others).count() as u64;
            if row.unread != recount || row.head.seq != log.head() {
                self.faults.push(format!(
                    "{} has {} unread in {} behind {}, a recount gives {recount}",
                    person.name,
                    row.unread,
                    Short(&row.room),
                    row.member.marker.0
                ));
            }
        }
    }
}
