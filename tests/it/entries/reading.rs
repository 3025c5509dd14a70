//! Edits, redactions and threads: live, in history, in search, and for whoever comes later.

use quipu_protocol::entry::{Edited, Erasure};
use quipu_protocol::limits::EDITS_MAX;
use quipu_protocol::request::{AnchorKind, Found, Impose, Sanction, Search};
use quipu_protocol::room::CaughtUp;
use quipu_protocol::{Cursor, Text};

use super::*;

async fn found(who: &Member, words: &str) -> Vec<(Seq, String)> {
    let found: Found = who.peer.ask(&Search::for_words(Text::new(words).unwrap())).await.unwrap();
    let hits = found.hits.into_vec().into_iter();
    hits.map(|hit| (hit.at.seq, hit.text.as_str().to_owned())).collect()
}

#[tokio::test]
async fn an_edit_is_read_live_in_history_and_in_search() {
    let world = World::new().await;
    let (opened, mut live) = world.bob.read(world.room, None).await;
    let said = world.says(&world.ada, "the harbour at nine").await;
    let edit = world.about(&world.ada, Kind::EDIT, said, "the station at nine").await.unwrap();
    let mut told = Vec::new();
    while told.last().is_none_or(|entry: &Entry| entry.seq < edit.at.seq) {
        let frame = live.next().await.unwrap().unwrap();
        if frame.is::<Entry>() {
            told.push(frame.decode::<Entry>().unwrap());
        }
    }
    let seqs: Vec<u64> = told.iter().map(|entry| entry.seq.0).collect();
    assert_eq!(seqs, (opened.start.seq.0 + 1..=edit.at.seq.0).collect::<Vec<_>>(), "places stay");
    let note = told.last().unwrap();
    assert_eq!((note.kind, &note.body[..]), (Kind::EDIT, &b"the station at nine"[..]));
    assert_eq!((note.user, note.ext.target), (Some(world.ada.me.user), Some(said)));

    let (_, entry) = world.entry(&world.bob, said).await;
    assert_eq!(entry.text(), Some("the station at nine"));
    assert_eq!(entry.ext.edited, Some(Edited { by: world.ada.me.user, at_ms: edit.at_ms }));
    assert!(found(&world.bob, "harbour").await.is_empty(), "what it said before is not found");
    let hits = found(&world.bob, "station").await;
    assert_eq!(hits.len(), 1, "and the edit itself is no message: {hits:?}");
    assert_eq!(hits[0].0, said);
}

#[tokio::test]
async fn a_redaction_is_read_live_in_history_and_by_whoever_comes_later() {
    let world = World::new().await;
    let (_, mut live) = world.bob.read(world.room, None).await;
    let said = world.says(&world.ada, "the password is xyzzy").await;
    let edit = world.about(&world.ada, Kind::EDIT, said, "the password is plugh").await.unwrap().at.seq;
    let gone = world.about(&world.cyd, Kind::REDACTION, said, "not here").await.unwrap();
    loop {
        let frame = live.next().await.unwrap().unwrap();
        if frame.is::<Entry>() && frame.decode::<Entry>().unwrap().kind == Kind::REDACTION {
            let note: Entry = frame.decode().unwrap();
            assert_eq!((&note.body[..], note.ext.target), (&b"not here"[..], Some(said)));
            break;
        }
    }
    // From memory, where the room is alive; and from the store.
    let before = Cursor { seq: Seq(said.0 - 1), ..gone.at };
    let (_, mut later) = world.cyd.read(world.room, Some(before)).await;
    let mut told = Vec::new();
    loop {
        let frame = later.next().await.unwrap().unwrap();
        if frame.is::<CaughtUp>() {
            break;
        }
        told.push(frame.decode::<Entry>().unwrap());
    }
    assert_eq!(told.len(), 3);
    for entry in
        [&told[0], &told[1], &world.entry(&world.bob, said).await.1, &world.entry(&world.bob, edit).await.1]
    {
        assert!(entry.body.is_empty() && entry.ext.erased == Some(Erasure::REMOVED), "{entry:?}");
    }
    for words in ["password", "xyzzy", "plugh"] {
        assert!(found(&world.bob, words).await.is_empty(), "{words}");
    }
}

/// The bytes themselves are gone: nothing in the folder of the server has them.
#[tokio::test]
async fn what_was_redacted_is_nowhere_in_the_data_folder() {
    let mut world = World::new().await;
    let said = world.says(&world.ada, "unrepeatable-first").await;
    world.about(&world.ada, Kind::EDIT, said, "unrepeatable-second").await.unwrap();
    world.about(&world.ada, Kind::REDACTION, said, "").await.unwrap();
    world.server.stop().await;
    for file in std::fs::read_dir(&world.server.config.data).unwrap().map(|file| file.unwrap().path()) {
        if file.is_file() {
            let bytes = std::fs::read(&file).unwrap();
            let has = bytes.windows(12).any(|window| window == b"unrepeatable");
            assert!(!has, "{}", file.display());
        }
    }
}

#[tokio::test]
async fn who_is_muted_unsays_what_they_said_and_says_nothing_new() {
    let world = World::new().await;
    let [one, two] = [world.says(&world.bob, "one").await, world.says(&world.bob, "two").await];
    let (room, user) = (world.room, world.bob.me.user);
    let ask = Impose { room, user, sanction: Sanction::MUTE, life_ms: None, reason: None };
    let _: Done = world.cyd.peer.ask(&ask).await.unwrap();
    for (kind, body) in
        [(Kind::EDIT, "won"), (Kind::REACTION, "+1"), (Kind::REDACTION, "because"), (Kind::PIN, "")]
    {
        let outcome = world.about(&world.bob, kind, one, body).await;
        assert_eq!(outcome.err(), Some(Code::FORBIDDEN), "{kind:?}");
    }
    world.about(&world.bob, Kind::REDACTION, two, "").await.unwrap();
    assert_eq!(world.entry(&world.ada, two).await.1.ext.erased, Some(Erasure::RETRACTED));
}

#[tokio::test]
async fn a_message_is_edited_so_often_and_no_more() {
    let world = World::new().await;
    let said = world.says(&world.ada, "0").await;
    for number in 1..=EDITS_MAX {
        world.about(&world.ada, Kind::EDIT, said, &number.to_string()).await.unwrap();
    }
    assert_eq!(world.about(&world.ada, Kind::EDIT, said, "more").await.err(), Some(Code::QUOTA));
    assert_eq!(world.entry(&world.bob, said).await.1.text(), Some(EDITS_MAX.to_string().as_str()));
}

#[tokio::test]
async fn a_thread_is_read_in_pages_and_nothing_else_with_it() {
    let world = World::new().await;
    let root = world.says(&world.ada, "shall we meet?").await;
    let mut thread = vec![root];
    for number in 0..5 {
        world.says(&world.bob, "something else").await;
        thread.push(world.in_thread(&world.bob, root, &number.to_string()).await);
    }
    world.about(&world.ada, Kind::REACTION, thread[2], "+1").await.unwrap();
    let all = world.history(&world.bob, Anchor::LATEST, Some(root)).await;
    assert_eq!(all.seqs(), thread);
    assert_eq!((all.page.more_before, all.page.more_after), (false, false));
    assert_eq!(all.entries[2].0.len(), 1, "with what people say to it");
    let page = async |anchor| {
        let ask = History { room: world.room, anchor, limit: 2, thread: Some(root) };
        let page = read(&world.bob, &ask).await.unwrap();
        (page.seqs(), page.page.more_before, page.page.more_after)
    };
    assert_eq!(page(Anchor::LATEST).await, (thread[4..].to_vec(), true, false));
    assert_eq!(page(Anchor::before(thread[2])).await, (thread[..2].to_vec(), false, true));
    assert_eq!(page(Anchor::after(root)).await, (thread[1..3].to_vec(), true, true));
    assert_eq!(page(Anchor::around(thread[3])).await, (thread[2..4].to_vec(), true, true));
    let between = Anchor { kind: AnchorKind::BETWEEN, seq: thread[0], to: thread[2] };
    assert_eq!(page(between).await, (thread[1..2].to_vec(), true, true));
    let none = world.history(&world.bob, Anchor::LATEST, Some(thread[1])).await;
    assert_eq!(
        (none.page.entries, none.page.more_before),
        (0, false),
        "a message without answers begins none"
    );
    world.about(&world.ada, Kind::REDACTION, root, "").await.unwrap();
    let all = world.history(&world.bob, Anchor::LATEST, Some(root)).await;
    assert_eq!(
        (all.seqs(), all.entries[0].1.is_erased()),
        (thread, true),
        "it goes on without its first message"
    );
}
