//! `tail --exec`: a program for each entry, one after the other.
//!
//! ```text
//!   entry ──▶ program: JSON on standard input, ids in the environment ──exit 0──▶ place remembered ──▶ next entry
//!                └──────── anything else, or too slow ──▶ again, a little later ──▶ … ──▶ the end, at this place
//! ```
//!
//! There is no shell, and nothing that people may write freely is in an argument or a variable.
//! Invariant: a place is remembered after the program has succeeded there and at every place before. So each entry is
//! handled at least once; one that was under way when this process was killed is handled again.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use quipu_client::protocol::limits::BODY_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::args;
use super::exit::Failure;
use super::out::{json_line, note};
use super::record::Record;

/// A program to run, and how patient to be with it.
#[derive(Debug)]
pub(crate) struct Exec {
    program: OsString,
    arguments: Vec<OsString>,
    within: Duration,
    attempts: u32,
    skip_failed: bool,
    /// Whether what it prints is to be said in the room.
    pub(crate) replies: bool,
}

impl Exec {
    /// What the arguments ask for.
    pub(crate) fn of(args: &args::Exec) -> Option<Self> {
        let args = args.clone();
        Some(Self {
            program: args.program?,
            arguments: args.arguments,
            within: args.within,
            attempts: args.attempts,
            skip_failed: args.skip_failed,
            replies: args.reply,
        })
    }

    /// Runs the program for one entry until it succeeds; gives what it printed, if that is to be said. None when every
    /// attempt failed and the entry is to be left behind.
    pub(crate) async fn handle(&self, entry: &Record) -> Result<Option<String>, Failure> {
        let mut pause = RETRY_AFTER;
        let mut attempt = 1;
        loop {
            let why = match self.attempt(entry).await? {
                Ok(said) => return Ok(Some(said)),
                Err(why) => why,
            };
            let place = entry.text_of("cursor").unwrap_or_default();
            let failed = format!("{} {why} at {place}", self.name());
            if attempt < self.attempts {
                note(format!("{failed}; again in {} s", pause.as_secs()));
                sleep(pause).await;
                (attempt, pause) = (attempt + 1, RETRY_AFTER_MAX.min(2 * pause));
            } else if self.skip_failed {
                note(format!("{failed}; left behind"));
                return Ok(None);
            } else {
                return Err(Failure::Program(format!("{failed}; the next run begins there")));
            }
        }
    }

    /// One run. What it did wrong is the inner error; the outer one is that it cannot be run at all.
    async fn attempt(&self, entry: &Record) -> Result<Result<String, String>, Failure> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).kill_on_drop(true);
        command.stdout(if self.replies { Stdio::piped() } else { Stdio::inherit() });
        for (field, variable) in VARIABLES {
            match entry.text_of(field) {
                Some(value) => command.env(variable, value),
                None => command.env_remove(variable),
            };
        }
        let mut child = command.spawn().map_err(|error| Failure::io(self.name(), error))?;
        let ran = timeout(self.within, converse(&mut child, json_line(entry))).await;
        Ok(match ran {
            Ok(Ok((status, printed))) if status.success() => reply(printed),
            Ok(Ok((status, _))) => Err(ended(status)),
            Ok(Err(error)) => Err(format!("could not be waited for ({error})")),
            Err(_) => {
                // Dropping it would do the same, but not wait until it is gone.
                let _ = child.kill().await;
                Err(format!("took longer than {} s", self.within.as_secs_f64()))
            }
        })
    }

    fn name(&self) -> String {
        super::render::line(&self.program.to_string_lossy()).into_owned()
    }
}

/// Gives the program its input, and waits for its end and for what it prints. A program need not read.
async fn converse(child: &mut Child, input: String) -> std::io::Result<(ExitStatus, Vec<u8>)> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(format!("{input}\n").as_bytes()).await;
        }
    };
    let (status, printed, ()) = tokio::join!(child.wait(), read(stdout), feed);
    Ok((status?, printed?))
}

/// What it prints, and one byte more than may be said when that is too much; the rest is read and forgotten.
async fn read(stdout: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let Some(mut stdout) = stdout else { return Ok(Vec::new()) };
    let mut printed = Vec::new();
    (&mut stdout).take(BODY_BYTES_MAX as u64 + 1).read_to_end(&mut printed).await?;
    tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await?;
    Ok(printed)
}

/// The words in what was printed, without the `\n` at the end.
fn reply(mut printed: Vec<u8>) -> Result<String, String> {
    while printed.last() == Some(&b'\n') {
        printed.pop();
    }
    if printed.len() > BODY_BYTES_MAX {
        return Err(format!("printed more than the {BODY_BYTES_MAX} bytes a message may have"));
    }
    String::from_utf8(printed).map_err(|_| "printed what is not UTF-8".into())
}

fn ended(status: ExitStatus) -> String {
    status
        .code()
        .map_or_else(|| format!("was ended by a signal ({status})"), |code| format!("ended with {code}"))
}

/// Fields of an entry that are ids, numbers or words of the protocol, and the variables they are in.
const VARIABLES: [(&str, &str); 8] = [
    ("type", "QUIPU_TYPE"),
    ("room", "QUIPU_ROOM"),
    ("room_name", "QUIPU_ROOM_NAME"),
    ("seq", "QUIPU_SEQ"),
    ("cursor", "QUIPU_CURSOR"),
    ("at_ms", "QUIPU_AT_MS"),
    ("user", "QUIPU_USER"),
    ("id", "QUIPU_ID"),
];
/// How long to wait before the second attempt; twice as long before each further one.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The longest of these waits.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_a_message_or_a_reason() {
        assert_eq!(reply(b"one\ntwo\n\n".to_vec()), Ok("one\ntwo".into()));
        assert_eq!(reply(Vec::new()), Ok(String::new()));
        assert!(reply(vec![b'a'; BODY_BYTES_MAX + 1]).unwrap_err().contains("16384"));
        assert!(reply(vec![0xff]).unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn no_variable_has_what_people_write() {
        let free = ["text", "nickname", "topic", "reason", "files"];
        assert!(VARIABLES.iter().all(|(field, _)| !free.contains(field)));
    }
}
