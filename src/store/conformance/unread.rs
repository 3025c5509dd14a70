//! Unread counts against a naive recount of the whole log, for any course of events.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Event {
    Says(u8, u64),
    Notes(u8),
    Becomes(u8, Option<MemberState>, bool),
    Reads(u8, u64),
    Fails(u8),
    /// What is below goes, in steps of so many rows.
    Trims(u64, usize),
    Erases(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let people = 0..4_u8;
    let owner = MemberState { role: RoomRole::OWNER, ..JOINED };
    let state = prop::sample::select(vec![None, Some(INVITED), Some(JOINED), Some(JOINED), Some(owner)]);
    prop_oneof![
        6 => (people.clone(), 0..1_000_u64).prop_map(|(who, number)| Event::Says(who, number)),
        1 => people.clone().prop_map(Event::Notes),
        3 => (people.clone(), state, any::<bool>()).prop_map(|(who, state, noted)| Event::Becomes(who, state, noted)),
        3 => (people.clone(), 0..60_u64).prop_map(|(who, seq)| Event::Reads(who, seq)),
        1 => people.prop_map(Event::Fails),
        2 => (0..40_u64, 1..5_usize).prop_map(|(floor, rows)| Event::Trims(floor, rows)),
        1 => (1..40_u64).prop_map(Event::Erases),
    ]
}

/// The log as who wrote what counts, and where its members stand.
#[derive(Default)]
struct Model {
    log: Vec<Option<u8>>,
    sent: BTreeMap<(u8, u64), ()>,
    members: BTreeMap<u8, (MemberState, usize)>,
    /// Entries that are gone from the beginning.
    trimmed: usize,
}

impl Model {
    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Says(who, number) => {
                if self.sent.insert((who, number), ()).is_none() {
                    self.log.push(Some(who));
                }
            }
            Event::Notes(_) => self.log.push(None),
            Event::Becomes(who, state, noted) => {
                if noted {
                    self.log.push(None);
                }
                let before = self.members.remove(&who);
                if let Some(state) = state {
                    let marker = match before {
                        Some((before, marker)) if before.membership == state.membership => marker,
                        _ => self.log.len(),
                    };
                    self.members.insert(who, (state, marker));
                }
            }
            Event::Reads(who, seq) => {
                let head = self.log.len();
                if let Some((_, marker)) = self.joined(who) {
                    let seq = head.min(seq as usize).max(marker);
                    self.members.entry(who).and_modify(|(_, marker)| *marker = seq);
                }
            }
            Event::Fails(_) => {}
            Event::Trims(floor, _) => {
                let gone = self.log.len().min((floor as usize).saturating_sub(1));
                self.trimmed = self.trimmed.max(gone);
                let joined = self.members.values_mut();
                for (_, marker) in joined.filter(|(state, _)| state.membership == MembershipState::JOINED) {
                    *marker = self.trimmed.max(*marker);
                }
            }
            Event::Erases(seq) => {
                let at = seq as usize - 1;
                if at >= self.trimmed
                    && let Some(author) = self.log.get_mut(at)
                {
                    *author = None;
                }
            }
        }
    }

    fn joined(&self, who: u8) -> Option<(MemberState, usize)> {
        let member = self.members.get(&who).copied();
        member.filter(|(state, _)| state.membership == MembershipState::JOINED)
    }

    fn unread(&self, who: u8) -> Option<u64> {
        let (_, marker) = self.joined(who)?;
        let others = |author: &&Option<u8>| author.is_some_and(|author| author != who);
        Some(self.log[marker..].iter().filter(others).count() as u64)
    }
}

/// One event as a job, which gives everyone's unread count as it sees it inside the transaction.
fn job(writes: &mut dyn crate::store::Writes, event: &Event) -> Result<Vec<Option<u64>>, WriteError> {
    match *event {
        Event::Says(who, number) => {
            writes.append(says(user(who), number, "hello"))?;
        }
        // A kind that does not count, by a member: it must not be taken for one of their own.
        Event::Notes(who) => {
            let note = NewEntry { kind: Kind(64), message: None, ..says(user(who), 0, "") };
            writes.append(note)?;
        }
        Event::Becomes(who, state, true) => {
            writes.append(becomes(user(who), state))?;
        }
        Event::Becomes(who, state, false) => writes.set_member(LOBBY, user(who), state)?,
        Event::Reads(who, seq) => {
            if writes.heads(user(who), Some(&[LOBBY]))?.len() == 1 {
                writes.mark_read(LOBBY, user(who), Seq(seq))?;
            }
        }
        Event::Trims(floor, rows) => while writes.trim(LOBBY, Seq(floor), rows)? {},
        Event::Erases(seq) => {
            if writes.entry(LOBBY, Seq(seq))?.is_some() {
                writes.erase(LOBBY, Seq(seq), quipu_protocol::entry::Erasure::REMOVED)?;
            }
        }
        Event::Fails(who) => {
            writes.append(says(user(who), 5_000, "undone"))?;
            return Err(quipu_protocol::Refusal::new(quipu_protocol::Code::FORBIDDEN).into());
        }
    }
    (0..4).map(|who| Ok(writes.heads(user(who), None)?.first().map(|head| head.unread))).collect()
}

async fn check(world: World, events: Vec<Event>) {
    world.create(LOBBY).await;
    let mut answers = Vec::new();
    for event in events.clone() {
        answers.push(world.storage.enqueue(move |writes| job(writes, &event)).await.unwrap());
    }
    let mut model = Model::default();
    for (event, answer) in events.iter().zip(answers) {
        model.happen(event);
        let counted = match answer.await {
            Err(WriteError::Refused(_)) => continue,
            counted => counted.unwrap(),
        };
        let expected = (0..4).map(|who| model.unread(who)).collect::<Vec<_>>();
        assert_eq!(counted, expected, "after {event:?}");
    }
    let world = world.restarted().await;
    for who in 0..4 {
        assert_eq!(world.unread(LOBBY, user(who)).await, model.unread(who));
    }
    assert_eq!(world.log(LOBBY).await.len(), model.log.len() - model.trimmed);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn unread_is_exact_in_memory(events in prop::collection::vec(event(), 1..60)) {
        block_on(true, async { check(World::memory(Blocking::Inline), events).await });
    }

    #[test]
    fn unread_is_exact_on_disk(events in prop::collection::vec(event(), 1..60)) {
        block_on(true, async { check(World::sqlite(Blocking::Inline), events).await });
    }
}
