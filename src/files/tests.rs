//! Content on a real disk, its owner alone, and what a crash leaves.

use std::collections::HashSet;
use std::path::PathBuf;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::seams::SystemEntropy;
use crate::store::{Blocking, FileHash};

struct World {
    folder: TempDir,
    depot: Depot,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let depot = Depot::open(&folder.path().join("files"), Blocking::Inline).unwrap();
        Self { folder, depot }
    }

    /// The same disk after the process was killed.
    fn killed(self) -> Self {
        let depot = Depot::open(&self.folder.path().join("files"), Blocking::Inline).unwrap();
        Self { depot, ..self }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("files").join(name)
    }

    fn disk(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    async fn read(&self, name: &str, offset: u64, length: u64) -> Vec<u8> {
        let mut outgoing = self.depot.read(name, offset, length).await.unwrap();
        let mut all = Vec::new();
        while let Some((piece, rest)) = outgoing.next().await.unwrap() {
            all.extend_from_slice(&piece);
            outgoing = rest;
        }
        all
    }
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

fn hash(content: &[u8]) -> FileHash {
    ring::digest::digest(&ring::digest::SHA256, content).as_ref().try_into().unwrap()
}

fn name(content: &[u8]) -> String {
    Depot::new_name(&hash(content), &SystemEntropy)
}

fn pieces(content: &[u8]) -> Vec<Bytes> {
    content.chunks(1_000).map(Bytes::copy_from_slice).collect()
}

#[tokio::test]
async fn content_is_whole_or_not_there_and_a_kill_costs_nothing_that_was_written() {
    let (world, bytes) = (World::new(), content(200_000));
    let name = name(&bytes);
    let incoming = world.depot.resume(&name, 200_000).await.unwrap();
    assert_eq!(incoming.offset(), 0);
    incoming.write(pieces(&bytes[..150_500])).await.unwrap();
    assert!(matches!(world.depot.read(&name, 0, 1).await, Err(FileError::Missing)));

    let world = world.killed();
    let incoming = world.depot.resume(&name, 200_000).await.unwrap();
    assert_eq!(incoming.offset(), 150_500);
    let incoming = incoming.write(pieces(&bytes[150_500..])).await.unwrap();
    incoming.finish(hash(&bytes)).await.unwrap();
    assert_eq!(world.disk(), std::slice::from_ref(&name));
    assert_eq!(world.read(&name, 0, 200_000).await, bytes);
    assert_eq!(world.read(&name, 65_000, 70_000).await, bytes[65_000..135_000]);
    assert_eq!(world.read(&name, 200_000, 0).await, b"");
}

#[tokio::test]
async fn what_was_placed_and_never_committed_is_gone_on_with() {
    let (world, bytes) = (World::new(), content(1_000));
    let name = name(&bytes);
    let incoming = world.depot.resume(&name, 1_000).await.unwrap();
    incoming.write(pieces(&bytes)).await.unwrap().finish(hash(&bytes)).await.unwrap();
    let world = world.killed();
    let again = world.depot.resume(&name, 1_000).await.unwrap();
    assert_eq!(again.offset(), 1_000);
    again.finish(hash(&bytes)).await.unwrap();
}

#[tokio::test]
async fn other_content_than_announced_is_not_placed() {
    let (world, bytes) = (World::new(), content(1_000));
    for (announced, size, written, expected) in [
        (hash(b"another"), 1_000, 1_000, FileError::Mismatch),
        (hash(&bytes), 1_000, 999, FileError::Short),
        (hash(&bytes), 999, 1_000, FileError::Mismatch),
    ] {
        let name = name(&bytes);
        let incoming = world.depot.resume(&name, size).await.unwrap();
        let ended = match incoming.write(pieces(&bytes[..written])).await {
            Ok(incoming) => incoming.finish(announced).await,
            Err(error) => Err(error),
        };
        let error = ended.unwrap_err();
        assert_eq!(error.to_string(), expected.to_string());
        assert!(!world.path(&name).exists());
    }
    // More than was announced, from an earlier life: from the beginning.
    let name = name(&bytes);
    world.depot.resume(&name, 1_000).await.unwrap().write(pieces(&bytes)).await.unwrap();
    assert_eq!(world.depot.resume(&name, 10).await.unwrap().offset(), 0);
}

/// Goal: two connections that write one upload cannot mix their bytes.
#[tokio::test]
async fn whoever_comes_later_has_the_turn() {
    let (world, bytes) = (World::new(), content(2_000));
    let name = name(&bytes);
    let first = world.depot.resume(&name, 2_000).await.unwrap();
    let first = first.write(pieces(&bytes[..1_000])).await.unwrap();
    let second = world.depot.resume(&name, 2_000).await.unwrap();
    assert_eq!(second.offset(), 1_000);
    assert!(matches!(first.write(pieces(b"other")).await, Err(FileError::Superseded)));
    let second = second.write(pieces(&bytes[1_000..])).await.unwrap();
    let third = world.depot.resume(&name, 2_000).await.unwrap();
    assert!(matches!(second.finish(hash(&bytes)).await, Err(FileError::Superseded)));
    third.finish(hash(&bytes)).await.unwrap();
    assert_eq!(world.read(&name, 0, 2_000).await, bytes);
}

#[tokio::test]
async fn a_start_collects_what_nobody_knows_and_nothing_else() {
    let world = World::new();
    let [known, coming, lost, left] = ["a", "b", "c", "d"].map(|text| name(text.as_bytes()));
    for file in [known.clone(), format!(".{coming}"), lost.clone(), format!(".{left}")] {
        std::fs::write(world.path(&file), "x").unwrap();
    }
    std::fs::write(world.path("README"), "an operator's note").unwrap();
    let needed = HashSet::from([known.clone(), coming.clone()]);
    assert_eq!(world.depot.collect(&needed).unwrap(), 2);
    let mut expected = vec![known.clone(), format!(".{coming}"), "README".to_owned()];
    expected.sort();
    assert_eq!(world.disk(), expected);
    // Unlinking what is not there is no failure: a crash may have come between the two.
    assert_eq!(world.depot.remove(vec![known.clone(), lost.clone()]).await, [known, lost]);
}

#[tokio::test]
async fn a_server_without_a_place_takes_nothing() {
    let depot = Depot::closed();
    assert!(matches!(depot.resume("x", 1).await, Err(FileError::Closed)));
    assert!(matches!(depot.read("x", 0, 1).await, Err(FileError::Closed)));
    assert_eq!(depot.collect(&HashSet::new()).unwrap(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_look_inside() {
    use std::os::unix::fs::PermissionsExt as _;
    let (world, bytes) = (World::new(), content(10));
    let name = name(&bytes);
    let incoming = world.depot.resume(&name, 10).await.unwrap();
    incoming.write(pieces(&bytes)).await.unwrap().finish(hash(&bytes)).await.unwrap();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(world.path("")), mode(world.path(&name))), (0o700, 0o600));
}
