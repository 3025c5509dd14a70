//! `tail --exec`: every entry reaches a program, in order, and no failure, kill or crash makes it miss one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::binaries::cli::object;
use crate::binaries::{Cli, People, ServerProcess};

/// A program in a folder of its own, where it also works.
struct Program {
    folder: tempfile::TempDir,
}

impl Program {
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = Self { folder };
        program.becomes(script);
        program
    }

    /// The same program does this from now on.
    fn becomes(&self, script: &str) {
        let text = format!("#!/bin/sh\ncd {}\n{script}\n", self.folder.path().display());
        fs::write(self.path(), text).unwrap();
        fs::set_permissions(self.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("program")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The lines of a file it wrote.
    fn lines(&self, name: &str) -> Vec<String> {
        fs::read_to_string(self.file(name)).unwrap_or_default().lines().map(ToOwned::to_owned).collect()
    }
}

fn exec<'a>(program: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["tail", "lobby", "--until-caught-up", "--exec", program][..], more].concat()
}

/// A room with a person who writes, and one whose program listens; it has begun to follow.
fn two(server: &ServerProcess, people: &People) -> [Cli; 2] {
    let [ada, bob] = people.join_all(server, ["ada", "bob"]);
    // Bob's coming in stands in the log already: the first run goes on behind it.
    bob.run(exec("true", &[])).done();
    [ada, bob]
}

fn say(who: &Cli, texts: &[&str]) {
    for text in texts {
        who.run(["send", "lobby", "--", text]).done();
    }
}

/// Goal: the program gets each entry once and in order, as JSON, and nothing anybody writes is ever run.
#[test]
fn each_entry_reaches_the_program_once_in_order_and_as_data() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, bob] = two(&server, &people);
    let program = Program::new(
        "cat >> entries; printf '%s %s %s %s\\n' \"$QUIPU_TYPE\" \"$QUIPU_ROOM_NAME\" \"$QUIPU_SEQ\" \"$1\" >> ids",
    );
    let path = program.path();
    let path = path.to_str().unwrap();
    let texts = ["first", "$(touch owned) `touch owned`; touch owned", "'\"\\ größe\u{1b}[2J", "last"];
    say(&ada, &texts);
    say(&bob, &["own words are not answered"]);
    let ran = bob.run(exec(path, &["--", "$(touch owned)"])).done();
    assert_eq!(ran.stdout, "", "nothing is printed but what the program prints");
    let entries: Vec<Value> = program.lines("entries").iter().map(|line| object(line)).collect();
    assert_eq!(entries.iter().map(|entry| entry["text"].as_str().unwrap()).collect::<Vec<_>>(), texts);
    let ids: Vec<String> =
        entries.iter().map(|entry| format!("message lobby {} $(touch owned)", entry["seq"])).collect();
    assert_eq!(program.lines("ids"), ids);
    assert!(!program.file("owned").exists());
    // And never again.
    bob.run(exec(path, &[])).done();
    assert_eq!(program.lines("entries").len(), texts.len());
}

/// Goal: a program that fails stops everything at its place, and the next run begins there.
#[test]
fn a_failing_program_loses_nothing() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, bob] = two(&server, &people);
    let program = Program::new(
        "read -r line; echo \"$line\" >> tried; case \"$line\" in *poison*) exit 7;; esac; echo ok >> done",
    );
    let path = program.path();
    let path = path.to_str().unwrap();
    say(&ada, &["one", "poison", "three"]);
    bob.run(exec(path, &["--attempts", "2"]))
        .code(1)
        .says("ended with 7")
        .says("again in 1 s")
        .says("the next run begins");
    assert_eq!((program.lines("tried").len(), program.lines("done").len()), (3, 1));
    bob.run(exec(path, &["--attempts", "1"])).code(1);
    assert_eq!(program.lines("tried").len(), 4, "it begins with the one that failed");
    bob.run(exec(path, &["--attempts", "1", "--skip-failed"])).done().says("left behind");
    assert_eq!((program.lines("tried").len(), program.lines("done").len()), (6, 2));
    bob.run(exec(path, &[])).done();
    assert_eq!(program.lines("tried").len(), 6);
    bob.run(exec("/nowhere/at/all", &[])).done();
    say(&ada, &["four"]);
    bob.run(exec("/nowhere/at/all", &[])).code(1).says("/nowhere/at/all");
    bob.run(["tail", "lobby", "--reply"]).code(2);
}

/// Goal: a program that takes too long is ended and counts as failed; one that takes its time is waited for.
#[test]
fn a_slow_program_is_waited_for_in_turn_and_not_for_ever() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, bob] = two(&server, &people);
    let program = Program::new("echo begin >> turns; exec sleep 600");
    let path = program.path();
    let path = path.to_str().unwrap();
    say(&ada, &["one", "two", "three"]);
    let slow = bob.run(exec(path, &["--exec-timeout", "200ms", "--attempts", "1"]));
    slow.code(1).says("took longer than 0.2 s");
    assert_eq!(program.lines("turns"), ["begin"]);
    // Nobody reads its input, and each takes a moment: still one after the other.
    program.becomes("echo begin >> turns; sleep 0.2; echo end >> turns");
    bob.run(exec(path, &[])).done();
    assert_eq!(program.lines("turns")[1..], ["begin", "end"].repeat(3));
}

/// Goal: at least once, also through `kill -9` in the middle of the program and a restart of the server.
#[test]
fn a_kill_repeats_at_most_what_was_under_way() {
    let mut server = ServerProcess::start();
    let people = People::new();
    let [ada, bob] = two(&server, &people);
    let program = Program::new(
        "read -r line; echo \"$QUIPU_SEQ\" >> seqs
         case \"$line\" in *hang*) test -e hung || { touch hung; echo it hangs; exec sleep 30 > /dev/null 2>&1; };; esac",
    );
    let path = program.path();
    let path = path.to_str().unwrap();
    let mut following = bob.start(["tail", "lobby", "--exec", path]);
    say(&ada, &["one", "two", "hang", "four"]);
    following.stdout.until("it hangs");
    following.kill();
    let before = program.lines("seqs");
    server.kill();
    server.restart();
    say(&ada, &["five"]);
    bob.run(exec(path, &[])).done();
    let seqs = program.lines("seqs");
    let first: u64 = before[0].parse().unwrap();
    let expected = [0, 1, 2, 2, 3, 4].map(|step| (first + step).to_string());
    assert_eq!(seqs, expected, "the third was under way");
}

/// Goal: what the program prints is said as an answer, once, whatever is repeated.
#[test]
fn what_the_program_prints_is_said_once() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, bob] = two(&server, &people);
    let program = Program::new("read -r line; case \"$line\" in *joke*) echo 'ha ha';; esac");
    let path = program.path();
    let path = path.to_str().unwrap();
    say(&ada, &["a joke", "no fun"]);
    let asked = ada.run(["history", "lobby", "--json"]).done().objects();
    let asked = asked.iter().find(|object| object["text"] == "a joke").unwrap().clone();
    bob.run(exec(path, &["--reply"])).done();
    // The same entries once more, as after a crash before the place was remembered.
    bob.run(exec(path, &["--reply", "--since", "start"])).done();
    bob.run(["send", "lobby", "end"]).done(); // Behind whatever was in the outbox.
    let log = ada.run(["history", "lobby", "--json"]).done().objects();
    let said: Vec<&Value> =
        log.iter().filter(|object| object["nickname"] == "bob" && object["text"].is_string()).collect();
    assert_eq!(said.len(), 2, "{said:#?}");
    assert_eq!((&said[0]["text"], &said[0]["reply_to"]), (&"ha ha".into(), &asked["seq"]));
}

/// Goal: a run that is to end has said its answers, and an answer that is refused is a failure, told with every word.
#[test]
fn an_answer_that_is_not_said_is_a_failure() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, bob] = two(&server, &people);
    let program = Program::new("cat > /dev/null; echo 'the answer, as long as it is'");
    let path = program.path();
    let path = path.to_str().unwrap();
    say(&ada, &["one"]);
    bob.run(exec(path, &["--reply"])).done();
    let log = ada.run(["history", "lobby"]).done();
    assert!(log.stdout.contains("the answer, as long as it is"), "{log}");
    ada.run(["mute", "lobby", "bob"]).done();
    say(&ada, &["two"]);
    let ran = bob.run(exec(path, &["--reply"])).code(4).says("an answer was refused: not allowed");
    ran.says("-- not delivered to #lobby").says("the answer, as long as it is");
    say(&ada, &["three"]);
    bob.run(exec(path, &["--reply", "--skip-failed"])).done().says("left behind");
}
