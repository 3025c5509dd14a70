//! Bots: they come in like everybody, may do what their scope allows, and lose it at once when it is taken away.

use quipu_protocol::entry::Origin;
use quipu_protocol::limits::{BOT_TOKEN_LIFE_MS, ROWS_MAX, TOKEN_LIFE_MS};
use quipu_protocol::request::{
    BotAnswer, Bots, ChangeBot, CreateBot, CreateInvite, CreateRoom, DeleteAccount, Direct, Done,
    ExportAccount, ExportRecord, Exported, InviteBot, Join, ListBots, ListMembers, ListRooms, LookUp,
    Members, Permissions, RevokeBot, RevokeDevice, RoomAnswer, Rooms, ServerRole, Users, Visibility,
};
use quipu_protocol::{BidiType, CloseCode, Code, Entry, Ext, List, Refusal, RoomId, Text, UserId};

use super::harness::{Device, Member, TestServer, draft, invite, random};

const READ_AND_SEND: Permissions = Permissions::READ.or(Permissions::SEND);

fn wish(nickname: &str, scope: Permissions, rooms: Option<&[RoomId]>) -> CreateBot {
    let rooms = rooms.map(|rooms| List::new(rooms.to_vec()).unwrap());
    CreateBot { nickname: nickname.parse().unwrap(), scope, rooms }
}

/// A bot of `owner`, on a device of its own.
async fn bot(server: &TestServer, owner: &Member, scope: Permissions, rooms: Option<&[RoomId]>) -> Member {
    let answer: BotAnswer = owner.peer.ask(&wish("weather", scope, rooms)).await.unwrap();
    let bot = server.redeem(&answer.secret[..].try_into().unwrap(), "unused").await;
    assert_eq!((bot.me.user, bot.me.nickname.as_str()), (answer.user, "weather"));
    bot
}

async fn says(member: &Member, room: RoomId, text: &str) -> Result<u64, Code> {
    let mut author = member.author().await;
    author.send(&draft(room, text)).await;
    author.published().await.map(|ack| ack.at.seq.0).map_err(|refused| refused.refusal.code)
}

async fn room(owner: &Member, name: &str) -> RoomId {
    let room = RoomId::from_bytes(random());
    let ask = CreateRoom { room, name: name.parse().unwrap(), visibility: Visibility::PUBLIC, topic: None };
    let _: RoomAnswer = owner.peer.ask(&ask).await.unwrap();
    room
}

#[tokio::test]
async fn a_bot_comes_in_by_its_own_invite_and_everybody_sees_what_it_is() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let lobby = owner.lobby().await;
    let (opened, mut reader) = owner.read(lobby, None).await;
    let bot = bot(&server, &owner, READ_AND_SEND, Some(&[lobby])).await;
    assert_eq!((bot.me.role, bot.me.scope), (ServerRole::BOT.0, Some(READ_AND_SEND)));
    let life_ms = bot.token.expires_ms - bot.me.now_ms;
    assert!(
        life_ms > BOT_TOKEN_LIFE_MS - 60_000 && owner.token.expires_ms - owner.me.now_ms <= TOKEN_LIFE_MS
    );
    let users: Users = owner
        .peer
        .ask(&LookUp { users: List::new(vec![bot.me.user]).unwrap(), nickname: None })
        .await
        .unwrap();
    assert_eq!(users.users[0].role, ServerRole::BOT);
    // It was brought into the room before it came, and what it says is read by whoever is there.
    let at = says(&bot, lobby, "sunny").await.unwrap();
    loop {
        let frame = reader.next().await.unwrap().unwrap();
        if frame.is::<Entry>() {
            let entry: Entry = frame.decode().unwrap();
            if entry.user == Some(bot.me.user) {
                assert_eq!((entry.seq.0, entry.text()), (at, Some("sunny")));
                break;
            }
        }
    }
    assert!(at > opened.head.0);
    // People are held back in nothing.
    assert_eq!(owner.me.scope, None);
}

#[tokio::test]
async fn a_bot_does_what_its_scope_allows_and_no_more() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let (lobby, den) = (owner.lobby().await, room(&owner, "den").await);
    let reader = bot(&server, &owner, Permissions::READ, Some(&[lobby])).await;
    let (_, _) = reader.read(lobby, None).await;
    assert_eq!(says(&reader, lobby, "no").await, Err(Code::FORBIDDEN));
    // A room outside of those it is held to is not there, public or not.
    let joined: Result<RoomAnswer, Refusal> = reader.peer.ask(&Join { room: den }).await;
    assert_eq!(joined.unwrap_err().code, Code::NOT_FOUND);
    let all: Rooms = reader.peer.ask(&ListRooms { mine: false, after: None, name: None }).await.unwrap();
    assert_eq!(all.rooms.iter().map(|info| info.room).collect::<Vec<_>>(), [lobby]);
    // What it is told that it may do there is what it may: a member's permissions within its scope.
    assert_eq!(all.rooms[0].permissions, Some(Permissions::READ));
    let make = CreateRoom {
        room: RoomId::from_bytes(random()),
        name: "mine".parse().unwrap(),
        visibility: Visibility::PRIVATE,
        topic: None,
    };
    let made: Result<RoomAnswer, Refusal> = reader.peer.ask(&make).await;
    assert_eq!(made.unwrap_err().code, Code::FORBIDDEN);
    // One that may send but not read cannot even look who is there.
    let ask = ChangeBot { user: reader.me.user, scope: Permissions::SEND, rooms: None };
    let _: Done = owner.peer.ask(&ask).await.unwrap();
    let blind = again(&server, reader).await;
    let members: Result<Members, Refusal> = blind.peer.ask(&ListMembers { room: lobby, after: None }).await;
    assert_eq!(members.unwrap_err().code, Code::FORBIDDEN);
}

/// The bot comes back after its scope has changed: its token has ended, its key has not.
async fn again(server: &TestServer, bot: Member) -> Member {
    assert_eq!(bot.peer.closed().await, CloseCode::None);
    let Member { device, token, .. } = bot;
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let stale = peer.auth(&mut control, &token.token, &device).await;
    assert_eq!(stale.unwrap_err().code, Code::EXPIRED);
    let token = peer.refresh(&mut control, &token, &device).await.unwrap();
    let me = peer.auth(&mut control, &token.token, &device).await.unwrap();
    Member { peer, control, device, token, me }
}

/// The same when its scope is what it was: its token is still good.
async fn back(server: &TestServer, bot: Member) -> Member {
    assert_eq!(bot.peer.closed().await, CloseCode::None);
    server.again(bot).await
}

#[tokio::test]
async fn a_changed_scope_acts_at_once() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let lobby = owner.lobby().await;
    let bot = bot(&server, &owner, READ_AND_SEND, Some(&[lobby])).await;
    says(&bot, lobby, "before").await.unwrap();
    let less = ChangeBot { user: bot.me.user, scope: Permissions::READ, rooms: None };
    let _: Done = owner.peer.ask(&less).await.unwrap();
    let bot = again(&server, bot).await;
    assert_eq!(bot.me.scope, Some(Permissions::READ));
    assert_eq!(says(&bot, lobby, "after").await, Err(Code::FORBIDDEN));
    let more = ChangeBot { user: bot.me.user, scope: READ_AND_SEND, rooms: None };
    let _: Done = owner.peer.ask(&more).await.unwrap();
    let bot = again(&server, bot).await;
    says(&bot, lobby, "again").await.unwrap();
}

#[tokio::test]
async fn a_revoked_bot_is_out_for_ever() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let bot = bot(&server, &owner, Permissions::ANYTHING, None).await;
    let spare: BotAnswer = owner.peer.ask(&InviteBot { user: bot.me.user }).await.unwrap();
    let revoke = RevokeBot { user: bot.me.user };
    for _ in 0..2 {
        let _: Done = owner.peer.ask(&revoke).await.unwrap();
    }
    assert_eq!(bot.peer.closed().await, CloseCode::Revoked);
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let out = peer.refresh(&mut control, &bot.token, &bot.device).await;
    assert_eq!(out.unwrap_err().code, Code::GONE);
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let out = peer.redeem(&mut control, &spare.secret[..].try_into().unwrap(), &Device::new(), "x").await;
    assert_eq!(out.unwrap_err().code, Code::GONE);
    let bots: Bots = owner.peer.ask(&ListBots { after: None }).await.unwrap();
    assert!(bots.bots[0].revoked_ms.is_some() && bots.bots[0].devices == 0);
    let more: Result<BotAnswer, Refusal> = owner.peer.ask(&InviteBot { user: bot.me.user }).await;
    assert_eq!(more.unwrap_err().code, Code::GONE);
}

/// Goal: nobody answers for the bots of an account that is gone, so they are out with it.
#[tokio::test]
async fn bots_end_with_the_account_of_their_owner() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let maria = server.join(&owner, "maria").await;
    let bot = bot(&server, &maria, Permissions::ANYTHING, None).await;
    let gone =
        DeleteAccount { user: maria.me.user, confirm: "maria".parse().unwrap(), erase: None, reason: None };
    let _: Done = owner.peer.ask(&gone).await.unwrap();
    assert_eq!(bot.peer.closed().await, CloseCode::Revoked);
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let out = peer.refresh(&mut control, &bot.token, &bot.device).await;
    assert_eq!(out.unwrap_err().code, Code::GONE);
}

#[tokio::test]
async fn a_bots_token_is_worth_nothing_without_its_key() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let bot = bot(&server, &owner, Permissions::ANYTHING, None).await;
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let stolen = peer.auth(&mut control, &bot.token.token, &Device::new()).await;
    assert_eq!(stolen.unwrap_err().code, Code::UNAUTHENTICATED);
}

#[tokio::test]
async fn members_look_after_their_own_bots_and_an_admin_after_all() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let (ada, bob) = (server.join(&owner, "ada").await, server.join(&owner, "bob").await);
    let lobby = owner.lobby().await;
    let made: BotAnswer = ada.peer.ask(&wish("adas", READ_AND_SEND, Some(&[lobby]))).await.unwrap();
    let change = ChangeBot { user: made.user, scope: Permissions::ANYTHING, rooms: None };
    let refused: Result<Done, Refusal> = bob.peer.ask(&change).await;
    assert_eq!(refused.unwrap_err().code, Code::NOT_FOUND);
    let of_bob: Bots = bob.peer.ask(&ListBots { after: None }).await.unwrap();
    assert!(of_bob.bots.is_empty());
    let all: Bots = owner.peer.ask(&ListBots { after: None }).await.unwrap();
    assert_eq!((all.bots[0].owner, all.bots[0].rooms.as_deref()), (ada.me.user, Some(&[lobby][..])));
    let _: Done = owner.peer.ask(&change).await.unwrap();
    let nobody: Result<Done, Refusal> =
        owner.peer.ask(&RevokeBot { user: UserId::from_bytes([9; 16]) }).await;
    assert_eq!(nobody.unwrap_err().code, Code::NOT_FOUND);
    // An account of a person is no bot.
    let person: Result<Done, Refusal> = owner.peer.ask(&RevokeBot { user: bob.me.user }).await;
    assert_eq!(person.unwrap_err().code, Code::NOT_FOUND);
}

#[tokio::test]
async fn bots_have_bounds_and_makers_of_their_own() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let ada = server.join(&owner, "ada").await;
    for number in 0..16 {
        let _: BotAnswer = ada.peer.ask(&wish(&format!("bot{number}"), READ_AND_SEND, None)).await.unwrap();
    }
    let one_more: Result<BotAnswer, Refusal> = ada.peer.ask(&wish("more", READ_AND_SEND, None)).await;
    assert_eq!(one_more.unwrap_err().code, Code::QUOTA);
    let taken: Result<BotAnswer, Refusal> = owner.peer.ask(&wish("ADA", READ_AND_SEND, None)).await;
    assert_eq!(taken.unwrap_err().code, Code::CONFLICT);
    // Nobody brings a bot where they could not bring anybody; then there is no bot either.
    let hidden: Result<BotAnswer, Refusal> =
        owner.peer.ask(&wish("lost", READ_AND_SEND, Some(&[RoomId::from_bytes([9; 16])]))).await;
    assert_eq!(hidden.unwrap_err().code, Code::NOT_FOUND);
    let bot = bot(&server, &owner, Permissions::ANYTHING, None).await;
    let guest = CreateInvite { role: Some(ServerRole::GUEST), ..invite(1) };
    let guest: quipu_protocol::request::InviteAnswer = owner.peer.ask(&guest).await.unwrap();
    let guest = server.redeem(&guest.secret[..].try_into().unwrap(), "guest").await;
    for who in [&bot, &guest] {
        let refused: Result<BotAnswer, Refusal> =
            who.peer.ask(&wish("child", Permissions::ANYTHING, None)).await;
        assert_eq!(refused.unwrap_err().code, Code::FORBIDDEN);
    }
}

/// Goal: a bot goes by its owner's word, and does not leave the count of those that were made.
#[tokio::test]
async fn a_bot_does_not_delete_itself() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let bot = bot(&server, &owner, Permissions::ANYTHING, None).await;
    let gone =
        DeleteAccount { user: bot.me.user, confirm: "weather".parse().unwrap(), erase: None, reason: None };
    let refused: Result<Done, Refusal> = bot.peer.ask(&gone).await;
    assert_eq!(refused.unwrap_err().code, Code::FORBIDDEN);
    let _: Done = owner.peer.ask(&gone).await.unwrap();
}

/// Goal: a list is not cut before what does not concern the asker was left out.
#[tokio::test]
async fn a_bot_finds_the_rooms_it_is_held_to_among_many() {
    let server = TestServer::start_with(|config| config.limits.publish_burst = 1_000).await;
    let owner = server.owner().await;
    let [low, high] = [[0; 16], [0xff; 16]].map(RoomId::from_bytes);
    for number in 0..=ROWS_MAX {
        room(&owner, &format!("room{number}")).await;
    }
    for (id, name) in [(low, "first"), (high, "last")] {
        let ask =
            CreateRoom { room: id, name: name.parse().unwrap(), visibility: Visibility::PUBLIC, topic: None };
        let _: RoomAnswer = owner.peer.ask(&ask).await.unwrap();
    }
    let bot = bot(&server, &owner, Permissions::READ, Some(&[high, low])).await;
    for (mine, after, expected) in [
        (false, None, &[low, high][..]),
        (true, None, &[low, high]),
        (false, Some(low), &[high]),
        (false, Some(high), &[]),
    ] {
        let page: Rooms = bot.peer.ask(&ListRooms { mine, after, name: None }).await.unwrap();
        let found: Vec<_> = page.rooms.iter().map(|info| info.room).collect();
        assert_eq!((&found[..], page.more), (expected, false));
    }
}

/// Goal: what a bot did before it was held to some rooms tells it nothing of the others.
#[tokio::test]
async fn a_held_bot_is_told_of_no_other_room() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let lobby = owner.lobby().await;
    let bot = bot(&server, &owner, Permissions::ANYTHING, Some(&[lobby])).await;
    let free = ChangeBot { user: bot.me.user, scope: Permissions::ANYTHING, rooms: None };
    let _: Done = owner.peer.ask(&free).await.unwrap();
    let bot = back(&server, bot).await;
    let direct = Direct { user: owner.me.user };
    let between: RoomAnswer = bot.peer.ask(&direct).await.unwrap();
    says(&bot, between.info.room, "psst").await.unwrap();
    says(&bot, lobby, "hello").await.unwrap();
    let held = ChangeBot { rooms: Some(List::new(vec![lobby]).unwrap()), ..free };
    let _: Done = owner.peer.ask(&held).await.unwrap();
    let bot = back(&server, bot).await;
    let refused: Result<RoomAnswer, Refusal> = bot.peer.ask(&direct).await;
    assert_eq!(refused.unwrap_err().code, Code::FORBIDDEN);
    let (mut rooms, mut ask) = (Vec::new(), ExportAccount { after: None });
    loop {
        let mut stream = bot.peer.open(BidiType::Request.number()).await;
        stream.send(&ask).await;
        stream.finish();
        let page: Exported = stream.read.answer().await.unwrap();
        for _ in 0..page.records {
            let record: ExportRecord = stream.read.expect().await;
            rooms.extend(record.membership.map(|membership| membership.room));
            rooms.extend(record.message.map(|message| message.room));
        }
        match page.next {
            Some(next) => ask = ExportAccount { after: Some(next) },
            None => break,
        }
    }
    assert_eq!(rooms, [lobby, lobby]);
}

/// Wishes that had arrived and waited for their turn are not granted to somebody who was shut out meanwhile.
#[tokio::test]
async fn whoever_is_shut_out_makes_no_more_bots() {
    let server = TestServer::start_with(|config| {
        config.limits.publish_per_second = 1;
        config.limits.publish_burst = 1;
    })
    .await;
    let owner = server.owner().await;
    let ask = CreateInvite { own_device: Some(true), ..invite(1) };
    let own: quipu_protocol::request::InviteAnswer = owner.peer.ask(&ask).await.unwrap();
    let lost = server.redeem(&own.secret[..].try_into().unwrap(), "unused").await;
    let wish = |name: String| wish(&name, Permissions::ANYTHING, None);
    let _: BotAnswer = lost.peer.ask(&wish("in-time".to_owned())).await.unwrap();
    // Each waits for its turn: one, two and three seconds.
    let mut waiting = Vec::new();
    for number in 0..3 {
        let mut request = lost.peer.open(BidiType::Request.number()).await;
        request.send(&wish(format!("late{number}"))).await;
        request.finish();
        waiting.push(request);
    }
    lost.is_served().await;
    let _: Done = owner.peer.ask(&RevokeDevice { device: lost.me.device }).await.unwrap();
    assert_eq!(lost.peer.closed().await, CloseCode::Revoked);
    // At the same rate, so the last of these comes after the last of those.
    for number in 0..4 {
        let _: BotAnswer = owner.peer.ask(&wish(format!("own{number}"))).await.unwrap();
    }
    let bots: Bots = owner.peer.ask(&ListBots { after: None }).await.unwrap();
    let late = bots.bots.iter().filter(|bot| bot.nickname.as_str().starts_with("late")).count();
    // On a slow machine a turn may come before the revocation does; not all three.
    assert!(late < 3, "{late} after the revocation");
}

#[tokio::test]
async fn only_who_manages_a_room_says_where_something_came_from() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let ada = server.join(&owner, "ada").await;
    let den = room(&owner, "den").await;
    let _: RoomAnswer = ada.peer.ask(&Join { room: den }).await.unwrap();
    let origin = || Origin { at_ms: 1_200_000_000_000, author: Text::new("wumpus").unwrap() };
    let told = async |who: &Member| {
        let mut author = who.author().await;
        let mut draft = draft(den, "long ago");
        draft.ext = Ext { origin: Some(origin()), ..Ext::default() };
        author.send(&draft).await;
        author.published().await.map_err(|refused| refused.refusal.code)
    };
    assert_eq!(told(&ada).await, Err(Code::FORBIDDEN));
    let at = told(&owner).await.unwrap().at;
    let before = quipu_protocol::Cursor { seq: quipu_protocol::Seq(at.seq.0 - 1), ..at };
    let (_, mut reader) = ada.read(den, Some(before)).await;
    let entry: Entry = reader.expect().await;
    assert_eq!(entry.ext.origin, Some(origin()));
}
