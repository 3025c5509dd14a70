//! What strace writes down, read again: calls that change the disk, and lines of the writer's notes, in their order.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::writer::NOTES;

/// One call that changes the disk. A file is known by its name at that moment.
#[derive(Debug)]
pub(super) enum Call {
    /// A file is opened, and made if it is not there.
    Create(PathBuf),
    Write {
        file: PathBuf,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: PathBuf,
        to: usize,
    },
    /// Of a file or a folder.
    Sync(PathBuf),
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove(PathBuf),
}

#[derive(Debug)]
pub(super) enum Step {
    Call(Call),
    /// A line of the writer's notes.
    Said(String),
}

pub(super) struct Trace {
    pub(super) steps: Vec<Step>,
}

/// All calls that change a file or a name: one that is missing here would be missing in every image, so calls that the
/// reader below does not know are a failure.
const CALLS: &str = "trace=openat,creat,open,write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,fsync,\
    fdatasync,sync_file_range,copy_file_range,sendfile,rename,renameat,renameat2,link,linkat,unlink,unlinkat";

impl Trace {
    /// What a program does that is run under the strace it is given.
    pub(super) fn of(run: impl FnOnce(&mut Command)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trace");
        let mut strace = Command::new("strace");
        // Strings in hexadecimal, and whole; names of open files.
        strace.args([
            "--seccomp-bpf",
            "-f",
            "-qq",
            "-xx",
            "-y",
            "-s",
            "16777216",
            "-e",
            "signal=none",
            "-e",
            CALLS,
        ]);
        run(strace.arg("-o").arg(&file));
        let lines = fs::read_to_string(&file).unwrap();
        Self { steps: lines.lines().filter_map(step).collect() }
    }
}

/// What one line tells; none when it changes nothing of ours.
fn step(line: &str) -> Option<Step> {
    let (_, line) = line.trim_start().split_once(' ')?;
    let (call, rest) = line.trim_start().split_once('(')?;
    assert!(!line.contains("<unfinished"), "the writer has one thread that writes: {call}");
    let (arguments, result) = rest.rsplit_once(" = ")?;
    if result.starts_with('-') {
        return None;
    }
    let arguments: Vec<&str> = arguments.trim_end().trim_end_matches(')').split(", ").collect();
    let number = |at: usize| arguments[at].parse::<usize>().unwrap();
    let call = match call {
        "openat" if !line.contains("O_CREAT") => return None,
        "openat" => Call::Create(named(arguments[1])),
        "pwrite64" => Call::Write { file: open(arguments[0]), at: number(3), bytes: quoted(arguments[1]) },
        "write" => return said(arguments[0], arguments[1]),
        "ftruncate" => Call::Truncate { file: open(arguments[0]), to: number(1) },
        "fsync" | "fdatasync" => Call::Sync(open(arguments[0])),
        "rename" => Call::Rename { from: named(arguments[0]), to: named(arguments[1]) },
        "unlink" => Call::Remove(named(arguments[0])),
        other => panic!("no reader for {other}"),
    };
    Some(Step::Call(call))
}

/// The only file of ours that is written without a position.
fn said(file: &str, text: &str) -> Option<Step> {
    let is_note = open(file).file_name().is_some_and(|name| name == NOTES);
    is_note.then(|| Step::Said(String::from_utf8(quoted(text)).unwrap()))
}

/// The name of an open file: `3<\x2f…>`.
fn open(argument: &str) -> PathBuf {
    let name = argument.split_once('<').map_or("", |(_, name)| name.trim_end_matches('>'));
    path(&bytes(name))
}

fn named(argument: &str) -> PathBuf {
    path(&quoted(argument))
}

fn path(bytes: &[u8]) -> PathBuf {
    Path::new(std::str::from_utf8(bytes).unwrap()).to_path_buf()
}

fn quoted(argument: &str) -> Vec<u8> {
    bytes(argument.strip_prefix('"').and_then(|text| text.strip_suffix('"')).expect("a whole string"))
}

/// `\x01\x02…`
fn bytes(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|byte| u8::from_str_radix(&byte[..2], 16).unwrap()).collect()
}
