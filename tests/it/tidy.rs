//! Style as a test: what the tree promises about itself, and a look at whether it keeps it.
//!
//! ```text
//!   source   Rust files, without comments, text and tests     walls    who may name whom
//!   floors   the versions we do not go below                  habits   size, leftovers, secrets
//!   named    tests and limits that documents name
//! ```
//!
//! Every rule is first shown something it must catch and something it must let pass, so none can fall asleep. It reads
//! text, not types: what hides in a macro or behind a re-export gets by. A folder that is not there has no faults.

mod floors;
mod habits;
mod named;
mod source;
mod walls;

use std::path::{Path, PathBuf};

use source::Source;

/// What a rule finds wrong with one file: a line each, ready to be read by whoever broke it.
type Rule = fn(&Source) -> Vec<String>;

/// The folder of the workspace.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Shows `rule` what it must catch and what it must let pass, as (path, code), then the tree itself.
#[track_caller]
fn check(rule: Rule, caught: &[(&str, &str)], passed: &[(&str, &str)]) {
    for (path, code) in caught {
        assert!(!rule(&Source::new(path, code)).is_empty(), "asleep: {path} may say {code:?}");
    }
    for (path, code) in passed {
        assert_eq!(rule(&Source::new(path, code)), Vec::<String>::new(), "too eager: {path} says {code:?}");
    }
    report(source::read(&root(), &["src", "client", "protocol"]).iter().flat_map(rule).collect());
}

/// Fails with all `faults`, one a line, if there are any.
#[track_caller]
fn report(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Whether `path` is the module `module` or lies within it: `src/room` is `src/room.rs` and all of `src/room/`.
fn is_in(path: &str, module: &str) -> bool {
    let rest = path.strip_prefix(module);
    rest.is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
}

/// Goal: the rules look at something.
#[test]
fn the_tree_is_found() {
    let sources = source::read(&root(), &["src", "client", "protocol"]);
    for path in ["src/main.rs", "client/src/lib.rs", "protocol/src/lib.rs"] {
        assert!(
            sources.iter().any(|source| Path::new(&source.path) == Path::new(path)),
            "{path} was not read"
        );
    }
}
