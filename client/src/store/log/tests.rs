//! Whether a profile holds what it was told, once, and lets go of what is gone.

use super::super::testing;
use super::*;
use quipu_protocol::Blob;
use quipu_protocol::entry::{Edited, Erasure, Ext};

const ROOM: RoomId = RoomId::from_bytes([1; 16]);

fn at(incarnation: u64, seq: u64) -> Cursor {
    Cursor { incarnation: Incarnation(incarnation), seq: Seq(seq) }
}

fn received(seqs: std::ops::RangeInclusive<u64>) -> Vec<Received> {
    let entry = |seq| Entry {
        seq: Seq(seq),
        at_ms: seq,
        user: None,
        device: None,
        message: None,
        kind: Kind::TEXT,
        body: Blob::default(),
        ext: Ext::default(),
    };
    seqs.map(|seq| (Seq(seq), cbor::encode(&entry(seq)).into())).collect()
}

async fn seqs(store: &super::super::Store) -> Vec<u64> {
    let all = (Seq::ZERO, Seq(u64::MAX));
    let entries = store.run(move |db| between(db, ROOM, all, false, 1_000, 0)).await.unwrap();
    entries.iter().map(|entry| entry.seq.0).collect()
}

#[tokio::test]
async fn told_twice_is_kept_once_and_the_cursor_never_goes_back() {
    let (store, _folder) = testing::store().await;
    store.run(|db| append(db, ROOM, &received(1..=5), at(1, 5))).await.unwrap();
    store.run(|db| append(db, ROOM, &received(3..=4), at(1, 4))).await.unwrap();
    assert_eq!(seqs(&store).await, [1, 2, 3, 4, 5]);
    assert_eq!(store.run(|db| cursor(db, ROOM)).await, Ok(Some(at(1, 5))));
}

#[tokio::test]
async fn what_somebody_wrote_is_gone_when_a_note_says_so() {
    use quipu_protocol::note::Erased;

    let (store, _folder) = testing::store().await;
    let (bob, ada) = (UserId::from_bytes([2; 16]), UserId::from_bytes([1; 16]));
    let entry = |seq, user, kind, body: Vec<u8>| {
        let body = Blob::new(body).unwrap();
        let entry = Entry {
            seq: Seq(seq),
            at_ms: seq,
            user: Some(user),
            device: None,
            message: None,
            kind,
            body,
            ext: Ext::default(),
        };
        (Seq(seq), cbor::encode(&entry).into())
    };
    let erased = cbor::encode(&Erased { user: bob, nickname: "bob".parse().unwrap() });
    let entries = [
        entry(1, bob, Kind::TEXT, b"secret".to_vec()),
        entry(2, ada, Kind::TEXT, b"mine".to_vec()),
        entry(3, ada, Kind::ERASURE, erased),
        entry(4, bob, Kind::TEXT, b"later".to_vec()),
    ];
    let [before, rest] = [entries[..2].to_vec(), entries[2..].to_vec()];
    store.run(move |db| append(db, ROOM, &before, at(1, 2))).await.unwrap();
    store.run(move |db| append(db, ROOM, &rest, at(1, 4))).await.unwrap();
    let all = (Seq::ZERO, Seq(u64::MAX));
    let kept = store.run(move |db| between(db, ROOM, all, false, 9, 0)).await.unwrap();
    let texts: Vec<_> = kept.iter().map(|entry| (entry.text(), entry.is_erased())).collect();
    assert_eq!(texts, [(None, true), (Some("mine"), false), (None, false), (Some("later"), false)]);
}

/// More than is looked at in one step, with the place where a step ends among them.
#[tokio::test]
async fn everything_that_somebody_wrote_is_gone_however_much_it_was() {
    use quipu_protocol::note::Erased;

    const MANY: u64 = 1_203;
    let (store, _folder) = testing::store().await;
    let entry = |seq: u64, user, kind, body: Vec<u8>| {
        let body = Blob::new(body).unwrap();
        let (at_ms, ext) = (seq, Ext::default());
        let entry =
            Entry { seq: Seq(seq), at_ms, user: Some(user), device: None, message: None, kind, body, ext };
        (Seq(seq), bytes::Bytes::from(cbor::encode(&entry)))
    };
    let erased = cbor::encode(&Erased { user: BOB, nickname: "bob".parse().unwrap() });
    let by = |seq| if seq % 3 == 0 { ADA } else { BOB };
    let mut entries: Vec<_> =
        (1..=MANY).map(|seq| entry(seq, by(seq), Kind::TEXT, b"words".to_vec())).collect();
    entries.push(entry(MANY + 1, ADA, Kind::ERASURE, erased));
    store.run(move |db| append(db, ROOM, &entries, at(1, MANY + 1))).await.unwrap();
    let all = (Seq::ZERO, Seq(MANY + 1));
    let kept = store.run(move |db| between(db, ROOM, all, false, MANY, 0)).await.unwrap();
    assert_eq!(kept.len() as u64, MANY);
    assert!(kept.iter().all(|entry| entry.is_erased() == (entry.user == Some(BOB))));
}

const ADA: UserId = UserId::from_bytes([1; 16]);
const BOB: UserId = UserId::from_bytes([2; 16]);

/// Something about an entry, said a while after the one before.
fn about(seq: u64, user: UserId, kind: Kind, target: u64, body: &str) -> Received {
    let ext = Ext { target: (target > 0).then_some(Seq(target)), ..Ext::default() };
    let entry = Entry {
        seq: Seq(seq),
        at_ms: seq * 10,
        user: Some(user),
        device: None,
        message: None,
        kind,
        body: Blob::new(body.as_bytes().to_vec()).unwrap(),
        ext,
    };
    (Seq(seq), cbor::encode(&entry).into())
}

fn says(seq: u64, body: &str) -> Received {
    about(seq, ADA, Kind::TEXT, 0, body)
}

async fn told(store: &super::super::Store, entries: Vec<Received>, cursor: u64) {
    store.run(move |db| append(db, ROOM, &entries, at(1, cursor))).await.unwrap();
}

async fn kept(store: &super::super::Store) -> Vec<Entry> {
    store.run(|db| between(db, ROOM, (Seq::ZERO, Seq(u64::MAX)), false, 99, 0)).await.unwrap()
}

#[tokio::test]
async fn an_edit_that_is_told_changes_what_is_kept() {
    let (store, _folder) = testing::store().await;
    told(&store, vec![says(1, "one"), says(2, "two")], 2).await;
    told(&store, vec![about(3, ADA, Kind::EDIT, 1, "won"), about(4, ADA, Kind::EDIT, 1, "1")], 4).await;
    let entries = kept(&store).await;
    assert_eq!((entries[0].text(), entries[1].text()), (Some("1"), Some("two")));
    assert_eq!(entries[0].ext.edited, Some(Edited { by: ADA, at_ms: 40 }));
    assert_eq!((entries.len(), &entries[2].body[..]), (4, &b"won"[..]), "places stay, and what stood there");
    // Told again from an earlier place, by a server that has the newest text already.
    let edits = vec![about(3, ADA, Kind::EDIT, 1, "won")];
    told(&store, edits, 4).await;
    assert_eq!(kept(&store).await[0].text(), Some("1"), "an older edit takes nothing back");
    told(&store, vec![about(5, ADA, Kind::EDIT, 77, "of what is not kept")], 5).await;
    told(&store, vec![about(6, ADA, Kind::EDIT, u64::MAX, "of nothing")], 6).await;
    assert_eq!(kept(&store).await.len(), 6);
}

#[tokio::test]
async fn a_redaction_that_is_told_leaves_no_byte_of_what_was_said() {
    let (store, folder) = testing::store().await;
    told(&store, vec![says(1, "unrepeatable one"), says(2, "stays")], 2).await;
    told(&store, vec![about(3, ADA, Kind::EDIT, 1, "unrepeatable two")], 3).await;
    told(&store, vec![about(4, BOB, Kind::REDACTION, 1, "why")], 4).await;
    told(&store, vec![about(5, ADA, Kind::REDACTION, 2, "")], 5).await;
    // One that was itself erased says no reason, and still says what is gone.
    let entries = kept(&store).await;
    let why: Vec<_> = entries.iter().map(|entry| entry.ext.erased).collect();
    let (removed, retracted) = (Some(Erasure::REMOVED), Some(Erasure::RETRACTED));
    assert_eq!(why, [removed, retracted, removed, None, None]);
    assert!(entries[..3].iter().all(|entry| entry.body.is_empty()));
    assert_eq!(entries[2].ext.target, Some(Seq(1)), "places and what they are about stay");
    store.close().await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(12).any(|window| window == b"unrepeatable"));
    }
}

/// What is not told may be a redaction of what is kept: by a gap, or because only the newest were asked for.
#[tokio::test]
async fn what_is_older_than_a_hole_is_kept_no_longer() {
    let (store, _folder) = testing::store().await;
    told(&store, vec![says(1, "a"), says(2, "b")], 2).await;
    told(&store, vec![says(2, "b"), says(3, "c")], 3).await;
    assert_eq!(seqs(&store).await, [1, 2, 3], "what follows directly leaves no hole");
    told(&store, vec![], 3).await;
    assert_eq!(seqs(&store).await, [1, 2, 3]);
    told(&store, vec![says(9, "i")], 9).await;
    assert_eq!(seqs(&store).await, [9], "only the newest were asked for");
    told(&store, vec![], 20).await;
    assert_eq!(seqs(&store).await, [0_u64; 0], "a gap was told");
    told(&store, vec![says(21, "u")], 21).await;
    told(&store, vec![says(4, "d"), says(5, "e")], 5).await;
    assert_eq!(seqs(&store).await, [4, 5, 21], "what is told of the past reads as it does now");
}

/// The redaction itself comes later, or was told to an earlier reader of the same profile.
#[tokio::test]
async fn what_comes_again_without_its_body_is_kept_without_it() {
    let (store, _folder) = testing::store().await;
    told(&store, vec![says(1, "one"), says(2, "two")], 2).await;
    let ext = Ext { erased: Some(Erasure::REMOVED), ..Ext::default() };
    let gone = Entry { body: Blob::default(), ext, ..kept(&store).await[0].clone() };
    told(&store, vec![(Seq(1), cbor::encode(&gone).into()), says(2, "not what was there")], 2).await;
    let entries = kept(&store).await;
    assert_eq!((entries[0].is_erased(), entries[1].text()), (true, Some("two")));
}

#[tokio::test]
async fn reactions_are_those_that_were_not_taken_back() {
    let (store, _folder) = testing::store().await;
    let react = |seq, user, kind, emoji| about(seq, user, kind, 1, emoji);
    let entries = vec![
        says(1, "cake?"),
        react(2, ADA, Kind::REACTION, "+1"),
        react(3, BOB, Kind::REACTION, "+1"),
        react(4, BOB, Kind::REACTION, "no"),
        react(5, BOB, Kind::UNREACTION, "no"),
        react(6, BOB, Kind::REACTION, "rude"),
        about(7, ADA, Kind::REDACTION, 6, ""),
        about(8, ADA, Kind::REACTION, 2, "of another"),
    ];
    told(&store, entries, 8).await;
    let found = store.run(|db| reactions(db, ROOM, (Seq(1), Seq(1)), BOB)).await.unwrap();
    let tally = Tally { emoji: "+1".parse().unwrap(), users: 2, own: true };
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(Seq(1), vec![tally])]);
}

/// A later version of the protocol says things this one does not know.
#[tokio::test]
async fn what_this_version_does_not_know_is_kept_as_it_came() {
    let (store, _folder) = testing::store().await;
    let unknown = about(2, ADA, Kind(4_711), 1, "whatever it is");
    told(&store, vec![says(1, "a"), unknown.clone(), says(3, "c")], 3).await;
    assert_eq!(seqs(&store).await, [1, 2, 3], "places have no holes");
    assert_eq!(cbor::encode(&kept(&store).await[1]), unknown.1);
    assert_eq!(kept(&store).await[0].text(), Some("a"), "and it does nothing");
}

#[tokio::test]
async fn a_new_incarnation_replaces_what_was_known() {
    let (store, _folder) = testing::store().await;
    store.run(|db| append(db, ROOM, &received(1..=5), at(1, 5))).await.unwrap();
    store.run(|db| append(db, ROOM, &received(2..=3), at(2, 3))).await.unwrap();
    assert_eq!(seqs(&store).await, [2, 3]);
    assert_eq!(store.run(|db| cursor(db, ROOM)).await, Ok(Some(at(2, 3))));
}

#[tokio::test]
async fn old_entries_leave() {
    let (store, _folder) = testing::store().await;
    let last = (CACHED_ENTRIES_MAX / 256 + 2) * 256 + 3;
    store.run(|db| append(db, ROOM, &received(1..=600), at(1, 600))).await.unwrap();
    store.run(move |db| append(db, ROOM, &received(601..=last), at(1, last))).await.unwrap();
    assert_eq!(seqs(&store).await.first(), Some(&(last - CACHED_ENTRIES_MAX + 1)));
}
