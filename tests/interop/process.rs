//! Programs that end with their test, and never make it wait for ever.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// What a program has to say what we wait for. Far more than it takes, for machines with much else to do.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A process that ends with its test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `command`, whose outputs the caller has set.
pub(crate) fn start(command: &mut Command) -> Running {
    match command.stdin(Stdio::null()).spawn() {
        Ok(child) => Running(child),
        Err(error) => panic!("{}: {error}", command.get_program().display()),
    }
}

/// Runs `command` to its end, which must come soon.
pub(crate) fn run(command: &mut Command) -> Output {
    let mut running = start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let stdout = all_of(running.0.stdout.take().unwrap());
    let stderr = all_of(running.0.stderr.take().unwrap());
    let stdout = stdout.recv_timeout(SOON);
    if stdout.is_err() {
        let _ = running.0.kill(); // So that stderr ends too, and can be shown.
    }
    let stderr = stderr.recv_timeout(SOON).unwrap();
    let Ok(stdout) = stdout else {
        panic!("no end after {SOON:?}: {}", String::from_utf8_lossy(&stderr));
    };
    let status = running.0.wait().unwrap();
    Output { status, stdout, stderr }
}

/// The first line of `output` in which `find` sees what it looks for. The rest is read too, so that nobody fails at
/// speaking on.
pub(crate) fn first<T: Send + 'static>(
    output: impl Read + Send + 'static,
    find: impl Fn(&str) -> Option<T> + Send + 'static,
) -> Option<T> {
    let (sender, found) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(it) = find(&line) {
                let _ = sender.send(it);
            }
        }
    });
    found.recv_timeout(SOON).ok()
}

fn all_of(mut output: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, all) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = output.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    all
}
