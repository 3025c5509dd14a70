//! Power cuts and failing disks: what was acknowledged is there, whatever the disk had not made durable yet.
//!
//! ```text
//!   strace ─▶ the writer: the real store, a real folder     every call that changes the disk, and what was said when
//!                                                            │
//!   trace ──▶ disk: what is durable, what is not yet ──▶ an image for a cut after each call ──▶ the store opens it
//! ```
//!
//! An image has what was synced, and any part of what was not: each file on its own, writes in any order, torn between
//! sectors. The writer starts from nothing and stops and starts again on its way, so that cuts also hit the very first
//! start, the change to the write-ahead log, and the log's return into the file.
//!
//! The same writer runs with calls that fail, which strace injects into the kernel's answers.
//!
//! Invariant: a disk that keeps its word loses nothing that was acknowledged; one that does not is caught here.

mod disk;
mod trace;
mod writer;

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::Command;

use quipu_protocol::Seq;
use quipu_protocol::entry::Erasure;
use quipu_server::store::Store as _;
use quipu_server::store::sqlite::SqliteStore;
use tempfile::TempDir;

use crate::binaries::Dice;
use disk::{Disk, Image};
use trace::{Step, Trace};
use writer::{LOBBY, Said, append, text};

/// Images of one run; there are four.
const IMAGES: usize = 500;
/// Calls of each kind that fail in turn, one in each run.
const FAULTS: usize = 40;

// Four tests, so that they run side by side.
#[test]
fn no_power_cut_takes_back_what_was_acknowledged() {
    nothing_is_lost(1);
}

#[test]
fn no_power_cut_takes_it_back_in_other_moments() {
    nothing_is_lost(2);
}

#[test]
fn no_power_cut_takes_it_back_in_other_orders() {
    nothing_is_lost(3);
}

#[test]
fn no_power_cut_takes_it_back_with_other_tears() {
    nothing_is_lost(4);
}

/// Goal: the promise of the first page, for a machine whose power fails.
fn nothing_is_lost(seed: u64) {
    let (images, faults) = cut(Disk::default(), IMAGES, seed);
    assert!(images >= IMAGES, "only {images} images");
    assert!(faults.is_empty(), "{} of {images} images: {:#?}", faults.len(), &faults[..faults.len().min(10)]);
}

/// What tests the tests above: a disk that says it has synced and has not.
#[test]
fn a_disk_that_lies_about_having_written_is_caught() {
    let (images, faults) = cut(Disk::lying(), IMAGES / 4, 5);
    println!("{} of {images} images have lost something", faults.len());
    assert!(faults.len() > images / 10, "only {} of {images}", faults.len());
}

#[test]
fn a_sync_that_fails_is_never_taken_for_done() {
    for number in 1..=FAULTS {
        let once = format!("fsync,fdatasync:error=EIO:when={number}");
        survives(&once);
        if number % 5 == 0 {
            let said = survives(&format!("{once}+"));
            assert!(said.acked < writer::MESSAGES, "nothing failed with {once}+");
        }
    }
}

#[test]
fn a_write_that_fails_is_never_taken_for_done() {
    for (number, error) in (1..=FAULTS).zip(["ENOSPC", "EIO"].into_iter().cycle()) {
        survives(&format!("pwrite64:error={error}:when={}", number * 7));
    }
}

/// So many images of one run on this kind of disk, and what is wrong with some of them.
fn cut(mut disk: Disk, wanted: usize, seed: u64) -> (usize, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let trace = Trace::of(|strace| writer::run(strace, folder.path()));
    let calls = trace.steps.iter().filter(|step| matches!(step, Step::Call(_))).count();
    let (mut said, mut images, mut faults, mut number) = (Said::default(), 0, Vec::new(), 0);
    let mut dice = Dice::new(seed);
    for step in trace.steps {
        match step {
            Step::Said(line) => said.hear(&line),
            Step::Call(call) => {
                disk.take(call);
                number += 1;
                // Evenly over all calls, whether there are more of them or more images.
                while images * calls < number * wanted {
                    images += 1;
                    let fault = judge(&disk.image(&mut dice), &said).err();
                    faults.extend(fault.map(|fault| format!("image {images} of seed {seed}: {fault}")));
                }
            }
        }
    }
    (images, faults)
}

/// Lets the writer run with a fault; then everything it was told is so.
fn survives(fault: &str) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let mut strace = Command::new("strace");
    strace.args(["--seccomp-bpf", "-f", "-qq", "-e", "trace=fsync,fdatasync,pwrite64", "-o", "/dev/null"]);
    writer::run(strace.arg("-e").arg(format!("inject={fault}")), folder.path());
    let said = Said::of(folder.path());
    opens(&folder.path().join(writer::DATA), &said).unwrap_or_else(|wrong| panic!("{fault}: {wrong}"));
    said
}

/// What a start after the cut finds.
fn judge(image: &Image, said: &Said) -> Result<(), String> {
    let folder = volatile();
    let data = folder.path().join("data");
    fs::DirBuilder::new().mode(0o700).create(&data).unwrap();
    image.write_to(&data);
    opens(&data, said)
}

/// Images need no disk of their own.
fn volatile() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Whether a store opens, has all that was acknowledged and nothing that was never said, and goes on.
fn opens(data: &Path, said: &Said) -> Result<(), String> {
    let mut store = SqliteStore::open(data).map_err(|error| format!("does not open: {error}"))?;
    let reads = store.reader().map_err(|error| error.to_string())?;
    let room = reads.room(LOBBY).map_err(|error| error.to_string())?;
    let Some(room) = room else {
        return if said.acked == 0 { Ok(()) } else { Err(format!("no room, {} acknowledged", said.acked)) };
    };
    let there = room.head.seq.0;
    if !(said.acked..=said.asked).contains(&there) {
        return Err(format!("{there} messages, {} acknowledged, {} said", said.acked, said.asked));
    }
    for number in 1..=there {
        let entry = reads.entry(LOBBY, Seq(number)).map_err(|error| error.to_string())?;
        let entry = entry.ok_or_else(|| format!("message {number} of {there} is not there"))?;
        let is_whole = entry.ext.erased.is_none() && entry.text() == Some(text(number).as_str());
        let is_erased = entry.ext.erased == Some(Erasure::RETRACTED);
        if !is_erased && (!is_whole || said.erased.contains(&number)) {
            return Err(format!("message {number} of {there} is another one"));
        }
    }
    drop(reads);
    append(&mut store, there + 1).map_err(|error| format!("does not go on: {error}"))
}
