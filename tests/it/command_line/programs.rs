//! Programs take part: bots by their own profiles, webhooks by plain HTTP, and people see what they say.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::binaries::{Cli, People, SOON, ServerProcess};

const HOOKS: &str = "[webhooks]\nlisten = \"127.0.0.1:0\"\n";

#[track_caller]
fn is_done(ran: &Value, what: &str) {
    assert_eq!((ran["type"].as_str(), ran["what"].as_str()), (Some("done"), Some(what)), "{ran}");
    assert!(ran["id"].is_string(), "{ran}");
}

/// What stands in a room, by author.
#[track_caller]
fn said(reader: &Cli, room: &str) -> Vec<(String, String)> {
    let log = reader.run(["history", room, "--json"]).done().objects();
    let text = |object: &Value, field: &str| object[field].as_str().unwrap_or_default().to_owned();
    log.iter()
        .filter(|object| object["type"] == "message")
        .map(|object| (text(object, "nickname"), text(object, "text")))
        .collect()
}

/// Goal: a bot is made, held to less, let in once more and shut out, all by its owner's commands.
#[test]
fn a_bot_lives_and_ends_by_the_command_line() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, bob] = people.join_all(&server, ["ada", "bob"]);
    ada.json(&["create", "garden"]);
    bob.run(["enter", "garden"]).done();
    let made = ada.json(&["bots", "new", "weather", "--room", "garden", "--may", "read,send"]);
    assert_eq!((made["type"].as_str(), made["nickname"].as_str()), (Some("bot-link"), Some("weather")));
    let weather = people.join("weather", made["link"].as_str().unwrap());
    assert_eq!(weather.json(&["whoami"])["role"], "bot");
    weather.run(["send", "garden", "sunny"]).done();
    assert_eq!(said(&bob, "garden"), [("weather".to_owned(), "sunny".to_owned())]);
    weather.run(["send", "lobby", "x"]).code(3);

    let listed = ada.json(&["bots"]);
    assert_eq!(
        (listed["type"].as_str(), &listed["may"]),
        (Some("bot"), &serde_json::json!(["read", "send"]))
    );
    assert_eq!((&listed["devices"], listed["rooms"].as_array().map(Vec::len)), (&1.into(), Some(1)));
    assert!(bob.run(["bots", "--json"]).done().objects().is_empty());

    is_done(&ada.json(&["bots", "hold", "weather", "--room", "garden", "--may", "read"]), "bot-held");
    weather.run(["send", "garden", "x"]).code(4).says("scope");
    bob.run(["bots", "hold", "weather"]).code(3);
    ada.run(["bots", "hold", "weather", "--may", "fly"]).code(2).says("permission");

    let spare = ada.json(&["bots", "invite", "weather"]);
    let second = people.profile("second");
    second.run(["join", spare["link"].as_str().unwrap(), "--nick", "weather", "--yes"]).done();
    assert_eq!(second.json(&["whoami"])["user"], made["user"]);
    is_done(&ada.json(&["bots", "revoke", "weather"]), "bot-revoked");
    for profile in [&weather, &second] {
        profile.run(["rooms"]).code(4);
    }
    let words = ada.run(["bots"]).done().stdout;
    assert!(words.contains("weather") && words.contains("revoked"), "{words}");
    ada.run(["server-role", "weather", "member"]).code(1).says("a bot stays a bot");
}

/// Says something at a webhook's address, and gives the status and the answer's body.
fn post(url: &str, key: &str, body: &str) -> (u16, String) {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let head = format!("POST /{path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n", body.len());
    let about = format!("content-type: application/json\r\nidempotency-key: {key}\r\n\r\n");
    stream.write_all([&head, about.as_str(), body].concat().as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Goal: the address that is printed is one at which a program speaks, until it is ended.
#[test]
fn a_webhook_is_made_used_and_ended_by_the_command_line() {
    let server = ServerProcess::start_with(HOOKS);
    let people = People::new();
    let [ada, bob] = people.join_all(&server, ["ada", "bob"]);
    ada.json(&["create", "garden"]);
    bob.run(["enter", "garden"]).done();
    ada.json(&["bots", "new", "ci", "--room", "garden"]);
    let made = ada.json(&["hooks", "new", "garden", "--bot", "ci"]);
    assert_eq!((made["type"].as_str(), made["room_name"].as_str()), (Some("hook-url"), Some("garden")));
    let url = made["url"].as_str().unwrap();
    for duplicate in [false, true] {
        let (status, body) =
            post(url, "build-7", r#"{"text":"build 7","attachments":[{"fallback":"failed"}]}"#);
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, body["duplicate"].as_bool()), (200, Some(duplicate)), "{body}");
    }
    assert_eq!(said(&bob, "garden"), [("ci".to_owned(), "build 7\nfailed".to_owned())]);
    let listed = ada.json(&["hooks", "list", "garden"]);
    assert_eq!((listed["type"].as_str(), &listed["hook"]), (Some("hook"), &made["hook"]));
    assert!(listed["url"].is_null(), "an address is shown once");
    bob.run(["hooks", "list", "garden"]).code(4);
    let hook = made["hook"].as_str().unwrap();
    is_done(&ada.json(&["hooks", "revoke", hook]), "hook-revoked");
    assert_eq!(post(url, "build-8", r#"{"text":"x"}"#).0, 404);
    ada.run(["hooks", "revoke", hook]).code(3);
}

#[test]
fn a_server_that_takes_no_webhooks_says_so() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada] = people.join_all(&server, ["ada"]);
    ada.json(&["create", "garden"]);
    ada.json(&["bots", "new", "ci", "--room", "garden"]);
    ada.run(["hooks", "new", "garden", "--bot", "ci"]).code(1).says("does not listen");
}
