//! Entries about entries: what one person changes, another one's profile shows, online and offline.

use quipu_client::protocol::entry::{Entry, Erasure};
use quipu_client::protocol::request::{Anchor, ReactionInfo, Tally, Visibility};
use quipu_client::protocol::{Blob, Emoji, Ext, Kind, MessageId, RoomId, Seq};
use quipu_client::{Draft, Error, ErrorCode, Event, OpenFrom, Page};
use quipu_server::store::sqlite::SqliteStore;
use quipu_server::store::{NewEntry, Store as _};

use crate::world::{PATIENCE, Person, World};

impl Person {
    async fn done(&self, id: Result<MessageId, Error>) -> Result<Seq, Error> {
        Ok(self.client.wait_sent(id?, PATIENCE).await?.at.seq)
    }

    /// Waits until the entry at a place was told.
    async fn is_told(&self, seq: Seq) {
        self.events_until(|event| matches!(event, Event::Entry { cursor, .. } if cursor.seq == seq)).await;
    }

    /// What the profile has of the lobby.
    async fn keeps(&self) -> Page {
        self.client.cached(self.lobby, &Anchor::LATEST, 500).await.unwrap().expect("something is kept")
    }

    async fn history(&self, room: RoomId) -> Page {
        self.client.history(room, Anchor::LATEST, 500).await.unwrap()
    }
}

fn at(page: &Page, seq: Seq) -> &Entry {
    page.entries.iter().find(|entry| entry.seq == seq).expect("it is there")
}

fn emoji(text: &str) -> Emoji {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_is_seen_by_another_person() {
    let world = World::new().await;
    let ada = world.ada().await;
    let bob = ada.brings("bob").await;
    let lobby = ada.lobby;
    let room = ada.client.create_room("den".parse().unwrap(), Visibility::PUBLIC, None).await.unwrap().room;
    bob.client.join_room(room).await.unwrap();
    let said = ada.done(ada.client.send(room, Draft::text("helo")).await).await.unwrap();
    ada.done(ada.client.edit(room, said, "hello").await).await.unwrap();
    let answer = bob.done(bob.client.reply(room, said, "hi").await).await.unwrap();
    let within = bob.done(bob.client.say_in_thread(room, said, "in a thread").await).await.unwrap();
    for who in [&ada, &bob] {
        who.done(who.client.react(room, said, &emoji("👍")).await).await.unwrap();
    }
    bob.done(bob.client.react(room, said, &emoji("no")).await).await.unwrap();
    bob.done(bob.client.unreact(room, said, &emoji("no")).await).await.unwrap();
    ada.done(ada.client.pin(room, answer).await).await.unwrap();
    ada.done(ada.client.pin(room, said).await).await.unwrap();
    ada.done(ada.client.unpin(room, said).await).await.unwrap();

    let page = bob.history(room).await;
    let ada_id = ada.client.whoami().await.unwrap().unwrap().user;
    assert_eq!(at(&page, said).text(), Some("hello"));
    assert_eq!(at(&page, said).ext.edited.as_ref().map(|edited| edited.by), Some(ada_id));
    assert_eq!(at(&page, answer).ext.reply_to, Some(said));
    let tally = Tally { emoji: emoji("👍"), users: 2, own: true };
    assert_eq!(page.reactions.into_iter().collect::<Vec<_>>(), [(said, vec![tally])]);
    let thread = bob.client.thread(room, said, Anchor::LATEST, 9).await.unwrap();
    assert_eq!(thread.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [said, within]);
    let rows = bob.client.reactions(room, said).await.unwrap();
    let mut names: Vec<_> = rows.iter().map(|row: &ReactionInfo| row.nickname.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["ada", "bob"]);
    let pins = bob.client.pins(room).await.unwrap();
    assert_eq!(pins.iter().map(|pin| pin.entry.text()).collect::<Vec<_>>(), [Some("hi")]);
    assert_eq!(pins[0].pin.by, Some(ada_id));

    let refused = bob.done(bob.client.edit(room, said, "mine").await).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
    assert_eq!(bob.done(bob.client.pin(room, said).await).await.unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!(bob.client.set_topic(room, None).await.unwrap_err().code, ErrorCode::Forbidden);
    ada.client.set_topic(room, Some("tea".parse().unwrap())).await.unwrap();
    ada.client.rename_room(room, "kitchen".parse().unwrap()).await.unwrap();
    let known = ada.client.known_room(&"kitchen".parse().unwrap()).await.unwrap();
    assert_eq!(known, Some(room), "whoever renames it has learned the name");
    let seen = bob.client.room_named(&"kitchen".parse().unwrap()).await.unwrap();
    assert_eq!((seen.room, seen.topic.as_ref().map(|topic| topic.as_str())), (room, Some("tea")));
    ada.done(ada.client.redact(room, answer, Some("too short".into())).await).await.unwrap();
    let page = bob.history(room).await;
    assert_eq!(at(&page, answer).ext.erased, Some(Erasure::REMOVED));
    assert!(bob.client.pins(room).await.unwrap().is_empty());
    assert_ne!(room, lobby);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_follows_what_is_edited_and_erased() {
    let world = World::new().await;
    let ada = world.ada().await;
    let bob = ada.brings("bob").await;
    bob.opens(OpenFrom::Start).await;
    let [kept, gone] = [Seq(ada.says("helo").await), Seq(ada.says("the secret").await)];
    let edit = ada.done(ada.client.edit(ada.lobby, gone, "the other secret").await).await.unwrap();
    ada.done(ada.client.react(ada.lobby, kept, &emoji("👍")).await).await.unwrap();
    bob.is_told(edit.next()).await;
    assert_eq!(at(&bob.keeps().await, gone).text(), Some("the other secret"));
    // While the profile is closed, one is changed and one is erased.
    bob.client.stop().await;
    ada.done(ada.client.edit(ada.lobby, kept, "hello").await).await.unwrap();
    let redaction = ada.done(ada.client.redact(ada.lobby, gone, None).await).await.unwrap();
    assert_eq!(at(&bob.keeps().await, gone).text(), Some("the other secret"), "it has not heard");
    bob.client.start().await.unwrap();
    bob.is_told(redaction).await;
    bob.client.stop().await;
    let page = bob.keeps().await;
    assert_eq!(at(&page, kept).text(), Some("hello"));
    assert_eq!(page.reactions[&kept], [Tally { emoji: emoji("👍"), users: 1, own: false }]);
    for seq in [gone, edit] {
        let entry = at(&page, seq);
        assert!(entry.body.is_empty() && entry.ext.erased == Some(Erasure::RETRACTED), "{entry:?}");
    }
}

/// What is not told may be a redaction: so what is older than the hole is not kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redaction_that_is_not_told_leaves_nothing_in_the_profile_either() {
    let world = World::new().await;
    let ada = world.ada().await;
    let bob = ada.brings("bob").await;
    bob.opens(OpenFrom::Start).await;
    let gone = Seq(ada.says("the secret").await);
    bob.is_told(gone).await;
    bob.client.close_room(bob.lobby).await;
    ada.done(ada.client.redact(ada.lobby, gone, None).await).await.unwrap();
    for number in 0..20 {
        ada.says(&number.to_string()).await;
    }
    let before = bob.client.open_room(bob.lobby, OpenFrom::Latest(5)).await.unwrap();
    loop {
        let events = bob.client.next_events(1, PATIENCE).await;
        assert!(!events.is_empty());
        if events.iter().any(|it| it.number > before && matches!(it.event, Event::CaughtUp { .. })) {
            break;
        }
    }
    bob.client.stop().await;
    let page = bob.keeps().await;
    let texts: Vec<_> = page.entries.iter().filter_map(Entry::text).collect();
    assert_eq!(texts, ["15", "16", "17", "18", "19"]);
    bob.client.start().await.unwrap();
    bob.client.wait_online(PATIENCE).await.unwrap();
    assert!(at(&bob.history(bob.lobby).await, gone).is_erased(), "and it is fetched as it is now");
}

/// A server of a later version writes what this one has no word for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_later_version_says_is_told_kept_and_counted_in_place() {
    let mut world = World::new().await;
    let ada = world.ada().await;
    ada.opens(OpenFrom::Start).await;
    let before = ada.says("before").await;
    world.stop().await;
    let unknown = NewEntry {
        room: ada.lobby,
        now_ms: 0,
        author: None,
        message: None,
        kind: Kind(4_711),
        body: Blob::new(vec![0xff, 0x00]).unwrap(),
        ext: Ext { target: Some(Seq(before)), ..Ext::default() },
        membership: None,
    };
    world.writes(|store| {
        store.append(unknown.clone()).unwrap();
    });
    world.start().await;
    let after = ada.says("after").await;
    assert_eq!(after, before + 2, "it has a place of its own");
    ada.hears_until("after").await;
    let page = ada.keeps().await;
    let entry = at(&page, Seq(before + 1));
    assert_eq!((entry.kind, &entry.body[..]), (Kind(4_711), &[0xff, 0x00][..]));
    assert_eq!(at(&page, Seq(before)).text(), Some("before"), "and it does nothing to others");
}

impl World {
    /// Writes into the store of the stopped server.
    fn writes(&self, mut change: impl FnMut(&mut dyn quipu_server::store::Writes)) {
        let mut store = SqliteStore::open(&self.data()).unwrap();
        let mut work = |store: &mut dyn quipu_server::store::Writes| {
            store.begin_job().unwrap();
            change(store);
            store.end_job(true).unwrap();
        };
        store.commit(&mut work).unwrap();
    }
}
