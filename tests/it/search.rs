//! Search over a real connection: what one says another finds, as it reads now and as far as they may read.

use quipu_protocol::publish::{Ack, Refused};
use quipu_protocol::request::{
    CreateRoom, Done, Found, Impose, Join, Leave, Purge, RemoveMember, RoomAnswer, Sanction, Search,
    Visibility,
};
use quipu_protocol::{Code, List, Message, Refusal, RoomId, Seq, Text};

use crate::harness::{Member, TestServer, draft, random};

fn ask(words: &str) -> Search {
    Search::for_words(Text::new(words).unwrap())
}

/// Two members of a public room that the first one made.
struct World {
    server: TestServer,
    ada: Member,
    bob: Member,
    room: RoomId,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::start_with(|config| {
            config.limits.publish_per_second = 100_000;
            config.limits.publish_burst = 100_000;
            config.limits.room_publish_per_second = 100_000;
        })
        .await;
        let ada = server.owner().await;
        let bob = server.join(&ada, "bob").await;
        let room = make(&ada, "garden", Visibility::PUBLIC).await;
        let _: RoomAnswer = bob.peer.ask(&Join { room }).await.unwrap();
        Self { server, ada, bob, room }
    }

    /// Says these in the room, one after the other; gives their positions.
    async fn say(&self, who: &Member, texts: &[&str]) -> Vec<u64> {
        say(who, self.room, texts).await
    }
}

async fn make(who: &Member, name: &str, visibility: Visibility) -> RoomId {
    let room = RoomId::from_bytes(random());
    let create = CreateRoom { room, name: name.parse().unwrap(), visibility, topic: None };
    let _: RoomAnswer = who.peer.ask(&create).await.unwrap();
    room
}

async fn say(who: &Member, room: RoomId, texts: &[&str]) -> Vec<u64> {
    let mut author = who.author().await;
    let mut places = Vec::new();
    for text in texts {
        author.send(&draft(room, *text)).await;
        let acked: Result<Ack, Refused> = author.published().await;
        places.push(acked.unwrap().at.seq.0);
    }
    places
}

async fn search(who: &Member, ask: &Search) -> Result<Found, Refusal> {
    who.peer.ask(ask).await
}

async fn finds(who: &Member, words: &str) -> Vec<u64> {
    let found = search(who, &ask(words)).await.unwrap();
    found.hits.iter().map(|hit| hit.at.seq.0).collect()
}

#[tokio::test]
async fn what_one_says_another_finds_with_its_place_and_what_matches() {
    let world = World::new().await;
    let said =
        world.say(&world.ada, &["the Café is open", "see you there", "the café is closed today"]).await;
    let found = search(&world.bob, &ask("cafe \"is closed\"")).await.unwrap();
    let [hit] = &found.hits[..] else { panic!("{found:?}") };
    assert_eq!((hit.room, hit.at.seq.0, hit.user), (world.room, said[2], Some(world.ada.me.user)));
    let marked: Vec<&str> =
        hit.matches.iter().map(|at| &hit.text.as_str()[at.start as usize..at.end as usize]).collect();
    assert_eq!((hit.text.as_str(), marked), ("the café is closed today", vec!["café", "is closed"]));
    assert!(found.next.is_none() && found.ignored.is_empty() && found.partial.is_empty());
    // A cursor of a hit is the cursor of the log.
    let (opened, mut log) = world.bob.read(world.room, Some(hit.at)).await;
    assert_eq!(opened.start, hit.at);
    let caught_up: quipu_protocol::room::CaughtUp = log.expect().await;
    assert_eq!(caught_up.seq, hit.at.seq);
    // The newest first, and by whom.
    assert_eq!(finds(&world.bob, "CAFE").await, [said[2], said[0]]);
    world.say(&world.bob, &["which café?"]).await;
    let by_ada = Search { author: Some(world.ada.me.user), ..ask("café") };
    assert_eq!(search(&world.bob, &by_ada).await.unwrap().hits.len(), 2);
}

#[tokio::test]
async fn chinese_japanese_and_korean_are_found_by_two_characters() {
    let world = World::new().await;
    let said = world
        .say(&world.ada, &["明日は東京で会いましょう", "我们明天在北京见面", "내일 서울에서 만나요"])
        .await;
    for (words, at) in
        [("東京", 0), ("会い", 0), ("北京", 1), ("明天", 1), ("서울", 2), ("만나", 2), ("京で", 0)]
    {
        assert_eq!(finds(&world.bob, words).await, [said[at]], "{words}");
    }
    assert_eq!(finds(&world.bob, "京").await, [said[1], said[0]], "and by one");
    assert_eq!(finds(&world.bob, "京東").await, Vec::<u64>::new());
}

#[tokio::test]
async fn what_was_erased_is_found_by_nobody_also_after_a_restart() {
    let mut world = World::new().await;
    world.say(&world.bob, &["my password is xyzzy"]).await;
    let kept = world.say(&world.ada, &["do not say your password"]).await;
    assert_eq!(finds(&world.ada, "xyzzy").await.len(), 1);
    let purge = Purge { user: world.bob.me.user, room: None, reason: None };
    let _: Done = world.ada.peer.ask(&purge).await.unwrap();
    for who in [&world.ada, &world.bob] {
        assert_eq!((finds(who, "xyzzy").await, finds(who, "password").await), (vec![], kept.clone()));
    }
    world.server.stop().await;
    world.server.restart().await;
    let ada = world.server.again(world.ada).await;
    assert_eq!((finds(&ada, "xyzzy").await, finds(&ada, "password").await), (vec![], kept));
}

/// Goal: whoever is no longer in a room finds nothing there, and a hidden room answers as one that is not.
#[tokio::test]
async fn only_rooms_one_is_in_are_searched() {
    let world = World::new().await;
    world.say(&world.ada, &["the treasure is here"]).await;
    let hidden = make(&world.ada, "hidden", Visibility::PRIVATE).await;
    say(&world.ada, hidden, &["the treasure is there"]).await;
    assert_eq!(finds(&world.ada, "treasure").await.len(), 2);
    assert_eq!(finds(&world.bob, "treasure").await.len(), 1);
    let within = |room| Search { rooms: Some(List::new(vec![room]).unwrap()), ..ask("treasure") };
    let to_hidden = search(&world.bob, &within(hidden)).await.unwrap_err();
    let to_nothing = search(&world.bob, &within(RoomId::from_bytes(random()))).await.unwrap_err();
    assert_eq!((to_hidden.code, &to_hidden), (Code::NOT_FOUND, &to_nothing));

    let out = RemoveMember { room: world.room, user: world.bob.me.user, reason: None };
    let _: Done = world.ada.peer.ask(&out).await.unwrap();
    assert_eq!(finds(&world.bob, "treasure").await, Vec::<u64>::new());
    assert_eq!(search(&world.bob, &within(world.room)).await.unwrap_err().code, Code::FORBIDDEN);
    let _: RoomAnswer = world.bob.peer.ask(&Join { room: world.room }).await.unwrap();
    assert_eq!(finds(&world.bob, "treasure").await.len(), 1);
    let _: RoomAnswer = world.bob.peer.ask(&Leave { room: world.room }).await.unwrap();
    assert_eq!(finds(&world.bob, "treasure").await, Vec::<u64>::new());
    let _: RoomAnswer = world.bob.peer.ask(&Join { room: world.room }).await.unwrap();
    let (room, user) = (world.room, world.bob.me.user);
    let ban = Impose { room, user, sanction: Sanction::BAN, life_ms: None, reason: None };
    let _: Done = world.ada.peer.ask(&ban).await.unwrap();
    assert_eq!(finds(&world.bob, "treasure").await, Vec::<u64>::new());
}

#[tokio::test]
async fn pages_go_on_while_others_talk() {
    let world = World::new().await;
    let texts: Vec<String> = (0..150).map(|number| format!("apple {number}")).collect();
    let said = world.say(&world.ada, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut question = Search { limit: 1_000, ..ask("apple") };
    let (mut all, mut answers) = (Vec::new(), 0);
    loop {
        let found = search(&world.bob, &question).await.unwrap();
        all.extend(found.hits.iter().map(|hit| hit.at.seq.0));
        answers += 1;
        question.after = found.next;
        if question.after.is_none() {
            break;
        }
        world.say(&world.ada, &["another apple"]).await;
    }
    assert_eq!(all, said.into_iter().rev().collect::<Vec<_>>(), "each once, what came later not at all");
    assert_eq!(answers, 3, "sixty-four at most in each");
}

#[tokio::test]
async fn a_time_range_is_the_servers_time() {
    let world = World::new().await;
    let start = quipu_server::seams::Clock::now_ms(&*world.server.clock);
    let mut said = Vec::new();
    for hour in 0..5_u64 {
        world.server.clock.set(start + hour * 3_600_000);
        said.extend(world.say(&world.ada, &[&format!("tick {hour}")]).await);
    }
    let between = |from: u64, to: u64| Search {
        since_ms: Some(start + from * 3_600_000),
        until_ms: Some(start + to * 3_600_000),
        ..ask("tick")
    };
    let found = search(&world.bob, &between(1, 3)).await.unwrap();
    let places: Vec<u64> = found.hits.iter().map(|hit| hit.at.seq.0).collect();
    assert_eq!(places, [said[2], said[1]], "from the first moment on, up to before the second");
}

#[tokio::test]
async fn what_was_not_searched_is_said_and_nothing_typed_is_an_error() {
    let world = World::new().await;
    world.say(&world.ada, &["NOT OR AND near * \" text"]).await;
    for (typed, ignored) in [("text ?! ab*", vec!["?!", "ab*"]), ("🎉", vec!["🎉"]), ("-text", vec!["-text"])]
    {
        let found = search(&world.bob, &ask(typed)).await.unwrap();
        let said: Vec<&str> = found.ignored.iter().map(Text::as_str).collect();
        assert_eq!(said, ignored, "{typed}");
    }
    for typed in [
        "NOT",
        "AND OR",
        "NEAR(near text)",
        "\"",
        "\"\"\"",
        "(",
        "text:near",
        "a\0b",
        "{text} : near ^x + \\",
    ] {
        assert!(search(&world.bob, &ask(typed)).await.is_ok(), "{typed}");
    }
    for wrong in [ask(""), Search { limit: 0, ..ask("text") }] {
        assert_eq!(search(&world.bob, &wrong).await.unwrap_err().code, Code::BAD_REQUEST);
    }
    // What is too long is no search at all.
    let mut stream = world.bob.peer.open(quipu_protocol::BidiType::Request.number()).await;
    let long = format!("\u{a2}\u{1}x{}", "a".repeat(300));
    stream.write(&quipu_protocol::frame::seal(Search::TYPE, long.as_bytes())).await;
    assert!(stream.read.next().await.is_err());
    assert!(finds(&world.bob, "near text").await == [Seq(4).0], "and the connection lives");
}
