//! `away`, `back`, `settings`, `receipts`: by their JSON, and as a second person sees it.

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::binaries::{Cli, People, SOON, ServerProcess};

/// The first object that is so, asked for again and again: connections end, and marks are made, a moment later.
#[track_caller]
fn until(by: &Cli, words: &[&str], is_so: impl Fn(&Value) -> bool) -> Value {
    let begin = Instant::now();
    loop {
        let objects = by.run(words.iter().chain(&["--json"])).done().objects();
        if let Some(object) = objects.iter().find(|object| is_so(object)) {
            return object.clone();
        }
        assert!(begin.elapsed() < SOON, "{objects:#?}");
    }
}

/// How somebody is listed in the lobby, once that is so.
#[track_caller]
fn listed(by: &Cli, nickname: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    until(by, &["who", "lobby"], |member| member["nickname"] == nickname && is_so(member))
}

fn is_offline(member: &Value) -> bool {
    member["presence"] == "offline"
}

#[test]
fn being_away_is_said_of_all_devices_and_seen_by_others() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, bob] = people.join_all(&server, ["ada", "bob"]);
    let phone = people.join("phone", &bob.invite(&["--device"]));

    // Nobody is connected but the command itself, which is told.
    let alone = bob.run(["away"]).done().says("away").says("none of your devices is connected");
    assert_eq!(alone.stdout, "");

    let mut chat = phone.start(["chat", "lobby"]);
    chat.stderr.until("/help for help");
    let said = bob.json(&["away", "at", "lunch", "☕"]);
    assert_eq!(said["type"], "presence");
    assert_eq!((&said["presence"], &said["away_text"]), (&json!("away"), &json!("at lunch ☕")));
    assert_eq!(said["other_connections"], 1);
    let seen = listed(&ada, "bob", |member| member["presence"] == "away");
    assert_eq!((&seen["online"], &seen["away_text"]), (&json!(true), &json!("at lunch ☕")));
    assert!(ada.run(["who", "lobby"]).done().stdout.contains("away: at lunch ☕"));
    assert_eq!(bob.json(&["back"])["presence"], "online");
    listed(&ada, "bob", |member| member["presence"] == "online");

    // The same by the keys of a chat, and seen by whoever chats.
    chat.type_line("/away");
    chat.stderr.until("-- you are away");
    let mut here = ada.start(["chat", "lobby"]);
    here.stderr.until("/help for help");
    here.type_line("/who");
    here.stderr.until("-- here: ada, bob (away)");
    chat.type_line("/typing");
    here.stderr.until("-- bob is typing");
    chat.type_line("/back");
    chat.stderr.until("-- you are here");
    chat.end().done();
    here.end().done();
    listed(&ada, "bob", is_offline);
    for bad in ["a\u{1b}[2Jb", "a\u{202e}b", &"x".repeat(129)] {
        bob.run(["away", bad]).code(2);
    }
}

#[test]
fn when_somebody_was_last_there_is_told_only_if_they_allow_it() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, bob] = people.join_all(&server, ["ada", "bob"]);
    let off = json!({"v": 1, "type": "settings", "receipts": false, "last_seen": false});
    assert_eq!(bob.json(&["settings"]), off);
    assert_eq!(listed(&ada, "bob", is_offline)["last_seen_ms"], Value::Null);

    assert_eq!(bob.json(&["settings", "--last-seen", "on"])["last_seen"], true);
    let seen = listed(&ada, "bob", |member| member["last_seen_ms"].is_u64());
    assert_eq!((&seen["presence"], seen["last_seen_ms"].as_u64().unwrap() % 600_000), (&json!("offline"), 0));
    assert!(ada.run(["who", "lobby"]).done().stdout.contains("last seen"));

    assert_eq!(bob.json(&["settings", "--last-seen", "off"]), off);
    assert_eq!(listed(&ada, "bob", is_offline)["last_seen_ms"], Value::Null, "gone at once");
    bob.run(["settings", "--last-seen", "perhaps"]).code(2);
    bob.run(["settings"]).done();
}

#[test]
fn receipts_are_for_those_who_give_them() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, bob] = people.join_all(&server, ["ada", "bob"]);
    ada.run(["receipts", "lobby"]).code(4).says("only who tells how far they have read");
    ada.run(["receipts", "nowhere"]).code(3);
    for who in [&ada, &bob] {
        assert_eq!(who.json(&["settings", "--receipts", "on"])["receipts"], true);
    }
    let none = ada.run(["receipts", "lobby"]).done().says("nobody here tells");
    assert_eq!(none.stdout, "");

    let seq = ada.json(&["send", "lobby", "read this"])["seq"].clone();
    let mut chat = bob.start(["chat", "lobby"]);
    chat.stdout.until("read this");
    let told = until(&ada, &["receipts", "lobby"], |receipt| receipt["seq"] == seq);
    let fields = (&told["type"], &told["nickname"], &told["room_name"]);
    assert_eq!(fields, (&json!("receipt"), &json!("bob"), &json!("lobby")));
    assert!(ada.run(["receipts", "lobby"]).done().stdout.contains(&format!("bob  [{seq}]")));
    chat.end().done();

    bob.run(["settings", "--receipts", "off"]).done();
    ada.run(["receipts", "lobby"]).done().says("nobody here tells");
    bob.run(["receipts", "lobby"]).code(4);
}
