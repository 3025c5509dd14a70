//! The walk against a plain model: every message that matches, newest first, in however many answers.

use proptest::prelude::*;
use quipu_protocol::request::{SearchPlace, Visibility};
use quipu_protocol::{Blob, Cursor, DeviceId, Ext, Incarnation, Kind, MessageId, UserId};

use super::*;
use crate::store::memory::MemoryStore;
use crate::store::{NewEntry, Settings, Store, Writes};

const ADA: UserId = UserId::from_bytes([1; 16]);
const WORDS: [&str; 4] = ["red", "green", "greenish", "blue"];

fn room(number: u8) -> RoomRow {
    RoomRow {
        room: RoomId::from_bytes([number; 16]),
        name: None,
        visibility: Visibility::PRIVATE,
        topic: None,
        direct: None,
        head: Cursor { incarnation: Incarnation(7), seq: Seq::ZERO },
        floor: Seq(1),
        members: 0,
        creator: None,
        created_ms: 0,
        settings: Settings::default(),
    }
}

fn ask(words: &str) -> Search {
    Search::for_words(Text::new(words).unwrap())
}

/// A message of the model: its room, its time, its two words.
type Said = (u8, u64, usize, usize);

fn filled(said: &[Said]) -> MemoryStore {
    let mut store = MemoryStore::new();
    let fill = |writes: &mut dyn Writes| {
        writes.begin_job().unwrap();
        (1..=3).for_each(|number| writes.insert_room(&room(number)).unwrap());
        for (at, (number, now_ms, one, other)) in said.iter().enumerate() {
            let new = NewEntry {
                room: room(*number).room,
                now_ms: *now_ms,
                author: Some((ADA, DeviceId::from_bytes([2; 16]))),
                message: Some(MessageId::from_bytes((at as u128).to_be_bytes())),
                kind: Kind::TEXT,
                body: Blob::new(format!("{} {}", WORDS[*one], WORDS[*other]).into_bytes()).unwrap(),
                ext: Ext::default(),
                membership: None,
            };
            writes.append(new).unwrap();
        }
        writes.end_job(true).unwrap();
    };
    store.commit(&mut { fill }).unwrap();
    store
}

/// All that matches, as `(time, room, position)`, by going through everything.
fn expected(
    store: &MemoryStore,
    rooms: &[u8],
    ask: &Search,
    has: impl Fn(&str) -> bool,
) -> Vec<(u64, RoomId, u64)> {
    let reader = store.reader().unwrap();
    let mut all = Vec::new();
    for number in rooms {
        let of = room(*number).room;
        for stored in reader.entries_after(of, Seq::ZERO, usize::MAX, usize::MAX).unwrap() {
            let entry = crate::store::decoded(&stored.frame).unwrap();
            let in_time = ask.since_ms.is_none_or(|since| entry.at_ms >= since)
                && ask.until_ms.is_none_or(|until| entry.at_ms < until);
            if in_time && entry.text().is_some_and(&has) {
                all.push((entry.at_ms, of, entry.seq.0));
            }
        }
    }
    all.sort_unstable_by(|one, other| other.cmp(one));
    all
}

/// Asks until there is nothing left; gives everything that was found, and how many answers it took.
fn walked(
    store: &MemoryStore,
    rooms: &[u8],
    ask: &Search,
    bounds: Bounds,
) -> (Vec<(u64, RoomId, u64)>, usize) {
    let reader = store.reader().unwrap();
    let wanted = Wanted::words(ask.words.as_str());
    let (mut all, mut ask, mut answers) = (Vec::new(), ask.clone(), 0);
    loop {
        let rows = rooms.iter().map(|number| reader.room(room(*number).room).unwrap().unwrap()).collect();
        let found = found(&*reader, &wanted, rows, &ask, (0, bounds)).unwrap();
        all.extend(found.hits.iter().map(|hit| (hit.at_ms, hit.room, hit.at.seq.0)));
        answers += 1;
        let Some(next) = found.next else { return (all, answers) };
        assert!(
            place(&next) < ask.after.as_ref().map_or((u64::MAX, room(9).room, Seq::ZERO), place),
            "no way back"
        );
        ask.after = Some(next);
    }
}

fn place(place: &SearchPlace) -> (u64, RoomId, Seq) {
    (place.at_ms, place.room, place.seq)
}

fn said() -> impl Strategy<Value = Vec<Said>> {
    let one = (1..=3_u8, 0..12_u64, 0..WORDS.len(), 0..WORDS.len());
    // Times that go forward, with many that are equal.
    proptest::collection::vec(one, 0..60).prop_map(|said| {
        let mut now_ms = 1_000;
        said.into_iter()
            .map(|(room, step, one, other)| {
                now_ms += step / 8;
                (room, now_ms, one, other)
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Goal: whatever the bounds, everything that matches is found once, newest first, and nothing else.
    #[test]
    fn everything_is_found_once_and_in_order(
        said in said(),
        entries in 6..40_u64,
        reads in 4..20_usize,
        limit in 1..9_u64,
        since in proptest::option::of(1_000..1_010_u64),
        until in proptest::option::of(1_000..1_010_u64),
    ) {
        let store = filled(&said);
        for (words, has) in [
            ("red", (|text| text.contains("red")) as fn(&str) -> bool),
            ("green red", |text| text.split(' ').any(|word| word == "green") && text.contains("red")),
            ("gree*", |text| text.contains("gree")),
            ("greenis*", |text| text.contains("greenish")),
            ("\"blue red\"", |text| text == "blue red"),
            ("blue -red", |text| text.contains("blue") && !text.contains("red")),
        ] {
            for rooms in [&[1][..], &[1, 3], &[1, 2, 3]] {
                let ask = Search { limit, since_ms: since, until_ms: until, ..ask(words) };
                let (all, _) = walked(&store, rooms, &ask, Bounds { entries, question: 3, reads });
                prop_assert_eq!(all, expected(&store, rooms, &ask, has), "{} in {:?}", words, rooms);
            }
        }
    }
}

#[test]
fn a_search_that_goes_far_says_where_it_stands() {
    let said: Vec<Said> = (0..100).map(|number| (1, number, usize::from(number == 0) * 3, 1)).collect();
    let store = filled(&said);
    let (all, answers) = walked(&store, &[1], &ask("blue"), Bounds { entries: 30, question: 0, reads: 100 });
    assert_eq!((all, answers), (vec![(0, room(1).room, 1)], 4));
    let (all, answers) = walked(&store, &[1], &ask("blue"), Bounds::default());
    assert_eq!((all.len(), answers), (1, 1), "and one that does not needs no second answer");
    let (all, answers) =
        walked(&store, &[1], &ask("greeni*"), Bounds { entries: 1_000, question: 0, reads: 30 });
    assert_eq!((all.len(), answers), (0, 4), "messages that are read are bounded too");
}

/// Goal: what is in rooms the asker is not in changes nothing of an answer, not even where it stops.
#[test]
fn other_rooms_change_nothing() {
    let own: Vec<Said> = (0..50).map(|number| (1, number * 2, 0, 1)).collect();
    let mut both = own.clone();
    both.extend((0..2_000).map(|number| (2, number % 100, 0, 3)));
    let bounds = Bounds { entries: 20, question: 3, reads: 20 };
    for words in ["red", "blue", "gree*", "red -blue"] {
        let alone = walked(&filled(&own), &[1], &ask(words), bounds);
        assert_eq!(walked(&filled(&both), &[1], &ask(words), bounds), alone, "{words}");
    }
}
