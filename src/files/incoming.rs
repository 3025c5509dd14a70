//! Content on its way in: written, hashed as it is written, and whole only when it is what was announced.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use ring::digest::{Context, SHA256};

use super::FileError;
use super::depot::on_disk;
use super::folder::{Folder, Turn};
use crate::limits::{FILE_CHUNK_BYTES, FILE_SYNC_BYTES};
use crate::store::{Blocking, FileHash};

/// An upload that somebody writes. Dropped, its bytes stay for whoever goes on.
pub struct Incoming {
    folder: Arc<Folder>,
    name: String,
    turn: Arc<Turn>,
    mine: u64,
    file: File,
    hash: Context,
    at: u64,
    size: u64,
    synced: u64,
    blocking: Blocking,
}

impl Incoming {
    /// Takes the turn, and reads what is there: the hash is over all of it.
    pub(super) fn open(
        folder: Arc<Folder>,
        name: String,
        size: u64,
        blocking: Blocking,
    ) -> Result<Self, FileError> {
        let turn = folder.turn(&name);
        let (mine, file) = {
            let mut now = turn.lock();
            *now += 1;
            (*now, folder.open_part(&name)?)
        };
        if file.metadata()?.len() > size {
            file.set_len(0)?;
        }
        let hash = Context::new(&SHA256);
        let mut incoming = Self { folder, name, turn, mine, file, hash, at: 0, size, synced: 0, blocking };
        let mut bytes = vec![0; FILE_CHUNK_BYTES];
        loop {
            match incoming.file.read(&mut bytes)? {
                0 => break,
                read => incoming.count(&bytes[..read]),
            }
        }
        incoming.synced = incoming.at;
        Ok(incoming)
    }

    /// How far it has come, bytes.
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// Writes more of it. Given back when it is written; cancelled, it is written all the same.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn write(mut self, chunks: Vec<Bytes>) -> Result<Self, FileError> {
        on_disk(self.blocking, move || {
            chunks.iter().try_for_each(|chunk| self.put(chunk))?;
            Ok(self)
        })
        .await
    }

    /// Gives it its place, on stable storage, if it is what was announced. Otherwise its bytes are worth nothing.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn finish(self, announced: FileHash) -> Result<(), FileError> {
        on_disk(self.blocking, move || {
            let now = self.turn.lock();
            if *now != self.mine {
                return Err(FileError::Superseded);
            }
            if self.at != self.size {
                return Err(FileError::Short);
            }
            if self.hash.clone().finish().as_ref() != announced {
                return Err(FileError::Mismatch);
            }
            self.file.sync_all()?;
            Ok(self.folder.place(&self.name)?)
        })
        .await
    }

    fn put(&mut self, chunk: &[u8]) -> Result<(), FileError> {
        if chunk.len() as u64 > self.size - self.at {
            return Err(FileError::Mismatch);
        }
        let turn = Arc::clone(&self.turn);
        let now = turn.lock();
        if *now != self.mine {
            return Err(FileError::Superseded);
        }
        if let Err(error) = self.file.write_all(chunk) {
            // What is half written would be hashed by nobody.
            let _ = self.file.set_len(self.at);
            return Err(error.into());
        }
        self.count(chunk);
        // A little at a time: a disk that is given all of it at the end makes everybody's next commit wait.
        if self.at - self.synced >= FILE_SYNC_BYTES {
            self.file.sync_data()?;
            self.synced = self.at;
        }
        Ok(())
    }

    fn count(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.at += bytes.len() as u64;
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.folder.leave(&self.name, &self.turn);
    }
}
