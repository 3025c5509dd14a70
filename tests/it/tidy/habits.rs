//! Size, leftovers and secrets: what a file should not have, whatever it is about.

use std::process::Command;

use super::source::{Source, words};
use super::{check, report, root};

/// Where a file has become two. A file is best at 110 to 340.
const FILE_LINES_MAX: usize = 500;

fn one_idea_each(source: &Source) -> Vec<String> {
    if source.lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![format!(
        "{} has {} lines, more than {FILE_LINES_MAX}: it holds two ideas",
        source.path, source.lines
    )]
}

fn nothing_left_over(source: &Source) -> Vec<String> {
    let leftover = |(at, word): &(usize, &str)| {
        let after = source.code[at + word.len()..].trim_start();
        let is_macro = after.starts_with('!') && !after.starts_with("!=");
        is_macro && ["todo", "unimplemented", "dbg"].contains(word)
    };
    let found = words(&source.code).filter(leftover);
    found.map(|(at, word)| format!("{}: {word}! is for the way there", source.place(at))).collect()
}

/// `expect` with the proof as its text is for what cannot fail; everything else is an error for someone.
fn no_unwrap(source: &Source) -> Vec<String> {
    let found = words(&source.shipped).filter(|(at, word)| {
        let is_method = source.shipped[..*at].trim_end().ends_with(['.', ':']);
        is_method && ["unwrap", "unwrap_err", "unwrap_unchecked"].contains(word)
    });
    found.map(|(at, word)| format!("{}: {word} outside tests", source.place(at))).collect()
}

/// Whether a file of this name may hold a key or what people said.
fn is_secret(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    [".key", ".pem", ".der", ".p12", ".pfx", ".db", ".db-wal", ".db-shm", ".sqlite", ".sqlite3"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

#[test]
fn files_hold_one_idea() {
    let (long, full) = ("\n".repeat(FILE_LINES_MAX + 1), "\n".repeat(FILE_LINES_MAX));
    check(one_idea_each, &[("src/room/mod.rs", &long)], &[("src/room/mod.rs", &full)]);
}

#[test]
fn nothing_is_left_over() {
    check(
        nothing_left_over,
        &[
            ("src/server.rs", "fn run() { todo!() }"),
            ("client/src/lib.rs", "unimplemented! (\"later\")"),
            ("protocol/src/lib.rs", "#[cfg(test)] mod tests { fn f() { dbg!(1); } }"),
        ],
        &[("src/server.rs", "// todo!()\nlet todo = \"todo!()\"; assert!(todo != dbg);")],
    );
}

#[test]
fn nothing_unwraps_outside_tests() {
    check(
        no_unwrap,
        &[
            ("src/server.rs", "let a = b\n    .unwrap();"),
            ("src/server.rs", "a.map(Result::unwrap)"),
            ("client/src/lib.rs", "#[cfg(test)]\nmod tests { }\nfn f() { a.unwrap_err(); }"),
        ],
        &[
            ("src/server.rs", "a.unwrap_or(0); a.unwrap_or_default(); // .unwrap()"),
            ("src/server.rs", "#[cfg(test)]\nmod tests { fn f() { if true { a.unwrap(); } } }"),
            ("client/tests/api.rs", "a.unwrap();"),
        ],
    );
}

/// Goal: neither a key nor a database is ever handed out with the code. Without git there is nothing to look at.
#[test]
fn git_holds_no_secrets() {
    assert!(["certs/ca.key", "data/quipu.db", "leaf.pem", "data/quipu.db-wal"].into_iter().all(is_secret));
    assert!(
        !["certs/README.md", "src/store/key.rs", "protocol/spec/vectors/entry.cbor"]
            .into_iter()
            .any(is_secret)
    );
    if !root().join(".git").exists() {
        return;
    }
    // The folder is named safe for this one question: a container may see it as someone else's.
    let safe = format!("safe.directory={}", root().display());
    let Ok(listed) = Command::new("git").args(["-c", &safe, "ls-files"]).current_dir(root()).output() else {
        return;
    };
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.lines().any(|path| path == "Cargo.toml"), "git lists nothing");
    report(listed.lines().filter(|path| is_secret(path)).map(|path| format!("{path} is in git")).collect());
}
