//! Connections end; conversations do not.

use quipu_client::protocol::request::Anchor;
use quipu_client::protocol::{Cursor, Seq};
use quipu_client::{AppState, Client, Config, ConnState, Draft, Event, Network, OpenFrom};

use crate::world::{PATIENCE, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_costs_no_message_and_doubles_none() {
    let mut world = World::new().await;
    let ada = world.ada().await;
    let bob = ada.brings("bob").await;
    bob.opens(OpenFrom::Start).await;
    ada.says("before").await;
    let before = bob.hears_until("before").await;
    world.stop().await;
    for n in 0..50 {
        ada.client.send(ada.lobby, Draft::text(format!("offline {n}"))).await.unwrap();
    }
    world.start().await;
    ada.client.network(Network::Back).await;
    bob.client.network(Network::Back).await;
    ada.says("after").await;
    let after = bob.hears_until("after").await;
    assert_eq!(after.len(), 51);
    let seqs: Vec<u64> = after.iter().map(|(seq, _)| *seq).collect();
    let first = before.last().unwrap().0 + 1;
    assert_eq!(seqs, (first..first + 51).collect::<Vec<_>>());
    assert_eq!(after[0].1, "offline 0");
    assert_eq!(ada.client.unsent().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_reopened_goes_on_where_it_was() {
    let world = World::new().await;
    let ada = world.ada().await;
    let bob = ada.brings("bob").await;
    bob.opens(OpenFrom::Start).await;
    ada.says("one").await;
    let last = bob.hears_until("one").await.last().unwrap().0;
    // The program may end without asking for more, and then says itself what was seen.
    let page = bob.client.history(bob.lobby, Anchor::LATEST, 1).await.unwrap();
    let (incarnation, seq) = (page.incarnation, Seq(last));
    bob.client.shown(bob.lobby, Cursor { incarnation, seq }).await.unwrap();
    bob.client.stop().await;
    // What is said while nobody sends stays in the profile, also when the program ends.
    let id = bob.client.send(bob.lobby, Draft::text("three")).await.unwrap();
    bob.client.shutdown().await;
    ada.says("two").await;
    let client = Client::open(Config::new(bob.folder.path())).await.unwrap();
    let bob = crate::world::Person { client, ..bob };
    bob.opens(OpenFrom::Resume).await;
    bob.client.start().await.unwrap();
    let sent = bob.client.wait_sent(id, PATIENCE).await.unwrap();
    let heard = bob.hears_until("three").await;
    assert_eq!(heard, [(last + 1, "two".to_owned()), (sent.at.seq.0, "three".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_program_was_given_and_may_not_have_shown_is_told_again() {
    let world = World::new().await;
    let ada = world.ada().await;
    let bob = ada.brings("bob").await;
    ada.says("one").await;
    ada.says("two").await;
    let last = ada.says("three").await;
    bob.opens(OpenFrom::Start).await;
    bob.hears_until("two").await;
    // All three are in the profile, and the third was never taken.
    let newest = async || {
        let page = bob.client.cached(bob.lobby, &Anchor::LATEST, 1).await.unwrap();
        page.and_then(|page| page.entries.last().map(|entry| entry.seq.0))
    };
    while newest().await != Some(last) {
        tokio::task::yield_now().await;
    }
    bob.client.shutdown().await;
    let client = Client::open(Config::new(bob.folder.path())).await.unwrap();
    let bob = crate::world::Person { client, ..bob };
    bob.opens(OpenFrom::Resume).await;
    bob.client.start().await.unwrap();
    let heard = bob.hears_until("three").await;
    assert_eq!(heard, [(last - 1, "two".to_owned()), (last, "three".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_network_is_not_noticed() {
    let world = World::new().await;
    let ada = world.ada().await;
    let bob = ada.brings("bob").await;
    bob.opens(OpenFrom::Latest(0)).await;
    bob.events_until(|event| matches!(event, Event::CaughtUp { .. })).await;
    for n in 0..5 {
        bob.client.network(Network::Changed).await;
        ada.says(&format!("after move {n}")).await;
        bob.hears_until(&format!("after move {n}")).await;
    }
    // Longer than the watchdog waits: had a move failed, the connection would be another by now.
    let states = bob.client.next_events(100, std::time::Duration::from_secs(3)).await;
    assert!(states.iter().all(|numbered| !matches!(numbered.event, Event::State(_))), "{states:?}");
    assert!(bob.client.state().is_online());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_and_stop_may_be_said_twice() {
    let world = World::new().await;
    let ada = world.ada().await;
    ada.client.start().await.unwrap();
    assert!(ada.client.state().is_online());
    for _ in 0..2 {
        ada.client.stop().await;
        assert_eq!(ada.client.state(), ConnState::Idle);
    }
    ada.client.app_state(AppState::Suspending).await;
    ada.client.start().await.unwrap();
    ada.client.wait_online(PATIENCE).await.unwrap();
    ada.client.app_state(AppState::Foreground).await;
    ada.says("back").await;
    for _ in 0..2 {
        ada.client.shutdown().await;
    }
    assert!(ada.client.start().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_or_useless_token_is_renewed_by_itself() {
    let world = World::new().await;
    let ada = world.ada().await;
    ada.client.shutdown().await;
    let profile = || rusqlite::Connection::open(ada.folder.path().join("profile.db")).unwrap();
    for damage in ["UPDATE account SET expires_ms = 1", "UPDATE account SET token = x'00'"] {
        profile().execute(damage, []).unwrap();
        let client = Client::open(Config::new(ada.folder.path())).await.unwrap();
        client.start().await.unwrap();
        client.wait_online(PATIENCE).await.unwrap();
        client.shutdown().await;
    }
    let life_ms: i64 = profile().query_row("SELECT expires_ms FROM account", [], |row| row.get(0)).unwrap();
    assert!(life_ms > 1, "and kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_server_replays_is_told_without_a_hole() {
    let mut world = World::new().await;
    let ada = world.ada().await;
    let bob = ada.brings("bob").await;
    bob.opens(OpenFrom::Start).await;
    ada.says("before").await;
    let before = bob.hears_until("before").await.last().unwrap().0;
    bob.client.stop().await;
    for half in 0..2 {
        let drafts = (0..3_000).map(|n| Draft::text(format!("{half} {n}"))).collect();
        let ids = ada.client.send_all(ada.lobby, drafts).await.unwrap();
        ada.client.wait_sent(*ids.last().unwrap(), PATIENCE).await.unwrap();
        if half == 0 {
            // A restart in the middle, so that the profile of the server is what is read.
            world.stop().await;
            world.start().await;
        }
    }
    ada.says("after").await;
    bob.client.start().await.unwrap();
    let heard = bob.hears_until("after").await;
    let seqs: Vec<u64> = heard.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (before + 1..=before + 6_001).collect::<Vec<_>>());
    assert_eq!((heard[0].1.as_str(), heard[5_999].1.as_str()), ("0 0", "1 2999"));
}
