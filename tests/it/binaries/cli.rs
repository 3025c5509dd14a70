//! `quipu` as people and scripts run it: profiles in a folder of their own, exit codes, pipes.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use super::{Lines, Running, ServerProcess, program};

/// People at one machine: a folder of profiles, gone with the value.
pub(crate) struct People {
    folder: TempDir,
}

impl People {
    /// Nobody yet.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The profile `name`, whether it exists or not.
    pub(crate) fn profile(&self, name: &str) -> Cli {
        Cli { data: self.folder.path().to_owned(), profile: name.to_owned() }
    }

    /// The profile `name`, joined under that nickname.
    #[track_caller]
    pub(crate) fn join(&self, name: &str, link: &str) -> Cli {
        let cli = self.profile(name);
        cli.run(["join", link, "--nick", name, "--yes"]).done();
        cli
    }

    /// The owner of a new server, and others joined by the owner's invite.
    #[track_caller]
    pub(crate) fn join_all<const N: usize>(&self, server: &ServerProcess, names: [&str; N]) -> [Cli; N] {
        let mut link = server.link().to_owned();
        let mut owner: Option<Cli> = None;
        names.map(|name| {
            if let Some(owner) = &owner {
                link = owner.invite(&[]);
            }
            let cli = self.join(name, &link);
            owner.get_or_insert_with(|| cli.clone());
            cli
        })
    }
}

/// One profile's command line.
#[derive(Clone)]
pub(crate) struct Cli {
    data: PathBuf,
    profile: String,
}

impl Cli {
    /// The folder this profile lies in.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The command with these words, untouched by what the tester's own environment says.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(program("quipu"));
        for variable in ["QUIPU_PROFILE", "QUIPU_LOG", "XDG_DATA_HOME", "NO_COLOR"] {
            command.env_remove(variable);
        }
        command
            .env("QUIPU_DATA_DIR", &self.data)
            .env("HOME", &self.data)
            .args(["--profile", &self.profile, "--utc"])
            .args(words);
        command
    }

    /// Runs a command to its end, without input.
    #[track_caller]
    pub(crate) fn run<A: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = A>) -> Ran {
        self.run_with(words, b"")
    }

    /// Runs a command to its end with this on its standard input.
    #[track_caller]
    pub(crate) fn run_with<A: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = A>, input: &[u8]) -> Ran {
        let mut process = self.start(words);
        let mut stdin = process.stdin.take().unwrap();
        let input = input.to_vec();
        // A thread, because who writes all before reading anything may wait for ever.
        let writing = thread::spawn(move || stdin.write_all(&input));
        let ran = process.end();
        let _ = writing.join().unwrap(); // A program may end without reading everything.
        ran
    }

    /// Starts a command and lets it run.
    pub(crate) fn start<A: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = A>) -> Process {
        let mut command = self.command(words);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Process {
            shown: format!("{command:?}"),
            stdin: child.stdin.take(),
            stdout: Lines::of(child.stdout.take().unwrap()),
            stderr: Lines::of(child.stderr.take().unwrap()),
            running: Running(child),
        }
    }

    /// Makes an invite and gives its link.
    #[track_caller]
    pub(crate) fn invite(&self, words: &[&str]) -> String {
        let ran = self.run(["invite", "new"].iter().chain(words)).done();
        ran.stdout.trim().to_owned()
    }

    /// The object this command prints with `--json`, which must be one.
    #[track_caller]
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let mut objects = self.run(words.iter().chain(&["--json"])).done().objects();
        assert_eq!(objects.len(), 1, "{objects:#?}");
        objects.remove(0)
    }
}

/// A command that runs.
pub(crate) struct Process {
    shown: String,
    running: Running,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
}

impl Process {
    /// Types a line.
    #[track_caller]
    pub(crate) fn type_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("standard input is open");
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        self.running.signal("INT");
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.running.kill();
    }

    /// Closes standard input and waits for the end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ran {
        self.stdin = None;
        let stdout = self.stdout.all();
        let stderr = self.stderr.all();
        Ran { shown: self.shown, code: self.running.wait().code(), stdout, stderr }
    }
}

/// A command that ended.
pub(crate) struct Ran {
    shown: String,
    /// None when a signal ended it.
    code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The exit code must be this.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, Some(expected), "{self}");
        self
    }

    /// The command must have done what it was asked.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        self.code(0)
    }

    /// Standard error must say this.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in {self}");
        self
    }

    /// What was printed with `--json`: every line an object of version 1 with a type.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.stdout.lines().map(object).collect()
    }
}

/// A line of `--json`: an object of version 1 with a type.
#[track_caller]
pub(crate) fn object(line: &str) -> Value {
    let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(object["v"], 1, "{line}");
    assert!(object["type"].is_string(), "{line}");
    object
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { shown, code, stdout, stderr } = self;
        write!(f, "{shown}\nexit {code:?}\n-- standard output\n{stdout}-- standard error\n{stderr}")
    }
}
