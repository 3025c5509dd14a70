//! A backup is taken while people talk, and a server made from it goes on where it was.

use std::process::Command;

use crate::binaries::server::FAST;
use crate::binaries::{Cli, People, ServerProcess, program};

/// Runs the server's program in its folder, beside the server that may run there.
fn operate(server: &ServerProcess, words: &[&str]) -> (Option<i32>, String) {
    let ran = Command::new(program("quipu-server"))
        .current_dir(server.folder())
        .args(["--config", "quipu.toml"])
        .args(words)
        .output()
        .unwrap();
    (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
}

fn texts(cli: &Cli) -> Vec<String> {
    texts_since(cli, "start")
}

fn texts_since(cli: &Cli, since: &str) -> Vec<String> {
    let read = cli.run(["tail", "lobby", "--since", since, "--until-caught-up", "--own", "--json"]).done();
    read.objects().iter().filter_map(|object| Some(object["text"].as_str()?.to_owned())).collect()
}

fn unread(cli: &Cli) -> u64 {
    cli.json(&["rooms"])["unread"].as_u64().unwrap()
}

/// Goal: what was acknowledged before a backup is in it, what came later is gone for everybody alike, and nobody who was
/// ahead of the restored server disagrees with it.
#[test]
fn a_restored_server_goes_on_and_everybody_agrees_with_it() {
    let mut server = ServerProcess::start_with(FAST);
    let people = People::new();
    let [ada, bob] = people.join_all(&server, ["ada", "bob"]);
    ada.run(["send", "lobby", "before"]).done();
    assert_eq!(texts(&bob), ["before"]);
    // What is unread, and unread again, is in the copy too.
    bob.json(&["read", "lobby"]);
    let seq = bob.run(["history", "lobby", "--json"]).done().objects().last().unwrap()["seq"].to_string();
    bob.json(&["unread", "lobby", &seq]);
    bob.json(&["notify", "lobby", "nothing"]);
    assert_eq!(unread(&bob), 1);

    // Somebody talks all the while.
    let lines: String = (0..300).map(|number| format!("meanwhile {number}\n")).collect();
    let mut talking = ada.start(["send", "lobby", "--each-line"]);
    let mut stdin = talking.stdin.take().unwrap();
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, lines.as_bytes()));
    let (code, said) = operate(&server, &["backup", "copy"]);
    assert_eq!(code, Some(0), "{said}");
    writing.join().unwrap().unwrap();
    talking.end().done();
    ada.run(["send", "lobby", "after"]).done();
    assert_eq!(texts_since(&bob, "resume").last().map(String::as_str), Some("after"));
    let (code, said) = operate(&server, &["backup", "copy"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("is there already"), "{said}");

    // The disk is lost.
    server.kill();
    let (code, said) = operate(&server, &["restore", "copy"]);
    assert_eq!(code, Some(4), "a store that is there is not replaced: {said}");
    for folder in ["data", "certs"] {
        std::fs::remove_dir_all(server.folder().join(folder)).unwrap();
    }
    let (code, said) = operate(&server, &["restore", "nothing"]);
    assert_eq!(code, Some(4), "{said}");
    let (code, said) = operate(&server, &["restore", "copy"]);
    assert_eq!(code, Some(0), "{said}");
    server.restart();

    // The same identity, accounts and devices; the log as it was, to whoever had read further too.
    let cyd = people.join("cyd", &ada.invite(&[]));
    let restored = texts(&cyd);
    assert_eq!(restored.first().map(String::as_str), Some("before"));
    assert!(restored.iter().skip(1).enumerate().all(|(number, text)| *text == format!("meanwhile {number}")));
    assert_eq!(unread(&cyd), 0);
    let stands = bob.json(&["rooms"]);
    let expected = (&stands["unread"], &stands["unread_from"].to_string(), &stands["notify"]);
    assert_eq!(expected, (&(restored.len() as u64).into(), &seq, &"nothing".into()), "{stands}");
    // Beyond every position that anybody has from before, so that only another life of the log tells them apart.
    let lines: String = (0..320).map(|number| format!("and on {number}\n")).collect();
    ada.run_with(["send", "lobby", "--each-line"], lines.as_bytes()).done();
    assert_eq!(unread(&cyd), 320);
    let more: Vec<String> = restored.into_iter().chain(lines.lines().map(str::to_owned)).collect();
    assert_eq!(texts_since(&bob, "resume"), more, "bob goes on behind what is no longer true");
    for cli in [&ada, &bob, &cyd] {
        assert_eq!(texts(cli), more);
    }
    let follow = bob.run(["history", "lobby", "--json"]).done();
    assert_eq!(follow.objects().last().unwrap()["text"], "and on 319");
}
