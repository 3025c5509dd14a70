//! What scripts rely on: ids, the outbox, exit codes, pipes, and words about input that cannot be sent.

use std::process::Stdio;

use tokio::time::Instant;

use crate::binaries::server::FAST;
use crate::binaries::{Cli, Lines, People, SOON, ServerProcess};

fn texts(reader: &Cli, room: &str) -> Vec<String> {
    let words = ["tail", room, "--since", "start", "--until-caught-up", "--own", "--json"];
    let log = reader.run(words).done();
    log.objects().iter().filter_map(|object| Some(object["text"].as_str()?.to_owned())).collect()
}

/// Goal: what is refused when nobody waits for it any more is told with every word, once, by whatever runs next.
#[test]
fn what_is_refused_later_does_not_vanish() {
    let mut server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let room = maria.json(&["send", "lobby", "one"])["room"].as_str().unwrap().to_owned();
    server.kill();
    let words = "a long letter whose last word is of importance to whoever wrote it: farewell";
    maria.run(["send", &room, words, "--timeout", "200ms"]).code(8);
    server.restart();
    ada.run(["mute", "lobby", "maria"]).done();
    let begin = Instant::now();
    let told = loop {
        // The answer may come after a command that had something else to do.
        let ran = maria.run(["rooms"]).done();
        if !ran.stderr.is_empty() {
            break ran;
        }
        assert!(begin.elapsed() < SOON, "nothing was told");
    };
    told.says("-- not delivered to #lobby (not allowed: you are muted here): ").says(words);
    assert_eq!(maria.run(["rooms"]).done().stderr, "", "once");
    assert_eq!(texts(&ada, "lobby"), ["one"]);
}

/// Goal: a script that was interrupted anywhere is simply run again.
#[test]
fn the_same_id_is_sent_once_in_any_number_of_runs() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let words = ["send", "lobby", "the backup is done", "--id", "backup-2026-11-23"];
    let first = ada.json(&words);
    let second = ada.json(&words);
    assert_eq!((&first["duplicate"], &second["duplicate"]), (&false.into(), &true.into()));
    assert_eq!((&first["seq"], &first["id"]), (&second["seq"], &second["id"]));
    // Another text under the same id is a mistake, and is told so.
    ada.run(["send", "lobby", "no it is not", "--id", "backup-2026-11-23"]).code(2).says("another message");
    // Somebody else's ids are their own.
    maria.run(words).done();

    let import = ["send", "lobby", "--each-line", "--id", "import", "--json"];
    let half = ada.run_with(import, b"one\ntwo\n").done().objects();
    let whole = ada.run_with(import, b"one\ntwo\n\nthree\n").done();
    let whole = whole.says("1 empty line skipped").objects();
    assert_eq!(whole.len(), 3);
    for (before, after) in half.iter().zip(&whole) {
        assert_eq!(before["seq"], after["seq"]);
        assert_eq!(after["duplicate"], true);
    }
    assert_eq!(texts(&maria, "lobby"), ["the backup is done", "the backup is done", "one", "two", "three"]);
}

/// Goal: what is said without a server is kept, and delivered exactly once by whatever runs next.
#[test]
fn the_outbox_keeps_what_a_dead_server_did_not_take() {
    let mut server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let room = ada.json(&["send", "lobby", "one"])["room"].as_str().unwrap().to_owned();
    server.kill();
    // By its id: a name would have to be looked up.
    let queued = ada.run(["send", &room, "two", "--wait", "queued", "--json"]).code(8);
    assert_eq!(queued.objects()[0]["type"], "queued");
    ada.run(["send", &room, "three", "--timeout", "200ms"]).code(8).says("sent by the next run");
    let chat = ada.run_with(["send", &room, "--each-line", "--timeout", "200ms"], b"four\nfive\n").code(8);
    chat.says("2 in the outbox");
    ada.run(["send", "lobby", "never", "--timeout", "200ms"]).code(5).says("nothing was sent");
    server.restart();
    ada.run(["send", "lobby", "six"]).done();
    ada.run(["send", "lobby", "seven"]).done();
    assert_eq!(texts(&maria, "lobby"), ["one", "two", "three", "four", "five", "six", "seven"]);
}

/// Goal: every command ends in time without a server, with 5, and what needs none goes on working.
#[test]
fn without_a_server_commands_end_with_five() {
    let mut server = ServerProcess::start();
    let people = People::new();
    let [ada] = people.join_all(&server, ["ada"]);
    ada.run(["tail", "lobby", "--own", "--until-caught-up"]).done();
    let room = ada.json(&["send", "lobby", "kept"])["room"].as_str().unwrap().to_owned();
    ada.run(["tail", "lobby", "--own", "--until-caught-up"]).done();
    server.kill();
    for words in [
        &["rooms"][..],
        &["tail"],
        &["tail", "lobby", "--until-caught-up"],
        &["chat", "lobby"],
        &["who", "lobby"],
        &["create", "ops"],
        &["invite", "new"],
        &["devices"],
    ] {
        let ran = ada.run(words.iter().chain(&["--timeout", "300ms"])).code(5);
        assert!(ran.stderr.starts_with("quipu: ") && ran.stdout.is_empty(), "{ran}");
    }
    let doctor = ada.run(["doctor"]).code(5);
    assert!(doctor.stdout.contains("bad       handshake"), "{doctor}");
    ada.run(["whoami"]).done();
    let history = ada.run(["history", &room, "--timeout", "300ms"]).done().says("not connected");
    assert!(history.stdout.contains("kept"), "{history}");
}

/// Goal: a pipe that has enough ends everything behind it, quietly.
#[test]
fn a_closed_pipe_ends_a_command_quietly() {
    let server = ServerProcess::start_with(FAST);
    let people = People::new();
    let [ada] = people.join_all(&server, ["ada"]);
    // More than any pipe holds, so that the writer meets the closed end.
    let much = format!("{}\n", "x".repeat(16_000)).repeat(30);
    ada.run_with(["send", "lobby", "--each-line"], much.as_bytes()).done();
    for words in [&["tail", "lobby", "--since", "start", "--own"][..], &["history", "lobby"]] {
        let mut command = ada.command(words);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        std::io::Read::read_exact(&mut stdout, &mut [0]).unwrap();
        drop(stdout);
        assert_eq!(Lines::of(child.stderr.take().unwrap()).all(), "", "{words:?}");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{words:?}");
    }
}

/// Goal: input that cannot be a message is told with its place, and what came before it is sent.
#[test]
fn input_that_cannot_be_sent_is_told_with_its_place() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let stop = ada.run_with(["send", "lobby", "--each-line"], b"one\ntw\xf6\nthree\n").code(2);
    stop.says("line 2: not UTF-8: byte 3 is 0xf6").says("1 message acknowledged");
    ada.run_with(["send", "lobby", "-"], b"one\n\xff").code(2).says("line 2");
    let long = "y".repeat(16_385);
    ada.run(["send", "lobby", &long]).code(2).says("16385 bytes");
    ada.run_with(["send", "lobby", "-"], long.as_bytes()).code(2).says("16384 bytes");
    ada.run_with(["send", "lobby", "--each-line"], format!("two\n{long}\n").as_bytes())
        .code(2)
        .says("line 2");
    ada.run_with(["send", "lobby", "-"], b"").code(2).says("empty");
    ada.run(["send", "lobby", ""]).code(2);
    ada.run(["send", "lobby"]).code(2);
    ada.run(["send", "lobby", "--file", "/no/such/file"]).code(1).says("/no/such/file");
    ada.run_with(["send", "lobby", "-"], &long.as_bytes()[1..]).done();
    assert_eq!(texts(&maria, "lobby"), ["one", "two", &long[1..]]);
}

/// Goal: a mistake in the words is told before anything else happens.
#[test]
fn words_that_make_no_sense_are_usage() {
    let people = People::new();
    let nobody = people.profile("nobody");
    for words in [
        &[][..],
        &["shout"],
        &["send"],
        &["send", "Not A Room", "x"],
        &["tail", "--since", "yesterday"],
        &["tail", "--limit", "0"],
        &["tail", "a", "b", "--since", "1.1"],
        &["history", "a", "--before", "1", "--after", "1"],
        &["invite", "new", "--role", "king"],
        &["invite", "revoke", "xyz"],
        &["rooms", "--timeout", "soon"],
        &["rooms", "--profile", "../elsewhere"],
        &["chat", "lobby", "--json"],
    ] {
        nobody.run(words).code(2);
    }
    nobody.run(["--help"]).done();
    nobody.run(["--version"]).done();
    let script = nobody.run(["completions", "bash"]).done();
    assert!(script.stdout.contains("quipu"));
}

/// Goal: profiles lie where the desktop's rules say.
#[test]
fn profiles_lie_in_the_users_data_folder() {
    let server = ServerProcess::start();
    let people = People::new();
    let ada = people.profile("ada");
    let folder = ada.data().join("xdg");
    let mut command = ada.command(["join", server.link(), "--nick", "ada"]);
    command.env_remove("QUIPU_DATA_DIR").env("XDG_DATA_HOME", &folder);
    let joined = command.stdin(Stdio::null()).output().unwrap();
    assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
    assert!(folder.join("quipu/ada").is_dir());
    let elsewhere = folder.join("quipu");
    ada.run(["whoami", "--data-dir", elsewhere.to_str().unwrap()]).done();
    ada.run(["whoami"]).code(4);
}
