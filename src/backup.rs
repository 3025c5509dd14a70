//! Backups: everything a server keeps, copied while it runs, and a server made from such a copy.
//!
//! ```text
//!   take:     files ─▶ store (one moment) ─▶ files that came meanwhile ─▶ secrets, identity ─▶ renamed: complete
//!   restore:  identity, secrets, files ─▶ store, with new lives of all logs ─▶ complete
//! ```
//!
//! Knows neither rooms nor people. All calls block.
//! Invariant: a backup that has its name is whole, and a restored server has its store last, so that a start in the middle
//! of a restore finds none.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::seams::Seams;
use crate::store::StoreError;
use crate::store::sqlite::{revive, snapshot};

/// The store within a backup.
const STORE: &str = "quipu.db";
/// Folders within a backup: two of the data folder, and the identity's.
const SECRETS: &str = "secrets";
const FILES: &str = "files";
const CERTS: &str = "certs";
/// What the repository itself has in an identity's folder.
const NOT_OURS: &str = "README.md";

/// What to do with a file that the other folder has already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Present {
    /// Its name says what is in it.
    Kept,
    /// It must be the same.
    MustBeEqual,
}

/// Why there is no backup, or no server made from it.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// What shall be made is there already.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// What shall be restored is not a backup.
    #[error("{} is not a backup: it has no {STORE}", .0.display())]
    NotABackup(PathBuf),
    /// The store cannot be copied.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

/// Copies everything the server of `config` keeps to the new folder `to`. The server may run. What was acknowledged before
/// the call is in the backup.
///
/// # Errors
/// Then `to` does not exist; what was copied so far may lie beside it as `to` with `.part` behind.
pub fn take(config: &Config, to: &Path) -> Result<(), BackupError> {
    refuse_existing(to)?;
    let part = with_suffix(to, ".part");
    if part.exists() {
        fs::remove_dir_all(&part).map_err(|error| failed(&part, error))?;
    }
    make_folder(&part)?;
    // Before and after, so that each file the store's copy knows is here, whenever it came.
    copy_folder(&config.data.join(FILES), &part.join(FILES), Present::Kept)?;
    snapshot(&config.data, &part.join(STORE))?;
    copy_folder(&config.data.join(FILES), &part.join(FILES), Present::Kept)?;
    copy_folder(&config.data.join(SECRETS), &part.join(SECRETS), Present::MustBeEqual)?;
    copy_folder(&config.certs, &part.join(CERTS), Present::MustBeEqual)?;
    sync_folder(&part)?;
    fs::rename(&part, to).map_err(|error| failed(to, error))?;
    sync_folder(&parent(to))
}

/// Makes the folders of `config`, which must have no store and no identity, from the backup `from`.
///
/// # Errors
/// Then there is no store; what else was copied may be there, and another attempt goes on from it.
pub fn restore(config: &Config, from: &Path, seams: &Seams) -> Result<(), BackupError> {
    let store = from.join(STORE);
    if !store.is_file() {
        return Err(BackupError::NotABackup(from.to_owned()));
    }
    refuse_existing(&config.data.join(STORE))?;
    make_folder(&config.data)?;
    // An identity of its own would be half of two.
    copy_folder(&from.join(CERTS), &config.certs, Present::MustBeEqual)?;
    copy_folder(&from.join(SECRETS), &config.data.join(SECRETS), Present::MustBeEqual)?;
    copy_folder(&from.join(FILES), &config.data.join(FILES), Present::Kept)?;
    let mut bytes = [0; 4];
    seams.entropy.fill(&mut bytes);
    // As random as that of a new room: two restores of one backup are two lives.
    let incarnation = u64::from(u32::from_be_bytes(bytes)) + 1;
    Ok(revive(&store, &config.data, incarnation)?)
}

/// Copies what is in a folder and not yet in the other one, with the modes it has. Neither links nor what a running
/// server has not finished; a folder that is not there is an empty one.
fn copy_folder(from: &Path, to: &Path, present: Present) -> Result<(), BackupError> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(from, error)),
    };
    make_folder(to)?;
    for entry in entries {
        let entry = entry.map_err(|error| failed(from, error))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(|error| failed(&path, error))?;
        let name = entry.file_name();
        let is_ours = !name.to_string_lossy().starts_with('.') && name != NOT_OURS;
        if kind.is_dir() {
            copy_folder(&path, &target, present)?;
        } else if kind.is_file() && is_ours {
            match target.exists() {
                false => copy_file(&path, &target)?,
                true if present == Present::Kept || is_same(&path, &target)? => {}
                true => return Err(BackupError::Exists(target)),
            }
        }
    }
    sync_folder(to)
}

fn is_same(one: &Path, other: &Path) -> Result<bool, BackupError> {
    let read = |path: &Path| fs::read(path).map_err(|error| failed(path, error));
    Ok(read(one)? == read(other)?)
}

fn copy_file(from: &Path, to: &Path) -> Result<(), BackupError> {
    let new = with_suffix(to, ".new");
    match fs::copy(from, &new) {
        Ok(_) => {}
        // It went while we looked: nothing refers to it any more.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(&new, error)),
    }
    let synced = OpenOptions::new().write(true).open(&new).and_then(|file| file.sync_all());
    synced.and_then(|()| fs::rename(&new, to)).map_err(|error| failed(to, error))
}

/// A folder that only its owner may enter; one that is there stays as it is.
fn make_folder(path: &Path) -> Result<(), BackupError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| failed(path, error))
}

fn refuse_existing(path: &Path) -> Result<(), BackupError> {
    match path.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err(BackupError::Exists(path.to_owned())),
        Err(error) => Err(failed(path, error)),
    }
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> Result<(), BackupError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|error| failed(path, error))
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> Result<(), BackupError> {
    Ok(())
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn failed(path: &Path, source: io::Error) -> BackupError {
    BackupError::Io { path: path.to_owned(), source }
}
