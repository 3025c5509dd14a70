//! All that somebody wrote: erased for everybody, in a room or everywhere, also across a stop.

use quipu_protocol::Kind;
use quipu_protocol::entry::Erasure;
use quipu_protocol::request::{Direct, Purge};

use super::*;

fn texts_of(entries: &[Entry], user: UserId) -> (usize, usize) {
    let theirs = entries.iter().filter(|entry| entry.user == Some(user) && entry.kind == Kind::TEXT);
    let (erased, there): (Vec<_>, Vec<_>) = theirs.partition(|entry| entry.is_erased());
    assert!(erased.iter().all(|entry| entry.body.is_empty()));
    assert!(erased.iter().all(|entry| entry.ext.erased == Some(Erasure::AUTHOR_REMOVED)));
    (there.len(), erased.len())
}

async fn speak(world: &World, room: RoomId, count: usize) {
    let mut stream = world.bob.author().await;
    for number in 0..count {
        stream.send(&draft(room, format!("secret {number}"))).await;
    }
    for _ in 0..count {
        stream.published().await.unwrap();
    }
}

#[tokio::test]
async fn all_that_somebody_wrote_in_a_room_is_gone_and_nothing_else() {
    let world = World::new().await;
    let bob = world.bob.me.user;
    say(&world.ada, world.room, "mine").await.unwrap();
    // More than one step takes.
    speak(&world, world.room, 300).await;
    let ask = Purge { user: bob, room: Some(world.room), reason: Some(why("spam")) };
    assert_eq!(
        code(
            world
                .owner
                .peer
                .ask::<Done>(&Purge {
                    user: world.owner.me.user,
                    room: Some(RoomId::from_bytes([9; 16])),
                    reason: None
                })
                .await
        ),
        Code::NOT_FOUND
    );
    let _: Done = world.cyd.peer.ask(&ask).await.unwrap();
    let entries = log(&world.ada, world.room).await;
    assert_eq!(texts_of(&entries, bob), (0, 300));
    assert_eq!(texts_of(&entries, world.ada.me.user), (1, 0));
    let note = entries.last().unwrap();
    assert_eq!(
        (note.kind, note.user, &note.ext.reason),
        (Kind::ERASURE, Some(world.cyd.me.user), &Some(why("spam")))
    );
    // What comes afterwards stays.
    say(&world.bob, world.room, "sorry").await.unwrap();
    assert_eq!(texts_of(&log(&world.ada, world.room).await, bob), (1, 300));
}

#[tokio::test]
async fn everybody_erases_their_own_and_only_who_may_what_others_wrote() {
    let world = World::new().await;
    say(&world.ada, world.room, "mine").await.unwrap();
    speak(&world, world.room, 3).await;
    let purge = |user, room| Purge { user, room, reason: None };
    let (ada, bob) = (world.ada.me.user, world.bob.me.user);
    assert_eq!(code(world.bob.peer.ask::<Done>(&purge(ada, Some(world.room))).await), Code::FORBIDDEN);
    assert_eq!(
        code(world.cyd.peer.ask::<Done>(&purge(ada, Some(world.room))).await),
        Code::FORBIDDEN,
        "above"
    );
    assert_eq!(code(world.cyd.peer.ask::<Done>(&purge(bob, None)).await), Code::FORBIDDEN, "everywhere");
    let _: Done = world.bob.peer.ask(&purge(bob, Some(world.room))).await.unwrap();
    assert_eq!(texts_of(&log(&world.ada, world.room).await, bob), (0, 3));
}

#[tokio::test]
async fn whoever_runs_the_server_erases_everywhere_without_reading() {
    let world = World::new().await;
    let bob = world.bob.me.user;
    let direct: RoomAnswer = world.bob.peer.ask(&Direct { user: world.ada.me.user }).await.unwrap();
    let direct = direct.info.room;
    let lobby = world.bob.lobby().await;
    for room in [world.room, direct, lobby] {
        speak(&world, room, 5).await;
    }
    let _: Done = world.owner.peer.ask(&Purge { user: bob, room: None, reason: None }).await.unwrap();
    for room in [world.room, direct, lobby] {
        assert_eq!(texts_of(&log(&world.ada, room).await, bob), (0, 5));
    }
}

/// Goal: a purge that a stop interrupts goes on at the next start, without being asked.
#[tokio::test]
async fn a_purge_goes_on_after_a_stop() {
    let mut world = World::new().await;
    let bob = world.bob.me.user;
    speak(&world, world.room, 400).await;
    let mut asked = world.cyd.peer.open(BidiType::Request.number()).await;
    asked.send(&Purge { user: bob, room: Some(world.room), reason: None }).await;
    asked.finish();
    // The note is there before the first step.
    loop {
        if log(&world.ada, world.room).await.last().is_some_and(|entry| entry.kind == Kind::ERASURE) {
            break;
        }
    }
    world.server.stop().await;
    world.server.restart().await;
    let ada = world.server.again(world.ada).await;
    loop {
        if texts_of(&log(&ada, world.room).await, bob) == (0, 400) {
            return;
        }
        tokio::task::yield_now().await;
    }
}
