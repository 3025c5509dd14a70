//! Webhooks over real HTTP: what comes in is an entry that others read, and what does not is told why.

use std::net::{Ipv4Addr, SocketAddr};

use quipu_protocol::request::{
    BotAnswer, ChangeBot, CreateBot, CreateHook, CreateRoom, Deactivate, Done, HookAnswer, Hooks, Join,
    ListHooks, Permissions, Reactivate, RemoveMember, RevokeBot, RevokeHook, RoomAnswer, Visibility,
};
use quipu_protocol::{Code, Entry, List, Refusal, RoomId, UserId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::harness::{Member, RawReader, TestServer, random, soon};

async fn server() -> TestServer {
    TestServer::start_with(|config| config.webhooks = Some((Ipv4Addr::LOCALHOST, 0).into())).await
}

/// A webhook of a room of the owner's, and the bot it speaks as.
struct Hook {
    address: SocketAddr,
    answer: HookAnswer,
    bot: UserId,
    room: RoomId,
}

async fn hook(server: &TestServer, owner: &Member) -> Hook {
    let room = RoomId::from_bytes(random());
    let den = CreateRoom { room, name: "den".parse().unwrap(), visibility: Visibility::PUBLIC, topic: None };
    let _: RoomAnswer = owner.peer.ask(&den).await.unwrap();
    let rooms = Some(List::new(vec![room]).unwrap());
    let ask =
        CreateBot { nickname: "ci".parse().unwrap(), scope: Permissions::READ.or(Permissions::SEND), rooms };
    let bot: BotAnswer = owner.peer.ask(&ask).await.unwrap();
    let answer: HookAnswer = owner.peer.ask(&CreateHook { room, bot: bot.user }).await.unwrap();
    let address = server.hooks.unwrap();
    assert_eq!(answer.listens_at.as_str(), format!("http://{address}"));
    Hook { address, answer, bot: bot.user, room }
}

/// What came back: the status, and head and body as they were.
#[derive(Debug)]
struct Answered {
    status: u16,
    text: String,
}

impl Answered {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.text.split("\r\n\r\n").nth(1).unwrap()).unwrap()
    }
}

async fn exchange(address: SocketAddr, request: &[u8]) -> Answered {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut bytes = Vec::new();
    soon("an answer", stream.read_to_end(&mut bytes)).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Answered { status, text }
}

impl Hook {
    fn path(&self) -> String {
        let secret: String = self.answer.secret.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("/hook/{secret}")
    }

    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answered {
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        exchange(self.address, &[head.as_bytes(), body.as_bytes()].concat()).await
    }

    async fn text(&self, body: &str) -> Answered {
        self.send("POST", &self.path(), "content-type: text/plain\r\n", body).await
    }

    async fn keyed(&self, key: &str, body: &str) -> Answered {
        let headers = format!("content-type: text/plain\r\nidempotency-key: {key}\r\n");
        self.send("POST", &self.path(), &headers, body).await
    }
}

/// The next entry with a text.
async fn hears(reader: &mut RawReader) -> Entry {
    loop {
        let frame = reader.next().await.unwrap().unwrap();
        if frame.is::<Entry>() {
            let entry: Entry = frame.decode().unwrap();
            if entry.text().is_some() {
                return entry;
            }
        }
    }
}

#[tokio::test]
async fn what_a_webhook_says_is_read_by_everybody_in_the_room() {
    let server = server().await;
    let owner = server.owner().await;
    let ada = server.join(&owner, "ada").await;
    let hook = hook(&server, &owner).await;
    let _: RoomAnswer = ada.peer.ask(&Join { room: hook.room }).await.unwrap();
    let (_, mut reader) = ada.read(hook.room, None).await;
    let answered = hook.text("build 7 failed\n").await;
    assert_eq!(answered.status, 200, "{answered:?}");
    let entry = hears(&mut reader).await;
    assert_eq!((entry.user, entry.text()), (Some(hook.bot), Some("build 7 failed")));
    assert_eq!(answered.json()["seq"], entry.seq.0);
    assert_eq!(answered.json()["duplicate"], false);
    // The entry names the webhook as its device.
    assert_eq!(entry.device.unwrap().as_bytes(), hook.answer.hook.as_bytes());
    let json = r#"{"text":"deployed","attachments":[{"fallback":"in 3 s"}]}"#;
    let answered = hook.send("POST", &hook.path(), "content-type: application/json\r\n", json).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    assert_eq!(hears(&mut reader).await.text(), Some("deployed\nin 3 s"));
}

#[tokio::test]
async fn a_repeated_delivery_is_once_in_the_log() {
    let mut server = server().await;
    let owner = server.owner().await;
    let hook = hook(&server, &owner).await;
    let first = hook.keyed("build-7", "failed").await.json();
    let again = hook.keyed("build-7", "failed").await.json();
    assert_eq!((&first["seq"], &first["id"]), (&again["seq"], &again["id"]));
    assert_eq!((&first["duplicate"], &again["duplicate"]), (&false.into(), &true.into()));
    assert_eq!(hook.keyed("build-7", "passed").await.status, 409);
    // An acknowledged one is on the disk: also a new start knows it.
    drop(owner);
    server.stop().await;
    server.restart().await;
    let hook = Hook { address: server.hooks.unwrap(), ..hook };
    let later = hook.keyed("build-7", "failed").await.json();
    assert_eq!((&later["seq"], &later["duplicate"]), (&first["seq"], &true.into()));
}

#[tokio::test]
async fn whatever_is_wrong_is_told_in_numbers_and_words() {
    let server = server().await;
    let owner = server.owner().await;
    let hook = hook(&server, &owner).await;
    let (path, text) = (hook.path(), "content-type: text/plain\r\n");
    let long = "a".repeat(16_385);
    let nobody = format!("/hook/{}", "0".repeat(32));
    for (method, path, headers, body, status, word) in [
        ("POST", nobody.as_str(), text, "x", 404, "no webhook"),
        ("POST", "/hook/short", text, "x", 404, "no webhook"),
        ("POST", "/", text, "x", 404, "no webhook"),
        ("GET", path.as_str(), "", "", 405, "POST"),
        ("POST", path.as_str(), "", "x", 415, "text/plain"),
        ("POST", path.as_str(), "content-type: image/png\r\n", "x", 415, "text/plain"),
        ("POST", path.as_str(), text, " \n", 400, "empty"),
        ("POST", path.as_str(), "content-type: application/json\r\n", "{", 400, "ends too early"),
        ("POST", path.as_str(), text, long.as_str(), 413, "16384"),
    ] {
        let answered = hook.send(method, path, headers, body).await;
        assert_eq!(answered.status, status, "{method} {path} {headers}: {answered:?}");
        assert!(answered.text.contains(word), "{answered:?}");
        assert!(!answered.text.contains(&hook.path()[6..]), "a secret came back");
    }
    // A body that is announced too large is refused before it is sent.
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{text}content-length: 99999999\r\n\r\n");
    assert_eq!(exchange(hook.address, head.as_bytes()).await.status, 413);
    // What is no HTTP at all ends, and the listener lives.
    exchange(hook.address, b"\x16\x03\x01 hello\r\n\r\n").await;
    assert_eq!(hook.text("still here").await.status, 200);
}

#[tokio::test]
async fn a_webhook_that_is_too_fast_is_told_to_wait() {
    let server = server().await;
    let owner = server.owner().await;
    let hook = hook(&server, &owner).await;
    let mut taken = 0;
    let refused = loop {
        let answered = hook.text("again").await;
        match answered.status {
            200 => taken += 1,
            _ => break answered,
        }
        assert!(taken < 200, "nobody was told to wait");
    };
    assert!((30..200).contains(&taken), "{taken}");
    assert_eq!(refused.status, 429);
    assert!(refused.text.to_ascii_lowercase().contains("retry-after: 1"), "{refused:?}");
}

/// Goal: who comes by HTTP writes no faster into a room than all its members together may.
#[tokio::test]
async fn webhooks_draw_on_the_rate_of_their_room() {
    let server = TestServer::start_with(|config| {
        config.webhooks = Some((Ipv4Addr::LOCALHOST, 0).into());
        config.limits.room_publish_per_second = 1;
    })
    .await;
    let owner = server.owner().await;
    let hook = hook(&server, &owner).await;
    let mut taken = 0;
    // Alone, the webhook might say 30 at once.
    while hook.text("again").await.status == 200 {
        taken += 1;
        assert!(taken < 15, "the room's rate was not drawn on");
    }
    assert_eq!(hook.text("again").await.status, 429);
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let server = server().await;
    let mut stream = TcpStream::connect(server.hooks.unwrap()).await.unwrap();
    stream.write_all(b"POST /hook/").await.unwrap();
    let mut bytes = Vec::new();
    soon("the end of patience", stream.read_to_end(&mut bytes)).await.unwrap();
}

#[tokio::test]
async fn a_webhook_ends_with_its_bots_rights() {
    let server = server().await;
    let owner = server.owner().await;
    let hook = hook(&server, &owner).await;
    assert_eq!(hook.text("one").await.status, 200);
    // What the bot may not, its webhook may not.
    let mute = ChangeBot { user: hook.bot, scope: Permissions::READ, rooms: None };
    let _: Done = owner.peer.ask(&mute).await.unwrap();
    assert_eq!(hook.text("two").await.status, 403);
    let may = ChangeBot { user: hook.bot, scope: Permissions::ANYTHING, rooms: None };
    let _: Done = owner.peer.ask(&may).await.unwrap();
    assert_eq!(hook.text("three").await.status, 200);
    // Ended by whoever moderates the room.
    let second: HookAnswer = owner.peer.ask(&CreateHook { room: hook.room, bot: hook.bot }).await.unwrap();
    let hooks: Hooks = owner.peer.ask(&ListHooks { room: hook.room, after: None }).await.unwrap();
    assert_eq!(hooks.hooks.len(), 2);
    let _: Done = owner.peer.ask(&RevokeHook { hook: second.hook }).await.unwrap();
    let ended = Hook { answer: second, ..hook };
    assert_eq!(ended.text("four").await.status, 404);
    let gone: Result<Done, Refusal> = owner.peer.ask(&RevokeHook { hook: ended.answer.hook }).await;
    assert_eq!(gone.unwrap_err().code, Code::NOT_FOUND);
}

#[tokio::test]
async fn a_bot_that_is_gone_speaks_no_more() {
    let server = server().await;
    let owner = server.owner().await;
    let hook = hook(&server, &owner).await;
    let _: Done = owner.peer.ask(&RevokeBot { user: hook.bot }).await.unwrap();
    assert_eq!(hook.text("one").await.status, 404);
    let hooks: Hooks = owner.peer.ask(&ListHooks { room: hook.room, after: None }).await.unwrap();
    assert!(hooks.hooks.is_empty());
}

/// Goal: a secret is worth no more than whoever answers for the bot behind it.
#[tokio::test]
async fn a_webhook_is_silent_while_the_owner_of_its_bot_is_out() {
    let server = server().await;
    let owner = server.owner().await;
    let ada = server.join(&owner, "ada").await;
    let hook = hook(&server, &ada).await;
    assert_eq!(hook.text("one").await.status, 200);
    let user = ada.me.user;
    let _: Done = owner.peer.ask(&Deactivate { user, reason: None }).await.unwrap();
    assert_eq!(hook.text("two").await.status, 403);
    let _: Done = owner.peer.ask(&Reactivate { user, reason: None }).await.unwrap();
    assert_eq!(hook.text("three").await.status, 200);
}

#[tokio::test]
async fn only_who_manages_the_room_makes_webhooks_and_only_of_their_own_bots() {
    let server = server().await;
    let owner = server.owner().await;
    let ada = server.join(&owner, "ada").await;
    let hook = hook(&server, &owner).await;
    let den = hook.room;
    let _: RoomAnswer = ada.peer.ask(&Join { room: den }).await.unwrap();
    let list: Result<Hooks, Refusal> = ada.peer.ask(&ListHooks { room: den, after: None }).await;
    assert_eq!(list.unwrap_err().code, Code::FORBIDDEN);
    let make: Result<HookAnswer, Refusal> = ada.peer.ask(&CreateHook { room: den, bot: hook.bot }).await;
    assert_eq!(make.unwrap_err().code, Code::FORBIDDEN);
    let end: Result<Done, Refusal> = ada.peer.ask(&RevokeHook { hook: hook.answer.hook }).await;
    assert_eq!(end.unwrap_err().code, Code::NOT_FOUND);
    let person: Result<HookAnswer, Refusal> =
        owner.peer.ask(&CreateHook { room: den, bot: ada.me.user }).await;
    assert_eq!(person.unwrap_err().code, Code::NOT_FOUND);
    // A bot that was sent out of the room has nothing to say there.
    let _: Done = owner.peer.ask(&RemoveMember { room: den, user: hook.bot, reason: None }).await.unwrap();
    assert!([403, 404].contains(&hook.text("one").await.status));
    let outside: Result<HookAnswer, Refusal> = owner.peer.ask(&CreateHook { room: den, bot: hook.bot }).await;
    assert_eq!(outside.unwrap_err().code, Code::CONFLICT);
}

#[tokio::test]
async fn a_server_without_a_listener_makes_no_webhooks() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let ask = CreateHook { room: owner.lobby().await, bot: owner.me.user };
    let refused: Result<HookAnswer, Refusal> = owner.peer.ask(&ask).await;
    assert_eq!(refused.unwrap_err().code, Code::UNSUPPORTED);
}
