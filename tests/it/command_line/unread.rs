//! `read`, `unread`, `notify`, `mentions`: by their JSON, and on a second device of the same person.

use serde_json::{Value, json};

use crate::binaries::{Cli, People, ServerProcess};

/// How the lobby stands for somebody.
fn stands(cli: &Cli) -> (u64, Option<u64>, String) {
    let room = cli.json(&["rooms"]);
    let level = room["notify"].as_str().unwrap().to_owned();
    (room["unread"].as_u64().unwrap(), room["unread_from"].as_u64(), level)
}

#[test]
fn what_one_device_says_of_a_room_holds_on_the_other() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, bob] = people.join_all(&server, ["ada", "bob"]);
    let phone = people.join("phone", &bob.invite(&["--device"]));
    let seqs: Vec<u64> = ["one", "two", "three"]
        .map(|text| ada.json(&["send", "lobby", text])["seq"].as_u64().unwrap())
        .into();
    assert_eq!(stands(&phone), (3, None, "all".into()));
    let second = seqs[1].to_string();
    let done = bob.json(&["read", "lobby", &second]);
    assert_eq!((&done["type"], &done["what"]), (&json!("done"), &json!("read")));
    assert_eq!(stands(&phone), (1, None, "all".into()));
    assert_eq!(bob.json(&["read", "lobby"])["what"], "read");
    assert_eq!(stands(&phone), (0, None, "all".into()));

    assert_eq!(phone.json(&["unread", "lobby", &second])["what"], "unread");
    assert_eq!(stands(&bob), (2, Some(seqs[1]), "all".into()));
    assert!(bob.json(&["rooms"])["marker"].as_u64() >= Some(seqs[2]), "the furthest stays");
    // A conversation begins there, and reads it.
    let mut chat = bob.start(["chat", "lobby"]);
    chat.stderr.until("-- unread from here");
    chat.end().done();

    assert_eq!(phone.json(&["notify", "lobby", "nothing"])["what"], "notify-set");
    assert_eq!(bob.json(&["notify", "lobby"])["notify"], "nothing");
    let before = stands(&bob).0;
    ada.run(["send", "lobby", "four"]).done();
    assert_eq!((stands(&bob).0, stands(&bob).2), (before + 1, "nothing".into()));

    let none: Vec<Value> = bob.run(["mentions", "--json"]).done().objects();
    assert_eq!(none, [Value::Null; 0]);
    bob.run(["mentions", "--unread"]).done().says("nobody calls you");
    for (words, code) in [
        (["unread", "lobby", "x"], 2),
        (["notify", "lobby", "loud"], 2),
        (["read", "nowhere", "1"], 3),
        (["unread", "nowhere", "1"], 3),
    ] {
        bob.run(words).code(code);
    }
}

/// Goal: what a chat has shown is read, however soon it is left.
#[test]
fn what_a_chat_showed_last_is_read_when_it_ends() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, bob] = people.join_all(&server, ["ada", "bob"]);
    for text in ["one", "two", "three", "four"] {
        ada.run(["send", "lobby", text]).done();
        let mut chat = bob.start(["chat", "lobby"]);
        chat.stdout.until(&format!("ada: {text}"));
        chat.end().done();
        assert_eq!(stands(&bob).0, 0, "{text}");
    }
}

/// Goal: a message that calls somebody is in their list of calls, until it is read also as unread.
#[test]
fn a_message_that_calls_somebody_is_listed_for_them() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, bob] = people.join_all(&server, ["ada", "bob"]);
    let called = ada.json(&["send", "lobby", "have you seen this?", "--mention", "bob"]);
    ada.run(["send", "lobby", "and nobody is called by this"]).done();
    let call = bob.json(&["mentions"]);
    assert_eq!((&call["text"], &call["seq"]), (&json!("have you seen this?"), &called["seq"]));
    assert_eq!((&call["calls"], &call["unread"]), (&json!("you"), &json!(true)));
    assert_eq!(bob.json(&["rooms"])["mentions"], 1);
    bob.run(["read", "lobby"]).done();
    assert_eq!(bob.json(&["mentions"])["unread"], false);
    assert_eq!(bob.run(["mentions", "--unread", "--json"]).done().objects(), [Value::Null; 0]);
    ada.run(["send", "lobby", "everybody!", "--mention-room"]).done();
    assert!(bob.run(["mentions"]).done().stdout.lines().next().unwrap().contains("everybody!"));
}
