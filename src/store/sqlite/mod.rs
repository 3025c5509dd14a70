//! The store on disk: SQLite in one folder that one process owns.
//!
//! ```text
//!   commit: BEGIN · job · job · … · COMMIT (one fsync of the log) ─▶ now and then a checkpoint, before a batch
//!   reader: a connection of its own, which sees what is committed
//! ```
//!
//! SQLite keeps a write-ahead log with `synchronous=FULL`: a commit that returned is on the disk.
//!
//! Invariant: after the disk failed to take a commit or a checkpoint, nothing commits until a new connection has
//! brought the whole write-ahead log into the file, with every fsync it takes, and emptied it.

mod bots;
mod contents;
mod copy;
mod directory;
mod fault;
mod files;
mod folder;
mod going;
mod home;
mod marking;
mod moderation;
mod outdated;
mod query;
mod reads;
mod relating;
mod rows;
mod schema;
mod search;
mod settings;
#[cfg(test)]
mod tests;
mod writes;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tracing::debug;

pub use self::copy::{revive, snapshot};
use self::fault::store_error;
use self::folder::Folder;
use self::home::{BUSY_TIMEOUT, Home, Memory};
use self::reads::{Access, View};
use self::writes::Batch;
use super::{CommitError, Effect, Reads, Store, StoreError, Writes};

/// The first SQLite without the race that could damage a write-ahead log while it is reset.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// Page cache of one reader, in KiB: the inner pages and a few pages of history.
const READER_CACHE_KIB: i64 = 4 * 1024;
/// Pages of 4 KiB in the write-ahead log before they are brought into the file. A page that changes often is
/// brought there once, and one large batch can dirty 2,000; a start after a crash reads 32 MiB.
const WAL_PAGES_MAX: i64 = 8_000;
/// Largest file that is checked from end to end at every start, in bytes: about a fifth of a second. Damage in a
/// larger one is found when it is read.
const CHECKED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The store in a folder, or in memory.
pub struct SqliteStore {
    writer: Connection,
    home: Home,
    /// Why the writer's connection must not be used any more.
    fault: Option<StoreError>,
    /// The write-ahead log has grown beyond its bound.
    wal_is_long: bool,
}

/// What a batch did, and whether it gave pages back, which are the disk's only after a checkpoint.
type Ran = (Vec<Effect>, bool);

impl SqliteStore {
    /// Opens the store in `folder`, or makes one there, and keeps other processes out.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it, [`StoreError::Newer`] when a later version wrote it,
    /// [`StoreError::Damaged`] when it is not a store or not whole, otherwise what the operating system said.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        if rusqlite::version_number() < SQLITE_VERSION_MIN {
            return Err(StoreError::Failed(format!("sqlite {} is too old", rusqlite::version())));
        }
        let folder = Arc::new(Folder::open(folder)?);
        if folder.is_empty()? {
            folder.create(schema::create)?;
        }
        folder.check_length()?;
        let home = Home::Folder(Arc::clone(&folder));
        let found = home.connect()?;
        schema::check(&found)?;
        if folder.store_bytes()? <= CHECKED_BYTES_MAX {
            check_pages(&found)?;
        }
        let mut writer = home.connect_writer()?;
        schema::migrate(&mut writer)?;
        search::check_version(&mut writer)?;
        schema::make_shrinkable(&writer)?;
        Ok(Self::of(home, writer))
    }

    /// An empty store in memory.
    pub(super) fn in_memory() -> Result<Self, StoreError> {
        let home = Home::Memory(Arc::new(Memory::new()?));
        let mut writer = home.connect_writer()?;
        schema::create(&mut writer)?;
        search::check_version(&mut writer)?;
        Ok(Self::of(home, writer))
    }

    /// The same store in memory with another writer: only one of them may be in a batch at a time.
    pub(super) fn again(&self) -> Result<Self, StoreError> {
        Ok(Self::of(self.home.clone(), self.home.connect_writer()?))
    }

    fn of(home: Home, writer: Connection) -> Self {
        Self { writer, home, fault: None, wal_is_long: false }
    }

    /// Makes the writer fit for a batch: after a fault, a new connection that proves the disk works; after many
    /// pages, a checkpoint.
    fn make_ready(&mut self) -> Result<(), StoreError> {
        if self.fault.is_some() {
            let writer = self.home.connect_writer()?;
            let left = checkpoint(&writer, "PRAGMA wal_checkpoint(TRUNCATE)")?;
            if left > 0 {
                return Err(StoreError::Failed(format!("{left} pages of the write-ahead log are in use")));
            }
            self.writer = writer;
            self.fault = None;
        }
        if !self.writer.is_autocommit() {
            // A panic left it open.
            self.writer.execute_batch("ROLLBACK").map_err(store_error)?;
        }
        if self.wal_is_long {
            match checkpoint(&self.writer, "PRAGMA wal_checkpoint(PASSIVE)") {
                // The file cannot grow. Whether the log still can, the batch will see.
                Ok(_) | Err(StoreError::Full) => self.wal_is_long = false,
                Err(error) => return Err(self.note(error)),
            }
        }
        Ok(())
    }

    fn run(&mut self, work: &mut dyn FnMut(&mut dyn Writes)) -> Result<Ran, StoreError> {
        self.writer.execute_batch("BEGIN IMMEDIATE").map_err(store_error)?;
        let mut batch = View(Batch::new(&mut self.writer));
        work(&mut batch);
        batch.0.finish()
    }

    /// Lets the file end where its pages do, and empties the log. A reader may be in the way: then the next checkpoint
    /// does it. What was committed is in the log until then, so nothing depends on it.
    fn shrink(&self) {
        let at_once = self.writer.busy_timeout(Duration::ZERO).map_err(store_error);
        let shrunk = at_once.and_then(|()| checkpoint(&self.writer, "PRAGMA wal_checkpoint(TRUNCATE)"));
        let patient = self.writer.busy_timeout(BUSY_TIMEOUT).map_err(store_error);
        if let Err(error) = shrunk.and(patient) {
            debug!(%error, "the file shrinks later");
        }
    }

    /// Remembers a fault of the disk or the file: the connection may believe what is not so.
    fn note(&mut self, error: StoreError) -> StoreError {
        let is_fault = matches!(error, StoreError::Io(_) | StoreError::Damaged(_));
        let rolled_back = self.writer.is_autocommit() || self.writer.execute_batch("ROLLBACK").is_ok();
        if is_fault || !rolled_back {
            self.fault = Some(error.clone());
        }
        error
    }
}

impl Store for SqliteStore {
    fn reader(&self) -> Result<Box<dyn Reads>, StoreError> {
        let conn = self.home.connect()?;
        let settings = format!("PRAGMA query_only = 1; PRAGMA cache_size = -{READER_CACHE_KIB};");
        conn.execute_batch(&settings).map_err(store_error)?;
        Ok(Box::new(View(Reader { conn, _home: self.home.clone() })))
    }

    fn commit(&mut self, work: &mut dyn FnMut(&mut dyn Writes)) -> Result<Vec<Effect>, CommitError> {
        self.make_ready()?;
        let (effects, shrinks) = self.run(work).map_err(|error| self.note(error))?;
        match self.writer.execute_batch("COMMIT").map_err(store_error) {
            Ok(()) => {
                if self.home.has_log() {
                    // Only a hint: without an answer the log just grows until there is one.
                    let long = checkpoint(&self.writer, "PRAGMA wal_checkpoint(NOOP)");
                    self.wal_is_long = long.is_ok_and(|pages| pages > WAL_PAGES_MAX);
                    if shrinks {
                        self.shrink();
                    }
                }
                Ok(effects)
            }
            Err(error) => match self.note(error) {
                // The last page of the log was not written, so whoever reads the log stops before this batch.
                error @ StoreError::Full => Err(CommitError::Undone(error)),
                error => Err(CommitError::Unknown(error)),
            },
        }
    }
}

struct Reader {
    conn: Connection,
    /// Keeps other processes out as long as the file is open.
    _home: Home,
}

impl Access for Reader {
    fn conn(&self) -> &Connection {
        &self.conn
    }
}

/// Runs a checkpoint pragma; gives the pages of the log that are not in the file yet.
fn checkpoint(conn: &Connection, pragma: &str) -> Result<i64, StoreError> {
    let answer = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
    let mut statement = conn.prepare_cached(pragma).map_err(store_error)?;
    let (pages, moved) = statement.query_row([], answer).map_err(store_error)?;
    Ok(pages - moved)
}

fn check_pages(conn: &Connection) -> Result<(), StoreError> {
    let found: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(store_error)?;
    if found == "ok" { Ok(()) } else { Err(StoreError::Damaged(found)) }
}
