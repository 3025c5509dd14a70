//! Rust files as the rules see them: code alone, line by line where it was.
//!
//! Comments and text are blanked rather than cut, so a place in the code is a place in the file.

use std::fs;
use std::path::Path;

/// One Rust file.
pub(super) struct Source {
    /// Where it is, from the root of the workspace, with `/`.
    pub(super) path: String,
    /// How many lines the file has, all counted.
    pub(super) lines: usize,
    /// Its code, without comments and without what stands in quotes.
    pub(super) code: String,
    /// Of that, what is built into the product: empty for a file of tests.
    pub(super) shipped: String,
}

impl Source {
    /// The file at `path` (from the root) that says `text`.
    pub(super) fn new(path: &str, text: &str) -> Self {
        let code = without_text(text);
        let shipped = if is_test(path) { String::new() } else { without_tests(&code) };
        Self { path: path.to_owned(), lines: text.lines().count(), code, shipped }
    }

    /// `path:line` of the byte `at` of the code.
    pub(super) fn place(&self, at: usize) -> String {
        format!("{}:{}", self.path, self.code[..at].matches('\n').count() + 1)
    }
}

/// All Rust files below `folders` of `root`, build output left out.
pub(super) fn read(root: &Path, folders: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut pending: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = pending.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push(Source::new(&name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

/// Identifiers of `code`, each with its place.
pub(super) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let starts = move |at: &usize| is_word(code, *at) && (*at == 0 || !is_word(code, at - 1));
    (0..code.len()).filter(starts).map(move |at| {
        let length = (at..code.len()).take_while(|at| is_word(code, *at)).count();
        (at, &code[at..at + length])
    })
}

/// What `code` names directly below the path `below`, each with its place: for `crate`, the `room` of
/// `crate::room::Seq` and the `room` and `store` of `use crate::{room::Room, store}`.
pub(super) fn named_below<'a>(code: &'a str, below: &str) -> Vec<(usize, &'a str)> {
    let mut named = Vec::new();
    for (at, _) in code.match_indices(below) {
        let after = &code[at + below.len()..];
        let Some(rest) = after.trim_start().strip_prefix("::").map(str::trim_start) else {
            continue;
        };
        if at > 0 && (is_word(code, at - 1) || code[..at].trim_end().ends_with("::")) {
            continue;
        }
        let group =
            rest.strip_prefix('{').map_or_else(|| first_word(rest).into_iter().collect(), heads_of_group);
        named.extend(group.into_iter().map(|name| (at, name)));
    }
    named
}

/// The first identifier of each path in the group whose opening brace was just before `code`.
fn heads_of_group(code: &str) -> Vec<&str> {
    let mut heads: Vec<_> = first_word(code).into_iter().collect();
    let mut depth = 0;
    for (at, character) in code.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.extend(first_word(&code[at + 1..])),
            _ => {}
        }
    }
    heads
}

fn first_word(code: &str) -> Option<&str> {
    let code = code.trim_start();
    words(code).next().filter(|(at, _)| *at == 0).map(|(_, word)| word)
}

fn is_word(code: &str, at: usize) -> bool {
    code.as_bytes().get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Whether a whole file is tests: `tests.rs` beside what it tests, or in a folder of tests, benches, or of the store's conformance suite.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.contains("/tests/")
        || path.contains("/benches/")
        || path.contains("/conformance/")
}

/// `text` with comments and quoted text blanked.
fn without_text(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = end_of_text(bytes, at);
        blank(&mut code[at..end]);
        at = end.max(at + 1);
    }
    String::from_utf8(code).expect("only whole characters are blanked")
}

/// `code` with every item under `#[cfg(test)]` blanked: to its closing brace, or to its semicolon.
fn without_tests(code: &str) -> String {
    let mut shipped = code.as_bytes().to_vec();
    for (start, marker) in code.match_indices("#[cfg(test)]").chain(code.match_indices("#[cfg(all(test,")) {
        let mut depth = 0;
        let item = code[start + marker.len()..].bytes().position(|byte| {
            depth += i32::from(b"([{".contains(&byte)) - i32::from(b")]}".contains(&byte));
            depth == 0 && matches!(byte, b'}' | b';')
        });
        let end = item.map_or(code.len(), |length| start + marker.len() + length + 1);
        blank(&mut shipped[start..end]);
    }
    String::from_utf8(shipped).expect("only whole characters are blanked")
}

fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

/// Where the comment or the quoted text that begins at `at` ends; `at` itself, if none does.
fn end_of_text(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let after_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    let length = match rest {
        [b'/', b'/', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest, b'"'),
        [b'r', b'"' | b'#', ..] if !after_word => raw_text(rest, 1),
        [b'b', b'r', b'"' | b'#', ..] if !after_word => raw_text(rest, 2),
        [b'\'', b'\\', ..] => quoted(rest, b'\''),
        [b'\'', first, ..] => character(rest, *first),
        _ => 0,
    };
    at + length
}

/// Length of the character in quotes at the front, 0 for a lifetime.
fn character(rest: &[u8], first: u8) -> usize {
    let width = match first {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    };
    if rest.get(1 + width) == Some(&b'\'') { width + 2 } else { 0 }
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Length of the raw text whose hashes begin at `hashes_at`, 0 for a raw identifier.
fn raw_text(rest: &[u8], hashes_at: usize) -> usize {
    let hashes = rest[hashes_at..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(hashes_at + hashes) != Some(&b'"') {
        return 0;
    }
    let end = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let inside = hashes_at + hashes + 1;
    let length = rest[inside..].windows(end.len()).position(|window| window == end);
    length.map_or(rest.len(), |length| inside + length + end.len())
}

/// Length of the block comment at the front. They nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        let step = match rest.get(at..at + 2) {
            Some(b"/*") => 1,
            Some(b"*/") => -1,
            Some(_) => 0,
            None => return rest.len(),
        };
        depth += step;
        at += if step == 0 { 1 } else { 2 };
        if depth == 0 {
            return at;
        }
    }
}

#[test]
fn text_and_comments_are_not_code() {
    let code = without_text(
        "a // b\n/* c /* d */ e */ f \"g \\\" h\" 'i' '\\'' &'j k r\"l\" r#\"m \" n\"# br#\"o\"# r#type '…' b\"p\" q",
    );
    let words: Vec<_> = words(&code).map(|(_, word)| word).collect();
    assert_eq!(words, ["a", "f", "j", "k", "r", "type", "b", "q"]);
    assert_eq!(code.find("f "), Some(25), "code stays where it was");
}

#[test]
fn tests_are_not_shipped() {
    let text = "one();\n#[cfg(test)]\nmod tests { fn two() { three(); } }\n#[cfg(test)] mod four;\n#[cfg(test)] fn five(a: [u8; 3]) { six(); }\nseven();";
    let shipped = Source::new("src/lib.rs", text).shipped;
    assert_eq!(words(&shipped).map(|(_, word)| word).collect::<Vec<_>>(), ["one", "seven"]);
    assert_eq!(Source::new("src/room/tests.rs", text).shipped, "");
}

#[test]
fn paths_are_followed_into_groups() {
    let names = |code, below| named_below(code, below).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(names("use crate::room::Room;", "crate"), ["room"]);
    assert_eq!(names("use crate::{\n  room::{self, Seq}, store,\n};", "crate"), ["room", "store"]);
    assert_eq!(names("krate::room(); my::crate::room(); crate ; crate\n  ::tls", "crate"), ["tls"]);
    assert_eq!(names("use super::super::store;", "super::super"), ["store"]);
}
