//! What people really type, line by line through `quipu send --each-line`, and out again the same for everyone.
//!
//! ```text
//!   file ──send --each-line──▶ quipu-server ──tail --json --own --since start──▶ three readers
//!                                                    one of them dies in the middle and goes on by its last cursor
//! ```
//!
//! Always the lines of `tests/data/lines.txt`, which are our own and strange. And, where they are, the conversations in
//! `../shared/data/irc` beside the repository, or in the folder that `QUIPU_IRC_DIR` names; the output says which.

use std::fs;
use std::path::PathBuf;
use std::thread;

use serde_json::Value;
use tokio::time::Instant;

use crate::binaries::cli::{Process, object};
use crate::binaries::server::FAST;
use crate::binaries::{Cli, People, ServerProcess};

/// What is replayed.
struct Text {
    name: String,
    bytes: Vec<u8>,
}

impl Text {
    /// Its messages: every line that is not empty, without the `\n`.
    fn lines(&self) -> Vec<&[u8]> {
        self.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect()
    }
}

/// An entry as a reader saw it.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    seq: u64,
    cursor: String,
    id: String,
    text: String,
}

/// Goal: no byte of what anybody says changes on its way, and no reader sees another conversation than the next.
#[test]
fn replayed_lines_arrive_byte_for_byte_at_every_reader() {
    let server = ServerProcess::start_with(FAST);
    let people = People::new();
    let [author, readers @ ..] = people.join_all(&server, ["ada", "rosa", "remy", "rhea"]);
    for (number, text) in texts().into_iter().enumerate() {
        let room = format!("room-{number}");
        println!("replaying {} into #{room}", text.name);
        replay(&author, &readers, &room, &text);
    }
}

fn replay(author: &Cli, readers: &[Cli; 3], room: &str, text: &Text) {
    author.run(["create", room]).done();
    for reader in readers {
        reader.run(["enter", room]).done();
    }
    let expected = text.lines();
    let count = expected.len();
    let reading: Vec<_> = readers
        .iter()
        .enumerate()
        .map(|(number, reader)| {
            let (reader, room) = (reader.clone(), room.to_owned());
            let dies_after = (number == 1).then_some(count / 2);
            let tail = tail(&reader, &room, "start");
            thread::spawn(move || follow(&reader, &room, tail, count, dies_after))
        })
        .collect();
    let began = Instant::now();
    let sent = author.run_with(["send", room, "--each-line", "--json"], &text.bytes).done();
    let logs: Vec<Vec<Seen>> = reading.into_iter().map(|reader| reader.join().unwrap()).collect();
    let seconds = began.elapsed().as_secs_f64();
    println!("{count} lines at three readers in {seconds:.1} s: {:.0} lines/s", count as f64 / seconds);

    let texts: Vec<&[u8]> = logs[0].iter().map(|seen| seen.text.as_bytes()).collect();
    for (number, (text, line)) in texts.iter().zip(&expected).enumerate() {
        assert_eq!(text, line, "message {number} is another than its line");
    }
    assert_eq!(texts.len(), count);
    assert!(logs[0].windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq), "a hole");
    assert!(logs.iter().all(|log| *log == logs[0]), "readers disagree");
    // The author was told the places that readers see.
    let acked: Vec<u64> = sent.objects().iter().map(|sent| sent["seq"].as_u64().unwrap()).collect();
    assert!(acked.iter().eq(logs[0].iter().map(|seen| &seen.seq)), "acknowledged elsewhere");
}

/// Reads `count` messages and gives them. Is killed after `dies_after` of them, and goes on where it was.
fn follow(
    reader: &Cli,
    room: &str,
    mut process: Process,
    count: usize,
    dies_after: Option<usize>,
) -> Vec<Seen> {
    let mut log: Vec<Seen> = Vec::new();
    let mut living = dies_after;
    while log.len() < count {
        let line = process.stdout.next().expect("tail goes on until it is stopped");
        let object = object(&line);
        assert_ne!(object["type"], "gap", "{line}");
        if object["type"] == "message" {
            log.push(seen(&object));
        }
        if living.is_some_and(|lines| log.len() >= lines) {
            living = None;
            process.kill();
            let cursor = log.last().map_or("start", |seen| &seen.cursor);
            process = tail(reader, room, cursor);
        }
    }
    process.interrupt();
    process.end().code(130);
    log
}

fn tail(reader: &Cli, room: &str, since: &str) -> Process {
    reader.start(["tail", room, "--json", "--own", "--since", since])
}

fn seen(object: &Value) -> Seen {
    let word = |key: &str| object[key].as_str().unwrap_or_else(|| panic!("{key}: {object}")).to_owned();
    Seen { seq: object["seq"].as_u64().unwrap(), cursor: word("cursor"), id: word("id"), text: word("text") }
}

/// Our own lines, and all conversations there are.
fn texts() -> Vec<Text> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![root.join("tests/data/lines.txt")];
    let folder =
        std::env::var_os("QUIPU_IRC_DIR").map_or_else(|| root.join("../shared/data/irc"), PathBuf::from);
    match fs::read_dir(&folder) {
        Ok(files) => paths.extend(files.map(|file| file.unwrap().path())),
        Err(error) => println!("without the conversations of {}: {error}", folder.display()),
    }
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "txt" || ending == "log"));
    paths.sort_by_key(|path| path.extension().is_some_and(|ending| ending == "log"));
    paths
        .into_iter()
        .map(|path| Text {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            bytes: fs::read(&path).unwrap(),
        })
        .collect()
}
