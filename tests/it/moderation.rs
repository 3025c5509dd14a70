//! Moderation over a real connection: what one does, another one meets.
//!
//! ```text
//!   rooms      roles, bans, mutes, slow mode, settings, owners      accounts   shut out, let in, server roles
//!   records    reports and the audit                                purging    all that somebody wrote
//!   race       a ban against messages that are under way
//! ```

mod accounts;
mod purging;
mod race;
mod records;
mod rooms;

use quipu_protocol::publish::{Ack, Refused};
use quipu_protocol::request::{
    Anchor, CreateRoom, Done, History, Impose, Join, Page, RoomAnswer, RoomInfo, RoomRole, Sanction, SetRole,
    Visibility,
};
use quipu_protocol::{BidiType, Code, Entry, Refusal, RoomId, Text, UserId};

use crate::harness::{Member, TestServer, draft, random};

/// A server, its owner, and three others in a public room that ada made: bob, and cyd who moderates.
struct World {
    server: TestServer,
    owner: Member,
    ada: Member,
    bob: Member,
    cyd: Member,
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
        let owner = server.owner().await;
        let ada = server.join(&owner, "ada").await;
        let bob = server.join(&owner, "bob").await;
        let cyd = server.join(&owner, "cyd").await;
        let room = made(&ada, "den", Visibility::PUBLIC).await;
        enter(&bob, room).await.unwrap();
        enter(&cyd, room).await.unwrap();
        let world = Self { server, owner, ada, bob, cyd, room };
        world.role(&world.cyd, RoomRole::MODERATOR).await;
        world
    }

    async fn role(&self, of: &Member, role: RoomRole) {
        let ask = SetRole { room: self.room, user: of.me.user, role, reason: None };
        let _: Done = self.ada.peer.ask(&ask).await.unwrap();
    }

    async fn impose(
        &self,
        by: &Member,
        user: UserId,
        sanction: Sanction,
        life_ms: Option<u64>,
    ) -> Result<Done, Refusal> {
        let reason = Some(why("enough"));
        by.peer.ask(&Impose { room: self.room, user, sanction, life_ms, reason }).await
    }
}

fn why<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new(text).unwrap()
}

fn code<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> Code {
    answer.expect_err("a refusal").code
}

async fn made(by: &Member, name: &str, visibility: Visibility) -> RoomId {
    let room = RoomId::from_bytes(random());
    let ask = CreateRoom { room, name: name.parse().unwrap(), visibility, topic: None };
    let _: RoomAnswer = by.peer.ask(&ask).await.unwrap();
    room
}

async fn enter(who: &Member, room: RoomId) -> Result<RoomInfo, Refusal> {
    who.peer.ask::<RoomAnswer>(&Join { room }).await.map(|answer| answer.info)
}

async fn say(who: &Member, room: RoomId, text: &str) -> Result<Ack, Refused> {
    let mut stream = who.author().await;
    stream.send(&draft(room, text)).await;
    stream.finish();
    stream.published().await
}

/// The room's log from its beginning, as somebody reads it.
async fn log(who: &Member, room: RoomId) -> Vec<Entry> {
    let mut stream = who.peer.open(BidiType::Request.number()).await;
    stream.send(&History { room, anchor: Anchor::LATEST, limit: 500, thread: None }).await;
    stream.finish();
    let page: Page = stream.read.answer().await.unwrap();
    let mut entries = Vec::new();
    for _ in 0..page.entries {
        entries.push(stream.read.expect().await);
    }
    entries
}

async fn last(who: &Member, room: RoomId) -> Entry {
    log(who, room).await.pop().unwrap()
}
