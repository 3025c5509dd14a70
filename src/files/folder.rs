//! The folder of the files: paths, and which upload is whose to write.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::warn;

/// What stands before the name of what is not whole yet. Backups leave out what begins so.
const PART: char = '.';
/// Hexadecimal digits of a hash, a dash, and those of what was drawn.
const NAME_CHARS: usize = 64 + 1 + 32;

pub(super) struct Folder {
    path: PathBuf,
    /// Uploads that somebody writes.
    turns: Mutex<HashMap<String, Arc<Turn>>>,
}

/// Whose turn it is to write an upload: a number that only grows. Locked while something is written, so that whoever
/// takes over finds nothing half done; only on threads that may block.
#[derive(Default)]
pub(super) struct Turn(Mutex<u64>);

impl Turn {
    pub(super) fn lock(&self) -> MutexGuard<'_, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path)?;
        Ok(Self { path: path.to_owned(), turns: Mutex::default() })
    }

    /// Where content is when it is whole.
    pub(super) fn whole(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where it is until then.
    pub(super) fn part(&self, name: &str) -> PathBuf {
        self.path.join(format!("{PART}{name}"))
    }

    /// Opens what is not whole yet, for its owner alone.
    pub(super) fn open_part(&self, name: &str) -> io::Result<File> {
        let (part, whole) = (self.part(name), self.whole(name));
        // A crash came between the rename and the store's commit: to everybody else it is not whole yet.
        if !part.try_exists()? && whole.try_exists()? {
            fs::rename(&whole, &part)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(part)
    }

    /// Gives content its place. On stable storage when it returns.
    pub(super) fn place(&self, name: &str) -> io::Result<()> {
        fs::rename(self.part(name), self.whole(name))?;
        #[cfg(unix)]
        File::open(&self.path)?.sync_all()?;
        Ok(())
    }

    /// Whether what has this name, whole or not, is gone. What cannot be unlinked stays for later.
    pub(super) fn remove(&self, name: &str) -> bool {
        let gone = |path: PathBuf| match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!(%error, path = %path.display(), "content that nobody needs cannot be removed");
                false
            }
            _ => true,
        };
        gone(self.part(name)) && gone(self.whole(name))
    }

    pub(super) fn collect(&self, needed: &HashSet<String>) -> io::Result<usize> {
        let mut collected = 0;
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let found = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let name = found.strip_prefix(PART).unwrap_or(&found);
            // Only what looks like ours: an operator may have put something beside it.
            if name.len() == NAME_CHARS && !needed.contains(name) {
                fs::remove_file(&path)?;
                collected += 1;
            }
        }
        Ok(collected)
    }

    /// The turn of an upload, shared by all who ever wanted to write it and are still there.
    pub(super) fn turn(&self, name: &str) -> Arc<Turn> {
        Arc::clone(self.turns().entry(name.to_owned()).or_default())
    }

    /// Forgets a turn that nobody else holds.
    pub(super) fn leave(&self, name: &str, turn: &Arc<Turn>) {
        let mut turns = self.turns();
        // Ours and the map's.
        if Arc::strong_count(turn) <= 2 {
            turns.remove(name);
        }
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<String, Arc<Turn>>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
