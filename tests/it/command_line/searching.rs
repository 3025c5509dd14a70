//! People find what was said.

use crate::binaries::{People, ServerProcess};

/// Goal: what was found says where it stands, and what was not searched is said.
#[test]
fn what_was_said_is_found_and_opened() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    ada.run(["send", "lobby", "the Backup is done"]).done();
    maria.run(["send", "lobby", "which backup?"]).done();
    ada.run(["create", "ops", "--private"]).done();
    ada.run(["send", "ops", "the backup key is under the mat"]).done();

    let found = maria.run(["search", "backup", "--utc"]).done();
    let lines: Vec<&str> = found.stdout.lines().collect();
    assert!(lines.len() == 2 && lines[0].ends_with("maria: which backup?"), "{found}");
    assert!(lines[1].contains(" #lobby [") && lines[1].ends_with("ada: the Backup is done"), "{found}");
    let seq = lines[1].split(['[', ']']).nth(1).unwrap();
    let around = maria.run(["history", "lobby", "--around", seq, "--limit", "1"]).done();
    assert!(around.stdout.contains("the Backup is done"), "{around}");

    assert_eq!(ada.run(["search", "backup"]).done().stdout.lines().count(), 3);
    assert_eq!(ada.run(["search", "backup", "--without", "key"]).done().stdout.lines().count(), 2);
    assert_eq!(ada.run(["search", "backup", "--", "-key"]).done().stdout.lines().count(), 2);
    assert_eq!(
        ada.run(["search", "back*", "--room", "ops", "--room", "lobby"]).done().stdout.lines().count(),
        3
    );
    assert_eq!(ada.run(["search", "--from", "maria", "--since", "1h"]).done().stdout.lines().count(), 1);
    maria.run(["search", "mat", "key"]).done().says("nothing found");
    maria.run(["search", "backup", "--has-file"]).done().says("nothing found");
    maria.run(["search", "backup", "--until", "1h"]).done().says("nothing found");
    maria.run(["search", "done", "!!"]).done().says("not searched for: !!");
    maria.run(["search", "x", "--room", "ops"]).code(3);
    maria.run(["search"]).code(2).says("say what to search for");
    maria.run(["search", &"a".repeat(300)]).code(2);
}

/// Goal: a program pages through everything by what it was given.
#[test]
fn a_program_goes_on_where_it_stopped() {
    let server = ServerProcess::start_with(crate::binaries::server::FAST);
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let lines: String = (1..=150).map(|number| format!("apple {number}\n")).collect();
    ada.run_with(["send", "lobby", "--each-line"], lines.as_bytes()).done();
    let mut next: Option<String> = None;
    let mut texts = Vec::new();
    loop {
        let mut words = vec!["search", "apple", "--limit", "70", "--json"];
        words.extend(next.iter().flat_map(|place| ["--next", place]));
        let mut objects = maria.run(words).done().objects();
        let last = objects.pop().unwrap();
        assert_eq!((&last["type"], last["hits"].as_u64()), (&"searched".into(), Some(objects.len() as u64)));
        for object in &objects {
            let matched = object["matches"][0].as_array().unwrap();
            assert_eq!((matched[0].as_u64(), matched[1].as_u64()), (Some(0), Some(5)), "{object}");
            assert!(object["cursor"].is_string() && object["nickname"] == "ada", "{object}");
        }
        texts.extend(objects.iter().map(|object| object["text"].as_str().unwrap().to_owned()));
        next = last["next"].as_str().map(ToOwned::to_owned);
        if next.is_none() {
            break;
        }
    }
    assert_eq!(texts, (1..=150).rev().map(|number| format!("apple {number}")).collect::<Vec<_>>());
}
