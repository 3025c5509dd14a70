//! What is unread, over connections: exact, the same on every device, and after whatever happens.

use quipu_protocol::entry::Kind;
use quipu_protocol::inbox::{Head, Heads};
use quipu_protocol::request::{
    ChangeSettings, CreateInvite, CreateRoom, Done, InviteAnswer, Join, Leave, ListMentions, ListReceipts,
    MarkRead, MarkUnread, Mentions, Notify, ReceiptList, RoomAnswer, SearchPlace, SetNotify, Settings,
    SettingsAnswer, Visibility,
};
use quipu_protocol::{BidiType, Code, Draft, Entry, Ext, List, Refusal, RoomId, Seq, UserId};

use super::harness::{Member, TestServer, Watch, draft, invite, random};

/// What a row of Heads says: marker, unread, mentions, where it is unread again, and the notify level.
type Row = (u64, u64, u64, Option<u64>, Notify);

fn row(head: &Head) -> Row {
    let again = head.ext.unread_from.map(|seq| seq.0);
    let level = head.ext.notify.unwrap_or(Notify::ALL);
    (head.marker.0, head.unread, head.ext.mentions.unwrap_or(0), again, level)
}

impl Watch {
    /// Reads until a room stands so.
    async fn stands(&mut self, room: RoomId, wanted: Row) {
        let mut told = Vec::new();
        let stands = async {
            loop {
                let heads = self.next_is::<Heads>().await.0;
                told.extend(heads.rooms.iter().filter(|head| head.room == room).map(row));
                if told.last() == Some(&wanted) {
                    return;
                }
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(30), stands).await;
        assert!(waited.is_ok(), "never {wanted:?}, but {told:?}");
    }
}

impl Member {
    async fn publishes(&self, draft: Draft) -> u64 {
        let mut author = self.author().await;
        author.send(&draft).await;
        author.published().await.unwrap().at.seq.0
    }

    async fn calls(&self, room: RoomId, text: &str, user: UserId) -> u64 {
        let mentions = Some(List::new(vec![user]).unwrap());
        self.publishes(Draft { ext: Ext { mentions, ..Ext::default() }, ..draft(room, text) }).await
    }

    async fn calls_all(&self, room: RoomId, text: &str) -> u64 {
        let ext = Ext { mentions_room: Some(true), ..Ext::default() };
        self.publishes(Draft { ext, ..draft(room, text) }).await
    }

    async fn about(&self, room: RoomId, kind: Kind, target: u64, text: &str) -> u64 {
        let ext = Ext { target: Some(Seq(target)), ..Ext::default() };
        self.publishes(Draft { kind, ext, ..draft(room, text) }).await
    }

    async fn reads_to(&self, room: RoomId, seq: u64) {
        let _: Done = self.peer.ask(&MarkRead { room, seq: Seq(seq) }).await.unwrap();
    }

    async fn unreads(&self, room: RoomId, from: u64) -> Result<Done, Refusal> {
        self.peer.ask(&MarkUnread { room, from: Seq(from) }).await
    }

    /// Who calls, a page of so many: positions with whether they are unread and call everybody, what they say, and where to
    /// go on.
    async fn called(
        &self,
        ask: &ListMentions,
    ) -> (Vec<(RoomId, u64, bool, bool, String)>, Option<SearchPlace>) {
        let mut stream = self.peer.open(BidiType::Request.number()).await;
        stream.send(ask).await;
        stream.finish();
        let Mentions { rows, next } = stream.read.expect().await;
        let mut called = Vec::new();
        for row in rows.into_vec() {
            let entry: Entry = stream.read.expect().await;
            assert_eq!(entry.seq, row.at.seq);
            let text = entry.text().unwrap().to_owned();
            called.push((row.room, row.at.seq.0, row.unread, row.everybody, text));
        }
        stream.read.end().await;
        (called, next)
    }
}

async fn second_device(server: &TestServer, member: &Member) -> Member {
    let ask = CreateInvite { own_device: Some(true), ..invite(1) };
    let answer: InviteAnswer = member.peer.ask(&ask).await.unwrap();
    server.redeem(&answer.secret[..].try_into().unwrap(), "unused").await
}

async fn makes(member: &Member, name: &str) -> RoomId {
    let room = RoomId::from_bytes(random());
    let create =
        CreateRoom { room, name: name.parse().unwrap(), visibility: Visibility::PUBLIC, topic: None };
    let _: RoomAnswer = member.peer.ask(&create).await.unwrap();
    room
}

#[tokio::test]
async fn what_is_unread_is_exact_on_every_device_whatever_happens() {
    let mut server = TestServer::start().await;
    let ada = server.owner().await;
    let room = ada.lobby().await;
    let laptop = server.join(&ada, "bob").await;
    let phone = second_device(&server, &laptop).await;
    let (bob, all) = (laptop.me.user, Notify::ALL);
    let (mut to_laptop, mut to_phone) = (Watch::of(&laptop).await, Watch::of(&phone).await);
    for member in [&ada, &laptop] {
        let settings = Settings { receipts: Some(true), last_seen: None };
        let _: SettingsAnswer = member.peer.ask(&ChangeSettings { settings }).await.unwrap();
    }

    let first = ada.publishes(draft(room, "one")).await;
    let joined = first - 1;
    let second = ada.calls(room, "two, bob", bob).await;
    let third = ada.calls_all(room, "three, everybody").await;
    for watch in [&mut to_laptop, &mut to_phone] {
        watch.stands(room, (joined, 3, 2, None, all)).await;
    }
    laptop.reads_to(room, second).await;
    for watch in [&mut to_laptop, &mut to_phone] {
        watch.stands(room, (second, 1, 1, None, all)).await;
    }
    // Unread again from the first: the marker stays, and so does what others are told.
    phone.unreads(room, first).await.unwrap();
    for watch in [&mut to_laptop, &mut to_phone] {
        watch.stands(room, (second, 3, 2, Some(first), all)).await;
    }
    let receipts: ReceiptList = ada.peer.ask(&ListReceipts { room }).await.unwrap();
    assert_eq!(receipts.rows.iter().map(|row| row.seq.0).collect::<Vec<_>>(), [second]);

    // Erased is not unread, and who is called no longer is not called. Also where the room is open, whose stream
    // cannot say so.
    let (_, _open) = phone.read(room, None).await;
    ada.about(room, Kind::REDACTION, first, "").await;
    for watch in [&mut to_laptop, &mut to_phone] {
        watch.stands(room, (second, 2, 2, Some(first), all)).await;
    }
    let edit = ada.about(room, Kind::EDIT, second, "two, whoever").await;
    for watch in [&mut to_laptop, &mut to_phone] {
        watch.stands(room, (second, 2, 1, Some(first), all)).await;
    }
    // Muted: counted all the same, on all devices.
    let mute = SetNotify { room, level: Notify::NOTHING };
    let _: Done = laptop.peer.ask(&mute).await.unwrap();
    for watch in [&mut to_laptop, &mut to_phone] {
        watch.stands(room, (second, 2, 1, Some(first), Notify::NOTHING)).await;
    }

    server.stop().await;
    server.restart().await;
    let (laptop, phone) = (server.again(laptop).await, server.again(phone).await);
    let (mut to_laptop, mut to_phone) = (Watch::of(&laptop).await, Watch::of(&phone).await);
    for watch in [&mut to_laptop, &mut to_phone] {
        watch.stands(room, (second, 2, 1, Some(first), Notify::NOTHING)).await;
    }
    // Read again, entry by entry, and then further than ever.
    laptop.reads_to(room, first).await;
    to_phone.stands(room, (second, 2, 1, Some(second), Notify::NOTHING)).await;
    laptop.reads_to(room, second).await;
    to_phone.stands(room, (second, 1, 1, None, Notify::NOTHING)).await;
    laptop.reads_to(room, third).await;
    to_phone.stands(room, (third, 0, 0, None, Notify::NOTHING)).await;
    // What was not read cannot be unread again, and what was before the log begins with it.
    laptop.unreads(room, edit + 5).await.unwrap();
    laptop.unreads(room, 0).await.unwrap();
    to_laptop.stands(room, (third, 2, 1, Some(1), Notify::NOTHING)).await;
    // Who comes back has read everything, and is told of everything.
    let _: RoomAnswer = laptop.peer.ask(&Leave { room }).await.unwrap();
    let _: RoomAnswer = laptop.peer.ask(&Join { room }).await.unwrap();
    to_phone.stands(room, (edit + 2, 0, 0, None, all)).await;
}

#[tokio::test]
async fn mentions_are_a_list_over_all_rooms_newest_first() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let lobby = ada.lobby().await;
    let den = makes(&ada, "den").await;
    let bob = server.join(&ada, "bob").await;
    let user = bob.me.user;
    // Who is not there is not called.
    ada.calls(den, "bob, come in", user).await;
    let _: RoomAnswer = bob.peer.ask(&Join { room: den }).await.unwrap();

    let early = ada.calls(lobby, "bob?", user).await;
    bob.reads_to(lobby, early).await;
    let gone = ada.calls(den, "bob!", user).await;
    let late = ada.calls_all(den, "everybody!").await;
    bob.calls_all_refused(den).await;
    ada.about(den, Kind::REDACTION, gone, "").await;
    ada.publishes(draft(den, "nobody")).await;
    let newest = ada.calls(lobby, "bob, again", user).await;

    let all = ListMentions { limit: 64, after: None, unread: None };
    let expected = [
        (lobby, newest, true, false, "bob, again".to_owned()),
        (den, late, true, true, "everybody!".to_owned()),
        (lobby, early, false, false, "bob?".to_owned()),
    ];
    // At one time they are in the order of their rooms, so as a set.
    let sorted = |mut rows: Vec<_>| {
        rows.sort();
        rows
    };
    let (rows, next) = bob.called(&all).await;
    assert_eq!((sorted(rows.clone()), next), (sorted(expected.to_vec()), None));
    // One at a time, each once, in the same order.
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = bob.called(&ListMentions { limit: 1, after, unread: None }).await;
        paged.extend(page);
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(paged, rows);
    let unread = ListMentions { unread: Some(true), ..all.clone() };
    assert_eq!(sorted(bob.called(&unread).await.0), sorted(expected[..2].to_vec()));
    assert_eq!(ada.called(&all).await.0, [], "nobody calls themselves");

    // Nothing of a room that one reads no longer.
    let _: RoomAnswer = bob.peer.ask(&Leave { room: den }).await.unwrap();
    assert!(bob.called(&all).await.0.iter().all(|row| row.0 == lobby));
    let refused: Result<Mentions, Refusal> = bob.peer.ask(&ListMentions { limit: 0, ..all }).await;
    assert_eq!(refused.unwrap_err().code, Code::BAD_REQUEST);
    assert_eq!(bob.unreads(den, 1).await.unwrap_err().code, Code::FORBIDDEN);
    assert_eq!(bob.unreads(RoomId::from_bytes([9; 16]), 1).await.unwrap_err().code, Code::NOT_FOUND);
    let level = SetNotify { room: lobby, level: Notify(3) };
    let refused: Result<Done, Refusal> = bob.peer.ask(&level).await;
    assert_eq!(refused.unwrap_err().code, Code::BAD_REQUEST);
}

impl Member {
    /// Calling everybody is for moderators.
    async fn calls_all_refused(&self, room: RoomId) {
        let ext = Ext { mentions_room: Some(true), ..Ext::default() };
        let mut author = self.author().await;
        author.send(&Draft { ext, ..draft(room, "hear me") }).await;
        assert_eq!(author.published().await.unwrap_err().refusal.code, Code::FORBIDDEN);
    }
}
