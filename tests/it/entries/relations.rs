//! Reactions and pins, as lists.

use quipu_protocol::limits::{EMOJI_PER_ENTRY_MAX, PINS_MAX, ROWS_MAX};
use quipu_protocol::request::{ListPins, ListReactions, Pins, ReactionKey, Reactions};

use super::*;

fn tally(tallies: &[Tally]) -> Vec<(&str, u64, bool)> {
    tallies.iter().map(|tally| (tally.emoji.as_str(), tally.users, tally.own)).collect()
}

#[tokio::test]
async fn reactions_are_counted_and_named() {
    let world = World::new().await;
    let said = world.says(&world.ada, "cake?").await;
    for (who, emoji) in [(&world.ada, "+1"), (&world.bob, "+1"), (&world.cyd, "🎂"), (&world.bob, "🎂")] {
        world.about(who, Kind::REACTION, said, emoji).await.unwrap();
    }
    world.about(&world.bob, Kind::UNREACTION, said, "🎂").await.unwrap();
    let (tallies, entry) = world.entry(&world.bob, said).await;
    assert_eq!((tally(&tallies), entry.text()), (vec![("+1", 2, true), ("🎂", 1, false)], Some("cake?")));
    let (tallies, _) = world.entry(&world.cyd, said).await;
    assert_eq!(tally(&tallies), [("+1", 2, false), ("🎂", 1, true)], "whose they are is the reader's own");

    let ask = ListReactions { room: world.room, seq: said, after: None };
    let list: Reactions = world.bob.peer.ask(&ask).await.unwrap();
    let rows: Vec<_> = list.reactions.iter().map(|row| (row.emoji.as_str(), row.nickname.as_str())).collect();
    assert!(rows.contains(&("+1", "ada")) && rows.contains(&("+1", "bob")) && rows.contains(&("🎂", "cyd")));
    assert_eq!((rows.len(), list.more), (3, false));
    world.about(&world.ada, Kind::REDACTION, said, "").await.unwrap();
    let list: Reactions = world.bob.peer.ask(&ask).await.unwrap();
    assert!(list.reactions.is_empty(), "with the message they are gone");
    assert!(world.entry(&world.bob, said).await.0.is_empty());
}

#[tokio::test]
async fn a_long_list_of_reactions_comes_in_pages_and_has_an_end() {
    let world = World::new().await;
    let said = world.says(&world.ada, "words").await;
    for number in 0..EMOJI_PER_ENTRY_MAX {
        for who in [&world.ada, &world.bob, &world.cyd] {
            world.about(who, Kind::REACTION, said, &format!("word{number}")).await.unwrap();
        }
    }
    assert_eq!(world.about(&world.bob, Kind::REACTION, said, "more").await.err(), Some(Code::QUOTA));
    assert_eq!(
        world.about(&world.bob, Kind::REACTION, said, "two words").await.err(),
        Some(Code::BAD_REQUEST)
    );
    let mut ask = ListReactions { room: world.room, seq: said, after: None };
    let mut keys = Vec::new();
    loop {
        let list: Reactions = world.cyd.peer.ask(&ask).await.unwrap();
        assert!(list.reactions.len() <= ROWS_MAX);
        keys.extend(list.reactions.iter().map(|row| (row.emoji.clone(), row.user)));
        let (emoji, user) = keys.last().unwrap().clone();
        ask.after = Some(ReactionKey { emoji, user });
        if !list.more {
            break;
        }
    }
    let whole = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!((whole, keys.len()), (3 * EMOJI_PER_ENTRY_MAX, 3 * EMOJI_PER_ENTRY_MAX), "each of them once");
    assert_eq!(world.entry(&world.bob, said).await.0.len(), EMOJI_PER_ENTRY_MAX);
}

async fn pins(who: &Member, room: RoomId, after: Option<Seq>) -> Result<(Pins, Vec<Entry>), Refusal> {
    let mut stream = who.peer.open(BidiType::Request.number()).await;
    stream.send(&ListPins { room, after }).await;
    stream.finish();
    let pins: Pins = stream.read.answer().await?;
    let rows = pins.pins.len();
    let entries = entries(&mut stream, rows).await;
    Ok((pins, entries.into_iter().map(|(_, entry)| entry).collect()))
}

#[tokio::test]
async fn what_is_pinned_is_listed_as_it_reads_now() {
    let world = World::new().await;
    let [one, two] = [world.says(&world.bob, "one").await, world.says(&world.bob, "two").await];
    assert_eq!(world.about(&world.bob, Kind::PIN, one, "").await.err(), Some(Code::FORBIDDEN));
    let second = world.about(&world.cyd, Kind::PIN, two, "").await.unwrap();
    world.about(&world.cyd, Kind::PIN, one, "").await.unwrap();
    world.about(&world.bob, Kind::EDIT, two, "2").await.unwrap();
    let (list, entries) = pins(&world.bob, world.room, None).await.unwrap();
    let texts: Vec<_> = entries.iter().map(|entry| (entry.seq, entry.text().unwrap())).collect();
    assert_eq!((texts, list.more), (vec![(one, "one"), (two, "2")], false));
    let row = &list.pins[1];
    assert_eq!((row.seq, row.pin, row.at_ms), (two, second.at.seq, second.at_ms));
    assert_eq!(row.by, Some(world.cyd.me.user));
    assert_eq!(pins(&world.bob, world.room, Some(one)).await.unwrap().0.pins.len(), 1);
    world.about(&world.cyd, Kind::UNPIN, one, "").await.unwrap();
    world.about(&world.bob, Kind::REDACTION, two, "").await.unwrap();
    assert!(pins(&world.bob, world.room, None).await.unwrap().1.is_empty(), "a redaction unpins");
}

/// As many as there may be, each as long as it may be: more than one answer holds.
#[tokio::test]
async fn a_list_of_long_pins_comes_in_pages() {
    let world = World::new().await;
    let mut pinned = Vec::new();
    for _ in 0..PINS_MAX {
        pinned.push(world.says(&world.ada, &"x".repeat(16_000)).await);
        world.about(&world.ada, Kind::PIN, *pinned.last().unwrap(), "").await.unwrap();
    }
    let more = world.says(&world.ada, "more").await;
    assert_eq!(world.about(&world.ada, Kind::PIN, more, "").await.err(), Some(Code::QUOTA));
    let (mut listed, mut answers) = (Vec::<Seq>::new(), 0);
    loop {
        let (list, entries) = pins(&world.bob, world.room, listed.last().copied()).await.unwrap();
        listed.extend(entries.iter().map(|entry| entry.seq));
        answers += 1;
        if !list.more {
            break;
        }
    }
    assert!(answers > 1 && listed == pinned, "{answers}");
}

#[tokio::test]
async fn who_may_not_read_the_room_is_told_nothing_of_it() {
    let world = World::new().await;
    let hidden = made(&world.ada, "cellar", Visibility::PRIVATE).await;
    let dan = world.server.join(&world.owner, "dan").await;
    for (room, expected) in [(hidden, Code::NOT_FOUND), (world.room, Code::FORBIDDEN)] {
        let ask = ListReactions { room, seq: Seq(1), after: None };
        assert_eq!(code(dan.peer.ask::<Reactions>(&ask).await), expected);
        assert_eq!(code(pins(&dan, room, None).await), expected);
        let ask = History { room, anchor: Anchor::LATEST, limit: 1, thread: Some(Seq(1)) };
        assert_eq!(read(&dan, &ask).await.err().map(|refusal| refusal.code), Some(expected));
        let about = Ext { target: Some(Seq(1)), ..Ext::default() };
        for (kind, body) in [(Kind::EDIT, "x"), (Kind::REACTION, "x"), (Kind::PIN, ""), (Kind::REDACTION, "")]
        {
            let draft = Draft { kind, ext: about.clone(), ..draft(room, body) };
            assert_eq!(publish(&dan, draft).await.err(), Some(expected), "{kind:?}");
        }
    }
}
