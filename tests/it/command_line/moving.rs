//! Logs on the move: what was said elsewhere comes in as data, and a room's own log goes out and comes back the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use quipu_client::protocol::entry::{Ext, Kind};
use quipu_client::protocol::{MessageId, RoomId, Seq};
use quipu_client::{Client, Config, Draft, ErrorCode};
use serde_json::Value;

use crate::binaries::server::FAST;
use crate::binaries::{Cli, People, SOON, ServerProcess, program};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The messages of a room as somebody reads them: author elsewhere, time there, text.
#[track_caller]
fn told(reader: &Cli, room: &str) -> Vec<(String, String, String)> {
    let log = reader.run(["history", room, "--limit", "5000", "--json"]).done().objects();
    let messages = log.iter().filter(|object| object["type"] == "message");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    messages.map(|it| (text(&it["origin"]["author"]), text(&it["origin"]["at"]), text(&it["text"]))).collect()
}

#[track_caller]
fn imported(ran: &Value) -> (u64, u64, u64) {
    assert_eq!(ran["type"], "imported", "{ran}");
    let number = |field: &str| ran[field].as_u64().unwrap();
    (number("added"), number("known"), number("left_out"))
}

/// Goal: who said what, and when, comes in as data; a second run, or one that was broken off, doubles nothing.
#[test]
fn an_irc_log_comes_in_once_with_its_authors_and_times() {
    let server = ServerProcess::start_with(FAST);
    let people = People::new();
    let [ada, bob] = people.join_all(&server, ["ada", "bob"]);
    ada.json(&["create", "caves"]);
    bob.run(["enter", "caves"]).done();
    let log = sample("2010-08-17.log");
    let import = |who: &Cli, file: &Path| {
        who.run([Path::new("import"), Path::new("irc"), file, Path::new("--room=caves"), Path::new("--json")])
    };
    import(&bob, &log).code(4);

    // Broken off: the first half is all there is of the file.
    let half = tempfile::tempdir().unwrap();
    let half = half.path().join("2010-08-17-half.log");
    let bytes = fs::read(&log).unwrap();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    fs::write(&half, lines[..5].concat()).unwrap();
    assert_eq!(imported(&import(&ada, &half).done().objects()[0]), (3, 0, 2));
    assert_eq!(imported(&import(&ada, &log).done().objects()[0]), (5, 3, 4));
    assert_eq!(imported(&import(&ada, &log).done().objects()[0]), (0, 8, 4));

    let expected = [
        ("gos", "2010-08-17T21:58", "hello, is anybody here?"),
        ("ada", "2010-08-17T21:59", "yes"),
        ("ada", "2010-08-17T21:59", "yes"),
        ("gos", "2010-08-17T21:59", "* gos waves"),
        ("wumpus", "2010-08-17T23:58", "grüße aus der Höhle, 日本"),
        ("gos", "2010-08-18T00:01", "it is late; $(rm -rf /) `id` \"quoted\" \\back"),
        ("old", "2010-08-18T00:03", "café in Latin-1"),
        ("gos", "2010-08-18T00:04", "\u{3}04red\u{3} and \u{2}bold\u{2}"),
    ]
    .map(|(author, at, text)| (author.to_owned(), format!("{at}:00.000Z"), text.to_owned()));
    assert_eq!(told(&bob, "caves"), expected);
    let words = bob.run(["history", "caves"]).done().stdout;
    assert!(words.contains("ada (wumpus, 2010-08-17 23:58): grüße"), "{words}");
    ada.run(["import", "irc", "nowhere.log", "--room", "caves"]).code(1);
    let undated = half.with_file_name("undated.log");
    fs::copy(&half, &undated).unwrap();
    fs::write(&undated, "[10:00] <a> x\n").unwrap();
    let undated = undated.to_str().unwrap();
    ada.run(["import", "irc", undated, "--room", "caves"]).code(2).says("--date");
    let dated = ada.json(&["import", "irc", undated, "--room", "caves", "--date", "2010-08-19"]);
    assert_eq!(imported(&dated), (1, 0, 0));
}

/// Goal: every channel finds its room, threads stay threads, markup is read, and nothing is there twice.
#[test]
fn a_slack_export_comes_in_channel_by_channel() {
    let server = ServerProcess::start_with(FAST);
    let people = People::new();
    let [ada, bob] = people.join_all(&server, ["ada", "bob"]);
    let folder = sample("slack");
    let folder = folder.to_str().unwrap();
    let ran = ada.run(["import", "slack", folder, "--json"]).done();
    assert_eq!(ran.objects().iter().map(imported).collect::<Vec<_>>(), [(4, 0, 1), (0, 0, 0), (1, 0, 0)]);
    let again = ada.run(["import", "slack", folder, "--json"]).done();
    assert_eq!(again.objects().iter().map(imported).collect::<Vec<_>>(), [(0, 4, 1), (0, 0, 0), (0, 1, 0)]);

    bob.run(["enter", "general"]).done();
    let expected = [
        ("maria", "2012-12-14T20:38:43.000Z", "hello @bob & all, see the page (https://example.org/a?b=1&c)"),
        ("bob", "2012-12-14T20:40:00.000Z", "with a picture\n[cat.png: https://files.example.org/cat.png]"),
        ("bob", "2012-12-15T16:46:40.000Z", "in the thread"),
        ("ci", "2012-12-15T16:46:41.000Z", "build failed"),
    ]
    .map(|(author, at, text)| (author.to_owned(), at.to_owned(), text.to_owned()));
    assert_eq!(told(&bob, "general"), expected);
    let exported = ada.run(["export-room", "general"]).done().objects();
    let seq =
        |text: &str| exported.iter().find(|line| line["text"] == text).unwrap()["seq"].as_u64().unwrap();
    let reply = exported.iter().find(|line| line["text"] == "in the thread").unwrap();
    let root =
        quipu_client::protocol::cbor::decode::<Ext>(&unhex(reply["exact"]["ext"].as_str().unwrap()), "Ext");
    assert_eq!(root.unwrap().thread_root, Some(Seq(seq(&expected[0].2))));
    // A private channel is a private room.
    bob.run(["enter", "secret-plans"]).code(3);
    assert_eq!(told(&ada, "secret-plans")[0].2, "@here nobody knows this account");

    ada.json(&["create", "old"]);
    let one = ["import", "slack", folder, "--channel", "general", "--room", "old"];
    assert_eq!(imported(&ada.json(&one)), (4, 0, 1));
    ada.run(["import", "slack", folder, "--room", "old"]).code(2).says("--channel");
    ada.run(["import", "slack", folder, "--channel", "none"]).code(3);
    ada.run(["import", "slack", sample("slack/users.json").to_str().unwrap()]).code(2).says("unpack");
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Publishes what the command line has no word for.
async fn publish(folder: &Path, drafts: impl IntoIterator<Item = (RoomId, Draft)>) {
    let client = loop {
        match Client::open(Config::new(folder)).await {
            Err(error) if error.code == ErrorCode::Locked => tokio::task::yield_now().await,
            opened => break opened.unwrap(),
        }
    };
    client.start().await.unwrap();
    for (room, draft) in drafts {
        let id: MessageId = client.send(room, draft).await.unwrap();
        client.wait_sent(id, SOON).await.unwrap();
    }
    client.shutdown().await;
}

fn about(kind: Kind, target: u64, body: &str) -> Draft {
    let ext = Ext { target: Some(Seq(target)), ..Ext::default() };
    Draft { kind, body: body.into(), ext, ..Draft::text("") }
}

fn operate(server: &ServerProcess, words: &[&str]) -> (Option<i32>, String) {
    let ran = Command::new(program("quipu-server"))
        .current_dir(server.folder())
        .args(["--config", "quipu.toml"])
        .args(words)
        .output()
        .unwrap();
    (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
}

/// What must be the same in two rooms with one log.
fn without_the_room(mut lines: Vec<Value>) -> Vec<Value> {
    for line in &mut lines {
        let line = line.as_object_mut().unwrap();
        for field in ["room", "room_name", "cursor", "incarnation", "own"] {
            line.remove(field);
        }
    }
    lines
}

/// A room with an entry of every kind there is, and several that were changed or erased.
async fn eventful(people: &People, server: &ServerProcess) -> [Cli; 3] {
    let [ada, bob, cyd] = people.join_all(server, ["ada", "bob", "cyd"]);
    ada.json(&["create", "garden", "--topic", "flowers"]);
    for who in [&bob, &cyd] {
        who.run(["enter", "garden"]).done();
    }
    let seq = |who: &Cli, text: &str| who.json(&["send", "garden", text])["seq"].as_u64().unwrap();
    let (kept, edited) = (seq(&ada, "kept \u{1b}[2J größe \"x\""), seq(&bob, "frist"));
    let erased = seq(&bob, "a mistake");
    cyd.run(["send", "garden", "spam"]).done();
    let room: RoomId = ada.json(&["send", "garden", "x"])["room"].as_str().unwrap().parse().unwrap();
    let bobs = [
        about(Kind::REACTION, kept, "👍"),
        about(Kind::REACTION, erased, "🙈"),
        about(Kind::EDIT, edited, "first"),
        about(Kind::REDACTION, erased, ""),
        about(Kind::UNREACTION, kept, "👍"),
        about(Kind::REACTION, kept, "🎉"),
        Draft::text("in a thread, to ada").replying_to(Seq(kept)),
    ];
    publish(&bob.data().join("bob"), bobs.map(|draft| (room, draft))).await;
    publish(&ada.data().join("ada"), [(room, about(Kind::PIN, edited, ""))]).await;
    let file = ada.data().join("note.txt");
    fs::write(&file, "content").unwrap();
    ada.run(["send", "garden", "with a file", "--attach", file.to_str().unwrap()]).done();
    ada.run(["role", "garden", "bob", "moderator", "--reason", "kind"]).done();
    ada.run(["room", "set", "garden", "--slow", "1s"]).done();
    ada.run(["ban", "garden", "cyd", "--reason", "spam"]).done();
    ada.run(["purge-user", "cyd", "--room", "garden"]).done();
    [ada, bob, cyd]
}

/// Goal: the log that comes back is entry by entry the one that went out, and everybody stands where they stood.
#[tokio::test(flavor = "multi_thread")]
async fn a_room_goes_out_and_comes_back_the_same() {
    let mut server = ServerProcess::start_with(FAST);
    let people = People::new();
    let [ada, bob, cyd] = eventful(&people, &server).await;
    let exported = ada.run(["export-room", "garden"]).done();
    let file = server.folder().join("garden.jsonl");
    fs::write(&file, &exported.stdout).unwrap();
    let before = exported.objects();
    let kinds: std::collections::BTreeSet<u64> =
        before.iter().filter_map(|line| line["exact"]["kind"].as_u64()).collect();
    for kind in [0, 1, 2, 3, 4, 5, 16, 17, 20, 21, 22, 23] {
        assert!(kinds.contains(&kind), "no entry of kind {kind}: {kinds:?}");
    }
    cyd.run(["export-room", "garden"]).code(4);

    let (code, said) = operate(&server, &["import-room", "garden.jsonl", "--name", "again"]);
    assert_eq!(code, Some(4), "a server that runs has its store for itself: {said}");
    server.stop();
    let (code, said) = operate(&server, &["import-room", "garden.jsonl"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("there is a room called garden"), "{said}");
    let (code, said) = operate(&server, &["import-room", "garden.jsonl", "--name", "again"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("{} entries", before.len() - 1)), "{said}");
    server.restart();

    let after = ada.run(["export-room", "again"]).done().objects();
    assert_eq!(without_the_room(after), without_the_room(before));
    // A second person reads the same, and is what they were: a moderator of a room in which cyd is banned.
    let read = |room| without_the_room(bob.run(["history", room, "--json"]).done().objects());
    assert_eq!(read("again"), read("garden"));
    let members = |room| {
        let rows = ada.run(["who", room, "--json"]).done().objects();
        rows.iter().map(|row| (row["nickname"].to_string(), row["role"].to_string())).collect::<Vec<_>>()
    };
    assert_eq!(members("again"), members("garden"));
    cyd.run(["enter", "again"]).code(4).says("banned");
    let room = ada.json(&["room", "set", "again", "--slow", "2s"]);
    assert_eq!(room["slow_ms"], 2_000);
    // The log goes on where it ended, is unread only by what is new, and what it says is found.
    let unread = |who: &Cli| {
        let rooms = who.run(["rooms", "--json"]).done().objects();
        rooms.iter().find(|room| room["room_name"] == "again").unwrap()["unread"].as_u64().unwrap()
    };
    assert_eq!(unread(&bob), 0);
    ada.run(["send", "again", "new"]).done();
    assert_eq!(unread(&bob), 1);
    let found = bob.run(["search", "first", "--room", "again", "--json"]).done().objects();
    assert!(found.iter().any(|hit| hit["type"] == "found"), "{found:?}");
}

/// Goal: what is no export, or one with a hole, makes no room at all; and elsewhere it needs an owner.
#[test]
fn a_broken_export_makes_no_room() {
    let mut server = ServerProcess::start_with(FAST);
    let people = People::new();
    let [ada] = people.join_all(&server, ["ada"]);
    ada.json(&["create", "garden"]);
    for text in ["one", "two", "three"] {
        ada.run(["send", "garden", text]).done();
    }
    let whole = ada.run(["export-room", "garden"]).done().stdout;
    let lines: Vec<&str> = whole.lines().collect();
    server.stop();
    let import = |server: &ServerProcess, text: &str, words: &[&str]| {
        fs::write(server.folder().join("file"), text).unwrap();
        operate(server, &[&["import-room", "file"], words].concat())
    };
    let without = |left_out: usize| {
        let kept = lines.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, line)| *line);
        kept.collect::<Vec<_>>().join("\n")
    };
    for (text, why) in [
        (String::new(), "the file is empty"),
        ("{}\n".to_owned(), "not a line of an export"),
        (lines[0].replace("room-export", "room"), "no export of a room"),
        (lines[0].to_owned(), "has no entries"),
        (without(2), "where 2 should be"),
        (without(lines.len() - 1), "ends at entry"),
        (whole.replace("\"two\"", "\"t\\ud800\""), "not a line of an export"),
        (whole.replace(r#""seq":4,"#, r#""seq":4,"device":"x","#), "line"),
        (format!("{whole}{}", lines[1]), "where"),
    ] {
        let (code, said) = import(&server, &text, &["--name", "again"]);
        assert_eq!(code, Some(2), "{why}: {said}");
        assert!(said.contains(why), "{why}: {said}");
        assert!(!said.contains("two"), "what people said is repeated: {said}");
    }
    server.restart();
    ada.run(["history", "again"]).code(3);

    // Another server knows nobody of them.
    let mut other = ServerProcess::start_with(FAST);
    let elsewhere = People::new();
    let [eve] = elsewhere.join_all(&other, ["eve"]);
    other.stop();
    let (code, said) = import(&other, &whole, &[]);
    assert_eq!((code, said.contains("--owner")), (Some(2), true), "{said}");
    let (code, said) = import(&other, &whole, &["--owner", "eve"]);
    assert_eq!(code, Some(0), "{said}");
    other.restart();
    let after = eve.run(["export-room", "garden"]).done().objects();
    let names = |lines: Vec<Value>| -> Vec<Value> {
        let mut lines = without_the_room(lines);
        for line in &mut lines {
            line.as_object_mut().unwrap().remove("nickname");
        }
        lines
    };
    let before: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(names(after), names(before));
    eve.run(["send", "garden", "mine now"]).done();
}
