//! Entries about entries over a real connection: what one says about what was said, another one reads.
//!
//! ```text
//!   reading     edits, redactions and threads: live, in history, in search
//!   relations   reactions and pins, as lists               naming      what a room is called and about
//! ```

mod naming;
mod reading;
mod relations;

use quipu_protocol::publish::Ack;
use quipu_protocol::request::{
    Anchor, CreateRoom, Done, History, Join, Page, RoomAnswer, RoomRole, SetRole, Tallies, Tally, Visibility,
};
use quipu_protocol::{BidiType, Code, Draft, Entry, Ext, Kind, Refusal, RoomId, Seq};

use crate::harness::{Member, RawStream, TestServer, draft, random};

/// A server, and three people in a room of ada's: bob, and cyd who moderates.
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
        let [ada, bob, cyd] = [
            server.join(&owner, "ada").await,
            server.join(&owner, "bob").await,
            server.join(&owner, "cyd").await,
        ];
        let room = made(&ada, "den", Visibility::PUBLIC).await;
        for who in [&bob, &cyd] {
            let _: RoomAnswer = who.peer.ask(&Join { room }).await.unwrap();
        }
        let ask = SetRole { room, user: cyd.me.user, role: RoomRole::MODERATOR, reason: None };
        let _: Done = ada.peer.ask(&ask).await.unwrap();
        Self { server, owner, ada, bob, cyd, room }
    }

    async fn says(&self, who: &Member, text: &str) -> Seq {
        publish(who, draft(self.room, text)).await.unwrap().at.seq
    }

    async fn about(&self, who: &Member, kind: Kind, target: Seq, body: &str) -> Result<Ack, Code> {
        let ext = Ext { target: Some(target), ..Ext::default() };
        publish(who, Draft { kind, ext, ..draft(self.room, body) }).await
    }

    async fn in_thread(&self, who: &Member, root: Seq, text: &str) -> Seq {
        let ext = Ext { thread_root: Some(root), ..Ext::default() };
        publish(who, Draft { ext, ..draft(self.room, text) }).await.unwrap().at.seq
    }

    async fn history(&self, who: &Member, anchor: Anchor, thread: Option<Seq>) -> Read {
        read(who, &History { room: self.room, anchor, limit: 500, thread }).await.unwrap()
    }

    /// The entry at a place, as history shows it.
    async fn entry(&self, who: &Member, seq: Seq) -> (Vec<Tally>, Entry) {
        let mut read = self.history(who, Anchor::around(seq), None).await;
        let at = read.entries.iter().position(|(_, entry)| entry.seq == seq).expect("every place is there");
        read.entries.swap_remove(at)
    }
}

/// A page as it came: each entry with the reactions that stood before it.
struct Read {
    page: Page,
    entries: Vec<(Vec<Tally>, Entry)>,
}

impl Read {
    fn seqs(&self) -> Vec<Seq> {
        self.entries.iter().map(|(_, entry)| entry.seq).collect()
    }
}

async fn read(who: &Member, ask: &History) -> Result<Read, Refusal> {
    let mut stream = who.peer.open(BidiType::Request.number()).await;
    stream.send(ask).await;
    stream.finish();
    let page: Page = stream.read.answer().await?;
    let entries = entries(&mut stream, page.entries as usize).await;
    Ok(Read { page, entries })
}

async fn entries(stream: &mut RawStream, count: usize) -> Vec<(Vec<Tally>, Entry)> {
    let (mut entries, mut tallies) = (Vec::new(), None);
    while entries.len() < count {
        let frame = stream.read.next().await.unwrap().expect("as many as were said");
        if frame.is::<Tallies>() {
            tallies = Some(frame.decode::<Tallies>().unwrap());
            continue;
        }
        let entry: Entry = frame.decode().unwrap();
        let of_it = tallies.take().map_or(Vec::new(), |of: Tallies| {
            assert_eq!(of.seq, entry.seq, "reactions stand before what they are about");
            of.tallies.into_vec()
        });
        entries.push((of_it, entry));
    }
    entries
}

async fn publish(who: &Member, draft: Draft) -> Result<Ack, Code> {
    let mut stream = who.author().await;
    stream.send(&draft).await;
    stream.finish();
    stream.published().await.map_err(|refused| refused.refusal.code)
}

async fn made(by: &Member, name: &str, visibility: Visibility) -> RoomId {
    let room = RoomId::from_bytes(random());
    let ask = CreateRoom { room, name: name.parse().unwrap(), visibility, topic: None };
    let _: RoomAnswer = by.peer.ask(&ask).await.unwrap();
    room
}

fn code<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> Code {
    answer.expect_err("a refusal").code
}
