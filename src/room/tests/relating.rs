//! What entries about entries may be about, what follows from them, and that it follows once.

use quipu_protocol::entry::{Edited, Erasure};
use quipu_protocol::limits::{EDITS_MAX, EMOJI_PER_ENTRY_MAX, PINS_MAX};
use quipu_protocol::publish::Ack;
use quipu_protocol::{Code, List};

use super::*;

/// Publishes under a message id of its own, or under the one given.
pub(super) async fn publish(
    world: &World,
    who: &Authenticated,
    kind: Kind,
    body: &str,
    ext: Ext,
    id: Option<u32>,
) -> Result<Ack, Code> {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1_000_000);
    let id = id.unwrap_or_else(|| NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let mut message = [0; 16];
    message[..4].copy_from_slice(&id.to_be_bytes());
    let body = Blob::new(body.as_bytes().to_vec()).unwrap();
    let draft = Draft { room: world.room, message: MessageId::from_bytes(message), kind, body, ext };
    let pending = world.rooms.publish(who, draft, &Lane::default()).await.map_err(|refusal| refusal.code)?;
    pending.await.map_err(|error| error.refusal().code)
}

pub(super) async fn about(
    world: &World,
    who: &Authenticated,
    kind: Kind,
    target: Seq,
    body: &str,
) -> Result<Ack, Code> {
    publish(world, who, kind, body, to(target), None).await
}

fn to(target: Seq) -> Ext {
    Ext { target: Some(target), ..Ext::default() }
}

pub(super) async fn text(world: &World, who: &Authenticated, body: &str) -> Seq {
    publish(world, who, Kind::TEXT, body, Ext::default(), None).await.unwrap().at.seq
}

pub(super) async fn entry(world: &World, seq: Seq) -> Entry {
    let room = world.room;
    world.rooms.storage().read(move |store| store.entry(room, seq)).await.unwrap().unwrap()
}

pub(super) async fn head(world: &World) -> Seq {
    let room = world.room;
    world.rooms.storage().read(move |store| store.room(room)).await.unwrap().unwrap().head.seq
}

async fn unread(world: &World, who: &Authenticated) -> u64 {
    world.rooms.heads(who.user(), Some(vec![world.room])).await.unwrap()[0].unread
}

#[tokio::test]
async fn an_edit_rewrites_its_target_and_says_who_and_when() {
    let world = World::new().await;
    let (mut live, _) = world.read(&world.bob, None, 100).await;
    let said = text(&world, &world.ada, "helo").await;
    let ack = about(&world, &world.ada, Kind::EDIT, said, "hello").await.unwrap();
    let edited = entry(&world, said).await;
    assert_eq!(edited.text(), Some("hello"));
    assert_eq!(edited.ext.edited, Some(Edited { by: world.ada.user(), at_ms: ack.at_ms }));
    // Whoever reads on is told by an entry that has the text as well, and whoever comes later reads the new one.
    let note = entry(&world, ack.at.seq).await;
    assert_eq!((note.kind, &note.body[..], note.ext.target), (Kind::EDIT, &b"hello"[..], Some(said)));
    let (seqs, _, _) = walk(&mut live).await;
    assert_eq!(seqs, (1..=ack.at.seq.0).collect::<Vec<_>>());
    assert_eq!(
        unread(&world, &world.bob).await,
        1,
        "an edit does not count, and what it is about still does"
    );
}

#[tokio::test]
async fn an_edit_that_is_retried_changes_nothing_again() {
    let world = World::new().await;
    let said = text(&world, &world.ada, "one").await;
    let first = publish(&world, &world.ada, Kind::EDIT, "two", to(said), Some(1)).await.unwrap();
    about(&world, &world.ada, Kind::EDIT, said, "three").await.unwrap();
    let again = publish(&world, &world.ada, Kind::EDIT, "two", to(said), Some(1)).await.unwrap();
    assert_eq!((again.at, again.duplicate), (first.at, true));
    assert_eq!(entry(&world, said).await.text(), Some("three"));
    about(&world, &world.ada, Kind::REDACTION, said, "").await.unwrap();
    let again = publish(&world, &world.ada, Kind::EDIT, "two", to(said), Some(1)).await.unwrap();
    assert!(again.duplicate, "what was acknowledged once stays acknowledged");
    let other = publish(&world, &world.ada, Kind::EDIT, "other", to(said), Some(1)).await;
    assert_eq!(other.err(), Some(Code::MESSAGE_CONFLICT), "and nothing else is");
}

#[tokio::test]
async fn a_redaction_leaves_a_place_without_content_and_nobody_has_it_unread() {
    let world = World::new().await;
    let said = text(&world, &world.ada, "secret").await;
    let edit = about(&world, &world.ada, Kind::EDIT, said, "more secret").await.unwrap().at.seq;
    about(&world, &world.bob, Kind::REACTION, said, "+1").await.unwrap();
    about(&world, &world.ada, Kind::PIN, said, "").await.unwrap();
    assert_eq!(unread(&world, &world.bob).await, 1);
    about(&world, &world.ada, Kind::REDACTION, said, "said too much").await.unwrap();
    for seq in [said, edit] {
        let gone = entry(&world, seq).await;
        assert!(gone.body.is_empty() && gone.ext.erased == Some(Erasure::RETRACTED), "{gone:?}");
    }
    assert_eq!(unread(&world, &world.bob).await, 0);
    let room = world.room;
    let kept = world.rooms.storage().read(move |store| Ok((store.emoji(room, said)?, store.pins(room)?)));
    assert_eq!(kept.await.unwrap(), (0, 0));
    let theirs = text(&world, &world.bob, "rude").await;
    about(&world, &world.ada, Kind::REDACTION, theirs, "").await.unwrap();
    assert_eq!(entry(&world, theirs).await.ext.erased, Some(Erasure::REMOVED));
}

#[tokio::test]
async fn each_may_change_their_own_and_a_moderator_removes_what_others_said() {
    let world = World::new().await;
    let (hers, his) = (text(&world, &world.ada, "hers").await, text(&world, &world.bob, "his").await);
    let code = |outcome: Result<Ack, Code>| outcome.err();
    assert_eq!(code(about(&world, &world.bob, Kind::EDIT, hers, "x").await), Some(Code::FORBIDDEN));
    assert_eq!(
        code(about(&world, &world.ada, Kind::EDIT, his, "x").await),
        Some(Code::FORBIDDEN),
        "not even the owner"
    );
    assert_eq!(code(about(&world, &world.bob, Kind::REDACTION, hers, "").await), Some(Code::FORBIDDEN));
    assert_eq!(code(about(&world, &world.bob, Kind::PIN, hers, "").await), Some(Code::FORBIDDEN));
    let all = Ext { mentions_room: Some(true), ..Ext::default() };
    let called = publish(&world, &world.bob, Kind::TEXT, "all", all.clone(), None).await;
    assert_eq!(code(called), Some(Code::FORBIDDEN));
    let called = publish(&world, &world.ada, Kind::TEXT, "all", all, None).await;
    assert_eq!(code(called), None);
    assert_eq!(code(about(&world, &world.bob, Kind::REDACTION, his, "").await), None);
}

#[tokio::test]
async fn what_is_not_there_is_erased_or_of_another_kind_is_no_target() {
    let world = World::new().await;
    let said = text(&world, &world.ada, "here").await;
    let reaction = about(&world, &world.ada, Kind::REACTION, said, "+1").await.unwrap().at.seq;
    let gone = text(&world, &world.ada, "gone").await;
    about(&world, &world.ada, Kind::REDACTION, gone, "").await.unwrap();
    let before = head(&world).await;
    for kind in [Kind::EDIT, Kind::REDACTION, Kind::REACTION, Kind::UNREACTION, Kind::PIN, Kind::UNPIN] {
        let body = if matches!(kind, Kind::PIN | Kind::UNPIN) { "" } else { "x" };
        for (target, expected) in [
            (Seq(0), Code::NOT_FOUND),
            (before.next(), Code::NOT_FOUND),
            (Seq(u64::MAX), Code::NOT_FOUND),
            (Seq(1), Code::BAD_REQUEST),
            (gone, Code::GONE),
        ] {
            let outcome = about(&world, &world.ada, kind, target, body).await;
            assert_eq!(outcome.err(), Some(expected), "{kind:?} of {target}");
        }
        let without = publish(&world, &world.ada, kind, body, Ext::default(), None).await;
        assert_eq!(without.err(), Some(Code::BAD_REQUEST), "{kind:?} of nothing");
    }
    assert_eq!(about(&world, &world.ada, Kind::EDIT, reaction, "x").await.err(), Some(Code::BAD_REQUEST));
    assert_eq!(head(&world).await, before, "none of it is an entry");
}

#[tokio::test]
async fn bodies_keep_the_rule_of_their_kind() {
    let world = World::new().await;
    let said = text(&world, &world.ada, "here").await;
    let long = "x".repeat(513);
    for (kind, body) in [
        (Kind::TEXT, ""),
        (Kind::EDIT, ""),
        (Kind::REDACTION, long.as_str()),
        (Kind::REACTION, ""),
        (Kind::REACTION, "two words"),
        (Kind::REACTION, "\u{202e}"),
        (Kind::UNREACTION, long.as_str()),
        (Kind::PIN, "x"),
        (Kind::UNPIN, "x"),
    ] {
        let ext = if kind.has_target() { to(said) } else { Ext::default() };
        let outcome = publish(&world, &world.ada, kind, body, ext, None).await;
        assert_eq!(outcome.err(), Some(Code::BAD_REQUEST), "{kind:?} {body:?}");
    }
    for ext in [
        Ext { reply_to: Some(said), ..to(said) },
        Ext { thread_root: Some(said), ..to(said) },
        Ext { mentions_room: Some(true), ..to(said) },
    ] {
        let outcome = publish(&world, &world.ada, Kind::REACTION, "+1", ext, None).await;
        assert_eq!(outcome.err(), Some(Code::BAD_REQUEST));
    }
    for kind in [Kind::CREATED, Kind::MEMBER, Kind::TOPIC, Kind::NAME, Kind(4_711)] {
        let outcome = publish(&world, &world.ada, kind, "x", Ext::default(), None).await;
        assert_eq!(outcome.err(), Some(Code::UNSUPPORTED), "{kind:?}");
    }
}

#[tokio::test]
async fn a_reaction_is_there_once_however_often_it_is_said() {
    let world = World::new().await;
    let said = text(&world, &world.ada, "here").await;
    let react = |kind, id| publish(&world, &world.bob, kind, "👍", to(said), Some(id));
    let first = react(Kind::REACTION, 1).await.unwrap();
    let second = react(Kind::REACTION, 2).await.unwrap();
    assert_eq!((second.at, second.duplicate), (first.at, true));
    assert_eq!(head(&world).await, first.at.seq);
    react(Kind::UNREACTION, 3).await.unwrap();
    // The retry of what was said before it was taken back does not bring it back.
    assert_eq!(react(Kind::REACTION, 2).await.unwrap().at, first.at);
    assert_eq!(react(Kind::REACTION, 1).await.unwrap().at, first.at);
    assert!(react(Kind::UNREACTION, 3).await.unwrap().duplicate);
    assert_eq!(react(Kind::UNREACTION, 4).await.err(), Some(Code::NOT_FOUND));
    let room = world.room;
    assert_eq!(world.rooms.storage().read(move |store| store.emoji(room, said)).await.unwrap(), 0);
    assert!(!react(Kind::REACTION, 5).await.unwrap().duplicate, "and may be said anew");
}

#[tokio::test]
async fn a_reaction_that_was_erased_is_there_no_longer() {
    let world = World::new().await;
    let said = text(&world, &world.ada, "here").await;
    let word = about(&world, &world.bob, Kind::REACTION, said, "rude").await.unwrap().at.seq;
    about(&world, &world.ada, Kind::REDACTION, word, "").await.unwrap();
    let room = world.room;
    assert_eq!(world.rooms.storage().read(move |store| store.emoji(room, said)).await.unwrap(), 0);
    assert_eq!(about(&world, &world.bob, Kind::UNREACTION, said, "rude").await.err(), Some(Code::NOT_FOUND));
}

#[tokio::test]
async fn edits_reactions_and_pins_are_bounded() {
    let world = World::new().await;
    let said = text(&world, &world.ada, "here").await;
    for number in 0..EMOJI_PER_ENTRY_MAX {
        about(&world, &world.ada, Kind::REACTION, said, &number.to_string()).await.unwrap();
    }
    assert_eq!(about(&world, &world.ada, Kind::REACTION, said, "more").await.err(), Some(Code::QUOTA));
    assert!(
        about(&world, &world.bob, Kind::REACTION, said, "1").await.is_ok(),
        "what is there may be joined in"
    );
    for number in 0..EDITS_MAX {
        about(&world, &world.ada, Kind::EDIT, said, &number.to_string()).await.unwrap();
    }
    assert_eq!(about(&world, &world.ada, Kind::EDIT, said, "more").await.err(), Some(Code::QUOTA));
    for number in 0..PINS_MAX {
        let seq = text(&world, &world.ada, &number.to_string()).await;
        about(&world, &world.ada, Kind::PIN, seq, "").await.unwrap();
        assert!(about(&world, &world.ada, Kind::PIN, seq, "").await.unwrap().duplicate);
    }
    assert_eq!(about(&world, &world.ada, Kind::PIN, said, "").await.err(), Some(Code::QUOTA));
    assert_eq!(about(&world, &world.ada, Kind::UNPIN, said, "").await.err(), Some(Code::NOT_FOUND));
    let pinned = head(&world).await;
    about(&world, &world.ada, Kind::UNPIN, Seq(pinned.0 - 1), "").await.unwrap();
    assert!(about(&world, &world.ada, Kind::PIN, said, "").await.is_ok(), "a place is free again");
}

#[tokio::test]
async fn answers_and_threads_begin_at_what_is_there() {
    let world = World::new().await;
    let say = |ext| publish(&world, &world.bob, Kind::TEXT, "yes", ext, None);
    let answer = |seq| Ext { reply_to: Some(seq), ..Ext::default() };
    let within = |seq| Ext { thread_root: Some(seq), ..Ext::default() };
    let root = text(&world, &world.ada, "shall we?").await;
    let reply = say(within(root)).await.unwrap().at.seq;
    say(Ext { reply_to: Some(reply), ..within(root) }).await.unwrap();
    say(answer(Seq(1))).await.unwrap();
    let ahead = head(&world).await.next();
    assert_eq!(say(answer(ahead)).await.err(), Some(Code::NOT_FOUND));
    assert_eq!(say(within(ahead)).await.err(), Some(Code::NOT_FOUND));
    assert_eq!(say(within(reply)).await.err(), Some(Code::BAD_REQUEST), "a thread has no threads");
    assert_eq!(say(within(Seq(1))).await.err(), Some(Code::BAD_REQUEST), "nor have the server's notes");
    about(&world, &world.ada, Kind::REDACTION, root, "").await.unwrap();
    assert!(say(within(root)).await.is_ok(), "a thread goes on when its first message is gone");
    assert_eq!(entry(&world, reply).await.ext.thread_root, Some(root));
}

#[tokio::test]
async fn names_of_strangers_are_kept_and_call_nobody() {
    let world = World::new().await;
    let stranger = UserId::from_bytes([9; 16]);
    let mentions = Some(List::new(vec![stranger, world.bob.user(), world.bob.user()]).unwrap());
    let ext = Ext { mentions: mentions.clone(), ..Ext::default() };
    let said = publish(&world, &world.ada, Kind::TEXT, "@nobody", ext, None).await.unwrap().at.seq;
    assert_eq!(entry(&world, said).await.ext.mentions, mentions);
}
