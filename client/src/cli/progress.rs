//! How far a file has come, on a terminal; elsewhere nothing is said before the end.

use std::io::{self, IsTerminal as _, Write as _};

use quipu_client::Progress;

use super::render;

/// A line on standard error that is written over, and gone when this is dropped.
pub(crate) struct Meter {
    name: String,
    shown: Option<u64>,
    is_seen: bool,
}

impl Meter {
    /// For a file of this name.
    pub(crate) fn of(name: &str) -> Self {
        Self { name: render::line(name).into_owned(), shown: None, is_seen: io::stderr().is_terminal() }
    }

    /// Shows how far it has come, when a person would see a difference.
    pub(crate) fn show(&mut self, progress: Progress) {
        let percent = (progress.done * 100).checked_div(progress.size).unwrap_or(100);
        if self.is_seen && self.shown.replace(percent) != Some(percent) {
            // When nobody reads it there is nobody to tell.
            let _ = write!(io::stderr(), "\r{}: {percent} %", self.name);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
