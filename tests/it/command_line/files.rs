//! Files between people: brought, listed, fetched, and gone on with after whatever came in between.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::time::Instant;

use crate::binaries::{Dice, People, SOON, ServerProcess};

/// The first bytes of a picture of 640 by 480, and others behind them.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x02\x80\0\0\x01\xe0\x08\x02\0\0\0 and so on";

/// A file of `size` bytes, the same ones whenever it is asked for.
fn write(folder: &Path, name: &str, size: usize) -> PathBuf {
    let path = folder.join(name);
    let mut dice = Dice::new(size as u64);
    let bytes: Vec<u8> = (0..size.div_ceil(8)).flat_map(|_| dice.next().to_le_bytes()).take(size).collect();
    fs::write(&path, bytes).unwrap();
    path
}

/// Waits until there is a file of at least `size` bytes whose name has `what` in it.
#[track_caller]
fn await_bytes(folder: &Path, what: &str, size: u64) {
    let begin = Instant::now();
    while begin.elapsed() < SOON {
        let found = fs::read_dir(folder).into_iter().flatten().flatten();
        if found
            .filter(|entry| entry.file_name().to_string_lossy().contains(what))
            .any(|entry| entry.metadata().is_ok_and(|found| found.is_file() && found.len() >= size))
        {
            return;
        }
        std::thread::yield_now();
    }
    panic!("no {size} bytes of {what} in {}", folder.display());
}

/// Goal: a picture travels from one person to another with what there is to know about it, and arrives as it was.
#[test]
fn a_picture_is_shared() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    fs::create_dir(&here).unwrap();
    fs::create_dir(&there).unwrap();
    fs::write(here.join("logo.png"), PNG).unwrap();
    let notes = write(&here, "notes.txt", 1_000);
    let logo = here.join("logo.png");
    let (logo, notes) = (logo.to_str().unwrap(), notes.to_str().unwrap());
    let sent = ada.json(&["send", "lobby", "the new logo", "--attach", logo, "--attach", notes]);
    let silent = ada.json(&["send", "lobby", "--attach", notes]);
    let seq = sent["seq"].to_string();

    let files = maria.run(["files", "lobby", "--json"]).done().objects();
    let names: Vec<_> = files.iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["logo.png", "notes.txt", "notes.txt"]);
    assert_eq!(
        (&files[0]["media_type"], &files[0]["width"], &files[0]["height"]),
        (&"image/png".into(), &640.into(), &480.into())
    );
    assert_eq!((&files[2]["seq"], &files[2]["size"]), (&silent["seq"], &1_000.into()));
    let list = maria.run(["files", "lobby", "--limit", "1"]).done().says("there is more: --before");
    assert!(
        list.stdout.contains("ada") && list.stdout.contains("notes.txt (text/plain, 1000 bytes)"),
        "{list}"
    );
    let tail = maria.run(["tail", "lobby", "--since", "start", "--until-caught-up"]).done();
    assert!(tail.stdout.contains("the new logo [logo.png (image/png, 640×480, "), "{tail}");

    let there = there.to_str().unwrap();
    let got = maria.run(["download", "lobby", &seq, "--to", there, "--json"]).done().objects();
    assert_eq!(fs::read(got[0]["path"].as_str().unwrap()).unwrap(), PNG);
    assert_eq!(fs::read(got[1]["path"].as_str().unwrap()).unwrap(), fs::read(notes).unwrap());
    // Once more: nothing is written over, and nothing else is left.
    maria.run(["download", "lobby", &seq, "--to", there]).done();
    let mut kept: Vec<_> = fs::read_dir(there).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    kept.sort();
    assert_eq!(kept, ["logo-2.png", "logo.png", "notes-2.txt", "notes.txt"]);

    maria.run(["download", "lobby", "1", "--to", there]).code(3).says("has no files");
    maria.run(["download", "lobby", "9999", "--to", there]).code(3);
    maria.run(["download", "lobby", &seq, "--to", notes]).code(2).says("is not a folder");
    ada.run(["send", "lobby", "--attach", "/no/such/file"]).code(1).says("/no/such/file");
}

/// Goal: a name that a shell or a desktop would act on arrives as something harmless.
#[cfg(unix)]
#[test]
fn hostile_names_are_harmless_where_they_arrive() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let folder = tempfile::tempdir().unwrap();
    let hostile = [".bashrc", "-rf", "con.txt", "a\u{1b}[2Jb", "x\u{202e}gpj.exe"];
    let mut words = vec!["send".to_owned(), "lobby".to_owned()];
    for name in hostile {
        let path = write(folder.path(), name, 10);
        words.extend(["--attach".to_owned(), path.to_str().unwrap().to_owned()]);
    }
    words.push("--json".to_owned());
    let seq = ada.run(&words).done().objects()[0]["seq"].to_string();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(folder.path().join("canary"), "untouched").unwrap();
    let got = maria.run(["download", "lobby", &seq, "--to", home.to_str().unwrap()]).done();
    assert!(!got.stdout.contains(['\u{1b}', '\u{202e}']), "{got:?}", got = got.stdout);
    let mut kept: Vec<String> =
        fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    kept.sort();
    assert_eq!(kept, ["_bashrc", "_con.txt", "_rf", "a_[2Jb", "x_gpj.exe"]);
    assert_eq!(fs::read_to_string(folder.path().join("canary")).unwrap(), "untouched");
}

/// Goal: a kill of the server in the middle of an upload, and of the client in the middle of a download, costs nothing:
/// both go on where they were.
#[test]
fn transfers_survive_kill_9_at_either_end() {
    let mut server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let folder = tempfile::tempdir().unwrap();
    let big = write(folder.path(), "big.bin", 40_000_000);
    let stored = server.database().with_file_name("files");

    let bringing = ada.start(["upload", "lobby", big.to_str().unwrap()]);
    await_bytes(&stored, "-", 2_000_000);
    server.kill();
    let came = fs::read_dir(&stored).unwrap().next().unwrap().unwrap().metadata().unwrap().len();
    assert!(came < 40_000_000, "the kill came too late to show anything");
    server.restart();
    bringing.end().done();

    let seq = ada.json(&["send", "lobby", "--attach", big.to_str().unwrap()])["seq"].to_string();
    let there = folder.path().join("there");
    fs::create_dir(&there).unwrap();
    let words = ["download", "lobby", &seq, "--to", there.to_str().unwrap(), "--resume"];
    let mut fetching = maria.start(words);
    await_bytes(&there, ".part", 2_000_000);
    fetching.kill();
    let part = fs::read_dir(&there).unwrap().next().unwrap().unwrap();
    let came = part.metadata().unwrap().len();
    maria.run(words).done();
    let kept = fs::read(there.join("big.bin")).unwrap();
    assert!(kept == fs::read(&big).unwrap() && came < 40_000_000);
    assert_eq!(fs::read_dir(&there).unwrap().count(), 1, "the part is gone");
}

/// Goal: an export that has nowhere to put its files says so before it begins, and says where.
#[test]
fn an_export_needs_a_folder_for_its_files() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada] = people.join_all(&server, ["ada"]);
    let ran = ada.run(["export", "--files", "/nowhere/at/all"]).code(2);
    let ran = ran.says("/nowhere/at/all is not a folder");
    assert_eq!(ran.stdout, "");
}

/// Goal: what a part holds is not believed: damage in it is found before the file gets its name.
#[test]
fn a_damaged_part_is_noticed() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "a.bin", 10_000);
    let sent = ada.json(&["send", "lobby", "--attach", file.to_str().unwrap()]);
    let seq = sent["seq"].to_string();
    let hash = maria.json(&["files", "lobby"])["hash"].as_str().unwrap().to_owned();
    let there = folder.path().join("there");
    fs::create_dir(&there).unwrap();
    fs::write(there.join(format!(".quipu-{hash}.part")), vec![0; 5_000]).unwrap();
    let words = ["download", "lobby", &seq, "--to", there.to_str().unwrap(), "--resume"];
    maria.run(words).code(1).says("not the file the message refers to");
    assert_eq!(fs::read_dir(&there).unwrap().count(), 0);
    maria.run(words).done();
    assert_eq!(fs::read(there.join("a.bin")).unwrap(), fs::read(&file).unwrap());
}

/// Goal: a disk that is full refuses, keeps what it has, and goes on when there is space.
#[cfg(unix)]
#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let mut server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let folder = tempfile::tempdir().unwrap();
    let big = write(folder.path(), "big.bin", 20_000_000);
    let stored = server.database().with_file_name("files");
    assert!(server.stop().0.success());
    // No file of the server's may become larger than this: to it, a disk without space.
    server.restart_with_files_of_at_most(8_000_000);
    let words = ["send", "lobby", "with a file", "--attach", big.to_str().unwrap()];
    ada.run(words).code(5).says("the server's disk is full");
    ada.run(["send", "lobby", "still here"]).done();
    let kept = fs::read_dir(&stored).unwrap().next().unwrap().unwrap().metadata().unwrap().len();
    assert!(kept > 1_000_000, "{kept} bytes were kept to be gone on with");
    assert!(server.stop().0.success());
    server.restart();
    let seq = ada.json(&words)["seq"].to_string();
    let there = folder.path().join("there");
    fs::create_dir(&there).unwrap();
    maria.run(["download", "lobby", &seq, "--to", there.to_str().unwrap()]).done();
    assert!(fs::read(there.join("big.bin")).unwrap() == fs::read(&big).unwrap());
}
