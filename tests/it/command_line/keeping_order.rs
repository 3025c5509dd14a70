//! Every verb that keeps order: by its JSON, as a script uses it, and seen by a second person.

use tokio::time::Instant;

use crate::binaries::server::FAST;
use crate::binaries::{People, SOON, ServerProcess};

/// Goal: each verb does what it says, prints what the manual promises, and the others see it.
#[test]
fn every_verb_of_moderation_works_and_prints_what_the_manual_says() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, bob, cyd] = people.join_all(&server, ["ada", "bob", "cyd"]);
    let done = |ran: serde_json::Value, what: &str| {
        assert_eq!((ran["type"].as_str(), ran["what"].as_str()), (Some("done"), Some(what)), "{ran}");
        assert!(ran["id"].is_string(), "{ran}");
    };
    ada.json(&["create", "garden"]);
    for other in [&bob, &cyd] {
        other.json(&["enter", "garden"]);
    }
    done(ada.json(&["role", "garden", "bob", "moderator", "--reason", "kind"]), "role-set");
    done(ada.json(&["permissions", "garden", "cyd", "read", "send", "pin"]), "permissions-set");
    let shown = ada.json(&["permissions", "garden", "cyd"]);
    assert_eq!(shown["permissions"], serde_json::json!(["read", "send", "pin"]));
    done(ada.json(&["permissions", "garden", "cyd", "--of-role"]), "permissions-set");
    ada.run(["permissions", "garden", "nobody"]).code(3);

    let seq = cyd.json(&["send", "garden", "buy"])["seq"].to_string();
    done(ada.json(&["report", "garden", &seq, "spam"]), "reported");
    let report = bob.json(&["reports", "garden"]);
    assert_eq!((report["type"].as_str(), report["reason"].as_str()), (Some("report"), Some("spam")));
    assert_eq!(report["seq"].to_string(), seq);
    cyd.run(["reports", "garden"]).code(4);
    let number = report["report"].to_string();
    done(bob.json(&["resolve", &number, "--reason", "warned"]), "resolved");

    done(bob.json(&["mute", "garden", "cyd", "--for", "1h"]), "muted");
    cyd.run(["send", "garden", "x"]).code(4).says("muted");
    done(bob.json(&["unmute", "garden", "cyd"]), "unmuted");
    cyd.run(["send", "garden", "x"]).done();
    done(bob.json(&["kick", "garden", "cyd", "--reason", "spam"]), "kicked");
    cyd.run(["enter", "garden"]).done();
    done(bob.json(&["ban", "garden", "cyd", "--for", "2h", "--reason", "spam"]), "banned");
    let ban = bob.json(&["bans", "garden"]);
    assert_eq!((ban["type"].as_str(), ban["sanction"].as_str()), (Some("sanction"), Some("ban")));
    assert!(ban["until_ms"].is_u64() && ban["by"].is_string(), "{ban}");
    cyd.run(["enter", "garden"]).code(4).says("banned");
    done(bob.json(&["unban", "garden", "cyd"]), "unbanned");
    cyd.run(["enter", "garden"]).done();

    let room = ada.json(&["room", "set", "garden", "--read-only", "on", "--slow", "30s"]);
    assert_eq!((room["type"].as_str(), room["read_only"].as_bool()), (Some("room"), Some(true)));
    assert_eq!(room["slow_ms"], 30_000);
    cyd.run(["send", "garden", "x"]).code(4);
    ada.json(&["room", "set", "garden", "--read-only", "off", "--slow", "0s", "--invite-only", "on"]);
    bob.run(["leave", "garden"]).done();
    bob.run(["enter", "garden"]).code(4).says("invited");

    done(ada.json(&["transfer", "garden", "cyd"]), "transferred");
    done(ada.json(&["purge-user", "cyd", "--everywhere", "--reason", "spam"]), "purged");
    done(ada.json(&["server-role", "bob", "admin"]), "server-role-set");
    let act = ada.json(&["audit", "--limit", "1"]);
    let fields = (act["type"].as_str(), act["act"].as_str(), act["detail"].as_str());
    assert_eq!(fields, (Some("act"), Some("server-role"), Some("member to admin")));
    done(bob.json(&["deactivate", "cyd", "--reason", "spam"]), "deactivated");
    cyd.run(["rooms"]).code(4);
    done(bob.json(&["reactivate", "cyd"]), "reactivated");
    cyd.run(["rooms"]).done();

    // The log says it all, in words and as objects.
    let log = ada.run(["history", "garden", "--json"]).done().objects();
    let kinds: Vec<&str> = log.iter().filter_map(|object| object["type"].as_str()).collect();
    for kind in ["role-change", "sanction-change", "settings-change", "erasure"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    let theirs = log.iter().filter(|object| object["nickname"] == "cyd" && object["type"] == "message");
    assert!(theirs.clone().count() == 2 && theirs.clone().all(|object| object["erased"] == true));
    let words = ada.run(["history", "garden"]).done().stdout;
    for said in [
        "ada made bob moderator: kind",
        "bob banned cyd for 7200 s: spam",
        "ada made cyd owner",
        "cyd: (erased)",
    ] {
        assert!(words.contains(said), "{said}: {words}");
    }
}

/// Goal: what was granted is done to its end, whatever becomes of the server in between.
#[test]
fn a_purge_goes_on_after_kill_9() {
    const MESSAGES: usize = 2_000;
    let mut server = ServerProcess::start_with(FAST);
    let people = People::new();
    let [ada, bob, cyd] = people.join_all(&server, ["ada", "bob", "cyd"]);
    let lines: String = (0..MESSAGES).map(|number| format!("spam {number}\n")).collect();
    bob.run_with(["send", "lobby", "--each-line"], lines.as_bytes()).done();
    cyd.run(["send", "lobby", "something else"]).done();
    let mut asked = ada.start(["purge-user", "bob", "--room", "lobby"]);
    // The note that it shall be so comes before the first step; the kill comes somewhere behind it.
    let begin = Instant::now();
    while !cyd.run(["history", "lobby", "--limit", "1"]).done().stdout.contains("erased everything") {
        assert!(begin.elapsed() < SOON, "nobody heard of the purge");
    }
    server.kill();
    asked.kill();
    server.restart();
    let left = || cyd.run(["search", "spam", "--json", "--limit", "1"]).done().objects();
    while left().len() > 1 {
        assert!(begin.elapsed() < SOON * 2, "the purge does not go on");
    }
    let dan = people.join("dan", &ada.invite(&[]));
    let log = dan.run(["tail", "lobby", "--since", "start", "--until-caught-up", "--json"]).done().objects();
    let erased = log.iter().filter(|entry| entry["erased"].is_string() || entry["erased"] == true).count();
    assert_eq!(erased, MESSAGES);
    assert_eq!(log.iter().filter(|entry| entry["text"] == "something else").count(), 1);
}
