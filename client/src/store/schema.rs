//! The profile's files: made private, locked, versioned.
//!
//! Invariant: a database of a later version is never written to.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

use rusqlite::Connection;

use crate::error::{Error, ErrorCode};

const VERSION: i64 = 3;

/// Version 1.
const TABLES: &str = "
CREATE TABLE identity (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    seed        BLOB NOT NULL,
    invite      BLOB NOT NULL
) STRICT;
CREATE TABLE account (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    host        TEXT NOT NULL,
    port        INTEGER NOT NULL,
    pin         BLOB NOT NULL,
    user        BLOB NOT NULL,
    device      BLOB NOT NULL,
    nickname    TEXT NOT NULL,
    device_name TEXT NOT NULL,
    role        INTEGER NOT NULL,
    invite      BLOB NOT NULL,
    token       BLOB NOT NULL,
    expires_ms  INTEGER NOT NULL,
    skew_ms     INTEGER NOT NULL
) STRICT;
CREATE TABLE cursor (
    room        BLOB PRIMARY KEY,
    incarnation INTEGER NOT NULL,
    seq         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE entry (
    room        BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    payload     BLOB NOT NULL,
    PRIMARY KEY (room, incarnation, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
    place       INTEGER PRIMARY KEY AUTOINCREMENT,
    message     BLOB NOT NULL UNIQUE,
    room        BLOB NOT NULL,
    payload     BLOB NOT NULL,
    created_ms  INTEGER NOT NULL,
    code        INTEGER,
    text        TEXT
) STRICT;
CREATE TABLE sent (
    place       INTEGER PRIMARY KEY AUTOINCREMENT,
    message     BLOB NOT NULL UNIQUE,
    room        BLOB NOT NULL,
    digest      BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    duplicate   INTEGER NOT NULL
) STRICT;
";

/// Version 2: when a message first went out, what the program showed, and what rooms are called.
const STEP_2: &str = "
ALTER TABLE outbox ADD COLUMN first_sent_ms INTEGER;
CREATE INDEX outbox_unsent ON outbox (place) WHERE code IS NULL;
CREATE INDEX outbox_refused ON outbox (place) WHERE code IS NOT NULL;
CREATE TABLE shown (
    room        BLOB PRIMARY KEY,
    incarnation INTEGER NOT NULL,
    seq         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO shown SELECT room, incarnation, seq FROM cursor;
CREATE TABLE room (
    room        BLOB PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;
";

/// Version 3: what entries are about, when they vanish, how late the server last said it is, and which refused messages a
/// person was told of. What an earlier version kept may have been edited or erased by entries it did not understand, so it is fetched anew.
const STEP_3: &str = "
ALTER TABLE outbox ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
DELETE FROM entry;
ALTER TABLE entry ADD COLUMN target INTEGER;
CREATE INDEX entry_about ON entry (room, incarnation, target, seq) WHERE target IS NOT NULL;
CREATE TABLE vanishing (
    at_ms       INTEGER NOT NULL,
    room        BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    PRIMARY KEY (at_ms, room, incarnation, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE server_time (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    seen_ms     INTEGER NOT NULL
) STRICT;
";

/// What leads from each version to the next; the first from nothing to version 1.
const STEPS: [&str; VERSION as usize] = [TABLES, STEP_2, STEP_3];

/// Makes the folder, for its owner alone.
pub(super) fn prepare(folder: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .and_then(|()| restrict(folder, 0o700))
        .map_err(|error| Error::storage(format_args!("{}: {error}", folder.display())))
}

/// Takes the profile for this process, until the file is closed.
pub(super) fn lock(folder: &Path) -> Result<File, Error> {
    let file = private(&folder.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::never(
            ErrorCode::Locked,
            format!("another process uses the profile in {}", folder.display()),
        )),
        Err(TryLockError::Error(error)) => Err(Error::storage(error)),
    }
}

/// Opens the database, and brings it to this version.
pub(super) fn open(folder: &Path) -> Result<Connection, Error> {
    let path = folder.join("profile.db");
    // Made by us first, because SQLite gives its other files the mode of this one.
    drop(private(&path)?);
    let mut db = Connection::open(&path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "secure_delete", "ON")?;
    migrate(&mut db)?;
    Ok(db)
}

fn migrate(db: &mut Connection) -> Result<(), Error> {
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = usize::try_from(version).ok().and_then(|version| STEPS.get(version..));
    let Some(missing) = known else {
        return Err(Error::never(
            ErrorCode::StorageNewer,
            format!("the profile is of version {version}, and this program knows {VERSION}; update it"),
        ));
    };
    if missing.is_empty() {
        return Ok(());
    }
    // All steps or none, so that a profile is never between two versions.
    let step = db.transaction()?;
    for tables in missing {
        step.execute_batch(tables)?;
    }
    step.pragma_update(None, "user_version", VERSION)?;
    Ok(step.commit()?)
}

/// Takes from everybody else what they may do with something that was there already.
#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let present = fs::metadata(path)?.permissions().mode();
    if present & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn restrict(_: &Path, _: u32) -> std::io::Result<()> {
    Ok(())
}

fn private(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .and_then(|file| restrict(path, 0o600).map(|()| file))
        .map_err(|error| Error::storage(format_args!("{}: {error}", path.display())))
}
