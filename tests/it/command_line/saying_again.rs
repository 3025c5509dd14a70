//! Every verb about what was said: by its JSON, as a script uses it, and seen by a second person.

use serde_json::json;

use crate::binaries::{People, ServerProcess};

/// Goal: each verb does what it says, prints what the manual promises, and the others see it.
#[test]
fn every_verb_about_what_was_said_works_and_prints_what_the_manual_says() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, bob] = people.join_all(&server, ["ada", "bob"]);
    ada.json(&["create", "den"]);
    bob.json(&["enter", "den"]);
    let sent = |ran: serde_json::Value| {
        assert_eq!(ran["type"], "sent", "{ran}");
        ran["seq"].to_string()
    };
    let said = sent(ada.json(&["send", "den", "helo", "--mention", "bob"]));
    sent(ada.json(&["edit", "den", &said, "hello", "there", "--mention", "bob", "--mention-room"]));
    bob.run(["edit", "den", &said, "mine"]).code(4).says("only its author");
    let within = sent(bob.json(&["send", "den", "yes", "--thread", &said, "--reply-to", &said]));
    sent(bob.json(&["react", "den", &said, "👍"]));
    assert_eq!(bob.json(&["react", "den", &said, "👍"])["duplicate"], true);
    sent(ada.json(&["react", "den", &said, "+1"]));
    sent(ada.json(&["unreact", "den", &said, "+1"]));
    ada.run(["unreact", "den", &said, "+1"]).code(3);
    let reacted = bob.json(&["reactions", "den", &said]);
    assert_eq!((&reacted["type"], &reacted["emoji"]), (&json!("reacted"), &json!("👍")));
    assert_eq!((&reacted["nickname"], &reacted["target"].to_string()), (&json!("bob"), &said));

    bob.run(["pin", "den", &said]).code(4);
    sent(ada.json(&["pin", "den", &said]));
    let pinned = bob.json(&["pins", "den"]);
    assert_eq!((&pinned["type"], &pinned["text"]), (&json!("pinned"), &json!("hello there")));
    sent(ada.json(&["unpin", "den", &said]));
    bob.run(["pins", "den"]).done().says("nothing is pinned");

    assert_eq!(ada.json(&["topic", "den", "tea and cake"])["topic"], "tea and cake");
    assert!(bob.run(["topic", "den"]).done().stdout.contains("#den: tea and cake"));
    bob.run(["topic", "den", "--none"]).code(4);
    assert_eq!(ada.json(&["rename", "den", "kitchen"])["room_name"], "kitchen");
    bob.run(["rename", "kitchen", "mine"]).code(4);
    bob.run(["history", "den"]).code(3);
    ada.run(["rename", "lobby", "hall"]).code(1).says("keeps its name");

    let thread = bob.run(["history", "kitchen", "--thread", &said, "--json"]).done().objects();
    assert_eq!(thread.len(), 2, "{thread:#?}");
    let (root, answer) = (&thread[0], &thread[1]);
    assert_eq!((&root["text"], &root["mentions_room"]), (&json!("hello there"), &json!(true)));
    assert!(root["edited_by"].is_string() && root["edited_ms"].is_u64(), "{root}");
    assert_eq!(root["reactions"], json!([{"emoji": "👍", "users": 1, "own": true}]));
    assert_eq!((answer["thread"].to_string(), answer["reply_to"].to_string()), (said.clone(), said.clone()));

    sent(ada.json(&["redact", "kitchen", &within, "--reason", "not here"]));
    ada.run(["redact", "kitchen", &within]).code(3).says("erased");
    let log = bob.run(["history", "kitchen", "--json"]).done().objects();
    let kinds: Vec<&str> = log.iter().filter_map(|object| object["type"].as_str()).collect();
    for kind in ["edit", "redaction", "reaction", "unreaction", "pin", "unpin", "topic-change", "name-change"]
    {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    let words = bob.run(["tail", "kitchen", "--since", "start", "--until-caught-up", "--own"]).done().stdout;
    for line in [
        "ada (edited): hello there",
        &format!("* ada edited {said}: hello there"),
        &format!("bob (to {said}, in {said}): (erased)"),
        &format!("* ada pinned {said}"),
        "* ada set the topic: tea and cake",
        "* ada named the room #kitchen",
        &format!("* ada erased {within}: not here"),
    ] {
        assert!(words.contains(line), "{line}: {words}");
    }
    assert!(bob.run(["history", "kitchen"]).done().stdout.contains("hello there [👍 1]"));
}
