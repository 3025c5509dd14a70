//! Unread counts and mentions against a naive recount of the whole log, for any course of events.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use quipu_protocol::List;
use quipu_protocol::entry::Erasure;

use super::*;
use crate::store::{CallRow, MemberRow, Writes};

const PEOPLE: u8 = 4;

#[derive(Debug, Clone)]
enum Event {
    Says(u8, u64, Calls),
    Notes(u8),
    Becomes(u8, Option<MemberState>, bool),
    Reads(u8, u64),
    Unreads(u8, u64),
    Notifies(u8, Notify),
    Edits(u64, Calls),
    Erases(u64),
    /// What is below goes, in steps of so many rows.
    Trims(u64, usize),
    Fails(u8),
    Restarts,
    BacksUp,
    Restores,
}

/// Whom a message calls.
#[derive(Debug, Clone)]
enum Calls {
    Names(BTreeSet<u8>),
    Everybody,
}

fn event() -> impl Strategy<Value = Event> {
    let people = 0..PEOPLE;
    let seq = 0..60_u64;
    let owner = MemberState { role: RoomRole::OWNER, ..JOINED };
    let state = prop::sample::select(vec![None, Some(INVITED), Some(JOINED), Some(JOINED), Some(owner)]);
    let calls = prop_oneof![
        4 => prop::collection::btree_set(0..PEOPLE, 0..3).prop_map(Calls::Names),
        1 => Just(Calls::Everybody),
    ];
    let level = prop::sample::select(vec![Notify::ALL, Notify::MENTIONS, Notify::NOTHING]);
    prop_oneof![
        10 => (people.clone(), 0..1_000_u64, calls.clone()).prop_map(|(who, number, calls)| Event::Says(who, number, calls)),
        1 => people.clone().prop_map(Event::Notes),
        4 => (people.clone(), state, any::<bool>()).prop_map(|(who, state, noted)| Event::Becomes(who, state, noted)),
        4 => (people.clone(), seq.clone()).prop_map(|(who, seq)| Event::Reads(who, seq)),
        3 => (people.clone(), seq.clone()).prop_map(|(who, from)| Event::Unreads(who, from)),
        1 => (people.clone(), level).prop_map(|(who, level)| Event::Notifies(who, level)),
        2 => (seq.clone(), calls).prop_map(|(seq, calls)| Event::Edits(seq, calls)),
        3 => seq.prop_map(Event::Erases),
        2 => (0..40_u64, 1..5_usize).prop_map(|(floor, rows)| Event::Trims(floor, rows)),
        1 => people.prop_map(Event::Fails),
        1 => Just(Event::Restarts),
        1 => Just(Event::BacksUp),
        1 => Just(Event::Restores),
    ]
}

/// An entry, as far as it matters to anybody's count.
#[derive(Debug, Clone, Default)]
struct Item {
    /// Who wrote it, when it counts.
    author: Option<u8>,
    /// Whom it calls.
    calls: BTreeSet<u8>,
    everybody: bool,
}

impl Item {
    fn counts_for(&self, who: u8) -> bool {
        self.author.is_some_and(|author| author != who)
    }

    fn calls(&self, who: u8) -> bool {
        self.counts_for(who) && (self.everybody || self.calls.contains(&who))
    }
}

/// How a member stands, and what that comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counted {
    member: MemberRow,
    unread: u64,
    mentions: u64,
}

/// The log, and where its members stand.
#[derive(Clone, Default)]
struct Model {
    log: Vec<Item>,
    sent: BTreeSet<(u8, u64)>,
    members: BTreeMap<u8, MemberRow>,
    /// Entries that are gone from the beginning.
    trimmed: usize,
}

impl Model {
    fn happen(&mut self, event: &Event) {
        match event {
            Event::Says(who, number, calls) => {
                if self.sent.insert((*who, *number)) {
                    let item = Item { author: Some(*who), ..Item::default() };
                    let item = self.calling(item, calls);
                    self.log.push(item);
                }
            }
            Event::Notes(_) => self.log.push(Item::default()),
            Event::Becomes(who, state, noted) => {
                if *noted {
                    self.log.push(Item::default());
                }
                self.becomes(*who, *state);
            }
            Event::Reads(who, seq) => {
                let head = Seq(self.log.len() as u64);
                if let Some(member) = self.joined(*who) {
                    member.marker = member.marker.max(head.min(Seq(*seq)));
                    member.reached = member.reached.max(member.marker);
                }
            }
            Event::Unreads(who, from) => {
                let marker = Seq(from.saturating_sub(1).max(self.trimmed as u64));
                if let Some(member) = self.joined(*who).filter(|member| marker < member.reached) {
                    member.marker = marker;
                }
            }
            Event::Notifies(who, level) => {
                if let Some(member) = self.joined(*who) {
                    member.notify = *level;
                }
            }
            Event::Edits(seq, calls) => {
                if let Some(item) = self.item(*seq).filter(|item| item.author.is_some()).cloned() {
                    let item = Item { author: item.author, ..Item::default() };
                    self.log[*seq as usize - 1] = self.calling(item, calls);
                }
            }
            Event::Erases(seq) => {
                if let Some(item) = self.item(*seq) {
                    *item = Item::default();
                }
            }
            Event::Trims(floor, _) => self.trims(*floor),
            Event::Fails(_) | Event::Restarts | Event::BacksUp | Event::Restores => {}
        }
    }

    /// Only members are called by name.
    fn calling(&mut self, item: Item, calls: &Calls) -> Item {
        match calls {
            Calls::Everybody => Item { everybody: true, ..item },
            Calls::Names(names) => {
                let calls = names.iter().copied().filter(|name| self.joined(*name).is_some()).collect();
                Item { calls, ..item }
            }
        }
    }

    fn becomes(&mut self, who: u8, state: Option<MemberState>) {
        let before = self.members.remove(&who);
        let Some(state) = state else { return };
        let is_joined = state.membership == MembershipState::JOINED;
        let head = if is_joined { Seq(self.log.len() as u64) } else { Seq::ZERO };
        let member = match before {
            Some(before) if is_joined && before.state.membership == state.membership => {
                MemberRow { state, ..before }
            }
            _ => MemberRow { state, marker: head, reached: head, notify: Notify::ALL },
        };
        self.members.insert(who, member);
    }

    fn trims(&mut self, floor: u64) {
        let gone = self.log.len().min((floor as usize).saturating_sub(1));
        self.trimmed = self.trimmed.max(gone);
        self.log[..self.trimmed].fill(Item::default());
        for who in 0..PEOPLE {
            let trimmed = Seq(self.trimmed as u64);
            if let Some(member) = self.joined(who) {
                member.marker = member.marker.max(trimmed);
                member.reached = member.reached.max(trimmed);
            }
        }
    }

    fn item(&mut self, seq: u64) -> Option<&mut Item> {
        self.log.get_mut((seq as usize).checked_sub(1)?)
    }

    fn joined(&mut self, who: u8) -> Option<&mut MemberRow> {
        self.members.get_mut(&who).filter(|member| member.state.membership == MembershipState::JOINED)
    }

    fn counted(&self, who: u8) -> Option<Counted> {
        let member = *self.members.get(&who)?;
        let unread = self.log.get(member.marker.0 as usize..).unwrap_or_default().iter();
        (member.state.membership == MembershipState::JOINED).then(|| Counted {
            member,
            unread: unread.clone().filter(|item| item.counts_for(who)).count() as u64,
            mentions: unread.filter(|item| item.calls(who)).count() as u64,
        })
    }

    /// Positions of all that call somebody, newest first, and whether they call everybody.
    fn calls(&self, who: u8) -> Vec<(u64, bool)> {
        let items = self.log.iter().zip(1..).filter(|(item, _)| item.calls(who));
        let mut calls: Vec<_> = items.map(|(item, seq)| (seq, item.everybody)).collect();
        calls.reverse();
        calls
    }
}

fn called(ext: Ext, calls: &Calls) -> Ext {
    match calls {
        Calls::Everybody => Ext { mentions_room: Some(true), mentions: None, ..ext },
        Calls::Names(names) => {
            let names = names.iter().map(|name| user(*name)).collect();
            Ext { mentions: Some(List::new(names).unwrap()), mentions_room: None, ..ext }
        }
    }
}

/// How everybody stands, as the transaction sees it.
fn counted(reads: &dyn crate::store::Reads) -> Result<Vec<Option<Counted>>, crate::store::StoreError> {
    let count = |who| {
        let heads = reads.heads(user(who), None)?;
        Ok(heads.first().map(|head| Counted {
            member: head.member,
            unread: head.unread,
            mentions: head.mentions,
        }))
    };
    (0..PEOPLE).map(count).collect()
}

/// One event as a job, which gives how everybody stands inside the transaction.
fn job(writes: &mut dyn Writes, event: &Event) -> Result<Vec<Option<Counted>>, WriteError> {
    match event {
        Event::Says(who, number, calls) => {
            let says = says(user(*who), *number, "hello");
            writes.append(NewEntry { ext: called(Ext::default(), calls), ..says })?;
        }
        // A kind that does not count, by a member: it must not be taken for one of their own.
        Event::Notes(who) => {
            let note = NewEntry { kind: Kind(64), message: None, ..says(user(*who), 0, "") };
            writes.append(note)?;
        }
        Event::Becomes(who, state, true) => {
            writes.append(becomes(user(*who), *state))?;
        }
        Event::Becomes(who, state, false) => writes.set_member(LOBBY, user(*who), *state)?,
        Event::Reads(who, seq) if is_joined(writes, *who)? => {
            writes.mark_read(LOBBY, user(*who), Seq(*seq))?;
        }
        Event::Unreads(who, from) if is_joined(writes, *who)? => {
            let floor = writes.room(LOBBY)?.map_or(Seq::ZERO, |room| room.floor);
            writes.mark_unread(LOBBY, user(*who), floor.max(Seq(*from)))?;
        }
        Event::Notifies(who, level) if is_joined(writes, *who)? => {
            writes.set_notify(LOBBY, user(*who), *level)?;
        }
        Event::Edits(seq, calls) => {
            let entry = writes.entry(LOBBY, Seq(*seq))?;
            if let Some(entry) = entry.filter(|entry| entry.kind == Kind::TEXT && !entry.is_erased()) {
                let ext = called(entry.ext.clone(), calls);
                writes.rewrite(LOBBY, &Entry { ext, ..entry })?;
            }
        }
        Event::Erases(seq) if writes.entry(LOBBY, Seq(*seq))?.is_some() => {
            writes.erase(LOBBY, Seq(*seq), Erasure::RETRACTED)?;
        }
        Event::Trims(floor, rows) => while writes.trim(LOBBY, Seq(*floor), *rows)? {},
        Event::Fails(who) => {
            writes.append(says(user(*who), 5_000, "undone"))?;
            writes.mark_unread(LOBBY, user(*who), Seq(1)).ok();
            return Err(quipu_protocol::Refusal::new(quipu_protocol::Code::FORBIDDEN).into());
        }
        _ => {}
    }
    Ok(counted(&*writes)?)
}

fn is_joined(writes: &dyn Writes, who: u8) -> Result<bool, WriteError> {
    Ok(writes.heads(user(who), Some(&[LOBBY]))?.len() == 1)
}

/// All that call somebody, asked for two at a time.
async fn calls(world: &World, who: u8) -> Vec<(u64, bool)> {
    let (mut all, mut before) = (Vec::new(), (u64::MAX, Seq::ZERO));
    loop {
        let page: Vec<CallRow> = world
            .storage
            .read(move |reads| reads.calls(LOBBY, user(who), (Seq::ZERO, before), 2))
            .await
            .unwrap();
        let Some(last) = page.last() else { return all };
        before = (last.at_ms, last.seq);
        all.extend(page.iter().map(|row| (row.seq.0, row.everybody)));
    }
}

/// Lets events happen that no restart divides, so that they may share batches.
async fn run(world: &World, model: &mut Model, events: &[Event]) {
    let mut answers = Vec::new();
    for event in events {
        let event = event.clone();
        answers.push(world.storage.enqueue(move |writes| job(writes, &event)).await.unwrap());
    }
    for (event, answer) in events.iter().zip(answers) {
        model.happen(event);
        let counted = match answer.await {
            Err(WriteError::Refused(_)) => continue,
            counted => counted.unwrap(),
        };
        let expected = (0..PEOPLE).map(|who| model.counted(who)).collect::<Vec<_>>();
        assert_eq!(counted, expected, "after {event:?}");
    }
}

async fn check(mut world: World, events: Vec<Event>) {
    world.create(LOBBY).await;
    let mut model = Model::default();
    let mut kept = None;
    let divides = |event: &Event| matches!(event, Event::Restarts | Event::BacksUp | Event::Restores);
    for part in events.split_inclusive(divides) {
        run(&world, &mut model, part).await;
        match (part.last(), &kept) {
            (Some(Event::Restarts), _) => world = world.restarted().await,
            (Some(Event::BacksUp), _) => kept = world.backup().map(|copy| (copy, model.clone())),
            (Some(Event::Restores), Some((copy, then))) => {
                model = then.clone();
                world = world.restored(copy).await;
            }
            _ => {}
        }
    }
    let world = world.restarted().await;
    let counted = world.storage.read(|reads| counted(reads)).await.unwrap();
    assert_eq!(counted, (0..PEOPLE).map(|who| model.counted(who)).collect::<Vec<_>>());
    for who in 0..PEOPLE {
        assert_eq!(calls(&world, who).await, model.calls(who), "{who} is called");
    }
    assert_eq!(world.log(LOBBY).await.len(), model.log.len() - model.trimmed);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn unread_is_exact_in_memory(events in prop::collection::vec(event(), 1..90)) {
        block_on(true, async { check(World::memory(Blocking::Inline), events).await });
    }

    #[test]
    fn unread_is_exact_on_disk(events in prop::collection::vec(event(), 1..90)) {
        block_on(true, async { check(World::sqlite(Blocking::Inline), events).await });
    }
}
