//! Talking: order, once, from any place in the log.

use quipu_client::protocol::request::Anchor;
use quipu_client::protocol::{MessageId, Seq};
use quipu_client::{Draft, Event, OpenFrom};

use crate::world::{PATIENCE, World, seqs, text_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_hear_each_other_in_one_order() {
    let world = World::new().await;
    let ada = world.ada().await;
    let bob = ada.brings("bob").await;
    for person in [&ada, &bob] {
        person.opens(OpenFrom::Start).await;
        person.events_until(|event| matches!(event, Event::CaughtUp { .. })).await;
    }
    for n in 0..20 {
        ada.client.send(ada.lobby, Draft::text(format!("ada {n}"))).await.unwrap();
        bob.client.send(bob.lobby, Draft::text(format!("bob {n}"))).await.unwrap();
    }
    while ada.client.unsent().await.unwrap() + bob.client.unsent().await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    ada.says("end").await;
    let (at_ada, at_bob) = (ada.hears_until("end").await, bob.hears_until("end").await);
    assert_eq!(at_ada, at_bob);
    assert_eq!(at_ada.len(), 41);
    let of_ada: Vec<_> =
        at_ada.iter().filter(|(_, text)| text.starts_with("ada")).map(|(_, text)| text).collect();
    let said: Vec<String> = (0..20).map(|n| format!("ada {n}")).collect();
    assert_eq!(of_ada, said.iter().collect::<Vec<_>>(), "an author's messages keep their order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_id_is_one_entry_and_another_body_is_refused() {
    let world = World::new().await;
    let ada = world.ada().await;
    let draft = Draft::text("once").with_id(MessageId::from_bytes([7; 16]));
    let first = ada.client.send(ada.lobby, draft.clone()).await.unwrap();
    let at = ada.client.wait_sent(first, PATIENCE).await.unwrap();
    ada.client.send(ada.lobby, draft.clone()).await.unwrap();
    let again = ada.client.wait_sent(first, PATIENCE).await.unwrap();
    let expected = quipu_client::Sent { duplicate: true, ..at };
    assert_eq!(again, expected, "the first place, and that it is not news");
    let other = Draft::text("twice").with_id(MessageId::from_bytes([7; 16]));
    assert!(ada.client.send(ada.lobby, other).await.is_err());
    assert_eq!(ada.says("next").await, at.at.seq.0 + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_opens_at_any_place() {
    let world = World::new().await;
    let ada = world.ada().await;
    let drafts = (0..1_200).map(|n| Draft::text(format!("line {n}"))).collect();
    let ids = ada.client.send_all(ada.lobby, drafts).await.unwrap();
    let last = ada.client.wait_sent(*ids.last().unwrap(), PATIENCE).await.unwrap();
    let middle = ada.client.wait_sent(ids[600], PATIENCE).await.unwrap();
    let head = last.at.seq.0;

    let told = async |from| {
        let before = ada.client.open_room(ada.lobby, from).await.unwrap();
        let mut events = Vec::new();
        let began = tokio::time::Instant::now();
        loop {
            assert!(began.elapsed() < PATIENCE, "{from:?}: {events:?}");
            for numbered in ada.client.next_events(1, PATIENCE).await {
                if numbered.number <= before {
                    continue;
                }
                let done = matches!(numbered.event, Event::CaughtUp { .. });
                events.push(numbered.event);
                if done {
                    return seqs(&events);
                }
            }
        }
    };
    assert_eq!(told(OpenFrom::Start).await, (1..=head).collect::<Vec<_>>());
    assert_eq!(told(OpenFrom::Latest(10)).await, (head - 9..=head).collect::<Vec<_>>());
    assert_eq!(told(OpenFrom::Cursor(middle.at)).await, (middle.at.seq.0 + 1..=head).collect::<Vec<_>>());
    let since = told(OpenFrom::Since(middle.at_ms)).await;
    assert_eq!(since.last(), Some(&head));
    assert!(since[0] <= middle.at.seq.0, "{} is after {}", since[0], middle.at.seq);
    assert_eq!(told(OpenFrom::Resume).await, Vec::<u64>::new());
    assert_eq!(told(OpenFrom::Since(last.at_ms + 60_000)).await, Vec::<u64>::new());

    let page = ada.client.history(ada.lobby, Anchor::before(Seq(100)), 10).await.unwrap();
    assert_eq!(
        page.entries.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(),
        (90..100).collect::<Vec<_>>()
    );
    assert!(page.more_before && page.more_after && !page.from_cache);
    ada.client.stop().await;
    let cached = ada.client.history(ada.lobby, Anchor::before(Seq(100)), 10).await.unwrap();
    assert!(cached.from_cache);
    assert_eq!(cached.entries, page.entries);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_typed_and_read_reaches_the_others() {
    let world = World::new().await;
    let ada = world.ada().await;
    let bob = ada.brings("bob").await;
    let said = ada.says("hello").await;
    let unread =
        |event: &Event| matches!(event, Event::Head(head) if head.room == bob.lobby && head.unread == 1);
    bob.events_until(unread).await;
    bob.client.mark_read(bob.lobby, Seq(said)).await.unwrap();
    bob.events_until(|event| matches!(event, Event::Head(head) if head.unread == 0)).await;
    for person in [&ada, &bob] {
        person.opens(OpenFrom::Latest(1)).await;
        person.events_until(|event| matches!(event, Event::CaughtUp { .. })).await;
    }
    bob.client.typing(bob.lobby);
    ada.events_until(|event| matches!(event, Event::Typing { room, .. } if *room == ada.lobby)).await;
    let bob_is = bob.client.whoami().await.unwrap().unwrap().user;
    bob.client.shutdown().await;
    ada.events_until(
        |event| matches!(event, Event::Presence { user, state, .. } if *user == bob_is && state.0 == 0),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_said_is_refused_and_can_be_tried_again() {
    let world = World::new().await;
    let ada = world.ada().await;
    let bob = ada.brings("bob").await;
    let name = "team".parse().unwrap();
    let private = quipu_client::protocol::request::Visibility::PRIVATE;
    let team = ada.client.create_room(name, private, None).await.unwrap().room;
    let id = bob.client.send(team, Draft::text("let me in")).await.unwrap();
    assert!(bob.client.wait_sent(id, PATIENCE).await.is_err());
    bob.events_until(|event| matches!(event, Event::Refused { id: refused, .. } if *refused == id)).await;
    let who = bob.client.whoami().await.unwrap().unwrap().user;
    ada.client.invite_member(team, who).await.unwrap();
    bob.client.join_room(team).await.unwrap();
    // Handing it in again does what a retry does.
    let again = Draft::text("let me in").with_id(id);
    bob.client.send(team, again).await.unwrap();
    bob.client.wait_sent(id, PATIENCE).await.unwrap();
    ada.client.open_room(team, OpenFrom::Start).await.unwrap();
    ada.events_until(|event| text_of(event).is_some_and(|(_, text)| text == "let me in")).await;
    ada.client.remove_member(team, who).await.unwrap();
    assert!(bob.client.history(team, Anchor::LATEST, 1).await.is_err());
}
