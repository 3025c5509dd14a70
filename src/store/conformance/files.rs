//! Files against a model of who holds what, for any course of events.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use quipu_protocol::entry::{Erasure, FileRef};
use quipu_protocol::{List, Text, UploadId};

use super::*;
use crate::store::{FileHash, FileRow, FileSpace, UploadRow};

const DAY_MS: u64 = 86_400_000;

/// Content number `content` on its way from `user`, under a name that no other upload has.
fn upload(user: UserId, content: u8, nth: u64) -> UploadRow {
    let file = FileRow { hash: hash(content), size: size(content), name: format!("name-{nth}") };
    let upload = UploadId::from_bytes(u128::from(nth).to_be_bytes());
    UploadRow { user, upload, room: LOBBY, file, seen_ms: 0 }
}

fn hash(content: u8) -> FileHash {
    [content; 32]
}

fn size(content: u8) -> u64 {
    100 + u64::from(content)
}

/// A message of `author` that refers to content.
fn refers(author: UserId, number: u64, content: u8) -> NewEntry {
    let file = FileRef {
        hash: Blob::new(hash(content).to_vec()).unwrap(),
        size: size(content),
        name: "a.txt".parse().unwrap(),
        media_type: Text::default(),
        width: None,
        height: None,
    };
    // Twice in one message is once.
    let files = Some(List::new(vec![file.clone(), file]).unwrap());
    NewEntry { ext: Ext { files, ..Ext::default() }, ..says(author, number, "") }
}

impl World {
    async fn bring(&self, row: UploadRow, until_ms: u64) {
        let job = self.storage.write(move |writes| {
            writes.put_upload(&row)?;
            Ok(writes.put_file(&row, until_ms)?)
        });
        job.await.unwrap();
    }

    async fn erase(&self, seq: u64) {
        let job = self.storage.write(move |writes| Ok(writes.erase(LOBBY, Seq(seq), Erasure::RETRACTED)?));
        job.await.unwrap();
    }

    async fn end_files(&self, now_ms: u64, seen_ms: u64) -> usize {
        self.storage.write(move |writes| Ok(writes.end_files(now_ms, seen_ms, 100)?)).await.unwrap()
    }

    async fn has(&self, user: UserId, content: u8) -> bool {
        self.storage.read(move |reads| reads.file_for(user, &hash(content))).await.unwrap().is_some()
    }

    async fn names(&self) -> (Vec<String>, Vec<String>) {
        let ask = self.storage.read(|reads| Ok((reads.file_names()?, reads.file_rubbish(1_000)?)));
        ask.await.unwrap()
    }
}

pub(super) async fn content_is_known_to_who_showed_it_and_to_who_reads_of_it(world: World) {
    world.create(LOBBY).await;
    world.set_member(LOBBY, ADA, Some(JOINED)).await;
    world.bring(upload(ADA, 1, 1), DAY_MS).await;
    assert!(world.has(ADA, 1).await && !world.has(BOB, 1).await);
    world.append(refers(ADA, 1, 1)).await;
    assert!(!world.has(BOB, 1).await, "a stranger to the room");
    world.set_member(LOBBY, BOB, Some(INVITED)).await;
    assert!(!world.has(BOB, 1).await, "one who is only invited");
    world.set_member(LOBBY, BOB, Some(JOINED)).await;
    assert!(world.has(BOB, 1).await);
    let of = |seq| move |reads: &dyn crate::store::Reads| reads.file_of(LOBBY, Seq(seq), &hash(1));
    assert_eq!(world.storage.read(of(1)).await.unwrap().unwrap().name, "name-1");
    assert_eq!(world.storage.read(of(2)).await.unwrap(), None);
    let entries = world.storage.read(|reads| reads.file_entries(LOBBY, Seq(u64::MAX), 10)).await.unwrap();
    assert_eq!(entries, [Seq(1)]);
    world.set_member(LOBBY, BOB, None).await;
    assert!(!world.has(BOB, 1).await);
}

pub(super) async fn the_same_content_is_kept_once_and_goes_with_its_last_holder(world: World) {
    world.create(LOBBY).await;
    world.bring(upload(ADA, 1, 1), DAY_MS).await;
    world.bring(upload(BOB, 1, 2), DAY_MS).await;
    assert_eq!(world.names().await, (vec!["name-1".to_owned()], vec!["name-2".to_owned()]));
    world.append(refers(ADA, 1, 1)).await;
    world.append(refers(ADA, 2, 1)).await;
    world.erase(1).await;
    assert!(world.has(ADA, 1).await, "her other message refers to it");
    world.erase(2).await;
    assert!(!world.has(ADA, 1).await && world.has(BOB, 1).await, "he has yet to refer to it");
    assert_eq!(world.end_files(DAY_MS - 1, 0).await, 0);
    assert_eq!(world.end_files(DAY_MS, 0).await, 1);
    let rubbish = vec!["name-1".to_owned(), "name-2".to_owned()];
    assert_eq!(world.names().await, (vec![], rubbish.clone()));
    world.storage.write(move |writes| Ok(writes.forget_rubbish(&rubbish)?)).await.unwrap();
    assert_eq!(world.names().await, (vec![], vec![]));
}

pub(super) async fn content_goes_with_the_log_that_refers_to_it(world: World) {
    world.create(LOBBY).await;
    for content in 1..=3 {
        world.bring(upload(ADA, content, content.into()), DAY_MS).await;
        world.append(refers(ADA, content.into(), content)).await;
    }
    world.append(refers(ADA, 9, 1)).await;
    let trim = |floor| world.storage.write(move |writes| Ok(writes.trim(LOBBY, Seq(floor), 99)?));
    assert!(!trim(3).await.unwrap());
    let names = |numbers: &[u8]| numbers.iter().map(|number| format!("name-{number}")).collect::<Vec<_>>();
    assert_eq!(world.names().await, (names(&[1, 3]), names(&[2])), "a newer entry refers to the first");
    world.storage.write(|writes| Ok(writes.delete_room(LOBBY)?)).await.unwrap();
    while world.storage.write(|writes| Ok(writes.sweep(1)?)).await.unwrap() {}
    assert_eq!(world.names().await, (vec![], names(&[1, 2, 3])));
}

pub(super) async fn uploads_that_nobody_goes_on_with_end(world: World) {
    let rows = [upload(ADA, 1, 1), UploadRow { seen_ms: 50, ..upload(ADA, 2, 2) }];
    for row in rows.clone() {
        world.storage.write(move |writes| Ok(writes.put_upload(&row)?)).await.unwrap();
    }
    let space = || world.storage.read(|reads| reads.file_space(ADA));
    let both = size(1) + size(2);
    assert_eq!(space().await.unwrap(), FileSpace { account: both, server: both });
    assert_eq!(world.end_files(0, 50).await, 1);
    assert_eq!(space().await.unwrap(), FileSpace { account: size(2), server: size(2) });
    assert_eq!(world.names().await, (vec!["name-2".to_owned()], vec!["name-1".to_owned()]));
    let left = world.storage.read(move |reads| reads.upload(ADA, rows[1].upload)).await.unwrap();
    assert_eq!(left.map(|row| row.seen_ms), Some(50));
}

#[derive(Debug, Clone)]
enum Event {
    Brings(u8, u8, u64),
    Refers(u8, u8),
    Erases(usize),
    Ends(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let (people, contents) = (1..4_u8, 1..4_u8);
    prop_oneof![
        3 => (people.clone(), contents.clone(), 0..10_u64).prop_map(|(who, what, until)| Event::Brings(who, what, until)),
        4 => (people, contents).prop_map(|(who, what)| Event::Refers(who, what)),
        3 => any::<usize>().prop_map(Event::Erases),
        1 => (0..10_u64).prop_map(Event::Ends),
    ]
}

/// Who holds what until when, and what was said.
#[derive(Default)]
struct Model {
    held: BTreeMap<(u8, u8), Option<u64>>,
    said: Vec<Option<(u8, u8)>>,
}

impl Model {
    fn exists(&self, content: u8) -> bool {
        self.held.keys().any(|(_, held)| *held == content)
    }

    fn let_go(&mut self, key: (u8, u8)) {
        if self.held.get(&key) == Some(&None) && !self.said.contains(&Some(key)) {
            self.held.remove(&key);
        }
    }
}

async fn happens(world: &World, model: &mut Model, nth: u64, event: &Event) {
    match *event {
        Event::Brings(who, what, until) => {
            world.bring(upload(user(who), what, nth), until).await;
            model.held.insert((who, what), Some(until));
        }
        Event::Refers(who, what) => {
            world.append(refers(user(who), nth, what)).await;
            let known = model.exists(what);
            model.said.push(known.then_some((who, what)));
            if known {
                model.held.insert((who, what), None);
            }
        }
        Event::Erases(which) if !model.said.is_empty() => {
            let at = which % model.said.len();
            world.erase(at as u64 + 1).await;
            if let Some(key) = model.said[at].take() {
                model.let_go(key);
            }
        }
        Event::Erases(_) => {}
        Event::Ends(now) => {
            world.end_files(now, 0).await;
            let over = model.held.iter().filter(|(_, until)| until.is_some_and(|until| until <= now));
            for key in over.map(|(key, _)| *key).collect::<Vec<_>>() {
                model.held.insert(key, None);
                model.let_go(key);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Goal: after any course of events there is exactly what somebody holds, nothing that is needed is rubbish, and what
    /// everything takes is the sum of it.
    #[test]
    fn there_is_what_somebody_holds(events in prop::collection::vec(event(), 1..40)) {
        block_on(true, async {
            let world = World::memory(Blocking::Inline);
            world.create(LOBBY).await;
            let mut model = Model::default();
            for (nth, event) in events.iter().enumerate() {
                happens(&world, &mut model, nth as u64, event).await;
                let contents: BTreeSet<u8> = model.held.keys().map(|(_, what)| *what).collect();
                let (names, rubbish) = world.names().await;
                assert_eq!(names.len(), contents.len(), "{event:?}");
                assert!(names.iter().all(|name| !rubbish.contains(name)), "{event:?}");
                for who in 1..4 {
                    let own = model.held.keys().filter(|(holder, _)| *holder == who).map(|(_, what)| size(*what)).sum();
                    let server = contents.iter().map(|what| size(*what)).sum();
                    let space = world.storage.read(move |reads| reads.file_space(user(who))).await.unwrap();
                    assert_eq!(space, FileSpace { account: own, server }, "{event:?}");
                }
            }
        });
    }
}
