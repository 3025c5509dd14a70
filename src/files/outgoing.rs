//! Content on its way out, a piece at a time.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use bytes::Bytes;

use super::FileError;
use super::depot::on_disk;
use crate::limits::FILE_CHUNK_BYTES;
use crate::store::Blocking;

/// A part of a file, being read.
pub struct Outgoing {
    file: File,
    left: u64,
    blocking: Blocking,
}

impl Outgoing {
    pub(super) fn open(path: &Path, offset: u64, length: u64, blocking: Blocking) -> Result<Self, FileError> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { file, left: length, blocking })
    }

    /// The next piece, and the rest of the file behind it; none at the end.
    ///
    /// # Errors
    /// See [`FileError`]; [`FileError::Missing`] when the disk has less than the store promised.
    pub async fn next(mut self) -> Result<Option<(Bytes, Self)>, FileError> {
        if self.left == 0 {
            return Ok(None);
        }
        on_disk(self.blocking, move || {
            let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(FILE_CHUNK_BYTES);
            let mut piece = Vec::with_capacity(wanted);
            self.file.by_ref().take(wanted as u64).read_to_end(&mut piece)?;
            if piece.is_empty() {
                return Err(FileError::Missing);
            }
            self.left -= piece.len() as u64;
            Ok(Some((piece.into(), self)))
        })
        .await
    }
}
