//! Presence: who is told what of whom, and what is held back first.

use quipu_protocol::inbox::{Heads, Membership, Presence, PresenceAnew, PresenceState, SettingsChanged};
use quipu_protocol::limits::AWAY_TEXT_BYTES_MAX;
use quipu_protocol::request::{
    ChangeSettings, CreateInvite, CreateRoom, Done, InviteAnswer, InviteMember, ListMembers, MemberInfo,
    Members, PresenceSet, RoomAnswer, SetPresence, Settings, SettingsAnswer, ShowSettings, Visibility,
};
use quipu_protocol::{BidiType, Code, Message, Refusal, ResetCode, RoomId, UserId, cbor, frame};
use quipu_server::limits::{INBOX_BEHIND, LAST_SEEN_GRAIN_MS, LOADED_JOBS, PRESENCE_CHANGES_PER_MINUTE};

use super::harness::{Ended, Grants, Member, TestServer, Watch, draft, invite, random, soon};

const OFFLINE: PresenceState = PresenceState::OFFLINE;
const ONLINE: PresenceState = PresenceState::ONLINE;
const IDLE: PresenceState = PresenceState::IDLE;
const AWAY: PresenceState = PresenceState::AWAY;

fn say(state: PresenceState, text: Option<&str>, everywhere: bool) -> SetPresence {
    let text = text.map(|text| text.parse().unwrap());
    SetPresence { state, text, everywhere: everywhere.then_some(true) }
}

impl Member {
    async fn is(&self, state: PresenceState, text: Option<&str>) -> Result<u64, Refusal> {
        let set: PresenceSet = self.peer.ask(&say(state, text, false)).await?;
        Ok(set.connections)
    }

    async fn sets(&self, receipts: Option<bool>, last_seen: Option<bool>) -> Settings {
        let ask = ChangeSettings { settings: Settings { receipts, last_seen } };
        let answer: SettingsAnswer = self.peer.ask(&ask).await.unwrap();
        answer.settings
    }

    /// How somebody is listed in a room.
    async fn lists(&self, room: RoomId, user: UserId) -> MemberInfo {
        let members: Members = self.peer.ask(&ListMembers { room, after: None }).await.unwrap();
        members.members.into_vec().into_iter().find(|member| member.user == user).expect("a member")
    }
}

async fn second_device(server: &TestServer, member: &Member) -> Member {
    let ask = CreateInvite { own_device: Some(true), ..invite(1) };
    let answer: InviteAnswer = member.peer.ask(&ask).await.unwrap();
    server.redeem(&answer.secret[..].try_into().unwrap(), "unused").await
}

#[tokio::test]
async fn an_account_is_seen_as_its_most_present_device() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let lobby = ada.lobby().await;
    let mut seen = Watch::of(&ada).await;
    let bob = server.join(&ada, "bob").await;
    let user = bob.me.user;
    seen.sees(user, ONLINE, None).await;
    assert_eq!(bob.is(AWAY, Some("at lunch ☕")).await, Ok(1));
    seen.sees(user, AWAY, Some("at lunch ☕")).await;
    let listed = ada.lists(lobby, user).await;
    assert_eq!((listed.online, listed.presence), (true, Some(AWAY)));
    assert_eq!(listed.away_text.map(String::from).as_deref(), Some("at lunch ☕"));

    // Another device is somebody who is there, however they came.
    let phone = second_device(&server, &bob).await;
    seen.sees(user, ONLINE, None).await;
    assert_eq!(phone.is(IDLE, None).await, Ok(2));
    seen.sees(user, IDLE, None).await;
    // Said of all of them, and taken back by any.
    let _: PresenceSet = bob.peer.ask(&say(AWAY, Some("home"), true)).await.unwrap();
    seen.sees(user, AWAY, Some("home")).await;
    phone.is(ONLINE, None).await.unwrap();
    seen.sees(user, ONLINE, None).await;
    phone.peer.leave().await;
    seen.sees(user, AWAY, Some("home")).await;
    bob.peer.leave().await;
    seen.sees(user, OFFLINE, None).await;
    assert_eq!(ada.lists(lobby, user).await.presence, Some(OFFLINE));
}

#[tokio::test]
async fn what_cannot_be_said_of_oneself_is_refused() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    for (state, text) in [(OFFLINE, None), (PresenceState(4), None), (ONLINE, Some("x")), (IDLE, Some("x"))] {
        assert_eq!(ada.is(state, text).await.unwrap_err().code, Code::BAD_REQUEST, "{state:?}");
    }
    // A text is plain and short, or the frame is none.
    let long = "x".repeat(AWAY_TEXT_BYTES_MAX);
    ada.is(AWAY, Some(&long)).await.unwrap();
    let payload = cbor::encode(&say(AWAY, Some("AAAAAA"), false));
    let at = payload.windows(6).position(|text| text == b"AAAAAA").unwrap();
    for bad in ["\u{1b}[31mx", "\u{202e}abc", "\u{200b}abc", "a\nbcde", "\u{2066}abc"] {
        let bytes = [&payload[..at], bad.as_bytes(), &payload[at + 6..]].concat();
        let mut stream = ada.peer.open(BidiType::Request.number()).await;
        stream.write(&frame::seal(SetPresence::TYPE, &bytes)).await;
        assert_eq!(stream.read.broken().await, Ended::Reset(ResetCode::BadCbor), "{bad:?}");
    }
    // It is told to many, so it is not said often.
    let mut refused = None;
    for _ in 0..PRESENCE_CHANGES_PER_MINUTE {
        refused = ada.is(IDLE, None).await.err().or(refused);
    }
    let refused = refused.expect("one too many");
    assert_eq!((refused.code, refused.retry_after_ms.is_some()), (Code::RATE, true));
    ada.is_served().await;
}

#[tokio::test]
async fn when_somebody_was_last_there_is_told_if_they_allow_it() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let lobby = ada.lobby().await;
    let mut seen = Watch::of(&ada).await;
    let bob = server.join(&ada, "bob").await;
    let user = bob.me.user;
    let none: SettingsAnswer = bob.peer.ask(&ShowSettings {}).await.unwrap();
    assert_eq!(none.settings, Settings { receipts: Some(false), last_seen: Some(false) });
    seen.sees(user, ONLINE, None).await;
    bob.peer.leave().await;
    seen.sees(user, OFFLINE, None).await;
    assert_eq!(ada.lists(lobby, user).await.last_seen_ms, None, "not without being asked");

    let bob = server.again(bob).await;
    let all = bob.sets(None, Some(true)).await;
    assert_eq!(all, Settings { receipts: Some(false), last_seen: Some(true) });
    seen.sees(user, ONLINE, None).await;
    assert_eq!(ada.lists(lobby, user).await.last_seen_ms, None, "they are here");
    let rounded = (bob.me.now_ms / LAST_SEEN_GRAIN_MS + 1) * LAST_SEEN_GRAIN_MS;
    server.clock.set(rounded + 123_456);
    bob.peer.leave().await;
    seen.sees(user, OFFLINE, None).await;
    let told = async {
        // It is written after they are seen to go.
        while ada.lists(lobby, user).await.last_seen_ms != Some(rounded) {}
    };
    soon("a rounded time", told).await;
    // Who is only invited somewhere shares no room with whoever invited them.
    let room = RoomId::from_bytes(random());
    let create =
        CreateRoom { room, name: "trap".parse().unwrap(), visibility: Visibility::PRIVATE, topic: None };
    let _: RoomAnswer = ada.peer.ask(&create).await.unwrap();
    let _: Done = ada.peer.ask(&InviteMember { room, user }).await.unwrap();
    let trapped = ada.lists(room, user).await;
    assert_eq!((trapped.last_seen_ms, trapped.presence, trapped.online), (None, None, false));

    let bob = server.again(bob).await;
    bob.sets(None, Some(false)).await;
    bob.peer.leave().await;
    soon("bob to go", async { while ada.lists(lobby, user).await.online {} }).await;
    assert_eq!(ada.lists(lobby, user).await.last_seen_ms, None, "gone at once");
}

/// Goal: whoever shares no room learns nothing, neither by INBOX nor by asking.
#[tokio::test]
async fn strangers_are_told_nothing() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let lobby = ada.lobby().await;
    let mut seen = Watch::of(&ada).await;
    let (bob, cyd) = (server.join(&ada, "bob").await, server.join(&ada, "cyd").await);
    seen.sees(bob.me.user, ONLINE, None).await;
    seen.sees(cyd.me.user, ONLINE, None).await;
    let _: RoomAnswer = bob.peer.ask(&quipu_protocol::request::Leave { room: lobby }).await.unwrap();
    seen.sees(bob.me.user, OFFLINE, None).await;
    bob.is(AWAY, Some("for myself")).await.unwrap();
    // What cyd says comes after what bob said, and is told.
    cyd.is(AWAY, Some("for all")).await.unwrap();
    seen.sees(cyd.me.user, AWAY, Some("for all")).await;
    assert!(!seen.people.contains_key(&bob.me.user));
    let members: Result<Members, Refusal> = bob.peer.ask(&ListMembers { room: lobby, after: None }).await;
    assert_eq!(members.unwrap_err().code, Code::FORBIDDEN);
}

/// Goal: under load heads and memberships are told and presence is not; afterwards it is right again.
#[tokio::test]
async fn under_load_presence_is_held_back_and_made_right_again() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let lobby = ada.lobby().await;
    let mut seen = Watch::of(&ada).await;
    let (bob, cyd) = (server.join(&ada, "bob").await, server.join(&ada, "cyd").await);
    seen.sees(bob.me.user, ONLINE, None).await;
    seen.sees(cyd.me.user, ONLINE, None).await;

    let load = server.load();
    load.set_jobs_max(0);
    assert!(load.is_high());
    let before = load.held_back();
    cyd.is(AWAY, Some("unheard")).await.unwrap();
    bob.peer.leave().await;
    soon("something held back", async {
        while load.held_back() == before {
            tokio::task::yield_now().await
        }
    })
    .await;
    let mut author = cyd.author().await;
    author.send(&draft(lobby, "heard")).await;
    let head = author.published().await.unwrap().at.seq;
    loop {
        let (heads, others) = seen.next_is::<Heads>().await;
        assert!(others.iter().all(|frame| !frame.is::<Presence>()), "{others:?}");
        if heads.rooms.iter().any(|row| row.room == lobby && row.head.seq == head) {
            break;
        }
    }
    let room = RoomId::from_bytes(random());
    let create =
        CreateRoom { room, name: "den".parse().unwrap(), visibility: Visibility::PUBLIC, topic: None };
    let _: RoomAnswer = ada.peer.ask(&create).await.unwrap();
    let (membership, others) = seen.next_is::<Membership>().await;
    assert_eq!(membership.info.room, room);
    assert!(others.iter().all(|frame| !frame.is::<Presence>()), "{others:?}");

    load.set_jobs_max(LOADED_JOBS);
    seen.next_is::<PresenceAnew>().await;
    seen.sees(cyd.me.user, AWAY, Some("unheard")).await;
    assert!(!seen.people.contains_key(&bob.me.user), "who went meanwhile is gone");
}

/// Goal: a client that takes its INBOX slowly is told what matters first.
#[tokio::test]
async fn an_inbox_that_is_behind_is_told_presence_last() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    for n in 0..40 {
        let (room, name) = (RoomId::from_bytes(random()), format!("room-{n}").parse().unwrap());
        let create = CreateRoom { room, name, visibility: Visibility::PUBLIC, topic: None };
        let _: RoomAnswer = ada.peer.ask(&create).await.unwrap();
    }
    let bob = server.join(&ada, "bob").await;
    let lobby = bob.lobby().await;
    // The first heads do not fit: the write waits until they are read.
    let narrow = Grants { stream_bytes: 512, ..Grants::default() };
    let ada = server.again_granting(ada, narrow).await;
    let mut seen = Watch::of(&ada).await;
    // This is not waiting for something to happen, but letting the time pass that makes a reader a slow one.
    tokio::time::sleep(INBOX_BEHIND + INBOX_BEHIND / 4).await;
    bob.is(AWAY, Some("long ago")).await.unwrap();
    let mut author = bob.author().await;
    author.send(&draft(lobby, "news")).await;
    let head = author.published().await.unwrap().at.seq;
    let before = server.load().held_back();

    let is_news = |heads: &Heads| heads.rooms.iter().any(|row| row.room == lobby && row.head.seq == head);
    while !is_news(&seen.next_is::<Heads>().await.0) {}
    assert_ne!(seen.people.get(&bob.me.user).map(|(state, _)| *state), Some(AWAY), "heads come first");
    seen.next_is::<PresenceAnew>().await;
    seen.sees(bob.me.user, AWAY, Some("long ago")).await;
    assert!(server.load().held_back() > before);
}

#[tokio::test]
async fn settings_are_those_of_the_account_on_every_device() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let phone = second_device(&server, &ada).await;
    let mut seen = Watch::of(&phone).await;
    let all = Settings { receipts: Some(true), last_seen: Some(false) };
    assert_eq!(ada.sets(Some(true), None).await, all);
    assert_eq!(seen.next_is::<SettingsChanged>().await.0.settings, all);
    let shown: SettingsAnswer = phone.peer.ask(&ShowSettings {}).await.unwrap();
    assert_eq!(shown.settings, all);
}
