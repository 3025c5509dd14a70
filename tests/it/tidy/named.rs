//! Documents that name a test as their proof name one that is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{report, root};

/// Documents whose tables name tests.
const DOCUMENTS: &[&str] = &["SECURITY.md", "docs/GUARANTEES.md", "docs/LIMITS.md"];

/// Words between backticks that look as only a test's name does.
fn named(document: &str) -> impl Iterator<Item = &str> {
    let quoted = document.split('`').skip(1).step_by(2);
    quoted.filter(|word| {
        let is_name =
            word.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_');
        is_name && word.matches('_').count() >= 2
    })
}

/// Names of functions, and of tests that a macro makes of `name: …`.
fn defined(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            defined(&path, names);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            for line in fs::read_to_string(&path).unwrap().lines() {
                let line = line.trim_start();
                let function = line.split_once("fn ").and_then(|(_, rest)| rest.split_once('('));
                let made = line.split_once(": ");
                names.extend([function, made].into_iter().flatten().map(|(name, _)| name.trim().to_owned()));
            }
        }
    }
}

#[test]
fn tests_that_documents_name_are_there() {
    assert_eq!(named("`a_b_c` and `a_b`, `A_B_C`, a_b_c_d").collect::<Vec<_>>(), ["a_b_c"]);
    let mut names = BTreeSet::new();
    ["src", "client", "protocol", "tests"]
        .iter()
        .for_each(|folder| defined(&root().join(folder), &mut names));
    let mut faults = Vec::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let unknown = named(&text).filter(|name| !names.contains(*name));
        faults.extend(unknown.map(|name| format!("{document} names {name}, and there is no such test")));
        assert!(named(&text).count() > 10, "{document} names tests");
    }
    report(faults);
}

/// Goal: whoever adds a limit says what happens there.
#[test]
fn every_limit_of_the_server_is_on_its_page() {
    let page = fs::read_to_string(root().join("docs/LIMITS.md")).unwrap();
    let limits = fs::read_to_string(root().join("src/limits.rs")).unwrap();
    let of = |line: &str| Some(line.strip_prefix("pub const ")?.split_once(':')?.0.to_owned());
    let missing = limits.lines().filter_map(of).filter(|name| !page.contains(&format!("`{name}`")));
    report(missing.map(|name| format!("docs/LIMITS.md lacks {name}")).collect());
}
