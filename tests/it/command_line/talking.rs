//! People talk: by chat, in public, private and direct rooms.

use crate::binaries::{People, ServerProcess};

/// Goal: what the readme shows works as it shows it.
#[test]
fn two_people_talk_as_in_the_readme() {
    let server = ServerProcess::start();
    let people = People::new();
    let ada = people.profile("ada");
    let joined = ada.run(["join", server.link(), "--nick", "ada"]).done();
    let joined = joined.says("This invite leads to").says("fingerprint").says(" as ada");
    joined.says("next: quipu rooms --all, quipu chat lobby");
    let link = ada.run(["invite", "new"]).done().says("take it back with: quipu invite revoke");
    // Only the link goes to standard output, so that it can be piped on; and `-` takes it from there.
    let maria = people.profile("maria");
    let joining = ["join", "-", "--nick", "maria"];
    maria.run_with(joining, link.stdout.as_bytes()).done().says(" as maria");

    let mut here = ada.start(["chat", "lobby"]);
    here.stderr.until("/help for help");
    let mut there = maria.start(["chat", "lobby"]);
    there.type_line("are you there?");
    here.stdout.until("maria: are you there?");
    here.type_line("I am. What a quiet server.");
    there.stdout.until("ada: I am. What a quiet server.");
    here.type_line("/who");
    here.stderr.until("-- here: ada, maria");
    here.type_line("/qit");
    here.stderr.until("-- not sent");
    here.type_line("//shrug");
    there.stdout.until("ada: /shrug");
    here.type_line("/quit");
    let (here, there) = (here.end().done(), there.end().done());

    // Both saw the same conversation: the room's log.
    let said = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains(": "));
        lines.map(ToOwned::to_owned).collect()
    };
    assert_eq!(said(&here.stdout), said(&there.stdout));
    assert_eq!(said(&here.stdout).len(), 3, "{here}");
}

/// Goal: a chat over pipes sends every line before it ends.
#[test]
fn a_chat_over_pipes_loses_no_line() {
    let server = ServerProcess::start_with(crate::binaries::server::FAST);
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let lines: String = (1..=200).map(|number| format!("line {number}\n")).collect();
    let chat = ada.run_with(["chat", "lobby"], lines.as_bytes()).done();
    let heard = maria.run(["tail", "lobby", "--since", "start", "--until-caught-up", "--json"]).done();
    let texts: Vec<String> =
        heard.objects().iter().filter_map(|object| Some(object["text"].as_str()?.to_owned())).collect();
    let expected: Vec<String> = lines.lines().map(ToOwned::to_owned).collect();
    assert_eq!(texts, expected, "{chat}");
}

/// Goal: what a chat could not deliver is shown with every word, and the chat goes on.
#[test]
fn what_is_refused_in_a_chat_is_shown_whole() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let mut chat = maria.start(["chat", "lobby"]);
    chat.stderr.until("/help for help");
    ada.run(["mute", "lobby", "maria"]).done();
    chat.stdout.until("ada muted maria");
    let words = format!("{}: the end of it", "one word after the other ".repeat(20));
    chat.type_line(&words);
    let line = chat.stderr.until("-- not delivered to #lobby");
    assert!(line.ends_with(&words), "{line}");
    ada.run(["unmute", "lobby", "maria"]).done();
    chat.stdout.until("lifted the mute of maria");
    chat.type_line("hello again");
    chat.stdout.until("maria: hello again");
    let ended = chat.end().done();
    assert_eq!(ended.stderr.matches("the end of it").count(), 1, "{ended}");
}

/// Goal: a chat answers, reacts and corrects by short commands, and sends none of them as a message.
#[test]
fn short_commands_of_a_chat_are_about_the_newest_message() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let mut here = ada.start(["chat", "lobby"]);
    let mut there = maria.start(["chat", "lobby"]);
    there.stderr.until("/help for help");
    for early in ["/edit nothing", "/reply to nobody", "/react 👍"] {
        there.type_line(early);
        there.stderr.until("-- not sent");
    }
    here.type_line("helo");
    there.stdout.until("ada: helo");
    here.stdout.until("ada: helo");
    here.type_line("/edit hello");
    there.stdout.until(": hello");
    there.type_line("/react two words");
    there.stderr.until("-- not sent");
    there.type_line("/react 👩\u{200d}🚀");
    here.stdout.until(": 👩\u{200d}🚀");
    there.type_line("/reply hi");
    here.stdout.until(": hi");
    here.end().done();
    there.end().done();
    let log = ada.run(["history", "lobby", "--json"]).done().objects();
    let said: Vec<_> = log.iter().filter(|object| object["type"] == "message").collect();
    assert_eq!((&said[0]["text"], &said[1]["text"]), (&"hello".into(), &"hi".into()));
    assert_eq!((said.len(), &said[1]["reply_to"]), (2, &said[0]["seq"]));
    assert_eq!(said[0]["reactions"][0]["emoji"], "👩\u{200d}🚀");
}

/// Goal: a kill of the server in the middle of a chat costs nothing but a moment.
#[test]
fn a_chat_goes_on_after_a_kill() {
    let mut server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let mut here = ada.start(["chat", "lobby"]);
    let mut there = maria.start(["chat", "lobby"]);
    here.type_line("before");
    there.stdout.until("ada: before");
    server.kill();
    here.type_line("during");
    there.type_line("me too");
    server.restart();
    here.type_line("after");
    for chat in [&mut here, &mut there] {
        let mut missing = vec!["ada: during", "ada: after", "maria: me too"];
        while !missing.is_empty() {
            let line = chat.stdout.next().expect("chat goes on");
            missing.retain(|text| !line.ends_with(text));
        }
    }
    here.end().done();
    there.end().done();
    let log = ada.run(["history", "lobby", "--json"]).done().objects();
    let texts: Vec<&str> = log.iter().filter_map(|object| object["text"].as_str()).collect();
    assert_eq!(texts.len(), 4, "something twice, or not at all: {texts:?}");
}

/// Goal: a private room does not exist for strangers, and is there at once for whoever is added.
#[test]
fn a_private_room_is_only_for_those_who_are_added() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let room = ada.json(&["create", "ops", "--private", "--topic", "keeping it running"]);
    let id = room["room"].as_str().unwrap();
    ada.run(["send", "ops", "secret plans"]).done();

    // The same answer as for a room that never was, whatever is asked.
    for command in ["tail", "history", "enter", "leave", "who", "chat"] {
        let hidden = maria.run([command, "ops"]).code(3);
        let missing = maria.run([command, "never"]).code(3);
        assert_eq!(hidden.stderr.replace("ops", "never"), missing.stderr);
        assert_eq!(hidden.stdout, missing.stdout);
        let hidden = maria.run([command, id]).code(3);
        let missing = maria.run([command, &"7".repeat(32)]).code(3);
        assert_eq!(hidden.stderr.replace(id, &"7".repeat(32)).replace(&id[..8], "77777777"), missing.stderr);
    }
    maria.run(["send", "ops", "let me in"]).code(3);
    maria.run(["send", id, "let me in"]).code(3);
    assert!(!maria.run(["rooms", "--all"]).done().stdout.contains("ops"));

    ada.run(["add", "ops", "maria"]).done().says("maria may enter #ops");
    assert!(maria.run(["rooms"]).done().stdout.contains("#ops"));
    maria.run(["enter", "ops"]).done();
    let log = maria.run(["history", "ops"]).done();
    assert!(log.stdout.contains("ada: secret plans"), "{log}");

    // Who is sent out is told so, while reading.
    let mut reading = maria.start(["tail", "ops"]);
    reading.stdout.until("secret plans");
    ada.run(["remove", "ops", "maria"]).done();
    reading.stderr.until("you may no longer read #ops");
    reading.end().code(4);
    maria.run(["send", "ops", "hello?"]).code(3);
    let log = ada.run(["history", "ops"]).done();
    assert!(log.stdout.contains("* ada removed maria") && !log.stdout.contains("hello?"), "{log}");
}

/// Goal: a public room is entered by whoever likes, and only its members speak.
#[test]
fn a_public_room_is_entered_before_anything_is_said() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    ada.run(["create", "garden"]).done();
    ada.run(["create", "garden"]).code(1);
    ada.run(["create", "Not A Name"]).code(2);
    maria.run(["send", "garden", "hello"]).code(4).says("quipu enter");
    maria.run(["enter", "#garden"]).done();
    maria.run(["send", "#garden", "hello"]).done();
    let rooms = ada.run(["rooms"]).done();
    let garden = rooms.stdout.lines().find(|line| line.starts_with("#garden")).unwrap().to_owned();
    assert!(garden.contains("2 members") && garden.contains("1 unread"), "{rooms}");
    maria.run(["remove", "garden", "ada"]).code(4);
    maria.run(["leave", "garden"]).done();
    ada.run(["leave", "garden"]).done();
}

/// Goal: `@nickname` is a room with that person, the same from both sides and nobody else's.
#[test]
fn a_nickname_is_a_direct_room() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, maria, zoe] = people.join_all(&server, ["ada", "maria", "zoe"]);
    ada.run(["send", "@maria", "just between us"]).done();
    let rooms = maria.run(["rooms"]).done();
    assert!(
        rooms.stdout.lines().any(|line| line.starts_with("@ada") && line.contains("1 unread")),
        "{rooms}"
    );
    maria.run(["send", "@ada", "of course"]).done();
    let log = ada.run(["history", "@maria"]).done();
    assert!(log.stdout.contains("ada: just between us") && log.stdout.contains("maria: of course"), "{log}");
    let id = ada.json(&["send", "@maria", "x"])["room"].as_str().unwrap().to_owned();
    zoe.run(["history", &id]).code(3);
    ada.run(["send", "@nobody", "hello"]).code(3).says("there is nobody called nobody");
}

/// Goal: what others say and call themselves does nothing to the terminal it is shown on.
#[test]
fn what_others_say_is_inert_on_a_terminal() {
    const EVIL: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}2J\u{202e}gnp.exe\r00:00 ada: I agree";
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    // Names and topics have rules of their own; whoever breaks them is told before anything is sent.
    let link = ada.invite(&["--uses", "5"]);
    for nick in ["\u{1b}[31mada", "ad\u{202e}a", "ada\n", "a\u{200b}da", "ADA\u{9b}2J", ""] {
        people.profile("zoe").run(["join", &link, "--nick", nick]).code(2);
    }
    let taken = people.profile("zoe").run(["join", &link, "--nick", "ADA"]).code(1);
    taken.says("taken").says("--nick");
    people.profile("zoe").run(["join", &link, "--nick", "zoe", "--device-name", EVIL]).code(2);
    maria.run(["create", "evil", "--topic", EVIL]).code(2);

    maria.run(["send", "lobby", EVIL]).done();
    let mut chat = ada.start(["chat", "lobby"]);
    chat.stdout.until("owned");
    let shown = [
        chat.end().done(),
        ada.run(["history", "lobby"]).done(),
        ada.run(["tail", "lobby", "--until-caught-up"]).done(),
        ada.run(["send", "lobby", EVIL, "--reply-to", "99999"]),
        ada.run(["join", EVIL]).code(2),
    ];
    for ran in &shown {
        let acts = |char: char| char.is_control() && char != '\n' || char == '\u{202e}';
        assert!(!ran.stdout.contains(acts) && !ran.stderr.contains(acts), "{ran}");
    }
    assert!(
        shown[0].stdout.contains(r"\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}2J\u{202e}gnp.exe\r00:00"),
        "{}",
        shown[0]
    );
    // Programs get the exact text.
    let log = ada.run(["history", "lobby", "--json"]).done().objects();
    assert!(log.iter().any(|object| object["text"] == EVIL));
}
