//! Who finds what: only what they may read at that moment.

use quipu_protocol::request::{Found, Search};
use quipu_protocol::{Code, List, Text};

use super::*;

fn ask(words: &str) -> Search {
    Search::for_words(Text::new(words).unwrap())
}

fn positions(found: &Found) -> Vec<u64> {
    found.hits.iter().map(|hit| hit.at.seq.0).collect()
}

impl World {
    async fn finds(&self, who: &Authenticated, words: &str) -> Vec<u64> {
        positions(&self.rooms.search(who, ask(words)).await.unwrap())
    }

    async fn refused(&self, who: &Authenticated, ask: Search) -> Code {
        self.rooms.search(who, ask).await.unwrap_err().code
    }

    async fn make(&self, number: u8, visibility: Visibility) -> RoomId {
        let room = RoomId::from_bytes([number; 16]);
        let name = format!("room-{number}").parse().unwrap();
        self.rooms.create(&self.ada, CreateRoom { room, name, visibility, topic: None }).await.unwrap();
        room
    }
}

#[tokio::test]
async fn members_find_what_was_said_and_strangers_find_nothing() {
    let mut world = World::new().await;
    let den = world.room;
    world.say(777).await;
    assert_eq!(world.finds(&world.bob, "777").await, [4]);
    // Ada's other rooms: a public one Bob has not entered, and a private one he does not know.
    for (number, visibility) in [(8, Visibility::PUBLIC), (9, Visibility::PRIVATE)] {
        world.room = world.make(number, visibility).await;
        world.say(777).await;
    }
    assert_eq!(world.finds(&world.ada, "777").await.len(), 3);
    let found = world.rooms.search(&world.bob, ask("777")).await.unwrap();
    assert_eq!((positions(&found), found.hits[0].room, &found.next), (vec![4], den, &None));
    let within = |rooms: &[u8]| {
        let rooms = rooms.iter().map(|number| RoomId::from_bytes([*number; 16])).collect();
        Search { rooms: Some(List::new(rooms).unwrap()), ..ask("777") }
    };
    assert_eq!(world.refused(&world.bob, within(&[8])).await, Code::FORBIDDEN);
    assert_eq!(world.refused(&world.bob, within(&[9])).await, Code::NOT_FOUND);
    assert_eq!(world.refused(&world.bob, within(&[7, 99])).await, Code::NOT_FOUND, "as if it were hidden");
    assert_eq!(
        positions(&world.rooms.search(&world.bob, within(&[7, 7])).await.unwrap()),
        [4],
        "named twice"
    );
    world.rooms.join(&world.bob, RoomId::from_bytes([8; 16])).await.unwrap();
    assert_eq!(world.finds(&world.bob, "777").await.len(), 2);
}

#[tokio::test]
async fn who_was_sent_out_finds_nothing_of_the_room_any_more() {
    let world = World::new().await;
    world.say(777).await;
    assert_eq!(world.finds(&world.bob, "777").await, [4]);
    let out = RemoveMember { room: world.room, user: world.bob.user(), reason: None };
    world.rooms.remove_member(&world.ada, out).await.unwrap();
    let found = world.rooms.search(&world.bob, ask("777")).await.unwrap();
    assert_eq!(positions(&found), Vec::<u64>::new());
    assert!(found.next.is_none() && found.ignored.is_empty() && found.partial.is_empty());
    assert_eq!(world.finds(&world.ada, "777").await, [4]);
}

#[tokio::test]
async fn what_cannot_be_searched_is_told() {
    let world = World::new().await;
    world.say(777).await;
    let found = world.rooms.search(&world.ada, ask("777 !? 7*")).await.unwrap();
    let ignored =
        |found: &Found| found.ignored.iter().map(|part| part.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!((positions(&found), ignored(&found)), (vec![4], vec!["!?".to_owned(), "7*".to_owned()]));
    for typed in ["!!! …", "-777"] {
        let found = world.rooms.search(&world.ada, ask(typed)).await.unwrap();
        assert_eq!((positions(&found), ignored(&found)), (vec![], vec![typed.to_owned()]));
    }
    let by_ada = Search { author: Some(world.ada.user()), ..ask("") };
    assert_eq!(positions(&world.rooms.search(&world.ada, by_ada).await.unwrap()), [4], "an author is enough");
    for nothing in [ask(""), ask("  "), Search { limit: 0, ..ask("777") }] {
        assert_eq!(world.refused(&world.ada, nothing).await, Code::BAD_REQUEST);
    }
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended() {
    let world = World::new().await;
    for _ in 0..3 {
        world.try_say(&world.ada, 5, Ext::default()).await.unwrap();
    }
    let reply = |seq| Ext { reply_to: Some(Seq(seq)), ..Ext::default() };
    for id in 100..107 {
        world.try_say(&world.ada, id, reply(4)).await.unwrap();
    }
    let mut ask = Search { author: Some(world.ada.user()), limit: 3, ..ask("") };
    let mut all = Vec::new();
    loop {
        let found = world.rooms.search(&world.bob, ask.clone()).await.unwrap();
        all.push(positions(&found));
        ask.after = found.next;
        if ask.after.is_none() {
            break;
        }
    }
    assert_eq!(all, [vec![11, 10, 9], vec![8, 7, 6], vec![5, 4]]);
}
