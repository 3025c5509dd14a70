//! One fault at a time, with the real server and the real client: what it may cost, and what it must not.

#![allow(clippy::unwrap_used, reason = "in a file of tests an unwrap is an assertion")]

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    chat::town::Town,
    net::LinkModel,
    seeds,
    world::{self, World},
};

#[test]
fn a_conversation_under_loss_loses_nothing() {
    seeds::each(0..3, |seed| {
        world::run(seed, async |world| {
            let mut town = Town::found(world, 3, |_| {}).await;
            let _teller = town.chronicle.told_on_panic();
            world.net.set_model(LinkModel::rough());
            converse(&mut town, 20, Duration::from_secs(1)).await;
            town.settle().await;
        });
    });
}

/// Everybody in turn says something in one of the rooms.
async fn converse(town: &mut Town, turns: usize, every: Duration) {
    for turn in 0..turns {
        let room = town.rooms[turn % 2];
        for person in &mut town.people {
            person.say(room, format!("turn {turn}")).await;
        }
        sleep(every).await;
    }
}
