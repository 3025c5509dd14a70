//! The index of words: what is found is what the entries say now, in the room that is asked.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use quipu_protocol::entry::{Erasure, FileRef};
use quipu_protocol::{Code, List, Refusal, Text};

use super::*;
use crate::store::Wanted;

const ALL: (Seq, Seq) = (Seq::ZERO, Seq(u64::MAX));

impl World {
    pub(crate) async fn say(&self, number: u64, text: &str) {
        self.append(says(ADA, number, text)).await;
    }

    /// Positions that have what is wanted, as the index and the entries say together.
    async fn found(&self, wanted: Wanted) -> Vec<u64> {
        let question = move |reads: &dyn crate::store::Reads| {
            let named = reads.matching(LOBBY, &wanted, ALL, 1_000)?;
            let mut found = Vec::new();
            for seq in named {
                let shown = reads.entry(LOBBY, seq)?.and_then(|entry| wanted.show(&entry));
                found.extend(shown.map(|_| seq.0));
            }
            Ok(found)
        };
        self.storage.read(question).await.unwrap()
    }

    async fn words(&self, typed: &str) -> Vec<u64> {
        self.found(Wanted::words(typed)).await
    }

    /// What the index alone says.
    pub(crate) async fn named(&self, typed: &str) -> Vec<u64> {
        let wanted = Wanted::words(typed);
        let named = self.storage.read(move |reads| reads.matching(LOBBY, &wanted, ALL, 1_000)).await.unwrap();
        named.into_iter().map(|seq| seq.0).collect()
    }
}

pub(super) async fn words_are_found_in_their_room_alone(world: World) {
    for number in 1..=3 {
        world.create(room(number)).await;
        let other = NewEntry { room: room(number), ..says(ADA, 1, &format!("hello {number}")) };
        world.append(other).await;
    }
    world.say(2, "the backup is done").await;
    world.say(3, "is the old backup done?").await;
    assert_eq!(world.words("hello").await, [1]);
    assert_eq!(world.words("2").await, [0; 0]);
    assert_eq!(world.words("backup DONE").await, [3, 2], "newest first");
    assert_eq!(world.words("\"is done\"").await, [2]);
    assert_eq!(world.words("back*").await, [3, 2]);
    assert_eq!(world.words("done -old").await, [2]);
    assert_eq!(world.words("done -ol*").await, [3, 2], "too short a beginning takes nothing away");
    assert_eq!(world.words("done -old*").await, [2]);
    let wanted = Wanted::words("backup");
    let newest = move |reads: &dyn crate::store::Reads| reads.matching(LOBBY, &wanted, ALL, 1);
    assert_eq!(world.storage.read(newest).await.unwrap(), [Seq(3)], "as many as were asked for");
    let wanted = Wanted::words("backup");
    let older = move |reads: &dyn crate::store::Reads| reads.matching(LOBBY, &wanted, (Seq(1), Seq(2)), 9);
    assert_eq!(world.storage.read(older).await.unwrap(), [Seq(2)], "where it was asked for");
}

pub(super) async fn what_changes_is_found_as_it_reads_now(world: World) {
    world.create(LOBBY).await;
    world.say(1, "we meet on tuesday").await;
    world.say(2, "tuesday it is").await;
    let rewrite = |text: &'static str| {
        move |writes: &mut dyn crate::store::Writes| {
            let mut entry = writes.entry(LOBBY, Seq(1))?.unwrap();
            entry.body = Blob::new(text.as_bytes().to_vec()).unwrap();
            Ok(writes.rewrite(LOBBY, &entry)?)
        }
    };
    world.storage.write(rewrite("we meet on friday")).await.unwrap();
    assert_eq!((world.named("tuesday").await, world.named("friday").await), (vec![2], vec![1]));
    // Several changes in one batch are one.
    let twice = move |writes: &mut dyn crate::store::Writes| {
        rewrite("we meet on sunday")(writes)?;
        rewrite("we meet on monday")(writes)
    };
    world.storage.write(twice).await.unwrap();
    assert_eq!((world.named("sunday").await, world.named("monday").await), (vec![], vec![1]));
    let said_and_erased = |writes: &mut dyn crate::store::Writes| {
        writes.append(says(ADA, 3, "never mind monday"))?;
        writes.erase(LOBBY, Seq(3), Erasure::RETRACTED)?;
        Ok(writes.erase(LOBBY, Seq(1), Erasure::RETRACTED)?)
    };
    world.storage.write(said_and_erased).await.unwrap();
    assert_eq!((world.named("monday").await, world.named("we").await), (vec![], vec![]));
    let world = world.restarted().await;
    assert_eq!((world.named("monday").await, world.named("tuesday").await), (vec![], vec![2]));
}

pub(super) async fn an_undone_job_leaves_no_words(world: World) {
    world.create(LOBBY).await;
    world.say(1, "kept").await;
    let undone = |writes: &mut dyn crate::store::Writes| -> Result<(), WriteError> {
        writes.append(says(ADA, 2, "undone"))?;
        writes.erase(LOBBY, Seq(1), Erasure::RETRACTED)?;
        Err(Refusal::new(Code::FORBIDDEN).into())
    };
    let kept = world.storage.enqueue(|writes| Ok(writes.append(says(BOB, 1, "before"))?)).await.unwrap();
    let undone = world.storage.enqueue(undone).await.unwrap();
    let after = world.storage.enqueue(|writes| Ok(writes.append(says(BOB, 2, "after"))?)).await.unwrap();
    assert_eq!(refused(undone.await), Code::FORBIDDEN);
    kept.await.unwrap();
    after.await.unwrap();
    for (typed, found) in [("kept", vec![1]), ("undone", vec![]), ("before", vec![2]), ("after", vec![3])] {
        assert_eq!(world.named(typed).await, found, "{typed}");
    }
}

pub(super) async fn accents_and_scripts_without_spaces_are_found(world: World) {
    world.create(LOBBY).await;
    let texts = [
        "Das Café in Łódź ist größer",
        "日本語のテスト",
        "今天天气很好，我们去公园",
        "오늘 날씨가 좋습니다",
        "ไปกินข้าวกัน",
        "cafe\u{301} NFD",
    ];
    for (text, number) in texts.iter().zip(1..) {
        world.say(number, text).await;
    }
    for (typed, found) in [
        ("cafe", vec![6, 1]),
        ("CAFÉ lodz", vec![1]),
        ("GROSSER", vec![1]),
        ("本語", vec![2]),
        ("日語", vec![]),
        ("日本語", vec![2]),
        ("語", vec![2]),
        ("ﾃｽﾄ", vec![2]),
        ("天气", vec![3]),
        ("公园", vec![3]),
        ("很好 我们", vec![3]),
        ("园", vec![3]),
        ("날씨", vec![4]),
        ("습니", vec![4]),
        ("ข้าว", vec![5]),
    ] {
        assert_eq!(world.words(typed).await, found, "{typed}");
    }
}

pub(super) async fn authors_and_files_narrow_a_search(world: World) {
    world.create(LOBBY).await;
    let file = FileRef {
        hash: Blob::new(vec![1; 32]).unwrap(),
        size: 1,
        name: "Übersicht_2026.pdf".parse().unwrap(),
        media_type: Text::default(),
        width: None,
        height: None,
    };
    let files = Ext { files: Some(List::new(vec![file]).unwrap()), ..Ext::default() };
    world.append(says(ADA, 1, "the report")).await;
    world.append(NewEntry { ext: files, ..says(BOB, 1, "the report") }).await;
    world.append(says(BOB, 2, "thanks")).await;
    let by_bob = || Wanted { author: Some(BOB), ..Wanted::words("") };
    let report = || Wanted::words("report");
    assert_eq!(world.found(by_bob()).await, [3, 2]);
    assert_eq!(world.found(Wanted { author: Some(BOB), ..report() }).await, [2]);
    assert_eq!(world.found(Wanted { has_file: true, ..report() }).await, [2]);
    assert_eq!(world.found(Wanted { has_file: true, ..Wanted::words("") }).await, [2]);
    assert_eq!(world.words("ubersicht").await, [2], "a file's name is text");
    assert_eq!(
        world.words("\"report ubersicht\"").await,
        [0; 0],
        "but no phrase begins in one and ends in the other"
    );
    assert_eq!(world.found(Wanted::words("")).await, [0; 0], "nothing wanted, nothing found");
}

/// Goal: nothing that people type is an error of the store, and what is found has what was asked for.
pub(super) async fn no_question_fails(world: World) {
    world.create(LOBBY).await;
    world.say(1, "OR and NOT near text marks ADA 1 \" * ^ -").await;
    let mut runner = TestRunner::new(ProptestConfig::with_cases(64));
    let hostile = proptest::collection::vec(
        prop_oneof![
            "[a-zA-Z0-9\"*^:(){}+,'\\\\ -]{0,12}",
            Just("NEAR(a b, 2)".to_owned()),
            Just("marks:a".to_owned()),
            Just("\"\"\"".to_owned()),
            Just("AND OR NOT".to_owned()),
            any::<String>(),
        ],
        0..6,
    );
    for _ in 0..64 {
        let parts = hostile.new_tree(&mut runner).unwrap().current();
        world.words(&parts.join(" ")).await;
    }
    for typed in ["AND", "NOT", "or", "NEAR", "text : and", "words MATCH", "a\0b", "'; DROP TABLE words; --"]
    {
        world.words(typed).await;
    }
    assert_eq!(world.words("AND OR NOT").await, [1]);
}
