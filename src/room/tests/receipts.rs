//! Receipts: only between those who give them, and of nobody who has taken them back.

use quipu_protocol::Code;
use quipu_protocol::request::{ChangeSettings, ListReceipts, MarkRead, Settings};

use super::*;
use crate::limits::RECEIPTS_MEMBERS_MAX;

async fn give(world: &World, who: &Authenticated, receipts: bool) {
    let settings = Settings { receipts: Some(receipts), last_seen: None };
    world.rooms.change_settings(who, ChangeSettings { settings }).await.unwrap();
}

async fn read(world: &World, who: &Authenticated, seq: u64) {
    world.rooms.mark_read(who, MarkRead { room: world.room, seq: Seq(seq) }).await.unwrap();
}

async fn seen(world: &World, by: &Authenticated) -> Result<Vec<(UserId, u64)>, Code> {
    let list = world.rooms.receipts(by, ListReceipts { room: world.room }).await;
    let list = list.map_err(|refusal| refusal.code)?;
    Ok(list.rows.iter().map(|row| (row.user, row.seq.0)).collect())
}

#[tokio::test]
async fn both_must_give_them() {
    let world = World::new().await;
    world.say(1).await;
    let (ada, bob) = (world.ada.clone(), world.bob.clone());
    read(&world, &bob, 4).await;
    assert_eq!(seen(&world, &ada).await, Err(Code::FORBIDDEN));
    give(&world, &ada, true).await;
    assert_eq!(seen(&world, &ada).await, Ok(vec![]), "bob does not");
    give(&world, &bob, true).await;
    assert_eq!(seen(&world, &ada).await, Ok(vec![]), "and what bob read before is not told either");
    world.say(2).await;
    read(&world, &bob, 5).await;
    assert_eq!(seen(&world, &ada).await, Ok(vec![(bob.user(), 5)]));
    read(&world, &bob, 1).await;
    assert_eq!(seen(&world, &ada).await, Ok(vec![(bob.user(), 5)]), "it never goes back");
    assert_eq!(seen(&world, &bob).await, Ok(vec![]), "one's own is no news");
    give(&world, &bob, false).await;
    assert_eq!(seen(&world, &ada).await, Ok(vec![]), "gone at once");
    assert_eq!(seen(&world, &bob).await, Err(Code::FORBIDDEN));
}

#[tokio::test]
async fn a_large_room_has_none() {
    let world = World::new().await;
    let (ada, bob) = (world.ada.clone(), world.bob.clone());
    give(&world, &ada, true).await;
    give(&world, &bob, true).await;
    for n in 3..=RECEIPTS_MEMBERS_MAX + 1 {
        let who = account(world.rooms.storage(), n as u8, &format!("crowd-{n}")).await;
        world.rooms.join(&who, world.room).await.unwrap();
    }
    read(&world, &bob, 4).await;
    assert_eq!(seen(&world, &ada).await, Err(Code::CONFLICT));
    // Nothing was kept of what was read in the crowd.
    let last = Authenticated::for_test(UserId::from_bytes([5; 16]), "crowd", ServerRole::MEMBER);
    world.rooms.leave(&last, world.room).await.unwrap();
    assert_eq!(seen(&world, &ada).await, Ok(vec![]));
    read(&world, &bob, 5).await;
    assert_eq!(seen(&world, &ada).await, Ok(vec![(bob.user(), 5)]));
    world.rooms.leave(&bob, world.room).await.unwrap();
    assert_eq!(seen(&world, &ada).await, Ok(vec![]));
    assert_eq!(seen(&world, &bob).await, Err(Code::FORBIDDEN), "who is no member reads nothing");
}
