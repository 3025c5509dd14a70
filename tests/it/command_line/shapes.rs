//! `--json`: every line an object of version 1, with the type and the fields that `docs/CLI.md` promises.

use serde_json::Value;

use crate::binaries::{Cli, People, ServerProcess};

/// The fields of `place` in the manual, for an entry somebody made.
const PLACE: &[&str] = &["room", "seq", "cursor", "at", "at_ms", "user", "nickname", "device", "own"];

#[track_caller]
fn has(object: &Value, kind: &str, fields: &[&str]) {
    assert_eq!(object["type"], kind, "{object}");
    for field in fields {
        assert!(!object[field].is_null(), "no {field}: {object}");
    }
}

#[track_caller]
fn all(cli: &Cli, words: &[&str]) -> Vec<Value> {
    cli.run(words.iter().chain(&["--json"])).done().objects()
}

/// Goal: a program written by the manual reads everything.
#[test]
fn json_is_what_the_manual_says() {
    let server = ServerProcess::start();
    let people = People::new();
    let ada = people.profile("ada");
    let account =
        &["profile", "host", "port", "fingerprint", "user", "nickname", "role", "device", "device_name"];
    has(&ada.json(&["join", server.link(), "--nick", "ada"]), "account", account);
    has(&ada.json(&["whoami"]), "account", account);
    let invite = ada.json(&["invite", "new", "--uses", "2"]);
    has(&invite, "invite-link", &["invite", "link", "expires", "expires_ms"]);
    let maria = people.join("maria", invite["link"].as_str().unwrap());
    let fields = &["invite", "uses_left", "expires", "expires_ms", "redeemed_by"];
    assert!(!all(&ada, &["invite", "list"]).is_empty());
    for object in all(&ada, &["invite", "list"]) {
        has(&object, "invite", fields);
    }

    let room = &["room", "room_name", "cursor", "visibility", "membership", "role", "members"];
    has(&ada.json(&["create", "garden", "--topic", "flowers"]), "room", room);
    has(&maria.json(&["enter", "garden"]), "room", room);
    assert_eq!(all(&ada, &["rooms", "--all"]).len(), 2);
    for object in all(&ada, &["rooms"]) {
        has(&object, "room", &[room, &["unread", "marker"][..]].concat());
    }
    has(&ada.json(&["add", "garden", "maria"]), "done", &["what", "id"]);
    for object in all(&ada, &["who", "garden"]) {
        has(&object, "member", &["room", "room_name", "user", "nickname", "role", "membership", "online"]);
    }
    for object in all(&ada, &["devices"]) {
        has(&object, "device", &["device", "name", "this", "online", "created_ms", "seen_ms"]);
    }
    for object in all(&ada, &["doctor"]) {
        has(&object, "check", &["name", "verdict", "detail"]);
    }

    let place = &["room", "room_name", "seq", "cursor", "at", "at_ms", "id"];
    let first = ada.json(&["send", "garden", "first"]);
    has(&first, "sent", place);
    ada.run(["send", "garden", "second", "--reply-to", &first["seq"].to_string()]).done();
    maria.run(["leave", "garden"]).done();
    let log = all(&ada, &["tail", "garden", "--since", "start", "--own", "--until-caught-up"]);
    let kinds: Vec<&str> = log.iter().map(|object| object["type"].as_str().unwrap()).collect();
    let entries = ["created", "member-change", "member-change", "message", "message", "member-change"];
    assert_eq!(kinds, [&entries[..], &["caught-up"]].concat());
    for object in &log[..entries.len()] {
        has(object, object["type"].as_str().unwrap(), PLACE);
    }
    assert_eq!(log[4]["reply_to"], first["seq"]);
    has(&log[6], "caught-up", &["room", "room_name", "seq", "cursor"]);
    assert_eq!(all(&ada, &["history", "garden"]), log[..entries.len()]);

    // A cursor goes back in, and what is behind it comes out.
    let cursor = log[3]["cursor"].as_str().unwrap();
    let rest = all(&ada, &["tail", "garden", "--since", cursor, "--own", "--until-caught-up"]);
    assert_eq!(rest[0], log[4]);
    assert_eq!(all(&ada, &["tail", "garden", "--since", cursor, "--own", "--limit", "1"]), log[4..5]);
}
