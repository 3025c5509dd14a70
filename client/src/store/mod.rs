//! The profile: what must survive this process. One SQLite database, owned by one process at a time.
//!
//! ```text
//!   Client · session ──run(work)──▶ one connection behind a lock ──▶ profile.db (WAL, synced on every commit)
//! ```
//!
//! `identity` keeps the key and the account, `outbox` what is to be sent, `refused` what is not, `log` what was received,
//! `names` what rooms are called, `vanishing` when what was received goes again. They are plain
//! functions over a connection; this file decides on which thread they run.
//! Invariant: when `run` returns, what `work` committed is on stable storage.

mod heeding;
pub(crate) mod identity;
pub(crate) mod log;
pub(crate) mod names;
pub(crate) mod outbox;
pub(crate) mod refused;
mod schema;
pub(crate) mod vanishing;

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use crate::config::Blocking;
use crate::error::{Error, ErrorCode, Retry};

/// A profile. Clones are the same profile.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    open: Arc<Mutex<Option<Open>>>,
    blocking: Blocking,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    // Held, not read: the lock ends with the file.
    _lock: File,
}

impl Store {
    /// Opens the profile in `folder` and locks it.
    ///
    /// # Errors
    /// [`ErrorCode::Locked`], [`ErrorCode::StorageNewer`], [`ErrorCode::Storage`].
    pub(crate) async fn open(folder: &Path, blocking: Blocking) -> Result<Self, Error> {
        let folder = folder.to_owned();
        let open = on_thread(blocking, move || {
            schema::prepare(&folder)?;
            let lock = schema::lock(&folder)?;
            let connection = schema::open(&folder)?;
            Ok(Open { connection, _lock: lock })
        });
        Ok(Self { open: Arc::new(Mutex::new(Some(open.await?))), blocking })
    }

    /// Runs `work` on the database. It runs to its end even when the caller stops waiting.
    ///
    /// # Errors
    /// Those of `work`; [`ErrorCode::Stopped`] after [`Store::close`].
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    {
        let open = Arc::clone(&self.open);
        on_thread(self.blocking, move || {
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut open.as_mut().ok_or_else(stopped)?.connection)
        })
        .await
    }

    /// Closes the database and gives the profile free. Idempotent.
    pub(crate) async fn close(&self) {
        let open = Arc::clone(&self.open);
        let closing = on_thread(self.blocking, move || {
            drop(open.lock().unwrap_or_else(PoisonError::into_inner).take());
            Ok(())
        });
        // It fails only when the runtime ends, and then the process closes it.
        let _ = closing.await;
    }
}

fn stopped() -> Error {
    Error::never(ErrorCode::Stopped, "the client was shut down")
}

async fn on_thread<T, F>(blocking: Blocking, work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Error> + Send + 'static,
{
    match blocking {
        Blocking::Inline => work(),
        Blocking::Pool => match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) if error.is_cancelled() => Err(stopped()),
            Err(_) => Err(Error::new(ErrorCode::Internal, Retry::Never, "the profile's work panicked")),
        },
    }
}

/// A number as SQLite keeps it.
fn to_sql(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Error::storage(format_args!("the number {number} is too large")))
}

/// A number as we kept it.
fn from_sql(number: i64) -> Result<u64, Error> {
    u64::try_from(number).map_err(|_| damaged("a negative number"))
}

fn damaged(what: &str) -> Error {
    Error::storage(format_args!("it is damaged ({what})"))
}

/// An id as we kept it.
fn id<T: for<'a> TryFrom<&'a [u8]>>(bytes: &[u8]) -> Result<T, Error> {
    T::try_from(bytes).map_err(|_| damaged("an id of another length"))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A fresh profile in a folder that goes with the guard.
    pub(crate) async fn store() -> (Store, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Blocking::Inline).await.unwrap();
        (store, folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_profile_is_owned_by_one_at_a_time() {
        let (store, folder) = testing::store().await;
        let second = Store::open(folder.path(), Blocking::Inline).await.unwrap_err();
        assert_eq!(second.code, ErrorCode::Locked);
        store.close().await;
        let again = Store::open(folder.path(), Blocking::Pool).await.unwrap();
        again.run(|_| Ok(())).await.unwrap();
        let closed = store.run(|_| Ok(())).await.unwrap_err();
        assert_eq!(closed.code, ErrorCode::Stopped);
    }

    #[tokio::test]
    async fn a_later_schema_is_refused_and_left_alone() {
        let (store, folder) = testing::store().await;
        store.run(|db| Ok(db.pragma_update(None, "user_version", 99)?)).await.unwrap();
        store.close().await;
        let error = Store::open(folder.path(), Blocking::Inline).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::StorageNewer);
    }

    #[tokio::test]
    async fn what_is_no_database_is_told_as_damaged() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("profile.db"), vec![7; 8_192]).unwrap();
        let error = Store::open(folder.path(), Blocking::Inline).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Storage);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("a").join("profile");
        let store = Store::open(&folder, Blocking::Inline).await.unwrap();
        store.run(|db| identity::seed_for(db, &[1; 32], &[3; 32].into())).await.unwrap();
        store.close().await;
        // One that was made by hand is closed to others as well.
        for (path, mode) in [(folder.clone(), 0o755), (folder.join("profile.db"), 0o644)] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let _store = Store::open(&folder, Blocking::Inline).await.unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        for file in std::fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}
