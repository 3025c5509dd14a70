//! How long things stay, over a real connection: what one sets or deletes, another one meets.

use quipu_protocol::entry::Erasure;
use quipu_protocol::inbox::Membership;
use quipu_protocol::limits::EXPIRY_MS_MAX;
use quipu_protocol::publish::{Ack, Refused};
use quipu_protocol::request::{
    Act, Anchor, Audit, CreateRoom, DeleteAccount, DeleteRoom, Done, ExportAccount, ExportRecord, Exported,
    Found, History, Join, ListAudit, Page, Reason, Retention, RoomAnswer, Search, SetRetention, Visibility,
};
use quipu_protocol::room::{End, EndReason, Gap, GapReason};
use quipu_protocol::{
    BidiType, CloseCode, Code, Cursor, Draft, Entry, Ext, Kind, Refusal, RoomId, Seq, Text, UserId,
};

use crate::harness::{Member, TestServer, draft, random, soon};

/// A server with a room that ada made, and in which bob is.
struct World {
    server: TestServer,
    owner: Member,
    ada: Member,
    bob: Member,
    room: RoomId,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::start_with(|config| {
            config.limits.publish_per_second = 100_000;
            config.limits.publish_burst = 100_000;
        })
        .await;
        let owner = server.owner().await;
        let ada = server.join(&owner, "ada").await;
        let bob = server.join(&owner, "bob").await;
        let room = made(&ada, "den").await.unwrap();
        let _: RoomAnswer = bob.peer.ask(&Join { room }).await.unwrap();
        Self { server, owner, ada, bob, room }
    }
}

async fn made(by: &Member, name: &str) -> Result<RoomId, Refusal> {
    let room = RoomId::from_bytes(random());
    let ask = CreateRoom { room, name: name.parse().unwrap(), visibility: Visibility::PUBLIC, topic: None };
    by.peer.ask::<RoomAnswer>(&ask).await.map(|_| room)
}

async fn publish(who: &Member, draft: Draft) -> Result<Ack, Refused> {
    let mut stream = who.author().await;
    stream.send(&draft).await;
    stream.finish();
    stream.published().await
}

fn vanishing(room: RoomId, text: &str, expires_ms: u64) -> Draft {
    Draft { ext: Ext { expires_ms: Some(expires_ms), ..Ext::default() }, ..draft(room, text) }
}

fn code<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> Code {
    answer.expect_err("a refusal").code
}

fn why(text: &str) -> Reason {
    Text::new(text).unwrap()
}

/// Who did this last, and why.
async fn done_by(owner: &Member, act: Act) -> (Option<UserId>, Option<Reason>) {
    let audit: Audit = owner.peer.ask(&ListAudit { room: None, after: None }).await.unwrap();
    let record = audit.records.iter().find(|record| record.act == act).unwrap();
    (record.by, record.reason.clone())
}

/// The newest page of a room, as somebody reads it.
async fn page(who: &Member, room: RoomId) -> Result<(Page, Vec<Entry>), Refusal> {
    let mut stream = who.peer.open(BidiType::Request.number()).await;
    stream.send(&History { room, anchor: Anchor::LATEST, limit: 500, thread: None }).await;
    stream.finish();
    let page: Page = stream.read.answer().await?;
    let mut entries = Vec::new();
    for _ in 0..page.entries {
        entries.push(stream.read.expect().await);
    }
    Ok((page, entries))
}

async fn found(who: &Member, words: &str) -> usize {
    let found: Found = who.peer.ask(&Search::for_words(Text::new(words).unwrap())).await.unwrap();
    found.hits.len()
}

#[tokio::test]
async fn a_room_keeps_the_newest_and_every_reader_is_told_where_it_begins() {
    let World { ada, bob, room, .. } = World::new().await;
    for number in 0..20 {
        publish(&ada, draft(room, format!("word{number}"))).await.unwrap();
    }
    let incarnation = page(&bob, room).await.unwrap().0.incarnation;
    assert_eq!(found(&bob, "word3").await, 1);
    let retention = Retention { count: Some(5), ..Retention::default() };
    let ask = SetRetention { room, retention, reason: Some(why("full")) };
    assert_eq!(code(bob.peer.ask::<RoomAnswer>(&ask).await), Code::FORBIDDEN);
    let info = ada.peer.ask::<RoomAnswer>(&ask).await.unwrap().info;
    assert_eq!(info.retention.unwrap().count, Some(5));
    let trimmed = async {
        loop {
            let (page, entries) = page(&bob, room).await.unwrap();
            if page.head.0 - page.floor.0 == 4 {
                return (page, entries);
            }
        }
    };
    let (page, entries) = soon("the trim", trimmed).await;
    assert_eq!((entries.len(), entries[0].seq), (5, page.floor));
    let note = entries.last().unwrap();
    assert_eq!((note.kind, &note.ext.reason), (Kind::RETENTION, &Some(why("full"))));
    assert_eq!((found(&bob, "word3").await, found(&bob, "word19").await), (0, 1));
    let (_, mut reader) = bob.read(room, Some(Cursor { incarnation, seq: Seq(3) })).await;
    let gap: Gap = reader.expect().await;
    assert_eq!((gap.from, gap.to, gap.reason), (Seq(4), Seq(page.floor.0 - 1), GapReason::RETENTION));
    assert_eq!(reader.expect::<Entry>().await.seq, page.floor);
}

#[tokio::test]
async fn a_message_vanishes_for_live_readers_in_history_and_in_search() {
    let World { mut server, owner, ada, bob, room } = World::new().await;
    let now_ms = page(&bob, room).await.unwrap().1.last().unwrap().at_ms;
    for (expires_ms, no) in [(now_ms, Code::EXPIRED), (now_ms + EXPIRY_MS_MAX + 60_000, Code::BAD_REQUEST)] {
        let refused = publish(&ada, vanishing(room, "x", expires_ms)).await.unwrap_err();
        assert_eq!(refused.refusal.code, no);
    }
    let (opened, mut reader) = bob.read(room, None).await;
    let expires_ms = now_ms + 60_000;
    let at = publish(&ada, vanishing(room, "a secret", expires_ms)).await.unwrap().at;
    let entry = loop {
        let frame = soon("the message", reader.next()).await.unwrap().unwrap();
        if frame.is::<Entry>() && frame.decode::<Entry>().unwrap().seq == at.seq {
            break frame.decode::<Entry>().unwrap();
        }
    };
    assert_eq!((entry.text(), entry.ext.expires_ms), (Some("a secret"), Some(expires_ms)));
    assert_eq!(found(&bob, "secret").await, 1);
    reader.unsubscribe();
    // Nobody has erased it yet: whoever asks from this moment on is shown nothing.
    server.clock.set(expires_ms);
    let gone = |entry: &Entry| (entry.text().is_none(), entry.ext.erased) == (true, Some(Erasure::EXPIRED));
    let (_, entries) = page(&bob, room).await.unwrap();
    assert!(gone(entries.iter().find(|entry| entry.seq == at.seq).unwrap()));
    assert_eq!(found(&bob, "secret").await, 0);
    let behind = Cursor { incarnation: opened.start.incarnation, seq: Seq(at.seq.0 - 1) };
    let (_, mut late) = bob.read(room, Some(behind)).await;
    assert!(gone(&late.expect::<Entry>().await), "over a live stream");
    server.stop().await;
    let folder = server.config.data.clone();
    server.restart().await;
    let bob = server.again(bob).await;
    assert!(gone(page(&bob, room).await.unwrap().1.iter().find(|entry| entry.seq == at.seq).unwrap()));
    server.stop().await;
    let bytes = std::fs::read(folder.join("quipu.db")).unwrap();
    assert!(!bytes.windows(8).any(|part| part == b"a secret"), "it is still on the disk");
    drop((owner, ada));
}

#[tokio::test]
async fn a_deleted_room_ends_for_its_members_and_stays_gone() {
    let World { mut server, owner, ada, bob, room } = World::new().await;
    publish(&ada, draft(room, "hello")).await.unwrap();
    let (_, mut reader) = bob.read(room, None).await;
    let delete =
        |name: &str| DeleteRoom { room, confirm: Text::new(name).unwrap(), reason: Some(why("over")) };
    assert_eq!(code(bob.peer.ask::<Done>(&delete("den")).await), Code::FORBIDDEN);
    assert_eq!(code(ada.peer.ask::<Done>(&delete("garden")).await), Code::BAD_REQUEST);
    let lobby = DeleteRoom { room: owner.lobby().await, confirm: Text::new("lobby").unwrap(), reason: None };
    assert_eq!(code(owner.peer.ask::<Done>(&lobby).await), Code::CONFLICT);
    let _: Done = ada.peer.ask(&delete("den")).await.unwrap();
    let end = loop {
        let frame = soon("the end", reader.next()).await.unwrap().unwrap();
        if frame.is::<End>() {
            break frame.decode::<End>().unwrap();
        }
    };
    assert_eq!(end.reason, EndReason::DELETED);
    assert_eq!(code(page(&bob, room).await), Code::GONE);
    assert_eq!(code(ada.peer.ask::<Done>(&delete("den")).await), Code::GONE);
    assert_eq!(done_by(&owner, Act::DELETE_ROOM).await, (Some(ada.me.user), Some(why("over"))));
    server.stop().await;
    server.restart().await;
    let (ada, bob) = (server.again(ada).await, server.again(bob).await);
    assert_eq!(code(page(&bob, room).await), Code::GONE);
    assert_eq!(found(&bob, "hello").await, 0);
    made(&ada, "den").await.expect("the name is free");
}

#[tokio::test]
async fn a_deleted_account_cannot_come_back_and_what_it_wrote_stays_or_goes() {
    let World { server, owner, ada, bob, room } = World::new().await;
    let cyd = server.join(&owner, "cyd").await;
    let _: RoomAnswer = cyd.peer.ask(&Join { room }).await.unwrap();
    publish(&bob, draft(room, "bob was here")).await.unwrap();
    publish(&cyd, draft(room, "so was cyd")).await.unwrap();
    let delete = |who: &Member, name: &str, erase| DeleteAccount {
        user: who.me.user,
        confirm: name.parse().unwrap(),
        erase: Some(erase),
        reason: erase.then(|| why("spam")),
    };
    assert_eq!(code(bob.peer.ask::<Done>(&delete(&cyd, "cyd", false)).await), Code::FORBIDDEN);
    assert_eq!(code(bob.peer.ask::<Done>(&delete(&bob, "rob", false)).await), Code::BAD_REQUEST);
    assert_eq!(code(owner.peer.ask::<Done>(&delete(&owner, "owner", false)).await), Code::CONFLICT);
    let _: Done = bob.peer.ask(&delete(&bob, "bob", false)).await.unwrap();
    assert_eq!(bob.peer.closed().await, CloseCode::Revoked);
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    assert!(peer.auth(&mut control, &bob.token.token, &bob.device).await.is_err(), "its token is dead");
    let _: Done = owner.peer.ask(&delete(&cyd, "cyd", true)).await.unwrap();
    assert_eq!(done_by(&owner, Act::DELETE_ACCOUNT).await, (Some(owner.me.user), Some(why("spam"))));
    assert_eq!(cyd.peer.closed().await, CloseCode::Revoked);
    let erased = async {
        loop {
            let (_, entries) = page(&ada, room).await.unwrap();
            let is_over = |entry: &Entry| entry.user == Some(cyd.me.user) && entry.is_erased();
            if entries.iter().any(is_over) && entries.iter().any(|entry| entry.kind == Kind::ERASURE) {
                return entries;
            }
        }
    };
    let entries = soon("the end of what cyd wrote", erased).await;
    let bobs: Vec<_> = entries.iter().filter(|entry| entry.user == Some(bob.me.user)).collect();
    assert!(bobs.iter().any(|entry| entry.text() == Some("bob was here")), "what he wrote stays");
}

/// Goal: an account gets all that is its own, page by page, and nothing of anybody else's.
#[tokio::test]
async fn an_account_takes_along_what_is_kept_of_it() {
    let World { server, ada, bob, room, owner } = World::new().await;
    let adas = publish(&ada, draft(room, "mine")).await.unwrap().at.seq;
    let said = publish(&bob, draft(room, "frist")).await.unwrap().at.seq;
    let about = |kind, target, text: &str| Draft {
        kind,
        ext: Ext { target: Some(target), ..Ext::default() },
        ..draft(room, text)
    };
    publish(&bob, about(Kind::EDIT, said, "first")).await.unwrap();
    publish(&bob, about(Kind::REACTION, adas, "👍")).await.unwrap();
    let (mut records, mut ask) = (Vec::new(), ExportAccount { after: None });
    loop {
        let mut stream = bob.peer.open(BidiType::Request.number()).await;
        stream.send(&ask).await;
        stream.finish();
        let exported: Exported = stream.read.answer().await.unwrap();
        for _ in 0..exported.records {
            records.push(stream.read.expect::<ExportRecord>().await);
        }
        match exported.next {
            Some(next) => ask = ExportAccount { after: Some(next) },
            None => break,
        }
    }
    let account = records.iter().find_map(|record| record.account.as_ref()).unwrap();
    assert_eq!((account.user, account.nickname.as_str()), (bob.me.user, "bob"));
    assert!(records.iter().any(|record| record.settings.is_some()));
    assert_eq!(records.iter().filter(|record| record.device.is_some()).count(), 1);
    let rooms: Vec<_> = records.iter().filter_map(|record| record.membership.as_ref()).collect();
    assert!(rooms.iter().any(|membership| membership.room == room));
    let said: Vec<_> = records.iter().filter_map(|record| record.message.as_ref()).collect();
    assert!(said.iter().all(|message| message.entry.user == Some(bob.me.user)));
    let kinds: Vec<_> = said.iter().map(|message| message.entry.kind).collect();
    assert_eq!(kinds, [Kind::TEXT, Kind::REACTION, Kind::EDIT], "by what they are about");
    assert_eq!(said[0].entry.text(), Some("first"), "as it reads now");
    drop((server, owner));
}

/// Goal: who was not reading the room is told on the inbox that it is no more.
#[tokio::test]
async fn a_member_who_does_not_read_is_told_of_a_deleted_room() {
    let World { ada, bob, room, .. } = World::new().await;
    let mut watch = crate::harness::Watch::of(&bob).await;
    let delete = DeleteRoom { room, confirm: Text::new("den").unwrap(), reason: None };
    let _: Done = ada.peer.ask(&delete).await.unwrap();
    let info = loop {
        let (Membership { info }, _) = watch.next_is::<Membership>().await;
        if info.room == room && info.deleted.is_some() {
            break info;
        }
    };
    assert_eq!(info.deleted, Some(true));
}
