//! The versions we do not go below: Cargo.lock against floors.toml.

use std::fs;

use serde::Deserialize;

use super::{report, root};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Floors {
    floor: Vec<Floor>,
}

/// One fault of a crate, and where it was mended.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Floor {
    #[serde(rename = "crate")]
    name: String,
    /// The first good version of each release line, oldest first.
    fixed: Vec<String>,
    advisory: String,
    fault: String,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

/// Major, minor, patch, and whether it is a release: one that is not comes before the release of its number.
type Version = (u64, u64, u64, bool);

impl Floor {
    /// Whether `version` has the fix: at its own release line's fix or past it, or newer than all of them.
    fn is_kept_by(&self, version: &str) -> bool {
        let version = parse(version);
        let fixed: Vec<_> = self.fixed.iter().map(|fixed| parse(fixed)).collect();
        let same_line = fixed.iter().find(|fixed| line(**fixed) == line(version));
        version >= *same_line.or(fixed.last()).expect("parsed floors name a version")
    }
}

/// Versions that cargo holds to be compatible with each other.
fn line((major, minor, ..): Version) -> (u64, u64) {
    if major == 0 { (0, minor) } else { (major, 0) }
}

fn parse(version: &str) -> Version {
    let number = version.split('+').next().unwrap_or(version);
    let (number, is_release) = number.split_once('-').map_or((number, true), |(number, _)| (number, false));
    let parts: Vec<u64> = number.split('.').map(|part| part.parse().unwrap()).collect();
    let [major, minor, patch] = parts[..] else { panic!("{version} is not a version of three parts") };
    (major, minor, patch, is_release)
}

fn parse_floors(text: &str) -> Vec<Floor> {
    let floors: Floors = toml::from_str(text).unwrap();
    for Floor { name, fixed, .. } in &floors.floor {
        let versions: Vec<_> = fixed.iter().map(|fixed| parse(fixed)).collect();
        assert!(!versions.is_empty() && versions.is_sorted(), "{name}: fixed must be versions, oldest first");
    }
    floors.floor
}

fn faults(floors: &[Floor], lock: &str) -> Vec<String> {
    let lock: Lock = toml::from_str(lock).unwrap();
    let below = lock.package.iter().flat_map(|Package { name, version }| {
        let below = floors.iter().filter(move |floor| floor.name == *name && !floor.is_kept_by(version));
        below.map(move |Floor { fixed, advisory, fault, .. }| {
            let fixed = fixed.join(", ");
            format!("Cargo.lock has {name} {version}: {fault}. Fixed in {fixed} ({advisory})")
        })
    });
    below.collect()
}

#[test]
fn dependencies_are_above_their_floors() {
    let floors = parse_floors(&fs::read_to_string(root().join("floors.toml")).unwrap());
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    report(faults(&floors, &lock));

    // The real table with one crate taken back must be caught, and said in full.
    let old = "[[package]]\nname = 'quinn-proto'\nversion = '0.11.18'\n[[package]]\nname = 'ring'\nversion = '0.17.11'";
    let found = faults(&floors, old);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("Cargo.lock has quinn-proto 0.11.18: ") && found[0].contains("0.11.19"),
        "{found:?}"
    );
    assert!(found[1].contains("RUSTSEC-2025-0009"), "{found:?}");
}

#[test]
fn a_floor_holds_for_each_release_line() {
    let floor = &parse_floors(
        "[[floor]]\ncrate = 'a'\nfixed = ['0.9.5', '0.10.5', '1.2.0']\nadvisory = 'none'\nfault = 'none'",
    )[0];
    for kept in ["0.9.5", "0.9.10", "0.10.5", "1.2.0", "1.10.0", "2.0.0", "0.10.6+build"] {
        assert!(floor.is_kept_by(kept), "{kept}");
    }
    for below in ["0.8.9", "0.9.4", "0.10.4", "0.10.5-rc.1", "0.11.0", "1.1.9"] {
        assert!(!floor.is_kept_by(below), "{below}");
    }
}
